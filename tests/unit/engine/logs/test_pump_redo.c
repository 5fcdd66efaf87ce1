/*
 * A pump that goes on where another one was killed, and what others have done in between: to
 * its file, to the holding pipe, to the service.
 */
#include "pumper.h"

#define TEXT "one\ntwo\nthree\n"

static const struct scenario plain = {.keep = 10};
static const struct scenario stamped = {.keep = 10, .timestamps = SPEC_TIMESTAMPS_ISO};

/* Three pipes, of which the first holds TEXT. */
static void prepare(struct fixture *f, const struct scenario *x)
{
	f->scenario = x;
	assert_int_equal(hold_init(&f->hold, -1, -1), 0);
	for (unsigned i = 0; i < N_STREAMS; i++) {
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
		f->readers[i] = fds[0];
		f->writers[i] = fds[1];
	}
	assert_int_equal(write(f->writers[0], TEXT, strlen(TEXT)), (ssize_t)strlen(TEXT));
}

/* Then a pump is killed by the rules. */
static void kill_one(struct fixture *f, const struct scenario *x, const char *rules)
{
	prepare(f, x);
	assert_true(pumper_run(f, rules));
}

static void end_output(struct fixture *f)
{
	for (unsigned i = 0; i < N_STREAMS; i++)
		close(f->writers[i]);
}

static void clear(struct fixture *f)
{
	assert_int_equal(hold_count(&f->hold), 0);
	for (unsigned i = 0; i < N_STREAMS; i++)
		close(f->readers[i]);
	hold_fini(&f->hold);
}

static void go_on(struct fixture *f)
{
	end_output(f);
	assert_false(pumper_run(f, "test:none:1:EIO"));
	clear(f);
}

static struct intent intent_of(const struct fixture *f)
{
	struct intent i;

	assert_int_equal(intent_load(f->shared->room, &i), 0);
	return i;
}

static void assert_counted(const struct fixture *f, uint64_t bytes, uint64_t lines)
{
	assert_int_equal(f->shared->counters[0].bytes, bytes);
	assert_int_equal(f->shared->counters[0].lines, lines);
	assert_int_equal(f->shared->counters[0].dropped_bytes, 0);
}

static void a_batch_that_was_half_written_is_written_once(void **state)
{
	struct fixture *f = *state;
	char path[256];

	kill_one(f, &plain, "test:half-pwrite:1:EIO,test:pwrite:2:KILL");
	bench_path(&f->bench, "a", path);
	assert_int_equal(file_size(path), strlen(TEXT) / 2);
	assert_int_equal(intent_of(f).phase, INTENT_WRITE);
	go_on(f);
	assert_file(path, TEXT);
	assert_counted(f, 14, 3);
}

static void it_has_the_stamps_of_the_first_try(void **state)
{
	struct fixture *f = *state;
	char path[256], *first, *second;

	kill_one(f, &stamped, "test:half-pwrite:1:EIO,test:pwrite:2:KILL");
	bench_path(&f->bench, "a", path);
	first = file_read(path, NULL);
	assert_true(strlen(first) > 40);
	go_on(f);
	second = file_read(path, NULL);
	assert_memory_equal(first, second, strlen(first));
	assert_int_equal(strlen(second), strlen(TEXT) + 3 * strlen("2026-11-23T06:36:53.123456Z "));
	assert_counted(f, 14, 3);
	free(first);
	free(second);
}

static void it_has_the_pid_of_the_first_try(void **state)
{
	static const struct scenario json = {.keep = 10, .format = SPEC_FORMAT_JSON};
	struct fixture *f = *state;
	char path[256], *first, *second, pid[32];
	unsigned n = 0;

	kill_one(f, &json, "test:half-pwrite:1:EIO,test:pwrite:2:KILL");
	bench_path(&f->bench, "a", path);
	first = file_read(path, NULL);
	snprintf(pid, sizeof(pid), ",\"pid\":%u,", intent_of(f).pid);
	go_on(f);
	second = file_read(path, NULL);
	assert_memory_equal(first, second, strlen(first));
	for (const char *p = second; (p = strstr(p, pid)); p++)
		n++;
	assert_int_equal(n, 3);
	assert_counted(f, 14, 3);
	free(first);
	free(second);
}

static void one_that_is_done_is_not_written_again(void **state)
{
	struct fixture *f = *state;
	char path[256];

	/* The splices: to the holding pipe, and away from it. */
	kill_one(f, &plain, "test:splice:2:KILL");
	assert_int_equal(intent_of(f).phase, INTENT_DONE);
	assert_int_equal(hold_count(&f->hold), strlen(TEXT));
	memset(f->shared->counters, 0, sizeof(f->shared->counters)); /* never stored, say */
	go_on(f);
	assert_file(bench_path(&f->bench, "a", path), TEXT);
	assert_counted(f, 14, 3);
}

static void what_was_thrown_away_in_part_is_thrown_away_wholly(void **state)
{
	struct fixture *f = *state;
	char path[256];

	kill_one(f, &plain, "test:splice:2:KILL");
	assert_int_equal(hold_drop(&f->hold, 5), 0);
	go_on(f);
	assert_file(bench_path(&f->bench, "a", path), TEXT);
	assert_counted(f, 14, 3);
}

static void a_file_that_was_renamed_gets_the_rest(void **state)
{
	struct fixture *f = *state;
	char path[256], other[256];

	kill_one(f, &plain, "test:half-pwrite:1:EIO,test:pwrite:2:KILL");
	bench_path(&f->bench, "a", path);
	bench_path(&f->bench, "moved", other);
	assert_int_equal(rename(path, other), 0);
	file_write(path, "of somebody else\n");
	go_on(f);
	assert_file(other, TEXT);
	assert_file(path, "of somebody else\n");
	assert_counted(f, 14, 3);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void instead_of_one_that_was_removed_the_present_one_gets_all(void **state)
{
	struct fixture *f = *state;
	char path[256], other[256];

	kill_one(f, &plain, "test:half-pwrite:1:EIO,test:pwrite:2:KILL");
	bench_path(&f->bench, "a", path);
	bench_path(&f->bench, "b", other);
	file_write(other, "x\n"); /* before the old one goes: it gets another inode */
	unlink(path);
	assert_int_equal(rename(other, path), 0);
	go_on(f);
	assert_file(path, "x\n" TEXT);
	assert_int_equal(bench_logged(&f->bench, "its log file was removed or taken away"), 1);
}

static void one_that_has_become_shorter_goes_on_at_its_end(void **state)
{
	struct fixture *f = *state;
	char path[256];

	bench_path(&f->bench, "a", path);
	file_write(path, "much that was there before\n");
	chmod(path, 0640);
	kill_one(f, &plain, "test:half-pwrite:1:EIO,test:pwrite:2:KILL");
	assert_int_equal(truncate(path, 5), 0);
	go_on(f);
	assert_file(path, "much " TEXT);
	assert_counted(f, 14, 3);
}

static void a_file_that_cannot_be_opened_drops_and_counts(void **state)
{
	struct fixture *f = *state;
	char path[256];

	kill_one(f, &plain, "test:pwrite:1:KILL");
	bench_path(&f->bench, "a", path);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	go_on(f);
	assert_int_equal(f->shared->counters[0].bytes, 0);
	assert_int_equal(f->shared->counters[0].dropped_bytes, 14);
	assert_int_equal(f->shared->counters[0].dropped_lines, 3);
	assert_int_equal(bench_logged(&f->bench, "cannot write"), 1);
}

static void what_a_rate_limit_has_refused_does_not_pass_afterwards(void **state)
{
	static const struct scenario limited = {.keep = 10, .rate_lines = 1};
	struct fixture *f = *state;
	bool killed = true;

	/* Each time by a bucket that is full: what is dropped is so by what was noted. */
	for (unsigned n = 1; killed; n++) {
		char rules[32], path[256];

		snprintf(rules, sizeof(rules), "test:any:%u:KILL", n);
		prepare(f, &limited);
		end_output(f);
		killed = pumper_run(f, rules);
		if (killed)
			assert_false(pumper_run(f, "test:none:1:EIO"));
		clear(f);
		bench_path(&f->bench, "a", path);
		assert_file(path, "one\nsupervisord: 10 bytes, 2 lines dropped (rate limit)\n");
		assert_int_equal(f->shared->counters[0].bytes, 4);
		assert_int_equal(f->shared->counters[0].dropped_bytes, 10);
		assert_int_equal(f->shared->counters[0].dropped_lines, 2);
		assert_int_equal(remove(path), 0);
		memset(f->shared, 0, sizeof(*f->shared));
	}
}

static void bytes_of_a_service_that_is_gone_are_dropped_and_told(void **state)
{
	struct fixture *f = *state;
	struct intent i;

	kill_one(f, &plain, "test:pwrite:1:KILL");
	i = intent_of(f);
	i.id = N_STREAMS;
	intent_commit(f->shared->room, &i);
	go_on(f);
	assert_int_equal(bench_logged(&f->bench, "14 bytes of output are of no service"), 1);
}

static void an_intent_that_is_nonsense_harms_nobody(void **state)
{
	struct fixture *f = *state;
	struct intent i;

	kill_one(f, &plain, "test:pwrite:1:KILL");
	i = intent_of(f);
	i.done = i.total + 1;
	intent_commit(f->shared->room, &i);
	assert_int_equal(write(f->writers[1], "next\n", 5), 5);
	go_on(f);
	assert_int_equal(bench_logged(&f->bench, "can't be told"), 1);
	assert_int_equal(f->shared->counters[1].bytes, 5);
}

static void a_holding_pipe_that_is_gone_is_told(void **state)
{
	struct fixture *f = *state;

	kill_one(f, &plain, "test:pwrite:1:KILL");
	assert_int_equal(hold_drop(&f->hold, 14), 0);
	assert_int_equal(write(f->writers[1], "next\n", 5), 5);
	go_on(f);
	assert_int_equal(
		bench_logged(&f->bench, "service 'a': up to 14 bytes of its output were lost"), 1);
	assert_int_equal(f->shared->counters[1].bytes, 5);
}

static void without_a_second_pipe_it_is_read_all_the_same(void **state)
{
	struct fixture *f = *state;
	char path[256];

	kill_one(f, &plain, "test:tee:1+:ENOMEM,test:intent:3:KILL");
	bench_path(&f->bench, "a", path);
	go_on(f);
	assert_file(path, TEXT);
	assert_int_equal(
		bench_logged(&f->bench, "holding pipe of the logs can't be looked into"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_that_was_half_written_is_written_once),
		TEST(it_has_the_stamps_of_the_first_try),
		TEST(it_has_the_pid_of_the_first_try),
		TEST(one_that_is_done_is_not_written_again),
		TEST(what_was_thrown_away_in_part_is_thrown_away_wholly),
		TEST(a_file_that_was_renamed_gets_the_rest),
		TEST(instead_of_one_that_was_removed_the_present_one_gets_all),
		TEST(one_that_has_become_shorter_goes_on_at_its_end),
		TEST(a_file_that_cannot_be_opened_drops_and_counts),
		TEST(what_a_rate_limit_has_refused_does_not_pass_afterwards),
		TEST(bytes_of_a_service_that_is_gone_are_dropped_and_told),
		TEST(an_intent_that_is_nonsense_harms_nobody),
		TEST(a_holding_pipe_that_is_gone_is_told),
		TEST(without_a_second_pipe_it_is_read_all_the_same),
	};

	return cmocka_run_group_tests_name("pump_redo", tests, NULL, NULL);
}
