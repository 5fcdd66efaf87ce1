/*
 * A control server with a handful of methods, driven in the test's own process: whatever
 * waits for a client turns the loop meanwhile.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sys.h"
#include "engine/control/server/server_internal.h"
#include "tests/unit/directory.h"

#define DEADLINE (10 * USEC_PER_SEC)
#define TICK	 (2 * USEC_PER_MSEC)

struct fixture {
	struct loop loop;
	struct loop_timer tick; /* so that loop_once() always returns */
	struct server server;
	struct server_settings settings;
	char dir[DIRECTORY_SIZE], path[96];
	struct list waiting; /* calls of Wait and Feed */
	unsigned n_waiting, n_acts, n_cancelled, n_refused;
	bool replying; /* within a walk over waiting: no method may be called */
	uid_t refused_uid;
	char refused_method[32];
};

static struct peer pretended; /* who connects next; uid -1: the kernel's word */

static int pretend_peer(int fd, struct peer *ret_peer)
{
	if (pretended.uid == (uid_t)-1)
		return peer_get(fd, ret_peer);
	*ret_peer = pretended;
	return 0;
}

static void do_echo(void *userdata, struct server_call *call)
{
	assert_false(((struct fixture *)userdata)->replying);
	server_reply(call, json_incref(call->parameters), false);
}

static void do_act(void *userdata, struct server_call *call)
{
	struct fixture *f = userdata;

	assert_false(f->replying);
	f->n_acts++;
	server_reply(call, json_object(), false);
}

static void on_cancelled(struct server_call *call)
{
	struct fixture *f = call->userdata;

	assert_false(f->replying);
	list_remove(&call->node);
	f->n_waiting--;
	f->n_cancelled++;
}

static void do_wait(void *userdata, struct server_call *call)
{
	struct fixture *f = userdata;

	assert_false(f->replying);
	call->userdata = f;
	call->cancelled = on_cancelled;
	list_append(&f->waiting, &call->node);
	f->n_waiting++;
}

static void do_stream(void *userdata _unused_, struct server_call *call)
{
	for (int i = 0; i < 3; i++)
		server_reply(call, json_pack("{s:i}", "n", i), i < 2);
}

/* A reply whose message has size bytes, the NUL included. */
static void do_big(void *userdata _unused_, struct server_call *call)
{
	size_t size = (size_t)json_integer_value(json_object_get(call->parameters, "size"));
	size_t n = size - strlen("{\"parameters\":{\"x\":\"\"}}") - 1;
	char *text = malloc(n + 1);

	memset(text, 'x', n);
	text[n] = '\0';
	server_reply(call, json_pack("{s:s}", "x", text), false);
	free(text);
}

static void do_unbuildable(void *userdata _unused_, struct server_call *call)
{
	server_reply(call, json_pack("{s:s}", "x", "\xff"), false);
}

static const struct server_method fixture_methods[] = {
	{
		.name = "Echo",
		.needs = PEER_RIGHT_OBSERVE,
		.parameters =
			{
				{"text", SERVER_STRING, false},
				{"names", SERVER_STRINGS, true},
				{"flag", SERVER_BOOL, true},
				{"count", SERVER_INT, true},
			},
		.call = do_echo,
	},
	{.name = "Act", .needs = PEER_RIGHT_ACT, .call = do_act},
	{.name = "Own", .needs = PEER_RIGHT_OWN, .call = do_act},
	{.name = "Wait", .needs = PEER_RIGHT_ACT, .call = do_wait},
	{.name = "Feed", .needs = PEER_RIGHT_OBSERVE, .needs_more = true, .call = do_wait},
	{.name = "Stream", .needs = PEER_RIGHT_OBSERVE, .call = do_stream},
	{
		.name = "Big",
		.needs = PEER_RIGHT_OBSERVE,
		.parameters = {{"size", SERVER_INT, false}},
		.call = do_big,
	},
	{.name = "Unbuildable", .needs = PEER_RIGHT_OBSERVE, .call = do_unbuildable},
};

static void on_refused(void *userdata, const struct peer *peer, const char *method)
{
	struct fixture *f = userdata;

	f->n_refused++;
	f->refused_uid = peer->uid;
	snprintf(f->refused_method, sizeof(f->refused_method), "%s", method);
}

static struct server_service fixture_service = {
	.methods = fixture_methods,
	.n_methods = ELEMENTSOF(fixture_methods),
	.refused = on_refused,
	.vendor = "vendor",
	.product = "supervisord",
	.version = "1.2.3",
	.url = "https://example.org/",
};

static void on_tick(struct loop_timer *t)
{
	struct fixture *f = CONTAINER_OF(t, struct fixture, tick);

	loop_timer_set(&f->loop, t, f->loop.now_usec + TICK);
}

static int fixture_new(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	pretended = (struct peer){.uid = (uid_t)-1};
	fixture_service.userdata = f;
	list_init(&f->waiting);
	directory_make(f->dir);
	snprintf(f->path, sizeof(f->path), "%s/control", f->dir);
	assert_int_equal(loop_init(&f->loop), 0);
	f->tick.dispatch = on_tick;
	assert_int_equal(loop_timer_add(&f->loop, &f->tick), 0);
	on_tick(&f->tick);
	server_settings_default(&f->settings);
	f->settings.get_peer = pretend_peer;
	*state = f;
	return 0;
}

/* Starts the server with the settings as they are now. */
static void fixture_start(struct fixture *f)
{
	int fd = server_open(f->path, 0600, (gid_t)-1);

	assert_true(fd >= 0);
	assert_int_equal(server_init(&f->server, &f->loop, &fixture_service, &f->settings), 0);
	assert_int_equal(server_adopt(&f->server, fd), 0);
}

static int fixture_free(void **state)
{
	struct fixture *f = *state;

	if (f->server.loop) {
		server_fini(&f->server);
		assert_int_equal(f->n_waiting, 0);
		assert_int_equal(f->server.output_bytes, 0);
		assert_int_equal(f->server.input_bytes, 0);
	}
	unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0); /* nothing else was left there */
	loop_timer_remove(&f->loop, &f->tick);
	assert_int_equal(f->loop.n_timers, 0);
	loop_fini(&f->loop);
	free(f);
	return 0;
}

#define server_test(name) cmocka_unit_test_setup_teardown(name, fixture_new, fixture_free)

/* Turns the loop until the condition holds, or fails. */
#define wait_until(f, condition)                                         \
	do {                                                             \
		usec_t _end = usec_now(CLOCK_MONOTONIC) + DEADLINE;      \
		while (!(condition)) {                                   \
			if (usec_now(CLOCK_MONOTONIC) > _end)            \
				fail_msg("no '%s' in time", #condition); \
			assert_int_equal(loop_once(&(f)->loop), 0);      \
		}                                                        \
	} while (0)

/* Connects without turning the loop. */
static int dial(struct fixture *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(a.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Connects and is accepted, as this uid (-1: as who we are). */
static _unused_ int dial_as(struct fixture *f, uid_t uid)
{
	struct server_conn *last = list_entry(f->server.conns.prev, struct server_conn, node);
	int fd;

	pretended = (struct peer){.uid = uid, .gid = uid, .pid = 4711};
	fd = dial(f);
	wait_until(f, list_entry(f->server.conns.prev, struct server_conn, node) != last);
	pretended.uid = (uid_t)-1;
	return fd;
}

/* Sends all, turning the loop where the socket is full. */
static void send_bytes(struct fixture *f, int fd, const void *data, size_t n)
{
	const char *p = data;
	usec_t end = usec_now(CLOCK_MONOTONIC) + DEADLINE;

	while (n > 0) {
		ssize_t r = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r < 0 && errno == EPIPE)
			return; /* what follows then is judged by what can be read */
		if (r > 0) {
			p += r;
			n -= (size_t)r;
			continue;
		}
		assert_true(usec_now(CLOCK_MONOTONIC) < end);
		assert_int_equal(loop_once(&f->loop), 0);
	}
}

static void send_request(struct fixture *f, int fd, const char *text)
{
	send_bytes(f, fd, text, strlen(text) + 1);
}

/* "Echo" with a text, any extra members of the request before it. */
static _unused_ void send_echo(struct fixture *f, int fd, const char *text, const char *extra)
{
	char line[512];

	snprintf(line, sizeof(line),
		"{%s\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":\"%s\"}}", extra,
		text);
	send_request(f, fd, line);
}

static _unused_ void send_call(struct fixture *f, int fd, const char *method, const char *extra)
{
	char line[512];

	snprintf(line, sizeof(line), "{%s\"method\":\"io.supctl.Control.%s\"}", extra, method);
	send_request(f, fd, line);
}

/* The next message, or NULL where the connection was closed. The caller frees. */
static char *next_message(struct fixture *f, int fd)
{
	struct buf b = {0};
	usec_t end = usec_now(CLOCK_MONOTONIC) + DEADLINE;

	for (;;) {
		char c;
		ssize_t r = recv(fd, &c, 1, MSG_DONTWAIT);

		if (r == 1) {
			assert_int_equal(buf_append(&b, SIZE_MAX, &c, 1), 0);
			if (c == '\0')
				return b.data;
			continue;
		}
		if (r == 0 || errno == ECONNRESET) {
			assert_int_equal(b.len, 0); /* no torn message */
			return NULL;
		}
		if (usec_now(CLOCK_MONOTONIC) > end)
			fail_msg("no message in time");
		assert_int_equal(loop_once(&f->loop), 0);
	}
}

static void expect_message(struct fixture *f, int fd, const char *text)
{
	char *got = next_message(f, fd);

	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static _unused_ void expect_echo(struct fixture *f, int fd, const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "{\"parameters\":{\"text\":\"%s\"}}", text);
	expect_message(f, fd, line);
}

/* An error of this name; text must occur in its parameters. */
static _unused_ void expect_error(struct fixture *f, int fd, const char *name, const char *text)
{
	char *got = next_message(f, fd);
	char start[128];

	assert_non_null(got);
	snprintf(start, sizeof(start), "{\"error\":\"%s\"", name);
	if (strncmp(got, start, strlen(start)) != 0 || !strstr(got, text))
		fail_msg("expected %s with '%s', got %s", name, text, got);
	free(got);
}

static void expect_closed(struct fixture *f, int fd)
{
	char *got = next_message(f, fd);

	if (got)
		fail_msg("expected the end, got %s", got);
	close(fd);
}

/* All that was sent before has been looked at afterwards: several rounds have passed. */
static _unused_ void barrier(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(loop_once(&f->loop), 0);
}

static _unused_ bool is_open(int fd)
{
	char c;
	ssize_t r = recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK);

	return r > 0 || (r < 0 && errno == EAGAIN);
}

static _unused_ struct server_conn *newest_conn(struct fixture *f)
{
	assert_false(list_empty(&f->server.conns));
	return list_entry(f->server.conns.prev, struct server_conn, node);
}
