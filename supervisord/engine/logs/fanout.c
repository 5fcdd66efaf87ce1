/*
 * Between two files the counters are stored: those of the stream's own sink are what they are
 * after the batch then, while the intent tells of a further one. As long as the intent is about the
 * stream's own sink, what it says of that counts, and what was stored does not.
 *
 * Further files have no room of their own where they could leave how they stand in a line. A
 * file that has lost nothing is where the stream is: before the batch for those that are yet to
 * come, behind it for those that have been.
 */
#include "engine/logs/fanout.h"

#include <string.h>

#include "base/macro.h"
#include "engine/logs/pump.h"
#include "engine/logs/sink_internal.h"

struct batch {
	const char *data;
	size_t n; /* 0: the stream has ended */
	size_t n_refused; /* so many of them, at the end */
};

/* Where a file is then that has taken all that there was to take. */
static struct format_state after(const struct pump *p, const struct batch *b)
{
	struct format_state s = p->through;

	format_follow(&s, b->data, b->n - b->n_refused);
	if (b->n == 0 || b->n_refused > 0)
		format_cut(&s);
	return s;
}

bool fanout_is_kept(const struct pump *p)
{
	for (const struct sink *s = p->sink; s; s = s->next)
		if (s->kind != SPEC_SINK_NONE)
			return true;
	return false;
}

static void account(struct pump *p)
{
	if (p->set->owner)
		p->set->owner->account(p);
}

/* To the files from the place `from` on. A batch of no bytes is the stream's end. */
static void write_files(struct pump *p, unsigned from, const struct batch *b, struct ledger *ledger)
{
	usec_t now = p->set->loop->now_usec;
	unsigned place = 0;

	for (struct sink *s = p->sink; s; s = s->next, place++) {
		if (place < from || s->kind != SPEC_SINK_FILE)
			continue;
		if (ledger && place > 0) {
			account(p);
			ledger->intent.sink = (uint8_t)place;
			ledger->intent.done = 0;
		}
		if (b->n == 0)
			sink_end_noted(s, now, ledger);
		sink_write_noted(s, b->data, b->n - b->n_refused, now, ledger);
		sink_refuse(s, b->data + b->n - b->n_refused, b->n_refused, SINK_WHY_RATE);
	}
}

static void write_others(struct pump *p, const struct batch *b, bool again)
{
	for (struct sink *s = p->sink; s; s = s->next) {
		if (s->kind == SPEC_SINK_FILE)
			continue;
		if (b->n == 0)
			sink_end(s, p->set->loop->now_usec);
		if (again)
			sink_write_again(s, b->data, b->n - b->n_refused, p->set->loop->now_usec);
		else
			sink_write(s, b->data, b->n - b->n_refused, p->set->loop->now_usec);
		sink_refuse(s, b->data + b->n - b->n_refused, b->n_refused, SINK_WHY_RATE);
	}
}

static void finish(struct pump *p, const struct batch *b, bool again)
{
	write_others(p, b, again);
	p->through = after(p, b);
}

void fanout_write(
	struct pump *p, const char *data, size_t n, size_t n_refused, bool noted, bool again)
{
	const struct batch b = {data, n, n_refused};

	p->set->ledger.intent.refused = n_refused;
	write_files(p, 0, &b, noted ? &p->set->ledger : NULL);
	finish(p, &b, again);
}

void fanout_refuse(struct pump *p, const char *data, size_t n, unsigned why)
{
	const struct batch b = {data, n, n};

	for (struct sink *s = p->sink; s; s = s->next) {
		size_t done = sink_pass_over(s, data, n);

		sink_refuse(s, data + done, n - done, why);
	}
	p->through = after(p, &b);
	account(p);
}

void fanout_end(struct pump *p, bool noted)
{
	fanout_write(p, "", 0, 0, noted, false);
}

void fanout_redo(struct pump *p, const char *data, size_t n)
{
	struct ledger *ledger = &p->set->ledger;
	const struct batch b = {data, n, (size_t)ledger->intent.refused};
	const struct format_state through = after(p, &b);
	unsigned at = ledger->intent.sink, place = 0;

	for (struct sink *s = p->sink; s; s = s->next, place++) {
		if (place < at && place > 0)
			sink_follow(s, &through);
		if (place != at || s->kind != SPEC_SINK_FILE)
			continue;
		sink_redo(s, data, n - b.n_refused, p->set->loop->now_usec, ledger);
		sink_refuse(s, data + n - b.n_refused, b.n_refused, SINK_WHY_RATE);
	}
	write_files(p, at + 1, &b, ledger);
	finish(p, &b, true);
}

void fanout_resume(struct pump *p)
{
	const struct ledger *ledger = &p->set->ledger;

	if (ledger->intent.sink == 0)
		sink_resume(p->sink, ledger);
	p->through = format_restore(ledger->intent.through, ledger->intent.held);
	for (struct sink *s = p->sink->next; s; s = s->next)
		sink_follow(s, &p->through);
}

void fanout_tell(const struct pump *p)
{
	struct intent *i = &p->set->ledger.intent;

	i->sink = 0;
	sink_tell(p->sink, i);
	/* Whatever a sink holds, its stream does, too. */
	i->through = p->through.line;
	memcpy(i->held, p->through.held, sizeof(i->held));
}
