/*
 * What the tests of outlets share: a loop, the outlets, and two streams that write.
 */
#pragma once

#include "tests/unit/engine/bench.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/logs/outlet/outlet.h"

#define SEC USEC_PER_SEC

struct stream_of_test {
	struct outlet_writer writer;
	unsigned n_told;
};

struct outlets {
	struct bench bench;
	struct loop loop;
	struct outlet_set set;
	struct stream_of_test web, db;
	usec_t now;
};

static const struct log_origin web = {
	.name = "web",
	.service = "web",
	.pid = 123,
	.invocation = "0123456789abcdef0123456789abcdef",
	.stream = "stdout",
};
static const struct log_origin db _unused_ = {
	.name = "db@2",
	.service = "db",
	.instance = 2,
	.pid = 77,
	.invocation = "fedcba9876543210fedcba9876543210",
	.stream = "stderr",
};

static void told(struct outlet_writer *w)
{
	CONTAINER_OF(w, struct stream_of_test, writer)->n_told++;
}

static void outlets_init(struct outlets *f, int inherit_fd)
{
	bench_init(&f->bench);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(loop_init(&f->loop), 0);
	outlet_set_init(&f->set, &f->loop, inherit_fd);
	f->web.writer.writable = f->db.writer.writable = told;
	f->now = f->loop.now_usec;
}

static void outlets_fini(struct outlets *f)
{
	outlet_leave(&f->web.writer);
	outlet_leave(&f->db.writer);
	outlet_set_fini(&f->set);
	assert_int_equal(f->loop.n_timers, 0);
	loop_fini(&f->loop);
	bench_fini(&f->bench);
}

static void join(
	struct outlets *f, struct stream_of_test *s, enum spec_sink sink, const char *address)
{
	struct spec_target target = {.sink = sink, .address = (char *)address};

	assert_int_equal(outlet_join(&f->set, &s->writer, &target), 0);
}

static size_t put_data(struct stream_of_test *s, const struct log_origin *origin, const char *data,
	size_t n, usec_t now)
{
	size_t taken = outlet_take(&s->writer, origin, data, n, now);

	assert_true(taken <= n);
	return taken;
}

/* All of it is taken. */
static void put(
	struct stream_of_test *s, const struct log_origin *origin, const char *text, usec_t now)
{
	assert_int_equal(put_data(s, origin, text, strlen(text), now), strlen(text));
}

/* The loop has nothing to wait for: it would sleep for ever. */
static inline bool is_idle(struct outlets *f)
{
	struct epoll_event e;
	const struct heap_entry *first = heap_first(&f->loop.timers);

	return epoll_wait(f->loop.epoll, &e, 1, 0) == 0 && !first;
}

static inline void run_until_told(struct outlets *f, const struct stream_of_test *s)
{
	unsigned before = s->n_told;
	usec_t end = usec_now(CLOCK_MONOTONIC) + 10 * SEC;

	while (s->n_told == before) {
		assert_true(usec_now(CLOCK_MONOTONIC) < end);
		assert_int_equal(loop_once(&f->loop), 0);
	}
}

static inline struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	assert_true(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path));
	return a;
}

/* Does not block. */
static inline int bind_unix(const char *path, int type)
{
	struct sockaddr_un a = unix_address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}
