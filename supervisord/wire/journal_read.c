/*
 * From record to record by their heads alone, which have a checksum of their own; a body is looked
 * at only where the filters let it pass. Where no record stands where one should, the next one is
 * looked for in steps of JOURNAL_ALIGN. Numbers tell whether a place is still what it was: the
 * ring is overwritten from `first` on, so nothing behind a record that is still there has changed.
 */
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "wire/journal_ring.h"

#define NOWHERE SIZE_MAX

/* What one call may still do. */
struct budget {
	size_t steps, bytes;
};

static const struct budget full_budget = {JOURNAL_MAX_STEPS, JOURNAL_MAX_SCAN};

static bool pay_step(struct budget *b)
{
	return b->steps > 0 && b->steps-- > 0;
}

static bool pay_scan(struct budget *b)
{
	if (b->bytes < JOURNAL_ALIGN)
		return false;
	b->bytes -= JOURNAL_ALIGN;
	return true;
}

void journal_seek_after(uint64_t seq, struct journal_cursor *ret_cursor)
{
	*ret_cursor = (struct journal_cursor){.seq = seq, .offset = NOWHERE};
}

void journal_seek_before(uint64_t seq, struct journal_cursor *ret_cursor)
{
	*ret_cursor = (struct journal_cursor){.seq = seq, .offset = NOWHERE};
}

static bool passes(const struct journal_cursor *c, const struct journal_record *r)
{
	if (c->subject > 0 && r->subject != c->subject)
		return false;
	if (c->kinds > 0 && (r->kind >= 64 || !(c->kinds >> r->kind & 1)))
		return false;
	return r->realtime_usec >= c->since_usec;
}

/* False: its body is damaged, or was overwritten a moment ago. */
static bool take(const struct journal *j, size_t at, const struct journal_record *r,
	struct journal_entry *ret_entry)
{
	memcpy(ret_entry->body, j->ring + at + sizeof(*r), r->length);
	if (crc32c(0, ret_entry->body, r->length) != r->body_check)
		return false;
	ret_entry->body[r->length] = '\0';
	ret_entry->length = r->length;
	ret_entry->seq = r->seq;
	ret_entry->realtime_usec = r->realtime_usec;
	ret_entry->monotonic_usec = r->monotonic_usec;
	memcpy(ret_entry->boot_id, r->boot_id, sizeof(ret_entry->boot_id));
	ret_entry->kind = r->kind;
	ret_entry->subject = r->subject;
	return true;
}

/* Whether the search for a record has come to the newest one's place, which is the last. */
static bool is_at_end(const struct journal *j, size_t at)
{
	return journal_distance(j, j->first, at) >= journal_distance(j, j->first, j->last);
}

int journal_next(const struct journal *j, struct journal_cursor *c, struct journal_entry *ret_entry)
{
	struct budget budget = full_budget;
	struct journal_record r;

	if (j->first_seq > 0 && (c->offset == NOWHERE || c->at_seq < j->first_seq)) {
		c->offset = j->first;
		c->at_seq = j->first_seq - 1;
	}
	while (j->first_seq > 0 && c->seq < j->last_seq && c->at_seq < j->last_seq) {
		size_t at = c->offset == j->ring_size ? 0 : c->offset;

		if (!journal_record_at(j, at, &r) || r.seq <= c->at_seq) {
			if (!pay_scan(&budget))
				return -EAGAIN;
			/* The newest itself is damaged: what comes is behind it. */
			c->offset = at + JOURNAL_ALIGN;
			if (is_at_end(j, at)) {
				c->at_seq = j->last_seq;
				c->offset = j->end;
			}
			continue;
		}
		if (!pay_step(&budget))
			return -EAGAIN;
		c->at_seq = r.seq;
		c->offset = at + journal_record_size(r.length);
		if (r.seq <= c->seq)
			continue;
		c->seq = r.seq;
		if (passes(c, &r) && take(j, at, &r, ret_entry))
			return 1;
	}
	return 0;
}

/* From the record at c->offset to the place of the one before; false: there is none. */
static bool step_back(const struct journal *j, struct journal_cursor *c)
{
	struct journal_record r;
	size_t back = JOURNAL_ALIGN;

	if (c->offset == j->first)
		return false;
	/* Where that is damaged, or its number is none of ours, every place is looked at. */
	if (journal_record_at(j, c->offset, &r) && r.seq == c->at_seq && r.back > 0 &&
		r.back % JOURNAL_ALIGN == 0 && r.back <= journal_distance(j, j->first, c->offset))
		back = r.back;
	c->offset = journal_distance(j, back, c->offset);
	return true;
}

int journal_prev(const struct journal *j, struct journal_cursor *c, struct journal_entry *ret_entry)
{
	struct budget budget = full_budget;
	struct journal_record r;

	if (j->first_seq == 0 || c->seq <= j->first_seq)
		return 0;
	for (;;) {
		if (c->offset == NOWHERE) {
			c->offset = j->last;
			c->at_seq = UINT64_MAX;
		} else if (c->at_seq <= j->first_seq || !step_back(j, c)) {
			return 0;
		}
		if (!journal_record_at(j, c->offset, &r) || r.seq >= c->at_seq ||
			r.seq < j->first_seq) {
			if (!pay_scan(&budget))
				return -EAGAIN;
			continue;
		}
		c->at_seq = r.seq;
		if (r.seq < c->seq) {
			c->seq = r.seq;
			if (passes(c, &r) && take(j, c->offset, &r, ret_entry))
				return 1;
		}
		if (!pay_step(&budget))
			return -EAGAIN;
	}
}
