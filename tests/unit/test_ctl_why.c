/*
 * What supctl why says, from facts as supervisord tells them: for each state and each way to get
 * there a table of facts and sentences. JSON stands here with ' for ".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/usec.h"
#include "ctl/moment.h"
#include "ctl/why.h"
#include "ctl/why_log.h"

static const struct term to_pipe = {.is_utf8 = true};

#define MAX_FACTS 16384

/* What holds of all services here, unless a case says something else. */
static const char common[] =
	"{'now': '2026-11-25T06:36:53.000000Z', 'for_ms': 12000, 'started': "
	"'2026-11-25T06:36:00.000000Z', 'generation': 3, 'why': 'none', 'other': null, 'stuck': "
	"false, 'cause': 'none', 'previous_cause': 'none', 'sent': null, 'asked': null, "
	"'killed': false, 'main_ended': false, 'queued': false, 'end': null, 'ends': [], "
	"'hooks': [], 'logs': [], 'type': 'simple', 'program': '/bin/web', 'directory': '/srv', "
	"'user': null, 'autostart': true, 'hook_timeout_ms': 30000, 'watchdog_ms': null, "
	"'pending': null, 'deadline': null, 'run': null, 'schedule': null, 'health': null, "
	"'pool': null, 'starting': null, 'causes': [], 'dependents': null, 'survivors': null, "
	"'shutting_down': false, 'essential_end': null, 'chain': [], 'request': null,"
	"'readiness': {'on': 'exec', 'problem': null, 'timeout_ms': 30000},"
	"'stop': {'signal': 'TERM', 'timeout_ms': 10000, 'kill': 'tree', 'command': false},"
	"'restart': {'policy': 'on-failure', 'success_codes': [0], 'success': false, 'wanted': "
	"true, 'limit': 5, 'window_ms': 60000, 'used': 2, 'failures': 2, 'delay_ms': 4000, "
	"'max_delay_ms': 30000, 'stable_after_ms': 10000, 'stable_in_ms': null}}";

static json_t *parse(const char *text)
{
	char copy[MAX_FACTS];
	json_error_t error;
	json_t *value;

	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	value = json_loads(copy, 0, &error);
	if (!value)
		fail_msg("%s in %s", error.text, text);
	return value;
}

/* What is given goes over what is common, also within objects. */
static json_t *make_facts(const char *state, const char *given)
{
	json_t *facts = parse(common), *over = parse(given);
	json_t *service = json_pack("{s:s,s:s,s:s,s:i,s:s}", "name", "web", "state", state, "since",
		"2026-11-25T06:36:41.000000Z", "restarts", 0, "desired", "up");

	json_object_set_new(facts, "service", service);
	assert_int_equal(0, json_object_update_recursive(facts, over));
	json_decref(over);
	return facts;
}

static const char *user_name(int64_t uid, char buffer[static WHY_USER_SIZE])
{
	if (uid != 1000)
		return NULL;
	strcpy(buffer, "alice");
	return buffer;
}

/* All sentences, each on a line. */
static char *told(json_t *facts)
{
	json_t *sentences = why_sentences(facts, user_name), *sentence;
	char *text;
	size_t n = 0, i;

	assert_non_null(sentences);
	text = calloc(json_array_size(sentences) + 1, 4096);
	json_array_foreach(sentences, i, sentence) n +=
		(size_t)sprintf(text + n, "%s\n", json_string_value(sentence));
	json_decref(sentences);
	return text;
}

struct example {
	const char *state, *facts;
	const char *head; /* what follows "web " in the first sentence; NULL: not looked at */
	const char *rest; /* all others, each on a line */
};

static void check(const struct example *examples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct example *x = &examples[i];
		json_t *facts = make_facts(x->state, x->facts);
		char *text = told(facts), *rest = strchr(text, '\n');

		assert_non_null(rest);
		*rest++ = '\0';
		if (x->head) {
			assert_memory_equal(text, "web ", 4);
			assert_string_equal(x->head, text + 4);
		}
		assert_string_equal(x->rest, rest);
		free(text);
		json_decref(facts);
	}
}

#define CHECK(examples) check(examples, ELEMENTSOF(examples))

/* --- up --- */

static void of_a_service_that_runs(void **state)
{
	static const struct example examples[] = {
		{"running", "{'why': 'autostart', 'service': {'pid': 7}}",
			"has been running for 12s, since 06:36:41 (pid 7).",
			"supervisord started it by itself, as autostart = true wants.\n"},
		{"running", "{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}}", NULL,
			"It was started by alice (uid 1000) with supctl start.\n"},
		{"running", "{'why': 'needed', 'other': 'app'}", NULL,
			"It was started because app needs it.\n"},
		{"running",
			"{'why': 'schedule', 'schedule': {'every_ms': 3600000, 'cron': null, "
			"'overlap': 'skip'}, 'run': {'time': '2026-11-25T07:00:00Z', 'in_ms': "
			"1387000}}",
			NULL,
			"Its schedule started this run.\n"
			"Its schedule is every 1h: the next run is due in 23min 7s (07:00:00).\n"
			"If it still runs then, overlap = \"skip\" leaves that run out.\n"},
		{"running",
			"{'why': 'schedule', 'queued': true, 'schedule': {'every_ms': null, "
			"'cron': '30 3 * * *', 'overlap': 'queue'}}",
			NULL,
			"Its schedule started this run.\n"
			"Its schedule is \"30 3 * * *\": no run is planned.\n"
			"A run was due meanwhile (overlap = \"queue\"), and follows this one at "
			"once.\n"},
		{"running",
			"{'why': 'ended', 'service': {'restarts': 2}, 'ends': [{'kind': 'exited', "
			"'status': 3, 'time': '2026-11-25T06:36:30Z', 'ran_ms': 2100}], "
			"'restart': {'stable_in_ms': 7000}}",
			NULL,
			"The run before ran for 2.1s and exited with status 3 at 06:36:30.\n"
			"restart = \"on-failure\" started it again: that was automatic start 2 "
			"since an operator's start or reset.\n"
			"It is not stable yet: if it runs for another 7s, the failures before are "
			"forgotten (stable-after); until then 2 of 5 automatic starts are used "
			"up.\n"},
		{"running",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'restarts': 1}, 'restart': "
			"{'stable_in_ms': 0}}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"It was started again automatically 1 time since an operator's start or "
			"reset.\n"
			"It has run long enough (stable-after) for the failures before to be "
			"forgotten when it ends.\n"},
		{"running",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'stale': true, 'status_text': '3 of 7', "
			"'reloading': true}, 'pending': 'changed'}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"It says of itself: 3 of 7.\n"
			"It says that it is reloading its configuration.\n"
			"It runs by an older configuration than the one in force; to start it by "
			"that: supctl restart web.\n"},
		{"running",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, "
			"'shutting_down': true}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"supervisord is shutting down, and stops it in its turn.\n"},
		{"running",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, "
			"'watchdog_ms': 5000, 'deadline': {'time': "
			"'2026-11-25T06:36:55Z', 'in_ms': 2000}}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"Its next sign of life (watchdog) has to come in 2s (06:36:55).\n"},
		{"running",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'hooks': "
			"[{'hook': 'post-start', 'ok': false, 'how': "
			"'exited with code 1: no', 'pid': null}]}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"Its post-start hook exited with code 1: no.\n"},
	};

	(void)state;
	CHECK(examples);
}

static void of_its_health(void **state)
{
#define HEALTH(rest)                                                                         \
	"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'health': {'kind': " \
	"'tcp', 'failures': 0, 'limit': 3, 'action': "                                       \
	"'none', 'grace_ms': 10000, 'probe': null}" rest "}"
	static const struct example examples[] = {
		{"running", HEALTH(", 'service': {'health': 'unknown'}"), NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"Its health has not been checked yet.\n"},
		{"running", HEALTH(", 'service': {'health': 'healthy'}"), NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"It is healthy: the last check of its health was good.\n"},
		{"running",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'health': 'unhealthy'}, 'health': "
			"{'failures': 4, 'limit': 3, 'action': 'none', 'probe': {'ok': false, "
			"'message': 'connection refused'}}}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"It is unhealthy: 4 checks in a row have failed, the last one: connection "
			"refused.\n"
			"health.action = \"none\" leaves it running.\n"},
		{"running",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'health': 'healthy'}, 'health': "
			"{'failures': 1, 'limit': 3, 'action': 'restart', 'probe': {'ok': false, "
			"'message': 'no answer'}}}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"1 check of its health has failed in a row: no answer; health.failures = 3 "
			"of them, and health.action = \"restart\" follows.\n"},
		{"running",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'health': 'unknown'}, 'health': "
			"{'failures': 0, 'limit': 3, 'action': 'restart', 'grace_ms': 10000, "
			"'probe': {'ok': false, 'forgiven': true, 'message': 'no answer'}}}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"The last check of its health failed: no answer, which does not count "
			"within health.grace (10s) of its being ready.\n"},
	};

	(void)state;
	CHECK(examples);
}

#define DEADLINE "'deadline': {'time': '2026-11-25T06:37:05Z', 'in_ms': 12000}"
#define STARTING(phase, on)                                                                    \
	"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': {'phase': " \
	"'" phase "'}, 'readiness': {'on': '" on "'}, " DEADLINE "}"
#define READY_OR(sentence)                                        \
	"It was started by alice (uid 1000) with supctl start.\n" \
	"It is not ready yet: " sentence ".\n"                    \
	"If it is not ready in 12s (06:37:05), it is ended, and counts as failed.\n"

static void of_a_service_that_starts(void **state)
{
	static const struct example examples[] = {
		{"starting", STARTING("exec", "exec"),
			"has been starting for 12s, since 06:36:41: it is not ready yet.",
			"It was started by alice (uid 1000) with supctl start.\n"
			"Its program is being executed; the launcher has not said yet how that "
			"went.\n"},
		{"starting", STARTING("ready", "notify"), NULL,
			READY_OR("it has to say READY=1 (sd_notify)")},
		{"starting", STARTING("ready", "fd:3"), NULL,
			READY_OR("it has to write a newline to its descriptor 3")},
		{"starting", STARTING("ready", "tcp:127.0.0.1:80"), NULL,
			READY_OR("127.0.0.1:80 has to accept a connection")},
		{"starting", STARTING("ready", "unix:/run/web"), NULL,
			READY_OR("the socket /run/web has to accept a connection")},
		{"starting", STARTING("ready", "command"), NULL,
			READY_OR("its ready.command has to succeed")},
		{"starting", STARTING("ready", "log:^up$"), NULL,
			READY_OR("it has to write a line that matches ^up$")},
		{"starting",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'phase': 'ready'}, 'readiness': {'on': "
			"'tcp:[::1]:80', 'problem': 'connection refused'}}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"It is not ready yet: [::1]:80 has to accept a connection; so far: "
			"connection refused.\n"},
		{"starting",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'phase': 'forked'}, 'type': 'forking'}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"Its first process has to end, and its pid-file to name the main process "
			"(type = \"forking\").\n"},
		{"starting",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'phase': 'ready'}, 'type': "
			"'oneshot', " DEADLINE "}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"It does its work now: a oneshot counts as done when it has ended well.\n"
			"If it has not ended in 12s (06:37:05), it is ended, and counts as "
			"failed.\n"},
		{"starting",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'service': "
			"{'phase': 'pre-start'}, 'hooks': [{'hook': "
			"'pre-start', 'ok': null, 'how': 'runs', 'pid': 99}], " DEADLINE "}",
			NULL,
			"It was started by alice (uid 1000) with supctl start.\n"
			"Its program is executed once its pre-start hook has succeeded.\n"
			"Its pre-start hook runs (pid 99).\n"
			"If that has not ended in 12s (06:37:05), it is ended, and counts as "
			"failed.\n"},
		{"starting",
			"{'why': 'ended', 'service': {'phase': 'exec', 'restarts': 1}, "
			"'previous_cause': 'start-timeout'}",
			NULL,
			"The run before did not become ready in time.\n"
			"restart = \"on-failure\" started it again: that was automatic start 1 "
			"since an operator's start or reset.\n"
			"Its program is being executed; the launcher has not said yet how that "
			"went.\n"},
	};

	(void)state;
	CHECK(examples);
}

/* --- waiting --- */

static void of_a_service_that_waits(void **state)
{
	static const struct example examples[] = {
		{"waiting",
			"{'why': 'dependency', 'other': 'db', 'causes': [{'name': 'db', 'state': "
			"'backoff', 'cause': 'none', 'end': {'kind': 'exited', 'status': 1}, "
			"'reason': 'exited with code 1', " DEADLINE "}]}",
			"has been waiting for 12s, since 06:36:41.",
			"It waits for db, which is in backoff: its process exited with status 1; "
			"it starts again in 12s (06:37:05).\n"
			"It starts by itself as soon as that is over.\n"},
		{"waiting",
			"{'why': 'dependency', 'causes': [{'name': 'db', 'state': 'waiting', "
			"'why': 'dependency'}, {'name': 'disk', 'state': 'starting'}]}",
			NULL,
			"It waits for db, which is waiting.\n"
			"db waits for disk, which is starting and not ready yet.\n"
			"It starts by itself as soon as that is over.\n"},
		{"waiting",
			"{'why': 'dependency', 'stuck': true, 'causes': [{'name': 'db', 'state': "
			"'waiting', 'why': 'dependency', 'stuck': true}, {'name': 'disk', "
			"'state': 'failed', 'cause': 'start-timeout', 'reason': 'was not ready "
			"within 30s', 'end': {'kind': 'signalled', 'status': 15, 'signal': "
			"'TERM'}}]}",
			NULL,
			"It requires db, which is waiting.\n"
			"db requires disk, which has failed: was not ready within 30s.\n"
			"Nothing is going to start disk by itself; to start both: supctl start "
			"web.\n"
			"As soon as that is over, it starts by itself.\n"},
		{"waiting",
			"{'why': 'conflict', 'stuck': true, 'causes': [{'name': 'old', 'state': "
			"'running'}]}",
			NULL,
			"It conflicts with old, which is running.\n"
			"Nothing is going to stop old; to stop it: supctl stop old.\n"
			"As soon as that is over, it starts by itself.\n"},
		{"waiting", "{'why': 'conflict', 'causes': [{'name': 'old', 'state': 'stopping'}]}",
			NULL,
			"It conflicts with old, which is stopping.\n"
			"It starts by itself as soon as that is over.\n"},
		{"waiting",
			"{'why': 'predecessor', 'causes': [{'name': 'old', 'state': 'stopping'}]}",
			NULL,
			"It takes the place of old, which has to end first and is stopping.\n"
			"It starts by itself as soon as that is over.\n"},
		{"waiting",
			"{'why': 'pool', 'pool': {'name': 'db', 'limit': 2, 'used': 2, 'holders': "
			"['a', 'b'], 'waiting': 3, 'place': 2}}",
			NULL,
			"It waits for a slot of the pool \"db\", which has 2, taken by others: a "
			"and b.\n"
			"It is number 2 of 3 in that line: first come, first served.\n"
			"It starts by itself when one of them has ended.\n"},
		{"waiting",
			"{'why': 'max-starting', 'starting': {'name': null, 'limit': 1, 'used': "
			"20, 'holders': ['a', 'b', 'c'], 'waiting': 1, 'place': 1}}",
			NULL,
			"As many services are starting as max-starting = 1 allows: a, b, c and 17 "
			"more.\n"
			"It is number 1 of 1 in that line: first come, first served.\n"
			"It starts by itself when one of them is ready or has ended.\n"},
		{"waiting",
			"{'why': 'schedule', 'schedule': {'every_ms': null, 'cron': '@daily', "
			"'overlap': 'skip'}, 'run': {'time': '2026-11-26T00:00:00Z', 'in_ms': "
			"62587000}, 'end': {'kind': 'exited', 'status': 0, 'ran_ms': 50}, "
			"'restart': {'success': true}}",
			NULL,
			"Its schedule is \"@daily\": the next run is due in 17h 23min (2026-11-26 "
			"00:00:00).\n"
			"Its process ran for 50ms and exited with status 0, which counts as "
			"success.\n"},
	};

	(void)state;
	CHECK(examples);
}

/* --- ends --- */

#define END(facts, end) \
	"{'end': {" end "}, 'restart': {'wanted': false, 'policy': 'never'}" facts "}"
#define NEVER                                            \
	"restart = \"never\" does not start it again.\n" \
	"Nothing starts it by itself; to start it: supctl start web.\n"

static void of_how_a_process_ended(void **state)
{
	static const struct example examples[] = {
		{"failed", END("", "'kind': 'exited', 'status': 3, 'ran_ms': 2100"),
			"failed 12s ago (06:36:41).",
			"Its process ran for 2.1s and exited with status 3; only 0 counts as "
			"success.\n" NEVER},
		{"exited",
			"{'end': {'kind': 'exited', 'status': 0}, 'restart': {'success': true, "
			"'wanted': false}}",
			"has exited 12s ago (06:36:41): it ended as it should.",
			"Its process exited with status 0, which counts as success.\n"
			"restart = \"on-failure\" starts it again only after a failure.\n"
			"Nothing starts it by itself; to start it: supctl start web.\n"},
		{"failed",
			END(", 'sent': 'TERM'", "'kind': 'signalled', 'status': 15, 'signal': "
						"'TERM'"),
			NULL,
			"Its process was killed by signal 15 (TERM), which supervisord "
			"sent.\n" NEVER},
		{"failed",
			END(", 'asked': 'HUP'", "'kind': 'signalled', 'status': 1, 'signal': "
						"'HUP'"),
			NULL,
			"Its process was killed by signal 1 (HUP), which an operator sent through "
			"supervisord.\n" NEVER},
		{"failed", END("", "'kind': 'signalled', 'status': 9, 'signal': 'KILL'"), NULL,
			"Its process was killed by signal 9 (KILL), which supervisord did not "
			"send: perhaps the kernel did, out of memory (see dmesg).\n" NEVER},
		{"failed",
			END(", 'chain': [{'type': 'exit', 'by': 'oom-killer'}]",
				"'kind': 'signalled', 'status': 9, 'signal': 'KILL'"),
			NULL,
			"Its process was killed by signal 9 (KILL), which the kernel sent: the "
			"machine, or its cgroup, was out of memory.\n" NEVER},
		{"failed",
			END(", 'killed': true, 'sent': 'KILL'",
				"'kind': 'signalled', 'status': 9, 'signal': 'KILL'"),
			NULL,
			"Its process was killed by signal 9 (KILL), which supervisord "
			"sent.\n" NEVER},
		{"failed", END("", "'kind': 'dumped', 'status': 11, 'signal': 'SEGV'"), NULL,
			"Its process was killed by signal 11 (SEGV): it used "
			"memory that is not its own; it left a core dump.\n" NEVER},
		{"failed", END("", "'kind': 'signalled', 'status': 10, 'signal': 'USR1'"), NULL,
			"Its process was killed by signal 10 (USR1), which supervisord did not "
			"send.\n" NEVER},
		{"failed", END("", "'kind': 'unknown'"), NULL,
			"Its process has ended, and nobody knows how: it was no child of "
			"supervisord any more, which had been killed itself.\n" NEVER},
		{"failed",
			"{'end': {'kind': 'exited', 'status': 3}, 'restart': {'wanted': false, "
			"'policy': 'on-abnormal', 'success_codes': [0, 2, 7]}}",
			NULL,
			"Its process exited with status 3; only 0, 2 and 7 count as success.\n"
			"restart = \"on-abnormal\" starts it again only after a signal, a crash or "
			"a timeout.\n"
			"Nothing starts it by itself; to start it: supctl start web.\n"},
	};

	(void)state;
	CHECK(examples);
}

#define FAILED_AT(stage, error, text)                                                             \
	"'kind': 'not_started', 'status': " error ", 'stage': '" stage "', 'problem': 'cannot', " \
	"'error': '" text "'"

static void of_what_could_not_be_started(void **state)
{
	static const struct example examples[] = {
		{"failed", END("", FAILED_AT("exec", "2", "No such file or directory")), NULL,
			"It could not be started: /bin/web does not exist, or is a script whose "
			"interpreter (its first line) does not (No such file or "
			"directory).\n" NEVER},
		{"failed", END(", 'program': 'web'", FAILED_AT("exec", "2", "No such file")), NULL,
			"It could not be started: there is no program web in any directory of PATH "
			"(No such file).\n" NEVER},
		{"failed", END(", 'user': 'www'", FAILED_AT("exec", "13", "Permission denied")),
			NULL,
			"It could not be started: /bin/web may not be executed by the user www: "
			"look at its mode, and at those of the directories above it (Permission "
			"denied).\n" NEVER},
		{"failed", END("", FAILED_AT("exec", "8", "Exec format error")), NULL,
			"It could not be started: /bin/web is nothing that this kernel can run: a "
			"script needs #! and its interpreter as its first line (Exec format "
			"error).\n" NEVER},
		{"failed", END("", FAILED_AT("directory", "2", "No such file")), NULL,
			"It could not be started: its directory /srv does not exist: make it, or "
			"change \"directory\" (No such file).\n" NEVER},
		{"failed", END("", FAILED_AT("directory", "20", "Not a directory")), NULL,
			"It could not be started: /srv, its \"directory\", is none (Not a "
			"directory).\n" NEVER},
		{"failed",
			END(", 'user': 'www'", FAILED_AT("user", "1", "Operation not permitted")),
			NULL,
			"It could not be started: it cannot become the user www: only a "
			"supervisord that runs as root can do that (Operation not "
			"permitted).\n" NEVER},
		{"failed", END("", FAILED_AT("resources", "24", "Too many open files")), NULL,
			"It could not be started: supervisord has no file descriptors left for it: "
			"raise its limit of open files (Too many open files).\n" NEVER},
		{"failed", END("", FAILED_AT("fork", "11", "Try again")), NULL,
			"It could not be started: no new process can be made: the machine is short "
			"of memory, or at a limit of processes (Try again).\n" NEVER},
		{"failed", END("", FAILED_AT("stdio", "5", "Input/output error")), NULL,
			"It could not be started: supervisord cannot (Input/output "
			"error).\n" NEVER},
	};

	(void)state;
	CHECK(examples);
}

#define AGAIN                                                                                  \
	"restart = \"on-failure\" starts it again: automatic start 3 of 5 that restart-limit " \
	"allows within 1min.\n"                                                                \
	"It starts again in 12s (06:37:05); should it fail then, the next wait is 8s, and "    \
	"never more than 30s.\n"
#define TERM	"'end': {'kind': 'signalled', 'status': 15, 'signal': 'TERM'}, 'sent': 'TERM'"
#define BY_TERM "Its process was killed by signal 15 (TERM), which supervisord sent.\n"

static void of_a_service_in_backoff(void **state)
{
	static const struct example examples[] = {
		{"backoff", "{'end': {'kind': 'exited', 'status': 1}, " DEADLINE "}",
			"has been in backoff for 12s, since 06:36:41: it has ended, and will be "
			"started again.",
			"Its process exited with status 1; only 0 counts as success.\n" AGAIN},
		{"backoff", "{'cause': 'start-timeout', " TERM ", " DEADLINE "}", NULL,
			"It did not become ready within 30s (ready.timeout) of its start, so "
			"supervisord ended it.\n" BY_TERM AGAIN},
		{"backoff", "{'type': 'oneshot', 'cause': 'start-timeout', " TERM ", " DEADLINE "}",
			NULL,
			"It did not end within 30s (ready.timeout) of its start, so supervisord "
			"ended it.\n" BY_TERM AGAIN},
		{"backoff",
			"{'watchdog_ms': 5000, 'cause': 'watchdog', 'sent': 'ABRT', 'end': "
			"{'kind': 'dumped', 'status': 6, 'signal': 'ABRT'}, " DEADLINE "}",
			NULL,
			"It gave no sign of life for 5s (watchdog), so supervisord ended it with "
			"ABRT.\n"
			"Its process was killed by signal 6 (ABRT), which "
			"supervisord sent; it left a core dump.\n" AGAIN},
		{"backoff", "{'cause': 'trigger', " TERM ", " DEADLINE "}", NULL,
			"It told supervisord itself that it hangs (WATCHDOG=trigger), and was "
			"ended with ABRT.\n" BY_TERM AGAIN},
		{"backoff",
			"{'cause': 'unhealthy', 'health': {'failures': 3, 'limit': 3, 'action': "
			"'restart', 'probe': {'ok': false, 'message': 'no answer'}}, " TERM
			", " DEADLINE "}",
			NULL,
			"3 checks of its health failed in a row (the last one: no answer), so "
			"supervisord ended it.\n" BY_TERM
			"health.action = \"restart\" starts it again: automatic start 3 of 5 that "
			"restart-limit allows within 1min.\n"
			"It starts again in 12s (06:37:05); should it fail then, the next wait is "
			"8s, and never more than 30s.\n"},
		{"backoff",
			"{'cause': 'pre-start', 'hooks': [{'hook': 'pre-start', 'ok': false, "
			"'how': 'exited with code 1: disk full'}], " DEADLINE "}",
			NULL,
			"Its pre-start hook failed, so its program was not started.\n"
			"Its pre-start hook exited with code 1: disk full.\n" AGAIN},
		{"backoff",
			"{'cause': 'no-main', 'end': {'kind': 'exited', 'status': 0}, " DEADLINE
			"}",
			NULL,
			"Its first process ended and left no main process behind, which type = "
			"\"forking\" needs.\n"
			"Its process exited with status 0.\n" AGAIN},
		{"backoff",
			"{'end': {'kind': 'exited', 'status': 1}, 'restart': {'limit': 0, "
			"'delay_ms': 30000}, " DEADLINE "}",
			NULL,
			"Its process exited with status 1; only 0 counts as success.\n"
			"restart = \"on-failure\" starts it again, and restart-limit = "
			"0 never gives up.\n"
			"It starts again in 12s (06:37:05); should it fail then, the next wait is "
			"30s.\n"},
		{"backoff",
			"{'service': {'restarts': 2}, 'end': {'kind': 'exited', 'status': 1}, "
			"'ends': [{'kind': 'exited', 'status': 1, 'time': "
			"'2026-11-25T06:36:41Z'}, {'kind': 'exited', 'status': 2, 'time': "
			"'2026-11-25T06:36:30Z'}, {'kind': 'signalled', 'status': 6, 'signal': "
			"'ABRT', 'time': '2026-11-24T06:36:20Z'}], " DEADLINE "}",
			NULL,
			"Its process exited with status 1; only 0 counts as success.\n"
			"The runs before exited with status 2 at 06:36:30, and was killed by "
			"signal 6 (ABRT) at 2026-11-24 06:36:20.\n" AGAIN},
	};

	(void)state;
	CHECK(examples);
}

static void of_a_service_that_failed(void **state)
{
	static const struct example examples[] = {
		{"failed",
			"{'why': 'gave-up', 'end': {'kind': 'exited', 'status': 1}, 'restart': "
			"{'used': 5}}",
			NULL,
			"Its process exited with status 1; only 0 counts as success.\n"
			"restart = \"on-failure\" would start it again, but it was started "
			"automatically 5 times within 1min (restart-window), and restart-limit "
			"allows no more.\n"
			"Nothing starts it by itself; to start it: supctl start web.\n"},
		{"failed",
			"{'cause': 'unhealthy', 'health': {'failures': 3, 'limit': 3, 'action': "
			"'stop', 'probe': null}, 'restart': {'wanted': false}, " TERM "}",
			NULL,
			"3 checks of its health failed in a row, so supervisord ended it.\n" BY_TERM
			"health.action = \"stop\" leaves it at that.\n"
			"Nothing starts it by itself; to start it: supctl start web.\n"},
		{"failed",
			END(", 'hooks': [{'hook': 'on-failed', 'ok': false, 'how': 'exited with "
			    "code 2'}], 'shutting_down': true, 'pending': 'changed'",
				"'kind': 'exited', 'status': 1"),
			NULL,
			"Its process exited with status 1; only 0 counts as success.\n"
			"restart = \"never\" does not start it again.\n"
			"Nothing starts any more: supervisord is shutting down.\n"
			"Its on-failed hook exited with code 2.\n"
			"Its configuration has changed; the next start goes by that.\n"},
	};

	(void)state;
	CHECK(examples);
}

/* --- down --- */

#define BY_HAND "Nothing starts it by itself; to start it: supctl start web.\n"

static void of_a_service_that_is_stopped(void **state)
{
	static const struct example examples[] = {
		{"stopped", "{'why': 'never-started', 'autostart': false, 'started': null}",
			"has been stopped for 12s, since 06:36:41.",
			"It has not been started since supervisord came up, as autostart = false "
			"wants.\n" BY_HAND},
		{"stopped",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, " TERM "}",
			NULL, "It was stopped by request.\n" BY_TERM BY_HAND},
		{"stopped", "{'why': 'shutdown', 'shutting_down': true}", NULL,
			"supervisord is shutting down.\n"
			"Nothing starts any more: supervisord is shutting down.\n"},
		{"stopped", "{'why': 'shutdown', 'shutting_down': true, 'essential_end': 'main'}",
			NULL,
			"supervisord is shutting down, since main, which is essential, has ended.\n"
			"Nothing starts any more: supervisord is shutting down.\n"},
		{"stopped",
			"{'why': 'conflict', 'other': 'new', 'causes': [{'name': 'new', 'state': "
			"'running'}]}",
			NULL,
			"It was stopped in favour of new, with which it conflicts.\n"
			"It conflicts with new, which is running.\n" BY_HAND},
		{"stopped", "{'why': 'conflict', 'other': 'new', 'started': null}", NULL,
			"It was not started, as it conflicts with new, which is up or on its "
			"way.\n" BY_HAND},
		{"stopped", "{'why': 'removed', 'pending': 'removed'}", NULL,
			"It is not in the configuration any more.\n" BY_HAND},
	};

	(void)state;
	CHECK(examples);
}

static void of_a_service_that_stops(void **state)
{
	static const struct example examples[] = {
		{"stopping",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'then': "
			"'stopped', 'sent': 'TERM', 'service': {'pid': "
			"7, 'phase': 'signal'}, 'survivors': [{'pid': 7, 'command': 'web -x'}, "
			"{'pid': 8, 'command': 'worker'}], " DEADLINE "}",
			"has been stopping for 12s, since 06:36:41 (pid 7): it is being ended, and "
			"is not gone yet.",
			"It was stopped by request.\n"
			"supervisord has sent it TERM and waits for its end; whatever is left in "
			"12s (06:37:05) gets KILL (stop.timeout = 10s).\n"
			"Still there: pid 7 (web -x), pid 8 (worker).\n"
			"Then it is stopped, and stays so.\n"},
		{"stopping",
			"{'why': 'restart', 'then': 'start', 'sent': 'KILL', 'killed': true, "
			"'service': {'phase': 'signal'}}",
			NULL,
			"It was told to restart by request.\n"
			"KILL was sent to all that is left of it, and is repeated until nothing "
			"is; a process that stays now hangs in the kernel, as on a dead disk or "
			"NFS.\n"
			"Then it starts again.\n"},
		{"stopping",
			"{'why': 'leftovers', 'then': 'backoff', 'sent': 'TERM', 'main_ended': "
			"true, 'end': {'kind': 'exited', 'status': 1}, 'service': {'phase': "
			"'signal'}, " DEADLINE "}",
			NULL,
			"Its process exited with status 1; only 0 counts as success.\n"
			"Its main process has ended; others that it started are still there; "
			"whatever is left in 12s (06:37:05) gets KILL (stop.timeout = 10s).\n"
			"restart = \"on-failure\" starts it again: automatic start 3 of 5 that "
			"restart-limit allows within 1min.\n"},
		{"stopping",
			"{'why': 'cause', 'cause': 'start-timeout', 'then': 'failed', 'sent': "
			"'TERM', 'service': {'phase': 'signal'}}",
			NULL,
			"It did not become ready within 30s (ready.timeout) of its start, so "
			"supervisord ended it.\n"
			"supervisord has sent it TERM and waits for its end.\n"
			"Then it has failed, and nothing starts it by itself.\n"},
		{"stopping",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'then': "
			"'stopped', 'service': {'phase': "
			"'dependents'}, 'dependents': ['app', 'api'], 'survivors': [{'pid': 1}]}",
			NULL,
			"It was stopped by request.\n"
			"It is stopped when those have ended that need it: app and api.\n"
			"Then it is stopped, and stays so.\n"},
		{"stopping",
			"{'why': 'dependency', 'other': 'db', 'then': 'start', 'service': "
			"{'phase': 'pre-stop'}, 'hooks': [{'hook': 'pre-stop', 'ok': null, 'pid': "
			"5}]}",
			NULL,
			"db, which it requires, is not there any more, so it is being stopped.\n"
			"Its pre-stop hook has to end first.\n"
			"Its pre-stop hook runs (pid 5).\n"
			"Then it starts again.\n"},
		{"stopping",
			"{'why': 'changed', 'then': 'start', 'service': {'phase': "
			"'stop-command'}, " DEADLINE "}",
			NULL,
			"Its configuration has changed, so it is restarted.\n"
			"Its stop command runs, in place of a signal; whatever is left in 12s "
			"(06:37:05) gets KILL (stop.timeout = 10s).\n"
			"Then it starts again.\n"},
		{"stopping", "{'why': 'schedule', 'then': 'start', 'service': {'phase': 'signal'}}",
			NULL,
			"Its next run is due, and overlap = \"kill\" ends this one for it.\n"
			"Its stop command has ended, and its process is expected to end now.\n"
			"Then it starts again.\n"},
		{"stopping",
			"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'then': "
			"'stopped', 'service': {'phase': "
			"'cancelled'}}",
			NULL,
			"It was stopped by request.\n"
			"Its program was not started yet; its pre-start hook is being ended.\n"
			"Then it is stopped, and stays so.\n"},
		{"stopping",
			"{'why': 'leftovers', 'then': 'exited', 'service': {'phase': "
			"'post-stop'}, 'hooks': [{'hook': 'post-stop', 'ok': null, 'pid': 5}]}",
			NULL,
			"All of its processes have ended; its post-stop hook runs.\n"
			"Its post-stop hook runs (pid 5).\n"
			"Then it has exited, as it should.\n"},
	};

	(void)state;
	CHECK(examples);
}

/* --- who asked --- */

#define ASKED(verb) "{'verb': '" verb "', 'uid': 1000, 'client_pid': 9}"
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

/* --- moments --- */

static void moments_are_read_and_told_in_local_time(void **state)
{
	static const char *const wrong[] = {"", "2026", "2026-11-25T06:36:53",
		"2026-11-25 06:36:53Z", "2026-13-25T06:36:53Z", "2026-11-32T06:36:53Z",
		"2026-11-25T24:36:53Z", "2026-11-25T06:60:53Z", "2026-11-25T06:36:61Z",
		"2026-11-25T06:36:53.Z", "2026-11-25T06:36:53.1234567Z", "2026-11-25T06:36:53Zx",
		"1960-01-01T00:00:00Z", "+026-11-25T06:36:53Z"};
	char text[MOMENT_SIZE];
	usec_t t = 0, now = 0;

	(void)state;
	assert_int_equal(0, moment_parse("2026-11-25T06:36:53.250000Z", &t));
	assert_int_equal(t % USEC_PER_SEC, 250000);
	assert_int_equal(0, moment_parse("2026-11-25T23:59:59.5Z", &now));
	assert_int_equal(now % USEC_PER_SEC, 500000);
	assert_string_equal(moment_text(t, now, text), "06:36:53");
	assert_string_equal(moment_text(now, t, text), "23:59:59");
	assert_int_equal(0, moment_parse("2026-11-24T06:36:53Z", &t));
	assert_string_equal(moment_text(t, now, text), "2026-11-24 06:36:53");
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
		assert_int_equal(-EINVAL, moment_parse(wrong[i], &t));
	setenv("TZ", "XXX-2", 1);
	tzset();
	assert_string_equal(moment_text(now, now, text), "01:59:59");
	setenv("TZ", "UTC0", 1);
	tzset();
}

/* --- the last lines --- */

struct logs {
	char dir[32], path[64];
};

static void write_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(n, fwrite(text, 1, n, f));
	assert_int_equal(0, fclose(f));
}

static void logs_start(struct logs *l)
{
	strcpy(l->dir, "/tmp/test-why-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	snprintf(l->path, sizeof(l->path), "%s/web.log", l->dir);
}

static void logs_end(struct logs *l)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r '%s'", l->dir);
	assert_int_equal(0, system(command));
}

/* What is read where the run began at an offset (-1: not known). */
static json_t *read_lines(const struct logs *l, int offset, uint64_t n)
{
	json_t *facts = make_facts("running", "{}"), *logs, *log;

	json_object_set_new(
		facts, "logs", json_pack("[{s:s,s:s}]", "stream", "output", "path", l->path));
	if (offset >= 0)
		json_object_set_new(facts, "chain",
			json_pack("[{s:s,s:i,s:s,s:[{s:s,s:s,s:i}]}]", "type", "start",
				"generation", 3, "time", "2026-11-25T06:36:00.000000Z", "logs",
				"stream", "output", "path", l->path, "offset", offset));
	logs = why_log_read(facts, n);
	assert_int_equal(json_array_size(logs), 1);
	log = json_incref(json_array_get(logs, 0));
	json_decref(logs);
	json_decref(facts);
	return log;
}

static void expect_lines(const struct logs *l, int offset, uint64_t n, const char *lines,
	const char *title, const char *note)
{
	json_t *log = read_lines(l, offset, n), *want = parse(lines);

	assert_true(json_equal(json_object_get(log, "lines"), want));
	if (title)
		assert_string_equal(json_string_value(json_object_get(log, "title")), title);
	assert_non_null(strstr(json_string_value(json_object_get(log, "note")), note));
	if (*note == '\0')
		assert_string_equal(json_string_value(json_object_get(log, "note")), "");
	json_decref(want);
	json_decref(log);
}

static void the_last_lines_of_this_run_are_read(void **state)
{
	struct logs l;

	(void)state;
	logs_start(&l);
	write_file(l.path, "old\na\nb\nc\n", 10);
	expect_lines(&l, 4, 10, "['a', 'b', 'c']", "Last lines of this run (web.log):", "");
	expect_lines(&l, 4, 2, "['b', 'c']", NULL, "");
	expect_lines(&l, -1, 10, "['old', 'a', 'b', 'c']", "Last lines of its log (web.log):", "");
	expect_lines(&l, 10, 10, "[]", NULL, "It has written nothing to ");
	write_file(l.path, "old\na\nb\nhalf", 12);
	expect_lines(&l, 4, 2, "['b', 'half']", NULL, "");
	write_file(l.path, "\n\n", 2);
	expect_lines(&l, 0, 10, "['', '']", NULL, "");
	write_file(l.path, "\xff\xfe\r\n", 4);
	expect_lines(&l, 0, 10, "['\xef\xbf\xbd\xef\xbf\xbd']", NULL, "");
	logs_end(&l);
}

static void a_rotated_log_is_told_of(void **state)
{
	char older[128];
	struct logs l;

	(void)state;
	logs_start(&l);
	write_file(l.path, "new\n", 4);
	expect_lines(&l, 4000, 10, "['new']", NULL, "was rotated");
	/* one that is older than the start says nothing */
	snprintf(older, sizeof(older), "%s.2026-11-25T06-35-00.000Z", l.path);
	write_file(older, "x\n", 2);
	expect_lines(&l, 0, 10, "['new']", NULL, "");
	expect_lines(&l, 2, 10, "['w']", NULL, "");
	snprintf(older, sizeof(older), "%s.2026-11-25T06-36-30.000Z", l.path);
	write_file(older, "x\n", 2);
	expect_lines(&l, 2, 10, "['new']", "Last lines of this run (web.log):", "was rotated");
	logs_end(&l);
}

static void what_cannot_be_read_is_told(void **state)
{
	struct logs l;

	(void)state;
	logs_start(&l);
	expect_lines(&l, 0, 10, "[]", NULL, "It has written nothing: there is no log file ");
	assert_int_equal(0, mkfifo(l.path, 0600));
	expect_lines(&l, 0, 10, "[]", NULL, "can't be read here: not a regular file");
	logs_end(&l);
}

static void a_huge_log_is_read_from_its_end_only(void **state)
{
	size_t n = 3 * WHY_LOG_MAX_BYTES;
	char *text = malloc(n + 8);
	json_t *log, *lines;
	struct logs l;

	(void)state;
	logs_start(&l);
	memset(text, 'x', n);
	memcpy(text + n, "\nend\n", 6);
	write_file(l.path, text, n + 5);
	log = read_lines(&l, 0, 10);
	lines = json_object_get(log, "lines");
	assert_int_equal(json_array_size(lines), 2);
	assert_string_equal(json_string_value(json_array_get(lines, 1)), "end");
	/* both ends of that line are cut */
	assert_int_equal(json_string_length(json_array_get(lines, 0)), WHY_LOG_MAX_LINE + 8);
	assert_memory_equal(json_string_value(json_array_get(lines, 0)), "... xxx", 7);
	json_decref(log);
	free(text);
	logs_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_service_that_runs),
		cmocka_unit_test(of_its_health),
		cmocka_unit_test(of_a_service_that_starts),
		cmocka_unit_test(of_a_service_that_waits),
		cmocka_unit_test(of_how_a_process_ended),
		cmocka_unit_test(of_what_could_not_be_started),
		cmocka_unit_test(of_a_service_in_backoff),
		cmocka_unit_test(of_a_service_that_failed),
		cmocka_unit_test(of_a_service_that_is_stopped),
		cmocka_unit_test(of_a_service_that_stops),
		cmocka_unit_test(of_who_wanted_it),
		cmocka_unit_test(wrong_facts_are_survived),
		cmocka_unit_test(long_facts_are_cut),
		cmocka_unit_test(no_byte_of_a_service_commands_the_terminal),
		cmocka_unit_test(moments_are_read_and_told_in_local_time),
		cmocka_unit_test(the_last_lines_of_this_run_are_read),
		cmocka_unit_test(a_rotated_log_is_told_of),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(a_huge_log_is_read_from_its_end_only),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
