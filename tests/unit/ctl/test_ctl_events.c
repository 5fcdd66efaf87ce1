/*
 * supctl events and supctl wait against a scripted server: the lines, and what decides.
 */
#include "fake.h"

#include <signal.h>

#include "ctl/events/events.h"
#include "tests/unit/zone.h"

#define EVENT(fields) "{\"parameters\":{\"event\":{\"time\":\"T\"," fields "}},\"continues\":true}"
#define GREETING(type, pid, seq) \
	EVENT("\"type\":\"" type "\",\"pid\":" pid ",\"seq\":" seq ",\"reason\":\"1.0\"")
#define SNAPSHOT(name, state)                                                     \
	EVENT("\"type\":\"snapshot\",\"service\":\"" name "\",\"state\":\"" state \
	      "\",\"pid\":7,\"seq\":1,\"reason\":\"\"")
#define STATE(name, previous, state)                                                        \
	EVENT("\"type\":\"state\",\"service\":\"" name "\",\"previous\":\"" previous        \
	      "\",\"state\":\"" state "\",\"pid\":null,\"seq\":2,\"reason\":\"exited with " \
	      "code 1\"")
#define STARTED	 GREETING("started", "100", "1")
#define LIVE	 EVENT("\"type\":\"live\",\"seq\":1,\"pid\":100")
#define LOST	 EVENT("\"type\":\"lost\",\"seq\":9,\"count\":3,\"pid\":100")
#define RELOADED EVENT("\"type\":\"reloaded\",\"seq\":9,\"pid\":100")
#define SHUTDOWN EVENT("\"type\":\"shutdown\",\"seq\":9,\"pid\":100,\"reason\":\"all of it\"")
#define UNKNOWN(name)                                     \
	"{\"error\":\"io.supctl.Control.NoSuchService\"," \
	"\"parameters\":{\"name\":\"" name "\"}}"

/* --- lines --- */

static const struct term plain = {.is_utf8 = true};

static void check_line(
	struct events_view *view, const struct term *term, const char *event, const char *line)
{
	json_t *object = json_loads(event, 0, NULL);
	struct buf out = {0};

	assert_non_null(object);
	assert_int_equal(0, events_render(view, object, term, &out));
	assert_int_equal(0, buf_append(&out, SIZE_MAX, "", 1));
	assert_string_equal(line, out.data);
	buf_fini(&out);
	json_decref(object);
}

static void states_stand_below_each_other(void **state)
{
	struct events_view view = {0};

	(void)state;
	check_line(&view, &plain,
		"{\"type\":\"state\",\"seq\":1,\"time\":\"T\",\"service\":\"web\",\"state\":"
		"\"running\",\"previous\":\"starting\",\"pid\":12345,\"reason\":\"\"}",
		"T  web           starting -> running     12345\n");
	check_line(&view, &plain,
		"{\"type\":\"state\",\"seq\":2,\"time\":\"T\",\"service\":\"web\",\"state\":"
		"\"backoff\",\"previous\":\"running\",\"pid\":null,\"reason\":\"why\"}",
		"T  web           running  -> backoff            why\n");
	check_line(&view, &plain,
		"{\"type\":\"snapshot\",\"seq\":2,\"time\":\"T\",\"service\":\"web\",\"state\":"
		"\"failed\",\"previous\":null,\"pid\":null,\"reason\":\"why\"}",
		"T  web                       failed             why\n");
	/* A longer name moves the columns, for good. */
	check_line(&view, &plain,
		"{\"type\":\"state\",\"seq\":3,\"time\":\"T\",\"service\":\"a-longer-name@1\","
		"\"state\":\"exited\",\"previous\":\"running\",\"pid\":null,\"reason\":\"\"}",
		"T  a-longer-name@1  running  -> exited\n");
	check_line(&view, &plain,
		"{\"type\":\"state\",\"seq\":4,\"time\":\"T\",\"service\":\"web\",\"state\":"
		"\"stopped\",\"previous\":\"stopping\",\"pid\":null,\"reason\":\"\"}",
		"T  web              stopping -> stopped\n");
}

static void states_have_their_colours_and_no_service_brings_its_own(void **state)
{
	const struct term colours = {.is_terminal = true, .colours = true, .is_utf8 = true};
	struct events_view view = {0};

	(void)state;
	check_line(&view, &colours,
		"{\"type\":\"state\",\"seq\":1,\"time\":\"\\u001bT\",\"service\":\"w\\u001beb\","
		"\"state\":\"failed\",\"previous\":\"\\u0007\",\"pid\":null,\"reason\":"
		"\"\\u001b[2Jbad\\nline\"}",
		"?T  w?eb          ?        -> \033[31mfailed\033[0m             ?[2Jbad line\n");
}

static void the_first_greeting_is_silent_and_a_later_one_is_told(void **state)
{
	struct events_view view = {0};

	(void)state;
	check_line(
		&view, &plain, "{\"type\":\"started\",\"seq\":5,\"time\":\"T\",\"pid\":100}", "");
	check_line(&view, &plain, "{\"type\":\"recovered\",\"seq\":5,\"time\":\"T\",\"pid\":101}",
		"T  supervisord   recovered, engine 101\n");
	check_line(&view, &plain, "{\"type\":\"recovered\",\"seq\":9,\"time\":\"T\",\"pid\":101}",
		"T  supervisord   connected again\n");
	/* That one says nothing new then; another one does. */
	check_line(&view, &plain,
		"{\"type\":\"engine\",\"time\":\"T\",\"pid\":101,\"reason\":\"recovered\"}", "");
	check_line(&view, &plain,
		"{\"type\":\"engine\",\"time\":\"T\",\"pid\":102,\"reason\":\"recovered\"}",
		"T  supervisord   engine 102: recovered\n");
	check_line(&view, &plain, "{\"type\":\"started\",\"seq\":0,\"time\":\"T\",\"pid\":103}",
		"T  supervisord   started anew, engine 103\n");
}

static void who_did_what_is_told(void **state)
{
	struct events_view view = {0};

	(void)state;
	check_line(&view, &plain,
		"{\"type\":\"request\",\"time\":\"T\",\"verb\":\"stop\",\"uid\":0,\"client_pid\":7,"
		"\"names\":[\"web\",\"db\"],\"n_services\":5}",
		"T  supervisord   stop web, db and 3 more by uid 0, pid 7\n");
	check_line(&view, &plain,
		"{\"type\":\"request\",\"time\":\"T\",\"verb\":\"apply\",\"uid\":5,"
		"\"client_pid\":null,\"names\":[],\"n_services\":0}",
		"T  supervisord   apply by uid 5\n");
	check_line(&view, &plain,
		"{\"type\":\"refused\",\"time\":\"T\",\"method\":\"Stop\",\"uid\":5}",
		"T  supervisord   refused Stop by uid 5\n");
	check_line(&view, &plain,
		"{\"type\":\"signal\",\"time\":\"T\",\"signal\":\"HUP\",\"uid\":0,\"client_pid\":"
		"1}",
		"T  supervisord   signal HUP by uid 0, pid 1\n");
	check_line(&view, &plain,
		"{\"type\":\"note\",\"time\":\"T\",\"text\":\"it \\u001bwas me\",\"uid\":5}",
		"T  supervisord   note by uid 5: it ?was me\n");
	check_line(&view, &plain,
		"{\"type\":\"exit\",\"time\":\"T\",\"service\":\"web\",\"ran_ms\":1500,\"reason\":"
		"\"exited with code 3\"}",
		"T  web           exit        exited with code 3, ran 1.5s\n");
	check_line(&view, &plain,
		"{\"type\":\"hook\",\"time\":\"T\",\"service\":\"web\",\"ran_ms\":1,\"reason\":"
		"\"x\"}",
		"T  web           hook        x\n");
}

static void supervisords_own_events_are_told_whatever_they_are(void **state)
{
	struct events_view view = {0};

	(void)state;
	check_line(&view, &plain,
		"{\"type\":\"lost\",\"seq\":5,\"time\":\"T\",\"pid\":1,\"count\":42,\"reason\":"
		"\"x\"}",
		"T  supervisord   42 events were lost: x\n");
	check_line(&view, &plain,
		"{\"type\":\"shutdown\",\"seq\":5,\"time\":\"T\",\"reason\":\"stopping all\"}",
		"T  supervisord   shutdown: stopping all\n");
	check_line(&view, &plain, "{\"type\":\"novel\",\"seq\":5,\"time\":\"T\",\"reason\":\"\"}",
		"T  supervisord   novel\n");
}

/* --- events --- */

static void events_are_followed_through_a_break(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, STARTED, STATE("web", "running", "failed"), CLOSE, ACCEPT,
			READ, GREETING("recovered", "101", "4"), STATE("web", "failed", "starting"),
			SHUTDOWN, GONE),
		ARGS("events", "-f", "web", "@front"));
	assert_int_equal(4, f.status);
	assert_string_equal("T  web           running  -> failed             exited with code 1\n"
			    "T  supervisord   recovered, engine 101\n"
			    "T  web           failed   -> starting           exited with code 1\n"
			    "T  supervisord   shutdown: all of it\n",
		f.out);
	assert_string_equal("supctl: supervisord has ended\n", f.err);
	assert_int_equal(2, f.n_requests);
	assert_non_null(strstr(f.requests[0], "\"more\":true"));
	assert_non_null(strstr(f.requests[0], "{\"names\":[\"web\",\"@front\"]}"));
	/* after the last one that was seen */
	assert_non_null(strstr(f.requests[1], "\"names\":[\"web\",\"@front\"],\"after\":2}"));
	fake_free(&f);
}

static void history_goes_on_after_a_break_where_it_was(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, GREETING("started", "100", "50"),
			STATE("web", "running", "failed"), CLOSE, ACCEPT, READ,
			GREETING("recovered", "101", "60"), STATE("web", "failed", "starting"),
			"{\"parameters\":{\"event\":{\"type\":\"live\",\"seq\":60,\"pid\":101}}}"),
		ARGS("events", "--since", "@1"));
	assert_int_equal(0, f.status);
	assert_string_equal("T  web           running  -> failed             exited with code 1\n"
			    "T  web           failed   -> starting           exited with code 1\n",
		f.out);
	assert_string_equal("", f.err);
	assert_int_equal(2, f.n_requests);
	assert_non_null(strstr(f.requests[0], "\"after\":1"));
	assert_non_null(strstr(f.requests[0], "\"follow\":false"));
	assert_non_null(strstr(f.requests[1], "\"after\":2"));
	fake_free(&f);
}

static void without_a_journal_it_says_so_and_fails(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, STARTED,
			"{\"parameters\":{\"event\":{\"type\":\"live\",\"seq\":1,\"pid\":100,"
			"\"reason\":\"No space left on device\"}}}"),
		ARGS("events", "--json"));
	assert_int_equal(1, f.status);
	assert_string_equal("", f.out);
	assert_string_equal("supctl: no journal is kept: No space left on device\n", f.err);
	fake_free(&f);
}

static void a_note_is_sent_once_with_its_words_joined(void **state)
{
	struct fake f;

	(void)state;
	run_with(
		&f, SCRIPT(ACCEPT, READ, "{\"parameters\":{\"seq\":7}}"), ARGS("note", "a", "b c"));
	assert_int_equal(0, f.status);
	assert_string_equal("", f.out);
	assert_non_null(strstr(f.requests[0], "{\"text\":\"a b c\"}"));
	fake_free(&f);
	run_with(&f, SCRIPT(ACCEPT, READ, "{\"parameters\":{\"seq\":7}}"),
		ARGS("--json", "note", "a"));
	assert_string_equal("{\"seq\":7}\n", f.out);
	fake_free(&f);
	/* nobody knows whether it is there already */
	run_with(&f, SCRIPT(ACCEPT, READ, CLOSE), ARGS("note", "a"));
	assert_int_equal(1, f.status);
	assert_int_equal(1, f.n_requests);
	fake_free(&f);
}

static void events_as_json_are_a_line_each(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f, SCRIPT(ACCEPT, READ, STARTED, LOST, SHUTDOWN, GONE),
		ARGS("events", "--json", "-f"));
	assert_int_equal(4, f.status);
	assert_string_equal(
		"{\"time\":\"T\",\"type\":\"started\",\"pid\":100,\"seq\":1,\"reason\":\"1.0\"}\n"
		"{\"time\":\"T\",\"type\":\"lost\",\"seq\":9,\"count\":3,\"pid\":100}\n"
		"{\"time\":\"T\",\"type\":\"shutdown\",\"seq\":9,\"pid\":100,\"reason\":\"all of "
		"it\"}\n",
		f.out);
	fake_free(&f);
}

static void check_since(const char *text, int result, uint64_t after, usec_t realtime)
{
	const usec_t now = UINT64_C(1764091106) * USEC_PER_SEC; /* 2025-11-25T17:18:26Z */
	struct since since = {.after = 77};

	if (since_parse(text, now, &since) != result)
		fail_msg("%s", text);
	if (result == 0 && (since.after != after || since.realtime_usec != realtime))
		fail_msg("%s: %llu %llu", text, (unsigned long long)since.after,
			(unsigned long long)since.realtime_usec);
}

static void since_takes_spans_times_and_numbers(void **state)
{
	static const char *const bad[] = {"", "x", "10", "-1s", "10 min", "@", "@-1", "@1x",
		"2025-11-25T17:18:26+1", "2025-11-25T17:18:26z", "2025-13-01T00:00:00Z",
		"2025-11-25T17:18:26.Z", " 2025-11-25", "2025-11-25T17:18:26Z ", "17:18",
		"2025-11-25T17:18:26+01:60", "1969-12-31T23:59:59Z"};
	const usec_t now = UINT64_C(1764091106) * USEC_PER_SEC;

	(void)state;
	zone_set("UTC-2");
	check_since("@0", 0, 0, 0);
	check_since("@1234", 0, 1234, 0);
	check_since("10min", 0, 0, now - 600 * USEC_PER_SEC);
	check_since("2025-11-25T17:18:26Z", 0, 0, now);
	check_since("2025-11-25T17:18:26.25Z", 0, 0, now + USEC_PER_SEC / 4);
	check_since("2025-11-25T18:18:26+01:00", 0, 0, now);
	check_since("2025-11-25T16:48:26.1234567-00:30", 0, 0, now + 123456);
	/* local time */
	check_since("2025-11-25 19:18:26", 0, 0, now);
	check_since("2025-11-25T19:18:26", 0, 0, now);
	check_since("2025-11-25 19:18", 0, 0, now - 26 * USEC_PER_SEC);
	check_since("2025-11-26", 0, 0, UINT64_C(1764108000) * USEC_PER_SEC);
	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		check_since(bad[i], -EINVAL, 0, 0);
	zone_set(NULL);
}

/* Nothing happens any more, so nothing is written: that the reader went must be noticed. */
static void events_end_when_nobody_reads_them(void **state)
{
	const char *argv[] = {"supctl", "-s", "", "events", "-f"};
	struct fake f;
	FILE *out, *err = tmpfile();
	int ends[2];

	(void)state;
	fake_start(&f, SCRIPT(ACCEPT, READ, WAIT));
	argv[2] = f.path;
	assert_int_equal(0, pipe(ends));
	out = fdopen(ends[1], "w");
	close(ends[0]);
	assert_int_equal(0, ctl_run(ELEMENTSOF(argv), (char **)argv, out, err));
	fake_finish(&f);
	fclose(out);
	fclose(err);
	fake_free(&f);
}

/* --- wait --- */

static void check_wait(const char *const *script, const char *const *args, int status,
	const char *out, const char *err)
{
	struct fake f;

	run_with(&f, script, args);
	assert_string_equal(out, f.out);
	assert_string_equal(err, f.err);
	assert_int_equal(status, f.status);
	for (size_t i = 0; i < f.n_requests; i++)
		assert_non_null(strstr(f.requests[i], "\"snapshot\":true"));
	fake_free(&f);
}

static void who_is_there_already_is_not_waited_for(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("web", "running"), LIVE, WAIT),
		ARGS("wait", "web", "--for", "running"), 0, "web: running (pid 7)\n", "");
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("web", "failed"), LIVE, WAIT),
		ARGS("wait", "web", "--for", "exited,failed", "--timeout", "0"), 0,
		"web: failed (pid 7)\n", "");
}

static void each_service_is_told_as_it_gets_there_and_passing_through_counts(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "running"), SNAPSHOT("b", "running"),
			   LIVE, STATE("b", "running", "backoff"), STATE("b", "backoff", "running"),
			   STATE("other", "running", "backoff"), STATE("a", "running", "backoff"),
			   WAIT),
		ARGS("wait", "a", "b", "--for", "backoff"), 0, "b: backoff\na: backoff\n", "");
}

static void a_time_that_is_over_is_one_and_says_where_each_is(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"), SNAPSHOT("b", "failed"),
			   LIVE, STATE("a", "starting", "backoff"), WAIT),
		ARGS("wait", "*", "--for", "running", "--timeout", "2s"), 1, "",
		"supctl: a: is backoff after 2s, not running: exited with code 1\n"
		"supctl: b: is failed after 2s, not running\n");
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"), LIVE, WAIT),
		ARGS("wait", "a", "--for", "running", "--timeout", "0"), 1, "",
		"supctl: a: is starting after 0ms, not running\n");
}

static void results_of_waiting_as_json_are_one_array(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "running"), SNAPSHOT("b", "failed"),
			   LIVE, WAIT),
		ARGS("wait", "*", "--json", "--for", "running", "--timeout", "50ms"), 1,
		"[{\"name\":\"a\",\"ok\":true,\"state\":\"running\",\"pid\":7,\"message\":\"\"},"
		"{\"name\":\"b\",\"ok\":false,\"state\":\"failed\",\"pid\":7,"
		"\"message\":\"is failed after 50ms, not running\"}]\n",
		"");
}

static void a_broken_stream_is_begun_anew_with_what_is_then(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"),
			   SNAPSHOT("b", "starting"), LIVE, STATE("b", "starting", "running"),
			   CLOSE, ACCEPT, READ, GREETING("recovered", "101", "4"),
			   SNAPSHOT("b", "backoff"), SNAPSHOT("a", "running"), WAIT),
		ARGS("wait", "a", "b", "--for", "running"), 0, "b: running\na: running (pid 7)\n",
		"");
	/* also one that broke before the first look was complete */
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"), CLOSE, ACCEPT, READ,
			   GREETING("recovered", "101", "4"), SNAPSHOT("a", "running"),
			   SNAPSHOT("b", "running"), LIVE, WAIT),
		ARGS("wait", "a", "b", "--for", "running"), 0,
		"a: running (pid 7)\nb: running (pid 7)\n", "");
}

static void lost_events_and_a_reload_make_it_look_again(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"), LIVE, LOST, WAIT, CLOSE,
			   ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"), LIVE, RELOADED, WAIT,
			   CLOSE, ACCEPT, READ, STARTED, SNAPSHOT("a", "running"), WAIT),
		ARGS("wait", "a", "--for", "running"), 0, "a: running (pid 7)\n", "");
}

static void one_that_is_removed_meanwhile_can_not_get_there(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"), LIVE, RELOADED, WAIT,
			   CLOSE, ACCEPT, READ, UNKNOWN("a")),
		ARGS("wait", "a", "--for", "running"), 1, "",
		"supctl: a: does not exist any more\n");
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"),
			   SNAPSHOT("b", "starting"), LIVE, RELOADED, WAIT, CLOSE, ACCEPT, READ,
			   STARTED, SNAPSHOT("b", "starting"), LIVE, WAIT),
		ARGS("wait", "*", "--for", "running"), 1, "",
		"supctl: a: does not exist any more\n");
}

static void who_is_waited_for_is_decided_once(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"), LIVE,
			   STATE("new", "stopped", "starting"), RELOADED, WAIT, CLOSE, ACCEPT, READ,
			   STARTED, SNAPSHOT("a", "starting"), SNAPSHOT("new", "starting"), LIVE,
			   STATE("a", "starting", "running"), WAIT),
		ARGS("wait", "*", "--for", "running"), 0, "a: running\n", "");
}

static void supervisords_end_is_four(void **state)
{
	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "starting"), LIVE, SHUTDOWN, GONE),
		ARGS("wait", "a", "--for", "running"), 4, "", "supctl: supervisord has ended\n");
	/* an engine that dies in the middle of it is still bridged */
	check_wait(
		SCRIPT(ACCEPT, READ, STARTED, SNAPSHOT("a", "stopping"), LIVE, SHUTDOWN, CLOSE,
			ACCEPT, READ, GREETING("recovered", "101", "4"), SNAPSHOT("a", "stopping"),
			LIVE, STATE("a", "stopping", "stopped"), WAIT),
		ARGS("wait", "a", "--for", "stopped"), 0, "a: stopped\n", "");
}

static void an_unknown_service_is_four_and_an_unknown_state_is_two(void **state)
{
	static const char states[] = "; these are: stopped, waiting, starting, running, stopping, "
				     "backoff, exited, failed\n";
	char text[256];

	(void)state;
	check_wait(SCRIPT(ACCEPT, READ, UNKNOWN("a")), ARGS("wait", "a", "--for", "running"), 4, "",
		"supctl: a: no such service\n");
	snprintf(text, sizeof(text), "supctl: --for up: 'up' is not a state%s", states);
	check_wait(SCRIPT(NULL), ARGS("wait", "a", "--for", "up"), 2, "", text);
	snprintf(text, sizeof(text), "supctl: --for running,: '' is not a state%s", states);
	check_wait(SCRIPT(NULL), ARGS("wait", "a", "--for", "running,"), 2, "", text);
	check_wait(SCRIPT(NULL), ARGS("wait", "a"), 2, "",
		"supctl: wait: for what? usage: supctl wait NAME... --for STATE [--timeout D]\n");
	check_wait(SCRIPT(NULL), ARGS("wait", "--for", "running"), 2, "",
		"supctl: wait: too few arguments; usage: supctl wait NAME... --for STATE "
		"[--timeout D]\n");
	check_wait(SCRIPT(NULL), ARGS("wait", "a", "--for", "running", "--timeout", "5"), 2, "",
		"supctl: --timeout 5: not a duration; 500ms, 10s, 5min, 1h and 2d are\n");
	check_wait(SCRIPT(NULL), ARGS("status", "--timeout", "5s"), 2, "",
		"supctl: status does not take --timeout; usage: supctl status [NAME...]\n");
}

static void reopen_asks_and_says_nothing(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f, SCRIPT(ACCEPT, READ, "{\"parameters\":{}}"), ARGS("reopen"));
	assert_int_equal(0, f.status);
	assert_string_equal("", f.out);
	assert_non_null(strstr(f.requests[0], "io.supctl.Control.Reopen"));
	fake_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_stand_below_each_other),
		cmocka_unit_test(states_have_their_colours_and_no_service_brings_its_own),
		cmocka_unit_test(the_first_greeting_is_silent_and_a_later_one_is_told),
		cmocka_unit_test(supervisords_own_events_are_told_whatever_they_are),
		cmocka_unit_test(events_are_followed_through_a_break),
		cmocka_unit_test(events_as_json_are_a_line_each),
		cmocka_unit_test(who_did_what_is_told),
		cmocka_unit_test(history_goes_on_after_a_break_where_it_was),
		cmocka_unit_test(without_a_journal_it_says_so_and_fails),
		cmocka_unit_test(a_note_is_sent_once_with_its_words_joined),
		cmocka_unit_test(since_takes_spans_times_and_numbers),
		cmocka_unit_test(events_end_when_nobody_reads_them),
		cmocka_unit_test(who_is_there_already_is_not_waited_for),
		cmocka_unit_test(each_service_is_told_as_it_gets_there_and_passing_through_counts),
		cmocka_unit_test(a_time_that_is_over_is_one_and_says_where_each_is),
		cmocka_unit_test(results_of_waiting_as_json_are_one_array),
		cmocka_unit_test(a_broken_stream_is_begun_anew_with_what_is_then),
		cmocka_unit_test(lost_events_and_a_reload_make_it_look_again),
		cmocka_unit_test(one_that_is_removed_meanwhile_can_not_get_there),
		cmocka_unit_test(who_is_waited_for_is_decided_once),
		cmocka_unit_test(supervisords_end_is_four),
		cmocka_unit_test(an_unknown_service_is_four_and_an_unknown_state_is_two),
		cmocka_unit_test(reopen_asks_and_says_nothing),
	};

	signal(SIGPIPE, SIG_IGN); /* as main() does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
