/*
 * supctl against a scripted server: what it asks, how it takes breaks and errors, and what
 * comes of it on stdout, on stderr and as an exit status.
 */
#include "fake.h"

#include "ctl/client/client.h"

#define ERROR(name, parameters) "{\"error\":\"" name "\",\"parameters\":" parameters "}"
#define WEB_RUNNING \
	"{\"name\":\"web\",\"ok\":true,\"state\":\"running\",\"pid\":123,\"message\":\"\"}"
#define DB_FAILED                                                                               \
	"{\"name\":\"db\",\"ok\":false,\"state\":\"failed\",\"pid\":null,\"message\":\"exited " \
	"with "                                                                                 \
	"code 1\"}"
#define MORE(result) "{\"parameters\":{\"results\":[" result "]},\"continues\":true}"
#define END	     "{\"parameters\":{\"results\":[]}}"

static void a_service_that_started_is_told_with_its_pid(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f, SCRIPT(ACCEPT, READ, MORE(WEB_RUNNING), END), ARGS("start", "web"));
	assert_int_equal(0, f.status);
	assert_string_equal("web: running (pid 123)\n", f.out);
	assert_string_equal("", f.err);
	assert_non_null(strstr(f.requests[0], "\"method\":\"io.supctl.Control.Start\""));
	assert_non_null(strstr(f.requests[0], "\"more\":true"));
	assert_non_null(strstr(f.requests[0], "\"wait\":true"));
	fake_free(&f);
}

static void one_that_did_not_get_there_is_told_on_stderr_and_is_one(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f, SCRIPT(ACCEPT, READ, MORE(DB_FAILED), MORE(WEB_RUNNING), END),
		ARGS("start", "web", "db"));
	assert_int_equal(1, f.status);
	assert_string_equal("web: running (pid 123)\n", f.out);
	assert_string_equal("supctl: db: exited with code 1\n", f.err);
	fake_free(&f);
}

static void results_as_json_are_one_array(void **state)
{
	struct fake f;
	json_t *results;

	(void)state;
	run_with(&f, SCRIPT(ACCEPT, READ, MORE(DB_FAILED), MORE(WEB_RUNNING), END),
		ARGS("restart", "--json", "web", "db"));
	assert_int_equal(1, f.status);
	results = json_loads(f.out, 0, NULL);
	assert_int_equal(2, json_array_size(results));
	assert_string_equal(
		"db", json_string_value(json_object_get(json_array_get(results, 0), "name")));
	json_decref(results);
	fake_free(&f);
}

static void a_call_broken_in_the_middle_is_repeated_with_the_same_id(void **state)
{
	struct fake f;
	json_t *first, *second;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, MORE(WEB_RUNNING), CLOSE, ACCEPT, CLOSE, ACCEPT, READ,
			MORE(WEB_RUNNING), MORE(DB_FAILED), END),
		ARGS("start", "web", "db"));
	assert_int_equal(1, f.status);
	assert_string_equal("web: running (pid 123)\n", f.out);
	assert_int_equal(2, f.n_requests);
	assert_string_equal(f.requests[0], f.requests[1]);
	first = request_parameter(&f, 0, "id");
	second = request_parameter(&f, 1, "id");
	assert_int_equal(32, strlen(json_string_value(first)));
	assert_string_equal(json_string_value(first), json_string_value(second));
	json_decref(first);
	json_decref(second);
	fake_free(&f);
}

static void two_requests_have_two_ids(void **state)
{
	char a[CLIENT_ID_SIZE], b[CLIENT_ID_SIZE];

	(void)state;
	assert_int_equal(0, client_make_id(a));
	assert_int_equal(0, client_make_id(b));
	assert_int_equal(32, strspn(a, "0123456789abcdef"));
	assert_string_not_equal(a, b);
}

static void a_signal_is_repeated_with_the_same_id_and_told_once(void **state)
{
	struct fake f;
	json_t *first, *second;

	(void)state;
	run_with(&f, SCRIPT(ACCEPT, READ, CLOSE, ACCEPT, READ, MORE(WEB_RUNNING), END),
		ARGS("signal", "hup", "web"));
	assert_int_equal(0, f.status);
	assert_string_equal("web: HUP sent (pid 123)\n", f.out);
	assert_non_null(strstr(f.requests[0], "\"signal\":\"HUP\""));
	first = request_parameter(&f, 0, "id");
	second = request_parameter(&f, 1, "id");
	assert_string_equal(json_string_value(first), json_string_value(second));
	json_decref(first);
	json_decref(second);
	fake_free(&f);
}

static void a_call_that_must_not_be_repeated_is_not(void **state)
{
	static const char *const script[] = {ACCEPT, READ, CLOSE, NULL};
	struct client c;
	struct fake f;
	json_t *parameters = json_object(), *error = NULL;

	(void)state;
	fake_start(&f, script);
	assert_int_equal(0, client_init(&c, f.path));
	assert_int_equal(-EINPROGRESS, client_call(&c, "io.supctl.Control.Version", parameters,
					       CLIENT_ONCE, NULL, NULL, &error));
	fake_finish(&f);
	client_fini(&c);
	json_decref(parameters);
	fake_free(&f);
}

static void a_server_that_does_not_come_back_is_given_up(void **state)
{
	static const char *const script[] = {ACCEPT, READ, GONE, NULL};
	struct client c;
	struct fake f;
	json_t *parameters = json_object(), *error = NULL;

	(void)state;
	fake_start(&f, script);
	assert_int_equal(0, client_init(&c, f.path));
	c.bridge_usec = 50 * USEC_PER_MSEC;
	assert_int_equal(-ECONNRESET,
		client_call(&c, "io.supctl.Control.List", parameters, 0, NULL, NULL, &error));
	fake_finish(&f);
	client_fini(&c);
	json_decref(parameters);
	fake_free(&f);
}

static void a_silent_server_is_given_up_unless_it_is_waited_for(void **state)
{
	static const char *const script[] = {ACCEPT, READ, WAIT, NULL};
	struct client c;
	struct fake f;
	json_t *parameters = json_object(), *error = NULL;

	(void)state;
	fake_start(&f, script);
	assert_int_equal(0, client_init(&c, f.path));
	c.reply_usec = 50 * USEC_PER_MSEC;
	assert_int_equal(-ETIMEDOUT,
		client_call(&c, "io.supctl.Control.List", parameters, 0, NULL, NULL, &error));
	fake_finish(&f);
	client_fini(&c);
	json_decref(parameters);
	fake_free(&f);
}

static void count_tick(void *userdata)
{
	(*(unsigned *)userdata)++;
}

static void *answer_late(void *userdata)
{
	struct fake *f = userdata;
	struct timespec later = {.tv_nsec = 200 * 1000 * 1000};
	int fd = accept(f->listener, NULL, NULL);

	fake_read(f, fd);
	nanosleep(&later, NULL); /* four times the limit of calls that do not wait */
	send(fd, END, sizeof(END), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static void a_call_that_waits_outlasts_the_limit_and_ticks(void **state)
{
	static const char *const script[] = {NULL};
	struct client c;
	struct fake f;
	pthread_t thread;
	unsigned ticks = 0;
	json_t *parameters = json_object(), *error = NULL;

	(void)state;
	fake_start(&f, script);
	pthread_create(&thread, NULL, answer_late, &f);
	assert_int_equal(0, client_init(&c, f.path));
	c.reply_usec = 50 * USEC_PER_MSEC;
	c.on_tick = count_tick;
	c.tick_userdata = &ticks;
	assert_int_equal(0, client_call(&c, "io.supctl.Control.Start", parameters,
				    CLIENT_MORE | CLIENT_WAITS, NULL, NULL, &error));
	assert_true(ticks > 0);
	pthread_join(thread, NULL);
	fake_finish(&f);
	client_fini(&c);
	json_decref(parameters);
	fake_free(&f);
}

static void a_reply_may_come_in_pieces(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, PIECE, "{\"parameters\":{\"serv", PIECE, "ices\":[", "]}}"),
		ARGS("status"));
	assert_int_equal(0, f.status);
	fake_free(&f);
}

static void errors_have_their_exit_status(void **state)
{
	static const struct {
		const char *reply;
		int status;
		const char *text;
	} cases[] = {
		{ERROR("io.supctl.Control.NoSuchService", "{\"name\":\"web\"}"), 4,
			"supctl: web: no such service\n"},
		{ERROR("io.supctl.Control.PermissionDenied", "{\"message\":\"only operators\"}"), 5,
			"supctl: not permitted: only operators\n"},
		{ERROR("org.varlink.service.PermissionDenied", "{}"), 5, "supctl: not permitted\n"},
		{ERROR("io.supctl.Control.ShuttingDown", "{}"), 1, "shutting down"},
		{ERROR("io.supctl.Control.LimitExceeded", "{\"message\":\"64 clients\"}"), 1,
			"64 clients"},
		{ERROR("io.supctl.Control.Failed", "{\"message\":\"cannot\\u001b[2J\"}"), 1,
			"supctl: cannot?[2J\n"},
		{ERROR("org.varlink.service.MethodNotFound", "{\"method\":\"x\"}"), 1, "older"},
		{ERROR("org.varlink.service.InvalidParameter", "{\"parameter\":\"names\"}"), 2,
			"names"},
		{ERROR("com.example.Strange", "null"), 1, "com.example.Strange"},
		{"[]", 1, "does not speak varlink"},
		{"{\"parameters\":7}", 1, "does not speak varlink"},
		{"nonsense", 1, "does not speak varlink"},
		{"{\"parameters\":{},\"continues\":true}", 1, "does not speak varlink"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct fake f;

		run_with(&f, SCRIPT(ACCEPT, READ, cases[i].reply, WAIT), ARGS("status", "web"));
		assert_int_equal(cases[i].status, f.status);
		assert_string_equal("", f.out);
		if (!strstr(f.err, cases[i].text))
			fail_msg("'%s' is not in: %s", cases[i].text, f.err);
		fake_free(&f);
	}
}

static void without_a_server_it_is_four_and_at_once(void **state)
{
	struct fake f = {.path = "/tmp/test-ctl-there-is-nothing/control"};
	usec_t begin = usec_now(CLOCK_MONOTONIC);

	(void)state;
	run_supctl(&f, ARGS("status"));
	assert_int_equal(4, f.status);
	assert_non_null(strstr(f.err, "/tmp/test-ctl-there-is-nothing/control: No such file or "
				      "directory; is supervisord running?"));
	assert_true(usec_now(CLOCK_MONOTONIC) - begin < CLIENT_REFUSED_USEC);
	free(f.out);
	free(f.err);
}

static void a_refused_connection_is_tried_again_for_a_moment(void **state)
{
	static const char *const script[] = {NULL};
	struct client c;
	struct fake f;
	json_t *parameters = json_object(), *error = NULL;
	usec_t begin;

	(void)state;
	fake_start(&f, script);
	fake_finish(&f); /* the file stays, nobody listens */
	assert_int_equal(0, client_init(&c, f.path));
	c.refused_usec = 50 * USEC_PER_MSEC;
	begin = usec_now(CLOCK_MONOTONIC);
	assert_int_equal(-ECONNREFUSED,
		client_call(&c, "io.supctl.Control.List", parameters, 0, NULL, NULL, &error));
	assert_true(usec_now(CLOCK_MONOTONIC) - begin >= c.refused_usec);
	client_fini(&c);
	json_decref(parameters);
	fake_free(&f);
}

static void status_says_three_for_what_is_not_up(void **state)
{
	static const struct {
		const char *state;
		int named;
	} cases[] = {
		{"running", 0},
		{"exited", 0},
		{"stopped", 3},
		{"waiting", 3},
		{"starting", 3},
		{"stopping", 3},
		{"backoff", 3},
		{"failed", 3},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct fake f;
		char reply[256];

		snprintf(reply, sizeof(reply),
			"{\"parameters\":{\"services\":[{\"name\":\"web\",\"state\":\"%s\"}]}}",
			cases[i].state);
		run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS("status", "web"));
		assert_int_equal(cases[i].named, f.status);
		fake_free(&f);
		run_with(&f, SCRIPT(ACCEPT, READ, reply), ARGS("status"));
		assert_int_equal(0, f.status);
		fake_free(&f);
	}
}

static void status_as_json_has_exactly_the_promised_fields(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ,
			"{\"parameters\":{\"services\":[{\"name\":\"web\",\"state\":\"running\","
			"\"pid\":7,\"news\":1,\"ready\":true}]}}"),
		ARGS("--json", "status"));
	assert_int_equal(0, f.status);
	assert_string_equal(
		"[{\"name\":\"web\",\"state\":\"running\",\"desired\":null,\"ready\":true,\"pid\":"
		"7,"
		"\"since\":null,\"uptime_ms\":null,\"restarts\":null,\"exit_code\":null,"
		"\"exit_signal\":null,\"reason\":null,\"next_start_ms\":null,\"health\":null,"
		"\"status_text\":null,\"reloading\":null,\"phase\":null,\"waiting_for\":null,"
		"\"stale\":null}]\n",
		f.out);
	fake_free(&f);
}

static void show_as_json_has_the_service_on_top(void **state)
{
	struct fake f;
	json_t *shown;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ,
			"{\"parameters\":{\"service\":{\"name\":\"web\",\"state\":\"running\"},"
			"\"log\":{\"bytes\":10,\"lines\":1,\"dropped_bytes\":0,\"dropped_lines\":0}"
			","
			"\"type\":\"simple\"}}"),
		ARGS("show", "web", "--json"));
	assert_int_equal(0, f.status);
	shown = json_loads(f.out, 0, NULL);
	assert_string_equal("web", json_string_value(json_object_get(shown, "name")));
	assert_string_equal("simple", json_string_value(json_object_get(shown, "type")));
	assert_int_equal(
		10, json_integer_value(json_object_get(json_object_get(shown, "log"), "bytes")));
	assert_null(json_object_get(shown, "service"));
	json_decref(shown);
	fake_free(&f);
}

#define VERSION(pid) "{\"parameters\":{\"version\":\"1\",\"pid\":" pid "}}"

static void shutdown_waits_until_nobody_listens(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, VERSION("5"), READ, "{\"parameters\":{}}", CLOSE, ACCEPT, READ,
			VERSION("5"), GONE),
		ARGS("shutdown"));
	assert_int_equal(0, f.status);
	assert_string_equal("", f.err);
	assert_int_equal(3, f.n_requests);
	assert_int_equal(-1, access(f.path, F_OK));
	fake_free(&f);
}

static void shutdown_is_over_when_another_supervisord_answers(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ, VERSION("5"), READ, "{\"parameters\":{}}", CLOSE, ACCEPT, READ,
			VERSION("6"), WAIT),
		ARGS("shutdown"));
	assert_int_equal(0, f.status);
	fake_free(&f);
}

static void a_queue_that_is_not_there_is_told_with_the_reason(void **state)
{
	struct fake f;

	(void)state;
	run_with(&f,
		SCRIPT(ACCEPT, READ,
			"{\"parameters\":{\"key\":1,\"id\":null,\"message\":\"somebody else's\"}}"),
		ARGS("queue"));
	assert_int_equal(1, f.status);
	assert_string_equal("supctl: there is no message queue: somebody else's\n", f.err);
	fake_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_that_started_is_told_with_its_pid),
		cmocka_unit_test(one_that_did_not_get_there_is_told_on_stderr_and_is_one),
		cmocka_unit_test(results_as_json_are_one_array),
		cmocka_unit_test(a_call_broken_in_the_middle_is_repeated_with_the_same_id),
		cmocka_unit_test(two_requests_have_two_ids),
		cmocka_unit_test(a_signal_is_repeated_with_the_same_id_and_told_once),
		cmocka_unit_test(a_call_that_must_not_be_repeated_is_not),
		cmocka_unit_test(a_server_that_does_not_come_back_is_given_up),
		cmocka_unit_test(a_silent_server_is_given_up_unless_it_is_waited_for),
		cmocka_unit_test(a_call_that_waits_outlasts_the_limit_and_ticks),
		cmocka_unit_test(a_reply_may_come_in_pieces),
		cmocka_unit_test(errors_have_their_exit_status),
		cmocka_unit_test(without_a_server_it_is_four_and_at_once),
		cmocka_unit_test(a_refused_connection_is_tried_again_for_a_moment),
		cmocka_unit_test(status_says_three_for_what_is_not_up),
		cmocka_unit_test(status_as_json_has_exactly_the_promised_fields),
		cmocka_unit_test(show_as_json_has_the_service_on_top),
		cmocka_unit_test(shutdown_waits_until_nobody_listens),
		cmocka_unit_test(shutdown_is_over_when_another_supervisord_answers),
		cmocka_unit_test(a_queue_that_is_not_there_is_told_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
