/* One message for many followers: all get it, and who does not read only harms itself. */
#include "server_fixture.h"

#include "engine/control/events/broadcast.h"

#define SHORT (50 * USEC_PER_MSEC)

struct listener {
	struct follower follower;
	int fd;
	bool is_gone;
};

/* Not on the stack: a test that fails leaves them to the end of the server. */
static struct broadcast b;
static struct listener listeners[8];

static json_t *make_lost(struct broadcast *of, uint64_t n)
{
	assert_ptr_equal(&b, of);
	return json_pack("{s:I}", "lost", (json_int_t)n);
}

static void on_gone(struct follower *f)
{
	CONTAINER_OF(f, struct listener, follower)->is_gone = true;
}

static void begin(struct fixture *f)
{
	fixture_start(f);
	broadcast_init(&b, make_lost);
}

/* A new connection that follows. */
static void listen_with(struct fixture *f, struct listener *l, const struct buf *first)
{
	int fd = dial(f);
	struct server_call *call;

	*l = (struct listener){.follower.gone = on_gone, .fd = fd};
	send_call(f, fd, "Feed", "\"more\":true,");
	wait_until(f, f->n_waiting > 0);
	call = list_first(&f->waiting, struct server_call, node);
	list_remove(&call->node);
	f->n_waiting--;
	broadcast_add(&b, &l->follower, call, first);
}

static void listen_to(struct fixture *f, struct listener *l)
{
	listen_with(f, l, &(struct buf){0});
}

/* All messages have the same length. */
static void make_message(int n, struct buf *message)
{
	message->len = 0;
	assert_int_equal(0, server_encode(json_pack("{s:i}", "n", 1000000 + n), message));
}

static void give_all(int n)
{
	_cleanup_buf_ struct buf message = {0};

	make_message(n, &message);
	list_foreach (it, &b.followers)
		broadcast_give(list_entry(it, struct follower, node), &message);
}

static size_t message_size(void)
{
	_cleanup_buf_ struct buf message = {0};

	make_message(0, &message);
	return message.len;
}

static void expect_n(struct fixture *f, int fd, int n)
{
	char text[96];

	snprintf(text, sizeof(text), "{\"parameters\":{\"n\":%d},\"continues\":true}", 1000000 + n);
	expect_message(f, fd, text);
}

static void expect_lost(struct fixture *f, int fd, uint64_t n)
{
	char text[96];

	snprintf(text, sizeof(text), "{\"parameters\":{\"lost\":%llu},\"continues\":true}",
		(unsigned long long)n);
	expect_message(f, fd, text);
}

static void every_follower_gets_every_message_in_order(void **state)
{
	struct fixture *f = *state;
	struct listener *l = listeners;

	begin(f);
	for (size_t i = 0; i < ELEMENTSOF(listeners); i++)
		listen_to(f, &l[i]);
	for (int n = 0; n < 50; n++)
		give_all(n);
	for (size_t i = 0; i < ELEMENTSOF(listeners); i++) {
		for (int n = 0; n < 50; n++)
			expect_n(f, l[i].fd, n);
		close(l[i].fd);
	}
}

static void at_the_bound_nothing_is_lost_and_one_past_it_is_told_at_once(void **state)
{
	struct fixture *f = *state;
	struct listener *l = &listeners[0];

	begin(f);
	b.max_unread_bytes = 10 * message_size();
	listen_to(f, l);
	for (int n = 0; n < 10; n++)
		give_all(n);
	assert_int_equal(0, l->follower.n_lost);
	for (int n = 0; n < 10; n++)
		expect_n(f, l->fd, n);

	for (int n = 10; n < 23; n++)
		give_all(n);
	assert_int_equal(3, l->follower.n_lost);
	for (int n = 10; n < 20; n++)
		expect_n(f, l->fd, n);
	expect_lost(f, l->fd, 3); /* though nothing else happens */
	give_all(23);
	expect_n(f, l->fd, 23);
	close(l->fd);
}

/* More than a socket holds, so that the reader frees some of it and not all at once. */
static void once_some_are_lost_there_is_one_gap_until_everything_was_read(void **state)
{
	struct fixture *f = *state;
	struct listener *l = &listeners[0];
	size_t full;
	int n, at = 0;

	begin(f);
	b.max_unread_bytes = 1 << 20;
	listen_to(f, l);
	for (n = 0; l->follower.n_lost == 0; n++) {
		give_all(n);
		if (n % 1000 == 0)
			assert_int_equal(0, loop_once(&f->loop));
	}
	n--;
	full = server_unread(l->follower.call);
	while (server_unread(l->follower.call) == full)
		expect_n(f, l->fd, at++);
	/* There is room again, but what lies before it has not all been taken. */
	assert_true(server_unread(l->follower.call) > 0);
	give_all(n);
	assert_int_equal(2, l->follower.n_lost);
	while (at < n)
		expect_n(f, l->fd, at++);
	expect_lost(f, l->fd, 2);
	assert_int_equal(0, l->follower.n_lost);
	close(l->fd);
}

static void a_follower_that_does_not_read_harms_nobody_else(void **state)
{
	struct fixture *f = *state;
	struct listener *sleeper = &listeners[0], *reader = &listeners[1];
	int n;

	begin(f);
	b.max_unread_bytes = 20 * message_size();
	listen_to(f, sleeper);
	listen_to(f, reader);
	for (n = 0; sleeper->follower.n_lost < 100; n++) {
		give_all(n);
		expect_n(f, reader->fd, n);
	}
	assert_int_equal(0, reader->follower.n_lost);
	assert_true(server_unread(sleeper->follower.call) <= b.max_unread_bytes);
	for (int i = 0; i < n - 100; i++)
		expect_n(f, sleeper->fd, i);
	expect_lost(f, sleeper->fd, 100);
	close(sleeper->fd);
	close(reader->fd);
}

static void what_it_is_given_first_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct listener *l = &listeners[0];
	struct buf first = {0}, message = {0};
	int n_first = 0;

	begin(f);
	b.max_unread_bytes = 5 * message_size();
	while (first.len < (400 << 10)) {
		make_message(n_first++, &message);
		assert_int_equal(0, buf_append(&first, SIZE_MAX, message.data, message.len));
	}
	listen_with(f, l, &first);
	for (int n = 0; n < 5; n++)
		give_all(n);
	assert_int_equal(0, l->follower.n_lost);
	give_all(5);
	assert_int_equal(1, l->follower.n_lost);
	for (int n = 0; n < n_first; n++)
		expect_n(f, l->fd, n);
	for (int n = 0; n < 5; n++)
		expect_n(f, l->fd, n);
	expect_lost(f, l->fd, 1);
	buf_fini(&first);
	buf_fini(&message);
	close(l->fd);
}

static void a_message_that_could_not_be_made_counts_as_lost(void **state)
{
	struct fixture *f = *state;
	struct listener *l = &listeners[0];
	struct buf none = {0};

	begin(f);
	listen_to(f, l);
	assert_int_equal(-ENOMEM, server_encode(NULL, &none));
	assert_int_equal(0, none.len);
	broadcast_give(&l->follower, &none);
	give_all(7);
	expect_lost(f, l->fd, 1);
	expect_n(f, l->fd, 7);
	close(l->fd);
}

static void who_leaves_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct listener *leaver = &listeners[0], *stayer = &listeners[1];

	begin(f);
	listen_to(f, leaver);
	listen_to(f, stayer);
	close(leaver->fd);
	give_all(1);
	wait_until(f, leaver->is_gone);
	give_all(2);
	expect_n(f, stayer->fd, 1);
	expect_n(f, stayer->fd, 2);
	assert_false(stayer->is_gone);
	close(stayer->fd);
	wait_until(f, stayer->is_gone);
	assert_true(list_empty(&b.followers));
}

/* One that takes nothing at all for the time that every reader has. */
static void who_takes_nothing_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct listener *l = &listeners[0];

	f->settings.output_timeout_usec = SHORT;
	begin(f);
	b.max_unread_bytes = 20 * message_size();
	listen_to(f, l);
	for (int n = 0; l->follower.n_lost == 0 && !l->is_gone; n++) {
		give_all(n);
		assert_int_equal(0, loop_once(&f->loop));
	}
	wait_until(f, l->is_gone);
	close(l->fd);
}

static void a_follower_to_whom_nothing_happens_stays_and_makes_no_room(void **state)
{
	struct fixture *f = *state;
	struct listener *l = &listeners[0];
	usec_t end;
	int idle, newcomer;

	f->settings.output_timeout_usec = SHORT;
	f->settings.request_timeout_usec = SHORT;
	f->settings.max_clients = 2;
	begin(f);
	listen_to(f, l);
	end = usec_now(CLOCK_MONOTONIC) + 4 * SHORT;
	wait_until(f, usec_now(CLOCK_MONOTONIC) > end);
	give_all(1);
	expect_n(f, l->fd, 1);
	idle = dial(f);
	newcomer = dial(f);
	expect_closed(f, idle); /* though the follower is older */
	give_all(2);
	expect_n(f, l->fd, 2);
	assert_false(l->is_gone);
	close(newcomer);
	close(l->fd);
}

static void what_was_given_last_is_sent_before_the_server_ends(void **state)
{
	struct fixture *f = *state;
	struct listener *l = &listeners[0];

	begin(f);
	listen_to(f, l);
	give_all(1);
	server_fini(&f->server);
	assert_true(l->is_gone);
	f->server.loop = NULL;
	expect_n(f, l->fd, 1);
	expect_closed(f, l->fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(every_follower_gets_every_message_in_order),
		server_test(at_the_bound_nothing_is_lost_and_one_past_it_is_told_at_once),
		server_test(once_some_are_lost_there_is_one_gap_until_everything_was_read),
		server_test(a_follower_that_does_not_read_harms_nobody_else),
		server_test(what_it_is_given_first_does_not_count),
		server_test(a_message_that_could_not_be_made_counts_as_lost),
		server_test(who_leaves_is_forgotten),
		server_test(who_takes_nothing_is_dropped),
		server_test(a_follower_to_whom_nothing_happens_stays_and_makes_no_room),
		server_test(what_was_given_last_is_sent_before_the_server_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
