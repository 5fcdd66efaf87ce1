/*
 * The outlet to a syslogd: local sockets of both kinds, UDP, and TCP, whose connections are
 * slow, torn, refused, or never made.
 */
#include "outlets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "engine/logs/outlet/stream.h"
#include "engine/logs/outlet/syslog.h"

struct fixture {
	struct outlets o;
	char path[256], address[300];
	int receiver, connection;
	char *data; /* what came by the last receive() */
	size_t n;
};

#define DATA_SIZE (8 << 20)

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	outlets_init(&f->o, -1);
	bench_path(&f->o.bench, "log", f->path);
	snprintf(f->address, sizeof(f->address), "unix:%s", f->path);
	f->receiver = f->connection = -1;
	f->data = malloc(DATA_SIZE);
	assert_non_null(f->data);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->receiver >= 0)
		close(f->receiver);
	if (f->connection >= 0)
		close(f->connection);
	outlets_fini(&f->o);
	free(f->data);
	free(f);
	return 0;
}

/* A port of its own on the loopback interface, which the address of the fixture names. */
static void bind_inet(struct fixture *f, int family, int type)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	socklen_t n = family == AF_INET ? sizeof(v4) : sizeof(v6);
	struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	int size = 4096;

	f->receiver = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->receiver < 0 || bind(f->receiver, a, n) < 0)
		skip(); /* no IPv6 here */
	if (type == SOCK_STREAM) {
		setsockopt(f->receiver, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		assert_int_equal(listen(f->receiver, 8), 0);
	}
	assert_int_equal(getsockname(f->receiver, a, &n), 0);
	snprintf(f->address, sizeof(f->address), "%s:%s:%u", type == SOCK_STREAM ? "tcp" : "udp",
		family == AF_INET ? "127.0.0.1" : "[::1]",
		ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port));
}

static void join_both(struct fixture *f)
{
	join(&f->o, &f->o.web, SPEC_SINK_SYSLOG, f->address);
	join(&f->o, &f->o.db, SPEC_SINK_SYSLOG, f->address);
}

static struct outlet *outlet(struct fixture *f)
{
	return f->o.web.writer.outlet;
}

/* The next datagram; waits for it where it goes over a network. */
static const char *receive(struct fixture *f)
{
	struct pollfd p = {.fd = f->receiver, .events = POLLIN};
	ssize_t n;

	assert_int_equal(poll(&p, 1, 10000), 1);
	n = recv(f->receiver, f->data, DATA_SIZE - 1, 0);
	assert_true(n >= 0);
	f->n = (size_t)n;
	f->data[n] = '\0';
	return f->data;
}

/* Behind "<PRI>Mmm dd hh:mm:ss ". */
static const char *after_local_time(const char *text, const char *priority)
{
	struct tm tm = {0};
	const char *rest;

	assert_int_equal(strncmp(text, priority, strlen(priority)), 0);
	rest = strptime(text + strlen(priority), "%b %e %H:%M:%S ", &tm);
	assert_non_null(rest);
	assert_int_equal(rest - text - (long)strlen(priority), 16);
	return rest;
}

static void a_local_syslogd_gets_what_syslog_3_writes(void **state)
{
	struct fixture *f = *state;
	struct log_origin early = web;

	f->receiver = bind_unix(f->path, SOCK_DGRAM);
	join_both(f);
	put(&f->o.web, &web, "hello\n<1>alert\n", f->o.now);
	assert_string_equal(after_local_time(receive(f), "<30>"), "web[123]: hello");
	assert_string_equal(after_local_time(receive(f), "<25>"), "web[123]: alert");
	put(&f->o.db, &db, "world\n", f->o.now);
	assert_string_equal(after_local_time(receive(f), "<27>"), "db@2[77]: world");
	early.pid = 0;
	put(&f->o.web, &early, "early", f->o.now);
	assert_int_equal(outlet_end(&f->o.web.writer, &early, f->o.now), 0);
	assert_string_equal(after_local_time(receive(f), "<30>"), "web: early");
	assert_true(is_idle(&f->o));
}

static void a_long_line_is_cut(void **state)
{
	struct fixture *f = *state;
	static char line[SYSLOG_MAX_LINE + 11];

	f->receiver = bind_unix(f->path, SOCK_DGRAM);
	join_both(f);
	memset(line, 'x', sizeof(line));
	memcpy(line, "<0>", 3);
	line[sizeof(line) - 1] = '\n';
	assert_int_equal(put_data(&f->o.web, &web, line, sizeof(line), f->o.now), sizeof(line));
	after_local_time(receive(f), "<24>");
	assert_true(f->n > SYSLOG_MAX_LINE && f->n <= SYSLOG_MAX_MESSAGE);
	assert_string_equal(after_local_time(receive(f), "<24>"), "web[123]: xxxxxxxxxx");
}

static void a_stopped_local_syslogd_is_waited_for(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	f->receiver = bind_unix(f->path, SOCK_DGRAM);
	join_both(f);
	while (put_data(&f->o.web, &web, "x\n", 2, f->o.now) > 0)
		assert_true(++n < 100000);
	assert_int_equal(outlet(f)->error, 0);
	for (unsigned i = 0; i < n; i++)
		receive(f);
	run_until_told(&f->o, &f->o.web);
	put(&f->o.web, &web, "after\n", f->o.now);
	assert_string_equal(after_local_time(receive(f), "<30>"), "web[123]: after");
}

static void accept_one(struct fixture *f)
{
	struct pollfd p = {.fd = f->receiver, .events = POLLIN};

	if (f->connection >= 0)
		close(f->connection);
	assert_int_equal(poll(&p, 1, 10000), 1);
	f->connection = accept4(f->receiver, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(f->connection >= 0);
}

/* Reads n bytes of the connection, the loop running meanwhile. */
static const char *read_bytes(struct fixture *f, size_t n)
{
	usec_t end = usec_now(CLOCK_MONOTONIC) + 10 * SEC;

	assert_true(n < DATA_SIZE);
	f->n = 0;
	while (f->n < n) {
		ssize_t r = recv(f->connection, f->data + f->n, n - f->n, 0);

		assert_int_not_equal(r, 0);
		if (r > 0)
			f->n += (size_t)r;
		else if (!is_idle(&f->o))
			assert_int_equal(loop_once(&f->o.loop), 0);
		assert_true(usec_now(CLOCK_MONOTONIC) < end);
	}
	f->data[n] = '\0';
	return f->data;
}

/* A frame of TCP: its message. */
static const char *read_frame(struct fixture *f)
{
	size_t n = 0;

	for (;;) {
		char c = read_bytes(f, 1)[0];

		if (c == ' ')
			break;
		assert_true(c >= '0' && c <= '9' && n < 1000000);
		n = n * 10 + (size_t)(c - '0');
	}
	return read_bytes(f, n);
}

static const char *read_until_nul(struct fixture *f)
{
	static char text[1000];
	size_t n = 0;

	do {
		assert_in_range(n, 0, sizeof(text) - 1);
		text[n] = read_bytes(f, 1)[0];
	} while (text[n++]);
	return text;
}

static void a_local_stream_is_found_out(void **state)
{
	struct fixture *f = *state;

	f->receiver = bind_unix(f->path, SOCK_STREAM);
	join_both(f);
	assert_int_equal(put_data(&f->o.web, &web, "a\0b\nc\n", 6, f->o.now), 6);
	accept_one(f);
	assert_string_equal(after_local_time(read_until_nul(f), "<30>"), "web[123]: a b");
	assert_string_equal(after_local_time(read_until_nul(f), "<30>"), "web[123]: c");
	assert_int_equal(bench_log_lines(&f->o.bench), 0);
	assert_true(is_idle(&f->o));
}

static void a_local_socket_may_become_one_of_the_other_kind(void **state)
{
	struct fixture *f = *state;

	f->receiver = bind_unix(f->path, SOCK_STREAM);
	join_both(f);
	put(&f->o.web, &web, "a\n", f->o.now);
	accept_one(f);
	read_until_nul(f);
	CONTAINER_OF(outlet(f), struct stream, outlet)->since_usec = f->o.now - 2 * SEC;
	close(f->receiver);
	close(f->connection);
	f->connection = -1;
	f->receiver = bind_unix(f->path, SOCK_DGRAM);
	assert_int_equal(loop_once(&f->o.loop), 0); /* the connection's end */
	put(&f->o.web, &web, "lost\n", f->o.now);
	assert_int_equal(outlet(f)->error, -EPROTOTYPE);
	put(&f->o.web, &web, "b\n", f->o.now + SEC);
	assert_string_equal(after_local_time(receive(f), "<30>"), "web[123]: b");
	assert_int_equal(bench_logged(&f->o.bench, "1 lines were lost"), 1);
	close(f->receiver);
	f->receiver = bind_unix(f->path, SOCK_STREAM);
	assert_int_equal(put_data(&f->o.web, &web, "c\n", 2, f->o.now + 2 * SEC), 0);
	put(&f->o.web, &web, "c\nd\n", f->o.now + 3 * SEC);
	accept_one(f);
	assert_string_equal(after_local_time(read_until_nul(f), "<30>"), "web[123]: c");
	assert_string_equal(after_local_time(read_until_nul(f), "<30>"), "web[123]: d");
}

/* "<PRI>1 TIME HOST APP PID MSGID - MESSAGE"; returns the message. */
static const char *check_5424(
	const char *text, const char *priority, const char *app, const char *pid, const char *id)
{
	char host[HOST_NAME_MAX + 1] = "", want[256];
	struct tm tm = {0};
	const char *p;

	gethostname(host, sizeof(host));
	assert_int_equal(strncmp(text, priority, strlen(priority)), 0);
	text += strlen(priority);
	assert_int_equal(strncmp(text, "1 ", 2), 0);
	p = strptime(text + 2, "%Y-%m-%dT%H:%M:%S.", &tm);
	assert_non_null(p);
	assert_int_equal(strspn(p, "0123456789"), 6);
	assert_in_range(timegm(&tm), time(NULL) - 60, time(NULL) + 1);
	snprintf(want, sizeof(want), "Z %s %s %s %s - ", host, app, pid, id);
	assert_int_equal(strncmp(p + 6, want, strlen(want)), 0);
	return p + 6 + strlen(want);
}

static void udp_to(struct fixture *f, int family)
{
	struct log_origin early = web;

	bind_inet(f, family, SOCK_DGRAM);
	join_both(f);
	put(&f->o.web, &web, "hello\n<7>debug\n", f->o.now);
	assert_string_equal(check_5424(receive(f), "<30>", "web", "123", "stdout"), "hello");
	assert_string_equal(check_5424(receive(f), "<31>", "web", "123", "stdout"), "debug");
	put(&f->o.db, &db, "world\n", f->o.now);
	assert_string_equal(check_5424(receive(f), "<27>", "db@2", "77", "stderr"), "world");
	early.pid = 0;
	early.name = "a-name-of-more-than-48-characters-is-cut-to-so-many";
	put(&f->o.web, &early, "early\n", f->o.now);
	assert_string_equal(
		check_5424(receive(f), "<30>", "a-name-of-more-than-48-characters-is-cut-to-so-m",
			"-", "stdout"),
		"early");
}

static void udp_carries_rfc_5424(void **state)
{
	udp_to(*state, AF_INET);
}

static void udp_carries_rfc_5424_over_ipv6(void **state)
{
	udp_to(*state, AF_INET6);
}

static void udp_without_a_receiver_fails_and_is_mended_after_a_calm_second(void **state)
{
	struct fixture *f = *state;
	usec_t now = f->o.now;
	unsigned i;

	bind_inet(f, AF_INET, SOCK_DGRAM);
	join_both(f);
	close(f->receiver);
	f->receiver = -1;
	/* The refusal of one is the answer to the next. */
	for (i = 0; i < 1000 && outlet(f)->error == 0; i++)
		put_data(&f->o.web, &web, "x\n", 2, now);
	assert_int_equal(outlet(f)->error, -ECONNREFUSED);
	put(&f->o.web, &web, "x\n", now + SEC);
	assert_int_equal(outlet(f)->error, -ECONNREFUSED);
	assert_int_equal(bench_log_lines(&f->o.bench), 1);
}

static void a_message_that_fits_no_datagram_is_lost_and_told(void **state)
{
	struct fixture *f = *state;

	f->receiver = bind_unix(f->path, SOCK_DGRAM);
	join_both(f);
	inject("test:sendmmsg:1:EMSGSIZE");
	assert_int_equal(put_data(&f->o.web, &web, "one\ntwo\n", 8, f->o.now), 4);
	put(&f->o.web, &web, "two\n", f->o.now + SEC);
	assert_string_equal(after_local_time(receive(f), "<30>"), "web[123]: two");
	assert_int_equal(bench_logged(&f->o.bench, "mended: 4 bytes, 1 lines were lost"), 1);
}

static void tcp_counts_its_messages(void **state)
{
	struct fixture *f = *state;

	bind_inet(f, AF_INET, SOCK_STREAM);
	join_both(f);
	assert_int_equal(put_data(&f->o.web, &web, "a\0b\n\n<0>last\n", 13, f->o.now), 13);
	accept_one(f);
	assert_memory_equal(check_5424(read_frame(f), "<30>", "web", "123", "stdout"), "a\0b", 4);
	assert_string_equal(check_5424(read_frame(f), "<30>", "web", "123", "stdout"), "");
	assert_string_equal(check_5424(read_frame(f), "<24>", "web", "123", "stdout"), "last");
	assert_int_equal(bench_log_lines(&f->o.bench), 0);
	assert_true(is_idle(&f->o));
	assert_null(outlet(f)->pending.data);
}

/* Numbered lines, until nothing is taken any more. */
static unsigned flood(struct fixture *f, unsigned first, usec_t now)
{
	char line[1100];

	for (unsigned i = first;; i++) {
		int k = snprintf(line, sizeof(line), "%u ", i);

		memset(line + k, 'x', 1000);
		memcpy(line + k + 1000, "\n", 2);
		assert_in_range(i, 0, 100000);
		assert_true(outlet(f)->pending.len <= STREAM_MAX_PENDING);
		if (put_data(&f->o.web, &web, line, strlen(line), now) == 0)
			return i;
		/* The rest of what is under way arrives, so that it is full in the end. */
		if (!is_idle(&f->o) && !outlet(f)->full)
			assert_int_equal(loop_once(&f->o.loop), 0);
	}
}

static unsigned number(const char *message)
{
	unsigned i;

	assert_int_equal(sscanf(message, "%u ", &i), 1);
	return i;
}

static void a_slow_tcp_receiver_gets_all_in_order(void **state)
{
	struct fixture *f = *state;
	unsigned n;

	bind_inet(f, AF_INET, SOCK_STREAM);
	join_both(f);
	put(&f->o.web, &web, "0 first\n", f->o.now);
	accept_one(f);
	assert_int_equal(number(check_5424(read_frame(f), "<30>", "web", "123", "stdout")), 0);
	n = flood(f, 1, f->o.now);
	assert_true(n > 50);
	assert_int_equal(f->o.web.n_told, 0);
	for (unsigned i = 1; i < n; i++)
		assert_int_equal(
			number(check_5424(read_frame(f), "<30>", "web", "123", "stdout")), i);
	assert_int_equal(f->o.web.n_told, 1);
	assert_int_equal(bench_log_lines(&f->o.bench), 0);
	assert_true(is_idle(&f->o));
}

static void after_a_torn_connection_the_message_begun_is_sent_whole(void **state)
{
	struct fixture *f = *state;
	struct stream *s;
	unsigned n, i, last = 0;

	bind_inet(f, AF_INET, SOCK_STREAM);
	join_both(f);
	put(&f->o.web, &web, "0 first\n", f->o.now - 2 * SEC);
	accept_one(f);
	read_frame(f);
	n = flood(f, 1, f->o.now);
	s = CONTAINER_OF(outlet(f), struct stream, outlet);
	assert_true(s->n_sent > 0); /* a message went in part */
	s->since_usec = f->o.now - 2 * SEC;
	close(f->connection);
	f->connection = -1;
	assert_int_equal(loop_once(&f->o.loop), 0);
	accept_one(f);
	/* What the kernels had is gone; from there on, nothing is missing or torn. */
	i = last = number(check_5424(read_frame(f), "<30>", "web", "123", "stdout"));
	assert_in_range(i, 1, n - 1);
	while (last < n - 1) {
		last = number(check_5424(read_frame(f), "<30>", "web", "123", "stdout"));
		assert_int_equal(last, ++i);
	}
	assert_true(is_idle(&f->o));
}

static void what_is_not_acknowledged_is_given_up_before_long(void **state)
{
	struct fixture *f = *state;
	unsigned msec = 0;
	socklen_t n = sizeof(msec);

	bind_inet(f, AF_INET, SOCK_STREAM);
	join_both(f);
	put(&f->o.web, &web, "one\n", f->o.now);
	accept_one(f);
	read_frame(f);
	assert_int_equal(getsockopt(CONTAINER_OF(outlet(f), struct stream, outlet)->fd, IPPROTO_TCP,
				 TCP_USER_TIMEOUT, &msec, &n),
		0);
	assert_int_equal(msec, 30000);
}

static void the_end_of_an_idle_connection_is_noticed(void **state)
{
	struct fixture *f = *state;

	bind_inet(f, AF_INET, SOCK_STREAM);
	join_both(f);
	put(&f->o.web, &web, "one\n", f->o.now);
	accept_one(f);
	read_frame(f);
	CONTAINER_OF(outlet(f), struct stream, outlet)->since_usec = f->o.now - 2 * SEC;
	close(f->connection);
	f->connection = -1;
	assert_int_equal(loop_once(&f->o.loop), 0);
	put(&f->o.web, &web, "two\n", f->o.now);
	accept_one(f);
	assert_string_equal(check_5424(read_frame(f), "<30>", "web", "123", "stdout"), "two");
	assert_int_equal(bench_log_lines(&f->o.bench), 0);
}

static void a_connection_that_never_lasts_is_a_failure(void **state)
{
	struct fixture *f = *state;

	bind_inet(f, AF_INET, SOCK_STREAM);
	join_both(f);
	put(&f->o.web, &web, "one\n", f->o.now);
	accept_one(f);
	read_frame(f);
	close(f->connection);
	f->connection = -1;
	assert_int_equal(loop_once(&f->o.loop), 0);
	assert_int_equal(outlet(f)->error, -ECONNRESET);
	assert_true(is_idle(&f->o));
}

static void a_refused_connection_is_told_once_and_nothing_is_lost(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	usec_t almost = f->o.now - SEC + 20 * USEC_PER_MSEC;

	bind_inet(f, AF_INET, SOCK_STREAM);
	assert_int_equal(getsockname(f->receiver, (struct sockaddr *)&a, &n), 0);
	join_both(f);
	close(f->receiver);
	put(&f->o.web, &web, "0 kept\n", almost);
	while (outlet(f)->error == 0)
		assert_int_equal(loop_once(&f->o.loop), 0);
	assert_int_equal(outlet(f)->error, -ECONNREFUSED);
	put(&f->o.db, &db, "1 kept, too\n", almost);
	f->receiver = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		setsockopt(f->receiver, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
	assert_int_equal(bind(f->receiver, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(f->receiver, 8), 0);
	while (outlet(f)->pending.len > 0) {
		outlet(f)->retry_usec = MIN_OF(outlet(f)->retry_usec, f->o.now);
		outlet(f)->ops->ready(outlet(f), 0, f->o.now);
		assert_int_equal(loop_once(&f->o.loop), 0);
	}
	accept_one(f);
	assert_int_equal(number(check_5424(read_frame(f), "<30>", "web", "123", "stdout")), 0);
	assert_int_equal(number(check_5424(read_frame(f), "<27>", "db@2", "77", "stderr")), 1);
	/* That it went out once says little. */
	assert_int_equal(bench_logged(&f->o.bench, "mended"), 0);
	put(&f->o.web, &web, "2\n", f->o.now + 3 * SEC);
	assert_int_equal(bench_logged(&f->o.bench, "mended\n"), 1);
	assert_int_equal(bench_log_lines(&f->o.bench), 2);
}

static void a_connection_that_is_never_made_times_out(void **state)
{
	struct fixture *f = *state;
	struct outlet *o;

	bind_inet(f, AF_INET, SOCK_STREAM);
	join_both(f);
	o = outlet(f);
	put(&f->o.web, &web, "x\n", f->o.now);
	/* As if nobody had answered. */
	CONTAINER_OF(o, struct stream, outlet)->connecting = true;
	o->deadline_usec = f->o.now + STREAM_CONNECT_TIMEOUT_USEC;
	o->ops->ready(o, 0, f->o.now + STREAM_CONNECT_TIMEOUT_USEC - 1);
	assert_int_equal(o->error, 0);
	o->ops->ready(o, 0, f->o.now + STREAM_CONNECT_TIMEOUT_USEC);
	assert_int_equal(o->error, -ETIMEDOUT);
	assert_int_equal(bench_logged(&f->o.bench, "Connection timed out; trying again"), 1);
}

static void what_is_pending_is_sent_at_the_end(void **state)
{
	struct fixture *f = *state;

	bind_inet(f, AF_INET, SOCK_STREAM);
	join_both(f);
	put(&f->o.web, &web, "one\n", f->o.now);
	outlet_leave(&f->o.web.writer);
	outlet_leave(&f->o.db.writer);
	accept_one(f);
	assert_string_equal(check_5424(read_frame(f), "<30>", "web", "123", "stdout"), "one");
	assert_true(list_empty(&f->o.set.outlets));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_local_syslogd_gets_what_syslog_3_writes),
		TEST(a_long_line_is_cut),
		TEST(a_stopped_local_syslogd_is_waited_for),
		TEST(a_local_stream_is_found_out),
		TEST(a_local_socket_may_become_one_of_the_other_kind),
		TEST(udp_carries_rfc_5424),
		TEST(udp_carries_rfc_5424_over_ipv6),
		TEST(udp_without_a_receiver_fails_and_is_mended_after_a_calm_second),
		TEST(a_message_that_fits_no_datagram_is_lost_and_told),
		TEST(tcp_counts_its_messages),
		TEST(a_slow_tcp_receiver_gets_all_in_order),
		TEST(after_a_torn_connection_the_message_begun_is_sent_whole),
		TEST(what_is_not_acknowledged_is_given_up_before_long),
		TEST(the_end_of_an_idle_connection_is_noticed),
		TEST(a_connection_that_never_lasts_is_a_failure),
		TEST(a_refused_connection_is_told_once_and_nothing_is_lost),
		TEST(a_connection_that_is_never_made_times_out),
		TEST(what_is_pending_is_sent_at_the_end),
	};

	return cmocka_run_group_tests_name("outlet_syslog", tests, NULL, NULL);
}
