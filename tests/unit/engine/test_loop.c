/*
 * A loop within a loop: what it takes of a round, and whose turn it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"
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

/* From now on the kernel seems to be older than 5.11, or a filter not to know the call. */
static void refuse_epoll_pwait2(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = ELEMENTSOF(filter), .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(77);
}

static int wait_by_the_old_call(struct fixture *f, int error)
{
	const usec_t timeout = 1500, began = usec_now(CLOCK_MONOTONIC);
	struct epoll_event e;

	refuse_epoll_pwait2(error);
	if (sys_epoll_wait(f->outer.epoll, &e, 1, timeout) != 0)
		return 1;
	if (usec_now(CLOCK_MONOTONIC) < began + timeout)
		return 2;
	add(&f->outer, &f->aside);
	if (sys_epoll_wait(f->outer.epoll, &e, 1, USEC_INFINITY) != 1)
		return 3;
	return e.data.ptr == &f->aside.source ? 0 : 4;
}

static void where_the_finer_call_is_missing_it_waits_for_milliseconds(void **state)
{
	struct fixture *f = *state;
	const int errors[] = {ENOSYS, EPERM};

	for (unsigned i = 0; i < ELEMENTSOF(errors); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(wait_by_the_old_call(f, errors[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(however_many_are_ready_they_take_one_share_of_a_round),
		TEST(in_a_large_share_all_that_are_ready_have_a_turn),
		TEST(one_that_goes_between_two_shares_has_no_turn),
		TEST(where_the_finer_call_is_missing_it_waits_for_milliseconds),
		TEST(timers_come_in_spite_of_it_and_without_it),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
