/*
 * Commands as the launcher sees them: the test holds the other end of the link, and says what
 * a launcher would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "engine/engine.h"
#include "engine/run/command.h"
#include "wire/plan.h"

#define SERVICES (COMMAND_MAX_PROBES + 40)

static int launcher = -1; /* the other end of LINK_FD */

struct fixture {
	struct engine engine;
	struct spec spec;
	struct spec_service definition;
	struct spec_policy policy;
	struct spec_contact contact;
	struct spec_process process;
	struct spec_check check;
	struct spec_identity identity;
	struct spec_log log;
	char **hooks[SPEC_HOOK_MAX];
	struct service services[SERVICES];
	struct service *by_id[SERVICES];
	/* of the last end */
	unsigned n_done;
	struct service *done_service;
	enum command_kind done_kind;
	struct command_result result;
	/* is_held() says yes so many times */
	unsigned n_holds;
	/* the last message */
	struct link_message m;
	int fd; /* that came with it */
	_Alignas(8) char plan[LINK_MAX_PLAN]; /* likewise */
	size_t n_plan;
	uint64_t serial;
};

static struct fixture *f;

static void on_done(struct service *s, enum command_kind kind, const struct command_result *result)
{
	f->n_done++;
	f->done_service = s;
	f->done_kind = kind;
	f->result = *result;
}

static bool is_held(struct service *s _unused_, enum command_kind kind _unused_,
	const struct command_result *result _unused_)
{
	return f->n_holds > 0 && f->n_holds-- > 0;
}

static void make_service(uint32_t id)
{
	struct service *s = &f->services[id];
	char name[16];

	snprintf(name, sizeof(name), "s%u", id);
	s->engine = &f->engine;
	s->spec = &f->definition;
	s->name = strdup(name);
	s->id = id;
	s->instance = 1;
	list_init(&s->commands);
	list_init(&s->outbox.node);
	list_init(&s->waiters);
	f->by_id[id] = s;
	core_add(f->engine.core, id, &f->policy, NULL, f->engine.loop.now_usec);
}

static int set_up(void **state _unused_)
{
	static char *words[] = {(char *)"/bin/true", NULL};
	struct engine *e;

	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	e = &f->engine;
	f->fd = -1;
	f->definition = (struct spec_service){.name = (char *)"s",
		.n_instances = 1,
		.command = words,
		.policy = &f->policy,
		.contact = &f->contact,
		.process = &f->process,
		.log = &f->log};
	f->contact = (struct spec_contact){
		.ready_check = &f->check, .health = &f->check, .hooks = f->hooks};
	f->process = (struct spec_process){.directory = (char *)"/", .identity = &f->identity};
	f->policy.hook_timeout_usec = 5 * USEC_PER_SEC;
	f->spec.runtime_dir = (char *)"/nonexistent";
	e->spec = &f->spec;
	e->tree.cgroup_fd = -1;
	e->tree.blind = true;
	assert_int_equal(loop_init(&e->loop), 0);
	list_init(&e->uplink.outbox);
	e->uplink.source = (struct loop_source){.fd = -1};
	e->core = core_new(SERVICES, 0);
	e->services = e->by_id = f->by_id;
	e->n_services = e->n_ids = SERVICES;
	events_init(e);
	command_init(e);
	events_init(e);
	for (uint32_t id = 0; id < SERVICES; id++)
		make_service(id);
	return 0;
}

static int tear_down(void **state _unused_)
{
	struct link_message m;
	int fds[LINK_MAX_FDS];
	unsigned n_fds;
	bool lost;

	for (uint32_t id = 0; id < SERVICES; id++) {
		command_free_all(&f->services[id]);
		free(f->services[id].name);
	}
	assert_int_equal(f->engine.commands.n_alive, 0);
	assert_int_equal(f->engine.commands.n_probes, 0);
	core_free(f->engine.core);
	loop_fini(&f->engine.loop);
	close_fd(f->fd);
	while (link_recv_plan(launcher, &m, fds, &n_fds, &lost, f->plan, &f->n_plan) == 1) {
		for (unsigned i = 0; i < n_fds; i++)
			close_fd(fds[i]);
	}
	free(f);
	return 0;
}

/* --- the launcher's part --- */

static void expect(enum link_type type, uint32_t service, enum command_kind kind)
{
	int fds[LINK_MAX_FDS];
	unsigned n_fds;
	bool lost;

	assert_int_equal(
		link_recv_plan(launcher, &f->m, fds, &n_fds, &lost, f->plan, &f->n_plan), 1);
	assert_string_equal(
		link_type_to_string((enum link_type)f->m.type), link_type_to_string(type));
	assert_int_equal(f->m.id, link_command_id(service, kind));
	close_fd(f->fd);
	f->fd = n_fds > 0 ? fds[0] : -1;
}

static void expect_silence(void)
{
	int fds[LINK_MAX_FDS];
	unsigned n_fds;
	bool lost;

	assert_int_equal(link_recv(launcher, &f->m, fds, &n_fds, &lost), -EAGAIN);
}

/* A command of that generation has begun; the write end of its pipe, to be closed. */
static int say_started(uint32_t service, enum command_kind kind, uint64_t generation, pid_t pid)
{
	struct link_message m = {.type = LINK_STARTED,
		.id = link_command_id(service, kind),
		.generation = generation,
		.pid = pid,
		.started.monotonic_usec = usec_now(CLOCK_MONOTONIC)};
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	command_message(&f->services[service], &m, fds, 1);
	close_fd(fds[0]); /* -1 where it was taken */
	return fds[1];
}

static void say_exited_again(
	uint32_t service, enum command_kind kind, uint64_t generation, uint64_t serial, int code)
{
	struct link_message m = {.type = LINK_EXITED,
		.id = link_command_id(service, kind),
		.generation = generation,
		.serial = serial,
		.pid = 100,
		.exit = {.code = CLD_EXITED,
			.status = code,
			.monotonic_usec = usec_now(CLOCK_MONOTONIC)}};

	command_message(&f->services[service], &m, NULL, 0);
}

static void say_exited(uint32_t service, enum command_kind kind, uint64_t generation, int code)
{
	say_exited_again(service, kind, generation, ++f->serial, code);
}

/* Moves the clock, which is the loop's, and does what is due. */
static void pass(usec_t span)
{
	struct loop *l = &f->engine.loop;
	struct heap_entry *first;

	l->now_usec += span;
	while ((first = heap_first(&l->timers)) && first->deadline <= l->now_usec) {
		struct loop_timer *t = CONTAINER_OF(first, struct loop_timer, entry);

		loop_timer_set(l, t, USEC_INFINITY);
		t->dispatch(t);
	}
}

static char *const words[] = {(char *)"/bin/echo", (char *)"%{name}", NULL};

static int begin(uint32_t service, enum command_kind kind, usec_t timeout)
{
	struct command_request q = {
		.kind = kind, .argv = words, .timeout_usec = timeout, .done = on_done};

	return command_start(&f->services[service], &q);
}

/* Its generation. */
static uint64_t begun(uint32_t service, enum command_kind kind)
{
	assert_int_equal(begin(service, kind, USEC_INFINITY), 0);
	expect(LINK_SPAWN, service, kind);
	return f->m.generation;
}

/* --- tests --- */

static bool has(char *const *environment, const char *variable)
{
	for (; *environment; environment++) {
		if (strcmp(*environment, variable) == 0)
			return true;
	}
	return false;
}

static void it_is_spawned_with_its_words_and_what_has_happened(void **state _unused_)
{
	static char *const more[] = {(char *)"X=y", NULL};
	struct command_request q = {.kind = COMMAND_HOOK_PRE_START,
		.argv = words,
		.generation = 9,
		.timeout_usec = USEC_INFINITY,
		.environment = more,
		.done = on_done};
	struct plan_view view;

	assert_int_equal(command_start(&f->services[3], &q), 0);
	expect(LINK_SPAWN, 3, COMMAND_HOOK_PRE_START);
	assert_int_equal(f->m.generation, 9);
	assert_int_equal(plan_open(f->plan, f->n_plan, &view), 0);
	assert_string_equal(view.path, "/bin/echo");
	assert_string_equal(view.argv[1], "s");
	assert_string_equal(view.directory, "/");
	assert_true(has(view.envp, "X=y"));
	assert_true(has(view.envp, "SUPERVISOR_HOOK=pre-start"));
	assert_true(has(view.envp, "SUPERVISOR_STATE=stopped"));
	assert_true(has(view.envp, "SUPERVISOR_RESTARTS=0"));
	assert_true(has(view.envp, "SUPERVISOR_EXIT_CODE="));
	assert_true(has(view.envp, "SUPERVISOR_EXIT_SIGNAL="));
}

static void its_end_is_acknowledged_when_it_was_acted_upon(void **state _unused_)
{
	uint64_t generation = begun(0, COMMAND_RELOAD);
	int output = say_started(0, COMMAND_RELOAD, generation, 100);

	assert_true(command_is_running(&f->services[0], COMMAND_RELOAD));
	assert_true(command_has_pid(&f->services[0], 100));
	assert_int_equal(write(output, "one\ntwo\n", 8), 8);
	close(output);
	expect_silence(); /* the launcher keeps the pipe until then */
	say_exited(0, COMMAND_RELOAD, generation, 3);
	assert_int_equal(f->n_done, 1);
	assert_string_equal(f->result.text, "exited with code 3: two");
	assert_int_equal(f->result.serial, generation);
	assert_false(command_is_running(&f->services[0], COMMAND_RELOAD));
	assert_false(command_has_pid(&f->services[0], 100));
	expect(LINK_RELEASE, 0, COMMAND_RELOAD);
	expect(LINK_ACK, 0, COMMAND_RELOAD);
	assert_int_equal(f->m.serial, 1);
	expect_silence();
}

static void one_of_a_kind_at_a_time(void **state _unused_)
{
	begun(0, COMMAND_RELOAD);
	assert_int_equal(begin(0, COMMAND_RELOAD, USEC_INFINITY), -EBUSY);
	begun(0, COMMAND_HOOK_PRE_STOP);
	begun(0, COMMAND_HEALTH);
	begun(1, COMMAND_RELOAD);
	expect_silence();
}

static void probes_wait_for_their_turn_and_nothing_else_does(void **state _unused_)
{
	uint64_t generations[COMMAND_MAX_PROBES];

	for (uint32_t i = 0; i < COMMAND_MAX_PROBES; i++)
		generations[i] = begun(i, i % 2 ? COMMAND_READY : COMMAND_HEALTH);
	for (uint32_t i = COMMAND_MAX_PROBES; i < SERVICES; i++)
		assert_int_equal(begin(i, COMMAND_HEALTH, USEC_PER_SEC), 0);
	expect_silence();
	assert_true(command_is_running(&f->services[SERVICES - 1], COMMAND_HEALTH));
	for (unsigned kind = 0; kind < COMMAND_READY; kind++)
		begun(0, (enum command_kind)kind);
	/* its time counts from when it runs */
	pass(3 * USEC_PER_SEC);
	expect_silence();
	for (uint32_t i = 0; i < 10; i++) {
		enum command_kind kind = i % 2 ? COMMAND_READY : COMMAND_HEALTH;

		say_exited(i, kind, generations[i], 0);
		expect(LINK_RELEASE, i, kind);
		expect(LINK_ACK, i, kind);
		expect(LINK_SPAWN, COMMAND_MAX_PROBES + i, COMMAND_HEALTH);
	}
	expect_silence();
}

static void a_probe_that_waits_can_be_cancelled(void **state _unused_)
{
	for (uint32_t i = 0; i < COMMAND_MAX_PROBES; i++)
		begun(i, COMMAND_HEALTH);
	assert_int_equal(begin(70, COMMAND_HEALTH, USEC_PER_SEC), 0);
	assert_int_equal(begin(71, COMMAND_HEALTH, USEC_PER_SEC), 0);
	command_kill(&f->services[70], COMMAND_HEALTH);
	assert_int_equal(f->n_done, 0); /* never from within */
	pass(0);
	assert_int_equal(f->n_done, 1);
	assert_ptr_equal(f->done_service, &f->services[70]);
	assert_true(f->result.cancelled);
	assert_string_equal(f->result.text, "was not begun");
	expect_silence();
	/* the place is the next one's */
	say_exited(0, COMMAND_HEALTH, command_serial(&f->services[0], COMMAND_HEALTH), 0);
	expect(LINK_RELEASE, 0, COMMAND_HEALTH);
	expect(LINK_ACK, 0, COMMAND_HEALTH);
	expect(LINK_SPAWN, 71, COMMAND_HEALTH);
}

static void what_takes_too_long_is_killed_again_and_again(void **state _unused_)
{
	uint64_t generation;
	uint32_t op;

	assert_int_equal(begin(0, COMMAND_HEALTH, 2 * USEC_PER_SEC), 0);
	expect(LINK_SPAWN, 0, COMMAND_HEALTH);
	generation = f->m.generation;
	close(say_started(0, COMMAND_HEALTH, generation, 100));
	pass(USEC_PER_SEC);
	expect_silence();
	pass(2 * USEC_PER_SEC);
	expect(LINK_KILL, 0, COMMAND_HEALTH);
	assert_int_equal(f->m.signo, SIGKILL);
	assert_int_equal(f->m.value, LINK_SCOPE_GROUP);
	assert_int_equal(f->m.generation, generation);
	op = f->m.op;
	assert_true(op > 0);
	usleep(2000); /* ops are told apart by the real clock */
	pass(6 * USEC_PER_SEC);
	expect(LINK_KILL, 0, COMMAND_HEALTH);
	assert_true(f->m.op > op);
	assert_int_equal(f->n_done, 0);
}

static void who_is_killed_before_it_was_told_of_is_killed_as_well(void **state _unused_)
{
	uint64_t generation = begun(0, COMMAND_HOOK_PRE_STOP);

	command_kill(&f->services[0], COMMAND_HOOK_PRE_STOP);
	expect(LINK_KILL, 0, COMMAND_HOOK_PRE_STOP);
	assert_int_equal(f->m.generation, generation);
	command_kill(&f->services[0], COMMAND_HOOK_PRE_STOP);
	expect_silence();
}

/* For lack of memory it can neither start a process nor say so. */
static void a_launcher_that_says_nothing_is_not_waited_for_for_ever(void **state _unused_)
{
	assert_int_equal(begin(0, COMMAND_HOOK_ON_FAILED, USEC_PER_SEC), 0);
	for (int i = 0; i < 10 && f->n_done == 0; i++)
		pass(5 * USEC_PER_SEC);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->result.error, ETIMEDOUT);
	assert_false(command_is_running(&f->services[0], COMMAND_HOOK_ON_FAILED));
}

static void a_full_link_is_no_failure(void **state _unused_)
{
	struct link_message noise = {.type = LINK_PONG};
	struct link_message m;
	int fds[LINK_MAX_FDS];
	unsigned n_fds, n = 0;
	bool lost;

	while (link_send(LINK_FD, &noise, NULL, 0) == 0)
		n++;
	assert_int_equal(begin(0, COMMAND_HOOK_PRE_START, USEC_INFINITY), 0);
	assert_int_equal(begin(1, COMMAND_HOOK_PRE_START, USEC_INFINITY), 0);
	assert_true(command_is_running(&f->services[0], COMMAND_HOOK_PRE_START));
	command_kill(&f->services[1], COMMAND_HOOK_PRE_START);
	assert_int_equal(command_flush(&f->engine), -EAGAIN);
	while (n-- > 0)
		assert_int_equal(link_recv(launcher, &m, fds, &n_fds, &lost), 1);
	pass(0);
	assert_int_equal(f->n_done, 1);
	assert_ptr_equal(f->done_service, &f->services[1]);
	assert_int_equal(command_flush(&f->engine), 0);
	expect(LINK_SPAWN, 0, COMMAND_HOOK_PRE_START);
	expect_silence();
}

static void what_another_engine_has_begun_is_taken_over(void **state _unused_)
{
	struct command_handler handler = {.done = on_done};
	int output;

	command_set_handler(&f->engine, COMMAND_HOOK_POST_START, &handler);
	output = say_started(5, COMMAND_HOOK_POST_START, 77, 100);
	assert_int_equal(command_serial(&f->services[5], COMMAND_HOOK_POST_START), 77);
	assert_int_equal(write(output, "late", 4), 4);
	close(output);
	pass(6 * USEC_PER_SEC); /* hooks.timeout */
	expect(LINK_KILL, 5, COMMAND_HOOK_POST_START);
	say_exited(5, COMMAND_HOOK_POST_START, 77, 1);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->done_kind, COMMAND_HOOK_POST_START);
	assert_string_equal(f->result.text, "exited with code 1: late");
	expect(LINK_RELEASE, 5, COMMAND_HOOK_POST_START);
	expect(LINK_ACK, 5, COMMAND_HOOK_POST_START);
}

static void an_end_that_another_engine_has_not_acknowledged_is_acted_upon_once(
	void **state _unused_)
{
	struct command_handler handler = {.done = on_done};

	command_set_handler(&f->engine, COMMAND_HOOK_PRE_START, &handler);
	say_exited(5, COMMAND_HOOK_PRE_START, 3, 0);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->result.serial, 3);
	expect(LINK_RELEASE, 5, COMMAND_HOOK_PRE_START);
	expect(LINK_ACK, 5, COMMAND_HOOK_PRE_START);
	say_exited_again(5, COMMAND_HOOK_PRE_START, 3, f->serial, 0);
	assert_int_equal(f->n_done, 1);
	expect(LINK_RELEASE, 5, COMMAND_HOOK_PRE_START);
	expect(LINK_ACK, 5, COMMAND_HOOK_PRE_START);
	expect_silence();
}

static void the_same_run_asked_for_again_is_one(void **state _unused_)
{
	struct command_request q = {.kind = COMMAND_HOOK_ON_FAILED,
		.argv = words,
		.generation = 77,
		.timeout_usec = USEC_INFINITY,
		.done = on_done};

	/* an engine asks again before it has heard that it runs, or even that it has ended */
	assert_int_equal(command_start(&f->services[5], &q), 0);
	expect(LINK_SPAWN, 5, COMMAND_HOOK_ON_FAILED);
	close(say_started(5, COMMAND_HOOK_ON_FAILED, 77, 100));
	close(say_started(5, COMMAND_HOOK_ON_FAILED, 77, 100));
	assert_int_equal(f->engine.commands.n_alive, 1);
	say_exited(5, COMMAND_HOOK_ON_FAILED, 77, 0);
	say_exited_again(5, COMMAND_HOOK_ON_FAILED, 77, f->serial, 0);
	assert_int_equal(f->n_done, 1);
	/* nor does it run again when all of it is told once more */
	close(say_started(5, COMMAND_HOOK_ON_FAILED, 77, 100));
	say_exited_again(5, COMMAND_HOOK_ON_FAILED, 77, f->serial, 0);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->engine.commands.n_alive, 0);
}

static bool is_over(
	const struct service *s _unused_, enum command_kind kind _unused_, uint64_t serial)
{
	return serial <= 77;
}

static void what_is_told_of_a_run_that_is_over_is_no_news(void **state _unused_)
{
	struct command_handler handler = {.done = on_done, .is_over = is_over};

	command_set_handler(&f->engine, COMMAND_HOOK_ON_FAILED, &handler);
	close(say_started(5, COMMAND_HOOK_ON_FAILED, 77, 100));
	assert_false(command_is_running(&f->services[5], COMMAND_HOOK_ON_FAILED));
	close(say_started(5, COMMAND_HOOK_ON_FAILED, 78, 100));
	assert_true(command_is_running(&f->services[5], COMMAND_HOOK_ON_FAILED));
}

static void two_runs_of_another_engine_are_told_apart(void **state _unused_)
{
	struct command_handler handler = {.done = on_done};

	command_set_handler(&f->engine, COMMAND_HOOK_POST_STOP, &handler);
	close(say_started(5, COMMAND_HOOK_POST_STOP, 3, 100));
	close(say_started(5, COMMAND_HOOK_POST_STOP, 4, 101));
	say_exited(5, COMMAND_HOOK_POST_STOP, 3, 7);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->result.serial, 3);
	assert_int_equal(command_serial(&f->services[5], COMMAND_HOOK_POST_STOP), 4);
	say_exited(5, COMMAND_HOOK_POST_STOP, 4, 8);
	assert_int_equal(f->n_done, 2);
	assert_int_equal(f->result.code, 8);
}

static void an_end_is_held_until_what_is_left_has_gone(void **state _unused_)
{
	struct command_handler handler = {.done = on_done, .is_held = is_held};
	uint64_t generation;

	command_set_handler(&f->engine, COMMAND_HOOK_PRE_START, &handler);
	generation = begun(0, COMMAND_HOOK_PRE_START);
	f->n_holds = 3;
	say_exited(0, COMMAND_HOOK_PRE_START, generation, 1);
	assert_int_equal(f->n_done, 0);
	assert_true(command_is_running(&f->services[0], COMMAND_HOOK_PRE_START));
	assert_int_equal(begin(0, COMMAND_HOOK_PRE_START, USEC_INFINITY), -EBUSY);
	command_kill(&f->services[0], COMMAND_HOOK_PRE_START);
	say_exited_again(0, COMMAND_HOOK_PRE_START, generation, f->serial, 1);
	expect_silence(); /* an engine that dies now is followed by one that is told */
	pass(USEC_PER_SEC);
	pass(USEC_PER_SEC);
	assert_int_equal(f->n_done, 0);
	pass(USEC_PER_SEC);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->result.code, 1);
	expect(LINK_RELEASE, 0, COMMAND_HOOK_PRE_START);
	expect(LINK_ACK, 0, COMMAND_HOOK_PRE_START);
	expect_silence();
}

static void another_one_may_begin_when_the_end_is_told(void **state _unused_)
{
	uint64_t generation = begun(0, COMMAND_HEALTH);

	say_exited(0, COMMAND_HEALTH, generation, 0);
	assert_int_equal(begin(0, COMMAND_HEALTH, USEC_INFINITY), 0);
	expect(LINK_RELEASE, 0, COMMAND_HEALTH);
	expect(LINK_ACK, 0, COMMAND_HEALTH);
	expect(LINK_SPAWN, 0, COMMAND_HEALTH);
	assert_true(f->m.generation > generation);
	/* news of the last one is none of this one's */
	close(say_started(0, COMMAND_HEALTH, generation, 100));
	assert_false(command_has_pid(&f->services[0], 100));
}

/* The core's part, whose changes nobody carries out here. */
static void happen(enum core_event_type type, enum core_end end)
{
	struct core *core = f->engine.core;
	struct core_event e = {.type = type,
		.service = 0,
		.generation = core_record(core, 0)->generation,
		.pid = 100,
		.end = end,
		.status = 1,
		.at_usec = f->engine.loop.now_usec};
	struct core_change change;

	f->engine.loop.now_usec += 1000;
	assert_true(core_step(core, &e, f->engine.loop.now_usec, 0));
	while (core_next_change(core, &change))
		;
}

static void a_failure_is_told_once_however_often_it_is_found(void **state _unused_)
{
	struct service *s = &f->services[0];
	uint64_t generation;

	f->definition.policy->restart = SPEC_RESTART_NEVER;
	f->definition.policy->ready_timeout_usec = USEC_INFINITY;
	f->definition.contact->hooks[SPEC_HOOK_ON_FAILED] = (char **)words;
	assert_int_equal(hooks_init(&f->engine), 0);
	happen(CORE_EVENT_START, CORE_END_NONE);
	happen(CORE_EVENT_STARTED, CORE_END_NONE);
	happen(CORE_EVENT_ENDED, CORE_END_EXITED);
	assert_int_equal(core_record(f->engine.core, 0)->state, CORE_FAILED);
	hooks_changed(s, CORE_RUNNING);
	expect(LINK_SPAWN, 0, COMMAND_HOOK_ON_FAILED);
	generation = f->m.generation;
	hooks_changed(s, CORE_RUNNING);
	expect_silence();
	/* the next engine asks again, and the launcher takes it for what it has */
	command_free_all(s);
	hooks_changed(s, CORE_RUNNING);
	expect(LINK_SPAWN, 0, COMMAND_HOOK_ON_FAILED);
	assert_int_equal(f->m.generation, generation);
	say_exited(0, COMMAND_HOOK_ON_FAILED, generation, 0);
	expect(LINK_RELEASE, 0, COMMAND_HOOK_ON_FAILED);
	expect(LINK_ACK, 0, COMMAND_HOOK_ON_FAILED);
	hooks_changed(s, CORE_RUNNING);
	expect_silence();
	/* another failure is another run */
	happen(CORE_EVENT_START, CORE_END_NONE);
	happen(CORE_EVENT_STARTED, CORE_END_NONE);
	happen(CORE_EVENT_ENDED, CORE_END_EXITED);
	hooks_changed(s, CORE_RUNNING);
	expect(LINK_SPAWN, 0, COMMAND_HOOK_ON_FAILED);
	assert_true(f->m.generation > generation);
	free(s->hook_outcomes);
	s->hook_outcomes = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(it_is_spawned_with_its_words_and_what_has_happened),
		TEST(its_end_is_acknowledged_when_it_was_acted_upon),
		TEST(one_of_a_kind_at_a_time),
		TEST(probes_wait_for_their_turn_and_nothing_else_does),
		TEST(a_probe_that_waits_can_be_cancelled),
		TEST(what_takes_too_long_is_killed_again_and_again),
		TEST(who_is_killed_before_it_was_told_of_is_killed_as_well),
		TEST(a_launcher_that_says_nothing_is_not_waited_for_for_ever),
		TEST(a_full_link_is_no_failure),
		TEST(what_another_engine_has_begun_is_taken_over),
		TEST(an_end_that_another_engine_has_not_acknowledged_is_acted_upon_once),
		TEST(the_same_run_asked_for_again_is_one),
		TEST(what_is_told_of_a_run_that_is_over_is_no_news),
		TEST(two_runs_of_another_engine_are_told_apart),
		TEST(an_end_is_held_until_what_is_left_has_gone),
		TEST(another_one_may_begin_when_the_end_is_told),
		TEST(a_failure_is_told_once_however_often_it_is_found),
	};
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return 2;
	launcher = fcntl(fds[1], F_DUPFD_CLOEXEC, 10);
	if (launcher < 0 || (fds[0] != LINK_FD && dup3(fds[0], LINK_FD, O_CLOEXEC) < 0))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
