/*
 * What each mechanism of interprocess communication costs here: messages there and back per
 * second, one at a time, and bytes per second in one direction. Two processes, free to run on
 * two processors. Rounds of all mechanisms are interleaved, and the best of each counts: what
 * else goes on here can only make it slower.
 *
 *   bench_ipc [--json] [SECONDS]
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/usec.h"
#include "mechanism.h"

#define N_ROUNDS     3
#define N_MECHANISMS (N_DESCRIPTOR_MECHANISMS + N_QUEUE_MECHANISMS + N_RING_MECHANISMS)
#define MAX_SIZE     65536
#define BATCH	     64 /* messages between two looks at the clock */

static const size_t sizes[] = {1, 64, 1024, 8192, MAX_SIZE};

enum kind { ROUND_TRIPS, THROUGHPUT, KIND_MAX };

/* As programs would have them that look at it: copies to a few bytes further in a page are slow. */
static char out[MAX_SIZE] __attribute__((aligned(4096))),
	in[MAX_SIZE] __attribute__((aligned(4096)));
static double best[KIND_MAX][N_MECHANISMS][ELEMENTSOF(sizes)];
static usec_t each_usec;

static const struct mechanism *mechanism(size_t i)
{
	if (i < N_DESCRIPTOR_MECHANISMS)
		return &descriptor_mechanisms[i];
	i -= N_DESCRIPTOR_MECHANISMS;
	if (i < N_QUEUE_MECHANISMS)
		return &queue_mechanisms[i];
	return &ring_mechanisms[i - N_QUEUE_MECHANISMS];
}

static void check(const struct mechanism *m, const char *what, int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s: %s\n", m->name, what, strerror(-r));
	exit(1);
}

/* Until it is killed: echoes each message, or answers the last one of a batch with a byte. */
static void be_child(const struct mechanism *m, enum kind kind, size_t size)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	m->split(true);
	for (;;) {
		for (int i = 0; i < (kind == THROUGHPUT ? BATCH : 1); i++) {
			if (m->receive(TO_CHILD, in, size) < 0)
				_exit(0);
		}
		if (m->send(TO_PARENT, in, kind == THROUGHPUT ? 1 : size) < 0)
			_exit(0);
	}
}

/* BATCH messages; of throughput, one batch is always on its way ahead. */
static void batch(const struct mechanism *m, enum kind kind, size_t size, bool is_first)
{
	for (int i = 0; i < BATCH; i++) {
		check(m, "cannot send", m->send(TO_CHILD, out, size));
		if (kind == ROUND_TRIPS)
			check(m, "cannot receive", m->receive(TO_PARENT, in, size));
	}
	if (kind == THROUGHPUT && !is_first)
		check(m, "cannot receive", m->receive(TO_PARENT, in, 1));
}

/* Round trips, or bytes, per second. */
static double measure(const struct mechanism *m, enum kind kind, size_t size)
{
	usec_t begin, passed;
	uint64_t n = 0;
	pid_t pid;

	check(m, "cannot open", m->open());
	pid = fork();
	check(m, "cannot fork", pid < 0 ? -errno : 0);
	if (pid == 0)
		be_child(m, kind, size);
	m->split(false);
	batch(m, kind, size, true);
	begin = usec_now(CLOCK_MONOTONIC);
	do {
		batch(m, kind, size, false);
		n += BATCH;
		passed = usec_now(CLOCK_MONOTONIC) - begin;
	} while (passed < each_usec);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	m->close();
	return (double)n * (kind == THROUGHPUT ? (double)size : 1) * USEC_PER_SEC / (double)passed;
}

static bool fits(const struct mechanism *m, size_t size)
{
	return !m->max || size <= m->max();
}

static void measure_all(void)
{
	for (int round = 0; round < N_ROUNDS; round++) {
		for (size_t s = 0; s < ELEMENTSOF(sizes); s++) {
			for (size_t i = 0; i < N_MECHANISMS; i++) {
				const struct mechanism *m = mechanism(i);

				if (!fits(m, sizes[s]))
					continue;
				for (int k = 0; k < KIND_MAX; k++) {
					double speed = measure(m, (enum kind)k, sizes[s]);

					best[k][i][s] = MAX_OF(best[k][i][s], speed);
				}
			}
		}
	}
}

static void print_table(enum kind kind, const char *title, double unit)
{
	printf("%-27s", title);
	for (size_t s = 0; s < ELEMENTSOF(sizes); s++)
		printf("%9zu B", sizes[s]);
	printf("\n");
	for (size_t i = 0; i < N_MECHANISMS; i++) {
		printf("%-27s", mechanism(i)->name);
		for (size_t s = 0; s < ELEMENTSOF(sizes); s++) {
			if (best[kind][i][s] > 0)
				printf("%11.1f", best[kind][i][s] / unit);
			else
				printf("%11s", "-");
		}
		printf("\n");
	}
}

static void print_json(void)
{
	static const char *const kinds[] = {"round_trips_per_second", "bytes_per_second"};

	printf("[");
	for (size_t i = 0; i < N_MECHANISMS; i++) {
		for (size_t s = 0; s < ELEMENTSOF(sizes); s++) {
			printf("%s\n{\"mechanism\": \"%s\", \"message_bytes\": %zu",
				i + s > 0 ? "," : "", mechanism(i)->name, sizes[s]);
			for (int k = 0; k < KIND_MAX; k++) {
				if (best[k][i][s] > 0)
					printf(", \"%s\": %.0f", kinds[k], best[k][i][s]);
			}
			printf("}");
		}
	}
	printf("\n]\n");
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	const char *seconds = argc > 1 + json ? argv[1 + json] : "0.1";

	each_usec = (usec_t)(strtod(seconds, NULL) * USEC_PER_SEC);
	if (each_usec == 0 || argc > 2 + json) {
		fprintf(stderr, "usage: bench_ipc [--json] [SECONDS]\n");
		return 2;
	}
	memset(out, 'x', sizeof(out));
	measure_all();
	if (json) {
		print_json();
		return 0;
	}
	print_table(ROUND_TRIPS, "thousand round trips/s", 1e3);
	printf("\n");
	print_table(THROUGHPUT, "MB/s in one direction", 1e6);
	return 0;
}
