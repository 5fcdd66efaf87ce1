"""What is left after supervisord was killed with its engine, and who owns a runtime directory."""

import json
import os
import signal
import subprocess

import area
import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until

QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0")
# Writes a numbered line every millisecond.
WRITER = py("import time\ni = 0\nwhile True:\n print('line', i)\n i += 1\n time.sleep(0.001)\n")


def lines(s, name):
    whole = s.read_log(name).rpartition("\n")[0]  # the last line may be on its way
    return [int(l.split()[1]) for l in whole.splitlines() if l.startswith("line ")]


class Adopted(harness.SystemTest):
    """on-orphan = adopt, the default."""

    def again(self, s):
        s.kill_both()
        s.start(ready=False)
        wait_until(s.answers, "supervisord answers again")

    def test_services_keep_pids_states_and_counters(self):
        s = self.supervisor(
            service("web", SLEEP, "instances = 3")
            + service("idle", SLEEP, "autostart = false")
            + service("stopped", SLEEP)
            + service("done", sh("exit 0"))
            + service("bad", sh("exit 7"), "restart-limit = 2", *QUICK)
            + service("later", sh("exit 1"), "restart-delay = 1h", "restart-max-delay = 1h",
                      "restart-jitter = 0") + area.UNDER_WAY)
        area.begin_under_way(s)
        s.wait_state("stopped", "running")
        s.ok("stop", "stopped")
        for name, state in (("web@1", "running"), ("web@2", "running"), ("web@3", "running"),
                            ("done", "exited"), ("bad", "failed"), ("later", "backoff")):
            s.wait_state(name, state)
        for _ in range(3):
            before, exact = s.lasting(), area.lasting(s)
            self.again(s)
            s.wait_stderr("going on with the services")
            # The next launcher counts ends anew.
            self.assertEqual({}, area.changed(s, exact, but=("last_serial",)))
            self.assertEqual(before, s.lasting())
            for i in (1, 2, 3):
                self.assertTrue(is_alive(before[f"web@{i}"]["pid"]))
        s.ok("restart", "web@1")
        self.assertNotEqual(before["web@1"]["pid"], s.status("web@1")["pid"])
        area.end_under_way(s)
        s.stop()
        self.assertFalse(any(is_alive(r["pid"]) for r in before.values() if r["pid"]))

    def test_a_log_goes_on_with_what_was_written_meanwhile(self):
        s = self.supervisor(service("web", WRITER))
        wait_until(lambda: len(lines(s, "web")) > 50, "it writes")
        for _ in range(3):
            pid = s.status("web")["pid"]
            self.again(s)
            n = len(lines(s, "web"))
            wait_until(lambda n=n: len(lines(s, "web")) > n + 50, "the log goes on")
            self.assertEqual(pid, s.wait_state("web", "running")["pid"])
        s.ok("stop", "web")
        written = lines(s, "web")
        self.assertEqual(sorted(set(written)), written, "in order, and nothing twice")

    def test_an_end_in_between_is_learned(self):
        s = self.supervisor(
            service("code", sh('while [ ! -e "$0" ]; do sleep 0.02; done; exit 42') + ["@DIR@/gate"],
                    'restart = "never"')
            + service("gone", SLEEP, 'restart = "on-abnormal"', *QUICK))
        pids = {n: s.wait_state(n, "running")["pid"] for n in ("code", "gone")}
        s.kill_both()
        s.flag("gate")
        os.kill(pids["gone"], signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, pids.values())), "both have ended")
        os.waitpid(pids["gone"], 0)  # nobody will ever know
        s.start(ready=False)
        self.assertEqual(42, s.wait_state("code", "failed")["exit_code"])
        gone = s.wait_service("gone", lambda r: r["state"] == "running"
                              and r["pid"] != pids["gone"], "it runs anew")
        self.assertEqual(1, gone["restarts"])
        self.assertIsNone(gone["exit_code"])
        self.assertIsNone(gone["exit_signal"])
        s.wait_stderr("ended while nobody could see how")

    def test_what_the_files_say_now_is_put_in_force_as_by_apply(self):
        s = self.supervisor(service("same", SLEEP) + service("other", SLEEP)
                            + service("removed", SLEEP) + service("live", SLEEP))
        old = {n: s.wait_state(n, "running")["pid"] for n in ("same", "other", "removed", "live")}
        s.kill_both()
        s.write_config(service("same", SLEEP) + service("other", ["/bin/sleep", "20000"])
                       + service("added", SLEEP) + service("live", SLEEP, "stop { timeout = 1s }"))
        s.start(ready=False)
        wait_until(lambda: "added" in s.services(), "the files are read")
        s.wait_state("added", "running")
        wait_until(lambda: "removed" not in s.services(), "what is not there any more has gone")
        s.wait_service("other", lambda r: r["state"] == "running" and r["pid"] != old["other"],
                       "what has changed was started again")
        rows = s.services()
        self.assertEqual(old["same"], rows["same"]["pid"])
        self.assertEqual(old["live"], rows["live"]["pid"])
        self.assertFalse(is_alive(old["removed"]))
        self.assertFalse(is_alive(old["other"]))

    def test_commands_beside_a_service_are_ended_and_begun_again(self):
        s = self.supervisor(service(
            "web", SLEEP, 'hooks { pre-start = {"/bin/sh", "-c", "echo hook >> @DIR@/hooks; '
            'while [ ! -e @DIR@/gate ]; do sleep 0.02; done"} }'))
        hooks = f"{s.dir}/hooks"
        wait_until(lambda: os.path.exists(hooks), "the hook runs")
        s.kill_both()
        left = [p for p in harness.descendants(os.getpid()) if is_alive(p)]
        s.start(ready=False)
        wait_until(lambda: len(s.read(hooks).splitlines()) == 2, "it is begun again")
        wait_until(lambda: not any(map(is_alive, left)), "the first one has ended")
        s.flag("gate")
        s.wait_state("web", "running")
        self.assertEqual(2, len(s.read(hooks).splitlines()))

    def test_a_stop_under_way_is_finished(self):
        s = self.supervisor(service("web", sh("trap '' TERM; echo ready; while :; do sleep 0.1; done"),
                                    "stop { timeout = 2s }"))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "ready")
        s.ok("stop", "--no-wait", "web")
        s.wait_state("web", "stopping")
        self.again(s)
        self.assertEqual("KILL", s.wait_state("web", "stopped")["exit_signal"])
        self.assertFalse(is_alive(pid))

    def test_a_shutdown_that_was_under_way_is_finished_first(self):
        s = self.supervisor(service("web", sh("trap '' TERM; echo ready; while :; do sleep 0.1; done"),
                                    "stop { timeout = 1min }", "restart-delay = 1min",
                                    "restart-max-delay = 1min"))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "ready")
        s.signal(signal.SIGTERM)
        s.wait_state("web", "stopping")
        s.kill_both()
        s.start(ready=False)
        self.assertNotEqual(pid, s.wait_state("web", "running", deadline=60)["pid"])
        self.assertFalse(is_alive(pid))
        s.wait_stderr("it was stopping everything")
        s.ok("signal", "KILL", "web")

    def test_processes_that_were_being_started_are_no_second_ones(self):
        # Each start leaves a mark; whoever runs twice at a time leaves two that live.
        s = self.supervisor("".join(
            service(f"web{i}", sh("echo $$ >> @DIR@/starts; exec sleep 1000")) for i in range(40)),
            start=False)
        for k in range(6):
            s.start(ready=False)
            if k == 0:
                wait_until(lambda: os.path.exists(f"{s.dir}/starts"), "the first one starts")
            else:
                wait_until(s.answers, "it answers")
            s.kill_both()
        s.start(ready=False)
        for i in range(40):
            s.wait_state(f"web{i}", "running", deadline=60)
        alive = [p for p in map(int, s.read(f"{s.dir}/starts").split()) if is_alive(p)]
        self.assertEqual(sorted(alive), sorted(r["pid"] for r in s.services().values()))

    def test_the_queue_goes_on(self):
        key = harness.private_key()
        s = self.supervisor(service("web", SLEEP), key=key)
        s.wait_state("web", "running")
        before = harness.queue_with_key(key)["msqid"]
        self.again(s)
        self.assertEqual(before, harness.queue_with_key(key)["msqid"])
        s.ok("stop", "web")
        seq = [json.loads(l)["seq"] for l in s.ok("queue", "--json").splitlines()]
        self.assertEqual(list(range(1, len(seq) + 1)), sorted(seq))
        self.assertGreater(len(seq), 3)


class Stopped(harness.SystemTest):
    """on-orphan = stop"""

    def test_the_next_start_ends_what_is_left_before_it_starts_anything(self):
        s = self.supervisor(
            'on-orphan = "stop"\n' + service("web", SLEEP)
            + service("stubborn", sh("trap '' TERM; setsid sleep 1000 & echo ready; "
                                     "while :; do sleep 0.1; done"), "stop { timeout = 1s }"))
        s.wait_log("stubborn", "ready")
        old = [s.wait_state(name, "running")["pid"] for name in ("web", "stubborn")]
        family = [p for p in harness.descendants(s.pid) if p != s.engine_pid()]
        s.kill_both()
        self.assertTrue(all(map(is_alive, old)), "services run on")
        s.start(ready=False)
        new = [s.wait_state(name, "running", deadline=60)["pid"] for name in ("web", "stubborn")]
        self.assertFalse(set(old) & set(new))
        self.assertEqual([], [p for p in family if is_alive(p)])
        s.wait_stderr("left by a supervisord that was killed")

    def test_a_lost_configuration_means_the_same(self):
        s = self.supervisor(service("web", SLEEP))
        old = s.wait_state("web", "running")["pid"]
        s.kill_both()
        os.unlink(f"{s.runtime_dir}/configuration.0")
        s.start(ready=False)
        self.assertNotEqual(old, s.wait_state("web", "running", deadline=60)["pid"])
        self.assertFalse(is_alive(old))
        s.wait_stderr("the configuration that it went by is lost")

    def test_a_recovery_area_that_cannot_be_read_means_the_same(self):
        def overwrite(path):
            with open(path, "r+b") as f:
                f.write(b"\xff" * 64)

        s = self.supervisor(service("web", SLEEP), key=harness.private_key())
        if "/supervisord-" not in (harness.cgroup_of(s.wait_state("web", "running")["pid"]) or ""):
            self.skipTest("without cgroups nobody can tell what is left")
        for damage in (os.unlink, lambda path: os.truncate(path, 0),
                       lambda path: os.truncate(path, 5000), overwrite):
            old = s.wait_state("web", "running")["pid"]
            s.kill_both()
            damage(f"{s.runtime_dir}/recovery")
            harness.remove_queue(s.key)  # by now it is one that nobody knows
            s.start(ready=False)
            self.assertNotEqual(old, s.wait_state("web", "running", deadline=60)["pid"])
            self.assertFalse(is_alive(old))
        self.assertEqual([s.status("web")["pid"]],
                         [p for p in harness.descendants(os.getpid())
                          if is_alive(p) and harness.command_of(p).startswith("/bin/sleep")])


class Owner(harness.SystemTest):
    def test_a_second_supervisord_in_the_same_directory_harms_nothing(self):
        s = self.supervisor(service("web", SLEEP))
        before = s.wait_state("web", "running")
        second = subprocess.run([os.environ["SUPERVISORD"], "-c", s.config_path],
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(1, second.returncode)
        self.assertIn(f"another supervisord (pid {s.pid})", second.stderr)
        self.assertEqual(before["pid"], s.status("web")["pid"])


if __name__ == "__main__":
    harness.main()
