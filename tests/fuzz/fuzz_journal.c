/*
 * Bytes as an event journal. The first one chooses: 0: the rest is a file from its start (with
 * zeros behind it). Otherwise so many times 8 records are appended to a new one, which is damaged
 * by what follows: offset (three bytes), length (one byte) and that many bytes to put there, again
 * and again; their checksums are put right where the first byte is odd, so that what they say
 * is believed.
 *
 * However it is, reading ends, goes up (or down) in numbers, and finds what is appended after.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/macro.h"
#include "wire/journal.h"

#define SIZE JOURNAL_MIN_SIZE

static const uint8_t id[16] = {1, 2, 3};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append(struct journal *j, uint64_t seq, size_t length)
{
	const struct journal_stamp stamp = {
		.kind = 1 + (enum journal_kind)(seq % 3), .subject = (uint32_t)seq, .boot_id = {9}};
	char body[JOURNAL_MAX_BODY];

	memset(body, '{', sizeof(body));
	journal_append(j, seq, &stamp, body, length);
}

/* Of every record that is still told by its first bytes. */
static void mend_checks(uint8_t *memory)
{
	struct journal_record r;

	for (size_t at = JOURNAL_HEAD_SIZE; at + sizeof(r) <= SIZE; at += JOURNAL_ALIGN) {
		memcpy(&r, memory + at, sizeof(r));
		if (r.magic != JOURNAL_RECORD_MAGIC || r.length > SIZE - at - sizeof(r))
			continue;
		r.body_check = crc32c(0, memory + at + sizeof(r), r.length);
		r.check = crc32c(0, (uint8_t *)&r + offsetof(struct journal_record, body_check),
			sizeof(r) - offsetof(struct journal_record, body_check));
		memcpy(memory + at, &r, sizeof(r));
	}
}

static void damage(uint8_t *memory, const uint8_t *data, size_t size)
{
	struct journal j;

	journal_format(&j, memory, SIZE, id, 1);
	for (unsigned i = 1; i <= data[0] * 8u; i++)
		append(&j, i, (i * 7919u) % 600);
	for (size_t i = 1; i + 4 <= size; i += 4 + (size_t)data[i + 3]) {
		size_t at = ((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % SIZE;
		size_t length = MIN_OF((size_t)data[i + 3], size - i - 4);

		length = MIN_OF(length, SIZE - at);
		memcpy(memory + at, data + i + 4, length);
	}
	if (data[0] & 1)
		mend_checks(memory);
}

static uint64_t read_up(const struct journal *j)
{
	struct journal_cursor c;
	struct journal_entry e;
	uint64_t last = 0;
	unsigned calls = 0;
	int r;

	journal_seek_after(0, &c);
	while ((r = journal_next(j, &c, &e)) != 0) {
		if (++calls > SIZE || (r == 1 && (e.seq <= last || e.length > JOURNAL_MAX_BODY)))
			abort();
		if (r == 1)
			last = e.seq;
	}
	return last;
}

static void read_down(const struct journal *j)
{
	struct journal_cursor c;
	struct journal_entry e;
	uint64_t last = UINT64_MAX;
	unsigned calls = 0;
	int r;

	journal_seek_before(UINT64_MAX, &c);
	while ((r = journal_prev(j, &c, &e)) != 0) {
		if (++calls > SIZE || (r == 1 && e.seq >= last))
			abort();
		if (r == 1)
			last = e.seq;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *memory = calloc(1, SIZE); /* of just that size, for the sanitizer */
	struct journal_damage found;
	struct journal j;

	if (!memory)
		abort();
	if (size > 0 && data[0] == 0)
		memcpy(memory, data + 1, MIN_OF(size - 1, (size_t)SIZE));
	else if (size > 0)
		damage(memory, data, size);
	if (journal_open(&j, memory, SIZE, &found) == 0) {
		if (found.head)
			journal_mend(&j, id, 1);
		read_up(&j);
		read_down(&j);
		for (unsigned i = 0; i < 40 && j.last_seq < JOURNAL_MAX_SEQ; i++) {
			uint64_t seq = j.last_seq + 1;

			append(&j, seq, i * 100);
			if (read_up(&j) != seq)
				abort();
		}
		read_down(&j);
		if (journal_open(&j, memory, SIZE, &found) != 0 || found.head)
			abort();
	}
	free(memory);
	return 0;
}
