/*
 * What supctl why says of services that have ended, or are down, or on their way down.
 */
#include "facts.h"
#include "tests/unit/zone.h"

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
			"Its process ended, and nobody saw how: it was no child of "
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
			END(", 'stdin': 'file:/srv/in'", FAILED_AT("stdin", "2", "No such file")),
			NULL,
			"It could not be started: the file /srv/in, its \"stdin\", does not exist "
			"(No such file).\n" NEVER},
		{"failed",
			END(", 'stdin': 'file:/srv/in', 'user': 'www'",
				FAILED_AT("stdin", "13", "Permission denied")),
			NULL,
			"It could not be started: /srv/in, its \"stdin\", may not be read by the "
			"user www (Permission denied).\n" NEVER},
		{"failed",
			END(", 'stdin': 'fifo:/srv/in'", FAILED_AT("stdin", "17", "File exists")),
			NULL,
			"It could not be started: /srv/in, its \"stdin\", is there and no FIFO "
			"(File exists).\n" NEVER},
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
		{"backoff",
			"{'cause': 'start-timeout', 'type': 'forking', 'readiness': {'on': 'exec', "
			"'timeout_ms': 1000}, " TERM ", " DEADLINE "}",
			NULL,
			"It did not become ready within 1s (ready.timeout) of its start, so "
			"supervisord ended it.\nTo be ready, its first process has to end, and its "
			"pid-file to name the main process.\n" BY_TERM AGAIN},
		{"backoff",
			"{'cause': 'start-timeout', 'readiness': {'on': 'unix:/run/web', "
			"'timeout_ms': 1000}, " TERM ", " DEADLINE "}",
			NULL,
			"It did not become ready within 1s (ready.timeout) of its start, so "
			"supervisord ended it.\nTo be ready, the socket /run/web has to accept a "
			"connection.\n" BY_TERM AGAIN},
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
			"Before that it exited with status 2 at 06:36:30, and was killed by "
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_how_a_process_ended),
		cmocka_unit_test(of_what_could_not_be_started),
		cmocka_unit_test(of_a_service_in_backoff),
		cmocka_unit_test(of_a_service_that_failed),
		cmocka_unit_test(of_a_service_that_is_stopped),
		cmocka_unit_test(of_a_service_that_stops),
	};

	zone_set("UTC0");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
