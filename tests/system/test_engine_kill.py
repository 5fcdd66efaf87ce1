"""kill -9 of the engine, and nothing happens: to pids, states, counters, exits, logs, clients."""

import json
import os
import re
import signal
import time

import area
import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until


BEAT = sh("i=0; while :; do i=$((i+1)); echo beat $i; sleep 0.02; done")
QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0")


class EngineKill(harness.SystemTest):
    def frozen(self, s):
        """Stops the engine so that things happen which it can't see; returns its pid."""
        pid = s.wait_engine()
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: harness.stat_of(pid)[0] == b"T", "the engine is stopped")
        return pid

    def replace(self, s, frozen):
        os.kill(frozen, signal.SIGKILL)
        s.wait_engine(other_than=frozen)
        wait_until(s.answers, "the next engine answers")

    def test_services_keep_pids_states_and_counters(self):
        s = self.supervisor(
            service("web", SLEEP, "instances = 3")
            + service("idle", SLEEP, "autostart = false")
            + service("done", sh("exit 0"))
            + service("bad", sh("exit 7"), "restart-limit = 2", *QUICK)
            + service("later", sh("exit 1"), "restart-delay = 1h", "restart-max-delay = 1h",
                      "restart-jitter = 0") + area.UNDER_WAY)
        area.begin_under_way(s)
        for name, state in (("web@1", "running"), ("web@2", "running"), ("web@3", "running"),
                            ("done", "exited"), ("bad", "failed"), ("later", "backoff")):
            s.wait_state(name, state)
        before, exact = s.lasting(), area.lasting(s)
        s.kill_engine()
        after = s.lasting()
        self.assertEqual({}, area.changed(s, exact))
        self.assertEqual(before, after)
        for i in (1, 2, 3):
            self.assertTrue(is_alive(before[f"web@{i}"]["pid"]))
        area.end_under_way(s)

    def test_the_deadline_of_a_backoff_goes_on(self):
        s = self.supervisor(service("bad", sh("exit 1"), "restart-delay = 4s",
                                    "restart-max-delay = 4s", "restart-jitter = 0",
                                    "restart-limit = 1"))
        begin = time.monotonic()
        s.wait_state("bad", "backoff")
        s.kill_engine()
        left = s.wait_state("bad", "backoff")["next_start_ms"]
        self.assertLess(left, 4000 - 1000 * (time.monotonic() - begin) + 1500)
        s.wait_state("bad", "failed")
        self.assertLess(time.monotonic() - begin, 7.5, "the delay was not begun anew")

    def test_an_exit_in_between_is_learned_with_its_status(self):
        s = self.supervisor(
            service("code", sh('while [ ! -e "$0" ]; do sleep 0.02; done; exit 42') + ["@DIR@/gate"],
                    'restart = "never"')
            + service("killed", SLEEP, 'restart = "never"')
            + service("again", SLEEP, *QUICK))
        pids = {n: s.wait_state(n, "running")["pid"] for n in ("code", "killed", "again")}
        engine = self.frozen(s)
        s.flag("gate")
        os.kill(pids["killed"], signal.SIGKILL)
        os.kill(pids["again"], signal.SIGKILL)
        wait_until(lambda: not any(is_alive(p) for p in pids.values()), "all have ended")
        self.replace(s, engine)
        self.assertEqual(42, s.wait_state("code", "failed")["exit_code"])
        self.assertEqual("KILL", s.wait_state("killed", "failed")["exit_signal"])
        again = s.wait_service("again", lambda r: r["state"] == "running"
                               and r["pid"] != pids["again"], "it runs anew")
        self.assertEqual(1, again["restarts"], "counted exactly once")
        exits = [e for e in map(json.loads, s.ok("--json", "events").splitlines())
                 if e["type"] == "exit"]
        self.assertEqual(sorted(pids), sorted(e["service"] for e in exits), "told exactly once")
        for e in exits:
            self.assertEqual(pids[e["service"]], e["pid"])
            self.assertGreater(e["max_rss_kib"], 0, "with what it has used")

    def test_a_stop_under_way_is_finished_by_the_next_engine(self):
        s = self.supervisor(service("web", py(
            "import signal,time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready')\n"
            "while True: time.sleep(1000)\n"), "stop { timeout = 2s }"))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "ready")
        s.ok("stop", "--no-wait", "web")
        s.wait_state("web", "stopping")
        s.kill_engine()
        web = s.wait_state("web", "stopped")
        self.assertEqual("KILL", web["exit_signal"])
        self.assertFalse(is_alive(pid))

    def test_supctl_bridges_the_gap(self):
        s = self.supervisor(service("web", py(
            "import signal,time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready')\n"
            "while True: time.sleep(1000)\n"), "stop { timeout = 2s }"))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "ready")
        waiting = s.ctl_start("restart", "web")
        s.wait_state("web", "stopping")
        s.kill_engine()
        out, err = waiting.communicate(timeout=30)
        self.assertEqual(0, waiting.returncode, out + err)
        web = s.status("web")
        self.assertEqual("running", web["state"])
        self.assertNotEqual(pid, web["pid"])
        self.assertEqual([web["pid"]], [p for p in harness.descendants(s.pid) if harness.is_alive(p)
                                        and p != s.engine_pid()], "one instance, started once")

    def test_supctl_is_answered_within_a_second(self):
        s = self.supervisor(service("web", SLEEP))
        s.wait_state("web", "running")
        os.kill(s.wait_engine(), signal.SIGKILL)
        begin = time.monotonic()
        self.assertEqual(0, s.ctl("status", "web")[0])
        self.assertLess(time.monotonic() - begin, 1.0 * float(os.environ.get("HARNESS_SLOW", "1")))

    def test_a_log_goes_on_and_nothing_of_it_is_lost(self):
        n, kills = 200000, 5
        s = self.supervisor(service("web", py(
            f"import sys\nfor i in range({n}): sys.stdout.write(f'line {{i:07d}}\\n')\n"
            f"sys.stdout.write('end\\n')\n"), "log { max-size = 1G }"))
        wait_until(lambda: os.path.getsize(s.log_path("web")), "the log begins")
        for _ in range(kills):
            before = os.path.getsize(s.log_path("web"))
            s.kill_engine()
            wait_until(lambda b=before: s.status("web")["state"] == "exited"
                       or os.path.getsize(s.log_path("web")) > b, "the log grows")
        s.wait_state("web", "exited")
        s.wait_log("web", "end\n")
        self.assertEqual([f"line {i:07d}" for i in range(n)] + ["end"],
                         s.read_log("web").splitlines())

    def test_twenty_kills_in_a_row(self):
        s = self.supervisor(service("web", SLEEP)
                            + service("loop", sh("exit 1"), "restart-limit = 0",
                                      "restart-delay = 50ms", "restart-max-delay = 50ms"))
        pid = s.wait_state("web", "running")["pid"]
        restarts = 0
        for i in range(20):
            os.kill(s.wait_engine(), signal.SIGKILL)
            begin = time.monotonic()
            rows = wait_until(s.services, f"an answer after kill {i + 1}", interval=0.005)
            self.assertLess(time.monotonic() - begin, 10)
            self.assertEqual(("running", pid), (rows["web"]["state"], rows["web"]["pid"]))
            self.assertGreaterEqual(rows["loop"]["restarts"], restarts, "never forgotten")
            restarts = rows["loop"]["restarts"]
        s.wait_service("loop", lambda r: r["restarts"] > restarts, "restarts go on")

    def test_descriptors_do_not_pile_up_in_the_launcher(self):
        s = self.supervisor(service("web", SLEEP, "instances = 5"))
        for i in range(5):
            s.wait_state(f"web@{i + 1}", "running")
        s.kill_engine()
        before = len(os.listdir(f"/proc/{s.pid}/fd"))
        for _ in range(5):
            s.kill_engine()
        self.assertLessEqual(len(os.listdir(f"/proc/{s.pid}/fd")), before)

    def test_the_launcher_says_so_on_stderr_and_to_no_service(self):
        s = self.supervisor(service("loop", sh("echo started; exit 1"), "restart-limit = 0", *QUICK))
        for _ in range(5):
            engine = s.wait_engine()
            s.kill_engine()
            s.wait_stderr(f"engine {engine} was killed by signal KILL")
        self.assertEqual({"started"}, set(s.wait_log("loop", "started\n").splitlines()))

    def test_term_after_a_kill_leaves_nothing(self):
        s = self.supervisor(service("web", SLEEP, "instances = 5"))
        pids = [s.wait_state(f"web@{i + 1}", "running")["pid"] for i in range(5)]
        os.kill(s.wait_engine(), signal.SIGKILL)
        s.stop()
        self.assertEqual([], [p for p in pids if is_alive(p)])

    def test_the_next_engine_works_from_the_configuration_in_force(self):
        s = self.supervisor(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        s.write_config("this is { no configuration")
        s.kill_engine()
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])
        s.ok("restart", "web")

    def with_files(self):
        """A configuration of several files, in force; returns a writer of them, too."""
        def write(name, text):
            with open(f"{s.dir}/{name}", "w", encoding="utf-8") as f:
                f.write(text)

        s = self.supervisor("", start=False)
        s.write_config(f'include("{s.dir}/*.inc")\n')
        write("vars", "WHO=one\n")
        write("a.inc", service("a", sh("echo $WHO $OWN; exec sleep 1000"), 'environment = {"OWN=x"}',
                               f'env-file = "{s.dir}/vars"'))
        s.start()
        s.wait_log("a", "one x\n")
        return s, write

    def goes_on_as_before(self, s):
        pid = s.wait_state("a", "running")["pid"]
        for i in range(2):
            s.kill_engine()
            self.assertEqual(pid, s.wait_state("a", "running")["pid"])
            self.assertEqual(["a"], list(s.services()))
            s.ok("restart", "a")
            s.wait_log("a", "one x\n" * (i + 2))
            pid = s.status("a")["pid"]

    def test_files_that_have_changed_are_not_in_force_after_a_kill(self):
        s, write = self.with_files()
        write("vars", "WHO=two\n")
        write("a.inc", service("a", sh("echo other; exec sleep 1000")))
        write("b.inc", service("b", SLEEP))
        self.goes_on_as_before(s)
        s.ok("apply")
        s.wait_state("b", "running")
        s.wait_log("a", "other\n")

    def test_files_that_are_broken_change_nothing_after_a_kill(self):
        s, write = self.with_files()
        write("vars", "this is no variable\n")
        write("a.inc", "service broken {")
        self.goes_on_as_before(s)
        self.assertEqual(1, s.ctl("apply")[0])
        self.assertEqual("running", s.status("a")["state"])

    def test_files_that_have_vanished_change_nothing_after_a_kill(self):
        s, _ = self.with_files()
        for name in ("vars", "a.inc", "supervisord.conf"):
            os.unlink(f"{s.dir}/{name}")
        self.goes_on_as_before(s)
        self.assertEqual(1, s.ctl("apply")[0])
        self.assertEqual("running", s.status("a")["state"])

    def test_engines_that_die_at_once_are_started_ever_later_while_services_run_on(self):
        faulty = os.environ.get("SUPERVISORD_FAULTY")
        if not faulty or not os.access(faulty, os.X_OK):
            self.skipTest("there is no supervisord with faults (SUPERVISORD_FAULTY)")
        s = self.supervisor(service("web", SLEEP) + service("beat", BEAT), start=False,
                            executable=os.path.abspath(faulty))
        s.env["SUPERVISOR_FAULT"] = f"engine:any:@{s.dir}/die:KILL"
        s.start()
        pids = {n: s.wait_state(n, "running")["pid"] for n in ("web", "beat")}
        engine = self.frozen(s)
        # Each engine finds its end at the sixth of its calls, until that is taken back.
        s.die_at("6!")
        os.kill(engine, signal.SIGKILL)

        def said():
            return [int(m) for m in re.findall(r"the next engine starts in (\d+)ms", s.stderr())]
        wait_until(lambda: len(said()) >= 7, "seven have died")
        os.unlink(f"{s.dir}/die")
        wait_until(s.answers, "an engine lives")
        self.assertEqual([10, 20, 40, 80, 160, 320, 640], said()[:7])
        for name, pid in pids.items():
            self.assertTrue(is_alive(pid))
            self.assertEqual(pid, s.wait_state(name, "running")["pid"])
        n = s.read_log("beat").count("beat")
        wait_until(lambda: s.read_log("beat").count("beat") > n, "its output goes on")

    def test_what_was_stopped_while_its_spawn_was_on_its_way_does_not_run(self):
        s = self.supervisor(service("web", SLEEP, "autostart = false"))
        for _ in range(20):
            engine = s.engine_pid()
            # Both orders wait in the link when the engine dies.
            os.kill(s.pid, signal.SIGSTOP)
            s.ok("start", "web", "--no-wait")
            s.ok("stop", "web", "--no-wait")
            os.kill(engine, signal.SIGKILL)
            os.kill(s.pid, signal.SIGCONT)
            s.wait_engine(other_than=engine)
            s.wait_state("web", "stopped")
            wait_until(lambda: harness.descendants(s.pid) == [s.engine_pid()],
                       "nobody runs, and no zombie is left")


if __name__ == "__main__":
    harness.main()
