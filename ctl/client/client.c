/*
 * Everything here waits in poll() with a deadline; the socket never blocks.
 *
 * What happens when the engine dies: its launcher keeps the listening socket, so a new
 * connection is not refused but waits for the next engine. Connections that the old engine
 * had accepted break, and the call is repeated as it was, with the same id in its
 * parameters. A window of bridge_usec opens with the first break and closes with the first
 * answer, so that a server which accepts and dies, again and again, does not keep us.
 */
#include "ctl/client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "ctl/client/client_io.h"
#include "wire/control.h"

#define PAUSE_MIN_USEC (5 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC (200 * USEC_PER_MSEC)

int client_init(struct client *c, const char *path)
{
	*c = (struct client){
		.path = strdup(path),
		.fd = -1,
		.reply_usec = CLIENT_REPLY_USEC,
		.bridge_usec = CLIENT_BRIDGE_USEC,
		.refused_usec = CLIENT_REFUSED_USEC,
		.until_usec = USEC_INFINITY,
		.watch_fd = -1,
	};
	return c->path ? 0 : -ENOMEM;
}

void client_hang_up(struct client *c)
{
	c->fd = close_fd(c->fd);
	buf_fini(&c->in);
}

void client_fini(struct client *c)
{
	client_hang_up(c);
	free(c->path);
	c->path = NULL;
}

int client_make_id(char ret_id[static CLIENT_ID_SIZE])
{
	unsigned char bytes[(CLIENT_ID_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return errno ? -errno : -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret_id + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* Connection and request, as often as it takes. The state of one client_call(). */
struct call {
	const char *method;
	json_t *parameters; /* borrowed */
	struct buf request; /* owned; the NUL included */
	unsigned flags;
	usec_t window_end; /* of bridging; 0 while nothing has broken */
	usec_t pause;
	bool sent; /* the server may have all of it */
};

/*
 * What broke may be tried again, after a pause, until the window closes: 0, or the error
 * that ends the call.
 */
static int break_and_pause(struct client *c, struct call *call)
{
	usec_t now = usec_now(CLOCK_MONOTONIC);

	client_hang_up(c);
	if (call->sent && (call->flags & CLIENT_ONCE))
		return -EINPROGRESS;
	if (call->window_end == 0) {
		call->window_end = usec_add(now, c->bridge_usec);
		call->pause = PAUSE_MIN_USEC;
	}
	if ((call->flags & CLIENT_WAITS) && now >= c->until_usec)
		return -ETIME;
	if (now >= call->window_end)
		return -ECONNRESET;
	client_pause(call->pause);
	call->pause = MIN_OF(call->pause * 2, PAUSE_MAX_USEC);
	return 0;
}

/* The first connection: a server that is not there is told about soon. */
static int connect_first(struct client *c)
{
	usec_t start = usec_now(CLOCK_MONOTONIC), pause = PAUSE_MIN_USEC;

	for (;;) {
		int fd = client_connect(c->path);
		usec_t limit = fd == -ECONNREFUSED ? c->refused_usec : c->bridge_usec;

		if (fd >= 0) {
			c->fd = fd;
			return 0;
		}
		/* EAGAIN: its backlog is full, so somebody has it open. */
		if (fd != -ECONNREFUSED && fd != -EAGAIN)
			return fd;
		if (usec_sub(usec_now(CLOCK_MONOTONIC), start) >= limit)
			return fd == -EAGAIN ? -ETIMEDOUT : fd;
		client_pause(pause);
		pause = MIN_OF(pause * 2, PAUSE_MAX_USEC);
	}
}

static bool is_break(int r)
{
	return r == -ECONNRESET || r == -EPIPE || r == -ENOTCONN;
}

/* Connects if need be and sends: 0, or what ends the call. */
static int send_request(struct client *c, struct call *call)
{
	for (;;) {
		usec_t deadline;
		int r;

		if (c->fd < 0) {
			r = call->window_end == 0 ? connect_first(c) : client_connect(c->path);
			if (r < 0 && (call->window_end == 0 || r == -EACCES || r == -EPERM))
				return r;
			if (c->ending && (r == -ENOENT || r == -ECONNREFUSED))
				return -ESHUTDOWN;
			if (r >= 0 && call->window_end != 0)
				c->fd = r;
			if (r < 0) {
				r = break_and_pause(c, call);
				if (r < 0)
					return r;
				continue;
			}
		}
		deadline = usec_add(usec_now(CLOCK_MONOTONIC), c->reply_usec);
		r = client_send(c->fd, call->request.data, call->request.len, deadline);
		/* Who closes without reading all may have said why: let the reader look. */
		if (r == 0 || is_break(r)) {
			call->sent = r == 0;
			return 0;
		}
		return r;
	}
}

/* The next whole reply: 0 with *ret_reply owned by the caller. */
static int next_reply(struct client *c, const struct call *call, json_t **ret_reply)
{
	bool waits = call->flags & CLIENT_WAITS;
	usec_t deadline =
		waits ? c->until_usec : usec_add(usec_now(CLOCK_MONOTONIC), c->reply_usec);
	int r = client_receive(c, deadline, waits ? c->watch_fd : -1, ret_reply);

	return waits && r == -ETIMEDOUT ? -ETIME : r;
}

/*
 * One reply, handed on. 0: it was the last; -EAGAIN: more will come; CLIENT_ERROR; or what
 * on_reply returned.
 */
static int take_reply(json_t *reply, const struct call *call, client_reply_fn *on_reply,
	void *userdata, json_t **ret_error)
{
	json_t *parameters = json_object_get(reply, "parameters");
	bool continues = json_is_true(json_object_get(reply, "continues"));
	int r = 0;

	if (json_is_string(json_object_get(reply, "error"))) {
		*ret_error = json_incref(reply);
		return CLIENT_ERROR;
	}
	if ((parameters && !json_is_object(parameters)) ||
		(continues && !(call->flags & CLIENT_MORE)))
		return -EBADMSG;
	if (on_reply) {
		json_t *none = parameters ? NULL : json_object();

		r = on_reply(parameters ? parameters : none, userdata);
		json_decref(none);
	}
	if (r < 0)
		return r;
	return continues ? -EAGAIN : 0;
}

/* As the parameters are now: who reads the replies may have changed them. */
static int make_request(struct call *call)
{
	json_t *message =
		json_pack("{s:s,s:O}", "method", call->method, "parameters", call->parameters);
	_cleanup_free_
	char *text = NULL;
	size_t size;
	int r = -ENOMEM;

	if (message && (call->flags & CLIENT_MORE))
		json_object_set_new(message, "more", json_true());
	if (message)
		text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	call->request.len = 0;
	if (text) {
		size = strlen(text) + 1;
		r = size > CONTROL_MAX_REQUEST ? -EMSGSIZE
					       : buf_append(&call->request, SIZE_MAX, text, size);
	}
	return r;
}

/* Replies until the last one; a break is answered by sending the request again. */
static int converse(struct client *c, struct call *call, client_reply_fn *on_reply, void *userdata,
	json_t **ret_error)
{
	int r = send_request(c, call);

	while (r == 0) {
		json_t *reply = NULL;

		r = next_reply(c, call, &reply);
		if (is_break(r)) {
			r = break_and_pause(c, call);
			if (r == 0)
				r = make_request(call);
			if (r == 0)
				r = send_request(c, call);
			continue;
		}
		if (r < 0)
			break;
		call->window_end = 0;
		r = take_reply(reply, call, on_reply, userdata, ret_error);
		json_decref(reply);
		if (r != -EAGAIN)
			return r;
		r = 0;
	}
	return r;
}

int client_call(struct client *c, const char *method, json_t *parameters, unsigned flags,
	client_reply_fn *on_reply, void *userdata, json_t **ret_error)
{
	struct call call = {.method = method, .parameters = parameters, .flags = flags};
	int r = make_request(&call);

	if (r == 0)
		r = converse(c, &call, on_reply, userdata, ret_error);
	buf_fini(&call.request);
	/* What is left of a call that ended early must not answer the next one. */
	if (r < 0)
		client_hang_up(c);
	return r;
}

static int take_pid(json_t *parameters, void *userdata)
{
	*(json_int_t *)userdata = json_integer_value(json_object_get(parameters, "pid"));
	return 0;
}

int client_wait_gone(struct client *c, json_int_t server_pid)
{
	c->bridge_usec = 0; /* a break is what we wait for */
	for (;;) {
		json_t *error = NULL, *parameters;
		json_int_t pid = server_pid;
		int r = c->fd < 0 ? client_connect(c->path) : 0;

		if (r == -ENOENT || r == -ECONNREFUSED)
			return 0;
		if (c->fd < 0 && r >= 0) {
			c->fd = r;
			parameters = json_object();
			r = client_call(c, CONTROL_INTERFACE ".Version", parameters, CLIENT_ONCE,
				take_pid, &pid, &error);
			json_decref(parameters);
			json_decref(error);
			if (r == 0 && pid != server_pid)
				return -EALREADY;
		}
		if (c->fd >= 0)
			client_wait_end(c, c->reply_usec);
		client_hang_up(c);
		client_pause(PAUSE_MAX_USEC / 4);
	}
}

void client_wait_ended(struct client *c, int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	while (pidfd >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	if (pidfd < 0 && c->fd >= 0)
		client_wait_end(c, USEC_INFINITY);
	client_hang_up(c);
}
