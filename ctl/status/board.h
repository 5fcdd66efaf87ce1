/*
 * Reading the status board, which lies beside the control socket: no engine is woken for it. It is
 * a short cut, and what can't be had from it is asked of the engine.
 */
#pragma once

#include <fcntl.h> /* before wire/board.h, which has more to offer then */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/mapping.h"
#include "base/usec.h"
#include "wire/board.h"

struct board {
	int fd; /* owned; -1: not open */
	struct mapping mapping;
	struct supervisord_board_view view; /* of memory owned by this */
	char *path; /* owned */
	dev_t device;
	ino_t inode;
};

#define BOARD_INIT       \
	{                \
		.fd = -1 \
	}

/*
 * Opens the board of the supervisord whose socket that is. 0; -ENOENT, -EACCES, another -errno of
 * open(); -EPERM: it is neither root's, nor ours, nor the socket's owner's; -EBADMSG: it is none;
 * -EPROTONOSUPPORT: of another version; -ESTALE: of another boot, or not in use any more.
 */
int board_open(struct board *b, const char *socket_path);
void board_close(struct board *b);
#define _cleanup_board_ _cleanup_(board_close)

/* An engine lives that keeps it up to date. */
bool board_is_attended(const struct board *b);
/* The same, and it is still this file that the engine keeps, and all of it. */
bool board_is_current(const struct board *b);

/*
 * Who is told of each slot, in the order of the configuration. What is borrowed ends with the call.
 * A slot may have to be read again together with all others: then it begins anew, and what was
 * told before is void. visit() returns 0 or a negative errno, which ends it.
 */
struct board_visitor {
	void (*begin)(void *userdata);
	int (*visit)(const struct supervisord_board_slot *slot, uint32_t id, void *userdata);
	void *userdata;
};

/* What services are asked for by; all borrowed. */
struct board_names {
	char *const *texts;
	size_t n;
};

/*
 * Shows those that the patterns name: services, instances, definitions, globs; all where
 * there is no pattern. As they were at one moment, if that can be had soon. 0; -ENOENT with
 * *ret_unknown (borrowed) set to a pattern that names nothing, and the rest shown all the same;
 * -EOPNOTSUPP: a group, or what is for the engine to judge; -EBUSY: one of them is being written
 * all the time, or they keep changing places; -EXFULL: not all have a slot; -EIO: the file was cut;
 * -EAGAIN: it has grown, open it anew; -ENOMEM; what visit() returned.
 */
int board_visit(const struct board *b, const struct board_names *patterns,
	const struct board_visitor *v, const char **ret_unknown);

/* When anything was last written. */
usec_t board_changed_usec(const struct board *b);

struct board_service {
	struct supervisord_board_slot slot;
	uint32_t id; /* which slot it is */
};

/* In the order of the configuration. */
struct board_services {
	struct board_service *services; /* owned */
	size_t n, size;
	usec_t changed_usec; /* when anything was last written */
};

void board_services_fini(struct board_services *s);
#define _cleanup_board_services_ _cleanup_(board_services_fini)

/* Keeps all that board_visit() shows, and returns what that does. */
int board_read(const struct board *b, const struct board_names *patterns,
	struct board_services *ret_services, const char **ret_unknown);

/*
 * board_open() for a moment's look at a board that is kept up to date, or (attended false) at one
 * that is not: -EAGAIN where it is the other way round.
 */
int board_open_if(struct board *b, const char *socket_path, bool attended);

/* That and board_read(). */
int board_get(const char *socket_path, bool attended, const struct board_names *patterns,
	struct board_services *ret_services, const char **ret_unknown);
