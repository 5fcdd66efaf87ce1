/*
 * The link's messages: round trips with and without descriptors, and everything that
 * must be refused, with no descriptor left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "wire/link.h"

struct pair {
	int fd[2];
};

static void pair_open(struct pair *p)
{
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p->fd), 0);
}

static void pair_close(struct pair *p)
{
	close(p->fd[0]);
	close(p->fd[1]);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static struct link_message valid(enum link_type type)
{
	struct link_message m = {.version = LINK_VERSION, .type = (uint16_t)type, .id = 7};

	m.generation = 3;
	m.serial = 9;
	m.pid = 1234;
	m.signo = SIGTERM;
	if (type == LINK_EXITED)
		m.exit.code = CLD_EXITED;
	if (type == LINK_REFUSED)
		m.value = ESRCH;
	return m;
}

static unsigned fds_of(enum link_type type)
{
	if (type == LINK_UPGRADE)
		return 2;
	return type == LINK_SPAWN || type == LINK_ADOPT || type == LINK_KILL_PIDFD ||
	       type == LINK_KEEP || type == LINK_KEPT || type == LINK_FOSTER;
}

static int received(struct pair *p, struct link_message *ret_m)
{
	int fds[LINK_MAX_FDS], r;
	unsigned n_fds = 0;
	bool lost;

	r = link_recv(p->fd[1], ret_m, fds, &n_fds, &lost);
	for (unsigned i = 0; i < LINK_MAX_FDS; i++)
		close_fd(fds[i]);
	return r;
}

static void every_type_makes_the_round_trip(void **state _unused_)
{
	struct pair p;

	pair_open(&p);
	for (int type = LINK_HELLO; type < LINK_TYPE_MAX; type++) {
		struct link_message m = valid((enum link_type)type), got;
		const int fds[2] = {STDIN_FILENO, STDIN_FILENO};

		m.version = 0; /* link_send() fills it in */
		assert_int_equal(link_send(p.fd[0], &m, fds, fds_of((enum link_type)type)), 0);
		assert_int_equal(received(&p, &got), 1);
		assert_memory_equal(&m, &got, sizeof(m));
		assert_string_not_equal(link_type_to_string((enum link_type)type), "?");
	}
	assert_int_equal(received(&p, &(struct link_message){0}), -EAGAIN);
	pair_close(&p);
}

static void descriptors_arrive_in_order_and_close_on_exec(void **state _unused_)
{
	struct link_message m = valid(LINK_STARTED);
	int pipe_fds[2], fds[LINK_MAX_FDS];
	struct stat a, b;
	struct pair p;
	unsigned n;
	bool lost;

	pair_open(&p);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(link_send(p.fd[0], &m, pipe_fds, 2), 0);
	assert_int_equal(link_recv(p.fd[1], &m, fds, &n, &lost), 1);
	assert_int_equal(n, 2);
	assert_false(lost);
	assert_int_equal(fds[2], -1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fstat(pipe_fds[i], &a), 0);
		assert_int_equal(fstat(fds[i], &b), 0);
		assert_int_equal(a.st_ino, b.st_ino);
		assert_int_equal(fcntl(pipe_fds[i], F_GETFL), fcntl(fds[i], F_GETFL));
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
		close(pipe_fds[i]);
	}
	pair_close(&p);
}

static void the_pipe_for_readiness_is_one_more_and_the_last(void **state _unused_)
{
	struct link_message started = valid(LINK_STARTED), foster = valid(LINK_FOSTER);

	for (unsigned n = 0; n <= LINK_MAX_FDS + 1; n++) {
		started.started.flags = foster.started.flags = 0;
		assert_int_equal(link_check(&started, sizeof(started), n), n <= 2 ? 0 : -EPROTO);
		assert_int_equal(
			link_check(&foster, sizeof(foster), n), n >= 1 && n <= 3 ? 0 : -EPROTO);
		started.started.flags = foster.started.flags = LINK_STARTED_READY_FD;
		assert_int_equal(
			link_check(&started, sizeof(started), n), n >= 1 && n <= 3 ? 0 : -EPROTO);
		assert_int_equal(
			link_check(&foster, sizeof(foster), n), n >= 2 && n <= 4 ? 0 : -EPROTO);
	}
}

static void a_spawn_has_a_plan_and_both_ends_of_each_pipe(void **state _unused_)
{
	struct link_message m = valid(LINK_SPAWN);

	for (unsigned n = 0; n <= LINK_MAX_FDS + 2; n++)
		assert_int_equal(link_check(&m, sizeof(m), n),
			n % 2 == 1 && n <= LINK_MAX_FDS ? 0 : -EPROTO);
}

/* What link_recv_plan() says; *ret_n is the size of the plan that came. */
static int received_plan(struct pair *p, struct link_message *ret_m, char *ret_plan, size_t *ret_n)
{
	int fds[LINK_MAX_FDS], r;
	unsigned n_fds = 0;
	bool lost;

	r = link_recv_plan(p->fd[1], ret_m, fds, &n_fds, &lost, ret_plan, ret_n);
	for (unsigned i = 0; i < LINK_MAX_FDS; i++)
		close_fd(fds[i]);
	return r;
}

static void a_plan_in_the_packet_takes_the_place_of_its_descriptor(void **state _unused_)
{
	static char plan[LINK_MAX_PLAN], got[LINK_MAX_PLAN];
	struct link_message m = valid(LINK_SPAWN), back;
	const int fds[LINK_MAX_FDS] = {0};
	struct pair p;
	size_t n;

	pair_open(&p);
	memset(plan, 'p', sizeof(plan));
	for (unsigned n_fds = 0; n_fds <= LINK_MAX_FDS; n_fds++) {
		bool fits = n_fds % 2 == 0;

		assert_int_equal(link_send_plan(p.fd[0], &m, plan, 9 + n_fds, fds, n_fds), 0);
		assert_int_equal(received_plan(&p, &back, got, &n), fits ? 1 : -EPROTO);
		if (!fits)
			continue;
		assert_int_equal(n, 9 + n_fds);
		assert_memory_equal(&m, &back, sizeof(m));
		assert_memory_equal(got, plan, n);
	}
	assert_int_equal(link_send(p.fd[0], &m, fds, 1), 0);
	assert_int_equal(received_plan(&p, &back, got, &n), 1);
	assert_int_equal(n, 0);
	pair_close(&p);
}

static void a_plan_is_refused_past_its_limit_and_where_none_belongs(void **state _unused_)
{
	static char plan[LINK_MAX_PLAN + 1], got[LINK_MAX_PLAN];
	char longer[sizeof(struct link_message) + sizeof(plan)];
	struct link_message m = valid(LINK_SPAWN), hello = valid(LINK_HELLO), back;
	struct pair p;
	size_t n;

	pair_open(&p);
	assert_int_equal(link_send_plan(p.fd[0], &m, plan, 0, NULL, 0), -EINVAL);
	assert_int_equal(link_send_plan(p.fd[0], &m, plan, sizeof(plan), NULL, 0), -EINVAL);
	assert_int_equal(link_send_plan(p.fd[0], &m, plan, sizeof(plan) - 1, NULL, 0), 0);
	assert_int_equal(received_plan(&p, &back, got, &n), 1);
	assert_int_equal(n, sizeof(got));
	memset(longer, 0, sizeof(longer));
	memcpy(longer, &m, sizeof(m));
	assert_int_equal(send(p.fd[0], longer, sizeof(longer), 0), sizeof(longer));
	assert_int_equal(received_plan(&p, &back, got, &n), -EMSGSIZE);
	assert_int_equal(link_send_plan(p.fd[0], &hello, plan, 1, NULL, 0), 0);
	assert_int_equal(received_plan(&p, &back, got, &n), -EPROTO);
	/* nor by who has no room for any */
	assert_int_equal(link_send_plan(p.fd[0], &m, plan, 1, NULL, 0), 0);
	assert_int_equal(received(&p, &back), -EMSGSIZE);
	pair_close(&p);
}

static void a_closed_peer_reads_as_zero_and_sends_as_gone(void **state _unused_)
{
	struct link_message m = valid(LINK_HELLO);
	struct pair p;

	pair_open(&p);
	close(p.fd[0]);
	assert_int_equal(received(&p, &m), 0);
	assert_int_equal(link_send(p.fd[1], &m, NULL, 0), -EPIPE);
	close(p.fd[1]);
}

static void a_full_socket_says_eagain_and_loses_nothing(void **state _unused_)
{
	struct link_message m = valid(LINK_ACK), got;
	uint64_t sent = 0, n = 0;
	struct pair p;
	int r;

	pair_open(&p);
	for (;;) {
		m.serial = sent + 1;
		r = link_send(p.fd[0], &m, NULL, 0);
		if (r < 0)
			break;
		sent++;
	}
	assert_int_equal(r, -EAGAIN);
	assert_true(sent > 10);
	while (received(&p, &got) == 1)
		assert_int_equal(got.serial, ++n);
	assert_int_equal(n, sent);
	pair_close(&p);
}

static void unfit_sizes_versions_and_types_are_refused(void **state _unused_)
{
	struct link_message m = valid(LINK_HELLO);
	char longer[sizeof(m) + 1] = {0};

	assert_int_equal(link_check(&m, sizeof(m), 0), 0);
	assert_int_equal(link_check(&m, sizeof(m) - 1, 0), -EPROTO);
	assert_int_equal(link_check(&m, 1, 0), -EPROTO);
	assert_int_equal(link_check(&m, 0, 0), -EPROTO);
	memcpy(longer, &m, sizeof(m));
	assert_int_equal(link_check(longer, sizeof(longer), 0), -EPROTO);
	m.type = 0;
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO);
	m.type = LINK_TYPE_MAX;
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO);
	m.type = LINK_HELLO;
	m.version = LINK_VERSION + 1;
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTONOSUPPORT);
	/* whatever size another version's messages have */
	assert_int_equal(link_check(&m, 10, 0), -EPROTONOSUPPORT);
}

static void every_field_has_its_range(void **state _unused_)
{
	static const struct {
		enum link_type type;
		int field; /* 1 generation 2 serial 3 pid 4 signo 5 value 6 flags */
		int64_t bad, good;
	} cases[] = {
		{LINK_SPAWN, 1, 0, 1},
		{LINK_ADOPT, 1, 0, 1},
		{LINK_ADOPT, 3, 0, 1},
		{LINK_REFUSED, 1, 0, 1},
		{LINK_REFUSED, 3, -1, 1},
		{LINK_REFUSED, 5, 0, 1},
		{LINK_REFUSED, 5, 4096, 4095},
		{LINK_UPGRADED, 5, 4096, 0},
		{LINK_FOSTER, 1, 0, 1},
		{LINK_FOSTER, 3, 0, 1},
		{LINK_FOSTER, 6, LINK_STARTED_FLAGS_ALL + 1, LINK_STARTED_FLAGS_ALL},
		{LINK_STARTED, 6, LINK_STARTED_FLAGS_ALL + 1, LINK_STARTED_FLAGS_ALL},
		{LINK_ACK, 1, 0, 1},
		{LINK_ACK, 2, 0, 1},
		{LINK_ACK, 5, 2, 1},
		{LINK_EXITED, 2, 0, 1},
		{LINK_STARTED, 3, 0, 1},
		{LINK_STARTED, 3, -1, 1},
		{LINK_EXITED, 3, 0, 1},
		{LINK_KILL, 4, 0, 1},
		{LINK_KILL, 4, 65, 64},
		{LINK_KILL, 4, -9, 9},
		{LINK_KILL_PIDFD, 4, 0, 9},
		{LINK_SEEN, 4, 0, 15},
		{LINK_KILL, 5, LINK_SCOPE_MAX, LINK_SCOPE_GROUP},
		{LINK_KILL, 5, LINK_SCOPE_CONTINUE | LINK_SCOPE_MAX,
			LINK_SCOPE_CONTINUE | LINK_SCOPE_GROUP},
		{LINK_KEEP, 5, LINK_KEEP_MAX, LINK_KEEP_MAX - 1},
		{LINK_KEPT, 5, LINK_KEEP_MAX, 0},
		{LINK_EXIT, 5, 256, 255},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		for (int good = 0; good < 2; good++) {
			struct link_message m = valid(cases[i].type);
			int64_t v = good ? cases[i].good : cases[i].bad;
			unsigned n_fds;

			if (cases[i].field == 1)
				m.generation = (uint64_t)v;
			else if (cases[i].field == 2)
				m.serial = (uint64_t)v;
			else if (cases[i].field == 3)
				m.pid = (int32_t)v;
			else if (cases[i].field == 4)
				m.signo = (int32_t)v;
			else if (cases[i].field == 5)
				m.value = (uint32_t)v;
			else
				m.started.flags = (uint32_t)v;
			n_fds = fds_of(cases[i].type) + (cases[i].field == 6);
			assert_int_equal(link_check(&m, sizeof(m), n_fds), good ? 0 : -EPROTO);
		}
	}
}

static void an_exit_is_an_error_or_an_end_never_both(void **state _unused_)
{
	struct link_message m = valid(LINK_EXITED);

	m.exit.status = 255;
	assert_int_equal(link_check(&m, sizeof(m), 0), 0);
	m.exit.status = 256;
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO);
	m.exit.code = CLD_KILLED;
	m.exit.status = 0;
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO);
	m.exit.status = 64;
	assert_int_equal(link_check(&m, sizeof(m), 0), 0);
	m.exit.code = CLD_STOPPED;
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO);

	m.exit = (struct link_exit){.error = ENOENT, .stage = LINK_STAGE_EXEC};
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO); /* has a pid */
	m.pid = 0;
	assert_int_equal(link_check(&m, sizeof(m), 0), 0);
	m.exit.stage = LINK_STAGE_NONE;
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO);
	m.exit.stage = LINK_STAGE_MAX;
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO);
	m.exit = (struct link_exit){.error = -1, .stage = LINK_STAGE_EXEC};
	assert_int_equal(link_check(&m, sizeof(m), 0), -EPROTO);
}

static void a_refused_message_leaves_no_descriptor_open(void **state _unused_)
{
	struct link_message m;
	int fds[LINK_MAX_FDS] = {0, 0, 0}, before;
	char longer[sizeof(m) + 8] = {LINK_VERSION};
	struct pair p;

	pair_open(&p);
	before = count_fds();
	m = valid(LINK_HELLO); /* has none */
	assert_int_equal(link_send(p.fd[0], &m, fds, 3), 0);
	assert_int_equal(received(&p, &m), -EPROTO);
	m = valid(LINK_SPAWN); /* has at least one */
	assert_int_equal(link_send(p.fd[0], &m, NULL, 0), 0);
	assert_int_equal(received(&p, &m), -EPROTO);
	m = valid(LINK_STARTED); /* has two at most */
	assert_int_equal(link_send(p.fd[0], &m, fds, 3), 0);
	assert_int_equal(received(&p, &m), -EPROTO);
	m = valid(LINK_SPAWN);
	m.generation = 0;
	assert_int_equal(link_send(p.fd[0], &m, fds, 1), 0);
	assert_int_equal(received(&p, &m), -EPROTO);
	assert_int_equal(send(p.fd[0], longer, sizeof(longer), 0), sizeof(longer));
	assert_int_equal(received(&p, &m), -EMSGSIZE);
	longer[0] = 9;
	assert_int_equal(send(p.fd[0], longer, sizeof(longer), 0), sizeof(longer));
	assert_int_equal(received(&p, &m), -EPROTONOSUPPORT);
	assert_int_equal(link_send(p.fd[0], &m, fds, LINK_MAX_FDS + 1), -EINVAL);
	assert_int_equal(count_fds(), before);
	pair_close(&p);
}

static void a_message_whose_descriptors_are_lost_is_still_delivered(void **state _unused_)
{
	struct link_message m = valid(LINK_SPAWN), got = {0};
	int fds[LINK_MAX_FDS], in = 0, top;
	struct rlimit old, low;
	struct pair p;
	unsigned n = 9;
	bool lost = false;

	pair_open(&p);
	assert_int_equal(link_send(p.fd[0], &m, &in, 1), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	top = dup(0);
	close(top);
	low = old;
	low.rlim_cur = (rlim_t)top;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(link_recv(p.fd[1], &got, fds, &n, &lost), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(lost);
	assert_int_equal(n, 0);
	assert_int_equal(fds[0], -1);
	assert_int_equal(got.generation, m.generation);
	pair_close(&p);
}

static void every_stage_reads_as_the_start_of_a_sentence(void **state _unused_)
{
	for (int s = 0; s < LINK_STAGE_MAX; s++)
		assert_int_equal(
			strncmp(link_stage_to_string((enum link_stage)s), "cannot ", 7), 0);
}

static void an_id_says_whose_command_of_which_kind_it_is(void **state _unused_)
{
	static const uint32_t services[] = {0, 1, 19999, (UINT32_C(1) << LINK_ID_BITS) - 1};

	for (size_t i = 0; i < ELEMENTSOF(services); i++) {
		assert_int_equal(link_service_of(services[i]), services[i]);
		for (unsigned kind = 0; kind < LINK_COMMANDS; kind++) {
			uint32_t id = link_command_id(services[i], kind);

			assert_true(id & LINK_ID_COMMAND);
			assert_int_equal(link_service_of(id), services[i]);
			assert_int_equal(link_command_of(id), kind);
		}
	}
	assert_true(link_command_of(UINT32_MAX) >= LINK_COMMANDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_makes_the_round_trip),
		cmocka_unit_test(descriptors_arrive_in_order_and_close_on_exec),
		cmocka_unit_test(the_pipe_for_readiness_is_one_more_and_the_last),
		cmocka_unit_test(a_spawn_has_a_plan_and_both_ends_of_each_pipe),
		cmocka_unit_test(a_plan_in_the_packet_takes_the_place_of_its_descriptor),
		cmocka_unit_test(a_plan_is_refused_past_its_limit_and_where_none_belongs),
		cmocka_unit_test(a_closed_peer_reads_as_zero_and_sends_as_gone),
		cmocka_unit_test(a_full_socket_says_eagain_and_loses_nothing),
		cmocka_unit_test(unfit_sizes_versions_and_types_are_refused),
		cmocka_unit_test(every_field_has_its_range),
		cmocka_unit_test(an_exit_is_an_error_or_an_end_never_both),
		cmocka_unit_test(a_refused_message_leaves_no_descriptor_open),
		cmocka_unit_test(a_message_whose_descriptors_are_lost_is_still_delivered),
		cmocka_unit_test(every_stage_reads_as_the_start_of_a_sentence),
		cmocka_unit_test(an_id_says_whose_command_of_which_kind_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
