/*
 * To a local syslogd as glibc's syslog() writes: "<PRI>Mmm dd hh:mm:ss tag[pid]: line" in local
 * time; over a network by RFC 5424, whose time stamps have a year, a zone and microseconds, by
 * TCP with each message's length before it (RFC 6587). The facility is daemon.
 *
 * A local syslogd may have a datagram or a stream socket: what the kernel says to the first
 * connect() decides (EPROTOTYPE), and again when that changes.
 */
#include "engine/logs/outlet/syslog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "conf/values/address.h"
#include "engine/logs/outlet/datagram.h"
#include "engine/logs/outlet/stream.h"

#define APP_NAME_MAX 48 /* RFC 5424 */

struct syslog {
	union {
		struct outlet outlet; /* the first member of each */
		struct datagram datagram;
		struct stream stream;
	};
	char host[HOST_NAME_MAX + 1];
};

/* "<30>": 24 is the facility daemon. */
static void add_priority(struct message *m, const struct line *line)
{
	static const char texts[PRIORITY_MAX + 1][5] = {
		"<24>",
		"<25>",
		"<26>",
		"<27>",
		"<28>",
		"<29>",
		"<30>",
		"<31>",
	};

	message_add(m, texts[line->priority], 4);
}

static void make_message(
	const struct message_head *head, const struct line *line, struct message *ret)
{
	add_priority(ret, line);
	message_add(ret, head->text, head->n);
	message_add(ret, line->head, line->n_head);
	message_add(ret, line->text, line->n_text);
}

static void print_local_head(
	const struct outlet *o _unused_, const struct log_origin *origin, struct message_head *ret)
{
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = time(NULL);
	char pid[16] = "";
	struct tm tm = {0};

	localtime_r(&now, &tm);
	if (origin->pid > 0)
		snprintf(pid, sizeof(pid), "[%d]", (int)origin->pid);
	ret->n = message_head_length(snprintf(ret->text, sizeof(ret->text),
		"%s %2d %02d:%02d:%02d %.80s%s: ", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec, origin->name, pid));
}

/* VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA */
static void print_head(
	const struct outlet *o, const struct log_origin *origin, struct message_head *ret)
{
	const struct syslog *s = CONTAINER_OF(o, const struct syslog, outlet);
	char stamp[USEC_RFC3339_SIZE], pid[16] = "-";

	usec_rfc3339(usec_now(CLOCK_REALTIME), stamp);
	if (origin->pid > 0)
		snprintf(pid, sizeof(pid), "%d", (int)origin->pid);
	ret->n = message_head_length(
		snprintf(ret->text, sizeof(ret->text), "1 %s %s %.*s %s %.32s - ", stamp, s->host,
			APP_NAME_MAX, origin->name, pid, origin->stream));
}

static const struct message_form local_form = {
	.max_line = SYSLOG_MAX_LINE,
	.head = print_local_head,
	.message = make_message,
};

static const struct message_form form = {
	.max_line = SYSLOG_MAX_LINE,
	.head = print_head,
	.message = make_message,
};

static void datagram_free(struct outlet *o)
{
	struct syslog *s = CONTAINER_OF(o, struct syslog, outlet);

	datagram_close(&s->datagram);
	outlet_fini(o);
	free(s);
}

static void stream_free(struct outlet *o)
{
	struct syslog *s = CONTAINER_OF(o, struct syslog, outlet);

	stream_close(&s->stream);
	outlet_fini(o);
	free(s);
}

static const struct outlet_ops datagram_ops = {
	.take = datagram_take,
	.end = datagram_end,
	.free = datagram_free,
};

static const struct outlet_ops stream_ops = {
	.take = stream_take,
	.end = stream_end,
	.ready = stream_ready,
	.free = stream_free,
};

static const struct outlet_ops local_datagram_ops, local_stream_ops;

static void init_datagram(
	struct datagram *d, const struct message_form *f, const void *address, socklen_t n_address)
{
	d->form = f;
	d->send_large = NULL;
	memcpy(&d->address, address, n_address);
	d->n_address = n_address;
	d->fd = -1;
	d->fresh = false;
	d->outlet.idle_events = 0;
}

static void become_stream(struct syslog *s)
{
	struct sockaddr_storage address = s->datagram.address;

	datagram_close(&s->datagram);
	stream_init(&s->stream, &local_form, false, &address, s->datagram.n_address);
	s->outlet.ops = &local_stream_ops;
}

/* What was framed for the other kind of socket can't be sent. */
static void become_datagram(struct syslog *s)
{
	struct sockaddr_storage address = s->stream.address;
	struct buf *pending = &s->outlet.pending;

	stream_close(&s->stream);
	for (size_t i = 0; i < pending->len; i++)
		s->outlet.lost_lines += pending->data[i] == '\0';
	s->outlet.lost_bytes += pending->len;
	buf_fini(pending);
	init_datagram(&s->datagram, &local_form, &address, s->stream.n_address);
	s->outlet.ops = &local_datagram_ops;
}

/* Which kind of socket is there? Leaves other troubles to who writes next. */
static void look(struct outlet *o, usec_t now)
{
	struct syslog *s = CONTAINER_OF(o, struct syslog, outlet);

	if (outlet_is_blocked(o, now))
		return;
	if (o->ops == &local_stream_ops && o->error == -EPROTOTYPE)
		become_datagram(s);
	else if (o->ops == &local_datagram_ops && datagram_connect(&s->datagram) == -EPROTOTYPE)
		become_stream(s);
}

static size_t local_take(struct outlet *o, struct outlet_writer *w, const struct log_origin *origin,
	const char *data, size_t n, usec_t now)
{
	look(o, now);
	return o->ops == &local_stream_ops ? stream_take(o, w, origin, data, n, now)
					   : datagram_take(o, w, origin, data, n, now);
}

static size_t local_end(
	struct outlet *o, struct outlet_writer *w, const struct log_origin *origin, usec_t now)
{
	look(o, now);
	return o->ops == &local_stream_ops ? stream_end(o, w, origin, now)
					   : datagram_end(o, w, origin, now);
}

static void local_stream_ready(struct outlet *o, uint32_t events, usec_t now)
{
	look(o, now);
	if (o->ops == &local_stream_ops)
		stream_ready(o, events, now);
}

static const struct outlet_ops local_datagram_ops = {
	.take = local_take,
	.end = local_end,
	.free = datagram_free,
};

static const struct outlet_ops local_stream_ops = {
	.take = local_take,
	.end = local_end,
	.ready = local_stream_ready,
	.free = stream_free,
};

static bool parse_host_port(const char *text, struct sockaddr_storage *ret, socklen_t *ret_n)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct address a;

	if (address_parse_tcp(text, &a))
		return false;
	if (a.family == AF_INET6) {
		v6.sin6_port = htons(a.port);
		v6.sin6_addr = a.ipv6;
		memcpy(ret, &v6, sizeof(v6));
		*ret_n = sizeof(v6);
		return true;
	}
	v4.sin_port = htons(a.port);
	v4.sin_addr = a.ipv4;
	if (a.family == AF_UNSPEC)
		v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memcpy(ret, &v4, sizeof(v4));
	*ret_n = sizeof(v4);
	return true;
}

static bool parse_path(const char *path, struct sockaddr_storage *ret, socklen_t *ret_n)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(un.sun_path))
		return false;
	memcpy(un.sun_path, path, strlen(path));
	memcpy(ret, &un, sizeof(un));
	*ret_n = sizeof(un);
	return true;
}

/* RFC 5424: printable ASCII, or "-". */
static void read_host_name(char ret[static HOST_NAME_MAX + 1])
{
	if (gethostname(ret, HOST_NAME_MAX + 1) < 0)
		ret[0] = '\0';
	ret[HOST_NAME_MAX] = '\0';
	for (char *p = ret; *p; p++) {
		if (*p <= ' ' || *p > '~')
			*p = '?';
	}
	if (!ret[0])
		memcpy(ret, "-", 2);
}

int syslog_new(struct outlet_set *set, const struct spec_target *target, struct outlet **ret)
{
	_cleanup_free_
	struct syslog *s = calloc(1, sizeof(*s));
	const char *text = target->address, *rest = text + strlen("udp:");
	bool tcp = strncmp(text, "tcp:", 4) == 0, local = strncmp(text, "unix:", 5) == 0;
	struct sockaddr_storage address = {0};
	socklen_t n = 0;
	int r;

	if (!s)
		return -ENOMEM;
	if (local ? !parse_path(rest + 1, &address, &n)
		  : (!tcp && strncmp(text, "udp:", 4) != 0) || !parse_host_port(rest, &address, &n))
		return -EINVAL;
	r = outlet_init(&s->outlet, set,
		local ? &local_datagram_ops
		: tcp ? &stream_ops
		      : &datagram_ops,
		target);
	if (r < 0)
		return r;
	s->outlet.wary = !local;
	read_host_name(s->host);
	if (tcp)
		stream_init(&s->stream, &form, true, &address, n);
	else
		init_datagram(&s->datagram, local ? &local_form : &form, &address, n);
	*ret = &TAKE_PTR(s)->outlet;
	return 0;
}
