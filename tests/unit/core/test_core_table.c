/*
 * Every cell of the table. A service is brought into the state by events alone, then the
 * input comes as the event that it stands for; expected.h says what must follow.
 * Cells that no event can reach (the guards are before them) are called directly.
 *
 * The service is number 0. Number 1 is whoever has to do with it, and number 2 takes the one
 * place to start where 0 has to wait for it.
 */
#include "expected.h"

/* What a service has to be for the input to come. */
static void prepare(struct rig *g, enum core_state state, enum input in)
{
	struct spec_policy *p = &g->policies[0];

	switch (in) {
	case IN_DECLINE:
	case IN_YIELD:
		rig_link(g, 0, CORE_LINK_CONFLICTS, OTHER);
		break;
	case IN_PULL:
	case IN_CLEAR:
		rig_requires(g, OTHER, 0);
		break;
	case IN_LOST:
		rig_requires(g, 0, OTHER);
		rig_run(g, OTHER);
		break;
	case IN_SIGNAL:
		if (state == CORE_STARTING) /* a oneshot is starting as long as it runs */
			p->type = SPEC_TYPE_ONESHOT;
		break;
	case IN_HOOK:
		p->hooks = state == CORE_STARTING ? 1u << SPEC_HOOK_PRE_START
						  : 1u << SPEC_HOOK_PRE_STOP;
		break;
	case IN_POST_STOP:
		p->hooks = 1u << SPEC_HOOK_POST_STOP;
		break;
	case IN_MAINPID:
	case IN_FORKED:
		p->type = SPEC_TYPE_FORKING;
		break;
	case IN_READY:
		p->ready = SPEC_READY_NOTIFY;
		break;
	case IN_DEADLINE:
	case IN_ALIVE:
	case IN_TRIGGER:
	case IN_EXTEND:
		if (state == CORE_STARTING)
			p->ready_timeout_usec = READY_LIMIT;
		p->watchdog_usec = WATCHDOG;
		break;
	case IN_DUE:
	case IN_SCHEDULED:
		p->scheduled = state != CORE_EXITED; /* else it has not ended, but waits again */
		p->overlap = SPEC_OVERLAP_KILL;
		break;
	case IN_HEALTHY:
	case IN_FAILED_CHECK:
		p->health_failures = 2;
		break;
	case IN_UNHEALTHY:
		p->health_failures = 1;
		break;
	default:
		break;
	}
}

static void reach_waiting(struct rig *g, enum input in)
{
	if (in == IN_DUE || in == IN_SCHEDULED) {
		rig_ask(g, 0, CORE_EVENT_AUTOSTART);
		return;
	}
	rig_ask(g, TAKER, CORE_EVENT_START);
	rig_ask(g, 0, CORE_EVENT_START);
}

/* STARTING, and as far on its way as the input needs. */
static void reach_starting(struct rig *g, enum input in)
{
	if (in == IN_DONE_STOPPED) /* a shutdown waits for what comes after it */
		rig_link(g, OTHER, CORE_LINK_AFTER, 0);
	if (in == IN_DONE_STOPPED)
		rig_run(g, OTHER);
	rig_ask(g, 0, CORE_EVENT_START);
	if (in == IN_SIGNAL || in == IN_MAINPID || in == IN_FORKED || in == IN_READY)
		rig_started(g, 0);
	if (in == IN_DONE_STOPPED)
		rig_shutdown(g, false);
}

static void reach_running(struct rig *g, enum input in)
{
	rig_ask(g, 0, CORE_EVENT_START);
	rig_started(g, 0);
	if (g->policies[0].type == SPEC_TYPE_FORKING)
		rig_mainpid(g, 0, 99);
	if (g->policies[0].ready == SPEC_READY_NOTIFY)
		rig_ready(g, 0);
	has_state(g, 0, CORE_RUNNING);
	if (in == IN_CLEAR)
		rig_run(g, OTHER);
	if (in == IN_DONE_STOPPED) { /* a shutdown waits for what was started later */
		rig_ask(g, OTHER, CORE_EVENT_START);
		rig_shutdown(g, false);
	}
}

/* STOPPING, such that the end of the stop is this input. */
static void reach_stopping(struct rig *g, enum input in)
{
	if (in == IN_STARTED) { /* stopped before exec was told */
		rig_ask(g, 0, CORE_EVENT_START);
		rig_ask(g, 0, CORE_EVENT_STOP);
		return;
	}
	reach_running(g, in == IN_DONE_STOPPED ? IN_STOP : in);
	switch (in) {
	case IN_DONE_START:
	case IN_DUE:
	case IN_SCHEDULED:
		rig_ask(g, 0, CORE_EVENT_RESTART);
		return;
	case IN_DONE_BACKOFF:
		rig_end(g, 0, CORE_END_EXITED, 1, true);
		return;
	case IN_DONE_EXITED:
		rig_end(g, 0, CORE_END_EXITED, 0, true);
		return;
	case IN_DONE_FAILED:
		g->policies[0].restart = SPEC_RESTART_NEVER;
		rig_end(g, 0, CORE_END_EXITED, 1, true);
		return;
	case IN_YIELD: /* for the sake of a restart, so that it is wanted up */
		rig_ask(g, 0, CORE_EVENT_RESTART);
		return;
	default:
		rig_ask(g, 0, CORE_EVENT_STOP);
	}
}

/* Due while another one is on, which it is to follow. */
static void queue_run(struct rig *g)
{
	enum spec_overlap overlap = g->policies[0].overlap;

	g->policies[0].scheduled = true;
	g->policies[0].overlap = SPEC_OVERLAP_QUEUE;
	rig_schedule(g, 0, g->now);
	rig_deadline(g, 0);
	g->policies[0].overlap = overlap;
}

static void reach(struct rig *g, enum core_state state, enum input in)
{
	switch (state) {
	case CORE_STOPPED:
		break;
	case CORE_WAITING:
		reach_waiting(g, in);
		break;
	case CORE_STARTING:
		reach_starting(g, in);
		break;
	case CORE_RUNNING:
		reach_running(g, in);
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
		if (in == IN_DEADLINE)
			queue_run(g);
		rig_exit(g, 0, 1);
		g->policies[0].restart = SPEC_RESTART_ON_FAILURE;
		break;
	case CORE_STATE_MAX:
		fail();
	}
	has_state(g, 0, state);
	if (in == IN_DECLINE)
		rig_ask(g, OTHER, CORE_EVENT_START);
	if (in == IN_DUE || in == IN_SCHEDULED)
		g->policies[0].scheduled = true;
	if (in == IN_DUE)
		rig_schedule(g, 0, g->now + USEC_PER_SEC / 20);
	if (in != IN_DEADLINE)
		g->now += USEC_PER_SEC / 20; /* deadlines are told from the clock that set them */
}

static const enum core_event_type event_of[IN_MAX] = {
	[IN_START] = CORE_EVENT_START,
	[IN_AUTOSTART] = CORE_EVENT_AUTOSTART,
	[IN_DECLINE] = CORE_EVENT_AUTOSTART,
	[IN_PULL] = CORE_EVENT_START, /* of the other one */
	[IN_YIELD] = CORE_EVENT_START, /* likewise */
	[IN_STOP] = CORE_EVENT_STOP,
	[IN_RESTART] = CORE_EVENT_RESTART,
	[IN_RESET] = CORE_EVENT_RESET,
	[IN_KILL] = CORE_EVENT_KILL,
	[IN_SIGNAL] = CORE_EVENT_SIGNAL,
	[IN_GO] = CORE_EVENT_STARTED, /* the place becomes free */
	[IN_LOST] = CORE_EVENT_STOP, /* of the other one */
	[IN_CLEAR] = CORE_EVENT_ENDED, /* likewise */
	[IN_STARTED] = CORE_EVENT_STARTED,
	[IN_HOOK] = CORE_EVENT_HOOK,
	[IN_MAINPID] = CORE_EVENT_MAINPID,
	[IN_READY] = CORE_EVENT_READY,
	[IN_LEFTOVERS] = CORE_EVENT_ENDED,
	[IN_FORKED] = CORE_EVENT_ENDED,
	[IN_POST_STOP] = CORE_EVENT_ENDED,
	[IN_DONE_STOPPED] = CORE_EVENT_ENDED,
	[IN_DONE_START] = CORE_EVENT_ENDED,
	[IN_DONE_BACKOFF] = CORE_EVENT_ENDED,
	[IN_DONE_EXITED] = CORE_EVENT_ENDED,
	[IN_DONE_FAILED] = CORE_EVENT_ENDED,
	[IN_DEADLINE] = CORE_EVENT_DEADLINE,
	[IN_DUE] = CORE_EVENT_DEADLINE,
	[IN_SCHEDULED] = CORE_EVENT_SCHEDULED,
	[IN_ALIVE] = CORE_EVENT_ALIVE,
	[IN_TRIGGER] = CORE_EVENT_TRIGGER,
	[IN_EXTEND] = CORE_EVENT_EXTEND,
	[IN_HEALTHY] = CORE_EVENT_HEALTH,
	[IN_FAILED_CHECK] = CORE_EVENT_HEALTH,
	[IN_UNHEALTHY] = CORE_EVENT_HEALTH,
};

static uint32_t sender_of(enum input in)
{
	switch (in) {
	case IN_PULL:
	case IN_YIELD:
	case IN_LOST:
	case IN_CLEAR:
		return OTHER;
	case IN_GO:
		return TAKER;
	default:
		return 0;
	}
}

static void send(struct rig *g, enum input in)
{
	uint32_t i = sender_of(in);
	struct core_event e = {.type = event_of[in],
		.service = i,
		.generation = rig_record(g, i)->generation,
		.pid = 100,
		.at_usec = g->now,
		.span_usec = EXTENSION,
		.signo = SIGUSR1,
		.hook = g->policies[0].hooks == 1u << SPEC_HOOK_PRE_STOP ? SPEC_HOOK_PRE_STOP
									 : SPEC_HOOK_PRE_START,
		.ok = in == IN_HOOK || in == IN_HEALTHY,
		.end = CORE_END_EXITED};

	switch (in) {
	case IN_LEFTOVERS:
	case IN_POST_STOP:
	case IN_DONE_STOPPED:
	case IN_DONE_BACKOFF:
		e.status = 1;
		break;
	case IN_DONE_FAILED:
		g->policies[0].restart = SPEC_RESTART_NEVER;
		e.status = 1;
		break;
	case IN_DEADLINE:
		g->now = core_deadline(g->core, 0);
		break;
	case IN_SCHEDULED:
		e.at_usec = g->now + 100 * SEC;
		break;
	default:
		break;
	}
	e.survivors = in == IN_LEFTOVERS || in == IN_FORKED;
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
		.other = NO_SERVICE,
		.now = g->now};

	return core_table[state][in].action(&s);
}

static void check_change(const struct expected *x, const struct core_change *c, enum core_state was)
{
	assert_int_equal(c->todo, x->todo | CORE_DO_COMMIT);
	assert_int_equal(c->signo, x->signo);
	assert_int_equal(c->scope, x->scope);
	assert_int_equal(c->hook, x->hook);
	assert_int_equal(c->cancel, x->cancel);
	assert_int_equal(c->previous, was);
}

static void check_record(const struct expected *x, const struct core_record *before,
	const struct core_record *r, usec_t now)
{
	bool begins = r->state == CORE_STARTING && before->state != CORE_STARTING;

	assert_int_equal(r->state, x->next == SAME ? before->state : x->next);
	assert_int_equal(r->phase, x->next == SAME ? before->phase : x->phase);
	assert_int_equal(r->desired_up, x->desired_up);
	assert_int_equal(r->ready, r->state == CORE_RUNNING);
	assert_int_equal(r->since_usec, r->state == before->state ? before->since_usec : now);
	assert_int_equal(r->deadline_usec,
		x->deadline == KEEPS ? before->deadline_usec : usec_add(now, x->deadline));
	assert_int_equal(r->generation, before->generation + (begins ? 1 : 0));
}

static void check(enum core_state state, enum input in)
{
	const struct expected *x = &expected[in][state];
	_cleanup_rig_ struct rig g;
	const struct core_record *r;
	struct core_record before;
	struct core_past past;
	struct core_change c;

	rig_init(&g, 3, 1);
	if (x->how != BUG)
		prepare(&g, state, in);
	reach(&g, state, x->how != BUG ? in : IN_STOP);
	r = rig_record(&g, 0);
	before = *r;
	past = *rig_past(&g, 0);
	if (x->how != EVENT) {
		if (x->how == IGNORED) {
			send(&g, in);
			assert_int_equal(rig_change(&g, 0).todo, 0);
		}
		assert_int_equal(call(&g, state, in), x->how == IGNORED);
		rig_take_changes(&g);
		assert_int_equal(g.n_changes, 0);
		rig_same_record(&before, r);
		rig_same_past(&past, rig_past(&g, 0));
		return;
	}
	send(&g, in);
	c = rig_change(&g, 0);
	check_change(x, &c, state);
	check_record(x, &before, r, g.now);
	if (x->signo)
		assert_int_equal(in == IN_SIGNAL ? r->user_signo : r->signo, x->signo);
	if (x->signo && in != IN_SIGNAL)
		assert_int_equal(r->user_signo, 0);
}

static void every_cell_does_what_it_should(void **state _unused_)
{
	for (int in = 0; in < IN_MAX; in++) {
		for (int s = 0; s < CORE_STATE_MAX; s++) {
			print_message(
				"%s, input %d\n", core_state_to_string((enum core_state)s), in);
			check((enum core_state)s, (enum input)in);
		}
	}
}

static void no_cell_is_unset_and_the_bugs_are_the_ones_listed(void **state _unused_)
{
	for (int in = 0; in < IN_MAX; in++) {
		for (int s = 0; s < CORE_STATE_MAX; s++) {
			assert_non_null(core_table[s][in].action);
			assert_int_not_equal(expected[in][s].how, UNSET);
			assert_int_equal(core_cell_is_bug((enum core_state)s, (enum input)in),
				expected[in][s].how == BUG);
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

			rig_init(&g, 3, 1);
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
	rig_settle(&g);
	assert_int_equal(g.n_changes, 0);
	core_shutdown(g.core, false, g.now);
	assert_true(core_is_down(g.core));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_cell_is_unset_and_the_bugs_are_the_ones_listed),
		cmocka_unit_test(every_cell_does_what_it_should),
		cmocka_unit_test(every_event_can_come_in_every_state),
		cmocka_unit_test(a_service_that_was_never_added_takes_no_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
