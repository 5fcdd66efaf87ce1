/*
 * Where output goes that isn't a file: journald, a syslogd, supervisord's own standard output,
 * another service's stdin. One outlet serves all streams that go to the same place. It takes
 * what it can have without waiting, and no more: what becomes of the rest is the sink's to
 * decide.
 *
 * An outlet that has no room waits for it in the loop, once; one that fails is left alone for
 * a second at a time. Meanwhile it takes nothing, without a system call, but for the beginning
 * of a line. While nobody waits and nothing is pending, nothing wakes the process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/usec.h"
#include "conf/spec.h"
#include "engine/logs/origin.h"
#include "engine/loop.h"

struct outlet;
struct outlet_set;

/* One stream's place at an outlet. All zero: at none. */
struct outlet_writer {
	struct outlet *outlet; /* a reference; NULL: none */
	struct buf partial; /* of a line whose end is yet to come: taken, and bounded */
	struct list waiting; /* while there was no room for it */
	void (*writable)(struct outlet_writer *w); /* there may be room again; NULL: nobody asks */
	uint8_t format; /* enum spec_format, as its target has it */
	uint8_t cut; /* partial goes on with a line that was too long; 1 + its priority */
};

/* A kind of outlet. */
struct outlet_ops {
	/*
	 * Takes the first bytes of data; fewer than n where there is no room for more now, or a
	 * failure is to be tried again later; then it has called outlet_set_full(),
	 * outlet_set_failed() or outlet_pause(). What is taken stays taken: as whole lines, in
	 * partial, or, longer than the kind has lines, in pieces.
	 */
	size_t (*take)(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
		const char *data, size_t n, usec_t now);
	/* What is in partial goes out as a line; what can't go is dropped: how much that was. */
	size_t (*end)(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
		usec_t now);
	/*
	 * What was waited for has come (events of the loop), or it is time to try again (0): what
	 * is pending goes out. The writers are told afterwards. NULL: nothing is to be done.
	 */
	void (*ready)(struct outlet *o, uint32_t events, usec_t now);
	void (*free)(struct outlet *o); /* calls outlet_fini() */
};

struct outlet {
	const struct outlet_ops *ops;
	struct outlet_set *set;
	struct list node; /* of the set */
	struct list waiting; /* writers that are to be told */
	struct spec_target target; /* its address is owned; by what it is found again */
	struct buf pending; /* taken, as it goes out; what kinds with a stream have */
	unsigned n_users;
	int error; /* negative errno: why nothing is taken now; 0: it works, or it is merely slow */

	/* --- for the kinds, and outlet.c --- */
	struct loop_source source; /* in the loop while full, or while there are idle_events */
	struct loop_timer timer;
	uint32_t idle_events; /* what is waited for besides room, while source is in the loop */
	usec_t retry_usec; /* nothing is tried before then */
	usec_t deadline_usec; /* ready() is called then in any case; USEC_INFINITY: never */
	usec_t worked_usec; /* since when it seems to work again; 0: it doesn't */
	uint64_t lost_bytes, lost_lines; /* taken, and lost, since it failed */
	bool full; /* until the loop tells of room */
	bool wary; /* that a write went through says little: it is mended after a calm second */
};

struct outlet_set {
	struct loop *loop; /* borrowed */
	struct list outlets;
	int inherit_fd; /* borrowed: what INHERIT writes to */
	/*
	 * Makes the outlet of a SPEC_SINK_SERVICE: 0 and *ret, which outlet_init() has been called
	 * for, or -errno. NULL: there are none.
	 */
	int (*make_service)(
		struct outlet_set *set, const struct spec_target *target, struct outlet **ret);
};

void outlet_set_init(struct outlet_set *set, struct loop *loop, int inherit_fd);
/* No writer is left. What is pending still goes out where that needs no waiting. */
void outlet_set_fini(struct outlet_set *set);

/*
 * Joins the outlet of that target, which is made at its first writer and connects when there is
 * something to write. w is all zero but for writable. 0 or -errno (-ENOMEM; -EINVAL: that target
 * is no outlet), and w has none then.
 */
int outlet_join(struct outlet_set *set, struct outlet_writer *w, const struct spec_target *target);
/* What is in partial is dropped, see outlet_end(). Also for a writer without an outlet. */
void outlet_leave(struct outlet_writer *w);
/* Is that where it writes to already, in that format? */
bool outlet_goes_to(const struct outlet_writer *w, const struct spec_target *target);

/*
 * As ops->take. Where origin->stream is "supervisord", data is what the supervisor itself has to
 * say; for INHERIT in the writer's format. With fewer than n taken and w->writable set, that is
 * called once when to try again: when there is room, or after a second where there was an error.
 * From the loop, never from here.
 */
size_t outlet_take(struct outlet_writer *w, const struct log_origin *origin, const char *data,
	size_t n, usec_t now);
size_t outlet_end(struct outlet_writer *w, const struct log_origin *origin, usec_t now);

/* --- for the kinds --- */

#define OUTLET_RETRY_USEC USEC_PER_SEC
#define OUTLET_PAUSE_USEC (20 * USEC_PER_MSEC) /* where room comes back without being told of */

/* "journal at /run/…", "syslog at udp:…", "standard output" */
#define OUTLET_NAME_SIZE 160
const char *outlet_name(const struct outlet *o, char ret_name[static OUTLET_NAME_SIZE]);

/* o is all zero. -ENOMEM, and nothing is to be undone. */
int outlet_init(struct outlet *o, struct outlet_set *set, const struct outlet_ops *ops,
	const struct spec_target *target);
void outlet_fini(struct outlet *o);

/* Is nothing to be tried now? */
bool outlet_is_blocked(const struct outlet *o, usec_t now);
/* No room until the loop finds fd writable. */
void outlet_set_full(struct outlet *o, int fd, usec_t now);
/* No room for a moment. */
void outlet_pause(struct outlet *o, usec_t now);
/* It doesn't work: told once, tried again after a second. */
void outlet_set_failed(struct outlet *o, int error, usec_t now);
/* It does: told once after a failure. */
void outlet_set_working(struct outlet *o, usec_t now);
/* Waits for idle_events of fd, from now on and until outlet_unwatch(). 0 or -errno. */
int outlet_watch(struct outlet *o, int fd);
/* Before its fd is closed. */
void outlet_unwatch(struct outlet *o);
