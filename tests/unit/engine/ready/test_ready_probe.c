/*
 * Probes against servers of this test, over real sockets in a real loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "engine/ready/probe.h"
#include "tests/unit/directory.h"

#define LONG_USEC  (20 * USEC_PER_SEC) /* nothing here takes so long */
#define SHORT_USEC (50 * USEC_PER_MSEC)

struct fixture {
	struct loop loop;
	struct probe probe;
	bool done;
	int listener, client;
	char address[256], directory[DIRECTORY_SIZE];
	int lowest_fd;
};

static void done(struct probe *p)
{
	struct fixture *f = p->userdata;

	assert_false(f->done);
	f->done = true;
}

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->lowest_fd = lowest_fd();
	f->listener = f->client = -1;
	directory_make(f->directory);
	assert_int_equal(loop_init(&f->loop), 0);
	assert_int_equal(probe_init(&f->probe, &f->loop, done, f), 0);
	return 0;
}

static void close_test_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	probe_fini(&f->probe);
	loop_fini(&f->loop);
	close_test_fd(&f->listener);
	close_test_fd(&f->client);
	directory_remove(f->directory);
	assert_int_equal(lowest_fd(), f->lowest_fd);
	free(f);
	return 0;
}

/* --- servers --- */

/* before and after: what stands around the port in the address */
static void listen_tcp(struct fixture *f, int family, const char *before, const char *after)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	bool v6 = family == AF_INET6;
	struct sockaddr *a = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
	socklen_t n = v6 ? sizeof(in6) : sizeof(in);

	f->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->listener < 0 || bind(f->listener, a, n) < 0)
		skip();
	assert_int_equal(listen(f->listener, 8), 0);
	assert_int_equal(getsockname(f->listener, a, &n), 0);
	snprintf(f->address, sizeof(f->address), "%s%u%s", before,
		ntohs(v6 ? in6.sin6_port : in.sin_port), after);
}

static void listen_unix(struct fixture *f, int backlog)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(f->address, sizeof(f->address), "%s/socket", f->directory);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", f->directory);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(f->listener, backlog), 0);
}

static void turn(struct fixture *f)
{
	assert_int_equal(loop_once(&f->loop), 0);
}

static void wait_done(struct fixture *f)
{
	while (!f->done)
		turn(f);
}

static void ask(struct fixture *f, enum spec_probe kind, usec_t timeout)
{
	f->loop.now_usec = usec_now(CLOCK_MONOTONIC);
	f->done = false;
	probe_start(&f->probe, kind, f->address, timeout);
	assert_false(f->done);
}

static void expect(struct fixture *f, enum probe_outcome outcome, const char *text)
{
	wait_done(f);
	assert_string_equal(f->probe.text, text);
	assert_int_equal(f->probe.outcome, outcome);
}

/* Takes the connection and the whole request. */
static void take_request(struct fixture *f, const char *want)
{
	char data[1024];
	size_t n = 0;

	do
		turn(f);
	while (!f->probe.connected);
	f->client = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(f->client >= 0);
	while (n < strlen(want)) {
		ssize_t r = recv(f->client, data + n, sizeof(data) - n, MSG_DONTWAIT);

		if (r < 0)
			turn(f);
		else
			n += (size_t)r;
	}
	data[n] = '\0';
	assert_string_equal(data, want);
}

static void begin_http(struct fixture *f, usec_t timeout)
{
	char want[512];

	listen_tcp(f, AF_INET, "http://127.0.0.1:", "/health?x=1");
	ask(f, SPEC_PROBE_HTTP, timeout);
	snprintf(want, sizeof(want),
		"GET /health?x=1 HTTP/1.1\r\nHost: %.*s\r\n"
		"User-Agent: supervisord/" SUPERVISORD_VERSION
		"\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		(int)strcspn(f->address + 7, "/"), f->address + 7);
	take_request(f, want);
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* --- tcp and unix --- */

static void a_port_that_accepts_is_good(void **state)
{
	struct fixture *f = *state;

	listen_tcp(f, AF_INET, "127.0.0.1:", "");
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	expect(f, PROBE_GOOD, "");
	/* Again with the same one. */
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	expect(f, PROBE_GOOD, "");
}

static void a_port_that_nobody_listens_on_is_bad(void **state)
{
	struct fixture *f = *state;

	listen_tcp(f, AF_INET, "127.0.0.1:", "");
	close_test_fd(&f->listener);
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	expect(f, PROBE_BAD, "connection refused");
}

static void localhost_is_either_family(void **state)
{
	struct fixture *f = *state;

	listen_tcp(f, AF_INET6, "localhost:", "");
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	expect(f, PROBE_GOOD, "");
	close_test_fd(&f->listener);
	listen_tcp(f, AF_INET, "localhost:", "");
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	expect(f, PROBE_GOOD, "");
	close_test_fd(&f->listener);
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	expect(f, PROBE_BAD, "connection refused");
}

static void ipv6_stands_in_brackets(void **state)
{
	struct fixture *f = *state;

	listen_tcp(f, AF_INET6, "[::1]:", "");
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	expect(f, PROBE_GOOD, "");
}

static void a_unix_socket_that_accepts_is_good(void **state)
{
	struct fixture *f = *state;

	listen_unix(f, 8);
	ask(f, SPEC_PROBE_UNIX, LONG_USEC);
	expect(f, PROBE_GOOD, "");
	close_test_fd(&f->listener);
	ask(f, SPEC_PROBE_UNIX, LONG_USEC);
	expect(f, PROBE_BAD, "connection refused");
	unlink(f->address);
	ask(f, SPEC_PROBE_UNIX, LONG_USEC);
	expect(f, PROBE_BAD, "no such file or directory");
}

static void a_full_queue_is_waited_for(void **state)
{
	struct fixture *f = *state;
	int first;

	listen_unix(f, 0);
	ask(f, SPEC_PROBE_UNIX, LONG_USEC);
	expect(f, PROBE_GOOD, ""); /* it takes the only place, though it is closed by now */
	ask(f, SPEC_PROBE_UNIX, SHORT_USEC);
	expect(f, PROBE_BAD, "no connection within 50ms");
	ask(f, SPEC_PROBE_UNIX, LONG_USEC);
	turn(f);
	assert_false(f->done);
	first = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(first >= 0);
	close(first);
	expect(f, PROBE_GOOD, "");
}

static void an_address_that_makes_no_sense_is_bad(void **state)
{
	struct fixture *f = *state;

	strcpy(f->address, "example.org:80");
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	expect(f, PROBE_BAD, "invalid argument");
	strcpy(f->address, "https://127.0.0.1:80/");
	ask(f, SPEC_PROBE_HTTP, LONG_USEC);
	expect(f, PROBE_BAD, "invalid argument");
	memset(f->address, 'x', 200);
	f->address[0] = '/';
	ask(f, SPEC_PROBE_UNIX, LONG_USEC);
	expect(f, PROBE_BAD, "invalid argument");
}

static void our_own_lack_is_not_the_service_s_fault(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, low;

	listen_tcp(f, AF_INET, "127.0.0.1:", "");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)lowest_fd();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	ask(f, SPEC_PROBE_TCP, LONG_USEC);
	wait_done(f);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect(f, PROBE_NOT_ASKED, "too many open files");
}

static void one_that_is_cancelled_says_nothing(void **state)
{
	struct fixture *f = *state;

	listen_unix(f, 8);
	ask(f, SPEC_PROBE_UNIX, LONG_USEC);
	probe_cancel(&f->probe);
	probe_cancel(&f->probe);
	begin_http(f, LONG_USEC);
	probe_cancel(&f->probe);
	assert_false(f->done);
	assert_null(heap_first(&f->loop.timers));
}

/* In a network of its own, where the kernel has a single port to give out: that one. */
static int meet_itself(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd, r = 0;

	if (unshare(CLONE_NEWNET) < 0)
		return 77;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return 77;
	close(fd);
	fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY);
	if (fd < 0 || write(fd, "40000 40000", 11) != 11)
		return 77;
	close(fd);
	f->listener = -1;
	if (loop_init(&f->loop) < 0 || probe_init(&f->probe, &f->loop, done, f) < 0)
		return 1;
	strcpy(f->address, "127.0.0.1:40000");
	probe_start(&f->probe, SPEC_PROBE_TCP, f->address, LONG_USEC);
	while (!f->done && r == 0)
		r = loop_once(&f->loop);
	if (r < 0 || f->probe.outcome != PROBE_BAD ||
		strcmp(f->probe.text, "connection refused") != 0)
		return 1;
	return 0;
}

static void a_connection_that_meets_itself_is_none(void **state _unused_)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(meet_itself());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- http --- */

static void a_good_status_is_good_when_all_is_read(void **state)
{
	struct fixture *f = *state;

	begin_http(f, LONG_USEC);
	say(f, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall is well");
	turn(f);
	assert_false(f->done);
	close_test_fd(&f->client);
	expect(f, PROBE_GOOD, "HTTP status 200 OK");
	assert_memory_equal(f->probe.output + f->probe.n_output - 11, "all is well", 11);
}

static void redirections_are_good_and_errors_are_not(void **state)
{
	static const struct {
		const char *answer, *text;
		enum probe_outcome outcome;
	} cases[] = {
		{"HTTP/1.0 302 Found\r\n\r\n", "HTTP status 302 Found", PROBE_GOOD},
		{"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP status 404 Not Found", PROBE_BAD},
		{"HTTP/1.1 503\r\n\r\n", "HTTP status 503", PROBE_BAD},
		{"HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP status 101 Switching Protocols",
			PROBE_BAD},
		{"SSH-2.0-x\r\n", "the answer is no HTTP/1", PROBE_BAD},
		{"", "the connection was closed without an answer", PROBE_BAD},
		{"HTTP/1.1 20", "the connection was closed without an answer", PROBE_BAD},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		begin_http(f, LONG_USEC);
		say(f, cases[i].answer);
		close_test_fd(&f->client);
		expect(f, cases[i].outcome, cases[i].text);
		close_test_fd(&f->listener);
	}
}

static void an_answer_may_come_byte_by_byte(void **state)
{
	static const char answer[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
	struct fixture *f = *state;

	begin_http(f, LONG_USEC);
	for (size_t i = 0; i < strlen(answer); i++) {
		char byte[2] = {answer[i]};

		say(f, byte);
		turn(f);
	}
	assert_false(f->done);
	close_test_fd(&f->client);
	expect(f, PROBE_GOOD, "HTTP status 204 No Content");
}

static void a_server_that_hangs_is_bad(void **state)
{
	struct fixture *f = *state;

	begin_http(f, SHORT_USEC);
	say(f, "HTTP/1.1 2");
	expect(f, PROBE_BAD, "no answer within 50ms");
}

static void one_that_only_does_not_close_is_good(void **state)
{
	struct fixture *f = *state;

	begin_http(f, SHORT_USEC);
	say(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	expect(f, PROBE_GOOD, "HTTP status 200 OK");
}

static void an_endless_answer_is_read_to_a_bound(void **state)
{
	struct fixture *f = *state;
	size_t sent = 0;
	char x[4096];

	memset(x, 'x', sizeof(x));
	begin_http(f, LONG_USEC);
	say(f, "HTTP/1.1 200 OK\r\n\r\n");
	while (!f->done) {
		ssize_t n = send(f->client, x, sizeof(x), MSG_NOSIGNAL | MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		turn(f);
	}
	expect(f, PROBE_GOOD, "HTTP status 200 OK");
	assert_true(sent >= PROBE_MAX_RECEIVED - 100);
	assert_int_equal(f->probe.n_output, PROBE_OUTPUT_SIZE);
	assert_memory_equal(f->probe.output, x, PROBE_OUTPUT_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_port_that_accepts_is_good, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_port_that_nobody_listens_on_is_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(localhost_is_either_family, setup, teardown),
		cmocka_unit_test_setup_teardown(ipv6_stands_in_brackets, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_unix_socket_that_accepts_is_good, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_queue_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_address_that_makes_no_sense_is_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(
			our_own_lack_is_not_the_service_s_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_is_cancelled_says_nothing, setup, teardown),
		cmocka_unit_test(a_connection_that_meets_itself_is_none),
		cmocka_unit_test_setup_teardown(
			a_good_status_is_good_when_all_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
			redirections_are_good_and_errors_are_not, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_may_come_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(a_server_that_hangs_is_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_only_does_not_close_is_good, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_endless_answer_is_read_to_a_bound, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
