/*
 * A service of the torture: writes its stream (torture_stream.h) to standard output as fast as it
 * is taken, in bursts, and keeps a ledger (torture_ledger.h) of what it has written.
 *
 *     torture_writer DIR KEY=VALUE...
 *
 *     seed=N               of its stream; the same for all its runs
 *     style=text|binary
 *     bytes=MIN:MAX        a run ends after so many; never, if not given
 *     end=LIST             how: codes and signals, "0,7,-9"; one is drawn for each run
 *     burst=N pause=MSEC   after so many bytes, a pause of up to twice as long
 *     chunk=N              at most so much in one write()
 *     cap=N                once all its runs have written so much, it is slow
 *     term=die|finish|last what TERM does: death at once; an end after the present write; or
 *                          after another 64 KiB
 *     notify=1             says READY=1
 *     child=1|2            leaves a child behind, which holds the lock too; 2: in another session
 *
 * While there is a file DIR/hold, no run ends by itself. The name is SUPERVISOR_NAME. It holds a
 * lock, DIR/lock/NAME, as long as it lives: who finds it taken is a second instance, which must
 * never be, and says so in the ledger.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "torture_ledger.h"
#include "torture_stream.h"

#define CHUNK_MAX  (256 * 1024)
#define LAST_WORDS (64 * 1024)
#define MAX_ENDS   16
#define SLOW_CHUNK 512
#define SLOW_MSEC  200

/* Exit statuses for what must not happen here. */
#define EXIT_TROUBLE   98
#define EXIT_DUPLICATE 99

enum on_term { TERM_DIE, TERM_FINISH, TERM_LAST };

struct options {
	const char *dir, *name;
	uint64_t seed, min_bytes, max_bytes, burst, pause_msec, chunk, cap;
	int ends[MAX_ENDS];
	unsigned n_ends;
	enum stream_style style;
	enum on_term term;
	bool notify;
	int child;
};

struct writer {
	struct options options;
	struct ledger *ledger;
	struct ledger_run *run;
	struct stream stream;
	uint64_t random;
	uint64_t end_at; /* UINT64_MAX: never */
	uint64_t before; /* written by earlier runs */
	int end; /* as in options.ends */
	char buffer[CHUNK_MAX];
};

static volatile sig_atomic_t term_seen;

static void on_term(int signo)
{
	(void)signo;
	term_seen = 1;
}

static _Noreturn void trouble(const char *what)
{
	fprintf(stderr, "torture_writer: %s: %s\n", what, strerror(errno));
	_exit(EXIT_TROUBLE);
}

static void parse_ends(struct options *o, char *text)
{
	char *save = NULL;

	for (char *t = strtok_r(text, ",", &save); t && o->n_ends < MAX_ENDS;
		t = strtok_r(NULL, ",", &save))
		o->ends[o->n_ends++] = atoi(t);
}

static void parse_option(struct options *o, char *argument)
{
	char *value = strchr(argument, '='), *end;
	const struct {
		const char *key;
		uint64_t *to;
	} numbers[] = {{"seed", &o->seed}, {"burst", &o->burst}, {"pause", &o->pause_msec},
		{"chunk", &o->chunk}, {"cap", &o->cap}, {"bytes", &o->min_bytes}};

	if (!value)
		trouble(argument);
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(argument, numbers[i].key) != 0)
			continue;
		*numbers[i].to = strtoull(value, &end, 10);
		if (*end == ':')
			o->max_bytes = strtoull(end + 1, NULL, 10);
		return;
	}
	if (strcmp(argument, "style") == 0)
		o->style = strcmp(value, "binary") == 0 ? STREAM_BINARY : STREAM_TEXT;
	else if (strcmp(argument, "term") == 0)
		o->term = strcmp(value, "finish") == 0 ? TERM_FINISH
			  : strcmp(value, "last") == 0 ? TERM_LAST
						       : TERM_DIE;
	else if (strcmp(argument, "end") == 0)
		parse_ends(o, value);
	else if (strcmp(argument, "notify") == 0)
		o->notify = true;
	else if (strcmp(argument, "child") == 0)
		o->child = atoi(value);
	else
		trouble(argument);
}

static int open_below(const struct options *o, const char *folder, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", o->dir, folder, o->name);
	fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		trouble(path);
	return fd;
}

static struct ledger *map_ledger(const struct options *o)
{
	int fd = open_below(o, "ledger", O_RDWR);
	struct ledger *l;

	if (ftruncate(fd, sizeof(*l)) < 0)
		trouble("ftruncate");
	l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (l == MAP_FAILED)
		trouble("mmap");
	close(fd);
	return l;
}

/* One line in a file of all services, of every start, also of one that should not be. */
static void note_start(const struct options *o, const char *what)
{
	const char *invocation = getenv("SUPERVISOR_INVOCATION");
	char path[4096], line[256];
	struct timespec now;
	int fd, n;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(path, sizeof(path), "%s/starts", o->dir);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	n = snprintf(line, sizeof(line), "%s %s %d %lld.%06ld %s\n", o->name,
		invocation ? invocation : "-", (int)getpid(), (long long)now.tv_sec,
		now.tv_nsec / 1000, what);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		trouble(path);
	close(fd);
}

/* The lock is held until the process ends. */
static void lock_or_report(struct writer *w)
{
	int fd = open_below(&w->options, "lock", O_RDWR);

	note_start(&w->options, "start");
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return;
	if (errno != EWOULDBLOCK)
		trouble("flock");
	atomic_fetch_add((_Atomic uint64_t *)&w->ledger->duplicates, 1);
	note_start(&w->options, "DUPLICATE");
	_exit(EXIT_DUPLICATE);
}

static void begin_run(struct writer *w)
{
	const char *invocation = getenv("SUPERVISOR_INVOCATION");
	struct ledger *l = w->ledger;
	struct timespec now;

	if (l->n_runs >= LEDGER_MAX_RUNS) {
		errno = ENOSPC;
		trouble("ledger");
	}
	for (uint32_t i = 0; i < l->n_runs; i++)
		w->before += l->runs[i].written;
	clock_gettime(CLOCK_REALTIME, &now);
	l->magic = LEDGER_MAGIC;
	l->seed = w->options.seed;
	l->style = (uint32_t)w->options.style;
	w->run = &l->runs[l->n_runs];
	*w->run = (struct ledger_run){.pid = getpid(),
		.start_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000};
	snprintf(
		w->run->invocation, sizeof(w->run->invocation), "%s", invocation ? invocation : "");
	stream_init(&w->stream, w->options.name, l->seed, w->options.style, l->n_runs);
	w->random = l->seed + l->n_runs * UINT64_C(0x5851f42d4c957f2d);
	/* A run that was killed before this wrote nothing, and the next one takes its number. */
	atomic_signal_fence(memory_order_seq_cst);
	l->n_runs++;
}

/* How the run is to end is drawn by its number, too. */
static void draw_end(struct writer *w)
{
	const struct options *o = &w->options;

	w->end_at = UINT64_MAX;
	if (o->max_bytes > 0)
		w->end_at = o->min_bytes +
			    stream_random(&w->random) % (o->max_bytes - o->min_bytes + 1);
	if (o->n_ends > 0)
		w->end = o->ends[stream_random(&w->random) % o->n_ends];
}

/* It ends with the service's other processes, and not by itself. */
static void leave_child(int kind)
{
	pid_t pid = fork();

	if (pid < 0)
		trouble("fork");
	if (pid > 0)
		return;
	signal(SIGTERM, SIG_DFL);
	if (kind > 1)
		setsid();
	while (true)
		pause();
}

static void say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n == 0 || n >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		trouble("READY=1");
	close(fd);
}

/* Says first how it ends, so that the exit that is learned can be compared. */
static _Noreturn void end_run(struct writer *w, int how)
{
	w->run->end_value = how < 0 ? -how : how;
	atomic_signal_fence(memory_order_seq_cst);
	w->run->end = how < 0 ? LEDGER_SIGNAL : LEDGER_EXIT;
	if (how < 0) {
		signal(-how, SIG_DFL);
		kill(getpid(), -how);
	}
	_exit(how);
}

/* n bytes of the stream, or less where the kernel takes less; EINTR by TERM is no error. */
static void write_out(struct writer *w, size_t n)
{
	struct ledger_run *run = w->run;
	size_t have = 0, sent = 0;

	while (have < n) {
		size_t part;
		const char *data = stream_peek(&w->stream, &part);

		part = part < n - have ? part : n - have;
		memcpy(w->buffer + have, data, part);
		stream_take(&w->stream, part);
		have += part;
	}
	while (sent < n) {
		ssize_t r;

		run->attempted = run->written + (n - sent);
		atomic_signal_fence(memory_order_seq_cst);
		r = write(STDOUT_FILENO, w->buffer + sent, n - sent);
		if (r < 0 && errno != EINTR)
			end_run(w, EXIT_TROUBLE);
		run->written += r > 0 ? (uint64_t)r : 0;
		atomic_signal_fence(memory_order_seq_cst);
		run->attempted = run->written;
		sent += r > 0 ? (size_t)r : 0;
	}
}

static void pause_msec(uint64_t msec)
{
	const struct timespec t = {
		.tv_sec = (time_t)(msec / 1000), .tv_nsec = (long)(msec % 1000) * 1000000};

	nanosleep(&t, NULL);
}

/* Of random length, so that most end within a line. */
static size_t next_chunk(struct writer *w, uint64_t limit)
{
	uint64_t max = w->options.chunk, left = w->end_at - w->run->written, n;

	if (max > limit)
		max = limit;
	n = 1 + stream_random(&w->random) % max;
	return (size_t)(n < left ? n : left);
}

/* Whether those that would end are asked to stay, and so does this one then. */
static bool is_held(struct writer *w)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/hold", w->options.dir);
	if (access(path, F_OK) < 0)
		return false;
	w->end_at = UINT64_MAX;
	return true;
}

static void burst(struct writer *w)
{
	uint64_t done = 0;

	while (done < w->options.burst && !term_seen) {
		size_t n = next_chunk(w, w->options.burst - done);

		if (n == 0 && !is_held(w))
			end_run(w, w->end);
		write_out(w, n);
		done += n;
	}
}

static void live(struct writer *w)
{
	const struct options *o = &w->options;

	while (!term_seen) {
		if (o->cap > 0 && w->before + w->run->written > o->cap) {
			size_t n = next_chunk(w, SLOW_CHUNK);

			if (n == 0 && !is_held(w))
				end_run(w, w->end);
			write_out(w, n);
			pause_msec(SLOW_MSEC);
			continue;
		}
		burst(w);
		if (o->pause_msec > 0 && !term_seen)
			pause_msec(stream_random(&w->random) % (2 * o->pause_msec + 1));
	}
	if (o->term == TERM_LAST)
		for (size_t sent = 0; sent < LAST_WORDS; sent += LAST_WORDS / 8)
			write_out(w, LAST_WORDS / 8);
	end_run(w, 0);
}

int main(int argc, char **argv)
{
	static struct writer w;
	struct options *o = &w.options;
	const struct sigaction action = {.sa_handler = on_term};
	const struct rlimit none = {0, 0};

	*o = (struct options){.chunk = 16384, .burst = 65536, .name = getenv("SUPERVISOR_NAME")};
	if (argc < 2 || !o->name) {
		fprintf(stderr, "usage: torture_writer DIR KEY=VALUE...\n");
		return 2;
	}
	o->dir = argv[1];
	for (int i = 2; i < argc; i++)
		parse_option(o, argv[i]);
	o->chunk = o->chunk < 1 ? 1 : o->chunk > CHUNK_MAX ? CHUNK_MAX : o->chunk;
	if (o->max_bytes < o->min_bytes)
		o->max_bytes = o->min_bytes;
	setrlimit(RLIMIT_CORE, &none);
	if (o->term != TERM_DIE)
		sigaction(SIGTERM, &action, NULL);
	w.ledger = map_ledger(o);
	lock_or_report(&w);
	begin_run(&w);
	draw_end(&w);
	if (o->child > 0)
		leave_child(o->child);
	if (o->notify)
		say_ready();
	live(&w);
}
