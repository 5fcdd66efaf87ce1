/*
 * A connection that is made without waiting, and for http one request over it. Of an answer
 * the status counts; the rest is read nevertheless, up to a bound, because a server whose
 * answer is cut off complains about it in its log, once for each probe.
 *
 * A connection to a port in the range that the kernel gives out by itself can meet itself when
 * nobody listens there: then both ends are the same, and that is no answer.
 */
#include "engine/ready/probe.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"
#include "conf/values/address.h"

#define BUSY_USEC	(20 * USEC_PER_MSEC) /* a Unix socket whose queue is full: try again */
#define READS_PER_ROUND 4

static void close_connection(struct probe *p)
{
	int fd = p->source.fd;

	if (fd < 0)
		return;
	loop_remove(p->loop, &p->source);
	close_fd(fd);
}

static void end(struct probe *p)
{
	close_connection(p);
	loop_timer_set(p->loop, &p->timer, USEC_INFINITY);
	if (p->talk)
		free(p->talk->request);
	free(p->talk);
	p->talk = NULL;
	p->running = p->decided = p->connected = false;
}

static void finish(struct probe *p)
{
	end(p);
	p->done(p);
}

/* The outcome is known; it is told by the timer, from the loop. */
_printf_(3, 4) static void decide(
	struct probe *p, enum probe_outcome outcome, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->text, sizeof(p->text), format, args);
	va_end(args);
	p->outcome = outcome;
	p->decided = true;
	close_connection(p);
	loop_timer_set(p->loop, &p->timer, p->loop->now_usec);
}

static bool is_our_lack(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS;
}

/* "connection refused": as it stands within a sentence. */
static void decide_error(struct probe *p, int error)
{
	char text[PROBE_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s", strerror(-error));
	text[0] = (char)tolower((unsigned char)text[0]);
	decide(p, is_our_lack(error) ? PROBE_NOT_ASKED : PROBE_BAD, "%s", text);
}

/* --- http --- */

static bool is_good(int status)
{
	return status >= 200 && status < 400;
}

static void decide_answer(struct probe *p)
{
	const struct http_answer *a = &p->talk->answer;

	if (a->outcome == HTTP_ANSWERED)
		decide(p, is_good(a->status) ? PROBE_GOOD : PROBE_BAD, "HTTP status %d%s%s",
			a->status, a->reason[0] ? " " : "", a->reason);
	else if (a->outcome == HTTP_MALFORMED)
		decide(p, PROBE_BAD, "the answer is no HTTP/1");
	else
		decide(p, PROBE_BAD, "the connection was closed without an answer");
}

static void keep_output(struct probe *p, const char *data, size_t n)
{
	size_t kept = p->n_output;

	if (n > sizeof(p->output)) {
		data += n - sizeof(p->output);
		n = sizeof(p->output);
	}
	if (kept + n > sizeof(p->output)) {
		size_t drop = kept + n - sizeof(p->output);

		memmove(p->output, p->output + drop, kept - drop);
		kept -= drop;
	}
	memcpy(p->output + kept, data, n);
	p->n_output = kept + n;
}

static void receive(struct probe *p)
{
	struct probe_talk *t = p->talk;
	char data[4096];

	for (int i = 0; i < READS_PER_ROUND && !p->decided; i++) {
		ssize_t n = sys_recv(p->source.fd, data, sizeof(data), MSG_DONTWAIT);

		if (n == -EAGAIN)
			return;
		if (n < 0 && t->answer.outcome == HTTP_MORE) {
			decide_error(p, (int)n);
			return;
		}
		if (n <= 0) {
			decide_answer(p);
			return;
		}
		t->n_received += (size_t)n;
		keep_output(p, data, (size_t)n);
		if (http_take(&t->answer, data, (size_t)n) == HTTP_MALFORMED ||
			t->n_received >= PROBE_MAX_RECEIVED)
			decide_answer(p);
	}
}

static void send_request(struct probe *p)
{
	struct probe_talk *t = p->talk;
	ssize_t n = sys_send(
		p->source.fd, t->request + t->n_sent, t->n_request - t->n_sent, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return;
	if (n < 0) {
		decide_error(p, (int)n);
		return;
	}
	t->n_sent += (size_t)n;
	if (t->n_sent == t->n_request)
		loop_modify(p->loop, &p->source, EPOLLIN);
}

/* --- connecting --- */

static void try_connect(struct probe *p);

static bool has_met_itself(int fd)
{
	union probe_socket ours = {0}, theirs = {0};
	socklen_t n_ours = sizeof(ours), n_theirs = sizeof(theirs);

	return getsockname(fd, &ours.any, &n_ours) == 0 &&
	       getpeername(fd, &theirs.any, &n_theirs) == 0 && n_ours == n_theirs &&
	       ours.any.sa_family != AF_UNIX && memcmp(&ours, &theirs, n_ours) == 0;
}

static void on_connected(struct probe *p)
{
	if (has_met_itself(p->source.fd)) {
		decide_error(p, -ECONNREFUSED);
		return;
	}
	p->connected = true;
	if (p->talk)
		send_request(p);
	else
		decide(p, PROBE_GOOD, "%s", "");
}

/* The next address; after the last one, what was wrong with the first is told. */
static void on_failed(struct probe *p, int error)
{
	close_connection(p);
	if (p->at == 0)
		p->first_error = error;
	if (is_our_lack(error))
		decide_error(p, error);
	else if (++p->at >= p->n_sockets)
		decide_error(p, p->first_error);
	else
		try_connect(p);
}

static void on_event(struct loop_source *source, uint32_t events _unused_)
{
	struct probe *p = CONTAINER_OF(source, struct probe, source);
	socklen_t n = sizeof(int);
	int error = 0;

	if (p->connected) {
		if (p->talk->n_sent < p->talk->n_request)
			send_request(p);
		else
			receive(p);
		return;
	}
	sys_getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (error)
		on_failed(p, -error);
	else
		on_connected(p);
}

static void try_connect(struct probe *p)
{
	const struct sockaddr *to = &p->sockets[p->at].any;
	int fd = sys_socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0), r;

	if (fd < 0) {
		on_failed(p, fd);
		return;
	}
	r = sys_connect(fd, to, p->sizes[p->at]);
	if (r == -EAGAIN && to->sa_family == AF_UNIX) {
		close_fd(fd);
		loop_timer_set(p->loop, &p->timer,
			MIN_OF(p->deadline_usec, usec_add(p->loop->now_usec, BUSY_USEC)));
		return;
	}
	if (r == 0 || r == -EINPROGRESS)
		r = loop_add(p->loop, &p->source, fd, EPOLLOUT);
	if (r < 0) {
		close_fd(fd);
		on_failed(p, r);
	}
}

static void on_timer(struct loop_timer *timer)
{
	struct probe *p = CONTAINER_OF(timer, struct probe, timer);
	char span[USEC_SPAN_SIZE];

	if (p->decided) {
		finish(p);
		return;
	}
	if (p->loop->now_usec < p->deadline_usec) {
		loop_timer_set(p->loop, &p->timer, p->deadline_usec);
		try_connect(p);
		return;
	}
	usec_span(p->timeout_usec, span);
	if (p->talk && p->talk->answer.outcome == HTTP_ANSWERED)
		decide_answer(p); /* only its end was missing */
	else if (p->connected)
		decide(p, PROBE_BAD, "no answer within %s", span);
	else
		decide(p, PROBE_BAD, "no connection within %s", span);
	finish(p);
}

/* --- from outside --- */

static int set_unix(struct probe *p, const char *path)
{
	struct sockaddr_un *un = &p->sockets[0].un;

	if (address_check_unix(path))
		return -EINVAL;
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(un->sun_path, path, strlen(path) + 1);
	p->sizes[0] = sizeof(*un);
	p->n_sockets = 1;
	return 0;
}

static void set_tcp(struct probe *p, const struct address *a)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons(a->port), .sin_addr = a->ipv4};
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_addr = a->ipv6};

	if (a->family == AF_UNSPEC) {
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in6.sin6_addr = in6addr_loopback;
	}
	if (a->family != AF_INET6) {
		p->sockets[p->n_sockets].in = in;
		p->sizes[p->n_sockets++] = sizeof(in);
	}
	if (a->family != AF_INET) {
		p->sockets[p->n_sockets].in6 = in6;
		p->sizes[p->n_sockets++] = sizeof(in6);
	}
}

static int set_talk(struct probe *p, const struct address *a)
{
	int n;

	p->talk = calloc(1, sizeof(*p->talk));
	if (!p->talk)
		return -ENOMEM;
	n = asprintf(&p->talk->request,
		"GET %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: supervisord/" SUPERVISORD_VERSION
		"\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		a->path, a->host, a->port);
	if (n < 0) {
		p->talk->request = NULL;
		return -ENOMEM;
	}
	p->talk->n_request = (size_t)n;
	return 0;
}

static int set_address(struct probe *p, enum spec_probe kind, const char *text)
{
	struct address a;
	const char *problem;

	p->n_sockets = p->at = 0;
	if (kind == SPEC_PROBE_UNIX)
		return set_unix(p, text);
	problem = kind == SPEC_PROBE_HTTP ? address_parse_http(text, &a)
					  : address_parse_tcp(text, &a);
	if (problem)
		return -EINVAL;
	set_tcp(p, &a);
	return kind == SPEC_PROBE_HTTP ? set_talk(p, &a) : 0;
}

int probe_init(struct probe *p, struct loop *loop, void (*done)(struct probe *p), void *userdata)
{
	*p = (struct probe){.loop = loop, .done = done, .userdata = userdata};
	p->source = (struct loop_source){.fd = -1, .dispatch = on_event};
	p->timer.dispatch = on_timer;
	return loop_timer_add(loop, &p->timer);
}

void probe_fini(struct probe *p)
{
	if (!p->loop)
		return;
	end(p);
	loop_timer_remove(p->loop, &p->timer);
	p->loop = NULL;
}

void probe_start(struct probe *p, enum spec_probe kind, const char *address, usec_t timeout_usec)
{
	int r;

	probe_cancel(p);
	p->running = true;
	p->text[0] = '\0';
	p->n_output = 0;
	p->timeout_usec = timeout_usec;
	p->deadline_usec = usec_add(p->loop->now_usec, timeout_usec);
	loop_timer_set(p->loop, &p->timer, p->deadline_usec);
	r = set_address(p, kind, address);
	if (r < 0)
		decide_error(p, r);
	else
		try_connect(p);
}

void probe_cancel(struct probe *p)
{
	if (p->running)
		end(p);
}
