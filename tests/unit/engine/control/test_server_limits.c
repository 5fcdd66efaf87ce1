/* The control server's limits: each at the limit and one past it. */
#include "server_fixture.h"

#include <sys/resource.h>

#define SHORT (50 * USEC_PER_MSEC)
#define LONG  (60 * USEC_PER_SEC)

/* An Echo request of n bytes, the NUL included. The caller frees. */
static char *padded_request(size_t n)
{
	static const char head[] =
		"{\"method\":\"io.supctl.Control.Echo\",\"parameters\":{\"text\":\"x\"}}";
	char *text = malloc(n);

	memset(text, ' ', n);
	memcpy(text, head, sizeof(head) - 1);
	text[n - 1] = '\0';
	return text;
}

static void check_request_limit(struct fixture *f)
{
	size_t limit = f->settings.max_request_bytes;
	char *text = padded_request(limit + 1);
	int fd;

	fixture_start(f);
	fd = dial(f);
	text[limit - 1] = '\0';
	send_bytes(f, fd, text, limit);
	expect_echo(f, fd, "x");
	text[limit - 1] = ' ';
	send_bytes(f, fd, text, limit + 1);
	expect_error(f, fd, CONTROL_ERROR_LIMIT, "a request may have");
	expect_closed(f, fd);

	/* without its end, too: as soon as it can't be in time any more */
	fd = dial(f);
	send_bytes(f, fd, text, limit - 1);
	barrier(f);
	assert_true(is_open(fd));
	send_bytes(f, fd, text, 1);
	expect_error(f, fd, CONTROL_ERROR_LIMIT, "a request may have");
	expect_closed(f, fd);
	free(text);
}

static void a_request_has_a_mebibyte_at_most(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->settings.max_request_bytes, 1 << 20);
	check_request_limit(f);
}

static void a_request_shorter_than_a_chunk_is_limited_as_well(void **state)
{
	struct fixture *f = *state;

	f->settings.max_request_bytes = 100;
	check_request_limit(f);
}

static void a_limit_holds_for_requests_behind_a_waiting_one(void **state)
{
	struct fixture *f = *state;
	char *text = padded_request(101);
	int fd;

	f->settings.max_request_bytes = 100;
	fixture_start(f);
	fd = dial(f);
	send_echo(f, fd, "a", "");
	send_bytes(f, fd, text, 101);
	expect_echo(f, fd, "a");
	expect_error(f, fd, CONTROL_ERROR_LIMIT, "100");
	expect_closed(f, fd);
	free(text);
}

static void names_in_one_request_are_limited(void **state)
{
	static const char head[] = "{\"method\":\"io.supctl.Control.Echo\",\"parameters\":"
				   "{\"text\":\"\",\"names\":[\"\"";
	struct fixture *f = *state;
	struct buf b = {0};
	char *text;
	int fd;

	fixture_start(f);
	fd = dial(f);
	for (int extra = 0; extra < 2; extra++) {
		b.len = 0;
		assert_int_equal(buf_append(&b, SIZE_MAX, head, sizeof(head) - 1), 0);
		for (int i = 1; i < CONTROL_MAX_NAMES + extra; i++)
			assert_int_equal(buf_append(&b, SIZE_MAX, ",\"\"", 3), 0);
		assert_int_equal(buf_append(&b, SIZE_MAX, "]}}", 4), 0);
		send_bytes(f, fd, b.data, b.len);
		if (extra == 1) {
			expect_error(f, fd, CONTROL_ERROR_LIMIT, "names");
			break;
		}
		text = next_message(f, fd);
		assert_non_null(text);
		assert_null(strstr(text, "error"));
		free(text);
	}
	send_echo(f, fd, "stays", "");
	expect_echo(f, fd, "stays");
	buf_fini(&b);
	close(fd);
}

/* A request with so many values, as server_call_count_values() counts, of one kind. */
static void send_values(struct fixture *f, int fd, const char *value, size_t per_value, size_t n)
{
	static const char head[] = "{\"x\":["; /* an object, x and its value, a first item: 4 */
	struct buf b = {0};

	assert_int_equal(buf_append(&b, SIZE_MAX, head, sizeof(head) - 1), 0);
	for (size_t have = 4; have + per_value <= n; have += per_value) {
		assert_int_equal(buf_append(&b, SIZE_MAX, value, strlen(value)), 0);
		assert_int_equal(buf_append(&b, SIZE_MAX, ",", 1), 0);
	}
	assert_int_equal(buf_append(&b, SIZE_MAX, "0]}", 4), 0);
	send_bytes(f, fd, b.data, b.len);
	buf_fini(&b);
}

static void values_in_one_request_are_limited_before_it_is_parsed(void **state)
{
	static const char quoted[] = "[{,:\\\"[{,:\\\\";
	struct fixture *f = *state;
	char text[64];
	int fd;

	snprintf(text, sizeof(text), "{\"%s\":\"%s\"}", quoted, quoted);
	assert_int_equal(server_call_count_values(text, strlen(text)), 3);
	fixture_start(f);
	fd = dial(f);
	send_values(f, fd, "0", 1, SERVER_MAX_VALUES);
	expect_error(f, fd, CONTROL_ERROR_PARAMETER, "\"method\"");
	expect_closed(f, fd);
	fd = dial(f);
	send_values(f, fd, "0", 1, SERVER_MAX_VALUES + 1);
	expect_error(f, fd, CONTROL_ERROR_LIMIT, "values");
	expect_closed(f, fd);
	fd = dial(f);
	send_values(f, fd, "{}", 2, 200000);
	expect_error(f, fd, CONTROL_ERROR_LIMIT, "values");
	expect_closed(f, fd);
}

static void a_request_must_be_sent_in_time(void **state)
{
	struct fixture *f = *state;
	usec_t began;
	int slow, idle, late;

	f->settings.request_timeout_usec = SHORT;
	fixture_start(f);
	idle = dial(f);
	slow = dial(f);
	late = dial(f);
	send_bytes(f, slow, "{", 1);
	send_echo(f, late, "a", "");
	expect_echo(f, late, "a");
	began = usec_now(CLOCK_MONOTONIC);
	/* Going on sending does not help. */
	while (is_open(slow)) {
		assert_true(usec_now(CLOCK_MONOTONIC) < began + DEADLINE);
		send_bytes(f, slow, " ", 1);
		loop_once(&f->loop);
	}
	expect_closed(f, slow);
	assert_true(usec_now(CLOCK_MONOTONIC) >= began + SHORT - 2 * TICK);
	assert_true(is_open(idle));
	assert_true(is_open(late));
	close(idle);
	close(late);
}

static void the_clock_does_not_run_while_the_client_waits_for_us(void **state)
{
	struct fixture *f = *state;
	usec_t began;
	int fd;

	f->settings.request_timeout_usec = SHORT;
	fixture_start(f);
	fd = dial(f);
	send_call(f, fd, "Feed", "\"more\":true,");
	send_bytes(f, fd, "{\"half", 6);
	began = usec_now(CLOCK_MONOTONIC);
	wait_until(f, f->n_waiting == 1);
	wait_until(f, usec_now(CLOCK_MONOTONIC) > began + 3 * SHORT);
	assert_true(is_open(fd));
	f->n_waiting--;
	server_reply(list_first(&f->waiting, struct server_call, node), json_object(), false);
	list_init(&f->waiting);
	expect_message(f, fd, "{\"parameters\":{}}");
	expect_closed(f, fd);
}

static void send_big(struct fixture *f, int fd, size_t size)
{
	char text[128];

	snprintf(text, sizeof(text),
		"{\"method\":\"io.supctl.Control.Big\",\"parameters\":{\"size\":%zu}}", size);
	send_request(f, fd, text);
}

/* Reads a Big reply whole and returns its size. */
static size_t read_big(struct fixture *f, int fd)
{
	static char chunk[65536];
	usec_t end = usec_now(CLOCK_MONOTONIC) + DEADLINE;
	size_t n = 0;

	for (;;) {
		ssize_t r = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

		if (r == 0 || usec_now(CLOCK_MONOTONIC) > end)
			fail_msg("a long reply ended after %zu bytes", n);
		if (r > 0)
			n += (size_t)r;
		if (r > 0 && chunk[r - 1] == '\0')
			return n;
		if (r < 0)
			loop_once(&f->loop);
	}
}

static void a_reader_that_takes_nothing_is_dropped_and_others_are_served(void **state)
{
	struct fixture *f = *state;
	usec_t began;
	int slow, other;

	f->settings.output_timeout_usec = SHORT;
	fixture_start(f);
	slow = dial(f);
	other = dial(f);
	began = usec_now(CLOCK_MONOTONIC);
	send_big(f, slow, 4 << 20);
	wait_until(f, f->server.output_bytes > 0);
	while (f->server.output_bytes > 0) {
		send_echo(f, other, "served", "");
		expect_echo(f, other, "served");
		loop_once(&f->loop);
		assert_true(usec_now(CLOCK_MONOTONIC) < began + DEADLINE);
	}
	assert_true(usec_now(CLOCK_MONOTONIC) >= began + SHORT - 2 * TICK);
	assert_int_equal(f->server.n_conns, 1);
	close(slow);
	close(other);
}

static void a_reader_that_takes_a_little_now_and_then_is_kept(void **state)
{
	struct fixture *f = *state;
	static char chunk[1 << 16];
	usec_t began, next;
	size_t n = 0;
	int fd;

	f->settings.output_timeout_usec = 4 * SHORT;
	fixture_start(f);
	fd = dial(f);
	send_big(f, fd, 4 << 20);
	wait_until(f, f->server.output_bytes > 0);
	began = usec_now(CLOCK_MONOTONIC);
	for (int i = 0; i < 12; i++) {
		for (int k = 0; k < 4; k++) {
			ssize_t r = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

			n += r > 0 ? (size_t)r : 0;
		}
		next = usec_now(CLOCK_MONOTONIC) + SHORT;
		wait_until(f, usec_now(CLOCK_MONOTONIC) > next);
	}
	assert_true(usec_now(CLOCK_MONOTONIC) > began + 8 * SHORT);
	n += read_big(f, fd);
	assert_int_equal(n, 4 << 20);
	close(fd);
}

static void nothing_is_read_from_a_client_with_unread_replies(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_big(f, fd, 4 << 20);
	send_call(f, fd, "Act", "");
	wait_until(f, f->server.output_bytes > 0);
	send_call(f, fd, "Act", "");
	barrier(f);
	barrier(f);
	assert_int_equal(f->n_acts, 0);
	assert_true(newest_conn(f)->in.len < SERVER_CHUNK);
	assert_int_equal(newest_conn(f)->source.events, EPOLLOUT);
	read_big(f, fd);
	wait_until(f, f->n_acts == 2);
	close(fd);
}

static void a_reply_may_be_as_long_as_the_limit(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->settings.max_output_bytes = 1 << 20;
	fixture_start(f);
	fd = dial(f);
	send_big(f, fd, 1 << 20);
	assert_int_equal(read_big(f, fd), 1 << 20);
	send_big(f, fd, (1 << 20) + 1);
	expect_closed(f, fd);
}

/* Sends to the one Feed that is waiting until its reader has n bytes to read yet. */
static int feed(struct fixture *f, size_t n)
{
	struct server_call *call = list_first(&f->waiting, struct server_call, node);
	char *text = malloc(n + 1);
	int r;

	memset(text, 'x', n);
	text[n] = '\0';
	r = server_reply(call, json_pack("{s:s}", "x", text), true);
	free(text);
	return r;
}

static void a_stream_that_is_not_read_is_dropped_at_the_limit(void **state)
{
	struct fixture *f = *state;
	int fd, r = 0;

	f->settings.max_output_bytes = 1 << 20;
	fixture_start(f);
	fd = dial(f);
	send_call(f, fd, "Feed", "\"more\":true,");
	wait_until(f, f->n_waiting == 1);
	for (int i = 0; i < 1000 && r == 0; i++) {
		r = feed(f, 10000);
		assert_true(f->server.output_bytes <= 1 << 20);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(f->n_cancelled, 0); /* from the loop only */
	assert_int_equal(feed(f, 1), -ENOTCONN);
	wait_until(f, f->n_cancelled == 1);
	assert_int_equal(f->n_waiting, 0);
	close(fd);
}

static void a_stream_that_is_read_slowly_does_not_pile_up_what_is_gone(void **state)
{
	struct fixture *f = *state;
	static char chunk[10000];
	int fd;

	f->settings.max_output_bytes = 1 << 20;
	fixture_start(f);
	fd = dial(f);
	send_call(f, fd, "Feed", "\"more\":true,");
	wait_until(f, f->n_waiting == 1);
	for (int i = 0; i < 60; i++)
		assert_int_equal(feed(f, sizeof(chunk)), 0);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(feed(f, sizeof(chunk) - 40), 0);
		assert_true(recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT) > 0);
		loop_once(&f->loop);
		assert_true(f->server.output_bytes > 0);
		assert_true(newest_conn(f)->out.len <= 2 << 20);
	}
	close(fd);
	wait_until(f, f->n_cancelled == 1);
}

static void all_unread_output_together_is_bounded(void **state)
{
	struct fixture *f = *state;
	int little, much;

	f->settings.max_output_total_bytes = 6 << 20;
	fixture_start(f);
	much = dial_as(f, 1001);
	little = dial_as(f, 1000);
	send_big(f, much, 4 << 20);
	wait_until(f, f->server.output_bytes > 3 << 20);
	assert_int_equal(f->server.n_conns, 2);
	send_big(f, little, 3 << 20);
	wait_until(f, f->server.n_conns == 1);
	assert_int_equal(read_big(f, little), 3 << 20);
	close(much);
	close(little);
}

static void the_oldest_idle_connection_makes_room(void **state)
{
	struct fixture *f = *state;
	int fds[4], newcomer;

	f->settings.max_clients = 4;
	fixture_start(f);
	for (int i = 0; i < 4; i++)
		fds[i] = dial_as(f, 1000 + (uid_t)i);
	send_call(f, fds[0], "Wait", ""); /* busy: stays */
	wait_until(f, f->n_waiting == 1);
	assert_int_equal(f->server.n_conns, 4);
	send_bytes(f, fds[1], "{", 1); /* not whole: no protection */
	barrier(f);
	newcomer = dial_as(f, 1005);
	assert_int_equal(f->server.n_conns, 4);
	expect_closed(f, fds[1]);
	assert_true(is_open(fds[0]) && is_open(fds[2]) && is_open(fds[3]));
	send_echo(f, newcomer, "in", "");
	expect_echo(f, newcomer, "in");
	close(fds[0]);
	close(fds[2]);
	close(fds[3]);
	close(newcomer);
}

static void where_all_are_busy_a_newcomer_is_told_so(void **state)
{
	struct fixture *f = *state;
	int fds[4], newcomer;

	f->settings.max_clients = 4;
	fixture_start(f);
	for (int i = 0; i < 4; i++) {
		fds[i] = dial_as(f, i == 0 ? f->settings.owner : 1000 + (uid_t)i);
		send_call(f, fds[i], "Wait", "");
	}
	wait_until(f, f->n_waiting == 4);
	pretended = (struct peer){.uid = 1005};
	newcomer = dial(f);
	expect_error(f, newcomer, CONTROL_ERROR_LIMIT, "too many connections");
	expect_closed(f, newcomer);
	assert_int_equal(f->n_cancelled, 0);

	/* The owner gets in, at the cost of a stranger's oldest. */
	newcomer = dial_as(f, f->settings.owner);
	wait_until(f, f->n_cancelled == 1);
	expect_closed(f, fds[1]);
	assert_int_equal(f->server.n_conns, 4);
	close(fds[0]);
	close(fds[2]);
	close(fds[3]);
	close(newcomer);
}

static void strangers_make_room_before_the_owner_does(void **state)
{
	struct fixture *f = *state;
	int owner, stranger, newcomer;

	f->settings.max_clients = 2;
	fixture_start(f);
	owner = dial_as(f, f->settings.owner);
	stranger = dial_as(f, 1000);
	newcomer = dial_as(f, 1001);
	expect_closed(f, stranger);
	assert_true(is_open(owner));
	close(owner);
	close(newcomer);
}

static void a_user_at_the_limit_makes_room_for_itself_only(void **state)
{
	struct fixture *f = *state;
	int other, fds[SERVER_MAX_CLIENTS_PER_UID], more;

	assert_int_equal(f->settings.max_clients_per_uid, 64);
	fixture_start(f);
	other = dial_as(f, 1001);
	for (int i = 0; i < 64; i++)
		fds[i] = dial_as(f, 1000);
	assert_int_equal(f->server.n_conns, 65);
	assert_true(is_open(fds[0]));
	more = dial_as(f, 1000);
	assert_int_equal(f->server.n_conns, 65);
	expect_closed(f, fds[0]);
	assert_true(is_open(other));
	close(more);
	close(other);
	for (int i = 1; i < 64; i++) {
		assert_true(is_open(fds[i]));
		close(fds[i]);
	}
}

static void the_owner_may_have_more_than_a_user_up_to_the_whole(void **state)
{
	struct fixture *f = *state;
	int fds[SERVER_MAX_CLIENTS + 1];

	assert_int_equal(f->settings.max_clients, 256);
	fixture_start(f);
	for (int i = 0; i < 256; i++)
		fds[i] = dial_as(f, f->settings.owner);
	assert_int_equal(f->server.n_conns, 256);
	assert_true(is_open(fds[0]));
	fds[256] = dial_as(f, f->settings.owner);
	assert_int_equal(f->server.n_conns, 256);
	assert_false(is_open(fds[0]));
	for (int i = 0; i <= 256; i++)
		close(fds[i]);
}

static void a_user_whose_calls_are_all_busy_is_refused_more(void **state)
{
	struct fixture *f = *state;
	int fds[2], more;

	f->settings.max_clients_per_uid = 2;
	fixture_start(f);
	for (int i = 0; i < 2; i++) {
		fds[i] = dial_as(f, 1000);
		send_call(f, fds[i], "Wait", "");
	}
	wait_until(f, f->n_waiting == 2);
	pretended = (struct peer){.uid = 1000};
	more = dial(f);
	expect_error(f, more, CONTROL_ERROR_LIMIT, "too many connections");
	expect_closed(f, more);
	close(fds[0]);
	close(fds[1]);
}

/* The lowest descriptor that is free becomes the first that is forbidden. */
static struct rlimit forbid_descriptors(void)
{
	struct rlimit before, now;
	int lowest = dup(STDERR_FILENO);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = before;
	now.rlim_cur = (rlim_t)lowest;
	close(lowest);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return before;
}

static void without_descriptors_accepting_pauses_and_does_not_spin(void **state)
{
	struct fixture *f = *state;
	struct rlimit before;
	usec_t began;
	unsigned rounds = 0;
	int busy, fd;

	f->settings.accept_pause_usec = SHORT;
	fixture_start(f);
	busy = dial(f);
	send_call(f, busy, "Wait", "");
	wait_until(f, f->n_waiting == 1);
	fd = dial(f);
	send_echo(f, fd, "late", "");
	before = forbid_descriptors();
	began = usec_now(CLOCK_MONOTONIC);
	while (usec_now(CLOCK_MONOTONIC) < began + 4 * SHORT) {
		loop_once(&f->loop);
		rounds++;
	}
	assert_true(f->server.starved);
	assert_true(rounds < 4 * SHORT / TICK + 50);
	assert_int_equal(f->server.n_conns, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	expect_echo(f, fd, "late");
	assert_false(f->server.starved);
	close(fd);
	close(busy);
}

static void without_descriptors_an_idle_connection_makes_room(void **state)
{
	struct fixture *f = *state;
	struct rlimit before;
	int idle, fd;

	f->settings.accept_pause_usec = LONG;
	fixture_start(f);
	idle = dial(f);
	wait_until(f, f->server.n_conns == 1);
	fd = dial(f);
	send_echo(f, fd, "in", "");
	before = forbid_descriptors();
	expect_echo(f, fd, "in");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	expect_closed(f, idle);
	close(fd);
}

static void a_client_that_floods_does_not_hold_up_others(void **state)
{
	static const char request[] = "{\"method\":\"io.supctl.Control.Act\",\"oneway\":true}";
	static char requests[1000 * sizeof(request)];
	struct fixture *f = *state;
	int flood, other;

	fixture_start(f);
	flood = dial(f);
	other = dial(f);
	wait_until(f, f->server.n_conns == 2);
	for (size_t i = 0; i < 1000; i++)
		memcpy(requests + i * sizeof(request), request, sizeof(request));
	assert_int_equal(send(flood, requests, sizeof(requests), MSG_DONTWAIT), sizeof(requests));
	send_echo(f, other, "quick", "");
	loop_once(&f->loop);
	loop_once(&f->loop);
	assert_true(f->n_acts > 0);
	assert_true(f->n_acts <= 2 * SERVER_REQUESTS_PER_ROUND);
	assert_true(newest_conn(f)->in.len == 0);
	expect_echo(f, other, "quick");
	wait_until(f, f->n_acts == 1000);
	close(flood);
	close(other);
}

static void connections_that_come_and_go_do_not_hold_up_others(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = dial(f);
	for (int i = 0; i < 100; i++)
		send_call(f, fd, "Act", "\"oneway\":true,");
	for (int i = 0; i < 100 && f->n_acts < 100; i++) {
		close(dial(f));
		loop_once(&f->loop);
	}
	assert_int_equal(f->n_acts, 100);
	close(fd);
}

static void an_idle_connection_holds_no_buffer(void **state)
{
	struct fixture *f = *state;
	char *text = padded_request(500000);
	int fd;

	fixture_start(f);
	fd = dial(f);
	send_bytes(f, fd, text, 500000);
	expect_echo(f, fd, "x");
	send_big(f, fd, 500000);
	assert_int_equal(read_big(f, fd), 500000);
	wait_until(f, f->server.output_bytes == 0);
	barrier(f);
	assert_null(newest_conn(f)->in.data);
	assert_null(newest_conn(f)->out.data);
	assert_null(newest_conn(f)->call);
	free(text);
	close(fd);
}

static int no_peer(int fd _unused_, struct peer *ret_peer _unused_)
{
	return -ENOMEM;
}

static void a_peer_that_cannot_be_known_is_not_served(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->settings.get_peer = no_peer;
	fixture_start(f);
	fd = dial(f);
	expect_closed(f, fd);
	assert_int_equal(f->server.n_conns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(a_request_has_a_mebibyte_at_most),
		server_test(a_request_shorter_than_a_chunk_is_limited_as_well),
		server_test(a_limit_holds_for_requests_behind_a_waiting_one),
		server_test(names_in_one_request_are_limited),
		server_test(values_in_one_request_are_limited_before_it_is_parsed),
		server_test(a_request_must_be_sent_in_time),
		server_test(the_clock_does_not_run_while_the_client_waits_for_us),
		server_test(a_reader_that_takes_nothing_is_dropped_and_others_are_served),
		server_test(a_reader_that_takes_a_little_now_and_then_is_kept),
		server_test(nothing_is_read_from_a_client_with_unread_replies),
		server_test(a_reply_may_be_as_long_as_the_limit),
		server_test(a_stream_that_is_not_read_is_dropped_at_the_limit),
		server_test(a_stream_that_is_read_slowly_does_not_pile_up_what_is_gone),
		server_test(all_unread_output_together_is_bounded),
		server_test(the_oldest_idle_connection_makes_room),
		server_test(where_all_are_busy_a_newcomer_is_told_so),
		server_test(strangers_make_room_before_the_owner_does),
		server_test(a_user_at_the_limit_makes_room_for_itself_only),
		server_test(the_owner_may_have_more_than_a_user_up_to_the_whole),
		server_test(a_user_whose_calls_are_all_busy_is_refused_more),
		server_test(without_descriptors_accepting_pauses_and_does_not_spin),
		server_test(without_descriptors_an_idle_connection_makes_room),
		server_test(a_client_that_floods_does_not_hold_up_others),
		server_test(connections_that_come_and_go_do_not_hold_up_others),
		server_test(an_idle_connection_holds_no_buffer),
		server_test(a_peer_that_cannot_be_known_is_not_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
