/*
 * The runtime directory's files: an area of an older program is taken over whoever dies in the
 * middle, one that is damaged is refused, and the lock is one of the file that has the name.
 */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "engine/kept/store.h"

#define SLOTS 3

struct fixture {
	struct bench bench;
	char path[256], new_path[256];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	bench_init(&f->bench);
	bench_path(&f->bench, "recovery", f->path);
	bench_path(&f->bench, "recovery.new", f->new_path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bench_fini(&f->bench);
	free(f);
	return 0;
}

/* An area with a record and a number in its head. */
static void make(struct fixture *f)
{
	struct recovery_record r = {.name = "web", .generation = 7};
	struct store s = STORE_INIT;

	assert_int_equal(store_create(&s, f->bench.dir, SLOTS), 0);
	store_set(&s, queue_seq, 4711);
	recovery_commit(&s.area, 1, &r);
	recovery_counters(&s.area, 1, 0)->bytes = 100;
	store_fini(&s, NULL);
}

static void check_content(const struct store *s)
{
	assert_int_equal(s->head.capacity, SLOTS);
	assert_int_equal(s->head.queue_seq, 4711);
	assert_int_equal(s->area.head->queue_seq, 4711);
	assert_string_equal(recovery_record(&s->area, 1)->name, "web");
	assert_int_equal(recovery_record(&s->area, 1)->generation, 7);
	assert_int_equal(recovery_counters(&s->area, 1, 0)->bytes, 100);
}

/* Makes it one of a program that knew of less: each slot is shorter by what is new. */
static void make_older(struct fixture *f)
{
	struct recovery_layout l = {
		.head_size = RECOVERY_HEAD_SIZE,
		.record_size = RECOVERY_LEAST_RECORD,
		.counters_size = RECOVERY_LEAST_COUNTERS,
		.journal_offset = 4096,
		.intent_offset = 8192,
		.intent_size = RECOVERY_LEAST_INTENT,
		.slots_offset = 12288,
		.slot_size = RECOVERY_LEAST_RECORD + RECOVERY_STREAMS * RECOVERY_LEAST_COUNTERS,
		.counters_offset = RECOVERY_LEAST_RECORD,
	};
	size_t size = l.slots_offset + (size_t)SLOTS * l.slot_size;
	struct recovery_head *h = calloc(1, size);
	struct recovery old = {h, size, l};
	struct store s = STORE_INIT;
	int fd;

	make(f);
	assert_int_equal(store_open_left(f->bench.dir, &s), 0);
	*h = s.head;
	h->layout = l;
	memcpy(recovery_record(&old, 1), recovery_record(&s.area, 1), l.record_size);
	recovery_counters(&old, 1, 0)->bytes = 100;
	store_fini(&s, NULL);
	fd = open(f->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, h, size), size);
	close(fd);
	free(h);
}

static bool is_older(struct fixture *f)
{
	struct store s = STORE_INIT;
	bool unsaved;

	assert_int_equal(store_open_left(f->bench.dir, &s), 0);
	unsaved = s.unsaved;
	check_content(&s);
	store_fini(&s, NULL);
	return unsaved;
}

static void what_was_left_is_found(void **state)
{
	struct fixture *f = *state;

	make(f);
	assert_false(is_older(f));
}

static void an_older_area_is_taken_over_in_place_of_its_file(void **state)
{
	struct fixture *f = *state;
	struct store s = STORE_INIT;

	make_older(f);
	assert_true(is_older(f));
	assert_int_equal(store_open_left(f->bench.dir, &s), 0);
	assert_int_equal(store_save(&s, f->bench.dir), 0);
	assert_false(s.unsaved);
	check_content(&s);
	assert_false(store_is_damaged(&s));
	assert_int_equal(store_grow(&s, 2 * SLOTS), 0);
	s.head.capacity = SLOTS; /* as check_content() knows it */
	check_content(&s);
	store_fini(&s, NULL);
	assert_int_equal(access(f->new_path, F_OK), -1);
}

/* In a child that kills itself at its nth call. Whether it came to that. */
static bool take_over_and_die(struct fixture *f, unsigned n)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct store s = STORE_INIT;
		char rule[64];

		snprintf(rule, sizeof(rule), "store:any:%u:KILL", n);
		setenv("SUPERVISOR_FAULT", rule, 1);
		sys_faults_init("store");
		_exit(store_open_left(f->bench.dir, &s) < 0 || store_save(&s, f->bench.dir) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(status, 0);
	return false;
}

static void whoever_dies_while_taking_over_has_lost_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned n = 1;

	make_older(f);
	while (take_over_and_die(f, n)) {
		is_older(f); /* or not any more; in both cases with the same content */
		n++;
	}
	assert_true(n > 8);
	assert_false(is_older(f));
}

static void without_room_an_older_area_stays_as_it_is(void **state)
{
	static const char *const calls[] = {"fallocate", "mmap", "rename", "open"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
		pid_t pid;
		int status;

		make_older(f);
		pid = fork();
		if (pid == 0) { /* whose rules end with it */
			struct store s = STORE_INIT;
			char rule[64];

			if (store_open_left(f->bench.dir, &s) < 0)
				_exit(1);
			snprintf(rule, sizeof(rule), "store:%s:1:ENOSPC", calls[i]);
			setenv("SUPERVISOR_FAULT", rule, 1);
			sys_faults_init("store");
			if (store_save(&s, f->bench.dir) != -ENOSPC || !s.unsaved)
				_exit(2);
			/* and once there is room again */
			_exit(store_save(&s, f->bench.dir) == 0 ? 0 : 3);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(access(f->new_path, F_OK), -1);
		assert_false(is_older(f));
	}
}

/* Not in setup(): cmocka has handlers of its own, which it sets after that. */
static void one_that_is_cut_short_is_refused_and_no_signal(void **state)
{
	struct fixture *f = *state;
	struct store s = STORE_INIT;
	struct stat st;

	assert_int_equal(mapping_init(), 0);
	make(f);
	assert_int_equal(stat(f->path, &st), 0);
	for (off_t size = st.st_size - 1; size >= 0; size -= size % 512 == 0 ? 512 : size % 512) {
		assert_int_equal(truncate(f->path, size), 0);
		assert_int_equal(store_open_left(f->bench.dir, &s), -EBADMSG);
	}
}

static void one_that_is_cut_short_while_it_is_in_use_is_noticed_and_renewed(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = {.name = "web", .generation = 7};
	struct store s = STORE_INIT;

	assert_int_equal(mapping_init(), 0);
	make(f);
	assert_int_equal(store_open_left(f->bench.dir, &s), 0);
	assert_false(store_is_damaged(&s));
	assert_int_equal(truncate(f->path, 0), 0);
	assert_true(store_is_damaged(&s));
	recovery_commit(&s.area, 1, &r);
	assert_true(mapping_is_lost(&s.mapping));
	assert_int_equal(store_grow(&s, 2 * SLOTS), -EIO);
	assert_int_equal(store_renew(&s, SLOTS), 0);
	recovery_commit(&s.area, 1, &r);
	recovery_counters(&s.area, 1, 0)->bytes = 100;
	assert_int_equal(store_save(&s, f->bench.dir), 0);
	check_content(&s);
	assert_false(store_is_damaged(&s));
	store_fini(&s, NULL);
	assert_false(is_older(f));
}

static void without_a_name_it_is_kept_all_the_same(void **state)
{
	struct fixture *f = *state;
	struct recovery_record r = {.name = "web", .generation = 7};
	struct store s = STORE_INIT, next = STORE_INIT;
	int fd;

	make(f);
	assert_int_equal(store_open_left(f->bench.dir, &s), 0);
	assert_int_equal(store_renew(&s, SLOTS), 0);
	recovery_commit(&s.area, 1, &r);
	recovery_counters(&s.area, 1, 0)->bytes = 100;
	assert_int_equal(store_save_nameless(&s), 0);
	assert_false(store_is_damaged(&s));
	fd = fcntl(s.file_fd, F_DUPFD_CLOEXEC, 3); /* as the launcher has it */
	store_fini(&s, NULL);
	assert_int_equal(store_take(&next, fd), 0);
	assert_true(next.nameless);
	check_content(&next);
	store_fini(&next, NULL);
}

static void the_lock_is_one_persons(void **state)
{
	struct fixture *f = *state;
	struct store a = STORE_INIT, b = STORE_INIT;
	char path[256];
	int holder = 0;

	assert_int_equal(store_lock(&a, f->bench.dir, &holder), 0);
	assert_int_equal(store_lock(&b, f->bench.dir, &holder), -EBUSY);
	assert_int_equal(holder, getppid());
	/* A file that has lost its name locks nobody out, nor does it let anybody in. */
	assert_int_equal(unlink(bench_path(&f->bench, "lock", path)), 0);
	assert_int_equal(store_lock(&b, f->bench.dir, &holder), 0);
	store_fini(&a, NULL);
	assert_int_equal(store_lock(&a, f->bench.dir, &holder), -EBUSY);
	store_fini(&b, NULL);
	assert_int_equal(store_lock(&a, f->bench.dir, &holder), 0);
	store_fini(&a, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_left_is_found),
		TEST(an_older_area_is_taken_over_in_place_of_its_file),
		TEST(whoever_dies_while_taking_over_has_lost_nothing),
		TEST(without_room_an_older_area_stays_as_it_is),
		TEST(one_that_is_cut_short_is_refused_and_no_signal),
		TEST(one_that_is_cut_short_while_it_is_in_use_is_noticed_and_renewed),
		TEST(without_a_name_it_is_kept_all_the_same),
		TEST(the_lock_is_one_persons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
