/*
 * Clients that mean harm: what they attach, pile up, ask for and make us write must cost
 * others nothing.
 */
#include "server_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>

static uid_t role_uids[] = {1001, 1002};
static const struct spec_role operators = {.uids = role_uids, .n_uids = 2};

/* Started, with 1001 and 1002 as operators; everyone else is a stranger. */
static void start_with_roles(struct fixture *f)
{
	fixture_start(f);
	server_set_roles(&f->server, &operators, NULL);
}

static int send_descriptor(int fd, int attached)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.head = {
			     .cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS,
		     }};
	struct iovec iov = {.iov_base = (char *)"{", .iov_len = 1};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};

	memcpy(CMSG_DATA(&control.head), &attached, sizeof(int));
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Before and after the connection was accepted. */
static void attached_descriptors_are_refused_or_vanish(void **state)
{
	struct fixture *f = *state;
	int on = -1, fd, before, pipe_fds[2], r;
	socklen_t n = sizeof(on);

	fixture_start(f);
	fd = dial(f);
	assert_int_equal(pipe(pipe_fds), 0);
	r = send_descriptor(fd, pipe_fds[1]);
	wait_until(f, f->server.n_conns == 1);
	before = dup(STDERR_FILENO);
	close(before);
	assert_int_equal(send_descriptor(fd, pipe_fds[1]), r);
	barrier(f);
	assert_int_equal(dup(STDERR_FILENO), before); /* nothing has arrived */
	close(before);
	/* 83: SO_PASSRIGHTS. Where the kernel knows it, nobody gets to send one. */
	if (getsockopt(fd, SOL_SOCKET, 83, &on, &n) == 0)
		assert_int_equal(r, -EPERM);
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &on, 1), 0); /* the last writer is gone */
	close(pipe_fds[0]);
	close(fd);
}

static void a_stranger_pushes_out_strangers_only(void **state)
{
	struct fixture *f = *state;
	int operator_fd, owner, stranger, newcomer;

	f->settings.max_clients = 3;
	start_with_roles(f);
	operator_fd = dial_as(f, 1001);
	owner = dial_as(f, f->settings.owner);
	stranger = dial_as(f, 2000);
	newcomer = dial_as(f, 2001);
	expect_closed(f, stranger);
	assert_true(is_open(operator_fd) && is_open(owner));
	close(newcomer);
	wait_until(f, f->server.n_conns == 2);
	newcomer = dial_as(f, 1002);
	pretended = (struct peer){.uid = 2002};
	stranger = dial(f);
	expect_error(f, stranger, CONTROL_ERROR_LIMIT, "too many connections");
	expect_closed(f, stranger);
	assert_true(is_open(operator_fd) && is_open(owner) && is_open(newcomer));
	close(operator_fd);
	close(owner);
	close(newcomer);
}

static void a_stranger_that_is_busy_makes_room_for_an_operator(void **state)
{
	struct fixture *f = *state;
	int strangers[2], newcomer;

	f->settings.max_clients = 2;
	f->settings.round_usec = 0; /* whole requests wait their turn, */
	f->settings.requests_per_round = 1; /* for long */
	start_with_roles(f);
	for (int i = 0; i < 2; i++)
		strangers[i] = dial_as(f, 2000 + (uid_t)i);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 50; k++)
			send_echo(f, strangers[i], "x", "\"oneway\":true,");
	}
	wait_until(f, server_conn_is_busy(newest_conn(f)));
	newcomer = dial_as(f, 1001);
	wait_until(f, f->server.n_conns == 2);
	send_echo(f, newcomer, "in", "");
	expect_echo(f, newcomer, "in");
	close(strangers[0]);
	close(strangers[1]);
	close(newcomer);
}

static void unfinished_requests_together_are_bounded_at_the_cost_of_strangers(void **state)
{
	static const char blanks[20000] = {[0 ... sizeof(blanks) - 1] = ' '};
	struct fixture *f = *state;
	int operator_fd, strangers[2];

	f->settings.max_input_total_bytes = 50000;
	start_with_roles(f);
	operator_fd = dial_as(f, 1001);
	send_bytes(f, operator_fd, blanks, sizeof(blanks));
	wait_until(f, f->server.input_bytes == 20000);
	strangers[0] = dial_as(f, 2000);
	send_bytes(f, strangers[0], blanks, sizeof(blanks));
	wait_until(f, f->server.input_bytes == 40000);
	strangers[1] = dial_as(f, 2001);
	send_bytes(f, strangers[1], blanks, 10000); /* just at the limit */
	wait_until(f, f->server.input_bytes == 50000);
	assert_int_equal(f->server.n_conns, 3);
	send_bytes(f, strangers[1], blanks, 1);
	wait_until(f, f->server.n_conns == 2);
	expect_closed(f, strangers[0]);
	assert_int_equal(f->server.input_bytes, 30001);
	assert_true(is_open(operator_fd) && is_open(strangers[1]));
	send_echo(f, operator_fd, "whole", "");
	expect_echo(f, operator_fd, "whole");
	assert_int_equal(f->server.input_bytes, 10001);
	close(operator_fd);
	close(strangers[1]);
}

static void a_costly_request_ends_the_turn_of_its_connection(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->settings.turn_usec = 0; /* every request is too costly */
	fixture_start(f);
	fd = dial(f);
	wait_until(f, f->server.n_conns == 1);
	for (int i = 0; i < 100; i++)
		send_call(f, fd, "Act", "\"oneway\":true,");
	while (f->n_acts == 0)
		assert_int_equal(loop_once(&f->loop), 0);
	for (unsigned before = f->n_acts; f->n_acts < 100; before = f->n_acts) {
		assert_int_equal(loop_once(&f->loop), 0);
		assert_true(f->n_acts <= before + 2); /* its bytes, and its turn */
	}
	close(fd);
}

static void in_a_long_round_the_owner_comes_first_and_the_others_in_turn(void **state)
{
	struct fixture *f = *state;
	int others[3], owner;

	f->settings.round_usec = 0; /* every round is too long: one connection's turn each */
	fixture_start(f);
	for (int i = 0; i < 3; i++)
		others[i] = dial_as(f, 1001 + (uid_t)i);
	owner = dial_as(f, f->settings.owner);
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 100; k++)
			send_call(f, others[i], "Act", "\"oneway\":true,");
	}
	loop_once(&f->loop); /* only takes the bytes */
	loop_once(&f->loop);
	assert_true(f->n_acts <= f->settings.requests_per_round);
	wait_until(f, f->n_acts > 0);
	send_echo(f, owner, "first", "");
	loop_once(&f->loop); /* takes the bytes, and the turn */
	loop_once(&f->loop);
	assert_int_equal(recv(owner, &(char){0}, 1, MSG_DONTWAIT | MSG_PEEK), 1);
	assert_true(f->n_acts < 300);
	expect_echo(f, owner, "first");
	wait_until(f, f->n_acts == 300);
	for (int i = 0; i < 3; i++)
		close(others[i]);
	close(owner);
}

static void connections_closed_for_cause_cannot_flood_the_log(void **state)
{
	struct fixture *f = *state;
	int saved = dup(STDERR_FILENO), log = memfd_create("log", MFD_CLOEXEC), n = 0;
	char text[16384], *p = text;
	ssize_t got;

	f->settings.request_timeout_usec = USEC_PER_MSEC;
	fixture_start(f);
	dup2(log, STDERR_FILENO);
	for (int i = 0; i < SERVER_MAX_CLOSED_LINES + 5; i++) {
		int fd = dial_as(f, 1000);

		send_bytes(f, fd, "{", 1);
		wait_until(f, f->server.n_conns == 0);
		close(fd);
	}
	dup2(saved, STDERR_FILENO);
	got = pread(log, text, sizeof(text) - 1, 0);
	assert_true(got > 0);
	text[got] = '\0';
	while ((p = strstr(p, "is too slow to send a request"))) {
		n++;
		p++;
	}
	assert_int_equal(n, SERVER_MAX_CLOSED_LINES);
	close(saved);
	close(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(attached_descriptors_are_refused_or_vanish),
		server_test(a_stranger_pushes_out_strangers_only),
		server_test(a_stranger_that_is_busy_makes_room_for_an_operator),
		server_test(unfinished_requests_together_are_bounded_at_the_cost_of_strangers),
		server_test(a_costly_request_ends_the_turn_of_its_connection),
		server_test(in_a_long_round_the_owner_comes_first_and_the_others_in_turn),
		server_test(connections_closed_for_cause_cannot_flood_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
