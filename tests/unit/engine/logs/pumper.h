/*
 * Pumps in a process of their own, which is killed, and what outlives it.
 */
#pragma once

#include "tests/unit/engine/bench.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "engine/logs/file/rotate.h"
#include "engine/logs/pump.h"

#define N_STREAMS 3
#define N_FURTHER 2 /* files of each stream, at most */

/* What outlives a process, as the recovery area does. */
struct shared {
	_Alignas(uint64_t) uint8_t room[INTENT_ROOM_SIZE];
	struct log_counters counters[N_STREAMS];
	struct format_state at[N_STREAMS], through[N_STREAMS];
	uint64_t lost_bytes[N_STREAMS], lost_lines[N_STREAMS];
	uint8_t lost_why[N_STREAMS];
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
	bool is_lossy; /* the fault makes it drop something */
	unsigned n_further; /* files of each stream besides its own */
	enum spec_format format;
	size_t batch; /* so many bytes at once; 0: what comes */
	enum spec_every every; /* and there is a file of yesterday */
	uint64_t rate_lines; /* a second; 0: no limit */
	bool has_reader; /* each stream goes to an outlet, too, which is to be waited for */
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
		struct sink sink, further[N_FURTHER], reader;
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
	shared->at[p->id] = p->sink->at;
	shared->through[p->id] = p->through;
	shared->lost_bytes[p->id] = p->sink->lost_bytes;
	shared->lost_lines[p->id] = p->sink->lost_lines;
	shared->lost_why[p->id] = p->sink->lost_why;
}

static void ended(struct pump *p)
{
	account(p);
	pump_stop(p);
	n_alive--;
}

static const char *const stream_names[N_STREAMS] = {"a", "b", "c"};
static const char *const further_names[N_STREAMS][N_FURTHER] = {
	{"a-1", "a-2"}, {"b-1", "b-2"}, {"c-1", "c-2"}};

static void add_sink(struct fixture *f, struct sink *s, const char *name)
{
	const struct scenario *x = f->scenario;
	struct spec_log *log = bench_log(x->max_size, x->keep);
	char path[256];

	log->timestamps = x->timestamps;
	log->rotation.every = x->every;
	log->rate = (struct spec_rate){.lines = x->rate_lines, .burst_usec = USEC_PER_SEC};
	bench_path(&f->bench, name, path);
	assert_int_equal(
		sink_init(s, &pumper.sinks, name, log,
			&(struct spec_target){.sink = SPEC_SINK_FILE, .format = x->format}, path),
		0);
}

static void add_further(struct fixture *f, unsigned i)
{
	struct sink *last = &pumper.streams[i].sink;

	for (unsigned k = 0; k < f->scenario->n_further; k++) {
		struct sink *s = &pumper.streams[i].further[k];

		add_sink(f, s, further_names[i][k]);
		sink_follow(s, &shared->through[i]);
		last->next = s;
		last = s;
	}
}

/* The process is another one each time. */
static void describe(const struct sink *s, struct log_origin *ret)
{
	*ret = (struct log_origin){
		.name = s->name, .service = s->name, .pid = getpid(), .stream = "stdout"};
}

/* An outlet that takes some of what it is offered, and writes that to a file. */
struct reader {
	struct outlet outlet;
	int fd, ready; /* owned; the second one is always writable */
	unsigned turn;
};

static size_t reader_take(struct outlet *o, struct outlet_writer *w _unused_,
	const struct log_origin *origin _unused_, const char *data, size_t n, usec_t now)
{
	struct reader *r = CONTAINER_OF(o, struct reader, outlet);
	size_t k = MIN_OF(n, (size_t)(r->turn++ * 517 % 1700));

	if (k > 0)
		assert_int_equal(sys_write(r->fd, data, k), (ssize_t)k);
	if (k < n)
		outlet_set_full(o, r->ready, now);
	return k;
}

static int make_reader(
	struct outlet_set *set, const struct spec_target *target, struct outlet **ret)
{
	static const struct outlet_ops ops = {.take = reader_take};
	struct reader *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(outlet_init(&r->outlet, set, &ops, target), 0);
	r->fd = open(target->address, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	r->ready = eventfd(0, EFD_CLOEXEC);
	assert_true(r->fd >= 0 && r->ready >= 0);
	*ret = &r->outlet;
	return 0;
}

static void writable(struct sink *s)
{
	for (unsigned i = 0; i < N_STREAMS; i++)
		if (s == &pumper.streams[i].reader)
			gate_open(&pumper.streams[i].pump);
}

static void add_reader(struct fixture *f, unsigned i)
{
	struct sink *last = &pumper.streams[i].sink, *s = &pumper.streams[i].reader;
	char name[8], path[256];

	snprintf(name, sizeof(name), "%s-r", stream_names[i]);
	bench_path(&f->bench, name, path);
	pumper.sinks.outlets.make_service = make_reader;
	pumper.sinks.writable = writable;
	assert_int_equal(sink_init(s, &pumper.sinks, stream_names[i], bench_log(0, 0),
				 &(struct spec_target){.sink = SPEC_SINK_SERVICE}, path),
		0);
	while (last->next)
		last = last->next;
	last->next = s;
	assert_int_equal(gate_configure(&pumper.streams[i].pump), 0);
}

static void pump_all_in_turns(size_t batch)
{
	while (n_alive > 0) {
		for (unsigned i = 0; i < N_STREAMS; i++) {
			struct pump *p = &pumper.streams[i].pump;

			if (p->fd >= 0 && pump_drain(p, batch) == PUMP_ENDED)
				ended(p);
		}
	}
}

static void pump_everything(struct fixture *f)
{
	static const struct pump_owner owner = {find, account};

	shared = f->shared;
	n_alive = N_STREAMS;
	assert_int_equal(loop_init(&pumper.loop), 0);
	sink_set_init(&pumper.sinks, &pumper.loop, f->bench.dir, 2, STDOUT_FILENO);
	pumper.sinks.describe = describe;
	assert_int_equal(pump_set_init(&pumper.pumps, &pumper.loop), 0);
	assert_int_equal(pump_set_hold(&pumper.pumps, dup(f->hold.read_fd), dup(f->hold.write_fd),
				 room, &pumper.sinks, &owner),
		0);
	for (unsigned i = 0; i < N_STREAMS; i++) {
		struct sink *s = &pumper.streams[i].sink;

		add_sink(f, s, stream_names[i]);
		add_further(f, i);
		s->counters = shared->counters[i];
		s->at = shared->at[i];
		s->lost_bytes = shared->lost_bytes[i];
		s->lost_lines = shared->lost_lines[i];
		s->lost_why = shared->lost_why[i];
		pump_init(&pumper.streams[i].pump, &pumper.pumps, s, i, 0, ended);
		pumper.streams[i].pump.through = shared->through[i];
		if (f->scenario->has_reader)
			add_reader(f, i);
		else
			assert_int_equal(gate_configure(&pumper.streams[i].pump), 0);
	}
	pump_set_redo(&pumper.pumps);
	for (unsigned i = 0; i < N_STREAMS; i++)
		assert_int_equal(pump_start(&pumper.streams[i].pump, f->readers[i]), 0);
	if (f->scenario->batch > 0)
		pump_all_in_turns(f->scenario->batch);
	while (n_alive > 0)
		assert_int_equal(loop_once(&pumper.loop), 0);
}

/* True: it was killed by one of the rules (of base/sys.h); false: it came to the end. */
static inline bool pumper_run(struct fixture *f, const char *rules)
{
	pid_t pid = fork();
	int status;

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
