"""supctl why: for each state and each way to get there, the sentences that explain it.

Times, durations that pass, and pids are replaced before anything is compared, so that no clock
decides; what a rule of the configuration says, with its numbers, has to be there as it is.
"""

import os
import pty
import pwd
import re
import signal
import subprocess
import unittest

import harness
from harness import NOBODY, SLEEP, py, service, sh, wait_until

NEVER = 'restart = "never"'
LATER = "autostart = false"
HOUR = ("restart-delay = 1h", "restart-max-delay = 2h", "restart-jitter = 0")
STUBBORN = sh("trap 'touch @DIR@/told.$SUPERVISOR_NAME' TERM; touch @DIR@/up.$SUPERVISOR_NAME; "
              "while [ ! -e @DIR@/end ]; do sleep 0.05; done")
# The same in a single process.
ALONE = py("import os, signal, time\nname = os.environ['SUPERVISOR_NAME']\n"
           "signal.signal(signal.SIGTERM, lambda *_: open('@DIR@/told.' + name, 'w'))\n"
           "open('@DIR@/up.' + name, 'w')\n"
           "while not os.path.exists('@DIR@/end'): time.sleep(0.02)")
WAITS = py("import os, time\nwhile not os.path.exists('@DIR@/end'): time.sleep(0.02)")
PROCESS = "/usr/bin/python3 -u -c import os, signal, time name = os.env ..."
LONG_STOP = "stop { timeout = 1h }"

TELL = """
import os, signal, socket, sys, time
def tell(*lines):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto("\\n".join(lines).encode(), os.environ["NOTIFY_SOCKET"])
    s.close()
def gate(name):
    while not os.path.exists("@DIR@/" + name): time.sleep(0.01)
"""

SPAN = r"\d+(?:\.\d)?(?:us|ms|s|min|h|d)(?: \d+(?:s|min|h))?"
CLOCK = r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d"
PASSING = [
    (rf"\bfor {SPAN}, since {CLOCK}", "for D, since T"),
    (rf"\bin {SPAN} \({CLOCK}\)", "in D (T)"),
    (rf"{SPAN} ago \({CLOCK}\)", "D ago (T)"),
    (rf"\bran for {SPAN}", "ran for D"),
    (rf" at {CLOCK}", " at T"),
    (rf"for another {SPAN}", "for another D"),
    (r"\bpid \d+", "pid N"),
]

ME = f"{pwd.getpwuid(os.geteuid()).pw_name} (uid {os.geteuid()})"
AUTO = "supervisord started it by itself at T, as autostart = true wants."
STARTED = f"It was started by {ME} with supctl start at T."
STOPPED = f"It was stopped by {ME} with supctl stop at T."
TERM = "Its process ran for D and was killed by signal 15 (TERM), which supervisord sent."
SENT = ("supervisord has sent it TERM and waits for its end; whatever is left in D (T) gets KILL "
        "(stop.timeout = 1h).")
AGAIN = ['restart = "on-failure" starts it again: automatic start 1 of 5 that restart-limit allows '
         "within 1min.",
         "It starts again in D (T); should it fail then, the next wait is 2h."]
TO_BE_READY = "To be ready, it has to say READY=1 (sd_notify)."
NOT_AGAIN = 'restart = "never" does not start it again.'


def by_hand(name):
    return f"Nothing starts it by itself; to start it: supctl start {name}."


def exited(status, success="only 0 counts as success"):
    return f"Its process ran for D and exited with status {status}; {success}."


def plain(text, s):
    for pattern, instead in PASSING:
        text = re.sub(pattern, instead, text)
    return text.replace(s.dir, "@DIR@")


class WhyTest(harness.SystemTest):
    def supervisor(self, config, **kw):
        s = super().supervisor(config, **kw)
        self.addCleanup(self.release, s)  # before it is stopped, whatever has failed
        return s

    def said(self, s, name):
        """The sentences about a service, without what passes."""
        rows = s.json("why", name)
        self.assertEqual([name], [row["service"]["name"] for row in rows])
        return [plain(text, s) for text in rows[0]["text"]]

    def expect(self, s, name, head, *rest):
        """All that is said, once that is so: news of a service may still be on their way."""
        want = [f"{name} {head}", *(part for more in rest
                                    for part in (more if isinstance(more, list) else [more]))]
        said = None

        def is_so():
            nonlocal said
            said = self.said(s, name)
            return said == want
        try:
            wait_until(is_so, f"why {name}", deadline=5)
        except harness.Timeout:
            self.assertEqual(want, said)

    def told(self, s, name):
        """The service has had its stop signal."""
        wait_until(lambda: os.path.exists(f"{s.dir}/told.{name}"), f"{name} is told to stop")

    def up(self, s, *names):
        for name in names:
            wait_until(lambda n=name: os.path.exists(f"{s.dir}/up.{n}"), f"{name} has begun")

    def release(self, s):
        """Lets all STUBBORN services end."""
        if os.path.isdir(s.dir):
            s.flag("end")


class Up(WhyTest):
    HEAD = "has been running for D, since T (pid N)."

    def test_running_by_each_way_to_get_there(self):
        s = self.supervisor(service("auto", SLEEP) + service("hand", SLEEP, LATER)
                            + service("app", SLEEP, LATER, 'requires = {"db"}')
                            + service("db", SLEEP, LATER)
                            + service("cron", SLEEP, "schedule { every = 10h }", LATER)
                            + service("back", sh("[ -e @DIR@/once ] || { touch @DIR@/once; exit 3; }; "
                                                 "exec sleep 100000"),
                                      "restart-delay = 1ms", "stable-after = 1h", "restart-jitter = 0"))
        s.ok("start", "hand", "app")
        self.expect(s, "auto", self.HEAD, AUTO)
        self.expect(s, "hand", self.HEAD, STARTED)
        self.expect(s, "db", self.HEAD, f"It was started at T because app needs it: {ME} asked for "
                                        "that with supctl start.")
        s.ok("start", "cron")
        self.expect(s, "cron", self.HEAD, STARTED,
                    "Its schedule is every 10h: the next run is due in D (T).",
                    'If it still runs then, overlap = "skip" leaves that run out.')
        s.wait_service("back", lambda r: r["state"] == "running" and r["restarts"] == 1, "is back")
        self.expect(s, "back", self.HEAD, "The run before ran for D and exited with status 3 at T.",
                    'restart = "on-failure" started it again: that was automatic start 1 since an '
                    "operator's start or reset.", AUTO,
                    "It is not stable yet: if it runs for another D, the failures before are "
                    "forgotten (stable-after); until then 1 of 5 automatic starts are used up.")

    def test_started_again_or_by_a_new_configuration(self):
        s = self.supervisor(service("web", SLEEP) + service("old", SLEEP))
        for name in ("web", "old"):
            s.wait_state(name, "running")
        s.ok("restart", "web")
        self.expect(s, "web", self.HEAD, f"It was restarted by {ME} with supctl restart at T.")
        s.write_config(service("web", SLEEP) + service("old", SLEEP, 'environment = {"A=1"}')
                       + service("new", SLEEP))
        s.ok("apply")
        for_that = f"{ME} asked for that with supctl apply."
        self.expect(s, "new", self.HEAD, f"{AUTO[:-1]}: {for_that}")
        self.expect(s, "old", self.HEAD, "It was started again at T because its configuration had changed: "
                                         + for_that)
        s.ok("stop", "old")
        s.ok("start", "old")
        self.expect(s, "old", self.HEAD, STARTED)

    def test_without_a_journal(self):
        s = self.supervisor(service("hand", SLEEP, LATER) + service("auto", SLEEP)
                            + service("bad", sh("echo hello; exit 1"), NEVER),
                            prepare=lambda s: os.makedirs(f"{s.state_dir}/events"))
        s.ok("start", "hand")
        self.assertEqual([], s.json("why", "hand")[0]["chain"])
        self.expect(s, "hand", self.HEAD, STARTED.replace(" at T", ""))
        self.expect(s, "auto", self.HEAD, AUTO.replace(" at T", ""))
        s.ok("stop", "hand")
        self.expect(s, "hand", "has been stopped for D, since T.", STOPPED.replace(" at T", ""), TERM,
                    by_hand("hand"))
        s.wait_state("bad", "failed")
        log = s.json("why", "bad")[0]["last_lines"][0]
        self.assertEqual((["hello"], "Last lines of its log (bad.log):"), (log["lines"], log["title"]))

    def test_running_by_schedule(self):
        s = self.supervisor(service("job", SLEEP, 'schedule { every = 1s overlap = "queue" }'))
        s.wait_state("job", "running")
        s.wait_service("job", lambda r: self.said(s, "job")[-1].startswith("A run was due"), "queued")
        said = self.said(s, "job")
        self.assertEqual([f"job {self.HEAD}", "Its schedule started this run at T.",
                          "Its schedule is every 1s: the next run is due in D (T).",
                          'A run was due meanwhile (overlap = "queue"), and follows this one at once.'],
                         said)

    def test_health_and_what_it_says_of_itself(self):
        health = "health { command = {%s} interval = 20ms failures = %d action = \"none\" grace = %s }"
        s = self.supervisor(
            service("well", SLEEP, health % ('"/bin/true"', 3, "0s"))
            + service("ill", SLEEP, health % ('"/bin/false"', 3, "0s"))
            + service("grace", SLEEP, health % ('"/bin/false"', 3, "1h"))
            + service("soon", SLEEP, health % ('"/bin/false"', 1000, "0s"))
            + service("talks", py(TELL + "tell('READY=1', 'STATUS=3 of 7\\x1b[2J'); tell('RELOADING=1', "
                                         "'MONOTONIC_USEC=%d' % (time.monotonic_ns() // 1000));"
                                         "time.sleep(100000)"),
                      'ready { on = "notify" }', "watchdog = 1h")
            + service("hook", SLEEP, 'hooks { post-start = {"/bin/sh", "-c", "echo no; exit 4"} }'))
        self.expect(s, "well", self.HEAD, AUTO, "It is healthy: the last check of its health was good.")
        s.wait_service("ill", lambda r: r["health"] == "unhealthy", "is unhealthy")
        said = self.said(s, "ill")
        self.assertEqual([f"ill {self.HEAD}", AUTO], said[:2])
        self.assertRegex(said[2], r"^It is unhealthy: \d+ checks in a row have failed, the last one: "
                                  r"exited with code 1\.$")
        self.assertEqual(['health.action = "none" leaves it running.'], said[3:])
        self.expect(s, "grace", self.HEAD, AUTO, "The last check of its health failed: exited with "
                    "code 1, which does not count within health.grace (1h) of its being ready.")
        wait_until(lambda: re.search(r"^\d+ checks? of its health ha\w+ failed in a row: exited with "
                                     r"code 1; health\.failures = 1000 of them, and health\.action = "
                                     r'"none" follows\.$', self.said(s, "soon")[2]), "failed checks")
        self.expect(s, "talks", self.HEAD, AUTO, "It says of itself: 3 of 7[2J.",
                    "It says that it is reloading its configuration.",
                    "Its next sign of life (watchdog) has to come in D (T).")
        self.assertNotIn("\x1b", s.ok("why", "talks"))
        self.expect(s, "hook", self.HEAD, AUTO, "Its post-start hook exited with code 4: no.")

    def test_back_after_a_loss(self):
        s = self.supervisor(service("app", SLEEP, 'requires = {"db"}')
                            + service("db", sh("[ ! -e @DIR@/once ] || while [ ! -e @DIR@/go ]; do "
                                               "sleep 0.05; done; touch @DIR@/once; echo up; "
                                               "exec sleep 100000"), "restart-delay = 1ms",
                                      'ready { on = "log:^up$" timeout = 1h }'))
        old = s.wait_state("app", "running")["pid"]
        os.kill(s.status("db")["pid"], signal.SIGKILL)
        s.wait_state("app", "waiting")
        s.flag("go")
        s.wait_service("app", lambda r: r["state"] == "running" and r["pid"] != old, "is back")
        self.expect(s, "app", self.HEAD, AUTO, "It was stopped at T, as db, which it requires, was not "
                    "there any more (killed by signal KILL, not by supervisord).")

    def test_stale_and_pending(self):
        s = self.supervisor(service("web", SLEEP) + service("idle", SLEEP, LATER))
        s.wait_state("web", "running")
        s.write_config(service("web", SLEEP, 'environment = {"A=1"}')
                       + service("idle", SLEEP, LATER, 'environment = {"A=1"}'))
        s.ok("apply", "--no-restart")
        self.expect(s, "web", self.HEAD, AUTO, "It runs by an older configuration than the one in force; "
                    "to start it by that: supctl restart web.")
        self.expect(s, "idle", "has been stopped for D, since T.", "It has not been started since "
                    "supervisord came up, as autostart = false wants.", by_hand("idle"))


class Starting(WhyTest):
    HEAD = "has been starting for D, since T (pid N): it is not ready yet."
    PATIENCE = "If it is not ready in D (T), it is ended, and counts as failed."

    def ready(self, on, *more):
        return f"ready {{ on = {harness.quote(on)} timeout = 1h {' '.join(more)} }}"

    def test_each_way_to_become_ready(self):
        s = self.supervisor(
            service("notify", SLEEP, self.ready("notify")) + service("fd", SLEEP, self.ready("fd:3"))
            + service("tcp", SLEEP, self.ready("tcp:127.0.0.1:1", "interval = 10ms"))
            + service("unix", SLEEP, self.ready("unix:@DIR@/none", "interval = 10ms"))
            + service("command", SLEEP, self.ready("command", 'command = {"/bin/false"}', "interval = 10ms"))
            + service("log", SLEEP, self.ready("log:^up$"))
            + service("oneshot", SLEEP, 'type = "oneshot"', "ready { timeout = 1h }"))
        for name, what in (("notify", "it has to say READY=1 (sd_notify)"),
                           ("fd", "it has to write a newline to its descriptor 3"),
                           ("tcp", "127.0.0.1:1 has to accept a connection; so far: connection refused"),
                           ("unix", "the socket @DIR@/none has to accept a connection; so far: "
                                    "no such file or directory"),
                           ("command", "its ready.command has to succeed; so far: exited with code 1"),
                           ("log", "it has to write a line that matches ^up$")):
            with self.subTest(name):
                self.expect(s, name, self.HEAD, AUTO, f"It is not ready yet: {what}.", self.PATIENCE)
        self.expect(s, "oneshot", self.HEAD, AUTO,
                    "It does its work now: a oneshot counts as done when it has ended well.",
                    "If it has not ended in D (T), it is ended, and counts as failed.")

    def test_hooks_and_daemons_come_first(self):
        s = self.supervisor(
            service("hook", SLEEP, 'hooks { pre-start = {"/bin/sleep", "100000"} timeout = 1h }')
            + service("daemon", sh("sleep 100000 & exit 0"), 'type = "forking"', 'pid-file = "@DIR@/pid"',
                      "ready { timeout = 1h }"))
        self.expect(s, "hook", "has been starting for D, since T: it is not ready yet.", AUTO,
                    "Its program is executed once its pre-start hook has succeeded.",
                    "Its pre-start hook runs (pid N).",
                    "If that has not ended in D (T), it is ended, and counts as failed.")
        self.expect(s, "daemon", "has been starting for D, since T: it is not ready yet.", AUTO,
                    "Its first process has to end, and its pid-file to name the main process "
                    '(type = "forking").', self.PATIENCE)

    def test_again_after_a_failure(self):
        s = self.supervisor(service("again", sh("[ -e @DIR@/once ] || { touch @DIR@/once; kill -9 $$; }; "
                                                "exec sleep 100000"),
                                    "restart-delay = 1ms", self.ready("notify")))
        s.wait_service("again", lambda r: r["state"] == "starting" and r["restarts"] == 1, "is back")
        self.expect(s, "again", self.HEAD,
                    "The run before ran for D and was killed by signal 9 (KILL) at T.",
                    'restart = "on-failure" started it again: that was automatic start 1 since an '
                    "operator's start or reset.", AUTO,
                    "It is not ready yet: it has to say READY=1 (sd_notify).", self.PATIENCE)


class Waiting(WhyTest):
    HEAD = "has been waiting for D, since T."
    SOON = "It starts by itself as soon as that is over."

    def test_for_what_is_on_its_way(self):
        s = self.supervisor(
            service("app", SLEEP, 'requires = {"web"}') + service("web", SLEEP, 'requires = {"db"}')
            + service("db", sh("exit 1"), *HOUR, 'ready { on = "notify" }')
            + service("late", SLEEP, 'requires = {"slow"}')
            + service("slow", SLEEP, 'ready { on = "notify" timeout = 1h }'))
        s.wait_state("db", "backoff")
        self.expect(s, "app", self.HEAD, "It waits for web, which is waiting.",
                    "web waits for db, which is in backoff: its process exited with status 1; it starts "
                    "again in D (T).", self.SOON, AUTO)
        self.expect(s, "late", self.HEAD, "It waits for slow, which is starting and not ready yet.",
                    self.SOON, AUTO)

    def test_for_what_nobody_brings_about(self):
        s = self.supervisor(
            service("app", SLEEP, 'requires = {"web"}') + service("web", SLEEP, 'requires = {"db"}')
            + service("db", sh("exit 1"), NEVER, 'ready { on = "notify" }')
            + service("shop", SLEEP, 'requires = {"idle"}') + service("idle", SLEEP))
        s.wait_state("db", "failed")
        s.wait_state("shop", "running")
        self.expect(s, "app", self.HEAD, "It requires web, which is waiting.",
                    "web requires db, which has failed: its process exited with status 1.",
                    "Nothing is going to start db by itself; to start both: supctl start app.",
                    "As soon as that is over, it starts by itself.", AUTO)
        s.ok("stop", "idle")
        s.wait_state("shop", "waiting")
        self.expect(s, "shop", self.HEAD, "It requires idle, which is stopped.",
                    "Nothing is going to start idle by itself; to start both: supctl start shop.",
                    "As soon as that is over, it starts by itself.", AUTO,
                    "It was stopped at T, as idle, which it requires, was not there any more: "
                    f"{ME} asked for that with supctl stop.")

    def test_in_line(self):
        s = self.supervisor(
            'pool "db" { slots = 2 }\nmax-starting = 1\n'
            + "".join(service(f"p{i}", SLEEP, 'pool = "db"') for i in range(4))
            + "".join(service(f"s{i}", SLEEP, LATER, 'ready { on = "notify" timeout = 1h }')
                      for i in range(3)))
        s.wait_state("p1", "running")
        s.wait_state("p3", "waiting")
        pool = ('It waits for a slot of the pool "db", which has 2, taken by others: p0 and p1.')
        free = "It starts by itself when one of them has ended."
        self.expect(s, "p2", self.HEAD, pool,
                    "It is number 1 of 2 in that line: first come, first served.", free, AUTO)
        self.expect(s, "p3", self.HEAD, pool,
                    "It is number 2 of 2 in that line: first come, first served.", free, AUTO)
        for name in ("s0", "s1", "s2"):
            s.ok("start", "--no-wait", name)
        self.expect(s, "s2", self.HEAD, "As many services are starting as max-starting = 1 allows: s0.",
                    "It is number 2 of 2 in that line: first come, first served.",
                    "It starts by itself when one of them is ready or has ended.", STARTED)

    def test_for_its_schedule(self):
        s = self.supervisor(service("job", ["/bin/true"], "schedule { every = 10h }")
                            + service("cron", ["/bin/true"], 'schedule { cron = "0 0 1 1 *" }'))
        self.expect(s, "job", self.HEAD, "Its schedule is every 10h: the next run is due in D (T).")
        self.expect(s, "cron", self.HEAD,
                    'Its schedule is "0 0 1 1 *": the next run is due in D (T).')
        row = s.json("why", "cron")[0]
        self.assertEqual("00.000000Z", row["run"]["time"][17:])  # not a moment before it
        self.assertEqual(row["schedule"]["next_run"], row["run"]["time"])
        s.ok("start", "job")
        s.wait_service("job", lambda r: r["exit_code"] == 0, "has run")
        self.expect(s, "job", self.HEAD, "Its schedule is every 10h: the next run is due in D (T).",
                    "Its process ran for D and exited with status 0, which counts as success.")

    def test_for_the_end_of_another_one(self):
        s = self.supervisor(service("old", STUBBORN, LONG_STOP) + service("new", SLEEP, LATER,
                                                                         'conflicts = {"old"}'))
        self.up(s, "old")
        s.ok("start", "--no-wait", "new")
        self.told(s, "old")
        self.expect(s, "new", self.HEAD, "It conflicts with old, which is stopping.", self.SOON, STARTED)
        said = self.said(s, "old")
        self.assertEqual("It was stopped in favour of new, with which it conflicts.", said[1])
        self.release(s)
        s.wait_state("new", "running")
        said = self.said(s, "old")
        self.assertEqual(["old has been stopped for D, since T.",
                          "It was stopped in favour of new, with which it conflicts.",
                          "It conflicts with new, which is running."], said[:3])

    def test_for_the_one_whose_place_it_takes(self):
        s = self.supervisor(service("old", STUBBORN, LONG_STOP))
        self.up(s, "old")
        s.write_config(service("renamed", STUBBORN, LONG_STOP))
        s.ok("apply", "--no-wait")
        self.told(s, "old")
        said = self.said(s, "renamed")
        self.assertEqual([f"renamed {self.HEAD}",
                          "It takes the place of old, which has to end first and is stopping.",
                          self.SOON], said[:3])
        said = self.said(s, "old")
        self.assertTrue(said[1].startswith("It is not in the configuration any more"), said)
        self.release(s)


class Down(WhyTest):
    HEAD = "has been stopped for D, since T."

    def test_never_started_and_by_request(self):
        s = self.supervisor(service("idle", SLEEP, LATER) + service("web", SLEEP)
                            + service("bad", sh("exit 1"), NEVER)
                            + service("one", SLEEP) + service("two", SLEEP, 'conflicts = {"one"}'))
        s.wait_state("web", "running")
        s.wait_state("bad", "failed")
        self.expect(s, "idle", self.HEAD, "It has not been started since supervisord came up, as "
                                          "autostart = false wants.", by_hand("idle"))
        self.expect(s, "two", self.HEAD, "It was not started, as it conflicts with one, which is up or "
                                         "on its way.", "It conflicts with one, which is running.",
                    by_hand("two"))
        s.ok("stop", "web")
        self.expect(s, "web", self.HEAD, STOPPED, TERM, by_hand("web"))
        s.ok("reset", "bad")
        self.expect(s, "bad", self.HEAD, f"It was forgiven its failures, and set to stopped, by {ME} with "
                                         "supctl reset at T.", exited(1), by_hand("bad"))

    def test_in_a_shutdown(self):
        s = self.supervisor(service("first", ALONE, LONG_STOP)
                            + service("last", SLEEP, 'requires = {"first"}') + service("idle", SLEEP, LATER))
        s.wait_state("last", "running")
        self.up(s, "first")
        s.ok("shutdown", "--no-wait")
        self.told(s, "first")
        over = f"supervisord is shutting down: {ME} asked for that with supctl shutdown."
        self.expect(s, "last", self.HEAD, over, TERM,
                    "Nothing starts any more: supervisord is shutting down.")
        self.expect(s, "first", "has been stopping for D, since T (pid N): it is being ended, and is not "
                                "gone yet.", over, SENT, f"Still there: pid N ({PROCESS}).",
                    "Then it is stopped, and stays so.")
        self.release(s)
        self.assertEqual(0, s.wait_exit())

    def test_in_a_shutdown_by_signal_or_by_an_end(self):
        s = self.supervisor(service("first", ALONE, LONG_STOP))
        self.up(s, "first")
        s.signal(signal.SIGTERM)
        self.told(s, "first")
        self.assertEqual(f"supervisord is shutting down: {ME} sent it TERM.", self.said(s, "first")[1])
        self.release(s)
        self.assertEqual(0, s.wait_exit())
        s = self.supervisor(service("first", ALONE, LONG_STOP)
                            + service("main", sh("while [ ! -e @DIR@/up.first ]; do sleep 0.05; done"),
                                      "essential = true"))
        self.told(s, "first")
        self.assertEqual("supervisord is shutting down, since main, which is essential, has ended.",
                         self.said(s, "first")[1])
        self.release(s)
        self.assertEqual(0, s.wait_exit())


class Stopping(WhyTest):
    HEAD = "has been stopping for D, since T (pid N): it is being ended, and is not gone yet."
    GONE = "has been stopping for D, since T: it is being ended, and is not gone yet."

    def test_each_phase(self):
        wait = '{"/bin/sh", "-c", "while [ ! -e @DIR@/end ]; do sleep 0.05; done"}'
        s = self.supervisor(
            service("signal", ALONE, LONG_STOP)
            + service("command", WAITS, f"stop {{ timeout = 1h command = {wait} }}")
            + service("pre", SLEEP, f"hooks {{ pre-stop = {wait} timeout = 1h }}")
            + service("post", SLEEP, f"hooks {{ post-stop = {wait} timeout = 1h }}")
            + service("base", SLEEP, LONG_STOP)
            + service("top", STUBBORN, LONG_STOP, 'requires = {"base"}'))
        for name in ("command", "pre", "post", "base", "top"):
            s.wait_state(name, "running")
        self.up(s, "signal", "top")
        s.ok("stop", "--no-wait", "signal", "command", "pre", "post", "base")
        self.told(s, "signal")
        stays = "Then it is stopped, and stays so."
        self.expect(s, "signal", self.HEAD, STOPPED, SENT, f"Still there: pid N ({PROCESS}).", stays)
        self.expect(s, "command", self.HEAD, STOPPED, "Its stop command runs, in place of a signal; "
                    "whatever is left in D (T) gets KILL (stop.timeout = 1h).",
                    "Its stop command runs (pid N).", stays)
        self.expect(s, "pre", self.HEAD, STOPPED, "Its pre-stop hook has to end first.",
                    "Its pre-stop hook runs (pid N).", stays)
        self.expect(s, "post", self.GONE, TERM, STOPPED,
                    "All of its processes have ended; its post-stop hook runs.",
                    "Its post-stop hook runs (pid N).", stays)
        self.expect(s, "base", self.HEAD, STOPPED,
                    "It is stopped when those have ended that need it: top.", stays)
        said = self.said(s, "top")
        self.assertEqual([f"top {self.HEAD}",
                          "base, which it requires, is not there any more, so it is being stopped.",
                          SENT], said[:3])
        self.assertEqual("Then it starts again.", said[-1])
        self.release(s)

    def test_what_it_leaves_behind(self):
        s = self.supervisor(service("leaves", sh("(trap 'touch @DIR@/told.leaves' TERM; "
                                                 "touch @DIR@/up.leaves; while [ ! -e @DIR@/end ]; do "
                                                 "sleep 0.05; done) & while [ ! -e @DIR@/up.leaves ]; do "
                                                 "sleep 0.05; done; exit 3"), LONG_STOP, *HOUR))
        self.told(s, "leaves")
        said = self.said(s, "leaves")
        self.assertTrue(said.pop(4).startswith("Still there: pid N (/bin/sh -c "), said)
        self.assertEqual([f"leaves {self.GONE}", exited(3), AUTO,
                          "Its main process has ended; others that it started are still there; whatever "
                          "is left in D (T) gets KILL (stop.timeout = 1h).", AGAIN[0]], said)
        self.release(s)
        s.wait_state("leaves", "backoff")

    def test_for_another_start(self):
        s = self.supervisor(service("again", STUBBORN, LONG_STOP) + service("new", STUBBORN, LONG_STOP)
                            + service("due", STUBBORN, LONG_STOP, 'schedule { every = 1s overlap = "kill" }'))
        self.up(s, "again", "new", "due")
        s.ok("restart", "--no-wait", "again")
        s.write_config(service("again", STUBBORN, LONG_STOP)
                       + service("new", STUBBORN, LONG_STOP, 'environment = {"A=1"}')
                       + service("due", STUBBORN, LONG_STOP, 'schedule { every = 1s overlap = "kill" }'))
        s.ok("apply", "--no-wait")
        for name, why in (("again", f"It was told to restart by {ME} with supctl restart at T."),
                          ("new", f"Its configuration has changed, so it is restarted: {ME} asked for "
                                  "that with supctl apply."),
                          ("due", 'Its next run is due, and overlap = "kill" ends this one for it.')):
            with self.subTest(name):
                self.told(s, name)
                said = self.said(s, name)
                self.assertEqual([f"{name} {self.HEAD}", why, SENT], said[:3])
                self.assertIn("Then it starts again.", said)
        self.release(s)

    def test_why_it_is_ended(self):
        s = self.supervisor(service("late", STUBBORN, LONG_STOP, NEVER,
                                    'ready { on = "notify" timeout = 100ms }'))
        self.told(s, "late")
        said = self.said(s, "late")
        self.assertTrue(said.pop(5).startswith("Still there: "), said)
        self.assertEqual([f"late {self.HEAD}", "It did not become ready within 100ms (ready.timeout) of "
                          "its start, so supervisord ended it.", TO_BE_READY, AUTO, SENT,
                          "Then it has failed, and nothing starts it by itself."], said)
        self.release(s)


class Backoff(WhyTest):
    HEAD = "has been in backoff for D, since T: it has ended, and will be started again."

    def test_started_by_hand_before_its_delay_was_over(self):
        s = self.supervisor(service("web", sh("exit 3"), *HOUR))
        s.wait_state("web", "backoff")

        def tells(how, status):
            self.expect(s, "web", self.HEAD, exited(status), f"It was started by {ME} with {how} at T.",
                        AGAIN)
        for verb in ("start", "restart"):
            s.ctl(verb, "web")
            tells(f"supctl {verb}", 3)
        s.write_config(service("web", sh("exit 4"), *HOUR))
        s.ctl("apply")
        tells("supctl apply", 4)
        s.write_config(service("web", sh("exit 5"), *HOUR))
        os.kill(s.pid, signal.SIGHUP)
        tells("SIGHUP", 5)

    def test_each_way_to_end(self):
        hang = TELL + "tell('READY=1'); signal.signal(signal.SIGABRT, lambda *_: os._exit(7))\n"
        s = self.supervisor(
            service("status", sh("exit 3"), *HOUR) + service("codes", sh("exit 3"), *HOUR,
                                                             "success-codes = {0, 2, 7}")
            + service("shot", sh("kill -9 $$"), *HOUR)
            + service("crash", sh("ulimit -c 0; kill -11 $$"), *HOUR)
            + service("absent", ["/nonexistent/program"], *HOUR)
            + service("late", SLEEP, *HOUR, 'ready { on = "notify" timeout = 50ms }')
            + service("hangs", py(hang + "time.sleep(1000)"), *HOUR, 'ready { on = "notify" }',
                      "watchdog = 100ms")
            + service("trigger", py(hang + "tell('WATCHDOG=trigger'); time.sleep(1000)"), *HOUR,
                      'ready { on = "notify" }', "watchdog = 1h")
            + service("ill", SLEEP, *HOUR, 'health { command = {"/bin/false"} interval = 20ms failures = 2 }')
            + service("hook", SLEEP, *HOUR, 'hooks { pre-start = {"/bin/sh", "-c", "echo full; exit 1"} }')
            + service("empty", ["/bin/true"], *HOUR, 'type = "forking"', 'pid-file = "@DIR@/pid"'))
        ran = "Its process ran for D and "
        for name, *how in (
                ("status", exited(3)),
                ("codes", exited(3, "only 0, 2 and 7 count as success")),
                ("shot", ran + "was killed by signal 9 (KILL), which supervisord did not send: perhaps "
                               "the kernel did, out of memory (see dmesg)."),
                ("crash", ran + "was killed by signal 11 (SEGV): it used memory that is not its own."),
                ("absent", "It could not be started: /nonexistent/program does not exist, or is a script "
                           "whose interpreter (its first line) does not (No such file or directory)."),
                ("late", "It did not become ready within 50ms (ready.timeout) of its start, so supervisord "
                         "ended it.", TO_BE_READY, TERM),
                ("hangs", "It gave no sign of life for 100ms (watchdog), so supervisord ended it with "
                          "ABRT.", ran + "exited with status 7."),
                ("trigger", "It told supervisord itself that it hangs (WATCHDOG=trigger), and was ended "
                            "with ABRT.", ran + "exited with status 7."),
                ("hook", "Its pre-start hook failed, so its program was not started.",
                 "Its pre-start hook exited with code 1: full."),
                ("empty", "Its first process ended and left no main process behind, which type = "
                          '"forking" needs.', ran + "exited with status 0.")):
            with self.subTest(name):
                s.wait_state(name, "backoff")
                self.expect(s, name, self.HEAD, *how, AUTO, AGAIN)
        s.wait_state("ill", "backoff")
        self.expect(s, "ill", self.HEAD, "2 checks of its health failed in a row (the last one: exited "
                    "with code 1), so supervisord ended it.", TERM, AUTO,
                    'health.action = "restart" starts it again: automatic start 1 of 5 that restart-limit '
                    "allows within 1min.", AGAIN[1])

    def test_signals_of_others(self):
        s = self.supervisor(service("asked", SLEEP, *HOUR) + service("secret", SLEEP, *HOUR)
                            + service("endless", sh("exit 1"), *HOUR, "restart-limit = 0"))
        for name in ("asked", "secret"):
            s.wait_state(name, "running")
        s.ok("signal", "USR1", "asked")
        os.kill(s.status("secret")["pid"], signal.SIGUSR1)
        for name, who in (("asked", "an operator sent through supervisord"),
                          ("secret", "supervisord did not send")):
            s.wait_state(name, "backoff")
            self.expect(s, name, self.HEAD, f"Its process ran for D and was killed by signal 10 (USR1), "
                                            f"which {who}.", AUTO, AGAIN)
        s.wait_state("endless", "backoff")
        self.expect(s, "endless", self.HEAD, exited(1), AUTO,
                    'restart = "on-failure" starts it again, and restart-limit = 0 never gives up.',
                    AGAIN[1])


class Ended(WhyTest):
    FAILED = "failed D ago (T)."
    EXITED = "has exited D ago (T): it ended as it should."
    SUCCESS = "Its process ran for D and exited with status 0, which counts as success."

    def test_exited(self):
        s = self.supervisor(service("done", ["/bin/true"]) + service("job", ["/bin/true"], 'type = "oneshot"'))
        for name in ("done", "job"):
            s.wait_state(name, "exited")
            self.expect(s, name, self.EXITED, self.SUCCESS, AUTO,
                        'restart = "on-failure" starts it again only after a failure.', by_hand(name))

    def test_failed(self):
        quick = ("restart-delay = 1ms", "restart-max-delay = 1ms")
        s = self.supervisor(
            service("limit", sh("exit 1"), *quick, "restart-limit = 2", "restart-window = 1h")
            + service("never", sh("exit 1"), NEVER)
            + service("normal", sh("exit 1"), 'restart = "on-abnormal"')
            + service("late", SLEEP, NEVER, 'ready { on = "notify" timeout = 50ms }')
            + service("absent", ["no-such-program-anywhere"], NEVER)
            + service("closed", ["@DIR@/supervisord.conf"], NEVER)
            + service("lost", SLEEP, NEVER, 'directory = "/nonexistent"')
            + service("ill", SLEEP, 'health { command = {"/bin/false"} interval = 20ms failures = 1 '
                                    'action = "stop" }')
            + service("page", sh("exit 1"), NEVER, 'hooks { on-failed = {"/bin/sh", "-c", "exit 9"} }'))
        start = "It could not be started: "
        for name, *how in (
                ("never", exited(1), AUTO, NOT_AGAIN),
                ("normal", exited(1), AUTO,
                 'restart = "on-abnormal" starts it again only after a signal, a crash or a timeout.'),
                ("late", "It did not become ready within 50ms (ready.timeout) of its start, so supervisord "
                         "ended it.", TO_BE_READY, TERM, AUTO, NOT_AGAIN),
                ("absent", start + "there is no program no-such-program-anywhere in any directory of PATH "
                                   "(No such file or directory).", AUTO, NOT_AGAIN),
                ("closed", start + "@DIR@/supervisord.conf may not be executed by supervisord's user: look at its "
                                   "mode, and at those of the directories above it (Permission denied).",
                 AUTO, NOT_AGAIN),
                ("lost", start + "its directory /nonexistent does not exist: make it, or change "
                                 '"directory" (No such file or directory).', AUTO, NOT_AGAIN),
                ("ill", "1 check of its health failed (the last one: exited with code 1), so "
                        "supervisord ended it.", TERM, AUTO, 'health.action = "stop" leaves it at that.')):
            with self.subTest(name):
                s.wait_state(name, "failed")
                self.expect(s, name, self.FAILED, *how, by_hand(name))
        s.wait_state("limit", "failed")
        self.expect(s, "limit", self.FAILED, exited(1),
                    "Before that it exited with status 1 at T, and exited with status 1 at T.", AUTO,
                    'restart = "on-failure" would start it again, but it was started automatically 2 times '
                    "within 1h (restart-window), and restart-limit allows no more.", by_hand("limit"))
        s.wait_state("page", "failed")
        self.expect(s, "page", self.FAILED, exited(1), AUTO, NOT_AGAIN, by_hand("page"),
                    "Its on-failed hook exited with code 9.")


class Lines(WhyTest):
    def test_the_last_lines_of_this_run(self):
        s = self.supervisor(service("web", sh("[ -e @DIR@/once ] || { touch @DIR@/once; echo older; exit 1; }; "
                                              "for i in 1 2 3; do echo line $i; done; printf '\\033[2Jbad\\a\\n'; "
                                              "exit 3"), "restart-delay = 1ms", "restart-limit = 1")
                            + service("mute", sh("exit 1"), NEVER)
                            + service("none", sh("echo x; exit 1"), NEVER, 'log { file = "none" }'))
        s.wait_state("web", "failed")
        row = s.json("why", "web")[0]
        lines = row["last_lines"]
        self.assertEqual(["line 1", "line 2", "line 3", "\x1b[2Jbad\a"], lines[0]["lines"])
        self.assertEqual("Last lines of this run (web.log):", lines[0]["title"])
        self.assertEqual(["\x1b[2Jbad\a"], s.json("why", "-n", "1", "web")[0]["last_lines"][0]["lines"])
        self.assertEqual([], s.json("why", "-n", "0", "web")[0]["last_lines"])
        out = s.ok("why", "web")
        self.assertTrue(out.endswith("  Last lines of this run (web.log):\n    | line 1\n    | line 2\n"
                                     "    | line 3\n    | ?[2Jbad?\n"), out)
        s.wait_state("mute", "failed")
        self.assertIn("It has written nothing", s.ok("why", "mute"))
        s.wait_state("none", "failed")
        self.assertTrue(s.ok("why", "none").endswith('\n  Its output is not kept here (log.file = "none").\n'))

    def test_after_a_rotation(self):
        s = self.supervisor(service("web", sh("i=0; while [ $i -lt 600 ]; do echo $i "
                                              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; "
                                              "i=$((i+1)); done; echo last; exec sleep 100000"),
                                    "log { max-size = 32K }"))
        s.wait_log("web", "last\n")
        log = s.json("why", "-n", "1", "web")[0]["last_lines"][0]
        self.assertEqual(["last"], log["lines"])
        self.assertEqual("", log["note"])
        log = s.json("why", "-n", "1000", "web")[0]["last_lines"][0]
        self.assertEqual("last", log["lines"][-1])
        self.assertIn("was rotated", log["note"])

    def test_on_a_terminal(self):
        s = self.supervisor(service("bad", sh("printf '\\033]0;x\\a\\233\\n'; exit 1"), NEVER))
        s.wait_state("bad", "failed")
        ours, theirs = pty.openpty()
        env = {k: v for k, v in s.env.items() if k != "NO_COLOR"} | {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
        p = subprocess.Popen([s.supctl, "-s", s.socket_path, "why", "bad"], stdin=theirs, stdout=theirs,
                             stderr=theirs, env=env)
        os.close(theirs)
        out = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
        os.close(ours)
        self.assertEqual(0, p.wait(20))
        self.assertTrue(out.startswith(b"\x1b[31mbad failed "), out)
        self.assertRegex(re.sub(rb"\x1b\[\d*m", b"", out), rb"\A(?:[\x20-\x7e\r\n]|\xef\xbf\xbd)*\Z")
        self.assertIn(b"?]0;x?\xef\xbf\xbd", out)

    @unittest.skipUnless(os.geteuid() == 0, "takes root to be somebody else")
    def test_who_may_not_read_the_log_is_told_so(self):
        s = self.supervisor('control { observers = {"nobody"} }\n' + service("web", sh("echo x; exit 1"), NEVER))
        s.wait_state("web", "failed")
        s.publish_supctl()
        done = subprocess.run([s.supctl, "-s", s.socket_path, "why", "web"], user=NOBODY, group=NOBODY,
                              extra_groups=[], env=s.env, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertTrue(done.stdout.endswith(f"  Its log {s.log_path('web')} can't be read here: "
                                             "Permission denied.\n"), done.stdout)


class Asking(WhyTest):
    def test_names(self):
        s = self.supervisor(service("web", SLEEP, "instances = 2", 'groups = {"front"}') + service("db", SLEEP))
        for name in ("web@1", "web@2", "db"):
            s.wait_state(name, "running")
        self.assertEqual(["web@1", "web@2"], [r["service"]["name"] for r in s.json("why", "web")])
        self.assertEqual(["web@1", "web@2"], [r["service"]["name"] for r in s.json("why", "@front")])
        self.assertEqual(["web@1", "db"], [r["service"]["name"] for r in s.json("why", "db", "*@1")])
        out = s.ok("why", "-n", "0", "*")
        self.assertEqual(3, len(out.split("\n\n")))
        self.assertEqual([f"{n} has been running for" for n in ("web@1", "web@2", "db")],
                         [p.rsplit(" for ", 1)[0].split(" for ")[0] + " for" for p in out.split("\n\n")])
        code, out, err = s.ctl("why", "nobody")
        self.assertEqual((4, "", "supctl: nobody: no such service\n"), (code, out, err))
        self.assertEqual(2, s.ctl("why")[0])
        s.stop()
        code, out, err = s.ctl("why", "db")
        self.assertEqual((4, ""), (code, out))
        self.assertIn("is supervisord running?", err)

    def test_the_next_engine_says_the_same(self):
        s = self.supervisor(service("web", sh("echo hello; exit 3"), *HOUR) + service("app", SLEEP, 'requires = {"db"}')
                            + service("db", sh("exit 1"), NEVER, 'ready { on = "notify" }')
                            + service("hand", SLEEP, LATER))
        s.wait_state("web", "backoff")
        s.wait_state("db", "failed")
        s.ok("start", "hand")
        s.ok("stop", "hand")
        names = ("web", "app", "db", "hand")
        before = {name: self.said(s, name) for name in names}
        self.assertEqual(STOPPED, before["hand"][1])
        s.kill_engine()
        self.assertEqual(before, {name: self.said(s, name) for name in names})

    def test_the_method_is_described(self):
        s = self.supervisor(service("web", SLEEP))
        with s.connect() as v:
            text = v.call("org.varlink.service.GetInterfaceDescription",
                          {"interface": harness.INTERFACE})["description"]
        described = re.search(r"^method Why\(name: string\) -> \(\n(.*?)^\)$", text, re.M | re.S).group(1)
        described = re.sub(r"#.*", "", described)
        depth, members, word = 0, set(), ""
        for c in described:
            depth += (c == "(") - (c == ")")
            if depth == 0 and c == ":":
                members.add(word.split()[-1])
                word = ""
            word = "" if c == "," else word + c
        self.assertEqual(members, set(s.varlink("Why", {"name": "web"})))


if __name__ == "__main__":
    harness.main()
