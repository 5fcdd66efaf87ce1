/*
 * What the pump takes: bytes per second from a pipe to a log file, by the holding pipe and
 * without it, in some formats; and what a single line costs. The writer is
 * another process, on the same processor. Seconds are those that both were running, so that
 * others on this machine do not count.
 *
 *   bench_pump [DIRECTORY]
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/pump.h"

#define TOTAL (UINT64_C(256) << 20)
#define MAX_SIZE                                                                        \
	(UINT64_C(64) << 20) /* rotates, keeping none: the disk is not what is measured \
			      */
#define N_SINGLE  50000
#define LINE_SIZE 100

enum way { PLAIN, HELD, WAY_MAX };

struct kind {
	const char *name;
	enum spec_format format;
	enum spec_timestamps timestamps;
};

static uint8_t intent_room[INTENT_ROOM_SIZE] __attribute__((aligned(8)));
static bool has_ended;
static const char *directory;

static void *room(struct ledger *l _unused_)
{
	return intent_room;
}

static struct pump *find(
	struct pump_set *set _unused_, uint32_t id _unused_, unsigned stream _unused_)
{
	return NULL;
}

static void account(struct pump *p _unused_)
{
}

static void ended(struct pump *p _unused_)
{
	has_ended = true;
}

static void stay_on_one_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void write_lines(int fd, uint64_t total)
{
	static char block[64 * LINE_SIZE * 10];

	memset(block, 'x', sizeof(block));
	for (size_t i = LINE_SIZE - 1; i < sizeof(block); i += LINE_SIZE)
		block[i] = '\n';
	while (total > 0) {
		ssize_t n = write(fd, block, MIN_OF((uint64_t)sizeof(block), total));

		if (n <= 0)
			_exit(1);
		total -= (uint64_t)n;
	}
	_exit(0);
}

static usec_t time_of(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (usec_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC +
	       (usec_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

struct bench {
	struct loop loop;
	struct sink_set sinks;
	struct pump_set pumps;
	struct sink sink;
	struct pump pump;
	char path[4096];
};

static void check(const char *what, int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	exit(1);
}

static void begin(struct bench *b, enum way way, const struct kind *kind, int fd)
{
	static const struct pump_owner owner = {find, account};
	static struct spec_log log;

	log = (struct spec_log){
		.rotation.max_size_bytes = MAX_SIZE,
		.timestamps = kind->timestamps,
	};
	snprintf(b->path, sizeof(b->path), "%s/bench_pump.%d.log", directory, (int)getpid());
	check("loop", loop_init(&b->loop));
	sink_set_init(&b->sinks, &b->loop, directory, 4, STDOUT_FILENO);
	check("pumps", pump_set_init(&b->pumps, &b->loop, ended));
	if (way == HELD)
		check("holding pipe", pump_set_hold(&b->pumps, -1, -1, room, &b->sinks, &owner));
	check("sink", sink_init(&b->sink, &b->sinks, "bench", &log,
			      &(struct spec_target){.sink = SPEC_SINK_FILE, .format = kind->format},
			      b->path));
	pump_init(&b->pump, &b->pumps, &b->sink, 0, 0);
	check("pump", pump_start(&b->pump, fd));
	has_ended = false;
}

static void end(struct bench *b)
{
	pump_stop(&b->pump);
	sink_fini(&b->sink);
	sink_set_fini(&b->sinks);
	pump_set_fini(&b->pumps);
	loop_fini(&b->loop);
	unlink(b->path);
}

static double flood(enum way way, const struct kind *kind)
{
	struct bench b;
	int fds[2];
	usec_t start;
	pid_t pid;

	check("pipe", sys_pipe2(fds, 0));
	pid = sys_fork();
	check("fork", pid);
	if (pid == 0) {
		close(fds[0]);
		write_lines(fds[1], TOTAL);
	}
	close(fds[1]);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	begin(&b, way, kind, fds[0]);
	start = time_of(RUSAGE_SELF) + time_of(RUSAGE_CHILDREN);
	while (!has_ended)
		loop_once(&b.loop);
	waitpid(pid, NULL, 0);
	start = time_of(RUSAGE_SELF) + time_of(RUSAGE_CHILDREN) - start;
	end(&b);
	close(fds[0]);
	return (double)TOTAL / (double)MAX_OF(start, (usec_t)1); /* MB/s */
}

/* A line at a time, without the time that writing it to the pipe takes. */
static double single(enum way way, const struct kind *kind)
{
	char line[LINE_SIZE];
	struct bench b;
	int fds[2];
	usec_t start, writing;

	memset(line, 'x', sizeof(line));
	line[LINE_SIZE - 1] = '\n';
	check("pipe", sys_pipe2(fds, O_NONBLOCK));
	begin(&b, way, kind, fds[0]);
	start = time_of(RUSAGE_SELF);
	for (int i = 0; i < N_SINGLE; i++) {
		sys_write(fds[1], line, sizeof(line));
		sys_read(fds[0], line, sizeof(line));
	}
	writing = time_of(RUSAGE_SELF) - start;
	start = time_of(RUSAGE_SELF);
	for (int i = 0; i < N_SINGLE; i++) {
		sys_write(fds[1], line, sizeof(line));
		loop_once(&b.loop);
	}
	start = time_of(RUSAGE_SELF) - start;
	end(&b);
	close(fds[0]);
	close(fds[1]);
	return ((double)start - (double)writing) / N_SINGLE;
}

int main(int argc, char **argv)
{
	static const char *const ways[WAY_MAX] = {"read and write", "by the holding pipe"};
	static const struct kind kinds[] = {
		{"plain", SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_NONE},
		{"iso", SPEC_FORMAT_PLAIN, SPEC_TIMESTAMPS_ISO},
		{"prefix", SPEC_FORMAT_PREFIX, SPEC_TIMESTAMPS_ISO},
		{"json", SPEC_FORMAT_JSON, SPEC_TIMESTAMPS_NONE},
	};

	directory = argc > 1 ? argv[1] : "/tmp";
	stay_on_one_processor();
	for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
		double best[WAY_MAX] = {0}, usec[WAY_MAX];

		/* In turns, so that what else goes on here meets both. */
		for (int i = 0; i < 5; i++) {
			for (enum way w = 0; w < WAY_MAX; w++) {
				double speed = flood(w, &kinds[k]);

				best[w] = MAX_OF(best[w], speed);
			}
		}
		for (enum way w = 0; w < WAY_MAX; w++) {
			usec[w] = single(w, &kinds[k]);
			printf("%-6s %-20s %5.0f MB/s, a line %.2f us\n", kinds[k].name, ways[w],
				best[w], usec[w]);
		}
		printf("%-6s ratio %.2f\n", kinds[k].name, best[HELD] / best[PLAIN]);
	}
	return 0;
}
