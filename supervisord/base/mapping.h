/*
 * Files that are mapped, and can be cut short by anybody who may write to them, or turn out
 * to have no room on the disk: then touching a page is a SIGBUS. For mappings that are
 * registered here, such a page becomes private zeros instead, and the mapping is marked as
 * lost, for its owner to find out at leisure; what it wrote there is gone. Any other SIGBUS ends
 * the process as ever.
 *
 * One thread; reading and writing of a lost mapping stay harmless until it is unmapped. It
 * must not be moved by mremap() any more: it may have come to consist of several parts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MAPPING_MAX 16 /* registered at once */

/* One mapping; embedded, and where it is until it is removed. All zero: not registered. */
struct mapping {
	char *address;
	size_t size;
	volatile bool lost;
};

/* Handles SIGBUS from here on, in this process (not in what it execs). 0 or -errno. */
int mapping_init(void);

/*
 * Registers what the caller has mapped with MAP_SHARED, by mmap() at page boundaries; lost
 * becomes false. 0 or -ENOSPC: MAPPING_MAX are registered; then it is only not protected.
 */
int mapping_add(struct mapping *m, void *address, size_t size);

/* Before it is unmapped, or moved by mremap(). Nothing where it is not registered. */
void mapping_remove(struct mapping *m);

/* Whether a page of it was lost since it was registered. */
static inline bool mapping_is_lost(const struct mapping *m)
{
	return m->lost;
}
