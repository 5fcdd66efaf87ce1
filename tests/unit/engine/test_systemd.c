/*
 * What systemd is told, with a receiver here and a clock that only the test moves: the
 * engine's struct holds no more than a loop and a core with a few services.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/engine.h"

#define N_SERVICES 3

static struct engine e;
static struct service services[N_SERVICES], *by_order[N_SERVICES];
static struct spec_policy policy = {.success_codes = {1}};
static struct sockaddr_un address;
static socklen_t address_size;
static int receiver = -1;
static char text[1024];

static int set_up(void **state)
{
	char name[64];

	(void)state;
	memset(&e, 0, sizeof(e));
	snprintf(name, sizeof(name), "@test-systemd-%d", (int)getpid());
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(receiver, (struct sockaddr *)&address, address_size), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(loop_init(&e.loop), 0);
	e.loop.now_usec = 1000 * USEC_PER_SEC;
	e.n_services = N_SERVICES;
	e.services = by_order;
	e.core = core_new(N_SERVICES, 0);
	for (uint32_t i = 0; i < N_SERVICES; i++) {
		services[i].id = i;
		by_order[i] = &services[i];
		core_add(e.core, i, &policy, NULL, e.loop.now_usec);
	}
	assert_int_equal(systemd_init(&e), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	systemd_fini(&e);
	core_free(e.core);
	loop_fini(&e.loop);
	receiver = close_fd(receiver);
	return 0;
}

/* The next message, or "" where there is none. */
static const char *receive(void)
{
	ssize_t n = recv(receiver, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void start(uint32_t service)
{
	struct core_event event = {.type = CORE_EVENT_START, .service = service};
	struct core_change change;

	assert_true(core_step(e.core, &event, e.loop.now_usec, 0));
	while (core_next_change(e.core, &change))
		;
	systemd_changed(&e);
}

static bool is_armed(void)
{
	return heap_first(&e.loop.timers) != NULL;
}

/* Runs the one timer that is set, at its time. */
static void run_timer(void)
{
	struct heap_entry *entry = heap_first(&e.loop.timers);
	struct loop_timer *timer = CONTAINER_OF(entry, struct loop_timer, entry);

	assert_non_null(entry);
	e.loop.now_usec = MAX_OF(e.loop.now_usec, entry->deadline);
	heap_set(&e.loop.timers, entry, USEC_INFINITY);
	timer->dispatch(timer);
}

/* Leaves no room in the receiver. */
static void fill(void)
{
	_cleanup_close_
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	while (sendto(fd, "x", 1, 0, (struct sockaddr *)&address, address_size) == 1)
		;
	assert_int_equal(errno, EAGAIN);
}

static void drain(void)
{
	while (strcmp(receive(), "x") == 0)
		;
	assert_string_equal(text, "");
}

static void nothing_is_said_before_ready(void **state _unused_)
{
	start(0);
	assert_false(is_armed());
	assert_string_equal(receive(), "");
	systemd_ready(&e);
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\nSTATUS=", (int)getppid());
	assert_memory_equal(receive(), text, strlen(text));
	assert_non_null(strstr(text, "STATUS=0 of 3 services up, 1 starting, 2 stopped"));
}

static void changes_within_a_second_are_told_together_at_its_end(void **state _unused_)
{
	usec_t begin = e.loop.now_usec;

	systemd_ready(&e);
	receive();
	start(0);
	start(1);
	assert_string_equal(receive(), "");
	run_timer();
	assert_int_equal(e.loop.now_usec, begin + SYSTEMD_STATUS_USEC);
	assert_string_equal(receive(), "STATUS=0 of 3 services up, 2 starting, 1 stopped");
	assert_false(is_armed());
	start(2);
	run_timer();
	assert_int_equal(e.loop.now_usec, begin + 2 * SYSTEMD_STATUS_USEC);
	assert_string_equal(receive(), "STATUS=0 of 3 services up, 3 starting");
}

static void a_change_after_a_quiet_second_is_told_at_once(void **state _unused_)
{
	systemd_ready(&e);
	receive();
	e.loop.now_usec += 5 * USEC_PER_SEC;
	start(0);
	assert_int_equal(heap_first(&e.loop.timers)->deadline, e.loop.now_usec);
	run_timer();
	assert_memory_equal(receive(), "STATUS=", 7);
}

static void what_is_as_before_is_not_told_and_no_timer_stays(void **state _unused_)
{
	systemd_ready(&e);
	receive();
	systemd_changed(&e);
	run_timer();
	assert_string_equal(receive(), "");
	assert_false(is_armed());
}

static void a_reload_is_told_with_its_time_and_ends_with_ready(void **state _unused_)
{
	unsigned long long told;
	usec_t before;

	systemd_ready(&e);
	receive();
	before = usec_now(CLOCK_MONOTONIC);
	systemd_reloading(&e);
	assert_int_equal(
		sscanf(receive(), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Rel", &told), 1);
	assert_in_range(told, before, usec_now(CLOCK_MONOTONIC));
	systemd_reloaded(&e);
	assert_memory_equal(receive(), "READY=1\n", 8);
	assert_false(is_armed());
}

static void ready_follows_the_last_of_reloads_that_overlap(void **state _unused_)
{
	systemd_ready(&e);
	receive();
	systemd_reloading(&e);
	systemd_reloading(&e);
	assert_memory_equal(receive(), "RELOADING=1\n", 12);
	assert_memory_equal(receive(), "RELOADING=1\n", 12);
	systemd_reloaded(&e);
	assert_string_equal(receive(), "");
	systemd_reloaded(&e);
	assert_memory_equal(receive(), "READY=1\n", 8);
}

static void the_end_of_a_reload_is_not_told_while_all_is_stopped(void **state _unused_)
{
	systemd_ready(&e);
	systemd_reloading(&e);
	core_shutdown(e.core, false, e.loop.now_usec);
	systemd_stopping(&e);
	receive();
	receive();
	assert_memory_equal(receive(), "STOPPING=1\n", 11);
	systemd_reloaded(&e);
	systemd_reloading(&e);
	systemd_reloaded(&e);
	assert_string_equal(receive(), "");
}

static void what_does_not_fit_is_told_in_order_once_there_is_room(void **state _unused_)
{
	systemd_ready(&e);
	fill();
	systemd_reloading(&e);
	start(0);
	systemd_reloaded(&e);
	assert_false(is_armed()); /* it is not polled for */
	assert_int_equal(e.loop.n_batch, 0);
	receive(); /* READY */
	drain();
	assert_int_equal(loop_once(&e.loop), 0);
	assert_memory_equal(receive(), "RELOADING=1\n", 12);
	assert_memory_equal(receive(), "READY=1\n", 8);
	assert_non_null(strstr(text, "1 starting"));
	assert_string_equal(receive(), "");
	assert_int_equal(e.systemd.room.fd, -1);
}

static void stopping_takes_the_place_of_what_was_not_told(void **state _unused_)
{
	fill();
	systemd_ready(&e);
	systemd_stopping(&e);
	drain();
	assert_int_equal(loop_once(&e.loop), 0);
	assert_memory_equal(receive(), "STOPPING=1\n", 11);
	assert_string_equal(receive(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_said_before_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			changes_within_a_second_are_told_together_at_its_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_change_after_a_quiet_second_is_told_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_as_before_is_not_told_and_no_timer_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_reload_is_told_with_its_time_and_ends_with_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			ready_follows_the_last_of_reloads_that_overlap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_end_of_a_reload_is_not_told_while_all_is_stopped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_does_not_fit_is_told_in_order_once_there_is_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			stopping_takes_the_place_of_what_was_not_told, set_up, tear_down),
	};

#ifndef HAVE_SYSTEMD
	return 77;
#endif
	unsetenv("WATCHDOG_USEC");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
