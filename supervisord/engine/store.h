/*
 * The runtime directory and the recovery area in it, as files: made, locked, mapped.
 * What the bytes mean is wire/recovery.h.
 */
#pragma once

#include <stdbool.h>

#include "wire/recovery.h"

struct store {
	struct recovery area;
	int lock_fd, file_fd; /* owned; the launcher keeps duplicates */
	bool unsaved; /* the area is in memory alone: store_save() has to follow */
};

#define STORE_INIT                           \
	{                                    \
		.lock_fd = -1, .file_fd = -1 \
	}

/*
 * Makes a directory and those above it, 0755 and the last one with mode, and checks that
 * others can't write to it. 0 or -errno; -EPERM: someone else could put files there.
 */
int store_make_directory(const char *path, unsigned mode);

/*
 * Takes the runtime directory. 0; -EBUSY where another supervisord has it, with its pid
 * in *ret_holder (0 if unknown); -errno.
 */
int store_lock(struct store *s, const char *runtime_dir, int *ret_holder);

/*
 * Maps the area that a dead instance left there, read and to be saved as store_take().
 * 0, -ENOENT, -errno as recovery_open().
 */
int store_open_left(const char *runtime_dir, struct store *ret_store);

/* Makes a new area for so many services, in place of one that may be there. 0 or -errno. */
int store_create(struct store *s, const char *runtime_dir, uint32_t capacity);

/* Makes room for so many services (more than there is) and maps it anew. 0 or -errno. */
int store_grow(struct store *s, uint32_t capacity);

/*
 * Maps the area behind an fd from the launcher (taken on success). 0 or -errno. One of an
 * older program is moved to memory of its own, with s->unsaved set: until store_save() has
 * made a file of it and the launcher keeps that, nothing may be changed in it.
 */
int store_take(struct store *s, int fd);

/*
 * Puts an area that is in memory alone into a new file, which then takes the place of the
 * one that may be there; its fd takes the place of s->file_fd. Whoever dies in the middle
 * leaves the old file or the new one, and both say the same. 0 or -errno.
 */
int store_save(struct store *s, const char *runtime_dir);

/* Unmaps and closes; with runtime_dir, also removes the files: the end of supervisord. */
void store_fini(struct store *s, const char *runtime_dir);
