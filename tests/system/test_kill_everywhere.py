"""The engine kills itself at its Nth system call, for N over all of its life: while it starts,
while it recovers, and while it does what it is asked for. Nothing of that may show: everything
comes to what was asked for by one start per generation, each exit is counted once, and what a
step has nothing to do with stays as it is, to the microsecond.

KILL_STEP says how many calls lie between two deaths; 1 tries each.
Needs the programs built with faults (SUPERVISORD_FAULTY); see base/sys.h for the rules.
"""

import json
import os
import signal
import sys

import chains
import harness
from area import Area, plain
from harness import is_alive, private_key, service, sh, wait_until

try:
    import sysv_ipc
except ImportError:
    print("python3-sysv-ipc is missing")
    sys.exit(77)

FAULTY = os.environ.get("SUPERVISORD_FAULTY")
if not FAULTY or not os.access(FAULTY, os.X_OK):
    print("there is no supervisord with faults (SUPERVISORD_FAULTY)")
    sys.exit(77)

STEP = int(os.environ.get("KILL_STEP", "48" if "HARNESS_SLOW" in os.environ else "16"))
HOUR = 3600 * 1000000
QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0")
SLOW = ("restart-delay = 1h", "restart-max-delay = 1h", "restart-jitter = 0")

# Each start is a line with its invocation.
NOTE = 'echo $SUPERVISOR_INVOCATION >>"@DIR@/starts/$SUPERVISOR_NAME"; '


def noting(script):
    return sh(NOTE + script)


RUN = noting("exec sleep 100000")


def config(changed=False):
    value = "b" if changed else "a"
    text = (service("web", RUN, "instances = 2", "restart-limit = 0", *QUICK)
            + service("idle", RUN, "autostart = false")
            + service("db", RUN) + service("app", RUN, 'requires = {"db"}')
            + service("stubborn", noting("trap '' TERM; while :; do sleep 1; done"),
                      "stop { timeout = 150ms }")
            + service("bad", noting("exit 7"), "autostart = false", *SLOW)
            + service("later", noting("exit 1"), *SLOW)
            + service("done", noting("exit 0"))
            + service("cron", noting("exit 0"), 'type = "oneshot"', 'schedule { every = "1h" }')
            + service("set", RUN, f'environment = {{"VALUE={value}"}}'))
    return text + (service("extra", RUN) if changed else "")


SETTLED = {"web@1": "running", "web@2": "running", "idle": "stopped", "db": "running",
           "app": "running", "stubborn": "running", "bad": "stopped", "later": "backoff",
           "done": "exited", "cron": "waiting", "set": "running"}
STARTED = ("web@1", "web@2", "db", "app", "stubborn", "later", "done", "set")


class KillEverywhere(harness.SystemTest):
    def begin(self, start=True, text=None):
        s = self.supervisor(text or config(), executable=os.path.abspath(FAULTY), key=private_key(),
                            prepare=lambda s: os.mkdir(f"{s.dir}/starts"), start=False)
        s.env["SUPERVISOR_FAULT"] = f"engine:any:@{s.dir}/die:KILL"
        self.s, self.seq, self.queue, self.queue_id = s, 0, None, None
        if start:
            s.start()
        if start and not text:
            self.wait_settled()
        return s

    # --- deaths

    def n_deaths(self):
        return self.s.stderr().count("was killed by signal KILL")

    def disarm(self):
        """The engine has not come to its call: it dies here."""
        try:
            os.unlink(f"{self.s.dir}/die")
        except FileNotFoundError:
            self.s.kill_engine()

    # --- what has to hold

    def starts(self, name):
        try:
            with open(f"{self.s.dir}/starts/{name}", encoding="ascii") as f:
                lines = f.read().split()
        except FileNotFoundError:
            return 0
        self.assertEqual(len(lines), len(set(lines)), f"a generation of '{name}' started twice")
        return len(lines)

    def wait_settled(self):
        for name, state in SETTLED.items():
            self.s.wait_state(name, state)
        for name in STARTED:
            wait_until(lambda n=name: self.starts(n) > 0, f"'{name}' has begun")

    def check_queue(self):
        """The same queue, and no gap in seq; a message may come twice."""
        if not self.queue:
            self.queue = sysv_ipc.MessageQueue(self.s.key)
            self.queue_id = self.queue.id
        while True:
            try:
                body, _ = self.queue.receive(block=False)
            except sysv_ipc.BusyError:
                break
            seq = json.loads(body)["seq"]
            self.assertLessEqual(seq, self.seq + 1, "there is a gap in seq")
            self.seq = max(self.seq, seq)
        self.assertEqual(self.queue_id, Area(self.s.runtime_dir).head.queue_id)

    def step(self, n, name, act, expected):
        """
        Acts with a death at the nth call. expected: {service: (state, starts)}; all others stay
        as they are. Whether an engine has died of it.
        """
        s = self.s
        before = Area(s.runtime_dir)
        starts = {x: self.starts(x) for x in set(before.records) | set(expected)}
        deaths = self.n_deaths()
        self.s.die_at(n)
        act()
        for x, (state, more) in expected.items():
            s.wait_state(x, state)
            wait_until(lambda x=x, m=more: self.starts(x) >= starts.get(x, 0) + m, f"{x} has begun")
        died = self.n_deaths() > deaths
        if not died:
            self.disarm()
        wait_until(s.answers, "an engine answers")
        after = Area(s.runtime_dir)
        where = f"{name}, killed at call {n}"
        for x in starts:
            state, more = expected.get(x, (None, 0))
            self.assertEqual(starts[x] + more, self.starts(x), f"starts of '{x}': {where}")
            if state or x not in after.records:
                continue
            old, new = before.lasting(x), after.lasting(x)
            changed = {k: (old[k], new[k]) for k in old if old[k] != new[k]}
            self.assertEqual({}, changed, f"'{x}' is not as it was: {where}")
        for x, (state, more) in expected.items():
            if x in before.records and x in after.records:
                self.assertEqual(before.records[x].generation + more,
                                 after.records[x].generation, f"generation of '{x}': {where}")
        self.check_queue()
        return died

    def sweep(self, name, *pair):
        """Does and undoes something, with a death later each time, until none comes."""
        n, deaths = 1, 0
        while True:
            died = False
            for what, act, expected in pair:
                died |= self.step(n, what, act, expected)
            deaths += died
            if not died:
                break
            n += STEP
        print(f"{name}: {deaths} deaths, over {n} calls", flush=True)
        self.assertGreater(deaths, 0)
        self.check_journal()

    def check_journal(self):
        events = chains.read(self.s)
        chains.check_numbers(self, events)
        state, _ = chains.check_changes(self, events)
        rows = self.s.services()
        self.assertEqual({n: rows[n]["state"] for n in state}, state)

    # --- while it works

    def working(self, name, *pair):
        s = self.begin()
        knocker = harness.Knocker(s.socket_path)
        try:
            self.sweep(name, *[(what, lambda a=args: s.ok(*a), expected)
                               if isinstance(args, tuple) else (what, args, expected)
                               for what, args, expected in pair])
        finally:
            problems = knocker.finish()
        self.assertEqual([], problems)

    def test_start_and_stop(self):
        self.working("start and stop",
                     ("start", ("start", "idle"), {"idle": ("running", 1)}),
                     ("stop", ("stop", "idle"), {"idle": ("stopped", 0)}))

    def test_restart(self):
        self.working("restart", ("restart", ("restart", "web@1"), {"web@1": ("running", 1)}))

    def test_a_stop_with_its_timeout(self):
        self.working("stop by timeout",
                     ("stop", ("stop", "stubborn"), {"stubborn": ("stopped", 0)}),
                     ("start", ("start", "stubborn"), {"stubborn": ("running", 1)}))

    def test_dependencies(self):
        self.working("dependencies",
                     ("stop", ("stop", "db"), {"db": ("stopped", 0), "app": ("waiting", 0)}),
                     ("start", ("start", "db"), {"db": ("running", 1), "app": ("running", 1)}))

    def test_a_failure_and_its_backoff(self):
        def fail():
            before = Area(self.s.runtime_dir).records["bad"]
            self.s.ctl("start", "bad", "--no-wait")
            self.s.wait_state("bad", "backoff")
            r = Area(self.s.runtime_dir).records["bad"]
            # From when its end is judged, which may be the next engine's to do.
            delay = r.deadline_usec - r.ended_usec
            self.assertLessEqual(HOUR, delay)
            self.assertLess(delay, HOUR + 10000000)
            self.assertEqual(7, r.exits[0].status)
            self.assertEqual(plain(before.exits)[:3], plain(r.exits)[1:], "counted once")
        self.working("failure", ("fail", fail, {"bad": ("backoff", 1)}),
                     ("stop", ("stop", "bad"), {"bad": ("stopped", 0)}))

    def test_an_exit_and_the_restart_after_it(self):
        def crash():
            before = Area(self.s.runtime_dir).records["web@2"]
            os.kill(before.pid, signal.SIGKILL)
            self.s.wait_service("web@2", lambda r: r["state"] == "running"
                                and r["pid"] != before.pid, "it runs anew")
            after = Area(self.s.runtime_dir).records["web@2"]
            self.assertEqual(before.restarts + 1, after.restarts, "counted once")
        self.working("exit", ("crash", crash, {"web@2": ("running", 1)}))

    def test_reload(self):
        def apply(changed):
            self.s.write_config(config(changed))
            self.s.ok("apply")
            if not changed:
                wait_until(lambda: "extra" not in self.s.services(), "it is removed")
        self.working("reload",
                     ("apply", lambda: apply(True), {"set": ("running", 1),
                                                     "extra": ("running", 1)}),
                     ("take back", lambda: apply(False), {"set": ("running", 1)}))

    def test_what_has_to_wait_for_a_log(self):
        speak = "echo $SUPERVISOR_INVOCATION; echo $SUPERVISOR_INVOCATION >&2; "
        s = self.begin(text=service(
            "web", sh(speak + NOTE + "exec sleep 100000"),
            'log { file = "@DIR@/later/out" stderr = "@DIR@/later/err" overflow = "block" }'))
        s.tolerated = "its output waits"
        s.wait_state("web", "running")
        wait_until(lambda: self.starts("web") == 1, "it has begun")
        self.sweep("what waits", ("restart", lambda: s.ok("restart", "web"), {"web": ("running", 1)}))
        s.ok("stop", "web")
        s.kill_launcher()
        s.kill_engine()
        wait_until(s.answers, "an engine answers")
        os.mkdir(f"{s.dir}/later")
        expected = s.read(f"{s.dir}/starts/web")
        for path in (f"{s.dir}/later/out", f"{s.dir}/later/err"):
            wait_until(lambda p=path: os.path.exists(p) and len(s.read(p)) >= len(expected),
                       "all is there")
            self.assertEqual(expected, s.read(path))

    def test_scale(self):
        def down():
            self.s.ok("scale", "web", "2")
            wait_until(lambda: "web@3" not in self.s.services(), "it is removed")
        self.working("scale", ("up", ("scale", "web", "3"), {"web@3": ("running", 1)}),
                     ("down", down, {}))

    # --- while it recovers

    def test_recovery(self):
        s = self.begin()
        knocker = harness.Knocker(s.socket_path)
        before = Area(s.runtime_dir)
        n = deaths = 0
        while True:
            n += max(1, STEP // 4)
            engine = s.wait_engine()
            died = self.n_deaths()
            # The order is for the next engine: this one makes no call any more.
            os.kill(engine, signal.SIGSTOP)
            wait_until(lambda e=engine: harness.stat_of(e)[0] == b"T", "the engine is stopped")
            self.s.die_at(n)
            os.kill(engine, signal.SIGKILL)
            wait_until(lambda d=died: self.n_deaths() > d, "the engine is dead")
            wait_until(s.answers, "the next engine answers")
            if self.n_deaths() == died + 1:
                self.disarm()
                break
            deaths += 1
            after = Area(s.runtime_dir)
            self.assertEqual(set(before.records), set(after.records))
            for x in before.records:
                self.assertEqual(before.lasting(x), after.lasting(x), f"'{x}', death at call {n}")
            self.check_queue()
        self.assertEqual([], knocker.finish())
        for name in STARTED:
            self.assertEqual(1, self.starts(name), name)
        print(f"recovery: {deaths} deaths, over {n} calls", flush=True)
        self.assertGreater(deaths, 5)

    # --- while it starts

    def test_startup(self):
        deaths, n = 0, 1
        while True:
            s = self.begin(start=False)
            self.s.die_at(n)
            s.start()
            self.wait_settled()
            died = self.n_deaths()
            for name in STARTED:
                self.assertEqual(1, self.starts(name), f"'{name}', death at call {n}")
            rows = wait_until(s.services, "an engine answers")  # it may die only now
            for name, state in SETTLED.items():
                self.assertEqual(state, rows[name]["state"], f"death at call {n}")
                self.assertEqual(0, rows[name]["restarts"], f"death at call {n}")
                pid = rows[name]["pid"]
                self.assertTrue(pid is None or is_alive(pid))
            self.check_queue()
            s.stop()
            if died == 0:
                break
            deaths += died
            n += 2 * STEP
        print(f"start: {deaths} deaths, over {n} calls", flush=True)
        self.assertGreater(deaths, 2)


if __name__ == "__main__":
    harness.main()
