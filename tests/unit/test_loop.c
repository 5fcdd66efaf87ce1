/*
 * A loop within a loop: what it takes of a round, and whose turn it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "engine/loop.h"

#define N_INNER 300

struct counted {
	struct loop_source source;
	struct loop *loop;
	unsigned n;
	struct counted *removes, *mutes; /* when it is dispatched; NULL */
};

struct fixture {
	struct loop outer, inner;
	struct counted aside; /* in the outer loop */
	struct counted many[N_INNER];
	struct loop_timer timer;
	unsigned n_timer;
};

static void count(struct loop_source *s, uint32_t events)
{
	struct counted *c = CONTAINER_OF(s, struct counted, source);

	assert_int_equal(events, EPOLLIN);
	c->n++;
	if (c->removes)
		loop_remove(c->loop, &c->removes->source);
	if (c->mutes)
		assert_int_equal(loop_modify(c->loop, &c->mutes->source, 0), 0);
}

/* An epoll takes each descriptor once. */
static void add(struct loop *l, struct counted *c)
{
	int fd = eventfd(1, EFD_CLOEXEC);

	assert_true(fd >= 0);
	c->source.dispatch = count;
	c->loop = l;
	assert_int_equal(loop_add(l, &c->source, fd, EPOLLIN), 0);
}

static void nest(struct fixture *f, unsigned n, usec_t share)
{
	for (unsigned i = 0; i < n; i++)
		add(&f->inner, &f->many[i]);
	assert_int_equal(loop_nest(&f->inner, &f->outer, share), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	assert_int_equal(loop_init(&f->outer), 0);
	assert_int_equal(loop_init(&f->inner), 0);
	f->aside.source.fd = -1;
	for (unsigned i = 0; i < N_INNER; i++)
		f->many[i].source.fd = -1;
	return 0;
}

static void remove_one(struct counted *c)
{
	int fd = c->source.fd;

	if (fd < 0)
		return;
	loop_remove(c->loop, &c->source);
	close(fd);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	remove_one(&f->aside);
	for (unsigned i = 0; i < N_INNER; i++)
		remove_one(&f->many[i]);
	loop_fini(&f->inner);
	loop_fini(&f->outer);
	free(f);
	return 0;
}

static unsigned total(const struct fixture *f, unsigned *ret_least, unsigned *ret_most)
{
	unsigned n = 0;

	*ret_least = UINT32_MAX;
	*ret_most = 0;
	for (unsigned i = 0; i < N_INNER; i++) {
		n += f->many[i].n;
		*ret_least = MIN_OF(*ret_least, f->many[i].n);
		*ret_most = MAX_OF(*ret_most, f->many[i].n);
	}
	return n;
}

static void however_many_are_ready_they_take_one_share_of_a_round(void **state)
{
	struct fixture *f = *state;
	unsigned least, most;

	nest(f, N_INNER, 0);
	add(&f->outer, &f->aside);
	for (unsigned round = 1; round <= 3 * N_INNER + 7; round++) {
		assert_int_equal(loop_once(&f->outer), 0);
		assert_int_equal(f->aside.n, round);
		assert_int_equal(total(f, &least, &most), round);
		assert_true(most - least <= 1);
	}
}

static void in_a_large_share_all_that_are_ready_have_a_turn(void **state)
{
	struct fixture *f = *state;

	nest(f, 3, USEC_PER_HOUR);
	for (unsigned round = 1; round <= 5; round++) {
		assert_int_equal(loop_once(&f->outer), 0);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(f->many[i].n, round);
	}
}

static void one_that_goes_between_two_shares_has_no_turn(void **state)
{
	struct fixture *f = *state;

	nest(f, 3, 0);
	f->many[0].removes = &f->many[1];
	f->many[0].mutes = &f->many[2];
	for (unsigned round = 1; round <= 5; round++) {
		int fd = f->many[1].source.fd;

		assert_int_equal(loop_once(&f->outer), 0);
		if (f->many[1].source.fd < 0)
			close_fd(fd);
	}
	assert_true(f->many[0].n > 1);
	assert_int_equal(f->many[1].n, 0);
	assert_int_equal(f->many[2].n, 0);
	f->many[0].mutes = NULL;
	assert_int_equal(loop_modify(&f->inner, &f->many[2].source, EPOLLIN), 0);
	for (unsigned round = 1; round <= 4; round++)
		assert_int_equal(loop_once(&f->outer), 0);
	assert_true(f->many[2].n > 0);
}

static void tick(struct loop_timer *t)
{
	CONTAINER_OF(t, struct fixture, timer)->n_timer++;
}

static void timers_come_in_spite_of_it_and_without_it(void **state)
{
	struct fixture *f = *state;

	f->timer.dispatch = tick;
	assert_int_equal(loop_timer_add(&f->outer, &f->timer), 0);
	nest(f, 2, 0);
	loop_timer_set(&f->outer, &f->timer, 1);
	assert_int_equal(loop_once(&f->outer), 0);
	assert_int_equal(f->n_timer, 1);
	remove_one(&f->many[0]);
	remove_one(&f->many[1]);
	loop_timer_set(&f->outer, &f->timer, usec_now(CLOCK_MONOTONIC) + 1);
	while (f->n_timer == 1) /* waits, or there is no end to it */
		assert_int_equal(loop_once(&f->outer), 0);
	assert_int_equal(f->many[0].n + f->many[1].n, 1);
	loop_timer_remove(&f->outer, &f->timer);
}

static void one_that_rests_dispatches_nothing_until_its_time(void **state)
{
	struct fixture *f = *state;

	nest(f, 2, USEC_PER_HOUR);
	add(&f->outer, &f->aside);
	assert_int_equal(loop_once(&f->outer), 0);
	loop_rest(&f->inner, f->outer.now_usec + USEC_PER_HOUR);
	for (unsigned round = 2; round <= 5; round++) {
		assert_int_equal(loop_once(&f->outer), 0);
		assert_int_equal(f->aside.n, round);
		assert_int_equal(f->many[0].n + f->many[1].n, 2);
	}
	loop_rest(&f->inner, 1); /* over at the end of this round */
	assert_int_equal(loop_once(&f->outer), 0);
	assert_int_equal(f->many[0].n + f->many[1].n, 2);
	assert_int_equal(loop_once(&f->outer), 0);
	assert_int_equal(f->many[0].n + f->many[1].n, 4);
	/* It may end while it rests. */
	loop_rest(&f->inner, f->outer.now_usec + USEC_PER_HOUR);
	loop_fini(&f->inner);
	assert_int_equal(f->outer.n_timers, 0);
	assert_int_equal(loop_once(&f->outer), 0);
	assert_int_equal(loop_init(&f->inner), 0);
	for (unsigned i = 0; i < 2; i++)
		f->many[i].source.fd = close_fd(f->many[i].source.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(however_many_are_ready_they_take_one_share_of_a_round),
		TEST(in_a_large_share_all_that_are_ready_have_a_turn),
		TEST(one_that_goes_between_two_shares_has_no_turn),
		TEST(timers_come_in_spite_of_it_and_without_it),
		TEST(one_that_rests_dispatches_nothing_until_its_time),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
