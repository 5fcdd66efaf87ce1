/*
 * The way by the holding pipe, and each instant at which somebody may be killed on it:
 *
 *     commit FETCH           holding pipe empty: nothing has happened
 *     fill the holding pipe  not empty: the bytes are there, and none is in a file
 *     look at the first ones
 *     commit WRITE           (sink_file.c) where the next piece goes, and how long it is
 *     write the piece        whatever is there of it, the same bytes go to the same place
 *     commit ROTATE          between two pieces: the file of this inode is renamed, or not yet
 *     rename, begin anew
 *     commit DONE            counters are those after the batch, whoever stores them
 *     drop the first ones    what is left in the holding pipe tells how many are to go yet
 *     commit IDLE            or WRITE for the next ones in it
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/fanout.h"
#include "engine/logs/pump.h"

static void commit(struct pump_set *set, enum intent_phase phase)
{
	ledger_commit(&set->ledger, phase);
}

static void tell(struct pump_set *set, const char *what, int error)
{
	if (!set->told)
		log_error("the holding pipe of the logs can't be %s: %s; what services write "
			  "can be lost when the engine is killed",
			what, strerror(-error));
	set->told = true;
}

/* Throws away the first ones; where that can't be done, there is no such pipe any more. */
static void drop(struct pump_set *set, size_t n)
{
	int r = hold_drop(&set->hold, n);

	if (r == 0)
		return;
	tell(set, "emptied", r);
	set->ledger.intent = (struct intent){0};
	commit(set, INTENT_IDLE);
	set->ledger.room = NULL;
}

/* The batch is in files: of what was in the holding pipe, all but the first n bytes stay. */
static void finish(struct pump *p, size_t n, bool taken)
{
	struct pump_set *set = p->set;

	set->ledger.intent.done = n;
	fanout_tell(p);
	commit(set, INTENT_DONE);
	set->owner->account(p);
	if (!taken)
		drop(set, n);
}

/* The first bytes of `left` in the holding pipe. How many they were; 0: there are none. */
static size_t move_batch(struct pump *p, size_t left, size_t n_refused, bool again)
{
	struct pump_set *set = p->set;
	struct intent *i = &set->ledger.intent;
	size_t wanted = MIN_OF(left, (size_t)PUMP_BUFFER_SIZE);
	ssize_t n = hold_peek(&set->hold, set->buffer, wanted);
	bool taken = n < 0;

	if (taken) { /* better once at most than not at all */
		tell(set, "looked into", (int)n);
		n = sys_read(set->hold.read_fd, set->buffer, wanted);
	}
	if (n <= 0)
		return 0;
	*i = (struct intent){.phase = i->phase,
		.id = p->id,
		.stream = p->stream,
		.total = left,
		.batch = (uint64_t)n};
	if (set->tap)
		set->tap(p, set->buffer, (size_t)n);
	fanout_write(p, set->buffer, (size_t)n, n_refused - MIN_OF(n_refused, left - (size_t)n),
		!taken, again);
	finish(p, (size_t)n, taken);
	return (size_t)n;
}

/* again: somebody else may have had them before. */
static void move_all(struct pump *p, size_t left, size_t n_refused, bool again)
{
	struct pump_set *set = p->set;

	while (left > 0 && set->ledger.room) {
		size_t n = move_batch(p, left, MIN_OF(n_refused, left), again);

		if (n == 0)
			break;
		left -= n;
	}
	if (!set->ledger.room)
		return;
	if (left > 0)
		log_error("service '%s': %zu bytes of its output were lost on their way",
			p->sink->name, left);
	set->ledger.intent = (struct intent){0};
	commit(set, INTENT_IDLE);
}

/* Of so many that were fetched: who comes with fewer has fewer of them at the end. */
static size_t still_refused(const struct intent *i, size_t n)
{
	size_t missing = i->total > n ? (size_t)i->total - n : 0;

	return (size_t)i->refused - MIN_OF((size_t)i->refused, missing);
}

ssize_t pump_hold_turn(struct pump *p, size_t n, size_t n_refused)
{
	struct pump_set *set = p->set;
	ssize_t r;

	set->ledger.intent = (struct intent){
		.id = p->id, .stream = p->stream, .total = n, .batch = n, .refused = n_refused};
	commit(set, INTENT_FETCH);
	r = hold_fill(&set->hold, p->fd, n);
	move_all(p, r > 0 ? (size_t)r : 0,
		r > 0 ? still_refused(&set->ledger.intent, (size_t)r) : 0, false);
	return r;
}

/* What goes out without anything that was read. */
static void say(struct pump *p, void (*what)(struct pump *p, bool noted))
{
	struct pump_set *set = p->set;

	if (!set->ledger.room) {
		what(p, false);
		return;
	}
	set->ledger.intent = (struct intent){.id = p->id, .stream = p->stream};
	what(p, true);
	if (set->ledger.intent.phase == INTENT_IDLE)
		return; /* there was nothing to write */
	finish(p, 0, false);
	set->ledger.intent = (struct intent){0};
	commit(set, INTENT_IDLE);
}

void pump_end_output(struct pump *p)
{
	say(p, fanout_end);
}

void pump_settle(struct pump *p)
{
	say(p, fanout_settle);
}

/* --- after somebody else --- */

int pump_set_hold(struct pump_set *set, int read_fd, int write_fd, void *(*room)(struct ledger *l),
	struct sink_set *sinks, const struct pump_owner *owner)
{
	bool kept = read_fd >= 0 && write_fd >= 0;
	int r = hold_init(&set->hold, read_fd, write_fd);

	set->owner = owner;
	if (r < 0) {
		tell(set, "made", r);
		return r;
	}
	set->ledger.room = room;
	set->ledger.rotated_usec = &sinks->files.stamp_usec;
	r = intent_load(room(&set->ledger), &set->ledger.intent);
	if (r < 0) {
		log_error("what the log pump was doing can't be told (%s)", strerror(-r));
		set->ledger.intent = (struct intent){.phase = INTENT_IDLE};
	}
	if (!kept && set->ledger.intent.phase == INTENT_FETCH)
		log_warning("the holding pipe of the logs is gone; up to %d bytes that a service "
			    "wrote may be lost",
			PUMP_BUFFER_SIZE);
	/* Names of rotated files go on growing, though several may have been given in advance. */
	sinks->files.stamp_usec = set->ledger.intent.rotated_usec;
	return 0;
}

/* Nobody knows, or nobody is there any more, whose it is. */
static void discard(struct pump_set *set, size_t count)
{
	if (count > 0) {
		log_error("%zu bytes of output are of no service that is known; dropping them",
			count);
		drop(set, count);
	}
	if (!set->ledger.room)
		return;
	set->ledger.intent = (struct intent){0};
	commit(set, INTENT_IDLE);
}

/* All but the last ones were to be thrown away, and some of that may have been done. */
static size_t redo_done(struct pump *p, size_t count)
{
	struct pump_set *set = p->set;
	const struct intent *i = &set->ledger.intent;
	size_t left = MIN_OF(count, (size_t)(i->total - i->batch));

	fanout_resume(p);
	set->owner->account(p);
	if (count > left)
		drop(set, count - left);
	return left;
}

/* The whole batch again. taken: it could not be had without taking it out. */
static int read_batch(struct pump_set *set, size_t n, bool *ret_taken)
{
	ssize_t done;

	if (n > PUMP_BUFFER_SIZE) { /* another program had a larger one */
		char *buffer = realloc(set->buffer, n);

		if (!buffer)
			return -ENOMEM;
		set->buffer = buffer;
	}
	done = hold_peek(&set->hold, set->buffer, n);
	*ret_taken = done != (ssize_t)n;
	for (done = *ret_taken ? 0 : done; done < (ssize_t)n;) {
		ssize_t k = sys_read(set->hold.read_fd, set->buffer + done, n - (size_t)done);

		if (k <= 0)
			return k < 0 ? (int)k : -ENODATA;
		done += k;
	}
	return 0;
}

/* What is left behind the batch. */
static size_t redo_batch(struct pump *p, size_t count)
{
	struct pump_set *set = p->set;
	const struct intent *i = &set->ledger.intent;
	size_t n = (size_t)i->batch;
	bool taken = false;
	int r = n <= count ? read_batch(set, n, &taken) : -ENODATA;

	if (r < 0) {
		/* ENODATA: this holding pipe is another one; the old one went with the launcher. */
		log_error("service '%s': up to %" PRIu64 " bytes of its output were lost: %s",
			p->sink->name, i->batch - i->done, strerror(-r));
		set->ledger.intent.phase = INTENT_DONE;
		set->ledger.intent.total = MAX_OF(i->batch, (uint64_t)count);
		set->ledger.intent.line = set->ledger.intent.through = INTENT_LINE_CUT;
		if (set->ledger.intent.decoder & FORMAT_HELD)
			set->ledger.intent.decoder = FORMAT_JSON | FORMAT_TORN;
		return redo_done(p, count);
	}
	if (set->tap)
		set->tap(p, set->buffer, n);
	fanout_redo(p, set->buffer, n);
	finish(p, n, taken);
	return count - n;
}

void pump_set_redo(struct pump_set *set)
{
	const struct intent *i = &set->ledger.intent;
	ssize_t count = set->ledger.room ? hold_count(&set->hold) : 0;
	struct pump *p = NULL;
	size_t left, n_refused = 0;

	if (!set->ledger.room || (i->phase == INTENT_IDLE && count == 0))
		return;
	if (count < 0) {
		tell(set, "asked", (int)count);
		set->ledger.room = NULL;
		return;
	}
	if (i->phase != INTENT_IDLE)
		p = set->owner->find(set, i->id, i->stream);
	if (!p) {
		discard(set, (size_t)count);
		return;
	}
	left = (size_t)count;
	if (i->phase == INTENT_FETCH)
		n_refused = still_refused(i, left);
	else if (i->phase == INTENT_DONE)
		left = redo_done(p, left);
	else if (i->phase == INTENT_WRITE || i->phase == INTENT_ROTATE)
		left = redo_batch(p, left);
	move_all(p, left, n_refused, true);
}
