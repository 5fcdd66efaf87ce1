/*
 * Where output goes that isn't a file: journald, a syslogd, supervisord's own standard output,
 * another service's stdin. One outlet serves all streams that go to the same place. It takes
 * what it can have without waiting, and no more: what becomes of the rest is the sink's to
 * decide.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/usec.h"
#include "conf/spec.h"
#include "engine/logs/origin.h"
#include "engine/loop.h"

struct outlet;
struct outlet_set;

/* One stream's place at an outlet. */
struct outlet_writer {
	struct outlet *outlet; /* a reference; NULL: none */
	struct buf partial; /* of a line whose end is yet to come: taken, and bounded */
	struct list waiting; /* while there was no room for it */
	void (*writable)(struct outlet_writer *w); /* there may be room again; NULL: nobody asks */
};

/* A kind of outlet. */
struct outlet_ops {
	/*
	 * Takes the first bytes of data; fewer than n where there is no room for more now, or a
	 * failure is to be tried again later. What is taken stays taken: as whole lines, in
	 * partial, or, longer than the kind has lines, in pieces.
	 */
	size_t (*take)(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
		const char *data, size_t n, usec_t now);
	/* What is in partial goes out as a line; what can't go is dropped: how much that was. */
	size_t (*end)(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
		usec_t now);
	void (*free)(struct outlet *o);
};

struct outlet {
	const struct outlet_ops *ops;
	struct outlet_set *set;
	struct list node; /* of the set */
	struct list waiting; /* writers that are to be told */
	struct spec_target target; /* its address is owned; by what it is found again */
	unsigned n_users;
	int error; /* negative errno: why nothing is taken now; 0: it works, or it is merely slow */
};

struct outlet_set {
	struct loop *loop; /* borrowed */
	struct list outlets;
	int inherit_fd; /* borrowed: what INHERIT writes to */
};

void outlet_set_init(struct outlet_set *set, struct loop *loop, int inherit_fd);
/* No writer is left. */
void outlet_set_fini(struct outlet_set *set);

/*
 * Joins the outlet of that target, which is made at its first writer and connects when there is
 * something to write. -ENOMEM, and w has none then.
 */
int outlet_join(struct outlet_set *set, struct outlet_writer *w, const struct spec_target *target);
/* What is in partial is dropped, see outlet_end(). Also for a writer without an outlet. */
void outlet_leave(struct outlet_writer *w);

/*
 * As ops->take. With fewer than n taken and w->writable set, that is called once when to try
 * again: when there is room, or after a second where there was an error.
 */
size_t outlet_take(struct outlet_writer *w, const struct log_origin *origin, const char *data,
	size_t n, usec_t now);
size_t outlet_end(struct outlet_writer *w, const struct log_origin *origin, usec_t now);
