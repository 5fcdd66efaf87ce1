"""Schedules: runs come round again and again, whatever dies, is changed or overlaps."""

import datetime
import glob
import re

import harness
from harness import INTERFACE, SLEEP, is_alive, service, sh, wait_until

# Counts its run, and goes on until there is the file gate.
HELD = sh('echo run; while [ ! -e "$0" ]; do sleep 0.02; done') + ["@DIR@/gate"]
# The same, but it ends at TERM, and says so.
ENDING = sh("trap 'echo end; exit 0' TERM; echo run; while :; do sleep 0.02; done")

CLOCK_REALTIME = 0
ABSTIME_AND_CANCEL = 0o3


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def clocks_of(pid):
    """The timers on the real clock that a process has: whether each is armed to be cancelled."""
    found = []
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        try:
            with open(path, encoding="utf-8") as f:
                fields = dict(re.findall(r"^([\w ]+):\s*(.*)$", f.read(), re.M))
        except FileNotFoundError:  # it has been closed meanwhile
            continue
        if fields.get("clockid") == str(CLOCK_REALTIME):
            armed = "(0, 0)" not in fields["it_value"]
            found.append(armed and int(fields["settime flags"], 8) == ABSTIME_AND_CANCEL)
    return found


class Schedule(harness.SystemTest):
    def schedule(self, s, name):
        return s.show(name)["schedule"]

    def next_run(self, s, name):
        return self.schedule(s, name)["next_run"]

    def runs(self, s, name, word="run"):
        return s.read_log(name).split().count(word)

    def wait_runs(self, s, name, n):
        wait_until(lambda: self.runs(s, name) >= n, f"'{name}' has run {n} times")

    def wait_next_runs(self, s, name, n):
        """Until n runs have been due."""
        seen = set()

        def enough():
            seen.add(self.next_run(s, name))
            return len(seen - {None}) > n
        wait_until(enough, f"{n} runs of '{name}' are due")

    def follow(self, s, name):
        v = s.connect()
        self.addCleanup(v.close)
        v.send(f"{INTERFACE}.Events", {"names": [name]}, more=True)
        v.receive()
        return v

    def states(self, v, n):
        """The next n changes of a service, as it goes from one state to the next."""
        states = []
        while len(states) < n:
            event = v.receive()["parameters"]["event"]
            if event["type"] == "state":
                states.append(event["state"])
        return states

    def test_every_runs_again_and_again(self):
        s = self.supervisor(service("job", sh("echo run"), 'type = "oneshot"',
                                    'schedule { every = "50ms" }'))
        self.wait_runs(s, "job", 10)
        row = s.status("job")
        self.assertEqual((row["desired"], row["restarts"]), ("up", 0))
        self.assertIn(row["state"], ("waiting", "starting"))

    def test_the_first_run_of_every_is_one_period_after_the_start(self):
        s = self.supervisor(service("job", sh("echo run"), 'schedule { every = "1h" }'))
        row = s.wait_service("job", lambda r: r["next_start_ms"], "it is planned")
        self.assertEqual((row["state"], row["reason"], row["pid"]),
                         ("waiting", "waiting for its schedule", None))
        self.assertLessEqual(row["next_start_ms"], 3600_000)
        self.assertGreater(row["next_start_ms"], 3500_000)
        self.assertRegex(s.ctl("status", "job")[1],
                         r"job +waiting .* waiting for its schedule; next run in (1h|59min \d+s)\n")
        self.assertEqual(3, s.ctl("status", "job")[0])
        text = s.ok("show", "job")
        self.assertRegex(text, r"(?m)^schedule +every 1h, overlap skip$")
        self.assertRegex(text, r"(?m)^next run +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        left = moment(self.next_run(s, "job")) - now()
        self.assertLess(abs(left.total_seconds() - s.status("job")["next_start_ms"] / 1000), 5)

    def test_a_start_runs_it_now_and_a_stop_forgets_the_schedule(self):
        s = self.supervisor(service("job", sh("echo run"), 'schedule { every = "1h" }'))
        s.wait_state("job", "waiting")
        s.ok("start", "job")
        self.wait_runs(s, "job", 1)
        row = s.wait_state("job", "waiting")
        self.assertEqual("waiting for its schedule; last run: exited with code 0", row["reason"])
        s.ok("stop", "job")
        self.assertIsNone(s.status("job")["next_start_ms"])
        self.assertIsNone(self.next_run(s, "job"))
        self.assertRegex(s.ok("show", "job"), r"(?m)^next run +none$")

    def test_a_run_that_fails_is_followed_by_the_next(self):
        s = self.supervisor(service("job", sh("echo run; exit 3"), 'restart = "never"',
                                    'schedule { every = "100ms" }'))
        self.wait_runs(s, "job", 3)
        s.wait_service("job", lambda r: r["state"] == "failed" and r["exit_code"] == 3,
                       "a run has failed")

    # --- overlap ---

    def begin(self, overlap, command):
        """A service that runs, by an operator's start, and its changes from then on."""
        s = self.supervisor(service("job", command, "autostart = false",
                                    f'schedule {{ every = "100ms" overlap = {overlap} }}'))
        v = self.follow(s, "job")
        s.ok("start", "job")
        self.wait_runs(s, "job", 1)
        return s, v

    def let_end(self, s, overlap):
        """Once three runs were due during the first one, that ends, and no more are due."""
        pid = s.status("job")["pid"]
        self.wait_next_runs(s, "job", 3)
        s.write_config(service("job", HELD, "autostart = false",
                               f'schedule {{ every = "1h" overlap = {overlap} }}'))
        s.ok("apply")
        s.wait_service("job", lambda r: (r["next_start_ms"] or 0) > 1000, "it is planned anew")
        row = s.status("job")
        self.assertEqual((pid, "running", 1), (row["pid"], row["state"], self.runs(s, "job")))
        s.flag("gate")

    def test_skip_leaves_out_what_is_due_meanwhile(self):
        s, v = self.begin("skip", HELD)
        self.let_end(s, "skip")
        self.assertEqual(self.states(v, 3), ["starting", "running", "waiting"])
        self.assertEqual(1, self.runs(s, "job"))

    def test_queue_runs_once_more_at_once(self):
        s, v = self.begin("queue", HELD)
        self.let_end(s, "queue")
        self.assertEqual(self.states(v, 5), ["starting", "running"] * 2 + ["waiting"])
        self.assertEqual(2, self.runs(s, "job"))

    def test_kill_ends_the_last_run_for_the_next(self):
        s, v = self.begin("kill", ENDING)
        pid = s.status("job")["pid"]
        states = self.states(v, 20)
        followers = [after for state, after in zip(states, states[1:]) if state == "stopping"]
        self.assertGreater(len(followers), 3)
        self.assertEqual({"starting"}, set(followers))
        self.assertNotIn("waiting", states)
        wait_until(lambda: self.runs(s, "job", "end") > 0, "a run has been told to end")
        self.assertFalse(is_alive(pid))
        self.assertEqual(0, s.status("job")["restarts"])

    # --- the calendar ---

    def test_the_calendar_tells_a_plausible_next_run(self):
        s = self.supervisor(service("job", sh("echo run"), 'schedule { cron = "* * * * *" }'))
        s.wait_service("job", lambda r: r["next_start_ms"] is not None, "it is planned")
        for _ in range(3):  # the minute may end in between
            before, text, after = now(), self.next_run(s, "job"), now()
            if before.minute == after.minute:
                break
        at = moment(text)
        self.assertEqual((0, 0), (at.second, at.microsecond))
        self.assertGreater(at, before)
        self.assertLessEqual(at - before, datetime.timedelta(seconds=60))
        self.assertLessEqual(s.status("job")["next_start_ms"], 60_000)
        self.assertRegex(s.ok("show", "job"), r"(?m)^schedule +\* \* \* \* \*, overlap skip$")

    def test_the_calendar_is_that_of_the_zone(self):
        s = self.supervisor(
            service("noon", sh("echo run"), 'schedule { cron = "0 12 * * *" }')
            + service("never", sh("echo run"), 'schedule { cron = "0 0 30 2 *" }'),
            env={"TZ": "NPT-5:45"})
        s.wait_service("noon", lambda r: r["next_start_ms"] is not None, "it is planned")
        at = moment(self.next_run(s, "noon"))
        self.assertEqual((6, 15, 0), (at.hour, at.minute, at.second))
        self.assertEqual(("waiting", None), (s.status("never")["state"], s.status("never")["next_start_ms"]))
        self.assertIsNone(self.next_run(s, "never"))

    def test_jitter_spreads_services(self):
        s = self.supervisor(service("job", sh("echo run"), "instances = 4",
                                    'schedule { cron = "0 0 1 1 *" jitter = 12h }'))
        names = [f"job@{i}" for i in range(1, 5)]
        for name in names:
            s.wait_service(name, lambda r: r["next_start_ms"] is not None, "it is planned")
        runs = [self.next_run(s, name) for name in names]
        self.assertEqual(4, len(set(runs)))
        times = sorted(moment(r) for r in runs)
        self.assertLess(times[-1] - times[0], datetime.timedelta(hours=12))
        self.assertRegex(s.ok("show", "job@1"), r"(?m)^schedule +0 0 1 1 \*, jitter 12h, overlap skip$")

    def test_the_real_clock_is_watched_only_for_the_calendar(self):
        every = service("job", sh("echo run"), 'schedule { every = "1h" }')
        s = self.supervisor(every)
        s.wait_service("job", lambda r: r["next_start_ms"] is not None, "it is planned")
        self.assertEqual([], clocks_of(s.engine_pid()))
        s.write_config(every + service("cal", sh("echo run"), 'schedule { cron = "@daily" }'))
        s.ok("apply")
        s.wait_service("cal", lambda r: r["next_start_ms"] is not None, "it is planned")
        self.assertEqual([True], clocks_of(s.engine_pid()))
        s.kill_engine()
        self.assertEqual([True], clocks_of(s.engine_pid()))

    # --- the engine, and other configurations ---

    def test_the_next_engine_keeps_what_is_due(self):
        s = self.supervisor(
            service("every", sh("echo run"), 'schedule { every = "1h" jitter = 30min }')
            + service("cal", sh("echo run"), 'schedule { cron = "@daily" jitter = 6h }')
            + service("soon", sh("echo run"), 'schedule { every = "3s" }'))
        for name in ("every", "cal", "soon"):
            s.wait_service(name, lambda r: r["next_start_ms"] is not None, "it is planned")
        self.wait_runs(s, "soon", 1)
        before = {name: moment(self.next_run(s, name)) for name in ("every", "cal")}
        for _ in range(3):
            s.kill_engine()
        self.assertEqual(before["cal"], moment(self.next_run(s, "cal")))
        # One clock is computed from another one.
        self.assertLess(abs(before["every"] - moment(self.next_run(s, "every"))),
                        datetime.timedelta(milliseconds=50))
        self.assertEqual((0, 0), (self.runs(s, "every"), self.runs(s, "cal")))
        self.wait_runs(s, "soon", 2)

    def test_runs_go_on_however_often_the_engine_is_killed(self):
        s = self.supervisor(service("job", sh("echo run"), 'schedule { every = "50ms" }'))
        for n in range(1, 6):
            self.wait_runs(s, "job", 3 * n)
            s.kill_engine()
        generation = s.show("job")["generation"]
        self.wait_runs(s, "job", generation + 2)
        # Each run was started once.
        wait_until(lambda: s.show("job")["generation"] >= self.runs(s, "job"), "none is doubled")

    def apply(self, s, *lines, command=SLEEP):
        s.write_config(service("job", command, *lines))
        plan = s.varlink("Plan")["plan"]["services"][0]
        s.ok("apply")
        return {key["key"]: key["effect"] for key in plan["keys"]}

    def test_another_schedule_is_in_force_at_once(self):
        s = self.supervisor(service("job", sh("echo run"), 'schedule { every = "1h" }'))
        s.wait_state("job", "waiting")
        self.assertEqual({"schedule.every": "live"},
                         self.apply(s, 'schedule { every = "50ms" }', command=sh("echo run")))
        self.wait_runs(s, "job", 3)
        self.assertEqual({"schedule.every": "live", "schedule.cron": "live"},
                         self.apply(s, 'schedule { cron = "@yearly" }', command=sh("echo run")))
        row = s.wait_service("job", lambda r: r["state"] == "waiting"
                             and (r["next_start_ms"] or 0) > 1000, "it is planned anew")
        self.assertEqual((1, 1, 0), (lambda m: (m.month, m.day, m.minute))(
            moment(self.next_run(s, "job")).astimezone()), row)
        self.assertEqual({"schedule.overlap": "live"},
                         self.apply(s, 'schedule { cron = "@yearly" overlap = queue }',
                                    command=sh("echo run")))
        self.assertEqual("queue", self.schedule(s, "job")["overlap"])

    def test_a_schedule_is_given_to_a_running_service_and_taken_away_again(self):
        s = self.supervisor(service("job", SLEEP))
        pid = s.wait_state("job", "running")["pid"]
        self.assertIsNone(s.show("job")["schedule"])
        self.apply(s, 'schedule { every = "1h" }')
        row = s.wait_service("job", lambda r: r["next_start_ms"] is not None, "it is planned")
        self.assertEqual((pid, "running"), (row["pid"], row["state"]))
        self.assertRegex(s.ok("status", "job"), r"next run in (1h|59min \d+s)\n")
        self.apply(s)
        row = s.wait_service("job", lambda r: r["next_start_ms"] is None, "no run is planned")
        self.assertEqual((pid, "running"), (row["pid"], row["state"]))

    def test_what_waits_for_a_schedule_that_goes_starts(self):
        s = self.supervisor(service("job", SLEEP, 'schedule { cron = "@yearly" }'))
        s.wait_state("job", "waiting")
        self.apply(s)
        s.wait_state("job", "running")

    def test_mistakes_are_told_with_what_is_wrong(self):
        s = self.supervisor(service("job", SLEEP))
        s.wait_state("job", "running")
        s.write_config(service("job", SLEEP, 'schedule { cron = "0 25 * * *" }'))
        code, _, err = s.ctl("apply")
        self.assertEqual(1, code)
        self.assertIn("'0 25 * * *': field 2 (hour): 25 is not in 0-23", err)


if __name__ == "__main__":
    harness.main()
