/*
 * What supctl why says of services that are up, on their way up, or wait: a table for each state,
 * of facts and sentences.
 */
#include "facts.h"
#include "tests/unit/zone.h"

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

static void of_who_holds_it_up(void **state)
{
#define HELD_UP(waits_for, sinks)                                                                 \
	"{'why': 'operator', 'request': {'verb': 'start', 'uid': 1000}, 'logs': [{'stream': "     \
	"'output', 'waits_for': " waits_for ", 'sinks': [{'kind': 'none', 'address': null}" sinks \
	"]}]}"
#define BUT(sentence) "It was started by alice (uid 1000) with supctl start.\n" sentence
	static const struct example examples[] = {
		{"running", HELD_UP("null", ""), NULL, BUT("")},
		{"running", HELD_UP("'service'", ", {'kind': 'service', 'address': 'db'}"), NULL,
			BUT("db reads what it writes more slowly than it comes; when the pipe is "
			    "full, it waits (log.overflow).\n")},
		{"running", HELD_UP("'file'", ", {'kind': 'file', 'address': '/a'}"), NULL,
			BUT("file /a has no room for what it writes; when its pipe is full, it "
			    "waits (log.overflow).\n")},
		{"running", HELD_UP("'rate'", ""), NULL,
			BUT("It writes more than log.rate-lines or log.rate-bytes allow; when its "
			    "pipe is full, it waits (log.overflow).\n")},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_service_that_runs),
		cmocka_unit_test(of_who_holds_it_up),
		cmocka_unit_test(of_its_health),
		cmocka_unit_test(of_a_service_that_starts),
		cmocka_unit_test(of_a_service_that_waits),
	};

	zone_set("UTC0");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
