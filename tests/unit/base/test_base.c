/*
 * What everything else stands on: spans and times, parsers at their limits and one past
 * them, the buffer's limits, the heap against a sorted array, the list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/lines.h"
#include "base/list.h"
#include "base/macro.h"
#include "base/parse.h"
#include "base/usec.h"

/* --- time --- */

static void spans_are_written_with_two_units_at_most(void **state _unused_)
{
	static const struct {
		usec_t span;
		const char *text;
	} cases[] = {
		{0, "0ms"},
		{1, "1us"},
		{999, "999us"},
		{1000, "1ms"},
		{1999, "1ms"},
		{999999, "999ms"},
		{USEC_PER_SEC, "1s"},
		{USEC_PER_SEC + 99999, "1s"},
		{USEC_PER_SEC + 100000, "1.1s"},
		{12500 * USEC_PER_MSEC, "12.5s"},
		{USEC_PER_MINUTE - 1, "59.9s"},
		{USEC_PER_MINUTE, "1min"},
		{USEC_PER_MINUTE + 5 * USEC_PER_SEC, "1min 5s"},
		{USEC_PER_HOUR - 1, "59min 59s"},
		{USEC_PER_HOUR, "1h"},
		{USEC_PER_HOUR + 30 * USEC_PER_SEC, "1h"},
		{USEC_PER_DAY - 1, "23h 59min"},
		{2 * USEC_PER_DAY + 3 * USEC_PER_HOUR, "2d 3h"},
		{USEC_INFINITY - 1, "213503982d 8h"},
		{USEC_INFINITY, "forever"},
	};
	char text[USEC_SPAN_SIZE];

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		assert_ptr_equal(usec_span(cases[i].span, text), text);
		assert_string_equal(text, cases[i].text);
	}
}

static void times_are_written_in_utc_with_microseconds(void **state _unused_)
{
	char text[USEC_RFC3339_SIZE];
	size_t n;

	assert_int_equal(usec_rfc3339(0, text), strlen("1970-01-01T00:00:00.000000Z"));
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	usec_rfc3339(UINT64_C(1795415813123456), text);
	assert_string_equal(text, "2026-11-23T06:36:53.123456Z");
	usec_rfc3339(UINT64_C(951782400) * USEC_PER_SEC, text);
	assert_string_equal(text, "2000-02-29T00:00:00.000000Z");
	n = usec_rfc3339(USEC_INFINITY, text); /* a year of six digits fits */
	assert_int_equal(n, strlen(text));
	assert_string_equal(text + n - 8, ".551615Z");
}

static void sums_and_differences_stay_in_range(void **state _unused_)
{
	assert_int_equal(usec_add(1, 2), 3);
	assert_int_equal(usec_add(USEC_INFINITY - 1, 1), USEC_INFINITY);
	assert_int_equal(usec_add(USEC_INFINITY - 1, 2), USEC_INFINITY);
	assert_int_equal(usec_add(USEC_INFINITY, USEC_INFINITY), USEC_INFINITY);
	assert_int_equal(usec_sub(3, 2), 1);
	assert_int_equal(usec_sub(2, 2), 0);
	assert_int_equal(usec_sub(2, 3), 0);
	assert_int_equal(usec_sub(USEC_INFINITY, 3), USEC_INFINITY);
}

/* --- parsers --- */

#define UNTOUCHED 4711

static void numbers_are_digits_and_nothing_else(void **state _unused_)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "a", "1a", "/"};
	uint64_t value = UNTOUCHED;

	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		assert_int_equal(parse_u64(bad[i], UINT64_MAX, &value), -EINVAL);
	assert_int_equal(parse_u64("18446744073709551616", UINT64_MAX, &value), -ERANGE);
	assert_int_equal(parse_u64("99999999999999999999", UINT64_MAX, &value), -ERANGE);
	assert_int_equal(parse_u64("11", 10, &value), -ERANGE);
	assert_int_equal(value, UNTOUCHED);
	assert_int_equal(parse_u64("10", 10, &value), 0);
	assert_int_equal(value, 10);
	assert_int_equal(parse_u64("18446744073709551615", UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(parse_u64("007", 10, &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(parse_u64("0", 0, &value), 0);
}

static void durations_need_a_unit_unless_they_are_0(void **state _unused_)
{
	static const struct {
		const char *text;
		usec_t value;
	} good[] = {
		{"0", 0},
		{"0s", 0},
		{"1us", 1},
		{"500ms", 500 * USEC_PER_MSEC},
		{"10s", 10 * USEC_PER_SEC},
		{"5min", 5 * USEC_PER_MINUTE},
		{"1h", USEC_PER_HOUR},
		{"2d", 2 * USEC_PER_DAY},
		{"4611686018427387903us", UINT64_MAX / 4},
		{"53375995d", 53375995 * USEC_PER_DAY},
	};
	static const char *const bad[] = {"", "s", "1", "00", "1.5s", "1 s", " 1s", "1s ", "-1s",
		"1S", "1m", "1sec", "1h30min"};
	static const char *const large[] = {"4611686018427387904us", "53375996d",
		"18446744073709551615d", "18446744073709551616us"};
	usec_t value;

	for (size_t i = 0; i < ELEMENTSOF(good); i++) {
		assert_int_equal(parse_duration(good[i].text, &value), 0);
		assert_true(value == good[i].value);
	}
	value = UNTOUCHED;
	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		assert_int_equal(parse_duration(bad[i], &value), -EINVAL);
	for (size_t i = 0; i < ELEMENTSOF(large); i++)
		assert_int_equal(parse_duration(large[i], &value), -ERANGE);
	assert_int_equal(value, UNTOUCHED);
}

static void sizes_are_multiples_of_1024(void **state _unused_)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0", 0},
		{"4096", 4096},
		{"64K", 65536},
		{"50M", UINT64_C(52428800)},
		{"1G", UINT64_C(1) << 30},
		{"4294967295G", UINT64_C(4294967295) << 30},
		{"4611686018427387903", UINT64_MAX / 4},
	};
	static const char *const bad[] = {"", "K", "1k", "1KB", "1 K", "1T", "1.5M", "-1"};
	static const char *const large[] = {"4294967296G", "17179869184G", "4611686018427387904"};
	uint64_t value;

	for (size_t i = 0; i < ELEMENTSOF(good); i++) {
		assert_int_equal(parse_size(good[i].text, &value), 0);
		assert_true(value == good[i].value);
	}
	value = UNTOUCHED;
	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		assert_int_equal(parse_size(bad[i], &value), -EINVAL);
	for (size_t i = 0; i < ELEMENTSOF(large); i++)
		assert_int_equal(parse_size(large[i], &value), -ERANGE);
	assert_int_equal(value, UNTOUCHED);
}

static void modes_are_octal(void **state _unused_)
{
	unsigned mode = UNTOUCHED;

	assert_int_equal(parse_mode("8", &mode), -EINVAL);
	assert_int_equal(parse_mode("0o17", &mode), -EINVAL);
	assert_int_equal(parse_mode("", &mode), -EINVAL);
	assert_int_equal(parse_mode("u+r", &mode), -EINVAL);
	assert_int_equal(parse_mode("10000", &mode), -ERANGE);
	assert_int_equal(parse_mode("7777777777777777777777777", &mode), -ERANGE);
	assert_int_equal(mode, UNTOUCHED);
	assert_int_equal(parse_mode("7777", &mode), 0);
	assert_int_equal(mode, 07777);
	assert_int_equal(parse_mode("0640", &mode), 0);
	assert_int_equal(mode, 0640);
	assert_int_equal(parse_mode("640", &mode), 0);
	assert_int_equal(mode, 0640);
	assert_int_equal(parse_mode("0", &mode), 0);
	assert_int_equal(mode, 0);
}

static void signals_have_names_and_numbers(void **state _unused_)
{
	static const char *const bad[] = {"", "0", "-1", "65", "SIG", "SIG15", "term", "TERM ",
		"SIGSIGTERM", "RTMIN+", "RTMIN+31", "RTMIN-1", "RTMAX", "NOSUCH"};
	char text[SIGNAL_NAME_SIZE];
	int signo = UNTOUCHED;

	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		assert_int_equal(parse_signal(bad[i], &signo), -EINVAL);
	assert_int_equal(signo, UNTOUCHED);
	assert_int_equal(parse_signal("TERM", &signo), 0);
	assert_int_equal(signo, SIGTERM);
	assert_int_equal(parse_signal("SIGUSR1", &signo), 0);
	assert_int_equal(signo, SIGUSR1);
	assert_int_equal(parse_signal("15", &signo), 0);
	assert_int_equal(signo, SIGTERM);
	assert_int_equal(parse_signal("SIGRTMIN+3", &signo), 0);
	assert_int_equal(signo, SIGRTMIN + 3);
	assert_int_equal(parse_signal("RTMIN", &signo), 0);
	assert_int_equal(signo, SIGRTMIN);
	assert_int_equal(parse_signal("64", &signo), 0);
	assert_int_equal(signo, SIGRTMAX);
	assert_string_equal(signal_name(SIGTERM, text), "TERM");
	assert_string_equal(signal_name(0, text), "0");
	assert_string_equal(signal_name(-5, text), "-5");
	assert_string_equal(signal_name(INT32_MIN, text), "-2147483648");
	assert_string_equal(signal_name(SIGRTMAX + 1, text), "65");
	for (int s = 1; s <= SIGRTMAX; s++) {
		assert_int_equal(parse_signal(signal_name(s, text), &signo), 0);
		assert_int_equal(signo, s);
	}
}

/* --- buffer --- */

static void a_buffer_grows_up_to_its_limit_and_not_past_it(void **state _unused_)
{
	_cleanup_buf_ struct buf b = {0};

	assert_int_equal(buf_append(&b, 0, NULL, 0), 0);
	assert_int_equal(buf_append(&b, 0, "x", 1), -ENOBUFS);
	assert_int_equal(buf_append(&b, 10, "0123456789a", 11), -ENOBUFS);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_append(&b, 10, "0123456789", 10), 0);
	assert_int_equal(buf_append(&b, 10, "a", 1), -ENOBUFS);
	assert_int_equal(buf_append(&b, 5, "", 0), -ENOBUFS); /* is longer than that already */
	assert_int_equal(buf_append(&b, SIZE_MAX, "x", SIZE_MAX - 5), -ENOBUFS);
	assert_int_equal(b.len, 10);
	assert_memory_equal(b.data, "0123456789", 10);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOMEM);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 10), -ENOMEM);
	assert_memory_equal(b.data, "0123456789", 10);
}

static void what_is_consumed_leaves_the_rest_in_order(void **state _unused_)
{
	_cleanup_buf_ struct buf b = {0};
	unsigned put = 0, got = 0;

	for (unsigned round = 0; round < 500; round++) {
		for (unsigned i = 0; i < round % 37; i++) {
			unsigned char c = (unsigned char)put++;

			assert_int_equal(buf_append(&b, SIZE_MAX, &c, 1), 0);
		}
		for (unsigned n = (unsigned)MIN_OF(b.len, (size_t)(round % 23)), i = 0; i <= n;
			i++) {
			if (i == n) {
				buf_consume(&b, n);
				got += n;
			} else {
				assert_int_equal(
					(unsigned char)b.data[i], (unsigned char)(got + i));
			}
		}
		assert_int_equal(b.len, put - got);
	}
	buf_consume(&b, b.len);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
	buf_fini(&b);
	buf_consume(&b, 0);
	assert_null(b.data);
}

static void text_is_appended_without_its_nul(void **state _unused_)
{
	_cleanup_buf_ struct buf b = {0};
	char expected[1000];

	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	assert_int_equal(b.len, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(buf_printf(&b, "%04u,%s", i, i % 2 ? "odd" : "even"), 0);
	assert_int_equal(b.len, 50 * 8 + 50 * 9);
	for (unsigned i = 0, at = 0; i < 100; i++)
		at += (unsigned)snprintf(
			expected + at, sizeof(expected) - at, "%04u,%s", i, i % 2 ? "odd" : "even");
	assert_memory_equal(b.data, expected, b.len);
}

/* --- lines --- */

static void lines_are_counted_as_one_by_one_from_wherever_they_begin(void **state _unused_)
{
	static char data[10000];
	unsigned seed = 1;

	for (unsigned most = 0; most < 3; most++) {
		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1103515245 + 12345;
			data[i] = most == 2 || (seed >> 16) % (most ? 2 : 40) == 0
					  ? '\n'
					  : (char)(seed >> 20);
		}
		for (size_t begin = 0; begin < 20; begin++) {
			size_t expected = 0;

			for (size_t n = 0; begin + n < sizeof(data); n++) {
				if (n < 100 || n % 61 == 0)
					assert_int_equal(lines_count(data + begin, n), expected);
				expected += data[begin + n] == '\n';
			}
		}
	}
}

/* --- heap --- */

#define HEAP_ENTRIES 40

static int by_time(const void *a, const void *b)
{
	usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;

	return x < y ? -1 : x > y;
}

/* Its size, its first, and that each entry knows its place. */
static void heap_is_sound(const struct heap *h, const struct heap_entry *entries)
{
	usec_t armed[HEAP_ENTRIES];
	uint32_t n = 0;

	for (uint32_t i = 0; i < HEAP_ENTRIES; i++) {
		assert_int_equal(entries[i].pos == 0, entries[i].deadline == USEC_INFINITY);
		if (entries[i].pos == 0)
			continue;
		assert_ptr_equal(h->entries[entries[i].pos], &entries[i]);
		armed[n++] = entries[i].deadline;
	}
	assert_int_equal(h->n, n);
	if (n == 0) {
		assert_null(heap_first(h));
		return;
	}
	qsort(armed, n, sizeof(armed[0]), by_time);
	assert_int_equal(heap_first(h)->deadline, armed[0]);
}

static void the_heap_is_like_a_sorted_array(void **state _unused_)
{
	struct heap_entry entries[HEAP_ENTRIES];
	struct heap h = {0};
	uint64_t x = 88172645463325252; /* xorshift */
	usec_t last = 0;

	assert_null(heap_first(&h));
	assert_int_equal(heap_reserve(&h, HEAP_ENTRIES), 0);
	for (uint32_t i = 0; i < HEAP_ENTRIES; i++)
		entries[i] = (struct heap_entry){.deadline = USEC_INFINITY};
	for (unsigned round = 0; round < 20000; round++) {
		struct heap_entry *e;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		e = &entries[x % HEAP_ENTRIES];
		if (x >> 20 & 1)
			heap_set(&h, e, x >> 40 & (round % 2 ? 7 : 0xffff));
		else
			heap_set(&h, e, USEC_INFINITY);
		heap_is_sound(&h, entries);
	}
	for (uint32_t i = 0; i < HEAP_ENTRIES; i++)
		heap_set(&h, &entries[i], (i * 7919) % 101);
	while (heap_first(&h)) {
		assert_true(heap_first(&h)->deadline >= last);
		last = heap_first(&h)->deadline;
		heap_set(&h, heap_first(&h), USEC_INFINITY);
		heap_is_sound(&h, entries);
	}
	heap_fini(&h);
}

static void a_heap_keeps_its_entries_when_room_is_added(void **state _unused_)
{
	struct heap_entry entries[200] = {{0}};
	struct heap h = {0};
	uint32_t size;

	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(heap_reserve(&h, i + 1), 0);
		heap_set(&h, &entries[i], 1000 - i);
		assert_ptr_equal(heap_first(&h), &entries[i]);
	}
	size = h.size;
	assert_int_equal(heap_reserve(&h, size), 0);
	assert_int_equal(h.size, size);
	assert_int_equal(heap_reserve(&h, UINT32_MAX), -ENOMEM);
	assert_int_equal(h.n, 200);
	heap_fini(&h);
	heap_fini(&h);
	assert_null(heap_first(&h));
}

/* --- list --- */

struct item {
	int value;
	struct list node;
};

static int sum_in_order(struct list *head)
{
	int sum = 0;

	list_foreach (it, head)
		sum = sum * 10 + list_entry(it, struct item, node)->value;
	return sum;
}

static void a_list_keeps_the_order_and_forgets_what_is_removed(void **state _unused_)
{
	struct item items[4] = {{.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};
	struct list head;

	list_init(&head);
	assert_true(list_empty(&head));
	assert_null(list_first(&head, struct item, node));
	assert_int_equal(sum_in_order(&head), 0);
	for (size_t i = 0; i < ELEMENTSOF(items); i++)
		list_append(&head, &items[i].node);
	assert_int_equal(sum_in_order(&head), 1234);
	list_remove(&items[1].node);
	list_remove(&items[1].node);
	assert_int_equal(sum_in_order(&head), 134);
	assert_ptr_equal(list_first(&head, struct item, node), &items[0]);
	list_remove(&items[0].node);
	list_remove(&items[3].node);
	assert_int_equal(sum_in_order(&head), 3);
	list_append(&head, &items[0].node);
	assert_int_equal(sum_in_order(&head), 31);
	list_foreach_safe (it, &head)
		list_remove(it);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_written_with_two_units_at_most),
		cmocka_unit_test(times_are_written_in_utc_with_microseconds),
		cmocka_unit_test(sums_and_differences_stay_in_range),
		cmocka_unit_test(numbers_are_digits_and_nothing_else),
		cmocka_unit_test(durations_need_a_unit_unless_they_are_0),
		cmocka_unit_test(sizes_are_multiples_of_1024),
		cmocka_unit_test(modes_are_octal),
		cmocka_unit_test(signals_have_names_and_numbers),
		cmocka_unit_test(a_buffer_grows_up_to_its_limit_and_not_past_it),
		cmocka_unit_test(what_is_consumed_leaves_the_rest_in_order),
		cmocka_unit_test(text_is_appended_without_its_nul),
		cmocka_unit_test(lines_are_counted_as_one_by_one_from_wherever_they_begin),
		cmocka_unit_test(the_heap_is_like_a_sorted_array),
		cmocka_unit_test(a_heap_keeps_its_entries_when_room_is_added),
		cmocka_unit_test(a_list_keeps_the_order_and_forgets_what_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
