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

#include "base/macro.h"
#include "engine/logs/pump.h"

static uint8_t line_after(const char *data, size_t n)
{
	return data[n - 1] == '\n' ? INTENT_LINE_START : INTENT_LINE_OPEN;
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

/* To the files from the place `from` on. */
static void write_files(
	struct pump *p, unsigned from, const char *data, size_t n, struct ledger *ledger)
{
	unsigned place = 0;

	for (struct sink *s = p->sink; s; s = s->next, place++) {
		if (place < from || s->kind != SPEC_SINK_FILE)
			continue;
		if (ledger && place > 0) {
			account(p);
			ledger->intent.sink = (uint8_t)place;
		}
		sink_write_noted(s, data, n, p->set->loop->now_usec, ledger);
	}
}

static void write_others(struct pump *p, const char *data, size_t n)
{
	for (struct sink *s = p->sink; s; s = s->next)
		if (s->kind != SPEC_SINK_FILE)
			sink_write(s, data, n, p->set->loop->now_usec);
}

static void finish(struct pump *p, const char *data, size_t n)
{
	write_others(p, data, n);
	p->line = line_after(data, n);
}

void fanout_write(struct pump *p, const char *data, size_t n, bool noted)
{
	write_files(p, 0, data, n, noted ? &p->set->ledger : NULL);
	finish(p, data, n);
}

void fanout_redo(struct pump *p, const char *data, size_t n)
{
	struct ledger *ledger = &p->set->ledger;
	unsigned at = ledger->intent.sink, place = 0;

	for (struct sink *s = p->sink; s; s = s->next, place++) {
		if (place < at && place > 0)
			s->line = line_after(data, n);
		if (place == at && s->kind == SPEC_SINK_FILE)
			sink_redo(s, data, n, p->set->loop->now_usec, ledger);
	}
	write_files(p, at + 1, data, n, ledger);
	finish(p, data, n);
}

void fanout_resume(struct pump *p)
{
	const struct ledger *ledger = &p->set->ledger;

	if (ledger->intent.sink == 0)
		sink_resume(p->sink, ledger);
	p->line = ledger->intent.through;
	for (struct sink *s = p->sink->next; s; s = s->next)
		s->line = p->line;
}

void fanout_tell(const struct pump *p)
{
	struct intent *i = &p->set->ledger.intent;
	const struct log_counters *c = &p->sink->counters;

	i->sink = 0;
	i->line = p->sink->line;
	i->through = p->line;
	i->bytes = c->bytes;
	i->lines = c->lines;
	i->dropped_bytes = c->dropped_bytes;
	i->dropped_lines = c->dropped_lines;
}

void fanout_end(struct pump *p)
{
	for (struct sink *s = p->sink; s; s = s->next)
		sink_end(s, p->set->loop->now_usec);
	if (p->line == INTENT_LINE_OPEN)
		p->line = INTENT_LINE_CUT;
}
