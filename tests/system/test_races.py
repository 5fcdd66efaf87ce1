"""Commands that meet: the last accepted one wins, each gets one answer, and never are there two.

Every service holds a lock for as long as its process lives; whoever finds it taken writes that
down. So a second instance would be seen whenever it was there.
"""

import os
import random
import signal
import subprocess
import threading

import harness
from harness import INTERFACE, SLEEP, service, sh, wait_until

LOCK = ("exec 9> @DIR@/lock-$SUPERVISOR_NAME; "
        "flock -n 9 || echo $SUPERVISOR_NAME $$ >> @DIR@/doubles; ")
TRACE = "echo $SUPERVISOR_NAME >> @DIR@/starts; "
LOCKED = sh(LOCK + TRACE + "exec sleep 100000")
# Takes no notice of TERM before there is @DIR@/go.
LINGER = sh("trap 'while [ ! -e @DIR@/go ]; do sleep 0.02; done; exit' TERM; " + LOCK + TRACE
            + "echo up; while :; do sleep 0.02; done")
# Is starting until there is @DIR@/gate.
SLOW = sh(LOCK + TRACE + "while [ ! -e @DIR@/gate ]; do sleep 0.02; done")
CLIENTS = 10


class Races(harness.SystemTest):
    def finish(self, s):
        if os.path.exists(f"{s.dir}/doubles"):
            self.addCleanup(self.fail, "two at once: " + s.read(f"{s.dir}/doubles"))
        super().finish(s)

    def starts(self, s, name=None):
        try:
            lines = s.read(f"{s.dir}/starts").split()
        except FileNotFoundError:
            return 0
        return sum(name in (None, line) for line in lines)

    def ask(self, s, method, *names, **parameters):
        """A call under way, on a connection of its own: the test reads its answer later."""
        v = s.connect()
        self.addCleanup(v.close)
        v.send(f"{INTERFACE}.{method}", {"names": list(names), **parameters}, more=True)
        return v

    def answers(self, v, *names):
        """Reads all of the answer, which tells of each name once and ends once: {name: ok}."""
        results = []
        while True:
            reply = v.receive()
            self.assertNotIn("error", reply)
            results += reply["parameters"].get("results", [])
            if not reply.get("continues"):
                break
        self.assertEqual(v.call("Version").keys() & {"pid", "results"}, {"pid"},
                         "what comes next is the answer to what is asked next")
        told = {r["name"]: r["ok"] for r in results}
        self.assertEqual(len(told), len(results), results)
        if names:
            self.assertEqual(sorted(told), sorted(names))
        return told

    def settled(self, s):
        rows = s.services()
        return rows if all(r["state"] not in ("starting", "stopping", "waiting")
                           for r in rows.values()) else None

    def test_a_second_instance_would_be_seen(self):
        s = self.supervisor(service("a", LOCKED))
        wait_until(lambda: self.starts(s) == 1, "it has begun")
        subprocess.run([a.replace("@DIR@", s.dir).replace("exec sleep 100000", "") for a in LOCKED],
                       env={"SUPERVISOR_NAME": "a", "PATH": os.environ["PATH"]}, check=True)
        self.assertTrue(s.read(f"{s.dir}/doubles").startswith("a "))
        os.unlink(f"{s.dir}/doubles")

    # --- two commands

    def test_start_while_it_stops(self):
        s = self.supervisor(service("a", LINGER))
        s.wait_log("a", "up")
        stop = self.ask(s, "Stop", "a")
        s.wait_state("a", "stopping")
        start = self.ask(s, "Start", "a")
        self.assertEqual(self.answers(stop, "a"), {"a": False}, "it is not going to be stopped")
        s.flag("go")
        self.assertEqual(self.answers(start, "a"), {"a": True})
        self.assertEqual(s.services()["a"]["state"], "running")
        wait_until(lambda: self.starts(s) == 2, "it has begun again")

    def test_start_and_stop_while_it_stops(self):
        s = self.supervisor(service("a", LINGER))
        s.wait_log("a", "up")
        calls = [self.ask(s, "Stop", "a")]
        s.wait_state("a", "stopping")
        for method in ("Start", "Restart", "Stop"):
            calls.append(self.ask(s, method, "a"))
            wanted = "down" if method == "Stop" else "up"
            s.wait_service("a", lambda x: x["desired"] == wanted, f"{method} is accepted")
        s.flag("go")
        self.assertEqual([self.answers(v, "a")["a"] for v in calls], [False, False, False, True])
        self.assertEqual((s.services()["a"]["state"], self.starts(s)), ("stopped", 1))

    def test_stop_while_it_starts(self):
        s = self.supervisor(service("a", SLOW, 'type = "oneshot"', "autostart = false"))
        start = self.ask(s, "Start", "a")
        s.wait_state("a", "starting")
        wait_until(lambda: self.starts(s) == 1, "it has begun")
        stop = self.ask(s, "Stop", "a")
        self.assertEqual(self.answers(start, "a"), {"a": False})
        self.assertEqual(self.answers(stop, "a"), {"a": True})
        self.assertEqual((s.services()["a"]["state"], self.starts(s)), ("stopped", 1))

    def test_restart_while_it_starts(self):
        s = self.supervisor(service("a", SLOW, 'type = "oneshot"', "autostart = false"))
        start = self.ask(s, "Start", "a")
        wait_until(lambda: self.starts(s) == 1, "it has begun")
        restart = self.ask(s, "Restart", "a")
        wait_until(lambda: self.starts(s) == 2, "it has begun again")
        s.flag("gate")
        self.assertEqual(self.answers(start, "a"), {"a": True})
        self.assertEqual(self.answers(restart, "a"), {"a": True})
        self.assertEqual((s.services()["a"]["state"], self.starts(s)), ("exited", 2))

    def test_stop_while_its_hook_runs(self):
        s = self.supervisor(service("a", LOCKED, "autostart = false",
                                    'hooks { pre-start = {"/bin/sleep", "100000"} }'))
        start = self.ask(s, "Start", "a")
        s.wait_service("a", lambda x: x["phase"] == "pre-start", "its hook runs")
        stop = self.ask(s, "Stop", "a")
        self.assertEqual(self.answers(start, "a"), {"a": False})
        self.assertEqual(self.answers(stop, "a"), {"a": True})
        self.assertEqual(self.starts(s), 0)

    def waiting(self, how):
        """A supervisor with a service `a` that waits."""
        if how == "place":
            config = ("max-starting = 1\n" + service("first", SLOW, 'type = "oneshot"')
                      + service("a", LOCKED))
        elif how == "pool":
            config = ('pool "p" { slots = 1 }\n' + service("first", SLOW, 'pool = "p"')
                      + service("a", LOCKED, 'pool = "p"'))
        else:
            config = (service("first", SLOW, 'type = "oneshot"')
                      + service("a", LOCKED, 'requires = {"first"}'))
        s = self.supervisor(config)
        row = s.wait_state("a", "waiting")
        names = {"service": "first", "pool": "p", "place": None}
        self.assertEqual(row["waiting_for"], {"kind": how, "name": names[how]})
        wait_until(lambda: self.starts(s, "first") == 1, "the first one has begun")
        return s

    def test_commands_while_it_waits(self):
        for how in ("place", "pool", "service"):
            with self.subTest(how):
                s = self.waiting(how)
                start, restart = self.ask(s, "Start", "a"), self.ask(s, "Restart", "a")
                stop = self.ask(s, "Stop", "a")
                self.assertEqual(self.answers(stop, "a"), {"a": True})
                self.assertEqual(s.services()["a"]["state"], "stopped")
                for v in (start, restart):
                    # whichever came first: the stop counted, or it was accepted after it
                    self.answers(v, "a")
                s.ok("stop", "a")
                s.flag("gate")
                s.wait_state("first", "exited")
                self.assertEqual((s.services()["a"]["state"], self.starts(s, "a")), ("stopped", 0))
                s.ok("start", "a")
                wait_until(lambda: self.starts(s, "a") == 1, "it has begun")

    def test_commands_in_backoff(self):
        s = self.supervisor(service("a", sh(LOCK + TRACE + "[ -e @DIR@/gate ] && exec sleep 100000; "
                                            "exit 1"), "restart-delay = 1h",
                                    "restart-max-delay = 1h"))
        s.wait_state("a", "backoff")
        s.ok("stop", "a")
        self.assertEqual(s.services()["a"]["state"], "stopped")
        for verb in ("start", "restart"):
            s.ctl(verb, "a")
            s.wait_state("a", "backoff")
        self.assertEqual(self.starts(s), 3)
        s.flag("gate")
        calls = [self.ask(s, "Start", "a"), self.ask(s, "Start", "a")]
        self.assertEqual([self.answers(v) for v in calls], [{"a": True}] * 2)
        wait_until(lambda: self.starts(s) == 4, "it has begun")
        self.assertEqual(s.services()["a"]["state"], "running")

    # --- in parallel

    def barrier(self, where, n=8):
        """Each goes on only when all n of them have come there: one after the other never ends."""
        meet = (f"mkdir -p @DIR@/{where}-$1; touch @DIR@/{where}-$1/$SUPERVISOR_NAME; "
                f"while [ $(ls @DIR@/{where}-$1 | wc -l) -lt {n} ]; do sleep 0.02; done")
        if where == "down":
            script = LOCK + f"trap 'set -- $1; {meet}; exit' TERM; {TRACE} while :; do sleep 0.02; done"
        else:
            script = LOCK + TRACE + meet
        return sh(f"set -- $(cat @DIR@/round); {script}")

    def begin_round(self, s, n):
        with open(f"{s.dir}/round", "w", encoding="utf-8") as f:
            f.write(str(n))

    def test_stops_and_restarts_of_many_run_side_by_side(self):
        s = self.supervisor("".join(service(f"s{i}", self.barrier("down"), "stop { kill = process }")
                                    for i in range(8)), start=False)
        self.begin_round(s, 1)
        s.start()
        wait_until(lambda: self.starts(s) == 8, "all have begun")
        self.begin_round(s, 2)
        s.ok("restart", "*")
        wait_until(lambda: self.starts(s) == 16, "all have begun again")
        s.ok("stop", "*")
        for row in s.services().values():
            self.assertEqual((row["state"], row["exit_code"]), ("stopped", 0), "none was killed")

    def test_starts_of_many_run_side_by_side(self):
        s = self.supervisor("".join(service(f"s{i}", self.barrier("up"), 'type = "oneshot"',
                                            "autostart = false") for i in range(8)), start=False)
        self.begin_round(s, 1)
        s.start()
        s.ok("start", "*")
        self.assertEqual({r["state"] for r in s.services().values()}, {"exited"})

    def test_what_depends_on_each_other_is_stopped_in_order_and_the_rest_beside_it(self):
        s = self.supervisor(service("db", LINGER)
                            + service("web", LINGER, 'requires = {"db"}')
                            + service("alone", LINGER))
        for name in ("db", "web", "alone"):
            s.wait_log(name, "up")
        stop = self.ask(s, "Stop", "db", "web", "alone")
        s.wait_state("alone", "stopping")
        s.wait_service("db", lambda x: x["phase"] == "dependents", "it waits for who needs it")
        self.assertEqual(s.services()["web"]["phase"], "signal")
        s.flag("go")
        self.assertEqual(self.answers(stop), {"db": True, "web": True, "alone": True})

    # --- storms

    def storm(self, s, method, *names):
        """Ten clients at once, half of them with a stream: what each was told."""
        calls = []
        for i in range(CLIENTS):
            v = s.connect()
            self.addCleanup(v.close)
            more = {"more": True} if i % 2 else {}
            calls.append((v, more))
        for v, more in calls:
            v.send(f"{INTERFACE}.{method}", {"names": list(names)}, **more)
        return [self.answers(v) for v, _ in calls]

    def test_restarts_of_one_from_ten_clients(self):
        s = self.supervisor(service("a", LOCKED))
        s.wait_state("a", "running")
        for _ in range(5):
            told = self.storm(s, "Restart", "a")
            self.assertEqual(told, [{"a": True}] * CLIENTS)
        self.assertEqual(s.services()["a"]["state"], "running")
        self.assertLessEqual(s.show("a")["generation"], 1 + 5 * CLIENTS)

    def test_restarts_of_one_that_is_slow_to_stop_are_one_restart(self):
        s = self.supervisor(service("a", LINGER))
        s.wait_log("a", "up")
        calls = [self.ask(s, "Restart", "a") for _ in range(CLIENTS)]
        s.wait_state("a", "stopping")
        with s.connect() as v: # accepted after all of them, since they were sent before
            v.call("Version")
        wait_until(lambda: s.stderr().count(": Restart a") == CLIENTS, "all are accepted")
        s.flag("go")
        self.assertEqual([self.answers(v) for v in calls], [{"a": True}] * CLIENTS)
        wait_until(lambda: self.starts(s) == 2, "it has begun again")
        self.assertEqual(s.show("a")["generation"], 2)

    TREE = (service("db", LOCKED) + service("cache", LOCKED)
            + service("web", LOCKED, "instances = 3", 'requires = {"db"}', 'wants = {"cache"}')
            + service("front", LOCKED, 'requires = {"web"}') + service("alone", LOCKED))
    NAMES = ["db", "cache", "web@1", "web@2", "web@3", "front", "alone"]

    def test_restarts_of_many_that_need_each_other_from_ten_clients(self):
        s = self.supervisor(self.TREE)
        s.wait_state("front", "running")
        for names in (["*"], ["db"], ["web", "cache"], ["front", "db", "web@2"]):
            for told in self.storm(s, "Restart", *names):
                self.assertTrue(all(told.values()), told)
        rows = wait_until(lambda: self.settled(s), "all has settled")
        self.assertEqual({r["state"] for r in rows.values()}, {"running"}, rows)

    def random_commands(self, s, seed, n_kills=0):
        """Clients that act at random, each with supctl: one line for each name, whatever comes."""
        problems, enough = [], threading.Event()

        def client(number):
            r = random.Random(f"{seed}/{number}")
            n = 0
            while n < 6 or not enough.is_set():
                n += 1
                verb = r.choice(("start", "stop", "restart", "restart"))
                names = r.sample(self.NAMES, r.randint(1, 4))
                code, out, err = s.ctl(verb, *names)
                told = sorted(l.removeprefix("supctl: ").split(":")[0]
                              for l in (out + err).splitlines())
                if code not in (0, 1) or told != sorted(names):
                    problems.append(f"seed {seed}: {verb} {names}: {code}\n{out}{err}")

        clients = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
        for c in clients:
            c.start()
        try:
            r = random.Random(f"{seed}/kill")
            for _ in range(n_kills):
                engine = s.wait_engine()
                # by its place in what happens, not in time
                n = self.starts(s) + r.randint(1, 6)
                wait_until(lambda: self.starts(s) >= n, "they go on")
                os.kill(engine, signal.SIGKILL)
                s.wait_engine(other_than=engine)
        finally:
            enough.set()
            for c in clients:
                c.join()
        self.assertEqual(problems, [])

    def check_end(self, s):
        """Whatever has happened, what is asked for last is what is."""
        s.ok("start", "*")
        rows = wait_until(lambda: self.settled(s), "all has settled")
        self.assertEqual({r["state"] for r in rows.values()}, {"running"}, rows)
        pids = [r["pid"] for r in rows.values()]
        s.ok("stop", "*")
        rows = s.services()
        self.assertEqual({(r["state"], r["desired"]) for r in rows.values()}, {("stopped", "down")})
        self.assertEqual([p for p in pids if harness.is_alive(p)], [])

    def test_commands_at_random_from_ten_clients(self):
        s = self.supervisor(self.TREE)
        s.wait_state("front", "running")
        self.random_commands(s, "calm")
        self.check_end(s)

    def test_commands_at_random_while_the_engine_is_killed(self):
        s = self.supervisor(self.TREE)
        s.wait_state("front", "running")
        self.random_commands(s, "killed", n_kills=12)
        self.check_end(s)

    def test_the_last_accepted_one_wins_also_when_the_engine_is_killed(self):
        s = self.supervisor(service("a", sh("trap 'sleep 0.05; exit' TERM; " + LOCK + TRACE
                                            + "while :; do sleep 0.02; done"),
                                    "stop { kill = process }"))
        r = random.Random("last")
        s.wait_state("a", "running")
        for n in range(15):
            verbs = [r.choice(("start", "stop", "restart")) for _ in range(r.randint(1, 5))]
            for verb in verbs:
                s.ok(verb, "a", "--no-wait")
                if r.random() < 0.2:
                    os.kill(s.wait_engine(), signal.SIGKILL)
            last = verbs[-1]
            state = "stopped" if last == "stop" else "running"
            row = wait_until(lambda: self.settled(s), "it has settled")["a"]
            self.assertEqual((row["state"], row["desired"]),
                             (state, "down" if last == "stop" else "up"), f"{n}: {verbs}")

    def test_a_storm_that_the_engine_does_not_survive_is_answered_by_the_next(self):
        s = self.supervisor(service("a", LINGER) + service("b", SLEEP))
        s.wait_log("a", "up")
        clients = [s.ctl_start("restart", "a", "b") for _ in range(CLIENTS)]
        wait_until(lambda: s.stderr().count(": Restart a b") == CLIENTS, "all are accepted")
        s.kill_engine()
        s.flag("go")
        for p in clients:
            out, err = p.communicate(timeout=harness.DEADLINE)
            self.assertEqual((p.returncode, err), (0, ""))
            self.assertEqual(sorted(l.split(" ")[0] for l in out.splitlines()), ["a:", "b:"])
        wait_until(lambda: self.starts(s, "a") == 2, "it has begun again")
        self.assertEqual(s.show("a")["generation"], 2, "one restart, which was remembered")


if __name__ == "__main__":
    harness.main()
