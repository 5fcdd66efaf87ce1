/*
 * The control server's input path: bytes from a client, cut as the input says, through a
 * real socket and the real loop. The methods cover all kinds of replies; nothing that a
 * client sends may crash, leak, or be answered with what is no JSON.
 *
 * Input: one byte of flags (enum flag), then what the client sends, as it is, but for two
 * bytes that no JSON may hold: CUT sends what came before it and lets the server work; END
 * does so too, and ends the calls that wait.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "engine/control/server/server_internal.h"

#define CUT 0x1e
#define END 0x1f

enum flag {
	SMALL_OUTPUT = 1 << 0, /* a limit that replies reach */
	HALF_CLOSE = 1 << 1, /* at the end, the client's way only */
	CLOSE = 1 << 2, /* both ways */
	STRANGER = 1 << 3, /* a peer without a right */
	OBSERVER = 1 << 4, /* one that may only look */
};

static struct list waiting;

static void do_echo(void *userdata _unused_, struct server_call *call)
{
	server_reply(call, json_incref(call->parameters), false);
}

static void on_cancelled(struct server_call *call)
{
	list_remove(&call->node);
}

static void do_wait(void *userdata _unused_, struct server_call *call)
{
	call->cancelled = on_cancelled;
	server_reply(call, json_object(), true);
	list_append(&waiting, &call->node);
}

static const struct server_method methods[] = {
	{
		.name = "A",
		.needs = PEER_RIGHT_OBSERVE,
		.parameters = {{"s", SERVER_STRING, true}, {"n", SERVER_STRINGS, true},
			{"b", SERVER_BOOL, true}, {"i", SERVER_INT, true}},
		.call = do_echo,
	},
	{.name = "W", .needs = PEER_RIGHT_ACT, .call = do_wait},
	{.name = "M", .needs = PEER_RIGHT_OBSERVE, .needs_more = true, .call = do_wait},
	{.name = "O", .needs = PEER_RIGHT_OWN, .call = do_wait},
};

static const struct server_service service = {
	.methods = methods,
	.n_methods = ELEMENTSOF(methods),
	.vendor = "v",
	.product = "p",
	.version = "1",
	.url = "u",
};

/* What came back must be whole JSON objects. */
static void check_replies(int fd, struct buf *b)
{
	static char chunk[65536];
	ssize_t n;
	long length;

	while ((n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0) {
		if (buf_append(b, SIZE_MAX, chunk, (size_t)n) < 0)
			abort();
		while ((length = control_find_message(b, 0)) >= 0) {
			json_t *reply = json_loadb(b->data, (size_t)length, 0, NULL);

			if (!json_is_object(reply))
				abort();
			json_decref(reply);
			buf_consume(b, (size_t)length + 1);
		}
	}
}

static void on_tick(struct loop_timer *t _unused_)
{
}

static void turn(struct loop *l, struct loop_timer *tick)
{
	loop_timer_set(l, tick, 0);
	if (loop_once(l) < 0)
		abort();
}

static void end_waiting(void)
{
	list_foreach_safe (it, &waiting) {
		list_remove(it);
		server_reply(list_entry(it, struct server_call, node), json_object(), false);
	}
}

static void feed(struct loop *l, struct loop_timer *tick, int fd, struct buf *replies,
	const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		size_t n = 0;

		while (at + n < size && data[at + n] != CUT && data[at + n] != END)
			n++;
		if (n > 0 && send(fd, data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		turn(l, tick);
		if (at + n < size && data[at + n] == END)
			end_waiting();
		check_replies(fd, replies);
		at += n + 1;
	}
}

static void set_roles(struct server *s, unsigned flags)
{
	static uid_t uids[] = {1, 2};
	static const struct spec_role peer = {.uids = &uids[0], .n_uids = 1};
	static const struct spec_role other = {.uids = &uids[1], .n_uids = 1};

	if (flags & STRANGER)
		server_set_roles(s, &other, NULL);
	else if (flags & OBSERVER)
		server_set_roles(s, &other, &peer);
	else
		server_set_roles(s, &peer, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop l;
	struct loop_timer tick = {.dispatch = on_tick};
	struct server s;
	struct server_settings settings;
	struct peer peer = {.uid = 1};
	struct buf replies = {0};
	int fds[2];

	if (size < 1)
		return 0;
	list_init(&waiting);
	log_set_level(LOG_LEVEL_ERROR);
	server_settings_default(&settings);
	settings.owner = 99;
	settings.max_request_bytes = 400;
	if (data[0] & SMALL_OUTPUT)
		settings.max_output_bytes = 300;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 || loop_init(&l) < 0 ||
		loop_timer_add(&l, &tick) < 0 || server_init(&s, &l, &service, &settings) < 0 ||
		server_conn_new(&s, fds[0], &peer) < 0)
		abort();
	set_roles(&s, data[0]);
	feed(&l, &tick, fds[1], &replies, data + 1, size - 1);
	if (data[0] & HALF_CLOSE)
		shutdown(fds[1], SHUT_WR);
	if (data[0] & CLOSE)
		shutdown(fds[1], SHUT_RDWR);
	for (int i = 0; i < 4; i++)
		turn(&l, &tick);
	end_waiting();
	turn(&l, &tick);
	check_replies(fds[1], &replies);
	server_fini(&s);
	if (!list_empty(&waiting) || s.output_bytes > 0 || s.input_bytes > 0 || s.n_conns > 0)
		abort();
	loop_timer_remove(&l, &tick);
	loop_fini(&l);
	close(fds[1]);
	buf_fini(&replies);
	return 0;
}
