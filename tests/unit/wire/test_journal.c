/*
 * The event journal: what was appended is read, forwards and backwards, also after the ring has
 * gone round; and whatever becomes of its bytes, only the records that were hit are missing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/macro.h"
#include "wire/journal.h"

#define SIZE	    JOURNAL_MIN_SIZE
#define MAX_RECORDS 2000

static const uint8_t id[16] = {7, 7, 7};

struct fixture {
	struct journal journal;
	uint8_t *memory, *before, *copy; /* SIZE bytes each */
	size_t n_changed, changed[SIZE];
	struct journal_entry entry;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->memory = calloc(1, SIZE);
	f->before = calloc(1, SIZE);
	f->copy = calloc(1, SIZE);
	journal_format(&f->journal, f->memory, SIZE, id, 5);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory);
	free(f->before);
	free(f->copy);
	free(f);
	return 0;
}

/* The length of a record tells nothing of its neighbours', nor of the ring's size. */
static size_t body_of(uint64_t seq, char body[static JOURNAL_MAX_BODY])
{
	size_t n = seq % 97 == 0 ? JOURNAL_MAX_BODY : 20 + seq * 7919 % 611;

	memset(body, 'a' + (int)(seq % 26), n);
	body[0] = '{';
	body[n - 1] = '}';
	snprintf(body + 1, 19, "%018llu", (unsigned long long)seq);
	body[19] = '}';
	return n;
}

static void append(struct journal *j, uint64_t seq)
{
	struct journal_stamp stamp = {.kind = 1 + (enum journal_kind)(seq % 5),
		.subject = (uint32_t)(seq % 3),
		.realtime_usec = 1000 + seq,
		.monotonic_usec = seq,
		.boot_id = {9}};
	char body[JOURNAL_MAX_BODY];
	size_t n = body_of(seq, body);

	journal_append(j, seq, &stamp, body, n);
}

static void append_up_to(struct journal *j, uint64_t last)
{
	while (j->last_seq < last)
		append(j, j->last_seq + 1);
}

static void check_entry(const struct journal_entry *e)
{
	char body[JOURNAL_MAX_BODY];
	size_t n = body_of(e->seq, body);

	assert_int_equal(e->length, n);
	assert_int_equal(memcmp(e->body, body, n), 0);
	assert_int_equal(e->body[n], '\0');
	assert_int_equal(e->realtime_usec, 1000 + e->seq);
	assert_int_equal(e->monotonic_usec, e->seq);
	assert_int_equal(e->kind, 1 + e->seq % 5);
	assert_int_equal(e->boot_id[0], 9);
}

/* All records, as a bitmap by their numbers; forwards and backwards say the same. */
static unsigned read_all(const struct journal *j, bool ret_has[static MAX_RECORDS])
{
	struct journal_cursor c;
	struct journal_entry e;
	bool back[MAX_RECORDS] = {false};
	uint64_t previous = 0;
	unsigned n = 0, calls = 0;
	int r;

	memset(ret_has, 0, MAX_RECORDS);
	journal_seek_after(0, &c);
	while ((r = journal_next(j, &c, &e)) != 0) {
		assert_true(++calls < 10 * MAX_RECORDS);
		if (r == -EAGAIN)
			continue;
		assert_int_equal(r, 1);
		assert_true(e.seq > previous && e.seq < MAX_RECORDS);
		check_entry(&e);
		previous = e.seq;
		ret_has[e.seq] = true;
		n++;
	}
	previous = UINT64_MAX;
	journal_seek_before(UINT64_MAX, &c);
	while ((r = journal_prev(j, &c, &e)) != 0) {
		assert_true(++calls < 20 * MAX_RECORDS);
		if (r == -EAGAIN)
			continue;
		assert_true(e.seq < previous && e.seq < MAX_RECORDS);
		check_entry(&e);
		previous = e.seq;
		back[e.seq] = true;
	}
	assert_memory_equal(ret_has, back, sizeof(back));
	return n;
}

static int open_copy(struct fixture *f, struct journal *ret_journal, size_t *ret_damaged)
{
	struct journal_damage damage = {0};
	int r = journal_open(ret_journal, f->copy, SIZE, &damage);

	if (r == 0 && damage.head)
		journal_mend(ret_journal, id, 5);
	*ret_damaged = damage.bytes;
	return r;
}

static void checksums_are_those_of_everybody_else(void **state)
{
	uint8_t data[64] = {0};

	(void)state;
	/* RFC 3720, B.4 */
	assert_int_equal(crc32c(0, data, 32), 0x8a9136aa);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void an_empty_journal_has_nothing_to_read(void **state)
{
	struct fixture *f = *state;
	struct journal_cursor c;
	struct journal_damage damage;

	for (unsigned i = 0; i < 2; i++) {
		journal_seek_after(0, &c);
		assert_int_equal(journal_next(&f->journal, &c, &f->entry), 0);
		journal_seek_before(UINT64_MAX, &c);
		assert_int_equal(journal_prev(&f->journal, &c, &f->entry), 0);
		assert_int_equal(journal_open(&f->journal, f->memory, SIZE, &damage), 0);
		assert_int_equal(f->journal.last_seq, 0);
		assert_int_equal(damage.bytes, 0);
		assert_false(damage.head);
	}
}

static void what_was_appended_is_read_while_the_ring_goes_round(void **state)
{
	struct fixture *f = *state;
	bool has[MAX_RECORDS];

	for (uint64_t seq = 1; seq < 900; seq++) {
		struct journal again;
		size_t damaged;
		unsigned n;

		append(&f->journal, seq);
		n = read_all(&f->journal, has);
		assert_int_equal(n, seq - f->journal.first_seq + 1);
		assert_true(has[seq]);
		assert_true(seq < 100 || n > 80);
		memcpy(f->copy, f->memory, SIZE);
		assert_int_equal(open_copy(f, &again, &damaged), 0);
		assert_int_equal(damaged, 0);
		assert_int_equal(again.first_seq, f->journal.first_seq);
		assert_int_equal(again.last_seq, seq);
		assert_int_equal(again.first, f->journal.first);
		assert_int_equal(again.end, f->journal.end);
	}
}

static void a_reader_goes_on_where_it_stopped_and_misses_only_what_is_gone(void **state)
{
	struct fixture *f = *state;
	struct journal_cursor c;
	uint64_t seq = 0;

	journal_seek_after(0, &c);
	for (unsigned step = 1; step < 60; step++) {
		append_up_to(&f->journal, f->journal.last_seq + step);
		for (unsigned i = 0; i < 30 && seq < f->journal.last_seq; i++) {
			uint64_t expected = MAX_OF(seq + 1, f->journal.first_seq);

			assert_int_equal(journal_next(&f->journal, &c, &f->entry), 1);
			assert_int_equal(f->entry.seq, expected);
			check_entry(&f->entry);
			seq = expected;
		}
		if (seq == f->journal.last_seq)
			assert_int_equal(journal_next(&f->journal, &c, &f->entry), 0);
	}
	assert_true(seq > 900);
}

static void numbers_lead_to_their_place(void **state)
{
	struct fixture *f = *state;
	struct journal_cursor c;

	append_up_to(&f->journal, 700);
	for (uint64_t seq = f->journal.first_seq; seq < 700; seq++) {
		journal_seek_after(seq, &c);
		assert_int_equal(journal_next(&f->journal, &c, &f->entry), 1);
		assert_int_equal(f->entry.seq, seq + 1);
		journal_seek_before(seq + 1, &c);
		assert_int_equal(journal_prev(&f->journal, &c, &f->entry), 1);
		assert_int_equal(f->entry.seq, seq);
	}
	journal_seek_after(700, &c);
	assert_int_equal(journal_next(&f->journal, &c, &f->entry), 0);
	journal_seek_before(f->journal.first_seq, &c);
	assert_int_equal(journal_prev(&f->journal, &c, &f->entry), 0);
	journal_seek_after(5000, &c);
	assert_int_equal(journal_next(&f->journal, &c, &f->entry), 0);
	/* numbers may leap: those of events that found no journal to stand in */
	append(&f->journal, 1500);
	journal_seek_after(1000, &c);
	assert_int_equal(journal_next(&f->journal, &c, &f->entry), 1);
	assert_int_equal(f->entry.seq, 1500);
}

static void filters_let_pass_what_they_should(void **state)
{
	struct fixture *f = *state;
	struct journal_cursor c;
	unsigned n = 0, expected = 0;
	uint64_t since = 500;

	append_up_to(&f->journal, 700);
	for (uint64_t seq = MAX_OF(f->journal.first_seq, since); seq <= 700; seq++)
		expected += seq % 3 == 2 && (seq % 5 == 1 || seq % 5 == 3);
	journal_seek_after(0, &c);
	c.subject = 2;
	c.kinds = 1u << 2 | 1u << 4;
	c.since_usec = 1000 + since;
	while (journal_next(&f->journal, &c, &f->entry) == 1) {
		assert_int_equal(f->entry.subject, 2);
		assert_true(f->entry.kind == 2 || f->entry.kind == 4);
		n++;
	}
	assert_int_equal(n, expected);
	assert_true(n > 10);
	journal_seek_before(UINT64_MAX, &c);
	c.subject = 2;
	c.kinds = 1u << 2 | 1u << 4;
	c.since_usec = 1000 + since;
	while (journal_prev(&f->journal, &c, &f->entry) == 1)
		n--;
	assert_int_equal(n, 0);
}

static void one_call_does_no_more_than_its_share(void **state)
{
	size_t size = JOURNAL_FILE_SIZE;
	uint8_t *memory = calloc(1, size);
	struct journal j;
	struct journal_cursor c;
	struct journal_entry e;
	unsigned again = 0;
	int r;

	(void)state;
	journal_format(&j, memory, size, id, 5);
	append_up_to(&j, 8000);
	journal_seek_after(7999, &c);
	while ((r = journal_next(&j, &c, &e)) == -EAGAIN)
		again++;
	assert_int_equal(r, 1);
	assert_int_equal(e.seq, 8000);
	assert_true(again >= 7000 / JOURNAL_MAX_STEPS);
	/* and all that is left between two records is a desert */
	memset(j.ring + j.first + 100000, 0xaa, 3u << 20);
	again = 0;
	journal_seek_after(0, &c);
	while ((r = journal_next(&j, &c, &e)) != 0)
		again += r == -EAGAIN;
	assert_int_equal(e.seq, 8000);
	assert_true(again >= (3u << 20) / JOURNAL_MAX_SCAN - 1);
	again = 0;
	journal_seek_before(UINT64_MAX, &c);
	while ((r = journal_prev(&j, &c, &e)) != 0)
		again += r == -EAGAIN;
	assert_int_equal(e.seq, j.first_seq);
	assert_true(again >= (3u << 20) / JOURNAL_MAX_SCAN - 1);
	free(memory);
}

/* Appends, and finds which bytes that has changed. */
static void append_and_compare(struct fixture *f, uint64_t seq)
{
	memcpy(f->before, f->memory, SIZE);
	append(&f->journal, seq);
	f->n_changed = 0;
	for (size_t at = 0; at < SIZE; at++) {
		if (f->before[at] != f->memory[at])
			f->changed[f->n_changed++] = at;
	}
}

/*
 * The image of a writer that was killed: of the bytes that its append changes, only the first n
 * (or the last n) have been.
 */
static void tear(struct fixture *f, size_t n, bool from_the_end)
{
	memcpy(f->copy, f->before, SIZE);
	for (size_t i = 0; i < n; i++) {
		size_t at = f->changed[from_the_end ? f->n_changed - 1 - i : i];

		f->copy[at] = f->memory[at];
	}
}

/* In one assertion: there are millions. */
static bool has_all(const bool *has, uint64_t first, uint64_t last)
{
	for (uint64_t s = first; s <= last; s++) {
		if (!has[s])
			return false;
	}
	return true;
}

static void check_torn(struct fixture *f, uint64_t first, uint64_t seq, bool is_whole)
{
	struct journal j;
	bool has[MAX_RECORDS];
	size_t damaged;

	assert_int_equal(open_copy(f, &j, &damaged), 0);
	assert_int_equal(damaged, 0);
	/* The last bytes may be those of padding. */
	assert_true(j.last_seq == seq || (j.last_seq == seq - 1 && !is_whole));
	read_all(&j, has);
	/* All that the append has no need of is there: the newest, without a gap. */
	assert_true(has_all(has, first, seq - 1));
	/* and the writer goes on */
	append_up_to(&j, seq + 3);
	read_all(&j, has);
	assert_true(has_all(has, j.first_seq, seq + 3));
}

static void a_writer_killed_at_any_byte_has_written_nothing_or_all(void **state)
{
	struct fixture *f = *state;
	bool went_round = false;

	for (uint64_t seq = 1; seq < 420; seq++) {
		size_t end = f->journal.end, n;

		append_and_compare(f, seq);
		n = f->n_changed;
		/* the first few, and around where it begins anew */
		if (seq > 4 && f->journal.end > end)
			continue;
		went_round |= f->journal.end < end;
		for (size_t k = 0; k <= n; k += seq > 4 && k > 300 && k + 300 < n ? 7 : 1) {
			tear(f, k, false);
			check_torn(f, f->journal.first_seq, seq, k == n);
			tear(f, k, true);
			check_torn(f, f->journal.first_seq, seq, k == n);
		}
	}
	assert_true(went_round);
}

/* Also whatever the order is in which the machine's power went: each byte may be old or new. */
static void a_write_in_any_order_is_nothing_or_all(void **state)
{
	struct fixture *f = *state;

	append_up_to(&f->journal, 400);
	append_and_compare(f, 401);
	srand(1);
	for (unsigned i = 0; i < 2000; i++) {
		memcpy(f->copy, f->before, SIZE);
		for (size_t k = 0; k < f->n_changed; k++) {
			if (rand() & 1)
				f->copy[f->changed[k]] = f->memory[f->changed[k]];
		}
		check_torn(f, f->journal.first_seq, 401, memcmp(f->copy, f->memory, SIZE) == 0);
	}
}

static void a_flipped_bit_costs_one_record_at_most(void **state)
{
	struct fixture *f = *state;
	bool before[MAX_RECORDS], has[MAX_RECORDS];
	unsigned n;

	append_up_to(&f->journal, 450);
	n = read_all(&f->journal, before);
	memcpy(f->copy, f->memory, SIZE);
	for (size_t at = 0; at < SIZE; at += at < JOURNAL_HEAD_SIZE + 2000 ? 1 : 5) {
		struct journal j;
		size_t damaged;
		unsigned missing = 0;

		f->copy[at] ^= (uint8_t)(1u << at % 8);
		assert_int_equal(open_copy(f, &j, &damaged), 0);
		assert_true(read_all(&j, has) >= n - 1);
		for (uint64_t s = 0; s < MAX_RECORDS; s++)
			missing += before[s] && !has[s];
		assert_true(missing <= 1);
		/* the oldest and the newest go unnoticed */
		assert_true(damaged > 0 || missing == 0 || !has[f->journal.first_seq] || !has[450]);
		memcpy(f->copy, f->memory, SIZE);
	}
}

static void damage_to_a_journal_that_is_open_is_passed_over(void **state)
{
	struct fixture *f = *state;
	bool has[MAX_RECORDS];

	append_up_to(&f->journal, 450);
	memcpy(f->copy, f->memory, SIZE);
	for (size_t at = JOURNAL_HEAD_SIZE; at + 3000 < SIZE; at += 1001) {
		struct journal j = f->journal;

		memset(f->memory + at, 0xfe, 3000);
		assert_true(read_all(&f->journal, has) > 50);
		for (uint64_t seq = 451; seq < 480; seq++)
			append(&f->journal, seq);
		read_all(&f->journal, has);
		for (uint64_t seq = 451; seq < 480; seq++)
			assert_true(has[seq]);
		memcpy(f->memory, f->copy, SIZE);
		f->journal = j;
	}
}

static void what_is_cut_off_is_missing_and_no_more(void **state)
{
	struct fixture *f = *state;
	bool before[MAX_RECORDS], has[MAX_RECORDS];

	append_up_to(&f->journal, 450);
	read_all(&f->journal, before);
	for (size_t n = 0; n < SIZE; n += n < 300 ? 1 : 37) {
		struct journal j;
		size_t damaged;
		int r;

		/* as it is once it has its size back */
		memset(f->copy, 0, SIZE);
		memcpy(f->copy, f->memory, n);
		r = open_copy(f, &j, &damaged);
		if (r < 0) {
			assert_int_equal(r, -EBADMSG);
			assert_true(n < JOURNAL_HEAD_SIZE);
			continue;
		}
		read_all(&j, has);
		/* what lies before the cut is there: the later half of the last round */
		assert_true(n < JOURNAL_HEAD_SIZE + f->journal.end || has[450]);
		append_up_to(&j, j.last_seq + 10);
		read_all(&j, has);
		assert_true(has[j.last_seq] && has[j.last_seq - 9]);
	}
}

static void garbage_is_no_journal(void **state)
{
	struct fixture *f = *state;
	struct journal j;
	struct journal_damage damage;
	size_t damaged;

	srand(2);
	for (size_t i = 0; i < SIZE; i++)
		f->copy[i] = (uint8_t)rand();
	assert_int_equal(open_copy(f, &j, &damaged), -EBADMSG);
	memset(f->copy, 0, SIZE);
	assert_int_equal(open_copy(f, &j, &damaged), -EBADMSG);
	assert_int_equal(journal_open(&j, f->memory, JOURNAL_MIN_SIZE - 8, &damage), -EBADMSG);
}

static void another_version_or_size_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct journal_head *h = (struct journal_head *)f->copy;
	struct journal j;
	size_t damaged;

	append_up_to(&f->journal, 3);
	memcpy(f->copy, f->memory, SIZE);
	h->version++;
	h->check = crc32c(0, h, offsetof(struct journal_head, check));
	assert_int_equal(open_copy(f, &j, &damaged), -EPROTONOSUPPORT);
	memcpy(f->copy, f->memory, SIZE);
	h->ring_size += 8;
	h->check = crc32c(0, h, offsetof(struct journal_head, check));
	assert_int_equal(open_copy(f, &j, &damaged), -EPROTONOSUPPORT);
}

static void subjects_are_told_by_their_names(void **state)
{
	(void)state;
	assert_int_equal(journal_subject(NULL), 0);
	assert_int_not_equal(journal_subject(""), 0);
	assert_int_not_equal(journal_subject("web"), journal_subject("web@1"));
	for (unsigned k = 0; k < JOURNAL_KIND_MAX; k++)
		assert_true(journal_kind_to_string(k)[0] != '\0');
	assert_string_equal(journal_kind_to_string(JOURNAL_KIND_MAX), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums_are_those_of_everybody_else),
		cmocka_unit_test(subjects_are_told_by_their_names),
		cmocka_unit_test_setup_teardown(
			an_empty_journal_has_nothing_to_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_was_appended_is_read_while_the_ring_goes_round, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_reader_goes_on_where_it_stopped_and_misses_only_what_is_gone, setup,
			teardown),
		cmocka_unit_test_setup_teardown(numbers_lead_to_their_place, setup, teardown),
		cmocka_unit_test_setup_teardown(filters_let_pass_what_they_should, setup, teardown),
		cmocka_unit_test(one_call_does_no_more_than_its_share),
		cmocka_unit_test_setup_teardown(
			a_writer_killed_at_any_byte_has_written_nothing_or_all, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_write_in_any_order_is_nothing_or_all, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_flipped_bit_costs_one_record_at_most, setup, teardown),
		cmocka_unit_test_setup_teardown(
			damage_to_a_journal_that_is_open_is_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_cut_off_is_missing_and_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage_is_no_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(
			another_version_or_size_is_told_apart, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
