/*
 * Who wanted it, by the journal; and facts that are wrong, long or hostile.
 */
#include "ctl/output/text.h"
#include "facts.h"
#include "tests/unit/zone.h"

static const struct term to_pipe = {.is_utf8 = true};

#define FAILED_AT(stage, error, text)                                                             \
	"'kind': 'not_started', 'status': " error ", 'stage': '" stage "', 'problem': 'cannot', " \
	"'error': '" text "'"

/* --- who asked --- */

#define CHANGE_FROM(previous, state, why, more)                                 \
	"{'type': 'state', 'seq': 20, 'service': 'web', 'previous': '" previous \
	"', 'state': '" state "', 'why': '" why "', 'time': '2026-11-25T06:30:12Z'" more "}"
#define CHANGE(why, more) "'chain': [" CHANGE_FROM("stopped", "starting", why, more) "]"
#define REQUEST(verb, names)                                                                       \
	"{'type': 'request', 'seq': 10, 'service': null, 'verb': '" verb "', 'names': [" names "]" \
	"}"
#define BY_REQUEST(verb) \
	", 'cause': {'seq': 10, 'type': 'request', 'verb': '" verb "', 'uid': 1000}"
/* Its stop, by a request, and its next start, as the journal has them. */
#define RETURN(why, blocker, asked_seq)                                                       \
	"{'why': 'operator', 'chain': [{'type': 'state', 'seq': 15, 'service': 'web', "       \
	"'previous': 'running', 'state': 'stopping', 'why': '" why "', 'blocker': '" blocker  \
	"', 'time': '2026-11-25T06:29:00Z'" BY_REQUEST("apply") "}, " CHANGE_FROM("stopping", \
		"starting", "operator",                                                       \
		", 'asked': {'seq': " asked_seq ", 'verb': 'start', 'uid': 0}") "]}"

static void of_who_wanted_it(void **state)
{
	static const struct example examples[] = {
		{"running",
			"{'why': 'operator', " CHANGE("operator", ", 'asked': " ASKED("start")) "}",
			NULL,
			"It was started by alice (uid 1000) with supctl start at 06:30:12.\n"},
		{"running",
			"{'why': 'operator', " CHANGE(
				"operator", ", 'asked': {'verb': 'start', 'uid': 0}") "}",
			NULL, "It was started by uid 0 with supctl start at 06:30:12.\n"},
		{"running", "{'why': 'operator', " CHANGE("operator", "") "}", NULL,
			"It was started by request at 06:30:12.\n"},
		{"running", "{'why': 'operator', 'request': {'verb': 'signal', 'uid': 1000}}", NULL,
			""},
		/* all that is left is who asked last, and that event */
		{"running",
			"{'why': 'operator', 'request': {'seq': 10, 'verb': 'start', 'uid': 1000}, "
			"'chain': [{'type': 'request', 'seq': 10, 'time': "
			"'2026-11-25T06:30:12Z'}]}",
			NULL,
			"It was started by alice (uid 1000) with supctl start at 06:30:12.\n"},
		{"running", "{'why': 'autostart', " CHANGE("autostart", "") "}", NULL,
			"supervisord started it by itself at 06:30:12, as autostart = true "
			"wants.\n"},
		{"running", "{'why': 'autostart', " CHANGE("autostart", BY_REQUEST("apply")) "}",
			NULL,
			"supervisord started it by itself at 06:30:12, as autostart = true wants: "
			"alice (uid 1000) asked for that with supctl apply.\n"},
		{"running",
			"{'why': 'needed', " CHANGE(
				"needed", ", 'blocker': 'app'" BY_REQUEST("start")) "}",
			NULL,
			"It was started at 06:30:12 because app needs it: alice (uid 1000) asked "
			"for that with supctl start.\n"},
		{"running", "{'why': 'schedule', " CHANGE("schedule", "") "}", NULL,
			"Its schedule started this run at 06:30:12.\n"},
		/* what has waited since says nothing of who wanted it */
		{"running", "{'why': 'operator', " CHANGE("dependency", "") "}", NULL,
			"supervisord started it by itself at 06:30:12, as autostart = true "
			"wants.\n"},
		{"running",
			"{'why': 'operator', 'chain': [" REQUEST(
				"start", "'web', 'x'") ", " CHANGE_FROM("stopped", "waiting",
				"pool", BY_REQUEST("start")) "]}",
			NULL,
			"It was started by alice (uid 1000) with supctl start at 06:30:12.\n"},
		{"running",
			"{'why': 'operator', 'chain': [" REQUEST("start", "'app'") ", " CHANGE_FROM(
				"stopped", "waiting", "dependency", BY_REQUEST("start")) "]}",
			NULL,
			"It was started at 06:30:12 because app needs it: alice (uid 1000) asked "
			"for that with supctl start.\n"},
		/* what was stopped only to be started again */
		{"running", RETURN("changed", "", "1"), NULL,
			"It was started again at 06:30:12 because its configuration had changed: "
			"alice (uid 1000) asked for that with supctl apply.\n"},
		{"running", RETURN("restart", "", "1"), NULL,
			"It was restarted by alice (uid 1000) with supctl apply at 06:29:00.\n"},
		{"running", RETURN("dependency", "db", "1"), NULL,
			"It was started again at 06:30:12, after db, which it requires, was "
			"away.\n"},
		{"running",
			"{'why': 'operator', 'chain': [" CHANGE_FROM("stopped", "waiting", "pool",
				"") ", {'type': 'exit', 'seq': 21, 'service': 'db', 'reason': "
				    "'killed by signal KILL'}, {'type': 'state', 'seq': 22, "
				    "'service': 'web', 'previous': 'running', 'state': 'stopping', "
				    "'why': 'dependency', 'blocker': 'db', 'time': "
				    "'2026-11-25T06:31:00Z', 'cause': {'seq': 21}}]}",
			NULL,
			"supervisord started it by itself at 06:30:12, as autostart = true wants.\n"
			"It was stopped at 06:31:00, as db, which it requires, was not there any "
			"more (killed by signal KILL).\n"},
		{"running", RETURN("schedule", "", "1"), NULL,
			"It was started again at 06:30:12 because its next run was due.\n"},
		{"running", RETURN("changed", "", "16"), NULL,
			"It was started by uid 0 with supctl start at 06:30:12.\n"},
		{"stopped",
			"{'why': 'operator', 'chain': [" CHANGE_FROM(
				"running", "stopping", "operator", BY_REQUEST("stop")) "]}",
			NULL,
			"It was stopped by alice (uid 1000) with supctl stop at "
			"06:30:12.\n" BY_HAND},
		{"stopped", "{'why': 'operator', 'request': {'verb': 'reset', 'uid': 1000}}", NULL,
			"It was forgiven its failures, and set to stopped, by alice (uid 1000) "
			"with supctl reset.\n" BY_HAND},
		{"stopped",
			"{'why': 'shutdown', 'shutting_down': true, 'chain': [{'type': "
			"'shutdown', 'cause': {'type': 'signal', 'signal': 'TERM', 'uid': 1000}}]}",
			NULL,
			"supervisord is shutting down: alice (uid 1000) sent it TERM.\n"
			"Nothing starts any more: supervisord is shutting down.\n"},
		/* a cause at one remove */
		{"stopped",
			"{'why': 'removed', 'chain': [{'type': 'reloaded', 'seq': "
			"12" BY_REQUEST("apply") "}, " CHANGE_FROM("running", "stopped", "removed",
				", 'cause': {'seq': 12, 'type': 'reloaded'}") "]}",
			NULL,
			"It is not in the configuration any more: alice (uid 1000) asked for that "
			"with supctl apply.\n" BY_HAND},
		/* of another service, and of another kind: neither is taken for it */
		{"running",
			"{'why': 'operator', 'chain': [{'type': 'state', 'service': 'db', "
			"'previous': 'stopped', 'state': 'starting', 'why': 'autostart'}, {'type': "
			"'exit', 'service': 'web', 'previous': 'stopped', 'state': 'starting', "
			"'why': 'autostart'}]}",
			NULL, ""},
		/* events that are each other's causes */
		{"running",
			"{'why': 'operator', 'chain': [" CHANGE_FROM(
				"stopped", "starting", "operator", ", 'cause': {'seq': 20}") "]}",
			NULL, "It was started by request at 06:30:12.\n"},
	};

	(void)state;
	CHECK(examples);
}

/* --- what may come from anybody --- */

static void check_bounds(json_t *facts)
{
	json_t *sentences = why_sentences(facts, user_name), *sentence;
	_cleanup_buf_ struct buf out = {0};
	size_t i;

	assert_non_null(sentences);
	assert_true(json_array_size(sentences) <= 128);
	json_array_foreach(sentences, i, sentence)
	{
		assert_true(json_string_length(sentence) <= 2048 + 3 * 8);
	}
	assert_int_equal(0, why_render(facts, sentences, NULL, &to_pipe, &out));
	for (size_t k = 0; k < out.len; k++)
		assert_true((unsigned char)out.data[k] >= 0x20 || out.data[k] == '\n');
	json_decref(sentences);
}

/* Each member of an object, and of those within, is replaced by whatever JSON there is. */
static void replace_each(json_t *facts, json_t *object, unsigned depth)
{
	static const char *const replacements[] = {"null", "true", "-9223372036854775808",
		"9223372036854775807", "1.5e300", "[]", "{}", "[7, null, [], {}]",
		"{'kind': 7, 'name': [], 'time': '9999-99-99T99:99:99Z'}",
		"'\\u001b[2J\\u009b\\n%s%n\\u202e'"};
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, key, value)
	{
		json_t *kept = json_incref(value);

		for (size_t i = 0; i < ELEMENTSOF(replacements); i++) {
			json_t *other;
			char text[256];

			snprintf(text, sizeof(text), "[%s]", replacements[i]);
			other = parse(text);
			json_object_set(object, key, json_array_get(other, 0));
			check_bounds(facts);
			json_decref(other);
		}
		json_object_set_new(object, key, kept);
		if (json_is_object(kept) && depth < 3)
			replace_each(facts, kept, depth + 1);
	}
}

static void wrong_facts_are_survived(void **state)
{
	static const char *const states[] = {"stopped", "waiting", "starting", "running",
		"stopping", "backoff", "exited", "failed", "unheard-of"};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(states); i++) {
		json_t *facts = make_facts(states[i],
			"{'why': 'dependency', 'end': {'kind': 'exited', 'status': 1}, "
			"'ends': [{'kind': 'exited'}, {'kind': 'x'}], 'health': {'limit': 1, "
			"'probe': {'ok': false, 'message': 'm'}}, 'pool': {'name': 'p', 'limit': "
			"1, 'used': 1, 'holders': ['a']}, 'causes': [{'name': 'a', 'state': "
			"'backoff'}], 'survivors': [{'pid': 1, 'command': 'c'}], " DEADLINE
			", " CHANGE("operator", ", 'asked': " ASKED("Start")) "}");

		check_bounds(facts);
		replace_each(facts, facts, 0);
		json_decref(facts);
	}
	check_bounds(NULL);
}

static void long_facts_are_cut(void **state)
{
	json_t *facts = make_facts("waiting", "{'why': 'pool', 'pool': {'name': 'p', 'limit': 1, "
					      "'used': 100000}}");
	json_t *holders = json_array(), *causes = json_array();
	char name[8192];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 1000; i++) {
		json_array_append_new(holders, json_string(name));
		json_array_append_new(
			causes, json_pack("{s:s,s:s}", "name", name, "state", "waiting"));
	}
	json_object_set_new(json_object_get(facts, "pool"), "holders", holders);
	json_object_set_new(facts, "causes", causes);
	json_object_set_new(json_object_get(facts, "service"), "name", json_string(name));
	check_bounds(facts);
	json_object_set_new(facts, "why", json_string("dependency"));
	check_bounds(facts);
	json_decref(facts);
}

static void no_byte_of_a_service_commands_the_terminal(void **state)
{
	static const struct term terminal = {.is_terminal = true, .width = 80, .colours = true};
	json_t *facts =
		make_facts("failed", "{'program': '\\u001b[2J\\u0007\\u009b', 'end': {" FAILED_AT(
					     "exec", "2", "x") "}}");
	json_t *sentences = why_sentences(facts, user_name);
	json_t *logs = parse("[{'title': 'Last \\u001b]0;', 'note': '\\u0008', 'lines': "
			     "['\\u001b[31mred\\u001b[0m\\u001b[2J', 'caf\\u00e9']}]");
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_int_equal(0, why_render(facts, sentences, logs, &terminal, &out));
	assert_int_equal(0, buf_append(&out, SIZE_MAX, "", 1));
	assert_non_null(strstr(out.data, "?[2J"));
	assert_non_null(strstr(out.data, "    | \033[2mred?[2J\033[0m\n"));
	for (size_t i = 0; i + 1 < out.len; i++) {
		unsigned char c = (unsigned char)out.data[i];

		/* the only escapes are our own colours */
		assert_true(
			(c >= 0x20 && c < 0x7f) || c == '\n' ||
			(c == '\033' && strspn(out.data + i + 1, "[0123456789") >= 2 &&
				out.data[i + 1 + strspn(out.data + i + 1, "[0123456789")] == 'm'));
	}
	json_decref(logs);
	json_decref(sentences);
	json_decref(facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_who_wanted_it),
		cmocka_unit_test(wrong_facts_are_survived),
		cmocka_unit_test(long_facts_are_cut),
		cmocka_unit_test(no_byte_of_a_service_commands_the_terminal),
	};

	zone_set("UTC0");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
