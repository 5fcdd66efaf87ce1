"""restart --rolling: one after the other, each ready before the next is stopped."""

import itertools
import os
import signal

import harness
from harness import INTERFACE, SLEEP, service, sh, wait_until

def worker(*lines, n=3):
    return service("w", SLEEP, f"instances = {n}", *lines)


GATED = sh("echo start $SUPERVISOR_NAME >> @DIR@/trace; "
           "while [ ! -e @DIR@/gate-$SUPERVISOR_NAME ]; do sleep 0.02; done")


class Rolling(harness.SystemTest):
    def pids(self, s):
        return {name: row["pid"] for name, row in s.services().items()}

    def trace(self, s):
        return [line.split()[1] for line in s.read(f"{s.dir}/trace").splitlines()]

    def states(self, v):
        """Changes as they happen: (service, state)."""
        while True:
            event = v.receive()["parameters"]["event"]
            if event["type"] == "state":
                yield event["service"], event["state"]

    def test_each_is_ready_before_the_next_is_stopped(self):
        s = self.supervisor(worker() + service("other", SLEEP))
        s.wait_all_running()
        before = self.pids(s)
        with s.connect() as v:
            v.send(f"{INTERFACE}.Events", {"names": ["w"]}, more=True)
            code, out, err = s.ctl("restart", "--rolling", "w")
            seen = list(itertools.islice(self.states(v), 9))
        self.assertEqual((code, err), (0, ""))
        self.assertEqual([line.split(" (")[0] for line in out.splitlines()],
                         [f"w@{i}: running" for i in (1, 2, 3)])
        steps = ["stopping", "starting", "running"]
        self.assertEqual(seen, [(f"w@{i}", step) for i in (1, 2, 3) for step in steps])
        after = self.pids(s)
        self.assertEqual(after["other"], before["other"])
        for name in ("w@1", "w@2", "w@3"):
            self.assertNotEqual(after[name], before[name])

    def test_all_of_a_selection_in_the_order_of_the_configuration(self):
        s = self.supervisor(service("b", SLEEP, 'groups = {"g"}') + worker('groups = {"g"}', n=2)
                            + service("a", SLEEP))
        s.wait_state("a", "running")
        out = s.ok("restart", "a", "@g", "--rolling")
        self.assertEqual([line.split(":")[0] for line in out.splitlines()],
                         ["b", "w@1", "w@2", "a"])

    def gated(self, n=3, *lines):
        """Instances that are over, and so ready, when the test says so."""
        s = self.supervisor(service("w", GATED, 'type = "oneshot"', f"instances = {n}", *lines))
        for i in range(1, n + 1):
            s.flag(f"gate-w@{i}")
        for i in range(1, n + 1):
            s.wait_state(f"w@{i}", "exited")
        os.unlink(f"{s.dir}/trace")
        return s

    def has_begun(self, s):
        return os.path.exists(f"{s.dir}/trace")

    def close(self, s, *instances):
        for i in instances:
            os.unlink(f"{s.dir}/gate-w@{i}")

    def test_what_is_left_after_a_failure_is_left_as_it_is(self):
        s = self.supervisor(service("w", sh("echo start $SUPERVISOR_NAME >> @DIR@/trace; "
                                            "[ ! -e @DIR@/bad-$SUPERVISOR_NAME ]"),
                                    'type = "oneshot"', 'restart = "never"', "instances = 5"))
        for i in range(1, 6):
            s.wait_state(f"w@{i}", "exited")
        os.unlink(f"{s.dir}/trace")
        s.flag("bad-w@3")
        code, out, err = s.ctl("restart", "--rolling", "w")
        self.assertEqual((code, out), (1, "w@1: exited\nw@2: exited\n"))
        self.assertEqual(err, "supctl: w@3: exited with code 1; 2 after it left as they are\n")
        self.assertEqual(self.trace(s), ["w@1", "w@2", "w@3"])
        os.unlink(f"{s.dir}/bad-w@3")
        self.assertEqual(s.ctl("restart", "--rolling", "w")[0], 0, "and another one can follow")
        self.assertEqual(self.trace(s)[3:], [f"w@{i}" for i in range(1, 6)])

    def test_without_more_all_results_come_at_the_end(self):
        s = self.supervisor(worker(n=2))
        s.wait_state("w@2", "running")
        results = s.varlink("Restart", {"names": ["w"], "rolling": True})["results"]
        self.assertEqual([(r["name"], r["ok"]) for r in results], [("w@1", True), ("w@2", True)])

    def test_it_goes_on_without_its_caller(self):
        s = self.gated()
        self.close(s, 1)
        p = s.ctl_start("restart", "--rolling", "w")
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1"], "the first one has its turn")
        p.kill()
        p.wait()
        s.flag("gate-w@1")
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1", "w@2", "w@3"], "all have their turn")
        s.wait_state("w@3", "exited")

    def test_no_wait(self):
        s = self.gated()
        self.close(s, 2)
        code, out, _ = s.ctl("restart", "--rolling", "--no-wait", "w")
        self.assertEqual((code, len(out.splitlines())), (0, 3))
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1", "w@2"], "the second one has its turn")
        code, _, err = s.ctl("restart", "--rolling", "w@3")
        self.assertEqual(code, 1)
        self.assertIn("'w@3' waits for its turn in another rolling restart", err)
        s.ok("restart", "--rolling", "w@1")
        s.flag("gate-w@2")
        wait_until(lambda: self.trace(s)[-1] == "w@3", "all have their turn")

    def test_the_engine_dies_and_the_caller_joins_again(self):
        s = self.gated(4)
        self.close(s, 2)
        p = s.ctl_start("restart", "--rolling", "w")
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1", "w@2"], "the second one has its turn")
        s.kill_engine()
        s.kill_engine()
        s.flag("gate-w@2")
        out, err = p.communicate(timeout=harness.DEADLINE)
        self.assertEqual((p.returncode, err), (0, ""), out)
        self.assertEqual(out, "".join(f"w@{i}: exited\n" for i in (1, 2, 3, 4)))
        self.assertEqual(self.trace(s), ["w@1", "w@2", "w@3", "w@4"], "each once")

    def test_the_engine_dies_and_nobody_waits(self):
        s = self.gated(4)
        self.close(s, 2)
        s.ok("restart", "--rolling", "--no-wait", "w")
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1", "w@2"], "the second one has its turn")
        s.kill_engine()
        s.flag("gate-w@2")
        wait_until(lambda: len(self.trace(s)) == 4, "all have their turn")
        s.wait_state("w@4", "exited")
        self.assertEqual(self.trace(s), ["w@1", "w@2", "w@3", "w@4"], "each once")

    def test_who_joins_late_is_told_in_the_order_of_turns(self):
        s = self.gated(4)
        self.close(s, 1, 2, 3)
        p = s.ctl_start("restart", "--rolling", "w")
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1"], "it has begun")
        os.kill(p.pid, signal.SIGSTOP)
        for i in (1, 2):
            s.kill_engine()
            s.flag(f"gate-w@{i}")
            wait_until(lambda i=i: len(self.trace(s)) == i + 1, "the next one has its turn")
        os.kill(p.pid, signal.SIGCONT)
        self.assertEqual("w@1: exited\nw@2: exited\n", p.stdout.readline() + p.stdout.readline())
        s.flag("gate-w@3")
        out, err = p.communicate(timeout=harness.DEADLINE)
        self.assertEqual((p.returncode, out, err), (0, "w@3: exited\nw@4: exited\n", ""))

    def test_killed_at_any_moment_each_has_one_turn_in_order(self):
        s = self.gated(6)
        s.ok("restart", "w")
        for _ in range(6):
            os.unlink(f"{s.dir}/trace")
            p = s.ctl_start("restart", "--rolling", "w")
            while p.poll() is None:
                engine = s.engine_pid()
                if engine:
                    os.kill(engine, signal.SIGKILL)
                with_engine = s.wait_engine(other_than=engine)
                # let it come some way: until it answers, or has moved on
                n = len(self.trace(s)) if self.has_begun(s) else 0
                wait_until(lambda: p.poll() is not None or s.engine_pid() != with_engine
                           or (self.has_begun(s) and len(self.trace(s)) > n),
                           "it goes on")
            out, err = p.communicate()
            self.assertEqual((p.returncode, err), (0, ""), out)
            self.assertEqual([line.split(":")[0] for line in out.splitlines()],
                             [f"w@{i}" for i in range(1, 7)])
            self.assertEqual(self.trace(s), [f"w@{i}" for i in range(1, 7)])

    def test_removed_and_stopped_ones_are_passed_over(self):
        s = self.gated(6)
        self.close(s, 1)
        p = s.ctl_start("restart", "--rolling", "w")
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1"], "the first one has its turn")
        s.ok("stop", "w@2")
        s.ok("restart", "w@5")
        s.ok("scale", "w", "5")
        s.flag("gate-w@1")
        out, err = p.communicate(timeout=harness.DEADLINE)
        self.assertEqual((p.returncode, out), (1, "w@1: exited\nw@3: exited\nw@4: exited\n"))
        self.assertEqual(err.splitlines(), ["supctl: w@2: a later request came before its turn",
                                            "supctl: w@5: a later request came before its turn",
                                            "supctl: w@6: removed from the configuration"])
        self.assertEqual(self.trace(s), ["w@1", "w@5", "w@3", "w@4"])
        self.assertEqual(s.services()["w@2"]["state"], "stopped", "the stop came later")

    def test_stopped_during_its_turn_ends_it(self):
        s = self.gated(2)
        self.close(s, 1)
        p = s.ctl_start("restart", "--rolling", "w")
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1"], "the first one has its turn")
        s.ok("stop", "w@1")
        out, err = p.communicate(timeout=harness.DEADLINE)
        self.assertEqual((p.returncode, out), (1, ""))
        self.assertRegex(err, "^supctl: w@1: by request.*; 1 after it left as they are\n$")
        self.assertEqual(self.trace(s), ["w@1"])

    def test_a_shutdown_ends_it(self):
        s = self.gated(2)
        self.close(s, 1)
        p = s.ctl_start("restart", "--rolling", "w")
        wait_until(lambda: self.has_begun(s) and self.trace(s) == ["w@1"], "the first one has its turn")
        s.stop()
        p.communicate(timeout=harness.DEADLINE)
        self.assertNotEqual(p.returncode, 0)
        self.assertEqual(self.trace(s), ["w@1"])


if __name__ == "__main__":
    harness.main()
