/*
 * Workers: processes that share nothing but a page of figures. A worker stops at its first
 * failure, and tells it; one that crashes, or whose history does not end, tells the seed.
 */
#include "jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/usec.h"
#include "report.h"
#include "twin.h"

#define BLOCK	   64 /* seeds between two looks at the clock */
#define TWINS	   4 /* one history in so many runs twice */
#define PATIENCE_S 20 /* of processor time for one history: it does not end */

/* What a worker has done so far, for the one who waits for it. */
struct report {
	uint64_t seed; /* under way */
	uint64_t histories, events;
};

static struct report *report; /* this worker's, for the handlers */
static uint64_t seen_seed;

static double seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / (double)USEC_PER_SEC;
}

static double now(void)
{
	return (double)usec_now(CLOCK_MONOTONIC) / (double)USEC_PER_SEC;
}

/* --- a worker --- */

/* --- a worker --- */

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
		_exit(EXIT_FAILURE);
}

static void on_crash(int signo)
{
	tell_seed("'understood' does not hold: the core crashes, seed ");
	signal(signo, SIG_DFL);
	raise(signo);
}

static void on_alarm(int signo _unused_)
{
	if (report->seed == seen_seed) {
		tell_seed("'understood' does not hold: a step does not end, seed ");
		_exit(EXIT_FAILURE);
	}
	seen_seed = report->seed;
}

/* Of processor time, since a machine may have more to do. */
static void set_patience(unsigned seconds)
{
	struct itimerval every = {{seconds, 0}, {seconds, 0}};

	setitimer(ITIMER_PROF, &every, NULL);
}

static bool run_seed(uint64_t seed, bool shrinks)
{
	struct history h;
	struct world w = {0};
	bool ok;

	draw_history(seed, &h);
	ok = seed % TWINS == 0 ? twin_run(&w, &h) : world_run(&w, &h);
	report->events += w.n_step;
	report->histories++;
	world_fini(&w);
	if (!ok) {
		set_patience(0); /* to shrink it takes a while */
		report_shrunk(&h, &w.failure, shrinks);
	}
	return ok;
}

static int work(const struct jobs_options *o, unsigned job, double begun)
{
	signal(SIGPROF, on_alarm);
	signal(SIGSEGV, on_crash);
	signal(SIGABRT, on_crash);
	set_patience(PATIENCE_S);
	for (uint64_t seed = o->first + job; seed <= o->last; seed += o->jobs) {
		report->seed = seed;
		if (!run_seed(seed, o->shrink))
			return EXIT_FAILURE;
		if (o->seconds > 0 && report->histories % BLOCK == 0 && now() - begun >= o->seconds)
			break;
	}
	set_patience(0);
	return EXIT_SUCCESS;
}

/* --- all workers --- */

static int wait_for_all(unsigned n)
{
	int result = EXIT_SUCCESS, status;

	for (; n > 0; n--) {
		if (wait(&status) < 0)
			return EXIT_FAILURE;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
			result = EXIT_FAILURE;
	}
	return result;
}

int jobs_run(const struct jobs_options *o)
{
	struct report *reports = mmap(NULL, JOBS_MAX * sizeof(*reports), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t histories = 0, events = 0;
	double begun = now(), seconds, busy;
	struct rusage usage;
	int result;

	if (reports == MAP_FAILED)
		return EXIT_FAILURE;
	fflush(stdout);
	for (unsigned job = 0; job < o->jobs; job++) {
		pid_t pid = fork();

		if (pid < 0) {
			fprintf(stderr, "fork: %s\n", strerror(errno));
			return EXIT_FAILURE;
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
	getrusage(RUSAGE_CHILDREN, &usage);
	busy = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
	for (unsigned job = 0; job < o->jobs; job++) {
		histories += reports[job].histories;
		events += reports[job].events;
	}
	printf("%" PRIu64 " histories, %" PRIu64 " events in %.1f s, %.1f s of processor time: "
	       "%.0f histories/s on one processor\n",
		histories, events, seconds, busy, busy > 0 ? (double)histories / busy : 0.0);
	munmap(reports, JOBS_MAX * sizeof(*reports));
	return result;
}
