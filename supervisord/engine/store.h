/*
 * The runtime directory and the recovery area in it, as files: made, locked, mapped.
 * What the bytes mean is wire/recovery.h.
 */
#pragma once

#include "wire/recovery.h"

struct store {
	struct recovery area;
	int lock_fd, file_fd; /* owned; the launcher keeps duplicates */
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

/* Maps the area that a dead instance left there. 0, -ENOENT, -errno as recovery_open(). */
int store_open_left(const char *runtime_dir, struct store *ret_store);

/* Makes a new area for so many services, in place of one that may be there. 0 or -errno. */
int store_create(struct store *s, const char *runtime_dir, uint32_t capacity);

/* Makes room for so many services (more than there is) and maps it anew. 0 or -errno. */
int store_grow(struct store *s, uint32_t capacity);

/* Maps the area behind an fd from the launcher (taken on success). 0 or -errno. */
int store_take(struct store *s, int fd);

/* Unmaps and closes; with runtime_dir, also removes the files: the end of supervisord. */
void store_fini(struct store *s, const char *runtime_dir);
