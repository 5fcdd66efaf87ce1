/*
 * The runtime directory and the recovery area in it, as files: made, locked, mapped.
 * What the bytes mean is wire/recovery.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/mapping.h"
#include "wire/recovery.h"

struct store {
	struct recovery area;
	/*
	 * What the area's head says, for reading: the file may be cut short by anybody who may
	 * write to it, and then this is what is left. Written by store_set() alone.
	 */
	struct recovery_head head;
	struct mapping mapping; /* of the area, once there is a file of it */
	int lock_fd, file_fd; /* owned; the launcher keeps duplicates */
	bool nameless; /* its file has no name, for want of room */
	bool unsaved; /* the area is in memory alone: store_save() has to follow */
};

/* Changes a field of the head, in the order in which this is called. */
#define store_set(s, field, value)                                              \
	do {                                                                    \
		__typeof__((s)->head.field) _v = (value);                       \
		(s)->head.field = _v;                                           \
		__atomic_store_n(&(s)->area.head->field, _v, __ATOMIC_RELEASE); \
		atomic_signal_fence(memory_order_seq_cst);                      \
	} while (0)

#define STORE_INIT                           \
	{                                    \
		.lock_fd = -1, .file_fd = -1 \
	}

/* Which boot this is; all zero where there is no /proc to tell. 0 or -errno. */
int store_get_boot_id(uint8_t ret_id[16]);

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
/* Somebody has removed the lock's name, or given it to another file: who looks there, finds none.
 */
bool store_lock_is_lost(const struct store *s, const char *runtime_dir);
/* Writes down which pid users see: of another launcher than that of the engine before. */
void store_note_holder(const struct store *s);

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
/* The same with a file that has no name, where there is no room for one that has. */
int store_save_nameless(struct store *s);

/*
 * Instead of an area that was lost, one in memory alone with the same head and room for so
 * many services, whose records are the caller's to write before it is saved. 0 or -errno.
 */
int store_renew(struct store *s, uint32_t capacity);

/* The area's file is shorter than it should be, or has no name any more. */
bool store_is_damaged(const struct store *s);

/* Unmaps and closes; with runtime_dir, also removes the files: the end of supervisord. */
void store_fini(struct store *s, const char *runtime_dir);
