/*
 * Every cell of the table. A service is brought into the state by events alone, then the
 * input comes as the event that it stands for; a table of its own says what must follow.
 * Cells that no event can reach (the guards are before them) are called directly.
 */
#include "core/state.h"
#include "test_core_util.h"

#define TEN	  (10 * USEC_PER_SEC)
#define BACKOFF	  (100 * USEC_PER_MSEC)
#define NEVER	  USEC_INFINITY
#define KEEPS	  (USEC_INFINITY - 1) /* the deadline is as before */
#define NO_SIGNAL 0
#define PUB	  CORE_DO_PUBLISH
#define SIG	  CORE_DO_SIGNAL
#define TREE	  CORE_DO_WATCH_TREE
#define SPAWN	  CORE_DO_SPAWN

enum how {
	UNSET, /* fails */
	BUG, /* called directly: false, and nothing has changed */
	IGNORED, /* as an event: nothing has changed; the cell, called directly, too */
	EVENT
};

struct expected {
	enum how how;
	enum core_state next;
	unsigned todo; /* without CORE_DO_COMMIT */
	int signo;
	enum spec_kill scope;
	usec_t deadline; /* from now */
	bool desired_up;
};

#define B                  \
	{                  \
		.how = BUG \
	}
#define I                      \
	{                      \
		.how = IGNORED \
	}
#define E(...)                            \
	{                                 \
		.how = EVENT, __VA_ARGS__ \
	}
#define DOWN(...) E(__VA_ARGS__, .desired_up = false)
#define UP(...)	  E(__VA_ARGS__, .desired_up = true)
#define SPAWNS	  UP(CORE_STARTING, PUB | SPAWN, .deadline = NEVER)
#define TERM	  .signo = SIGTERM, .scope = SPEC_KILL_GROUP, .deadline = TEN
#define KILL	  .signo = SIGKILL, .scope = SPEC_KILL_TREE, .deadline = RIG_AGAIN
#define USR1	  .signo = SIGUSR1, .scope = SPEC_KILL_PROCESS
#define REST	  .signo = SIGTERM, .scope = SPEC_KILL_TREE, .deadline = TEN

#define NOTHING_ALIVE                                                                     \
	[IN_STARTED] = B, [IN_LEFTOVERS] = B, [IN_DONE_STOPPED] = B, [IN_DONE_START] = B, \
	[IN_DONE_BACKOFF] = B, [IN_DONE_EXITED] = B, [IN_DONE_FAILED] = B, [IN_SIGNAL] = B

static const struct expected expected[CORE_STATE_MAX][IN_MAX] =
	{
		[CORE_STOPPED] =
			{
				[IN_START] = SPAWNS,
				[IN_AUTOSTART] = SPAWNS,
				[IN_STOP] = DOWN(CORE_STOPPED, 0, .deadline = NEVER),
				[IN_RESTART] = SPAWNS,
				[IN_RESET] = DOWN(CORE_STOPPED, 0, .deadline = NEVER),
				[IN_KILL] = DOWN(CORE_STOPPED, 0, .deadline = NEVER),
				NOTHING_ALIVE,
				[IN_DEADLINE] = I,
				[IN_SLOT] = B,
				[IN_UNBLOCK] = B,
			},
		[CORE_WAITING] =
			{
				[IN_START] = UP(CORE_WAITING, 0, .deadline = NEVER),
				[IN_AUTOSTART] = UP(CORE_WAITING, 0, .deadline = NEVER),
				[IN_STOP] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				[IN_RESTART] = UP(CORE_WAITING, 0, .deadline = NEVER),
				[IN_RESET] = UP(CORE_WAITING, 0, .deadline = NEVER),
				[IN_KILL] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				NOTHING_ALIVE,
				[IN_DEADLINE] = I,
				[IN_SLOT] = SPAWNS,
				[IN_UNBLOCK] = SPAWNS,
			},
		[CORE_STARTING] =
			{
				[IN_START] = UP(CORE_STARTING, 0, .deadline = NEVER),
				[IN_AUTOSTART] = UP(CORE_STARTING, 0, .deadline = NEVER),
				[IN_STOP] = DOWN(CORE_STOPPING, PUB | SIG, TERM),
				[IN_RESTART] = UP(CORE_STOPPING, PUB | SIG, TERM),
				[IN_RESET] = UP(CORE_STARTING, 0, .deadline = NEVER),
				[IN_KILL] = DOWN(CORE_STOPPING, PUB | SIG, KILL),
				[IN_STARTED] = UP(CORE_RUNNING, PUB, .deadline = NEVER),
				[IN_LEFTOVERS] = UP(CORE_STOPPING, PUB | SIG | TREE, REST),
				[IN_DONE_STOPPED] = B,
				[IN_DONE_START] = B,
				[IN_DONE_BACKOFF] = UP(CORE_BACKOFF, PUB, .deadline = BACKOFF),
				[IN_DONE_EXITED] = UP(CORE_EXITED, PUB, .deadline = NEVER),
				[IN_DONE_FAILED] = UP(CORE_FAILED, PUB, .deadline = NEVER),
				[IN_DEADLINE] = I,
				[IN_SLOT] = B,
				[IN_SIGNAL] = UP(CORE_STARTING, SIG, USR1, .deadline = NEVER),
				[IN_UNBLOCK] = B,
			},
		[CORE_RUNNING] =
			{
				[IN_START] = UP(CORE_RUNNING, 0, .deadline = NEVER),
				[IN_AUTOSTART] = UP(CORE_RUNNING, 0, .deadline = NEVER),
				[IN_STOP] = DOWN(CORE_STOPPING, PUB | SIG, TERM),
				[IN_RESTART] = UP(CORE_STOPPING, PUB | SIG, TERM),
				[IN_RESET] = UP(CORE_RUNNING, 0, .deadline = NEVER),
				[IN_KILL] = DOWN(CORE_STOPPING, PUB | SIG, KILL),
				[IN_STARTED] = I,
				[IN_LEFTOVERS] = UP(CORE_STOPPING, PUB | SIG | TREE, REST),
				[IN_DONE_STOPPED] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				[IN_DONE_START] = B,
				[IN_DONE_BACKOFF] = UP(CORE_BACKOFF, PUB, .deadline = BACKOFF),
				[IN_DONE_EXITED] = UP(CORE_EXITED, PUB, .deadline = NEVER),
				[IN_DONE_FAILED] = UP(CORE_FAILED, PUB, .deadline = NEVER),
				[IN_DEADLINE] = I,
				[IN_SLOT] = B,
				[IN_SIGNAL] = UP(CORE_RUNNING, SIG, USR1, .deadline = NEVER),
				[IN_UNBLOCK] = B,
			},
		[CORE_STOPPING] =
			{
				[IN_START] = UP(CORE_STOPPING, 0, .deadline = KEEPS),
				[IN_AUTOSTART] = UP(CORE_STOPPING, 0, .deadline = KEEPS),
				[IN_STOP] = DOWN(CORE_STOPPING, 0, .deadline = KEEPS),
				[IN_RESTART] = UP(CORE_STOPPING, 0, .deadline = KEEPS),
				[IN_RESET] = DOWN(CORE_STOPPING, 0, .deadline = KEEPS),
				[IN_KILL] = DOWN(CORE_STOPPING, SIG, KILL),
				[IN_STARTED] = DOWN(CORE_STOPPING, 0, .deadline = KEEPS),
				[IN_LEFTOVERS] = DOWN(CORE_STOPPING, TREE, .deadline = KEEPS),
				[IN_DONE_STOPPED] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				[IN_DONE_START] = SPAWNS,
				[IN_DONE_BACKOFF] = UP(CORE_BACKOFF, PUB, .deadline = BACKOFF),
				[IN_DONE_EXITED] = UP(CORE_EXITED, PUB, .deadline = NEVER),
				[IN_DONE_FAILED] = UP(CORE_FAILED, PUB, .deadline = NEVER),
				[IN_DEADLINE] = DOWN(CORE_STOPPING, SIG, KILL),
				[IN_SLOT] = B,
				[IN_SIGNAL] = DOWN(CORE_STOPPING, SIG, USR1, .deadline = KEEPS),
				[IN_UNBLOCK] = B,
			},
		[CORE_BACKOFF] =
			{
				[IN_START] = SPAWNS,
				[IN_AUTOSTART] = UP(CORE_BACKOFF, 0, .deadline = KEEPS),
				[IN_STOP] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				[IN_RESTART] = SPAWNS,
				[IN_RESET] = UP(CORE_BACKOFF, 0, .deadline = KEEPS),
				[IN_KILL] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				NOTHING_ALIVE,
				[IN_DEADLINE] = SPAWNS,
				[IN_SLOT] = B,
				[IN_UNBLOCK] = B,
			},
		[CORE_EXITED] =
			{
				[IN_START] = SPAWNS,
				[IN_AUTOSTART] = SPAWNS,
				[IN_STOP] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				[IN_RESTART] = SPAWNS,
				[IN_RESET] = UP(CORE_EXITED, 0, .deadline = NEVER),
				[IN_KILL] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				NOTHING_ALIVE,
				[IN_DEADLINE] = I,
				[IN_SLOT] = B,
				[IN_UNBLOCK] = B,
			},
		[CORE_FAILED] =
			{
				[IN_START] = SPAWNS,
				[IN_AUTOSTART] = SPAWNS,
				[IN_STOP] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				[IN_RESTART] = SPAWNS,
				[IN_RESET] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				[IN_KILL] = DOWN(CORE_STOPPED, PUB, .deadline = NEVER),
				NOTHING_ALIVE,
				[IN_DEADLINE] = I,
				[IN_SLOT] = B,
				[IN_UNBLOCK] = B,
			},
};

static const enum core_event_type event_of[IN_MAX] = {
	[IN_START] = CORE_EVENT_START,
	[IN_AUTOSTART] = CORE_EVENT_AUTOSTART,
	[IN_STOP] = CORE_EVENT_STOP,
	[IN_RESTART] = CORE_EVENT_RESTART,
	[IN_RESET] = CORE_EVENT_RESET,
	[IN_KILL] = CORE_EVENT_KILL,
	[IN_STARTED] = CORE_EVENT_STARTED,
	[IN_LEFTOVERS] = CORE_EVENT_ENDED,
	[IN_DONE_STOPPED] = CORE_EVENT_ENDED,
	[IN_DONE_START] = CORE_EVENT_ENDED,
	[IN_DONE_BACKOFF] = CORE_EVENT_ENDED,
	[IN_DONE_EXITED] = CORE_EVENT_ENDED,
	[IN_DONE_FAILED] = CORE_EVENT_ENDED,
	[IN_DEADLINE] = CORE_EVENT_DEADLINE,
	[IN_SLOT] = CORE_EVENT_SLOT,
	[IN_SIGNAL] = CORE_EVENT_SIGNAL,
	[IN_UNBLOCK] = CORE_EVENT_UNBLOCK,
};

/* STOPPING, such that the end of the stop is this input. */
static void reach_stopping(struct rig *g, enum input in)
{
	switch (in) {
	case IN_STARTED: /* stopped before exec was told */
		rig_ask(g, 0, CORE_EVENT_START);
		rig_ask(g, 0, CORE_EVENT_STOP);
		return;
	case IN_DONE_START:
		rig_run(g, 0);
		rig_ask(g, 0, CORE_EVENT_RESTART);
		return;
	case IN_DONE_BACKOFF:
		rig_run(g, 0);
		rig_end(g, 0, CORE_END_EXITED, 1, true);
		return;
	case IN_DONE_EXITED:
		rig_run(g, 0);
		rig_end(g, 0, CORE_END_EXITED, 0, true);
		return;
	case IN_DONE_FAILED:
		g->policies[0].restart = SPEC_RESTART_NEVER;
		rig_run(g, 0);
		rig_end(g, 0, CORE_END_EXITED, 1, true);
		return;
	default:
		rig_run(g, 0);
		rig_ask(g, 0, CORE_EVENT_STOP);
	}
}

/* Service 0 of two; only one may start at a time. */
static void reach(struct rig *g, enum core_state state, enum input in)
{
	switch (state) {
	case CORE_STOPPED:
		break;
	case CORE_WAITING:
		if (in == IN_UNBLOCK) {
			rig_step(g, &(struct core_event){.type = CORE_EVENT_AUTOSTART,
					    .why = CORE_WHY_PREDECESSOR});
			break;
		}
		rig_ask(g, 1, CORE_EVENT_START);
		rig_ask(g, 0, CORE_EVENT_START);
		break;
	case CORE_STARTING:
		if (in == IN_SIGNAL) /* a oneshot is starting as long as it runs */
			g->policies[0].type = SPEC_TYPE_ONESHOT;
		rig_ask(g, 0, CORE_EVENT_START);
		if (in == IN_SIGNAL)
			rig_started(g, 0);
		break;
	case CORE_RUNNING:
		rig_run(g, 0);
		if (in == IN_DONE_STOPPED) { /* a shutdown waits for what was started later */
			rig_ask(g, 1, CORE_EVENT_START);
			core_shutdown(g->core, false, g->now);
			rig_take_changes(g);
		}
		break;
	case CORE_STOPPING:
		reach_stopping(g, in);
		break;
	case CORE_BACKOFF:
		rig_run(g, 0);
		rig_exit(g, 0, 1);
		break;
	case CORE_EXITED:
		rig_run(g, 0);
		rig_exit(g, 0, 0);
		break;
	case CORE_FAILED:
		g->policies[0].restart = SPEC_RESTART_NEVER;
		rig_run(g, 0);
		rig_exit(g, 0, 1);
		g->policies[0].restart = SPEC_RESTART_ON_FAILURE;
		break;
	case CORE_STATE_MAX:
		fail();
	}
	assert_int_equal(rig_record(g, 0)->state, state);
	if (in != IN_DEADLINE)
		g->now += USEC_PER_SEC / 20; /* deadlines are told from the clock that set them */
}

static void send(struct rig *g, enum input in)
{
	struct core_event e = {.type = event_of[in],
		.service = 0,
		.generation = rig_record(g, 0)->generation,
		.pid = 100,
		.at_usec = g->now,
		.signo = SIGUSR1,
		.end = CORE_END_EXITED};

	switch (in) {
	case IN_LEFTOVERS:
		e.survivors = true;
		e.status = 1;
		break;
	case IN_DONE_FAILED:
		g->policies[0].restart = SPEC_RESTART_NEVER;
		e.status = 1;
		break;
	case IN_DONE_STOPPED:
	case IN_DONE_BACKOFF:
		e.status = 1;
		break;
	case IN_DEADLINE:
		if (core_deadline(g->core, 0) != USEC_INFINITY)
			g->now = core_deadline(g->core, 0);
		break;
	case IN_SLOT: /* the place becomes free */
		e.type = CORE_EVENT_STARTED;
		e.service = 1;
		e.generation = rig_record(g, 1)->generation;
		break;
	default:
		break;
	}
	if (rig_record(g, 0)->main_ended && e.type == CORE_EVENT_ENDED)
		e.type = CORE_EVENT_GONE;
	rig_step(g, &e);
}

/* The cell itself, with nothing before it. */
static bool call(struct rig *g, enum core_state state, enum input in)
{
	struct core_event e = {.type = event_of[in]};
	struct step s = {.core = g->core,
		.index = 0,
		.slot = &g->core->slots[0],
		.event = &e,
		.now = g->now};

	return core_table[state][in].action(&s);
}

static void check(enum core_state state, enum input in)
{
	const struct expected *x = &expected[state][in];
	_cleanup_rig_ struct rig g;
	const struct core_record *r;
	struct core_record before;
	struct core_change c;

	rig_init(&g, 2, 1);
	reach(&g, state, in);
	r = rig_record(&g, 0);
	before = *r;
	if (x->how != EVENT) {
		if (x->how == IGNORED)
			send(&g, in);
		assert_int_equal(call(&g, state, in), x->how == IGNORED);
		rig_take_changes(&g);
		assert_int_equal(g.n_changes, 0);
		rig_same_record(&before, r);
		return;
	}
	send(&g, in);
	c = rig_change(&g, 0);
	assert_int_equal(r->state, x->next);
	assert_int_equal(c.todo, x->todo | CORE_DO_COMMIT);
	assert_int_equal(c.signo, x->signo);
	assert_int_equal(c.scope, x->scope);
	assert_int_equal(c.previous, state);
	assert_int_equal(r->desired_up, x->desired_up);
	assert_int_equal(r->ready, r->state == CORE_RUNNING);
	assert_int_equal(r->since_usec, x->next == state ? before.since_usec : g.now);
	assert_int_equal(r->deadline_usec,
		x->deadline == KEEPS ? before.deadline_usec : usec_add(g.now, x->deadline));
	assert_int_equal(r->generation, before.generation + (x->todo & SPAWN ? 1 : 0));
	if (x->signo)
		assert_int_equal(in == IN_SIGNAL ? r->user_signo : r->signo, x->signo);
	if (x->signo && in != IN_SIGNAL)
		assert_int_equal(r->user_signo, 0);
}

static void every_cell_does_what_it_should(void **state _unused_)
{
	for (int s = 0; s < CORE_STATE_MAX; s++) {
		for (int in = 0; in < IN_MAX; in++) {
			print_message(
				"%s, input %d\n", core_state_to_string((enum core_state)s), in);
			check((enum core_state)s, (enum input)in);
		}
	}
}

static void no_cell_is_unset_and_the_bugs_are_the_ones_listed(void **state _unused_)
{
	for (int s = 0; s < CORE_STATE_MAX; s++) {
		for (int in = 0; in < IN_MAX; in++) {
			assert_non_null(core_table[s][in].action);
			assert_int_not_equal(expected[s][in].how, UNSET);
			assert_int_equal(core_cell_is_bug((enum core_state)s, (enum input)in),
				expected[s][in].how == BUG);
		}
	}
}

/* All states at all inputs: no event of any kind is a bug, whatever state it meets. */
static void every_event_can_come_in_every_state(void **state _unused_)
{
	for (int s = 0; s < CORE_STATE_MAX; s++) {
		for (int t = 0; t < CORE_EVENT_MAX; t++) {
			_cleanup_rig_ struct rig g;
			struct core_event e = {.type = (enum core_event_type)t,
				.end = CORE_END_SIGNALLED,
				.status = SIGSEGV,
				.pid = 5};

			rig_init(&g, 2, 1);
			reach(&g, (enum core_state)s, IN_STOP);
			e.generation = rig_record(&g, 0)->generation;
			e.at_usec = g.now;
			rig_step(&g, &e);
		}
	}
}

static void a_service_that_was_never_added_takes_no_event(void **state _unused_)
{
	_cleanup_rig_ struct rig g = {.core = core_new(2, 0), .n = 2, .now = RIG_START};
	struct core_event e = {.type = CORE_EVENT_START};

	assert_non_null(g.core);
	assert_false(core_step(g.core, &e, g.now, 0));
	e.service = 2;
	assert_false(core_step(g.core, &e, g.now, 0));
	core_shutdown(g.core, false, g.now);
	assert_true(core_is_down(g.core));
}

static void states_and_events_have_names_that_read_back(void **state _unused_)
{
	enum core_state s = CORE_FAILED;

	for (int i = 0; i < CORE_STATE_MAX; i++) {
		assert_int_equal(
			core_state_from_string(core_state_to_string((enum core_state)i), &s), 0);
		assert_int_equal(s, i);
	}
	assert_int_equal(core_state_from_string("Running", &s), -1);
	assert_int_equal(core_state_from_string("", &s), -1);
	assert_int_equal(s, CORE_STATE_MAX - 1);
	for (int i = 0; i < CORE_EVENT_MAX; i++)
		assert_non_null(core_event_to_string((enum core_event_type)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_cell_is_unset_and_the_bugs_are_the_ones_listed),
		cmocka_unit_test(every_cell_does_what_it_should),
		cmocka_unit_test(every_event_can_come_in_every_state),
		cmocka_unit_test(a_service_that_was_never_added_takes_no_event),
		cmocka_unit_test(states_and_events_have_names_that_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
