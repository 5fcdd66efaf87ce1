/*
 * From a pipe to a sink: in turns, and with one buffer that all pumps of the process share. So a
 * service that floods costs neither memory nor the others' turn, and all of them together, as
 * often as they like, a small share of each round of the loop.
 *
 * What goes to a file goes by the holding pipe, and each step is committed before it is
 * taken: whoever comes after a process that was killed, at whatever instant, goes on with
 * pump_set_redo(), and nothing is written twice or not at all.
 */
#pragma once

#include "engine/logs/gate.h"
#include "engine/logs/hold.h"
#include "engine/logs/ledger.h"
#include "engine/logs/sink.h"
#include "engine/loop.h"

#define PUMP_BUFFER_SIZE (256 * 1024) /* also the most that is moved in one turn */
/*
 * Processors copy a page several times slower to where it begins a few bytes later in a page than
 * whence it comes (measured: 1 to 28; malloc() would give 16), and in pipes pages begin at 0.
 */
#define PUMP_BUFFER_ALIGN 4096
#define PUMP_TURN_BYTES	  (64 * 1024) /* who had more in one turn waits the longer for the next */
#define PUMP_SHARE_USEC	  250 /* of all pumps in a round, and a turn at least: about as long */
#define PUMP_DRAIN_MAX	  (1024 * 1024) /* the largest pipe an ordinary user can have */

/*
 * A pipe that is found nearly full time and again is made larger, and so are only so many at
 * once: an ordinary user has 64 MiB for all pipes, and of new ones beyond that each gets 8 KiB.
 */
#define PUMP_PIPE_SIZE	PUMP_BUFFER_SIZE
#define PUMP_MAX_LARGE	32
#define PUMP_SMALL_SIZE (64 * 1024) /* as it is made */
#define PUMP_FULL_TURNS 8

#define PUMP_REST_USEC	 USEC_PER_MSEC
#define PUMP_REST_HALVED 4 /* times, and there is none */
#define PUMP_CALM_TURNS	 64 /* without a full pipe, and it is tried with a longer one */

/* So much later a loss is told, if nothing was written by then that it could be told with. */
#define PUMP_SETTLE_USEC USEC_PER_SEC

struct pump;
struct pump_set;

/* What the owner of pumps does for them. */
struct pump_owner {
	/* The pump of a service's stream, whether it has a pipe or not; NULL: there is none. */
	struct pump *(*find)(struct pump_set *set, uint32_t id, unsigned stream);
	/* Stores the counters and the line of a pump's sink where the next engine finds them. */
	void (*account)(struct pump *p);
	/* Calls visit for each pump; NULL: losses are told with what comes next only. */
	void (*each)(struct pump_set *set, void (*visit)(struct pump *p));
};

struct pump_set {
	struct loop *loop; /* borrowed; the engine's, for its clock */
	struct loop pipes; /* nested in it */
	char *buffer; /* owned; PUMP_BUFFER_SIZE */
	struct hold hold;
	struct ledger ledger; /* room NULL: there is no holding pipe */
	const struct pump_owner *owner; /* borrowed; NULL: none */
	usec_t rest_usec; /* the longest rest; 0, until somebody sets it: never */
	struct loop_timer rest; /* in the engine's loop: the first one ends */
	struct pump *resting; /* who does, by pace.next */
	unsigned n_large, max_large;
	/* The pipe has ended (or failed), and the pump is out of the loop. May end the pump. */
	void (*ended)(struct pump *p);
	/* Sees what was read before it is written; NULL: nobody looks. May not end the pump. */
	void (*tap)(struct pump *p, const char *data, size_t n);
	struct loop_timer settle; /* in the engine's loop */
	bool owes; /* it is armed */
	bool told; /* that something with the holding pipe is wrong */
};

/* See pump_pace.c. */
struct pump_pace {
	struct pump *next; /* that rests, too */
	uint32_t turn_usec; /* when it had the last turn, modulo 2^32 */
	unsigned n_full : 4; /* turns that found the pipe nearly full, each close to the last one */
	unsigned n_calm : 7; /* turns in a row that did not */
	unsigned n_halved : 3; /* how often the rest is, so that the pipe isn't full by its end */
	unsigned n_ahead : 3; /* turns it has had in advance */
	bool large : 1; /* its pipe was made larger */
	bool resting : 1; /* out of the loop for now */
};

struct pump {
	struct loop_source source;
	struct pump_set *set;
	struct sink *sink; /* borrowed; its settings may change at any time */
	struct gate *gate; /* owned by gate.c; NULL: nobody waits, and there is no limit */
	struct pump_pace pace;
	int fd; /* borrowed: the owner closes it, after pump_stop(); -1 */
	uint32_t id; /* of the service */
	/* Where a file is that has lost nothing. May be set, for recovery, right after init. */
	struct format_state through;
	uint8_t stream;
	bool plain; /* it is no pipe at all */
	bool waiting; /* out of the loop until its gate opens */
};

/* There are thousands of them. */
_Static_assert(sizeof(struct pump) <= 72, "struct pump has grown");

enum pump_outcome {
	PUMP_EMPTY, /* all that was there is read, or has to wait; more may come */
	PUMP_ENDED, /* no writer is left, or the pipe failed; out of the loop now */
	PUMP_MORE, /* there may be more than max */
	PUMP_OUTCOME_MAX
};

/* 0 or -errno. The loop must outlive the set, and the set its pumps. */
int pump_set_init(struct pump_set *set, struct loop *loop, void (*ended)(struct pump *p));
void pump_set_fini(struct pump_set *set);

/*
 * Takes over the holding pipe that somebody before us has left (both ends owned from now on),
 * or makes one where they are -1. room: see ledger.h; sinks are those of the
 * pumps. 0 or -errno, and
 * everything goes without it then. pump_set_redo() must follow before anything is pumped.
 */
int pump_set_hold(struct pump_set *set, int read_fd, int write_fd, void *(*room)(struct ledger *l),
	struct sink_set *sinks, const struct pump_owner *owner);

/* Goes on where somebody before us was killed. */
void pump_set_redo(struct pump_set *set);

/* Some sink has lost something: that is told before long, and tried again every second. */
void pump_set_owe(struct pump_set *set);

/* Makes it known, without a pipe. The sink must outlive it, and those that are chained to it. */
void pump_init(
	struct pump *p, struct pump_set *set, struct sink *sink, uint32_t id, unsigned stream);

/* fd: the read end of a pipe, O_NONBLOCK. 0, or -errno and nothing is to be undone. */
int pump_start(struct pump *p, int fd);
/* Takes it out of the loop; reads nothing. May be called twice, and after the end. */
void pump_stop(struct pump *p);

/*
 * Reads what is in the pipe now, without waiting, but not (much) more than max_bytes: for the
 * moment when a process has ended, so that what it wrote before is in the log. Doesn't call
 * ended.
 */
enum pump_outcome pump_drain(struct pump *p, size_t max_bytes);

/*
 * What is to be had of the output has come: a last line without a newline goes out, and what
 * there is to tell of losses. More may follow.
 */
void pump_end_output(struct pump *p);
/* Only what there is to tell of losses goes out. */
void pump_settle(struct pump *p);

/* In the loop, unless it rests or waits. 0, or -errno of putting it there. */
int pump_watch(struct pump *p);

/* --- pump_pace.c: for pump.c --- */

/* After a turn of n bytes: when there is another one. */
void pump_pace(struct pump *p, size_t n);
void pump_forget_pace(struct pump *p);
void pump_end_rests(struct loop_timer *t);

/* --- pump_held.c: for pump.c --- */

/*
 * One turn by the holding pipe, at most n bytes, of which the last n_refused are dropped. As a
 * read; -EINVAL: it is no pipe.
 */
ssize_t pump_hold_turn(struct pump *p, size_t n, size_t n_refused);
