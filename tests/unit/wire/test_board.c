/*
 * The status board in memory: a writer of ours, and the reader that everybody gets.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/macro.h"
#include "core/core.h"
#include "wire/board_area.h"
#include "wire/board_json.h"

#define CAPACITY 4

static const uint8_t boot_id[16] = {1, 2, 3};

struct fixture {
	struct board_area area;
	struct supervisord_board_view view;
	void *memory;
	size_t size;
};

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->size = board_area_size(CAPACITY);
	f->memory = shared(f->size);
	board_area_format(&f->area, f->memory, CAPACITY, boot_id);
	assert_int_equal(supervisord_board_look(f->memory, f->size, &f->view), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->memory, f->size);
	free(f);
	return 0;
}

static struct supervisord_board_slot content(const char *name, unsigned state, uint64_t since)
{
	struct supervisord_board_slot s = {
		.state = (uint8_t)state, .since_usec = since, .next_start_usec = UINT64_MAX};

	snprintf(s.name, sizeof(s.name), "%s", name);
	return s;
}

static void what_is_written_is_read(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_slot in = content("web", SUPERVISORD_BOARD_RUNNING, 5), out;

	in.pid = 17;
	snprintf(in.reason, sizeof(in.reason), "because");
	assert_int_equal(supervisord_board_read(&f->view, 2, &out), SUPERVISORD_BOARD_FREE);
	assert_int_equal(
		board_area_put(&f->area, 2, &in), BOARD_AREA_WRITTEN | BOARD_AREA_TRANSITION);
	assert_int_equal(supervisord_board_read(&f->view, 2, &out), SUPERVISORD_BOARD_OK);
	assert_string_equal(out.name, "web");
	assert_string_equal(out.reason, "because");
	assert_int_equal(out.pid, 17);
	assert_int_equal(out.seq % 2, 0);
	assert_int_equal(out.entered[SUPERVISORD_BOARD_RUNNING], 1);
	assert_int_equal(
		supervisord_board_read(&f->view, CAPACITY, &out), SUPERVISORD_BOARD_NO_SLOT);
}

static void only_what_differs_is_written(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_slot in = content("web", SUPERVISORD_BOARD_RUNNING, 5), out;
	uint32_t changes;

	board_area_put(&f->area, 0, &in);
	changes = f->area.head->changes;
	assert_int_equal(board_area_put(&f->area, 0, &in), 0);
	assert_int_equal(f->area.head->changes, changes);
	in.restarts = 1;
	assert_int_equal(board_area_put(&f->area, 0, &in), BOARD_AREA_WRITTEN);
	assert_int_equal(f->area.head->changes, changes + 1);
	supervisord_board_read(&f->view, 0, &out);
	assert_int_equal(out.transitions, 1);
	assert_int_equal(out.restarts, 1);
}

static void a_state_that_is_left_at_once_is_counted(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_slot in = content("web", SUPERVISORD_BOARD_RUNNING, 5), out;

	board_area_put(&f->area, 0, &in);
	in.state = SUPERVISORD_BOARD_STOPPING;
	board_area_put(&f->area, 0, &in);
	in.state = SUPERVISORD_BOARD_RUNNING;
	in.since_usec = 6;
	board_area_put(&f->area, 0, &in);
	in.since_usec = 7; /* the same state, entered anew */
	assert_true(board_area_put(&f->area, 0, &in) & BOARD_AREA_TRANSITION);
	supervisord_board_read(&f->view, 0, &out);
	assert_int_equal(out.entered[SUPERVISORD_BOARD_STOPPING], 1);
	assert_int_equal(out.entered[SUPERVISORD_BOARD_RUNNING], 3);
	assert_int_equal(out.transitions, 4);
}

static void a_slot_that_was_freed_is_nobodys(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_slot in = content("web", SUPERVISORD_BOARD_RUNNING, 5), out;

	board_area_put(&f->area, 1, &in);
	assert_true(board_area_clear(&f->area, 1) & BOARD_AREA_TRANSITION);
	assert_int_equal(supervisord_board_read(&f->view, 1, &out), SUPERVISORD_BOARD_FREE);
	assert_int_equal(board_area_clear(&f->area, 1), 0);
	/* Its counters go on, so that another one in its place is seen to be another one. */
	board_area_put(&f->area, 1, &in);
	supervisord_board_read(&f->view, 1, &out);
	assert_int_equal(out.entered[SUPERVISORD_BOARD_RUNNING], 2);
}

static void what_is_being_written_is_not_read(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_slot in = content("web", SUPERVISORD_BOARD_RUNNING, 5), out, *slot;

	board_area_put(&f->area, 0, &in);
	slot = (struct supervisord_board_slot *)(uintptr_t)supervisord_board_at(&f->view, 0);
	slot->seq++;
	assert_int_equal(supervisord_board_read(&f->view, 0, &out), SUPERVISORD_BOARD_BUSY);
}

static void the_next_writer_mends_what_the_last_one_left(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_slot in = content("web", SUPERVISORD_BOARD_RUNNING, 5), out, *slot;
	struct board_area next;

	board_area_put(&f->area, 0, &in);
	for (unsigned i = 0; i < 2; i++) {
		slot = (struct supervisord_board_slot *)(uintptr_t)supervisord_board_at(
			&f->view, i);
		slot->seq |= 1;
		memset(slot->reason, 'x', sizeof(slot->reason) / 2);
	}
	assert_int_equal(board_area_take(&next, f->memory, f->size, boot_id), 0);
	assert_true(board_area_put(&next, 0, &in) & BOARD_AREA_TRANSITION);
	board_area_clear(&next, 1);
	assert_int_equal(supervisord_board_read(&f->view, 0, &out), SUPERVISORD_BOARD_OK);
	assert_string_equal(out.reason, "");
	assert_int_equal(out.seq % 2, 0);
	assert_int_equal(supervisord_board_read(&f->view, 1, &out), SUPERVISORD_BOARD_FREE);
}

/* All of a content follows from its number, so that a mixture of two is seen. */
static struct supervisord_board_slot numbered(uint32_t n)
{
	struct supervisord_board_slot s = content("web", SUPERVISORD_BOARD_RUNNING, n);

	s.place = s.restarts = n;
	s.generation = s.started_usec = s.since_realtime_usec = n;
	memset(s.reason, 'a' + (int)(n % 26), sizeof(s.reason) - 1);
	memset(s.status_text, 'a' + (int)(n % 26), sizeof(s.status_text) - 1);
	return s;
}

static bool is_whole(const struct supervisord_board_slot *s)
{
	struct supervisord_board_slot same = numbered(s->place);

	memcpy(same.entered, s->entered, sizeof(same.entered));
	same.seq = s->seq;
	same.transitions = s->transitions;
	return memcmp(&same, s, offsetof(struct supervisord_board_slot, blocker)) == 0 &&
	       strcmp(same.blocker, s->blocker) == 0 && strcmp(same.reason, s->reason) == 0 &&
	       strcmp(same.status_text, s->status_text) == 0;
}

/* Ends by SIGKILL, at any moment, and with the test. */
static pid_t start_writer(struct board_area *area)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (uint32_t n = 1;; n++) {
		struct supervisord_board_slot s = numbered(n);

		board_area_put(area, 0, &s);
		if (n % 64 == 0) /* a pause in which a reader comes through at any speed */
			usleep(1);
	}
}

static void end_writer(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void nothing_torn_is_read_while_another_process_writes(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_slot first = numbered(0), out;
	unsigned n_read = 0, n_different = 0;
	uint32_t last = 0;
	pid_t pid;

	board_area_put(&f->area, 0, &first);
	pid = start_writer(&f->area);
	alarm(60); /* a writer that never lets us through is a failure, too */
	while (n_read < 20000 || n_different < 200) {
		int r = supervisord_board_read(&f->view, 0, &out);

		if (r == SUPERVISORD_BOARD_BUSY)
			continue;
		assert_int_equal(r, SUPERVISORD_BOARD_OK);
		assert_true(is_whole(&out));
		n_read++;
		n_different += out.place != last;
		last = out.place;
	}
	alarm(0);
	end_writer(pid);
}

static void a_writer_may_be_killed_anywhere(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 30; i++) {
		struct supervisord_board_slot first = numbered(0), out;
		struct board_area next;
		uint32_t before = f->area.head->changes;
		pid_t pid = start_writer(&f->area);

		while (supervisord_board_load(&f->area.head->changes) - before < 100 + i)
			usleep(10);
		end_writer(pid);
		assert_int_equal(board_area_take(&next, f->memory, f->size, boot_id), 0);
		board_area_put(&next, 0, &first);
		assert_int_equal(supervisord_board_read(&f->view, 0, &out), SUPERVISORD_BOARD_OK);
		assert_true(is_whole(&out));
		assert_int_equal(out.place, 0);
	}
}

static void a_board_that_grows_shows_more_slots(void **state)
{
	struct fixture *f = *state;
	size_t size = board_area_size(2 * CAPACITY);
	char *memory = shared(size);
	struct board_area a;
	struct supervisord_board_view early = {0}, late = {0};
	struct supervisord_board_slot in = content("web", SUPERVISORD_BOARD_RUNNING, 5), out;

	(void)f;
	board_area_format(&a, memory, CAPACITY, boot_id);
	/* Who has mapped only the first part. */
	assert_int_equal(supervisord_board_look(memory, board_area_size(CAPACITY), &early), 0);
	board_area_grow(&a, memory, 2 * CAPACITY);
	board_area_put(&a, CAPACITY, &in);
	assert_int_equal(supervisord_board_slots(&early), CAPACITY);
	assert_int_equal(early.head->capacity, 2 * CAPACITY);
	assert_int_equal(supervisord_board_read(&early, CAPACITY, &out), SUPERVISORD_BOARD_NO_SLOT);
	assert_int_equal(supervisord_board_look(memory, size, &late), 0);
	assert_int_equal(supervisord_board_read(&late, CAPACITY, &out), SUPERVISORD_BOARD_OK);
	munmap(memory, size);
}

static void a_newer_layout_with_larger_sizes_can_be_read(void **state)
{
	size_t head_size = 8192, slot_size = sizeof(struct supervisord_board_slot) + 64;
	size_t size = head_size + 2 * slot_size;
	char *memory = shared(size);
	struct supervisord_board_head *h = (struct supervisord_board_head *)(void *)memory;
	struct supervisord_board_slot in = content("web", SUPERVISORD_BOARD_FAILED, 5), out;
	struct supervisord_board_view view = {0};
	struct board_area a;

	(void)state;
	board_area_format(&a, memory, 2, boot_id);
	h->head_size = (uint32_t)head_size;
	h->slot_size = (uint32_t)slot_size;
	memcpy(memory + head_size + slot_size, &in, sizeof(in));
	assert_int_equal(supervisord_board_look(memory, size, &view), 0);
	assert_int_equal(supervisord_board_read(&view, 1, &out), SUPERVISORD_BOARD_OK);
	assert_string_equal(out.name, "web");
	/* Its writer is not us. */
	assert_int_equal(board_area_take(&a, memory, size, boot_id), -EPROTONOSUPPORT);
	munmap(memory, size);
}

static void what_is_no_board_is_refused(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_head good = *f->area.head, *h = f->area.head;
	struct supervisord_board_view v = {0};
	struct board_area a;
	const struct {
		size_t offset;
		uint32_t value;
		int look, take;
	} cases[] = {
		{offsetof(struct supervisord_board_head, magic), 0, SUPERVISORD_BOARD_MALFORMED,
			-EBADMSG},
		{offsetof(struct supervisord_board_head, version), 2,
			SUPERVISORD_BOARD_UNKNOWN_VERSION, -EPROTONOSUPPORT},
		{offsetof(struct supervisord_board_head, head_size), 8, SUPERVISORD_BOARD_MALFORMED,
			-EBADMSG},
		{offsetof(struct supervisord_board_head, head_size), 4097,
			SUPERVISORD_BOARD_MALFORMED, -EBADMSG},
		{offsetof(struct supervisord_board_head, head_size), UINT32_MAX - 7,
			SUPERVISORD_BOARD_MALFORMED, -EBADMSG},
		{offsetof(struct supervisord_board_head, slot_size), 0, SUPERVISORD_BOARD_MALFORMED,
			-EBADMSG},
		{offsetof(struct supervisord_board_head, slot_size), 769,
			SUPERVISORD_BOARD_MALFORMED, -EBADMSG},
		{offsetof(struct supervisord_board_head, slot_size), 776, 0, -EPROTONOSUPPORT},
		{offsetof(struct supervisord_board_head, capacity), UINT32_MAX, 0, -EBADMSG},
		{offsetof(struct supervisord_board_head, capacity), CAPACITY + 1, 0, -EBADMSG},
		{offsetof(struct supervisord_board_head, boot_id), 0, 0, -ESTALE},
		{offsetof(struct supervisord_board_head, flags), SUPERVISORD_BOARD_RETIRED, 0,
			-ESTALE},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		memcpy((char *)h + cases[i].offset, &cases[i].value, sizeof(uint32_t));
		assert_int_equal(supervisord_board_look(f->memory, f->size, &v), cases[i].look);
		assert_int_equal(board_area_take(&a, f->memory, f->size, boot_id), cases[i].take);
		if (cases[i].look == 0)
			assert_true(supervisord_board_slots(&v) <= CAPACITY);
		*h = good;
	}
	for (size_t size = 0; size < sizeof(*h); size++)
		assert_int_equal(
			supervisord_board_look(f->memory, size, &v), SUPERVISORD_BOARD_MALFORMED);
	assert_int_equal(board_area_take(&a, f->memory, f->size - 1, boot_id), -EBADMSG);
	assert_int_equal(board_area_take(&a, f->memory, f->size, boot_id), 0);
}

static void texts_without_an_end_get_one(void **state)
{
	struct fixture *f = *state;
	struct supervisord_board_slot in = content("", SUPERVISORD_BOARD_RUNNING, 5), out;

	memset(in.name, 'n', sizeof(in.name));
	memset(in.blocker, 'b', sizeof(in.blocker));
	memset(in.reason, 'r', sizeof(in.reason));
	memset(in.status_text, 's', sizeof(in.status_text));
	board_area_put(&f->area, 0, &in);
	assert_int_equal(supervisord_board_read(&f->view, 0, &out), SUPERVISORD_BOARD_OK);
	assert_int_equal(strlen(out.name), sizeof(out.name) - 1);
	assert_int_equal(strlen(out.blocker), sizeof(out.blocker) - 1);
	assert_int_equal(strlen(out.reason), sizeof(out.reason) - 1);
	assert_int_equal(strlen(out.status_text), sizeof(out.status_text) - 1);
}

static void numbers_out_of_range_have_a_name_as_well(void **state)
{
	struct supervisord_board_slot s = content("web", 200, 5);
	json_t *json;

	(void)state;
	s.phase = s.health = s.end = s.waiting_for = 200;
	s.since_realtime_usec = UINT64_MAX;
	snprintf(s.reason, sizeof(s.reason), "\xff\xfe");
	json = board_json(&s, 0);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "state")), "unknown");
	assert_string_equal(json_string_value(json_object_get(json, "reason")), "??");
	json_decref(json);
}

static void names_are_those_of_the_core(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CORE_STATE_MAX; i++)
		assert_string_equal(
			supervisord_board_state_name(i), core_state_to_string((enum core_state)i));
	for (unsigned i = 0; i < CORE_PHASE_MAX; i++)
		assert_string_equal(board_json_phase(i), core_phase_to_string((enum core_phase)i));
	assert_null(board_json_health(SUPERVISORD_BOARD_HEALTH_NONE));
	for (unsigned i = 0; i < CORE_HEALTH_MAX; i++)
		assert_string_equal(
			board_json_health(i + 1), core_health_to_string((enum core_health)i));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(only_what_differs_is_written),
		TEST(a_state_that_is_left_at_once_is_counted),
		TEST(a_slot_that_was_freed_is_nobodys),
		TEST(what_is_being_written_is_not_read),
		TEST(the_next_writer_mends_what_the_last_one_left),
		TEST(nothing_torn_is_read_while_another_process_writes),
		TEST(a_writer_may_be_killed_anywhere),
		TEST(a_board_that_grows_shows_more_slots),
		cmocka_unit_test(a_newer_layout_with_larger_sizes_can_be_read),
		TEST(what_is_no_board_is_refused),
		TEST(texts_without_an_end_get_one),
		cmocka_unit_test(numbers_out_of_range_have_a_name_as_well),
		cmocka_unit_test(names_are_those_of_the_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
