/*
 * Scope-bound ownership. A local that owns something carries a cleanup
 * attribute; TAKE_PTR and TAKE_FD hand it over and disarm the attribute.
 * Descriptors start at -1.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)	__attribute__((cleanup(f)))
#define _cleanup_free_	_cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

/* Closes fd if it is one, keeps errno, and returns -1 to assign back. */
int close_fd(int fd);

static inline void cleanup_close(int *fd)
{
	close_fd(*fd);
}

#define TAKE_PTR(ptr)                         \
	({                                    \
		__typeof__(ptr) *_p = &(ptr); \
		__typeof__(ptr) _v = *_p;     \
		*_p = NULL;                   \
		_v;                           \
	})

#define TAKE_FD(fd)              \
	({                       \
		int *_p = &(fd); \
		int _v = *_p;    \
		*_p = -1;        \
		_v;              \
	})
