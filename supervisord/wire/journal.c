/*
 * Records stand one behind the other; where one would not fit before the ring's end, zeros fill
 * that and it goes to the start. `first` and `last` are kept while writing, and found again by
 * looking at all of the ring: the newest record is the one with the highest number, and the
 * oldest is the first whole one behind it. What a torn write leaves lies between those two, and
 * the next write goes over it.
 */
#include "wire/journal_ring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/macro.h"

static const char *const kind_names[JOURNAL_KIND_MAX] = {
	[JOURNAL_NONE] = "none",
	[JOURNAL_STATE] = "state",
	[JOURNAL_START] = "start",
	[JOURNAL_EXIT] = "exit",
	[JOURNAL_HEALTH] = "health",
	[JOURNAL_HOOK] = "hook",
	[JOURNAL_REQUEST] = "request",
	[JOURNAL_REFUSED] = "refused",
	[JOURNAL_RELOADED] = "reloaded",
	[JOURNAL_SCALED] = "scaled",
	[JOURNAL_REMOVED] = "removed",
	[JOURNAL_SIGNAL] = "signal",
	[JOURNAL_SHUTDOWN] = "shutdown",
	[JOURNAL_ENGINE] = "engine",
	[JOURNAL_LAUNCHER] = "launcher",
	[JOURNAL_UPGRADE] = "upgrade",
	[JOURNAL_NOTE] = "note",
	[JOURNAL_SCHEDULE] = "schedule",
};

const char *journal_kind_to_string(enum journal_kind kind)
{
	return kind < JOURNAL_KIND_MAX ? kind_names[kind] : "unknown";
}

uint32_t journal_subject(const char *service)
{
	uint32_t hash = service ? crc32c(0, service, strlen(service)) : 0;

	return service && hash == 0 ? 1 : hash;
}

bool journal_size_is_valid(size_t size)
{
	return size >= JOURNAL_MIN_SIZE && size <= JOURNAL_MAX_SIZE && size % JOURNAL_ALIGN == 0;
}

/* --- records where they stand --- */

static uint32_t check_of(const struct journal_record *r)
{
	size_t skip = offsetof(struct journal_record, body_check);

	return crc32c(0, (const uint8_t *)r + skip, sizeof(*r) - skip);
}

size_t journal_record_size(size_t length)
{
	return (sizeof(struct journal_record) + length + JOURNAL_ALIGN - 1) / JOURNAL_ALIGN *
	       JOURNAL_ALIGN;
}

bool journal_record_at(const struct journal *j, size_t offset, struct journal_record *ret_record)
{
	struct journal_record r;

	if (j->ring_size - offset < sizeof(r))
		return false;
	/* The whole of it is copied before it is looked at: a writer may go over it meanwhile. */
	memcpy(&r.magic, j->ring + offset, sizeof(r.magic));
	if (r.magic != JOURNAL_RECORD_MAGIC)
		return false;
	memcpy(&r, j->ring + offset, sizeof(r));
	if (r.magic != JOURNAL_RECORD_MAGIC || r.check != check_of(&r) || r.seq == 0 ||
		r.seq > JOURNAL_MAX_SEQ || r.length > JOURNAL_MAX_BODY ||
		journal_record_size(r.length) > j->ring_size - offset)
		return false;
	*ret_record = r;
	return true;
}

static bool is_whole_at(const struct journal *j, size_t offset, struct journal_record *ret_record)
{
	return journal_record_at(j, offset, ret_record) &&
	       crc32c(0, j->ring + offset + sizeof(*ret_record), ret_record->length) ==
		       ret_record->body_check;
}

size_t journal_distance(const struct journal *j, size_t from, size_t to)
{
	return to >= from ? to - from : j->ring_size - from + to;
}

/* --- opening --- */

static uint32_t check_of_head(const struct journal_head *h)
{
	return crc32c(0, h, offsetof(struct journal_head, check));
}

static void place(struct journal *j, void *memory, size_t size)
{
	*j = (struct journal){.memory = memory,
		.size = size,
		.ring = (uint8_t *)memory + JOURNAL_HEAD_SIZE,
		.ring_size = size - JOURNAL_HEAD_SIZE};
}

/* The newest whole record of all that are there. */
static void find_last(struct journal *j)
{
	struct journal_record r;
	size_t size = JOURNAL_ALIGN;

	for (size_t at = 0; j->ring_size - at >= sizeof(r); at += size) {
		size = JOURNAL_ALIGN;
		if (!is_whole_at(j, at, &r))
			continue;
		size = journal_record_size(r.length);
		if (r.seq > j->last_seq) {
			j->last_seq = r.seq;
			j->last = at;
			j->end = at + size;
		}
	}
}

/*
 * The next whole record from `at` on that is older than the newest, or that one: there is one.
 * after: the number that it has to be beyond.
 */
static size_t find_next(
	const struct journal *j, size_t at, uint64_t after, struct journal_record *ret_record)
{
	for (;;) {
		if (at == j->ring_size)
			at = 0;
		if (is_whole_at(j, at, ret_record) && ret_record->seq > after &&
			ret_record->seq <= j->last_seq)
			return at;
		if (at == j->last) {
			/* The newest itself, damaged since: all that is left is to go on after it.
			 */
			*ret_record = (struct journal_record){.seq = j->last_seq};
			return at;
		}
		at += JOURNAL_ALIGN;
	}
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n == 0;
}

/* What lies between from and to, and is no padding. */
static size_t count_gap(const struct journal *j, size_t from, size_t to)
{
	size_t pad = j->ring_size - from;

	if (from < to)
		return to - from;
	if (from == to ||
		(pad < journal_record_size(JOURNAL_MAX_BODY) && is_zero(j->ring + from, pad)))
		return from == to ? 0 : to;
	return pad + to;
}

static size_t count_damage(const struct journal *j)
{
	struct journal_record r;
	size_t at = find_next(j, j->first, 0, &r), damaged = 0;

	while (r.seq < j->last_seq) {
		size_t from = at + journal_record_size(r.length);

		at = find_next(j, from, r.seq, &r);
		damaged += count_gap(j, from, at);
	}
	return damaged;
}

static int check_head(const void *memory, size_t size)
{
	struct journal_head h;

	memcpy(&h, memory, sizeof(h));
	if (h.magic != JOURNAL_MAGIC || h.check != check_of_head(&h))
		return -EBADMSG;
	if (h.version != JOURNAL_VERSION || h.head_size != JOURNAL_HEAD_SIZE ||
		h.ring_size != size - JOURNAL_HEAD_SIZE)
		return -EPROTONOSUPPORT;
	return 0;
}

int journal_open(struct journal *j, void *memory, size_t size, struct journal_damage *ret_damage)
{
	struct journal_damage damage = {0};
	struct journal found;
	struct journal_record r;
	int result;

	if (!journal_size_is_valid(size))
		return -EBADMSG;
	result = check_head(memory, size);
	if (result == -EPROTONOSUPPORT)
		return result;
	place(&found, memory, size);
	find_last(&found);
	damage.head = result < 0;
	if (damage.head && found.last_seq == 0)
		return -EBADMSG;
	if (found.last_seq > 0) {
		found.first = find_next(&found, found.end, 0, &r);
		found.first_seq = r.seq;
		damage.bytes = count_damage(&found);
	}
	*j = found;
	*ret_damage = damage;
	return 0;
}

/* --- making --- */

void journal_mend(struct journal *j, const uint8_t id[static 16], usec_t realtime)
{
	struct journal_head h = {.magic = JOURNAL_MAGIC,
		.version = JOURNAL_VERSION,
		.head_size = JOURNAL_HEAD_SIZE,
		.ring_size = j->ring_size,
		.created_realtime_usec = realtime};

	memcpy(h.id, id, sizeof(h.id));
	h.check = check_of_head(&h);
	memcpy(j->memory, &h, sizeof(h));
}

void journal_format(
	struct journal *j, void *memory, size_t size, const uint8_t id[static 16], usec_t realtime)
{
	assert(journal_size_is_valid(size));
	place(j, memory, size);
	journal_mend(j, id, realtime);
}

/* --- writing --- */

/* The oldest record is to be the next one after what is now. */
static void drop_first(struct journal *j)
{
	struct journal_record r;
	size_t size = JOURNAL_ALIGN;

	if (j->first == j->last) {
		j->first_seq = 0;
		return;
	}
	if (journal_record_at(j, j->first, &r) && r.seq == j->first_seq)
		size = journal_record_size(r.length);
	j->first = find_next(j, j->first + size, j->first_seq, &r);
	j->first_seq = r.seq;
}

/* Nothing that can still be read stands in these bytes any more. */
static void make_room(struct journal *j, size_t offset, size_t n)
{
	while (j->first_seq > 0 && j->first >= offset && j->first < offset + n)
		drop_first(j);
}

void journal_append(struct journal *j, uint64_t seq, const struct journal_stamp *stamp,
	const char *body, size_t length)
{
	size_t size = journal_record_size(length), rest = j->ring_size - j->end;
	struct journal_record r = {.magic = JOURNAL_RECORD_MAGIC,
		.length = (uint16_t)length,
		.kind = (uint16_t)stamp->kind,
		.subject = stamp->subject,
		.seq = seq,
		.realtime_usec = stamp->realtime_usec,
		.monotonic_usec = stamp->monotonic_usec};

	assert(length <= JOURNAL_MAX_BODY && seq > j->last_seq);
	if (size > rest) {
		make_room(j, j->end, rest);
		memset(j->ring + j->end, 0, rest);
		j->end = 0;
	}
	make_room(j, j->end, size);
	if (j->last_seq > 0)
		r.back = (uint16_t)journal_distance(j, j->last, j->end);
	memcpy(r.boot_id, stamp->boot_id, sizeof(r.boot_id));
	r.body_check = crc32c(0, body, length);
	r.check = check_of(&r);
	memcpy(j->ring + j->end + sizeof(r), body, length);
	memset(j->ring + j->end + sizeof(r) + length, 0, size - sizeof(r) - length);
	memcpy(j->ring + j->end, &r, sizeof(r));
	if (j->first_seq == 0) {
		j->first = j->end;
		j->first_seq = seq;
	}
	j->last = j->end;
	j->last_seq = seq;
	j->end += size;
}
