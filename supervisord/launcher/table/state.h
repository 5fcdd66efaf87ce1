/* The one struct that owns everything the launcher has, and its times. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"
#include "launcher/table/table.h"
#include "wire/link.h"

/* Tests build with a divisor, to see in a second what takes a minute. */
#ifndef LAUNCHER_TIME_DIVISOR
#define LAUNCHER_TIME_DIVISOR 1
#endif
#define LAUNCHER_SECONDS(n) ((n)*USEC_PER_SEC / LAUNCHER_TIME_DIVISOR)

#define ENGINE_RESTART_MIN_USEC (10 * USEC_PER_MSEC)
#define ENGINE_RESTART_MAX_USEC (1 * USEC_PER_SEC)
#define ENGINE_QUIET_USEC	LAUNCHER_SECONDS(15) /* then it is pinged */
#define ENGINE_PING_USEC	LAUNCHER_SECONDS(30) /* then it gets ABRT */
#define ENGINE_ABORT_USEC	LAUNCHER_SECONDS(5) /* then it gets KILL */
#define ENGINE_EXIT_USEC	LAUNCHER_SECONDS(5) /* to end after EXIT */
#define SIGNAL_SEEN_USEC	LAUNCHER_SECONDS(5) /* to see TERM, INT or QUIT */
#define ENDING_TERM_USEC	LAUNCHER_SECONDS(10) /* from TERM to KILL */
#define ENDING_KILL_USEC	LAUNCHER_SECONDS(5) /* for what KILL does not end */
#define UPGRADE_TRIAL_USEC	(10 * USEC_PER_SEC) /* for new programs to pass their trial */
#define UPGRADE_RECOVER_USEC	LAUNCHER_SECONDS(30) /* for a new engine to be up */
#define SEND_RETRY_USEC		(10 * USEC_PER_MSEC)

struct launcher_options {
	char *const *argv; /* of the program; all but the first go on to the engine */
	/* Where to find the engine if not beside the program: */
	const char *engine_near; /* from the program's directory, or "" */
	const char *engine_path; /* else there */
};

struct engine_process {
	char *const *argv; /* of the launcher */
	pid_t pid; /* 0: none */
	int link; /* -1: none */
	bool ever_hello; /* any engine has said HELLO */
	bool watched; /* by systemd's watchdog as well, which would restart everything */
	bool hello, recovered;
	uint32_t interest; /* what epoll watches the link for */
	unsigned n_early_deaths;
	usec_t start_usec; /* when the next is due; USEC_INFINITY: not */
	usec_t heard_usec, told_usec;
	usec_t ping_usec, abort_usec; /* 0: not yet */
	bool killed;
};

/* A signal that the engine has not seen yet. */
struct pending_signal {
	unsigned count;
	bool told;
	pid_t pid;
	uid_t uid;
	usec_t since_usec;
};
#define N_SIGNALS 32

#define LAUNCHER_EVENTS 64 /* at most, of one turn */

/* See upgrade.c. */
enum upgrade_stage { UPGRADE_NOT, UPGRADE_TRIAL, UPGRADE_LEAVE, UPGRADE_PROBATION };
enum upgrade_program { UPGRADE_LAUNCHER, UPGRADE_ENGINE, UPGRADE_PROGRAMS };

struct upgrade {
	enum upgrade_stage stage;
	uint32_t op;
	int programs[UPGRADE_PROGRAMS]; /* owned, O_PATH: to go on as; -1 */
	pid_t trials[UPGRADE_PROGRAMS]; /* 0: there is none */
	usec_t due_usec;
	int error; /* errno for which we go back to the old programs; 0: we don't */
	/* how the last one went */
	bool known, tell;
	uint32_t known_op;
	int known_error;
};

enum ending_stage { ENDING_NOT, ENDING_TERM, ENDING_KILL };

struct launcher {
	int epoll, signal_fd;
	bool reap; /* there may be children to reap */
	bool reap_failed; /* though the last attempt could not: not so fast */
	pid_t reap_named; /* whom the last SIGCHLD spoke of; 0: none */
	usec_t reap_search_usec; /* not to search all of them before */
	usec_t reap_search_took; /* the last one, which found nobody */
	pid_t unburied[LAUNCHER_EVENTS]; /* whose ends are noted, but who are not reaped */
	unsigned n_unburied;
	unsigned n_unwatched; /* main processes whose end only a search finds */
	unsigned n_dying; /* entries whose end is to be learned, see foster.c */
	usec_t dying_usec; /* when to ask again, while there are any */
	/* What a child's end means that is no main process; -errno: it all ends. */
	int (*other_ended)(struct launcher *l, const siginfo_t *info);
	struct table table;
	struct spawner *spawner; /* see spawn.h */
	struct engine_process engine;
	struct upgrade upgrade;
	int kept[LINK_KEEP_MAX];
	struct pending_signal signals[N_SIGNALS];
	/* outbox: what is to be told besides the table */
	uint32_t tell_kept; /* bit per tag */
	bool tell_synced, tell_ping;
	usec_t retry_usec; /* USEC_INFINITY: the link is not in trouble */
	/* the end */
	enum ending_stage ending; /* of the table, by ourselves */
	usec_t ending_usec;
	bool exiting; /* the engine said EXIT */
	usec_t exiting_usec;
	int exit_status;
	bool told_no_cgroup_kill;
};
