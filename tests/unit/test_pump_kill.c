/*
 * A pump is killed by SIGKILL before its Nth system call or commit, for each N; then another
 * process goes on from what is left, is killed as well, and a third one finishes. What services
 * wrote has to be in their files once and in order, and counted so.
 */
#include "test_sink_util.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "engine/logs/pump.h"
#include "engine/logs/rotate.h"

#define N_STREAMS 3
#define DATA_SIZE (600 * 1024)
#define MAX_STEPS 5000

/* What outlives a process, as the recovery area does. */
struct shared {
	_Alignas(uint64_t) uint8_t room[INTENT_ROOM_SIZE];
	struct log_counters counters[N_STREAMS];
	uint8_t line[N_STREAMS];
	unsigned n_ended;
};

struct scenario {
	const char *name;
	size_t n_bytes; /* of each stream */
	size_t pipe_size;
	uint64_t max_size;
	enum spec_timestamps timestamps;
	size_t line_max;
	unsigned keep;
	const char *fault; /* beside the kill; NULL */
	unsigned stride; /* of N: 1 tries each */
};

struct fixture {
	struct bench bench;
	struct shared *shared;
	struct hold hold; /* what the launcher keeps */
	int readers[N_STREAMS], writers[N_STREAMS];
	char *data[N_STREAMS];
	size_t n_data[N_STREAMS];
	const struct scenario *scenario;
	unsigned step;
};

/* --- the process that is killed --- */

struct pumper {
	struct loop loop;
	struct sink_set sinks;
	struct pump_set pumps;
	struct {
		struct sink sink;
		struct pump pump;
	} streams[N_STREAMS];
};

static struct pumper pumper;
static struct shared *shared;
static unsigned n_alive;

static struct pump *find(struct pump_set *set _unused_, uint32_t id, unsigned stream)
{
	return id < N_STREAMS && stream == 0 ? &pumper.streams[id].pump : NULL;
}

static void *room(struct ledger *l _unused_)
{
	return shared->room;
}

static void account(struct pump *p)
{
	shared->counters[p->id] = p->sink->counters;
	shared->line[p->id] = p->sink->line;
}

static void ended(struct pump *p)
{
	account(p);
	pump_stop(p);
	n_alive--;
}

static void pump_everything(struct fixture *f)
{
	static const struct pump_owner owner = {find, account};
	static const char *const names[N_STREAMS] = {"a", "b", "c"};
	const struct scenario *x = f->scenario;
	char path[256];

	shared = f->shared;
	n_alive = N_STREAMS;
	assert_int_equal(loop_init(&pumper.loop), 0);
	sink_set_init(&pumper.sinks, &pumper.loop, f->bench.dir, 2, STDOUT_FILENO);
	assert_int_equal(pump_set_init(&pumper.pumps, &pumper.loop), 0);
	assert_int_equal(pump_set_hold(&pumper.pumps, dup(f->hold.read_fd), dup(f->hold.write_fd),
				 room, &pumper.sinks, &owner),
		0);
	for (unsigned i = 0; i < N_STREAMS; i++) {
		struct sink *s = &pumper.streams[i].sink;

		bench_path(&f->bench, names[i], path);
		assert_int_equal(sink_init(s, &pumper.sinks, names[i], SPEC_SINK_FILE, path,
					 x->max_size, x->keep),
			0);
		sink_set_timestamps(s, x->timestamps);
		s->counters = shared->counters[i];
		s->line = shared->line[i];
		pump_init(&pumper.streams[i].pump, &pumper.pumps, s, i, 0, ended);
	}
	pump_set_redo(&pumper.pumps);
	for (unsigned i = 0; i < N_STREAMS; i++)
		assert_int_equal(pump_start(&pumper.streams[i].pump, f->readers[i]), 0);
	while (n_alive > 0)
		assert_int_equal(loop_once(&pumper.loop), 0);
}

/* True: it was killed at step n; false: it came to the end before. 0: nobody kills it. */
static bool run(struct fixture *f, unsigned n)
{
	char rules[128];
	pid_t pid;
	int status;

	snprintf(rules, sizeof(rules), "test:any:%u:KILL%s%s", n, f->scenario->fault ? "," : "",
		f->scenario->fault ? f->scenario->fault : "");
	pid = fork();
	if (pid == 0) {
		setenv("SUPERVISOR_FAULT", rules, 1);
		sys_faults_init("test");
		pump_everything(f);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

/* --- what services write, and what is found --- */

static void make_data(struct fixture *f)
{
	uint32_t random = 12345;

	for (unsigned i = 0; i < N_STREAMS; i++) {
		size_t n = 0, wanted = f->scenario->n_bytes;

		f->data[i] = malloc(wanted + f->scenario->line_max + 32);
		assert_non_null(f->data[i]);
		for (unsigned k = 0; n < wanted; k++) {
			size_t length;

			random = random * 1664525 + 1013904223;
			length = (random >> 8) % f->scenario->line_max;
			n += (size_t)sprintf(f->data[i] + n, "%c%06u ", 'a' + (int)i, k);
			memset(f->data[i] + n, 'x', length);
			n += length;
			f->data[i][n++] = '\n';
		}
		f->n_data[i] = i == 0 ? n - 3 : n; /* one ends without a newline */
	}
}

static void fill_pipes(struct fixture *f)
{
	for (unsigned i = 0; i < N_STREAMS; i++) {
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
		assert_true(fcntl(fds[1], F_SETPIPE_SZ, f->scenario->pipe_size) > 0);
		assert_int_equal(write(fds[1], f->data[i], f->n_data[i]), (ssize_t)f->n_data[i]);
		close(fds[1]);
		f->readers[i] = fds[0];
	}
}

/* On standard output: standard error is the pump's log, which follows. */
static void complain(const struct fixture *f, const char *format, ...)
{
	char log[4096];
	ssize_t n = pread(f->bench.caught, log, sizeof(log), 0);
	va_list args;

	printf("%s, killed at step %u: ", f->scenario->name, f->step);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n%.*s", (int)(n > 0 ? n : 0), log);
	fail();
}

static size_t append(const struct fixture *f, const char *name, char *all, size_t n)
{
	char path[256];
	size_t k;
	char *data = file_read(bench_path(&f->bench, name, path), &k);

	if (f->scenario->max_size > 0)
		if (k > f->scenario->max_size)
			complain(f, "%s has %zu bytes", name, k);
	assert_true(n + k <= 4 * DATA_SIZE);
	memcpy(all + n, data, k);
	free(data);
	remove(path);
	return n + k;
}

/* Takes off each line's stamp, which has to be there. */
static size_t strip(char *all, size_t n, enum spec_timestamps timestamps)
{
	const size_t width =
		strlen(timestamps == SPEC_TIMESTAMPS_ISO ? "2026-11-23T06:36:53.123456Z "
							 : "2026-11-23T06:36:53.123456+00:00 ");
	size_t from = 0, to = 0;

	if (timestamps == SPEC_TIMESTAMPS_NONE)
		return n;
	while (from < n) {
		const char *newline;
		size_t k;

		assert_true(n - from > width);
		assert_true(all[from] == '2' && all[from + 4] == '-' && all[from + 10] == 'T' &&
			    all[from + width - 1] == ' ' && all[from + width] >= 'a');
		from += width;
		newline = memchr(all + from, '\n', n - from);
		k = newline ? (size_t)(newline + 1 - (all + from)) : n - from;
		memmove(all + to, all + from, k);
		from += k;
		to += k;
	}
	return to;
}

static void check_files(struct fixture *f)
{
	static const char *const names[N_STREAMS] = {"a", "b", "c"};
	char *all = malloc(4 * DATA_SIZE);

	assert_non_null(all);
	for (unsigned i = 0; i < N_STREAMS; i++) {
		struct dirent **files;
		char prefix[8];
		int n_files;
		size_t n = 0;

		snprintf(prefix, sizeof(prefix), "%s.", names[i]);
		n_files = list_names(f->bench.dir, prefix, &files);
		if (f->scenario->max_size > 0)
			assert_true(n_files > 0);
		for (int k = 0; k < n_files; k++)
			n = append(f, files[k]->d_name, all, n);
		free_names(files, n_files);
		n = strip(all, append(f, names[i], all, n), f->scenario->timestamps);
		if (n != f->n_data[i] || memcmp(all, f->data[i], n) != 0)
			complain(f, "%zu bytes of %zu in %s", n, f->n_data[i], names[i]);
		assert_int_equal(f->shared->counters[i].bytes, n);
		assert_int_equal(f->shared->counters[i].dropped_bytes, 0);
	}
	free(all);
}

static void try_each_step(struct fixture *f, const struct scenario *x)
{
	bool killed = true;

	f->scenario = x;
	make_data(f);
	for (unsigned step = 1; killed; step += x->stride) {
		assert_true(step < MAX_STEPS);
		f->step = step;
		memset(f->shared, 0, sizeof(*f->shared));
		assert_int_equal(hold_init(&f->hold, -1, -1), 0);
		fill_pipes(f);
		killed = run(f, step);
		if (killed)
			run(f, step / 2 + 1);
		assert_false(run(f, 0));
		check_files(f);
		for (unsigned i = 0; i < N_STREAMS; i++)
			close(f->readers[i]);
		hold_fini(&f->hold);
	}
	assert_int_equal(bench_logged(&f->bench, "lost"), 0);
	assert_int_equal(bench_logged(&f->bench, "dropping"), 0);
	for (unsigned i = 0; i < N_STREAMS; i++)
		free(f->data[i]);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	f->shared = mmap(NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->shared != MAP_FAILED);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bench_fini(&f->bench);
	munmap(f->shared, sizeof(*f->shared));
	free(f);
	return 0;
}

static void small_batches(void **state)
{
	const struct scenario x = {"small", 3000, 65536, 0, SPEC_TIMESTAMPS_NONE, 60, 10, NULL, 1};

	try_each_step(*state, &x);
}

static void small_batches_with_stamps(void **state)
{
	const struct scenario x = {"iso", 3000, 65536, 0, SPEC_TIMESTAMPS_ISO, 60, 10, NULL, 1};

	try_each_step(*state, &x);
}

static void large_batches_that_are_written_in_parts(void **state)
{
	const struct scenario x = {"large", 600000, 1 << 20, 0, SPEC_TIMESTAMPS_NONE, 200, 10,
		"test:half-pwrite:1+:EIO", 9};

	try_each_step(*state, &x);
}

static void large_batches_with_stamps(void **state)
{
	const struct scenario x = {"large iso", 400000, 1 << 20, 0, SPEC_TIMESTAMPS_LOCAL, 60, 10,
		"test:half-pwrite:1+:EIO", 9};

	try_each_step(*state, &x);
}

static void rotation(void **state)
{
	const struct scenario x = {
		"rotation", 3000, 65536, 700, SPEC_TIMESTAMPS_NONE, 60, 100, NULL, 1};

	try_each_step(*state, &x);
}

static void rotation_with_stamps(void **state)
{
	const struct scenario x = {"rotation iso", 3000, 65536, 1000, SPEC_TIMESTAMPS_ISO, 60, 100,
		"test:half-pwrite:1+:EIO", 1};

	try_each_step(*state, &x);
}

static void rotation_in_lines_that_are_too_long(void **state)
{
	const struct scenario x = {
		"long lines", 4000, 65536, 300, SPEC_TIMESTAMPS_NONE, 900, 100, NULL, 1};

	try_each_step(*state, &x);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(small_batches),
		TEST(small_batches_with_stamps),
		TEST(large_batches_that_are_written_in_parts),
		TEST(large_batches_with_stamps),
		TEST(rotation),
		TEST(rotation_with_stamps),
		TEST(rotation_in_lines_that_are_too_long),
	};

	return cmocka_run_group_tests_name("pump_kill", tests, NULL, NULL);
}
