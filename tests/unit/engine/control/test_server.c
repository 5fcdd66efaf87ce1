/* The control server: who may what, requests, replies, and how connections end. */
#include "server_fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>

#define INVALID CONTROL_ERROR_PARAMETER

static void root_and_owner_own_whatever_the_roles(void **state _unused_)
{
	uid_t uid = 5;
	struct spec_role role = {.uids = &uid, .n_uids = 1};
	struct peer root = {.uid = 0}, owner = {.uid = 7};

	assert_int_equal(peer_right(&root, 7, &role, &role), PEER_RIGHT_OWN);
	assert_int_equal(peer_right(&owner, 7, &role, &role), PEER_RIGHT_OWN);
}

static void without_roles_whoever_could_connect_owns(void **state _unused_)
{
	struct spec_role empty = {0};
	struct peer p = {.uid = 9};

	assert_int_equal(peer_right(&p, 7, NULL, NULL), PEER_RIGHT_OWN);
	assert_int_equal(peer_right(&p, 7, &empty, &empty), PEER_RIGHT_OWN);
}

static void roles_count_by_user_group_and_supplementary_group(void **state _unused_)
{
	uid_t op = 10;
	gid_t observers = 20, extra[] = {19, 20};
	struct spec_role act = {.uids = &op, .n_uids = 1};
	struct spec_role see = {.gids = &observers, .n_gids = 1};
	struct peer by_uid = {.uid = 10, .gid = 20}, by_gid = {.uid = 11, .gid = 20};
	struct peer by_extra = {.uid = 11, .gid = 11, .groups = extra, .n_groups = 2};
	struct peer other = {.uid = 20, .gid = 10, .groups = extra, .n_groups = 1};

	assert_int_equal(peer_right(&by_uid, 7, &act, &see), PEER_RIGHT_ACT);
	assert_int_equal(peer_right(&by_gid, 7, &act, &see), PEER_RIGHT_OBSERVE);
	assert_int_equal(peer_right(&by_extra, 7, &act, &see), PEER_RIGHT_OBSERVE);
	assert_int_equal(peer_right(&other, 7, &act, &see), PEER_RIGHT_NONE);
	assert_int_equal(peer_right(&by_extra, 7, &act, NULL), PEER_RIGHT_NONE);
	assert_int_equal(peer_right(&by_uid, 7, NULL, &see), PEER_RIGHT_OBSERVE);
}

static void the_kernel_tells_who_connected(void **state _unused_)
{
	gid_t mine[256];
	int fds[2], n = getgroups(256, mine);
	struct peer p;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(peer_get(fds[0], &p), 0);
	assert_int_equal(p.pid, getpid());
	assert_int_equal(p.uid, geteuid());
	assert_int_equal(p.gid, getegid());
	assert_int_equal(p.n_groups, n);
	for (int i = 0; i < n; i++)
		assert_int_equal(p.groups[i], mine[i]);
	peer_fini(&p);
	peer_fini(&p);
	close(fds[0]);
	close(fds[1]);
}

static void many_supplementary_groups_are_all_learned(void **state _unused_)
{
	pid_t child;
	int status;

	if (geteuid() != 0)
		return;
	child = fork();
	if (child == 0) {
		gid_t many[500];
		struct peer p;
		int fds[2];

		for (gid_t i = 0; i < 500; i++)
			many[i] = 1000 + i;
		if (setgroups(500, many) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
			_exit(2);
		if (peer_get(fds[0], &p) < 0 || p.n_groups != 500 || p.groups[499] != 1499)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_socket_appears_with_its_mode_and_leaves_nothing_else(void **state)
{
	struct fixture *f = *state;
	mode_t before = umask(077);
	struct stat st;
	int fd = server_open(f->path, 0666, getegid());

	umask(before);
	assert_true(fd >= 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void a_socket_that_is_answered_is_not_taken_over(void **state)
{
	struct fixture *f = *state;
	int fd = server_open(f->path, 0600, (gid_t)-1), again;

	assert_true(fd >= 0);
	assert_int_equal(server_open(f->path, 0600, (gid_t)-1), -EADDRINUSE);
	close(fd); /* stale now */
	again = server_open(f->path, 0600, (gid_t)-1);
	assert_true(again >= 0);
	close(dial(f));
	close(again);
}

static void what_is_no_socket_is_not_replaced(void **state)
{
	struct fixture *f = *state;

	close(open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(server_open(f->path, 0600, (gid_t)-1), -EEXIST);
	assert_int_equal(access(f->path, F_OK), 0);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un a;
	char path[sizeof(a.sun_path) + 1];
	size_t limit = sizeof(a.sun_path) - strlen(".new") - 1;
	int n = snprintf(path, sizeof(path), "%s/", f->dir), fd;

	memset(path + n, 'x', sizeof(path) - (size_t)n);
	path[limit + 1] = '\0';
	assert_int_equal(server_open(path, 0600, (gid_t)-1), -ENAMETOOLONG);
	path[limit] = '\0';
	fd = server_open(path, 0600, (gid_t)-1);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

static void any_varlink_client_can_introspect(void **state)
{
	struct fixture *f = *state;
	char *text;
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_request(f, fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	expect_message(f, fd,
		"{\"parameters\":{\"vendor\":\"vendor\",\"product\":\"supervisord\","
		"\"version\":\"1.2.3\",\"url\":\"https://example.org/\",\"interfaces\":"
		"[\"org.varlink.service\",\"io.supctl.Control\"]}}");
	send_request(f, fd,
		"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"io.supctl.Control\"}}");
	text = next_message(f, fd);
	assert_non_null(strstr(text, "interface io.supctl.Control\\n"));
	free(text);
	send_request(f, fd,
		"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"org.varlink.service\"}}");
	text = next_message(f, fd);
	assert_non_null(strstr(text, "interface org.varlink.service\\n"));
	free(text);
	send_request(f, fd,
		"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"a.b\"}}");
	expect_message(f, fd,
		"{\"error\":\"org.varlink.service.InterfaceNotFound\","
		"\"parameters\":{\"interface\":\"a.b\"}}");
	close(fd);
}

static void a_wrong_request_names_what_is_wrong_and_the_connection_stays(void **state)
{
	static const struct {
		const char *request, *error, *text;
	} cases[] = {
		{"{\"method\":\"io.supctl.Other.Echo\"}", CONTROL_ERROR_NO_INTERFACE,
			"{\"interface\":\"io.supctl.Other\"}"},
		{"{\"method\":\"io.supctl.Control\"}", CONTROL_ERROR_NO_INTERFACE,
			"{\"interface\":\"io.supctl\"}"},
		{"{\"method\":\"Echo\"}", CONTROL_ERROR_NO_INTERFACE, "{\"interface\":\"Echo\"}"},
		{"{\"method\":\"\"}", CONTROL_ERROR_NO_INTERFACE, "{\"interface\":\"\"}"},
		{"{\"method\":\"io.supctl.Control.\"}", CONTROL_ERROR_NO_METHOD, "Control.\""},
		{"{\"method\":\"io.supctl.Control.Ech\"}", CONTROL_ERROR_NO_METHOD,
			"{\"method\":\"io.supctl.Control.Ech\"}"},
		{"{\"method\":\"org.varlink.service.Echo\"}", CONTROL_ERROR_NO_METHOD, "Echo"},
		{"{\"method\":\"io.supctl.Control.Echo\"}", INVALID, "\"text\""},
		{"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":null}", INVALID,
			"\"text\""},
		{"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":null}}", INVALID,
			"\"text\""},
		{"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":1}}", INVALID,
			"\"text\""},
		{"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":\"\",\"x\":1}}",
			INVALID, "\"x\""},
		{"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":\"\","
		 "\"names\":\"a\"}}",
			INVALID, "\"names\""},
		{"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":\"\","
		 "\"names\":[\"a\",null]}}",
			INVALID, "\"names\""},
		{"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":\"\","
		 "\"flag\":1}}",
			INVALID, "\"flag\""},
		{"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":\"\","
		 "\"count\":1.5}}",
			INVALID, "\"count\""},
		{"{\"method\":\"io.supctl.Control.Act\",\"parameters\":{\"text\":\"\"}}", INVALID,
			"\"text\""},
		{"{\"method\":\"io.supctl.Control.Feed\"}", CONTROL_ERROR_EXPECTED_MORE, ""},
		{"{\"method\":\"io.supctl.Control.Unbuildable\"}", CONTROL_ERROR_FAILED, "built"},
	};
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		send_request(f, fd, cases[i].request);
		expect_error(f, fd, cases[i].error, cases[i].text);
	}
	send_echo(f, fd, "still here", "");
	expect_echo(f, fd, "still here");
	assert_int_equal(f->n_acts, 0);
	close(fd);
}

static void what_is_no_request_is_answered_and_the_connection_closed(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"{",
		"[]",
		"1",
		"null",
		"\"method\"",
		"{}",
		"{\"method\":1}",
		"{\"method\":null}",
		"{\"method\":\"a.b\",\"method\":\"a.b\"}",
		"{\"method\":\"a.b\"}x",
		"{\"method\":\"a.\xff\"}",
		"{\"method\":\"a.\\u0000b\"}",
		"{\"method\":\"a.\\ud800\"}",
		"{\"method\":\"a.b\",\"x\":99999999999999999999}",
		"{\"method\":\"a.b\",\"x\":1e999}",
		"{\"method\":\"a.b\",\"parameters\":[]}",
		"{\"method\":\"a.b\",\"parameters\":\"\"}",
		"{\"method\":\"a.b\",\"more\":1}",
		"{\"method\":\"a.b\",\"oneway\":\"yes\"}",
		"{\"method\":\"a.b\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a.b\",\"upgrade\":true}",
	};
	struct fixture *f = *state;

	fixture_start(f);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		int fd = dial(f);

		send_request(f, fd, cases[i]);
		send_call(f, fd, "Act", ""); /* what follows is not looked at */
		expect_error(f, fd, INVALID, "\"parameter\"");
		expect_closed(f, fd);
	}
	assert_int_equal(f->n_acts, 0);
}

static void deep_nesting_is_refused_without_harm(void **state)
{
	struct fixture *f = *state;
	size_t n = 20000; /* below SERVER_MAX_VALUES, far above the depth that is parsed */
	char *text = malloc(n + 1);
	int fd;

	fixture_start(f);
	for (int i = 0; i < 2; i++) {
		memset(text, i ? '{' : '[', n);
		text[n] = '\0';
		fd = dial(f);
		send_request(f, fd, text);
		expect_error(f, fd, INVALID, "method");
		expect_closed(f, fd);
	}
	free(text);
}

static void a_null_parameter_counts_as_missing_and_all_kinds_pass(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_request(f, fd,
		"{\"method\":\"io.supctl.Control.Echo\",\"more\":null,\"unknown\":1,"
		"\"parameters\":{\"text\":\"a\",\"names\":null,\"count\":null}}");
	expect_echo(f, fd, "a");
	send_request(f, fd,
		"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":"
		"{\"text\":\"a\",\"names\":[\"b\",\"\"],\"flag\":false,\"count\":-3}}");
	expect_message(f, fd,
		"{\"parameters\":{\"text\":\"a\",\"names\":[\"b\",\"\"],\"flag\":false,"
		"\"count\":-3}}");
	close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	char text[16];
	int fd;

	fixture_start(f);
	fd = dial(f);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		send_echo(f, fd, text, "");
	}
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		expect_echo(f, fd, text);
	}
	close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	static const char text[] =
		"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":\"x\"}}";
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	for (size_t i = 0; i < sizeof(text); i++) {
		send_bytes(f, fd, text + i, 1);
		loop_once(&f->loop);
		loop_once(&f->loop);
	}
	expect_echo(f, fd, "x");
	close(fd);
}

/* Replies to all waiting calls in one walk, as a service that became ready does. */
static void reply_to_all(struct fixture *f)
{
	f->replying = true;
	list_foreach_safe (it, &f->waiting) {
		struct server_call *call = list_entry(it, struct server_call, node);

		list_remove(it);
		f->n_waiting--;
		server_reply(call, json_object(), false);
	}
	f->replying = false;
}

static void a_waiting_call_holds_back_what_follows_it(void **state)
{
	struct fixture *f = *state;
	int fd, other;

	fixture_start(f);
	fd = dial(f);
	other = dial(f);
	send_call(f, fd, "Wait", "");
	send_call(f, fd, "Act", "");
	send_echo(f, fd, "third", "");
	wait_until(f, f->n_waiting == 1);
	send_echo(f, other, "free", "");
	expect_echo(f, other, "free");
	barrier(f);
	assert_int_equal(f->n_acts, 0);
	reply_to_all(f);
	expect_message(f, fd, "{\"parameters\":{}}");
	expect_message(f, fd, "{\"parameters\":{}}");
	expect_echo(f, fd, "third");
	assert_int_equal(f->n_acts, 1);
	close(fd);
	close(other);
}

static void replying_calls_nothing_back(void **state)
{
	struct fixture *f = *state;
	int fds[4];

	fixture_start(f);
	for (int i = 0; i < 4; i++) {
		fds[i] = dial(f);
		send_call(f, fds[i], "Wait", "");
		send_call(f, fds[i], "Wait", "");
	}
	wait_until(f, f->n_waiting == 4);
	barrier(f);
	close(fds[3]);
	reply_to_all(f); /* asserts that no method and no cancelled() is called within */
	assert_int_equal(f->n_waiting, 0);
	wait_until(f, f->n_waiting == 3);
	reply_to_all(f);
	for (int i = 0; i < 3; i++) {
		expect_message(f, fds[i], "{\"parameters\":{}}");
		expect_message(f, fds[i], "{\"parameters\":{}}");
		close(fds[i]);
	}
}

static void a_call_is_cancelled_when_its_client_goes_away(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_call(f, fd, "Wait", "");
	wait_until(f, f->n_waiting == 1);
	close(fd);
	wait_until(f, f->n_cancelled == 1);
	wait_until(f, f->server.n_conns == 0);
	assert_int_equal(f->n_waiting, 0);
}

static void a_call_is_cancelled_when_the_server_ends(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_call(f, fd, "Wait", "");
	wait_until(f, f->n_waiting == 1);
	server_fini(&f->server);
	f->server.loop = NULL;
	assert_int_equal(f->n_cancelled, 1);
	expect_closed(f, fd);
}

static void requests_left_behind_by_a_client_that_is_gone_are_carried_out(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	for (int i = 0; i < 20; i++)
		send_call(f, fd, "Act", "\"oneway\":true,");
	send_call(f, fd, "Act", "");
	send_call(f, fd, "Wait", "");
	send_call(f, fd, "Act", "");
	send_bytes(f, fd, "{\"half", 6);
	close(fd);
	wait_until(f, f->n_acts == 22);
	wait_until(f, f->server.n_conns == 0);
	assert_int_equal(f->n_waiting, 0);
}

static void a_half_closed_connection_gets_its_replies(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_call(f, fd, "Wait", "");
	send_echo(f, fd, "last", "");
	send_bytes(f, fd, "{\"half", 6);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	wait_until(f, f->n_waiting == 1);
	barrier(f);
	assert_int_equal(f->n_cancelled, 0);
	reply_to_all(f);
	expect_message(f, fd, "{\"parameters\":{}}");
	expect_echo(f, fd, "last");
	expect_closed(f, fd);
}

static void oneway_requests_get_no_reply_and_no_error(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_echo(f, fd, "silent", "\"oneway\":true,");
	send_call(f, fd, "Act", "\"oneway\":true,");
	send_call(f, fd, "Nothing", "\"oneway\":true,");
	send_call(f, fd, "Wait", "\"oneway\":true,");
	send_echo(f, fd, "loud", "");
	wait_until(f, f->n_waiting == 1);
	reply_to_all(f);
	expect_echo(f, fd, "loud");
	assert_int_equal(f->n_acts, 1);
	close(fd);
}

static void more_gets_all_replies_and_others_the_last(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_call(f, fd, "Stream", "\"more\":true,");
	expect_message(f, fd, "{\"parameters\":{\"n\":0},\"continues\":true}");
	expect_message(f, fd, "{\"parameters\":{\"n\":1},\"continues\":true}");
	expect_message(f, fd, "{\"parameters\":{\"n\":2}}");
	send_call(f, fd, "Stream", "");
	expect_message(f, fd, "{\"parameters\":{\"n\":2}}");
	close(fd);
}

static void roles_decide_what_is_refused_and_can_be_replaced(void **state)
{
	struct fixture *f = *state;
	uid_t act_uid = 1000, see_uid = 1001;
	struct spec_role act = {.uids = &act_uid, .n_uids = 1};
	struct spec_role see = {.uids = &see_uid, .n_uids = 1};
	int op_fd, observer, other;

	fixture_start(f);
	server_set_roles(&f->server, &act, &see);
	op_fd = dial_as(f, 1000);
	observer = dial_as(f, 1001);
	other = dial_as(f, 1002);

	send_echo(f, op_fd, "a", "");
	expect_echo(f, op_fd, "a");
	send_call(f, op_fd, "Act", "");
	expect_message(f, op_fd, "{\"parameters\":{}}");
	send_call(f, op_fd, "Own", "");
	expect_error(f, op_fd, CONTROL_ERROR_PERMISSION, "uid 1000 may not Own");

	send_echo(f, observer, "b", "");
	expect_echo(f, observer, "b");
	send_call(f, observer, "Act", "");
	expect_error(f, observer, CONTROL_ERROR_PERMISSION, "uid 1001 may not Act");
	assert_int_equal(f->refused_uid, 1001);
	assert_string_equal(f->refused_method, "Act");

	/* the right comes before the parameters */
	send_request(f, other, "{\"method\":\"io.supctl.Control.Echo\"}");
	expect_error(f, other, CONTROL_ERROR_PERMISSION, "uid 1002 may not Echo");
	send_request(f, other, "{\"method\":\"org.varlink.service.GetInfo\"}");
	free(next_message(f, other));
	assert_int_equal(f->n_refused, 3);
	assert_int_equal(f->n_acts, 1);

	server_set_roles(&f->server, &see, NULL);
	send_call(f, observer, "Act", "");
	expect_message(f, observer, "{\"parameters\":{}}");
	send_echo(f, op_fd, "a", "");
	expect_error(f, op_fd, CONTROL_ERROR_PERMISSION, "uid 1000 may not Echo");
	server_set_roles(&f->server, NULL, NULL);
	send_call(f, other, "Own", "");
	expect_message(f, other, "{\"parameters\":{}}");
	close(op_fd);
	close(observer);
	close(other);
}

/* What is logged from begin_log() to end_log(). */
struct log {
	int saved, fd;
	char text[65536];
};

static void begin_log(struct log *l)
{
	l->saved = dup(STDERR_FILENO);
	l->fd = memfd_create("log", MFD_CLOEXEC);
	dup2(l->fd, STDERR_FILENO);
}

static void end_log(struct log *l)
{
	ssize_t n = pread(l->fd, l->text, sizeof(l->text) - 1, 0);

	dup2(l->saved, STDERR_FILENO);
	close(l->saved);
	close(l->fd);
	assert_true(n >= 0);
	l->text[n] = '\0';
}

static unsigned count_text(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void be_refused(struct fixture *f, uid_t uid, unsigned n)
{
	int fd = dial_as(f, uid);

	for (; n > 0; n--) {
		send_call(f, fd, "Act", "");
		free(next_message(f, fd));
	}
	close(fd);
}

static void start_for_nobody(struct fixture *f)
{
	static uid_t uid = 1;
	static const struct spec_role role = {.uids = &uid, .n_uids = 1};

	fixture_start(f);
	server_set_roles(&f->server, &role, NULL);
}

static void a_refused_peer_cannot_flood_the_log_nor_keep_others_out_of_it(void **state)
{
	struct fixture *f = *state;
	struct log log;

	start_for_nobody(f);
	begin_log(&log);
	be_refused(f, 1000, SERVER_MAX_REFUSED_LINES + 5);
	be_refused(f, 1001, 1);
	be_refused(f, 1000, 1);
	end_log(&log);
	/* Nor what is kept of it. */
	assert_int_equal(f->n_refused, SERVER_MAX_REFUSED_LINES + 1);
	assert_int_equal(count_text(log.text, "refused: uid 1000 pid 4711 may not Act"),
		SERVER_MAX_REFUSED_LINES);
	assert_int_equal(count_text(log.text, "refused: uid 1001 pid 4711 may not Act"), 1);
	assert_int_equal(count_text(log.text, "more"), 0);
}

static void what_was_left_out_of_the_log_is_told_when_its_time_is_over(void **state)
{
	struct fixture *f = *state;
	struct log log;

	f->settings.log_window_usec = 300 * USEC_PER_MSEC;
	start_for_nobody(f);
	begin_log(&log);
	be_refused(f, 1000, SERVER_MAX_REFUSED_LINES + 5);
	wait_until(f, f->server.log.refused[0].n == 0);
	be_refused(f, 1000, 1);
	end_log(&log);
	assert_int_equal(count_text(log.text, "may not Act"), SERVER_MAX_REFUSED_LINES + 1);
	assert_int_equal(count_text(log.text, "refused: uid 1000 5 requests more"), 1);
}

static void more_users_than_are_counted_share_what_is_logged(void **state)
{
	struct fixture *f = *state;
	struct log log;

	f->settings.log_window_usec = 300 * USEC_PER_MSEC;
	start_for_nobody(f);
	begin_log(&log);
	for (uid_t uid = 1000; uid < 1000 + SERVER_LOG_UIDS; uid++)
		be_refused(f, uid, 1);
	be_refused(f, 2000, SERVER_MAX_REFUSED_LINES);
	be_refused(f, 2001, 3);
	wait_until(f, f->server.log.others.n == 0);
	be_refused(f, 2001, 1);
	end_log(&log);
	assert_int_equal(count_text(log.text, "may not Act"),
		SERVER_LOG_UIDS + SERVER_MAX_REFUSED_LINES + 1);
	assert_int_equal(count_text(log.text, "refused: other users 3 requests more"), 1);
	assert_int_equal(count_text(log.text, "uid 2001 pid 4711"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_and_owner_own_whatever_the_roles),
		cmocka_unit_test(without_roles_whoever_could_connect_owns),
		cmocka_unit_test(roles_count_by_user_group_and_supplementary_group),
		cmocka_unit_test(the_kernel_tells_who_connected),
		cmocka_unit_test(many_supplementary_groups_are_all_learned),
		server_test(a_socket_appears_with_its_mode_and_leaves_nothing_else),
		server_test(a_socket_that_is_answered_is_not_taken_over),
		server_test(what_is_no_socket_is_not_replaced),
		server_test(a_path_that_is_too_long_is_refused),
		server_test(any_varlink_client_can_introspect),
		server_test(a_wrong_request_names_what_is_wrong_and_the_connection_stays),
		server_test(what_is_no_request_is_answered_and_the_connection_closed),
		server_test(deep_nesting_is_refused_without_harm),
		server_test(a_null_parameter_counts_as_missing_and_all_kinds_pass),
		server_test(pipelined_requests_are_answered_in_order),
		server_test(a_request_may_come_byte_by_byte),
		server_test(a_waiting_call_holds_back_what_follows_it),
		server_test(replying_calls_nothing_back),
		server_test(a_call_is_cancelled_when_its_client_goes_away),
		server_test(a_call_is_cancelled_when_the_server_ends),
		server_test(requests_left_behind_by_a_client_that_is_gone_are_carried_out),
		server_test(a_half_closed_connection_gets_its_replies),
		server_test(oneway_requests_get_no_reply_and_no_error),
		server_test(more_gets_all_replies_and_others_the_last),
		server_test(roles_decide_what_is_refused_and_can_be_replaced),
		server_test(a_refused_peer_cannot_flood_the_log_nor_keep_others_out_of_it),
		server_test(what_was_left_out_of_the_log_is_told_when_its_time_is_over),
		server_test(more_users_than_are_counted_share_what_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
