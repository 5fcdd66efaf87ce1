/*
 * sim: random histories against the core, as many as are asked for, on as many processors.
 *
 *   sim --seeds 1-100000            these, and print what they were
 *   sim --minutes 60 --jobs 2       for so long, each worker with seeds of its own
 *   sim --seed 4711                 this one, told step by step
 *   sim --replay FILE|DIRECTORY...  histories that were kept, which have to go well now
 *   sim --list                      what must always hold
 *
 * A history that fails is shrunk and printed as text that --replay takes.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "shrink.h"
#include "twin.h"

#define MAX_JOBS    64
#define BLOCK	    64 /* seeds between two looks at the clock */
#define TWINS	    4 /* one history in so many runs twice */
#define PATIENCE_S  10 /* so long without a new history is a step that does not end */
#define EXIT_FAULT  1
#define EXIT_USAGE  2
#define EXIT_HANGED 3

/* What a worker has done so far, for the one who waits for it. */
struct report {
	uint64_t seed; /* under way */
	uint64_t histories, events;
	bool failed;
};

struct options {
	uint64_t first, last; /* seeds */
	double seconds; /* 0: until the last seed */
	unsigned jobs;
	bool shrink;
};

static struct report *report; /* this worker's, for the handlers */
static uint64_t seen_seed;

static double now(void)
{
	return (double)usec_now(CLOCK_MONOTONIC) / (double)USEC_PER_SEC;
}

/* --- a worker --- */

static bool run(struct world *w, const struct history *h, bool twice)
{
	return twice ? twin_run(w, h) : world_run(w, h);
}

static void tell_failure(const struct failure *f, uint64_t seed)
{
	printf("seed %" PRIu64 ": '%s' does not hold for service %u at operation %u: %s\n", seed,
		invariant_name(f->invariant), f->service, f->n_op, f->what);
}

/* A history as text, what it breaks, and the run as it goes, as comments. */
static void print_history(const struct history *h, const struct failure *f)
{
	struct world w = {0};
	_cleanup_free_
	char *told = NULL;
	size_t size;
	FILE *to = open_memstream(&told, &size);

	printf("# %s: %s\n# %s\n", invariant_name(f->invariant), invariant_sentence(f->invariant),
		f->what);
	history_print(h, stdout);
	if (!to)
		return;
	w.told = to;
	twin_run(&w, h);
	world_fini(&w);
	fclose(to);
	for (char *line = told, *end; line && *line; line = end + 1) {
		end = strchrnul(line, '\n');
		printf("# %.*s\n", (int)(end - line), line);
		if (*end == '\0')
			break;
	}
}

static void fail(const struct history *h, const struct failure *f, bool shrinks)
{
	struct history small = *h;
	struct world w = {0};
	unsigned n_runs = 0;

	tell_failure(f, h->seed);
	if (shrinks) {
		n_runs = shrink(&small, f->invariant);
		printf("# shrunk to %u operations in %u runs\n", small.n_ops, n_runs);
	}
	twin_run(&w, &small);
	print_history(&small, w.failure.invariant == INV_MAX ? f : &w.failure);
	world_fini(&w);
	fflush(stdout);
}

static bool run_seed(uint64_t seed, bool shrinks)
{
	struct history h;
	struct world w = {0};
	bool ok;

	draw_history(seed, &h);
	ok = run(&w, &h, seed % TWINS == 0);
	report->events += w.n_step;
	report->histories++;
	world_fini(&w);
	if (!ok) {
		alarm(0);
		fail(&h, &w.failure, shrinks);
	}
	return ok;
}

/* Async-signal-safe: the seed is all that is needed to see it again. */
static void tell_seed(const char *what)
{
	char text[64], *at = text + sizeof(text);
	uint64_t seed = report ? report->seed : 0;

	*--at = '\n';
	do
		*--at = (char)('0' + seed % 10);
	while ((seed /= 10) > 0);
	if (write(STDOUT_FILENO, what, strlen(what)) < 0 ||
		write(STDOUT_FILENO, at, (size_t)(text + sizeof(text) - at)) < 0)
		_exit(EXIT_HANGED);
}

static void on_alarm(int signo _unused_)
{
	if (report->seed == seen_seed) {
		tell_seed("'understood' does not hold: a step does not end, seed ");
		_exit(EXIT_HANGED);
	}
	seen_seed = report->seed;
	alarm(PATIENCE_S);
}

static void on_crash(int signo)
{
	tell_seed("'understood' does not hold: the core crashes, seed ");
	signal(signo, SIG_DFL);
	raise(signo);
}

static int work(const struct options *o, unsigned job, double begun)
{
	signal(SIGALRM, on_alarm);
	signal(SIGSEGV, on_crash);
	signal(SIGABRT, on_crash);
	alarm(PATIENCE_S);
	for (uint64_t seed = o->first + job; seed <= o->last; seed += o->jobs) {
		report->seed = seed;
		if (!run_seed(seed, o->shrink)) {
			report->failed = true;
			return EXIT_FAULT;
		}
		if (o->seconds > 0 && report->histories % BLOCK == 0 && now() - begun >= o->seconds)
			break;
	}
	alarm(0);
	return EXIT_SUCCESS;
}

/* --- all workers --- */

static int wait_for_all(unsigned n)
{
	int result = EXIT_SUCCESS, status;

	for (; n > 0; n--) {
		if (wait(&status) < 0)
			return EXIT_FAULT;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
			result = EXIT_FAULT;
	}
	return result;
}

static int run_all(const struct options *o)
{
	struct report *reports = mmap(NULL, MAX_JOBS * sizeof(*reports), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t histories = 0, events = 0;
	double begun = now(), seconds;
	int result;

	if (reports == MAP_FAILED)
		return EXIT_FAULT;
	fflush(stdout);
	for (unsigned job = 0; job < o->jobs; job++) {
		pid_t pid = fork();

		if (pid < 0) {
			fprintf(stderr, "fork: %s\n", strerror(errno));
			return EXIT_FAULT;
		}
		if (pid == 0) {
			report = &reports[job];
			result = work(o, job, begun);
			fflush(stdout);
			_exit(result);
		}
	}
	result = wait_for_all(o->jobs);
	seconds = now() - begun;
	for (unsigned job = 0; job < o->jobs; job++) {
		histories += reports[job].histories;
		events += reports[job].events;
	}
	printf("%" PRIu64 " histories, %" PRIu64 " events in %.1f s: %.0f histories/s per job\n",
		histories, events, seconds,
		seconds > 0 ? (double)histories / seconds / o->jobs : 0.0);
	munmap(reports, MAX_JOBS * sizeof(*reports));
	return result;
}

/* --- one at a time --- */

static int tell_one(uint64_t seed)
{
	struct history h;
	struct world w = {.told = stdout};
	bool ok;

	draw_history(seed, &h);
	history_print(&h, stdout);
	ok = twin_run(&w, &h);
	world_fini(&w);
	if (!ok)
		tell_failure(&w.failure, seed);
	return ok ? EXIT_SUCCESS : EXIT_FAULT;
}

static int replay(const char *path)
{
	struct history h;
	struct world w = {0};
	bool ok;

	if (!history_read(path, &h))
		return EXIT_USAGE;
	ok = twin_run(&w, &h);
	world_fini(&w);
	if (ok)
		return EXIT_SUCCESS;
	printf("%s: ", path);
	tell_failure(&w.failure, h.seed);
	print_history(&h, &w.failure);
	return EXIT_FAULT;
}

static int is_history(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && end && strcmp(end, ".txt") == 0;
}

/* How many were replayed is added to ret_n. */
static int replay_all(const char *path, unsigned *ret_n)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_history, alphasort), result = EXIT_SUCCESS;

	if (n < 0 && errno == ENOTDIR) {
		++*ret_n;
		return replay(path);
	}
	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return EXIT_USAGE;
	}
	for (int i = 0; i < n; i++) {
		_cleanup_free_
		char *file = NULL;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
			result = EXIT_FAULT;
		else
			result = MAX_OF(replay(file), result);
		free(entries[i]);
		++*ret_n;
	}
	free(entries);
	return result;
}

static int replay_paths(char **paths)
{
	int result = EXIT_SUCCESS;
	unsigned n = 0;

	for (; *paths; paths++)
		result = MAX_OF(replay_all(*paths, &n), result);
	printf("%u histories replayed\n", n);
	return n > 0 ? result : EXIT_USAGE;
}

static int list(void)
{
	for (unsigned i = 0; i < INV_MAX; i++)
		printf("%-20s %s\n", invariant_name((enum invariant)i),
			invariant_sentence((enum invariant)i));
	return EXIT_SUCCESS;
}

static int usage(void)
{
	fprintf(stderr, "usage: sim [--seeds FIRST-LAST] [--minutes N] [--jobs N] [--no-shrink]\n"
			"       sim --seed N | --replay PATH... | --list\n");
	return EXIT_USAGE;
}

static bool read_seeds(const char *text, struct options *o)
{
	char *end;

	o->first = o->last = strtoull(text, &end, 10);
	if (*end == '-')
		o->last = strtoull(end + 1, &end, 10);
	return *end == '\0' && o->first <= o->last;
}

int main(int argc, char **argv)
{
	enum { SEEDS, MINUTES, JOBS, NO_SHRINK, SEED, REPLAY, LIST };
	static const struct option known[] = {
		{"seeds", required_argument, NULL, SEEDS},
		{"minutes", required_argument, NULL, MINUTES},
		{"jobs", required_argument, NULL, JOBS},
		{"no-shrink", no_argument, NULL, NO_SHRINK},
		{"seed", required_argument, NULL, SEED},
		{"replay", no_argument, NULL, REPLAY},
		{"list", no_argument, NULL, LIST},
		{0},
	};
	struct options o = {.first = 1, .last = 100000, .jobs = 1, .shrink = true};
	bool has_seeds = false;

	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (c) {
		case SEEDS:
			has_seeds = true;
			if (!read_seeds(optarg, &o))
				return usage();
			break;
		case MINUTES:
			o.seconds = strtod(optarg, NULL) * 60;
			break;
		case JOBS:
			o.jobs = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case NO_SHRINK:
			o.shrink = false;
			break;
		case SEED:
			return tell_one(strtoull(optarg, NULL, 10));
		case REPLAY:
			return replay_paths(argv + optind);
		case LIST:
			return list();
		default:
			return usage();
		}
	}
	if (optind != argc || o.jobs == 0 || o.jobs > MAX_JOBS || o.seconds < 0)
		return usage();
	/* Not the same ones each time, where it is for so long and not for so many. */
	if (o.seconds > 0 && !has_seeds) {
		o.first = usec_now(CLOCK_REALTIME);
		o.last = UINT64_MAX - MAX_JOBS;
		printf("seeds from %" PRIu64 "\n", o.first);
	}
	return run_all(&o);
}
