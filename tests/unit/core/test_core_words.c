/*
 * What people are told: each reason that there is, made from a record as the next engine would
 * find it, and the names of states, events, phases and health.
 */
#include "core/state.h"
#include "rig.h"

/* Service 0 is told of; service 1 is the one that it has to do with. */
struct situation {
	struct core_record record;
	const char *text;
};

static const char *no_name(const void *userdata _unused_, uint32_t service _unused_)
{
	return "";
}

static void told(const struct situation *x, const struct spec_policy *policy, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_rig_ struct rig g = {.core = core_new(2, 0), .n = 2};
		struct core_record r = x[i].record;

		assert_non_null(g.core);
		assert_true(core_record_is_valid(&r));
		r.deadline_usec = r.due_usec = USEC_INFINITY;
		if (r.blocker == 0)
			r.blocker = CORE_NO_SERVICE;
		core_add(g.core, 0, policy, &r, RIG_START);
		has_reason(&g, 0, x[i].text);
	}
}

#define EXIT_1 .end = CORE_END_EXITED, .end_status = 1

/* --- reasons --- */

static void of_a_service_that_is_down(void **state _unused_)
{
	static const struct situation x[] = {
		{{.state = CORE_STOPPED, .why = CORE_WHY_NEVER_STARTED}, "not started yet"},
		{{.state = CORE_STOPPED, .why = CORE_WHY_OPERATOR, EXIT_1}, "by request"},
		{{.state = CORE_STOPPED, .why = CORE_WHY_SHUTDOWN}, "supervisord is shutting down"},
		{{.state = CORE_STOPPED, .why = CORE_WHY_REMOVED},
			"removed from the configuration"},
		{{.state = CORE_STOPPED, .why = CORE_WHY_CONFLICT, .blocker = 1},
			"conflicts with 's1'"},
		{{.state = CORE_STOPPED, .why = CORE_WHY_CONFLICT},
			"conflicts with 'another service'"},
	};
	struct spec_policy p = rig_policy();

	told(x, &p, ELEMENTSOF(x));
}

static void of_a_service_that_waits(void **state _unused_)
{
	static const struct situation x[] = {
		{{.state = CORE_WAITING, .why = CORE_WHY_DEPENDENCY, .blocker = 1},
			"waiting for 's1'"},
		{{.state = CORE_WAITING, .why = CORE_WHY_CONFLICT, .blocker = 1},
			"waiting for the end of 's1', with which it conflicts"},
		{{.state = CORE_WAITING, .why = CORE_WHY_POOL}, "waiting for a slot of pool 's0'"},
		{{.state = CORE_WAITING, .why = CORE_WHY_SLOT},
			"waiting: as many services as max-starting allows are starting"},
		{{.state = CORE_WAITING, .why = CORE_WHY_PREDECESSOR},
			"waiting for the end of the service whose place it takes"},
		{{.state = CORE_WAITING, .why = CORE_WHY_SCHEDULE}, "waiting for its schedule"},
		{{.state = CORE_WAITING, .why = CORE_WHY_SCHEDULE, EXIT_1},
			"waiting for its schedule; last run: exited with code 1"},
	};
	struct spec_policy p = rig_policy();

	told(x, &p, ELEMENTSOF(x));
}

static void of_a_service_that_waits_in_vain(void **state _unused_)
{
	/* as any other state is that of something that comes, or is there */
	static const enum core_state states[] = {
		CORE_STOPPED, CORE_WAITING, CORE_STOPPING, CORE_EXITED, CORE_FAILED};

	for (size_t i = 0; i < ELEMENTSOF(states); i++) {
		struct core_record other = {.state = (uint8_t)states[i],
			.why = states[i] == CORE_WAITING ? CORE_WHY_SCHEDULE : CORE_WHY_NONE,
			.deadline_usec = USEC_INFINITY,
			.due_usec = USEC_INFINITY,
			.blocker = CORE_NO_SERVICE};
		struct core_record waits = {.state = CORE_WAITING,
			.why = CORE_WHY_DEPENDENCY,
			.blocker = 1,
			.desired_up = true,
			.deadline_usec = USEC_INFINITY,
			.due_usec = USEC_INFINITY};
		_cleanup_rig_ struct rig g;
		char text[64];

		rig_init(&g, 2, 0);
		g.policies[1].scheduled = true;
		core_add(g.core, 0, &g.policies[0], &waits, g.now);
		core_add(g.core, 1, &g.policies[1], &other, g.now);
		rig_requires(&g, 0, 1);
		snprintf(text, sizeof(text), "requires 's1', which is %s",
			core_state_to_string(states[i]));
		has_reason(&g, 0, text);
	}
}

static void of_a_service_that_comes_up(void **state _unused_)
{
	static const struct situation x[] = {
		{{.state = CORE_STARTING, .why = CORE_WHY_OPERATOR, .phase = CORE_PHASE_EXEC}, ""},
		{{.state = CORE_STARTING, .why = CORE_WHY_AUTOSTART, .phase = CORE_PHASE_READY},
			""},
		{{.state = CORE_STARTING, .why = CORE_WHY_SCHEDULE, .phase = CORE_PHASE_EXEC}, ""},
		{{.state = CORE_STARTING,
			 .why = CORE_WHY_NEEDED,
			 .blocker = 1,
			 .phase = CORE_PHASE_EXEC},
			"needed by 's1'"},
		{{.state = CORE_STARTING,
			 .why = CORE_WHY_NEEDED,
			 .blocker = 1,
			 .phase = CORE_PHASE_PRE_START},
			"needed by 's1'; its pre-start hook runs"},
		{{.state = CORE_STARTING, .why = CORE_WHY_OPERATOR, .phase = CORE_PHASE_PRE_START},
			"its pre-start hook runs"},
		{{.state = CORE_STARTING, .why = CORE_WHY_OPERATOR, .phase = CORE_PHASE_FORKED},
			"waiting for its main process"},
		{{.state = CORE_STARTING, .why = CORE_WHY_ENDED, .phase = CORE_PHASE_EXEC, EXIT_1},
			"restarted: exited with code 1"},
		{{.state = CORE_STARTING,
			 .why = CORE_WHY_ENDED,
			 .phase = CORE_PHASE_FORKED,
			 EXIT_1},
			"restarted: exited with code 1; waiting for its main process"},
		{{.state = CORE_STARTING,
			 .why = CORE_WHY_ENDED,
			 .phase = CORE_PHASE_PRE_START,
			 .last_cause = CORE_CAUSE_PRE_START},
			"restarted: its pre-start hook failed; its pre-start hook runs"},
		{{.state = CORE_RUNNING, .why = CORE_WHY_OPERATOR}, ""},
		{{.state = CORE_RUNNING, .why = CORE_WHY_NEEDED}, ""},
		{{.state = CORE_RUNNING, .why = CORE_WHY_ENDED, EXIT_1},
			"restarted: exited with code 1"},
		{{.state = CORE_RUNNING,
			 .why = CORE_WHY_ENDED,
			 EXIT_1,
			 .last_cause = CORE_CAUSE_UNHEALTHY},
			"restarted: unhealthy, exited with code 1"},
	};
	struct spec_policy p = rig_policy();

	told(x, &p, ELEMENTSOF(x));
}

static void of_why_a_service_is_stopped(void **state _unused_)
{
#define TERM .state = CORE_STOPPING, .phase = CORE_PHASE_SIGNAL, .signo = SIGTERM
#define SENT "; TERM sent, KILL after 10s"
	static const struct situation x[] = {
		{{TERM, .why = CORE_WHY_OPERATOR}, "by request" SENT},
		{{TERM, .why = CORE_WHY_SHUTDOWN}, "supervisord is shutting down" SENT},
		{{TERM, .why = CORE_WHY_RESTART}, "restart by request" SENT},
		{{TERM, .why = CORE_WHY_CHANGED}, "its configuration has changed" SENT},
		{{TERM, .why = CORE_WHY_REMOVED}, "removed from the configuration" SENT},
		{{TERM, .why = CORE_WHY_SCHEDULE}, "its next run is due" SENT},
		{{TERM, .why = CORE_WHY_DEPENDENCY, .blocker = 1},
			"'s1', which it requires, is not there" SENT},
		{{TERM, .why = CORE_WHY_CONFLICT, .blocker = 1}, "conflicts with 's1'" SENT},
		{{TERM, .why = CORE_WHY_CAUSE, .cause = CORE_CAUSE_UNHEALTHY, EXIT_1},
			"unhealthy" SENT},
	};
#undef TERM
#undef SENT
	struct spec_policy p = rig_policy();

	told(x, &p, ELEMENTSOF(x));
}

static void of_how_far_a_stop_is(void **state _unused_)
{
#define STOP .state = CORE_STOPPING, .why = CORE_WHY_OPERATOR
	static const struct situation x[] = {
		{{STOP, .phase = CORE_PHASE_DEPENDENTS},
			"by request; waiting for services that need it to stop"},
		{{STOP, .phase = CORE_PHASE_PRE_STOP}, "by request; its pre-stop hook runs"},
		{{STOP, .phase = CORE_PHASE_STOP_COMMAND},
			"by request; its stop command runs, KILL after 10s"},
		{{STOP, .phase = CORE_PHASE_CANCELLED}, "by request; ending its pre-start hook"},
		{{STOP, .phase = CORE_PHASE_POST_STOP}, "by request; its post-stop hook runs"},
		{{STOP, .phase = CORE_PHASE_SIGNAL},
			"by request; its stop command has ended, KILL after 10s"},
		{{STOP, .phase = CORE_PHASE_SIGNAL, .signo = SIGINT},
			"by request; INT sent, KILL after 10s"},
		{{STOP, .phase = CORE_PHASE_SIGNAL, .signo = SIGKILL, .killed = true},
			"by request; KILL sent"},
		{{STOP, .phase = CORE_PHASE_SIGNAL, .signo = SIGTERM, .main_ended = true},
			"by request; waiting for the rest of its processes, KILL after 10s"},
		{{STOP, .phase = CORE_PHASE_SIGNAL, .killed = true, .main_ended = true},
			"by request; KILL sent to the rest of its processes"},
	};
#undef STOP
	struct spec_policy p = rig_policy();

	told(x, &p, ELEMENTSOF(x));
}

static void of_how_a_run_ended(void **state _unused_)
{
#define ENDED .state = CORE_BACKOFF, .why = CORE_WHY_ENDED
	static const struct situation x[] = {
		{{ENDED, EXIT_1}, "exited with code 1"},
		{{ENDED, .end = CORE_END_SIGNALLED, .end_status = SIGTERM},
			"killed by signal TERM"},
		{{ENDED, .end = CORE_END_DUMPED, .end_status = SIGQUIT},
			"killed by signal QUIT (core dumped)"},
		{{ENDED, .end = CORE_END_SPAWN_FAILED, .end_status = EACCES},
			"cannot execute: Permission denied"},
		{{ENDED, .end = CORE_END_UNKNOWN}, "ended while nobody could see how"},
		{{ENDED, .cause = CORE_CAUSE_START_TIMEOUT, EXIT_1},
			"was not ready within 7s, exited with code 1"},
		{{ENDED, .cause = CORE_CAUSE_START_TIMEOUT}, "was not ready within 7s"},
		{{ENDED, .cause = CORE_CAUSE_WATCHDOG, .end = CORE_END_DUMPED,
			 .end_status = SIGABRT},
			"gave no sign of life for 500ms, killed by signal ABRT (core dumped)"},
		{{ENDED, .cause = CORE_CAUSE_TRIGGER, EXIT_1},
			"said that it hangs, exited with code 1"},
		{{ENDED, .cause = CORE_CAUSE_UNHEALTHY, EXIT_1}, "unhealthy, exited with code 1"},
		{{ENDED, .cause = CORE_CAUSE_PRE_START}, "its pre-start hook failed"},
		{{ENDED, .cause = CORE_CAUSE_NO_MAIN, .end = CORE_END_EXITED},
			"left no main process behind, exited with code 0"},
		{{.state = CORE_EXITED, .why = CORE_WHY_ENDED, .end = CORE_END_EXITED},
			"exited with code 0"},
		{{.state = CORE_FAILED, .why = CORE_WHY_ENDED, EXIT_1}, "exited with code 1"},
		{{.state = CORE_FAILED, .why = CORE_WHY_GAVE_UP, EXIT_1},
			"exited with code 1; gave up after 5 automatic restarts in 1min"},
		{{.state = CORE_STOPPING,
			 .why = CORE_WHY_LEFTOVERS,
			 .phase = CORE_PHASE_SIGNAL,
			 .main_ended = true,
			 EXIT_1},
			"exited with code 1; waiting for the rest of its processes, KILL after "
			"10s"},
	};
#undef ENDED
	struct spec_policy p = rig_policy();

	p.ready_timeout_usec = 7 * SEC;
	p.watchdog_usec = SEC / 2;
	told(x, &p, ELEMENTSOF(x));
}

static void of_a_oneshot_that_takes_too_long(void **state _unused_)
{
	static const struct situation x[] = {
		{{.state = CORE_FAILED,
			 .why = CORE_WHY_ENDED,
			 .cause = CORE_CAUSE_START_TIMEOUT,
			 EXIT_1},
			"did not end within 2min, exited with code 1"},
		{{.state = CORE_FAILED, .why = CORE_WHY_GAVE_UP, EXIT_1},
			"exited with code 1; gave up after 1 automatic restart in 1min"},
	};
	struct spec_policy p = rig_policy();

	p.type = SPEC_TYPE_ONESHOT;
	p.ready_timeout_usec = 120 * SEC;
	p.restart_limit = 1;
	told(x, &p, ELEMENTSOF(x));
}

/* A reason with nothing in front of what it goes on with. */
static void no_reason_begins_or_ends_in_the_middle(void **state _unused_)
{
	struct spec_policy p = rig_policy();

	for (int why = CORE_WHY_OPERATOR; why < CORE_WHY_MAX; why++) {
		for (int phase = CORE_PHASE_DEPENDENTS; phase < CORE_PHASE_MAX; phase++) {
			_cleanup_rig_ struct rig g = {.core = core_new(2, 0), .n = 2};
			struct core_record r = {.state = CORE_STOPPING,
				.why = (uint8_t)why,
				.phase = (uint8_t)phase,
				.blocker = 1,
				.cause = CORE_CAUSE_WATCHDOG,
				.main_ended = true,
				EXIT_1};
			const char *text;

			switch (why) { /* those that no stop has */
			case CORE_WHY_AUTOSTART:
			case CORE_WHY_ENDED:
			case CORE_WHY_GAVE_UP:
			case CORE_WHY_SLOT:
			case CORE_WHY_PREDECESSOR:
			case CORE_WHY_NEEDED:
			case CORE_WHY_POOL:
				continue;
			default:
				break;
			}
			assert_non_null(g.core);
			core_add(g.core, 0, &p, &r, RIG_START);
			text = rig_reason(&g, 0, "");
			assert_true(text[0] != '\0' && text[0] != ';' && text[0] != ',');
			assert_null(strstr(text, "; ;"));
			assert_true(text[strlen(text) - 1] != ' ' && text[strlen(text) - 1] != ';');
		}
	}
}

static void one_that_is_not_known_any_more_has_no_name(void **state _unused_)
{
	static const struct {
		enum core_why why;
		const char *text;
	} cases[] = {
		{CORE_WHY_DEPENDENCY, "waiting for 'another service'"},
		{CORE_WHY_CONFLICT,
			"waiting for the end of 'another service', with which it conflicts"},
		{CORE_WHY_POOL, "waiting for a slot of its pool"},
	};
	const struct core_words words = {"", rig_error_text, no_name, no_name, NULL};
	struct spec_policy p = rig_policy();

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_rig_ struct rig g = {.core = core_new(2, 0), .n = 2};
		struct core_record r = {
			.state = CORE_WAITING, .why = (uint8_t)cases[i].why, .blocker = 1000};
		char text[CORE_REASON_SIZE];

		assert_non_null(g.core);
		core_add(g.core, 0, &p, &r, RIG_START);
		assert_string_equal(core_reason(g.core, 0, &words, text), cases[i].text);
	}
}

static void a_name_that_is_very_long_is_cut_and_not_written_past(void **state _unused_)
{
	struct spec_policy p = rig_policy();
	_cleanup_rig_ struct rig g = {.core = core_new(1, 0), .n = 1};
	struct core_record r = {.state = CORE_FAILED,
		.why = CORE_WHY_GAVE_UP,
		.cause = CORE_CAUSE_WATCHDOG,
		.end = CORE_END_SPAWN_FAILED,
		.end_status = ENOENT};
	char stage[3 * CORE_REASON_SIZE];

	for (size_t n = 0; n < sizeof(stage); n++) {
		memset(stage, 'x', n);
		stage[n] = '\0';
		if (n == 0)
			core_add(g.core, 0, &p, &r, RIG_START);
		assert_true(strlen(rig_reason(&g, 0, stage)) < CORE_REASON_SIZE);
	}
	assert_int_equal(strlen(rig_reason(&g, 0, stage)), CORE_REASON_SIZE - 1);
}

/* --- ends, by themselves --- */

static void one_end_is_told_for_itself(void **state _unused_)
{
	static const struct {
		enum core_end end;
		int status;
		const char *stage, *text;
	} cases[] = {
		{CORE_END_NONE, 3, "fork", ""},
		{CORE_END_EXITED, 0, "fork", "exited with code 0"},
		{CORE_END_EXITED, 255, "", "exited with code 255"},
		{CORE_END_SIGNALLED, SIGKILL, "", "killed by signal KILL"},
		{CORE_END_SIGNALLED, 200, "", "killed by signal 200"},
		{CORE_END_DUMPED, SIGSEGV, "", "killed by signal SEGV (core dumped)"},
		{CORE_END_SPAWN_FAILED, ENOENT, "", "No such file or directory"},
		{CORE_END_SPAWN_FAILED, ENOENT, "cannot change to its directory",
			"cannot change to its directory: No such file or directory"},
		{CORE_END_UNKNOWN, 0, "fork", "ended while nobody could see how"},
	};
	char text[CORE_REASON_SIZE];

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_string_equal(core_end_to_text(cases[i].end, cases[i].status, cases[i].stage,
					    rig_error_text, text),
			cases[i].text);
}

/* --- names --- */

static void states_have_names_that_read_back(void **state _unused_)
{
	static const char *const names[] = {"stopped", "waiting", "starting", "running", "stopping",
		"backoff", "exited", "failed"};
	enum core_state s = CORE_FAILED;

	assert_int_equal(ELEMENTSOF(names), CORE_STATE_MAX);
	for (int i = 0; i < CORE_STATE_MAX; i++) {
		assert_string_equal(core_state_to_string((enum core_state)i), names[i]);
		assert_int_equal(core_state_from_string(names[i], &s), 0);
		assert_int_equal(s, i);
	}
	assert_int_equal(core_state_from_string("Running", &s), -1);
	assert_int_equal(core_state_from_string("", &s), -1);
	assert_int_equal(s, CORE_STATE_MAX - 1);
}

static void each_event_phase_and_health_has_a_name_of_its_own(void **state _unused_)
{
	for (int i = 0; i < CORE_EVENT_MAX; i++) {
		assert_non_null(core_event_to_string((enum core_event_type)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(core_event_to_string((enum core_event_type)i),
				core_event_to_string((enum core_event_type)k));
	}
	for (int i = 0; i < CORE_PHASE_MAX; i++) {
		assert_non_null(core_phase_to_string((enum core_phase)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(core_phase_to_string((enum core_phase)i),
				core_phase_to_string((enum core_phase)k));
	}
	assert_string_equal(core_health_to_string(CORE_HEALTH_UNKNOWN), "unknown");
	assert_string_equal(core_health_to_string(CORE_HEALTH_GOOD), "healthy");
	assert_string_equal(core_health_to_string(CORE_HEALTH_BAD), "unhealthy");
}

static void each_reason_cause_and_consequence_has_a_name_of_its_own(void **state _unused_)
{
	for (int i = 0; i < CORE_WHY_MAX; i++) {
		assert_non_null(core_why_to_string((enum core_why)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(core_why_to_string((enum core_why)i),
				core_why_to_string((enum core_why)k));
	}
	for (int i = 0; i < CORE_CAUSE_MAX; i++) {
		assert_non_null(core_cause_to_string((enum core_cause)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(core_cause_to_string((enum core_cause)i),
				core_cause_to_string((enum core_cause)k));
	}
	for (int i = 0; i < CORE_THEN_MAX; i++) {
		assert_non_null(core_then_to_string((enum core_then)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(core_then_to_string((enum core_then)i),
				core_then_to_string((enum core_then)k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_service_that_is_down),
		cmocka_unit_test(of_a_service_that_waits),
		cmocka_unit_test(of_a_service_that_waits_in_vain),
		cmocka_unit_test(of_a_service_that_comes_up),
		cmocka_unit_test(of_why_a_service_is_stopped),
		cmocka_unit_test(of_how_far_a_stop_is),
		cmocka_unit_test(of_how_a_run_ended),
		cmocka_unit_test(of_a_oneshot_that_takes_too_long),
		cmocka_unit_test(no_reason_begins_or_ends_in_the_middle),
		cmocka_unit_test(one_that_is_not_known_any_more_has_no_name),
		cmocka_unit_test(a_name_that_is_very_long_is_cut_and_not_written_past),
		cmocka_unit_test(one_end_is_told_for_itself),
		cmocka_unit_test(states_have_names_that_read_back),
		cmocka_unit_test(each_event_phase_and_health_has_a_name_of_its_own),
		cmocka_unit_test(each_reason_cause_and_consequence_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
