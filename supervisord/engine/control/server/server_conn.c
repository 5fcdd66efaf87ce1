/*
 * The bytes of one connection. What is waited for follows from its state, in one place
 * (server_conn_settle): it is read from only while it has no whole request, no call in
 * flight and nothing unread; so a client can't make us hold more than one request and a
 * chunk of input, nor have further replies made while it doesn't read.
 *
 * A half-closed connection still gets what it asked for. From one that is gone altogether
 * the whole requests that it left behind are still taken (they may be oneway), but no
 * call waits on its behalf.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "engine/control/server/server_internal.h"

bool server_conn_is_busy(const struct server_conn *c)
{
	return c->call || (c->message >= 0 && !c->closing);
}

size_t server_conn_unread(const struct server_conn *c)
{
	return c->out.len - c->sent;
}

static bool has_output(const struct server_conn *c)
{
	return c->out.len > c->sent;
}

/* A next request may be looked at. */
static bool is_free(const struct server_conn *c)
{
	return c->source.fd >= 0 && !c->closing && !c->call && !has_output(c);
}

static bool find_message(struct server_conn *c)
{
	if (c->message < 0) {
		c->message = control_find_message(&c->in, c->scanned);
		c->scanned = c->in.len;
	}
	return c->message >= 0;
}

static bool wants_input(struct server_conn *c)
{
	return is_free(c) && !c->eof && !find_message(c);
}

static void discard_output(struct server_conn *c)
{
	c->server->output_bytes -= c->out.len - c->sent;
	buf_fini(&c->out);
	c->sent = 0;
	c->output_usec = USEC_INFINITY;
}

void server_conn_drop(struct server_conn *c)
{
	struct server *s = c->server;
	int fd = c->source.fd;

	if (fd < 0)
		return;
	loop_remove(s->loop, &c->source);
	close_fd(fd);
	loop_timer_remove(s->loop, &c->timer);
	discard_output(c);
	s->input_bytes -= c->in.len;
	buf_fini(&c->in);
	list_remove(&c->ready);
	list_remove(&c->node);
	list_append(&s->doomed, &c->node);
	s->n_conns--;
	server_schedule(s);
}

void server_conn_free(struct server_conn *c)
{
	server_call_cancel(c);
	list_remove(&c->node);
	peer_fini(&c->peer);
	free(c);
}

/* One send per round: a fast reader of a long reply doesn't hold up the others. */
void server_conn_flush(struct server_conn *c)
{
	ssize_t n;

	if (!has_output(c))
		return;
	n = sys_send(c->source.fd, c->out.data + c->sent, c->out.len - c->sent, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return;
	if (n < 0) {
		c->hung_up = true;
		discard_output(c);
		return;
	}
	c->sent += (size_t)n;
	c->server->output_bytes -= (size_t)n;
	c->output_usec = c->server->loop->now_usec;
	if (!has_output(c))
		discard_output(c);
}

struct encoder {
	struct buf *out;
	size_t limit;
	int error;
};

static int append_output(const char *data, size_t n, void *userdata)
{
	struct encoder *e = userdata;

	e->error = buf_append(e->out, e->limit, data, n);
	return e->error;
}

/* How long the output may become. What is gone is let go of before it makes up more than half. */
static size_t make_room(struct server_conn *c)
{
	if (c->sent > c->out.len / 2) {
		buf_consume(&c->out, c->sent);
		c->sent = 0;
	}
	return c->sent + c->server->settings.max_output_bytes;
}

static void account(struct server_conn *c, size_t n)
{
	if (c->output_usec == USEC_INFINITY)
		c->output_usec = c->server->loop->now_usec;
	c->server->output_bytes += n;
}

/* Adds a whole message to the output, or nothing. */
static int encode(struct server_conn *c, const json_t *message)
{
	struct encoder e = {.out = &c->out, .limit = make_room(c)};
	size_t before = c->out.len;

	if (json_dump_callback(message, append_output, &e, JSON_COMPACT) < 0 ||
		append_output("", 1, &e) < 0) {
		c->out.len = before;
		return e.error < 0 ? e.error : -ENOMEM;
	}
	account(c, c->out.len - before);
	return 0;
}

static int drop_unkept(struct server_conn *c, int error)
{
	server_log_closed(&c->server->log, &c->peer,
		error == -ENOMEM ? "gets no reply: out of memory" : "does not read its replies");
	server_conn_drop(c);
	return error;
}

/* All output together is bounded; 0 where c still gets its own. */
static int bound_total(struct server_conn *c)
{
	struct server *s = c->server;

	if (s->output_bytes > s->settings.max_output_total_bytes)
		server_shed_output(s);
	if (c->source.fd < 0)
		return -ENOBUFS;
	return c->hung_up ? -ENOTCONN : 0;
}

int server_conn_send(struct server_conn *c, const json_t *message)
{
	int r;

	if (c->source.fd < 0 || c->hung_up)
		return -ENOTCONN;
	r = encode(c, message);
	if (r < 0)
		return drop_unkept(c, r);
	server_conn_flush(c);
	return bound_total(c);
}

int server_conn_queue(struct server_conn *c, const struct buf *messages)
{
	int r;

	if (messages->len == 0)
		return 0;
	if (c->source.fd < 0 || c->hung_up)
		return -ENOTCONN;
	r = buf_append(&c->out, make_room(c), messages->data, messages->len);
	if (r < 0)
		return drop_unkept(c, r);
	account(c, messages->len);
	return bound_total(c);
}

static void receive(struct server_conn *c)
{
	char chunk[SERVER_CHUNK];
	ssize_t n = sys_recv(c->source.fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n == -EAGAIN)
		return;
	if (n < 0)
		c->hung_up = true;
	if (n <= 0) {
		c->eof = true;
		return;
	}
	if (buf_append(&c->in, SIZE_MAX, chunk, (size_t)n) < 0) {
		log_warning("control: no memory for a request of uid %u pid %d; connection closed",
			c->peer.uid, c->peer.pid);
		server_conn_drop(c);
		return;
	}
	c->server->input_bytes += (size_t)n;
	if (c->server->input_bytes > c->server->settings.max_input_total_bytes)
		server_shed_input(c->server);
}

static void take_request(struct server_conn *c)
{
	size_t n = (size_t)c->message;
	json_t *request;

	if (n >= c->server->settings.max_request_bytes ||
		server_call_count_values(c->in.data, n) > SERVER_MAX_VALUES) {
		server_call_too_long(c);
		return;
	}
	request = json_loadb(c->in.data, n, JSON_REJECT_DUPLICATES, NULL);
	/* Before the call: its reply looks for the next request. */
	buf_consume(&c->in, n + 1);
	c->server->input_bytes -= n + 1;
	c->message = -1;
	c->scanned = 0;
	c->request_usec = USEC_INFINITY;
	server_call_begin(c, request);
}

void server_conn_run(struct server_conn *c)
{
	struct server *s = c->server;
	unsigned budget = s->settings.requests_per_round;
	usec_t began = usec_now(CLOCK_MONOTONIC);

	if (c->hung_up)
		server_call_cancel(c);
	while (is_free(c) && find_message(c) && budget > 0) {
		budget--;
		take_request(c);
		if (c->hung_up)
			server_call_cancel(c);
		if (usec_sub(usec_now(CLOCK_MONOTONIC), began) >= s->settings.turn_usec)
			break;
	}
	if (is_free(c) && !find_message(c) && c->in.len >= s->settings.max_request_bytes)
		server_call_too_long(c);
	server_conn_settle(c);
}

/* Nothing can come of it any more. */
static bool is_over(struct server_conn *c)
{
	if (c->call || has_output(c))
		return false;
	return c->closing || (c->eof && !find_message(c));
}

static void set_timer(struct server_conn *c)
{
	struct server *s = c->server;

	/* Only while we read: what waits for us is not the client's delay. */
	if (!wants_input(c) || c->in.len == 0)
		c->request_usec = USEC_INFINITY;
	else if (c->request_usec == USEC_INFINITY)
		c->request_usec = s->loop->now_usec;
	loop_timer_set(s->loop, &c->timer,
		MIN_OF(usec_add(c->request_usec, s->settings.request_timeout_usec),
			usec_add(c->output_usec, s->settings.output_timeout_usec)));
}

void server_conn_settle(struct server_conn *c)
{
	struct server *s = c->server;
	uint32_t events = 0;

	if (c->source.fd < 0)
		return;
	if (is_over(c)) {
		server_conn_drop(c);
		return;
	}
	/* A call of someone who is gone is cancelled from the loop as well. */
	if (list_empty(&c->ready) && ((is_free(c) && find_message(c)) || (c->hung_up && c->call)))
		server_make_ready(s, c);
	if (c->in.len == 0)
		buf_fini(&c->in);
	if (wants_input(c))
		events |= EPOLLIN;
	if (has_output(c))
		events |= EPOLLOUT;
	set_timer(c);
	if (loop_modify(s->loop, &c->source, events) < 0)
		server_conn_drop(c);
}

static void conn_ready(struct loop_source *source, uint32_t events)
{
	struct server_conn *c = CONTAINER_OF(source, struct server_conn, source);

	if (events & (EPOLLHUP | EPOLLERR)) {
		c->hung_up = true;
		discard_output(c);
	}
	if (events & EPOLLOUT) {
		server_conn_flush(c);
		if (!has_output(c) && !c->hung_up && c->call && c->call->drained)
			c->call->drained(c->call);
	}
	if (wants_input(c))
		receive(c);
	/* A request without an end must not grow meanwhile; that costs nothing to see. */
	if (server_round_is_over(c->server) && c->in.len < c->server->settings.max_request_bytes)
		server_conn_settle(c);
	else
		server_conn_run(c);
}

static void conn_too_slow(struct loop_timer *t)
{
	struct server_conn *c = CONTAINER_OF(t, struct server_conn, timer);

	server_log_closed(&c->server->log, &c->peer,
		c->output_usec != USEC_INFINITY ? "does not read its replies"
						: "is too slow to send a request");
	server_conn_drop(c);
}

int server_conn_new(struct server *s, int fd, struct peer *peer)
{
	struct server_conn *c = malloc(sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct server_conn){
		.server = s,
		.source = {.fd = -1, .dispatch = conn_ready},
		.timer.dispatch = conn_too_slow,
		.message = -1,
		.request_usec = USEC_INFINITY,
		.output_usec = USEC_INFINITY,
	};
	list_init(&c->ready);
	r = loop_timer_add(s->loop, &c->timer);
	if (r < 0) {
		free(c);
		return r;
	}
	r = loop_add(s->loop, &c->source, fd, EPOLLIN);
	if (r < 0) {
		loop_timer_remove(s->loop, &c->timer);
		free(c);
		return r;
	}
	c->peer = *peer;
	*peer = (struct peer){0};
	list_append(&s->conns, &c->node);
	s->n_conns++;
	return 0;
}
