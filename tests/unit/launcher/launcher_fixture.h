/*
 * Runs the real launcher in a directory of its own, with launcher_engine.c in the place of
 * the engine. Every wait has a deadline and fails the test.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "wire/handover.h"
#include "wire/link.h"
#include "wire/plan.h"

#define FIXTURE_DEADLINE_MSEC 20000

struct fixture {
	char dir[64];
	char socket[96];
	int listen_fd;
	pid_t launcher;
	pid_t engine, engine_session;
	int link;
	/* of the message received last */
	struct link_message m;
	int fds[LINK_MAX_FDS];
	unsigned n_fds;
	/* What the launcher keeps by itself and tells at every HELLO: owned, -1. */
	int programs[LINK_KEEP_OLD_ENGINE - LINK_KEEP_LAUNCHER + 1];
	int notebook; /* the same */
};

/* Paths of the two programs; the launcher's copy and the engine's go into the directory. */
void fixture_programs(const char *launcher, const char *engine);

/* Starts a launcher and takes its first engine's link; HELLO is not sent yet. */
void fixture_start(struct fixture *f);
/* The same, and says HELLO. */
void fixture_begin(struct fixture *f);
struct fixture_options {
	const char *argument; /* for the engine, which then does not connect */
	bool new_session;
	unsigned long nofile; /* hard limit; 0: as it is */
	int log_fd; /* for its stderr; 0: ours */
};
/* Starts a launcher, but takes no link yet. */
void fixture_start_with(struct fixture *f, const struct fixture_options *options);
/* KILLs what is left and removes the directory. */
void fixture_stop(struct fixture *f);

/* Starts the launcher that is kept from what is handed over, in the place of the one before. */
void fixture_hand_over(struct fixture *f, struct handover *h);
/* UPGRADE to these programs. */
void fixture_upgrade(struct fixture *f, uint32_t op, const char *launcher, const char *engine);

/* Takes the next engine's link. */
void fixture_accept(struct fixture *f);
/* KILLs the engine, closes the link, takes the next one's. */
void fixture_next_engine(struct fixture *f);
/* HELLO, and reads until SYNCED; what is told in between must be nothing. */
void fixture_hello(struct fixture *f);

void fixture_send(struct fixture *f, struct link_message m, int fd);
void fixture_simple(struct fixture *f, enum link_type type);
/*
 * The next message must be of that type; a PING is answered unless it is what is wanted, and the
 * launcher's own programs are put aside.
 */
void fixture_expect(struct fixture *f, enum link_type type);
/* The next message, whatever it is but a PING. */
void fixture_expect_any(struct fixture *f);
/* No message but PING within that time. */
void fixture_expect_silence(struct fixture *f, int msec);

/* A pidfd of a process that there is; the caller's. */
int fixture_pidfd(pid_t pid);
/* Its process has ended, whether it was reaped or not. */
void fixture_wait_ended(int pidfd);
/* The process is gone, so its end has been reaped. */
void fixture_wait_reaped(pid_t pid);

/* The launcher's exit status, or -signal. */
int fixture_wait(struct fixture *f);

/* A sealed memfd of a plan. */
int fixture_plan(const struct plan *p);
/* A plan that runs /bin/sh -c script. */
struct plan fixture_shell(const char *script);
/*
 * SPAWN with a plan that is in a memfd, as the engine sends it, and new pipes; _try_: 0 or what
 * link_send() says.
 */
int fixture_try_spawn(struct fixture *f, uint32_t id, uint64_t generation, int plan);
void fixture_spawn_plan(struct fixture *f, uint32_t id, uint64_t generation, int plan);
void fixture_spawn(struct fixture *f, uint32_t id, uint64_t generation, const struct plan *p);
void fixture_shell_spawn(struct fixture *f, uint32_t id, uint64_t generation, const char *script);
void fixture_ack(struct fixture *f, uint32_t id, uint64_t generation, uint64_t serial);
void fixture_release(struct fixture *f, uint32_t id, uint64_t generation);
void fixture_kill(struct fixture *f, uint32_t id, uint64_t generation, uint32_t op, int signo);

/* Reads until EOF or n bytes; NUL terminated. */
size_t fixture_read(int fd, char *data, size_t n);
