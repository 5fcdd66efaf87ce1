"""kill -9 of the launcher, and nothing happens: its engine goes on in its place."""

import contextlib
import json
import os
import signal
import unittest

import area
import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until

FAULTY = os.environ.get("SUPERVISORD_FAULTY")
QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0")


class Takeover(harness.SystemTest):
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
        before, engine, exact = s.lasting(), s.engine_pid(), area.lasting(s)
        self.assertEqual(engine, s.kill_launcher())
        self.assertEqual({}, area.changed(s, exact))
        self.assertEqual(before, s.lasting())
        for i in (1, 2, 3):
            self.assertTrue(is_alive(before[f"web@{i}"]["pid"]))
        self.assertIn(f"pid {s.pid}", s.stderr())
        with open(f"{s.runtime_dir}/lock", encoding="ascii") as f:
            self.assertEqual(s.pid, int(f.read()))
        area.end_under_way(s)
        s.stop()
        self.assertEqual([], [r["pid"] for r in before.values() if r["pid"] and is_alive(r["pid"])])

    def freeze_launcher(self, s):
        """What happens from here on the launcher can't see, nor tell."""
        s.wait_engine()
        os.kill(s.pid, signal.SIGSTOP)
        wait_until(lambda: harness.stat_of(s.pid)[0] == b"T", "the launcher is stopped")

    def test_exits_in_between_are_learned_with_their_status(self):
        s = self.supervisor(
            service("code", sh('while [ ! -e "$0" ]; do sleep 0.02; done; exit 42') + ["@DIR@/gate"],
                    'restart = "never"')
            + service("killed", SLEEP, 'restart = "never"')
            + service("again", SLEEP, *QUICK) + service("kept", SLEEP, *QUICK))
        kept = s.wait_state("kept", "running")["pid"]
        pids = {n: s.wait_state(n, "running")["pid"] for n in ("code", "killed", "again")}
        self.freeze_launcher(s)
        s.flag("gate")
        os.kill(pids["killed"], signal.SIGSEGV)
        os.kill(pids["again"], signal.SIGKILL)
        wait_until(lambda: not any(is_alive(p) for p in pids.values()), "all have ended")
        s.kill_launcher()
        self.assertEqual(42, s.wait_state("code", "failed")["exit_code"])
        self.assertEqual("SEGV", s.wait_state("killed", "failed")["exit_signal"])
        again = s.wait_service("again", lambda r: r["state"] == "running"
                               and r["pid"] != pids["again"], "it runs anew")
        self.assertEqual(1, again["restarts"], "counted exactly once")
        # One that is nobody's child, and one that is the new launcher's.
        for name, pid in (("kept", kept), ("again", again["pid"])):
            os.kill(pid, signal.SIGKILL)
            last = s.wait_service(name, lambda r, p=pid: r["state"] == "running" and r["pid"] != p,
                                  "it runs anew")
            self.assertEqual("KILL", last["exit_signal"])
        exits = [json.loads(line) for line in s.ok("--json", "events", "kept", "again").splitlines()]
        self.assertEqual([("again", False), ("kept", False), ("again", True)],
                         [(e["service"], "max_rss_kib" in e) for e in exits if e["type"] == "exit"],
                         "each is told once, and what it has used where that is known")

    def test_an_exit_that_the_dead_launcher_had_reaped_is_known(self):
        s = self.supervisor(service("web", sh("trap 'exit 7' TERM; echo ready; "
                                              "while :; do sleep 0.02; done"), 'restart = "never"'))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "ready")
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: harness.stat_of(pid) is None, "the launcher has reaped it")
        os.kill(s.pid, signal.SIGKILL)
        os.kill(engine, signal.SIGCONT)
        s.process.wait()
        s.process = harness.Heir(engine)
        self.assertEqual(7, s.wait_state("web", "failed")["exit_code"])

    def test_spawns_on_their_way_are_neither_lost_nor_doubled(self):
        n = 12
        s = self.supervisor("".join(
            service(f"web{i}", sh("echo start; exec sleep 1000"), "autostart = false")
            for i in range(n)))
        names = [f"web{i}" for i in range(n)]
        for k in range(8):
            # Some are read by the launcher before it dies, others wait in the link.
            self.freeze_launcher(s)
            s.ok("start", "--no-wait", *names)
            os.kill(s.pid, signal.SIGCONT)
            if k % 2:
                wait_until(lambda: s.wait_engine() and len(harness.descendants(s.pid)) > 2,
                           "something was started")
            s.kill_launcher()
            pids = [s.wait_state(name, "running")["pid"] for name in names]
            alive = [p for p in harness.descendants(os.getpid())
                     if is_alive(p) and "sleep" in harness.command_of(p)]
            self.assertEqual(sorted(pids), sorted(alive))
            for name in names:
                self.assertEqual(k + 1, s.wait_log(name, "start\n" * (k + 1)).count("start"))
            s.ok("stop", *names)

    def test_a_writer_is_logged_to_the_last_line_and_gets_no_sigpipe(self):
        s = self.supervisor(service("web", py(
            "import os\nfor i in range(300000): os.write(1, b'line %d\\n' % i)\n"
            "os.write(2, b'the end\\n')\n"), 'restart = "never"', "log { max-size = 1G }"))
        wait_until(lambda: os.path.getsize(s.log_path("web")), "the log begins")
        for _ in range(10):
            s.kill_launcher()
        self.assertEqual(0, s.wait_state("web", "exited", deadline=60)["exit_code"])
        self.assertEqual([f"line {i}" for i in range(300000)] + ["the end"],
                         s.wait_log("web", "the end").splitlines())

    def involved(self, s):
        """Processes that have its directory in their words: not only those that it knows of."""
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
                if s.dir.encode() in f.read():
                    found.add(int(pid))
        return found

    def is_at_rest(self, s, launcher, n_starts):
        """After so many starts it waits for something to happen, and has reaped all but its engine."""
        with open(f"{s.dir}/starts", "a+", encoding="ascii") as f:
            f.seek(0)
            if len(f.readlines()) < n_starts:
                return False
        if self.involved(s) != {s.engine_pid(), launcher}:
            return False
        with open(f"/proc/{launcher}/task/{launcher}/children", encoding="ascii") as f:
            children = f.read().split()
        return len(children) == 1 and harness.stat_of(launcher)[0] == b"S"

    @unittest.skipUnless(FAULTY and os.access(FAULTY, os.X_OK), "there is none with faults")
    def test_what_was_written_before_the_launcher_told_of_it_is_logged(self):
        """The launcher dies at its Nth system call, for N from SPAWN until the end is told."""
        once = 'run="$SUPERVISOR_INVOCATION $$"; echo "$run" >>"$0"; echo "$run"'
        s = self.supervisor(service("once", sh(once) + ["@DIR@/starts"], "autostart = false",
                                    'restart = "never"'),
                            start=False, executable=os.path.abspath(FAULTY))
        s.env["SUPERVISOR_FAULT"] = f"launcher:any:@{s.dir}/die:KILL"
        s.start()
        n = 0
        for n in range(1, 99, 2):
            engine, launcher = s.engine_pid(), s.process
            self.freeze_launcher(s)
            s.ok("start", "once", "--no-wait")
            os.kill(engine, signal.SIGSTOP)
            s.die_at(n)
            os.kill(launcher.pid, signal.SIGCONT)
            wait_until(lambda: launcher.poll() is not None or self.is_at_rest(s, launcher.pid, n // 2 + 1),
                       "the launcher comes to it, or has done all")
            over = launcher.poll() is None  # the next call comes with what the engine has to say
            if not over:
                wait_until(lambda: self.involved(s) == {engine}, "what it has started has ended")
            os.kill(engine, signal.SIGCONT)
            wait_until(lambda: launcher.poll() is not None, "the launcher comes to it")
            s.process = harness.Heir(engine)
            s.wait_engine()
            s.wait_state("once", "exited", "failed")  # nobody may have seen how
            if over:
                break
        self.assertGreater(n, 25)
        with open(f"{s.dir}/starts", encoding="ascii") as f:
            started = f.read().splitlines()
        self.assertGreaterEqual(len(started), n // 2 + 1)
        self.assertEqual(sorted(started), sorted(s.read_log("once").splitlines()))

    def test_twenty_kills_in_a_row_with_everything_under_way(self):
        marks = "echo $$ >> @DIR@/starts; "
        s = self.supervisor(
            service("web", SLEEP)
            + service("loop", sh(marks + "exit 1"), "restart-limit = 0", "restart-delay = 20ms",
                      "restart-max-delay = 20ms", "restart-jitter = 0")
            + service("stubborn", sh("trap '' TERM; echo ready; while :; do sleep 0.1; done"),
                      "stop { timeout = 1s }")
            + service("hooked", sh("sleep 0.05"), 'restart = "always"', "restart-limit = 0", *QUICK,
                      'hooks { pre-start = {"/bin/sh", "-c", "sleep 0.02"} '
                      'post-stop = {"/bin/sh", "-c", "sleep 0.02"} }')
            + service("checked", SLEEP, 'health { command = {"/bin/sh", "-c", "sleep 0.03"} '
                      "interval = 20ms timeout = 5s failures = 2 }"))
        pid = s.wait_state("web", "running")["pid"]
        checked = s.wait_state("checked", "running")["pid"]
        restarts, knocker = 0, harness.Knocker(s.socket_path)
        for i in range(20):
            if i % 4 == 0:
                s.ok("start", "stubborn")
            if i % 4 == 2:
                s.ok("stop", "--no-wait", "stubborn")
            s.kill_launcher()
            rows = s.services()
            self.assertEqual(("running", pid), (rows["web"]["state"], rows["web"]["pid"]))
            self.assertEqual(("running", checked), (rows["checked"]["state"], rows["checked"]["pid"]))
            self.assertGreaterEqual(rows["loop"]["restarts"], restarts, "never forgotten")
            restarts = rows["loop"]["restarts"]
            mine = [p for p in harness.descendants(os.getpid())
                    if is_alive(p) and harness.command_of(p).startswith("sh -c trap")]
            self.assertLessEqual(len(mine), 1)
        s.wait_service("loop", lambda r: r["restarts"] > restarts, "restarts go on")
        hooked = s.status("hooked")["restarts"]
        s.wait_service("hooked", lambda r: r["restarts"] > hooked, "so do hooks")
        self.assertEqual([], knocker.finish(), "no client is refused")
        s.stop()
        self.assertFalse(is_alive(pid))

    def test_a_request_that_the_launcher_died_under_is_done(self):
        s = self.supervisor(service("web", SLEEP, "instances = 1"))
        s.wait_state("web@1", "running")
        for n in (3, 2, 4, 1, 3):
            engine = s.wait_engine()
            with s.connect() as v:
                v.call("Version")
                os.kill(engine, signal.SIGSTOP)
                wait_until(lambda e=engine: harness.stat_of(e)[0] == b"T", "the engine is stopped")
                # It comes to that first, and is told of the death of its launcher after it.
                v.send("io.supctl.Control.Scale", {"name": "web", "instances": n})
                os.kill(s.pid, signal.SIGKILL)
                s.process.wait()
                os.kill(engine, signal.SIGCONT)
                s.process = harness.Heir(engine)
                try:
                    self.assertNotIn("error", v.receive())
                except ConnectionError:
                    pass  # not answered: whoever asked asks again
            s.wait_engine()
            wait_until(s.answers, "the next supervisord answers")
            s.ok("scale", "web", str(n))
            wait_until(lambda n=n: len(s.services()) == n, "what was too many has gone")

    def test_launcher_and_engine_one_after_the_other(self):
        s = self.supervisor(service("web", SLEEP) + service("loop", sh("exit 1"), *QUICK,
                                                            "restart-limit = 0"))
        pid = s.wait_state("web", "running")["pid"]
        for i in range(8):
            s.kill_launcher()
            os.kill(s.wait_engine(), signal.SIGKILL)
            if i % 2:
                wait_until(s.answers, "the next engine answers")
            self.assertEqual(pid, s.wait_state("web", "running")["pid"])

    def test_signals_and_the_pid_file_are_those_of_the_new_one(self):
        s = self.supervisor(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        s.kill_launcher()
        s.write_config(service("web", SLEEP) + service("other", SLEEP))
        s.signal(signal.SIGHUP)
        wait_until(lambda: "other" in s.services(), "HUP is taken")
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])
        s.signal(signal.SIGTERM)
        self.assertEqual(0, s.wait_exit())
        self.assertFalse(is_alive(pid))
        self.assertEqual([], os.listdir(s.runtime_dir))

    def test_a_service_has_the_limits_and_the_environment_that_it_had(self):
        show = py("import os, resource, signal\n"
                  "print(resource.getrlimit(resource.RLIMIT_NOFILE), os.getcwd(), "
                  "sorted(k for k in os.environ if k != 'SUPERVISOR_INVOCATION'), "
                  "os.environ['HARNESS_MARK'], signal.pthread_sigmask(signal.SIG_BLOCK, []), "
                  "signal.getsignal(signal.SIGPIPE), sorted(os.listdir('/proc/self/fd'))[:3], "
                  "len(os.listdir('/proc/self/fd')), open('/proc/self/oom_score_adj').read(), 'end')\n")
        s = self.supervisor(service("web", show, "autostart = false"))
        s.ok("start", "--no-wait", "web")
        before = s.wait_log("web", "end\n")
        s.kill_launcher()
        s.kill_engine()
        s.ok("start", "--no-wait", "web")
        wait_until(lambda: s.read_log("web").count("end\n") == 2, "it was run again")
        self.assertEqual(2 * before, s.read_log("web"))

    def test_it_is_the_same_program_with_the_same_arguments(self):
        s = self.supervisor(service("web", SLEEP))
        before = {f: s.read(f"/proc/{s.pid}/{f}") for f in ("cmdline", "comm")}
        exe, umask = os.readlink(f"/proc/{s.pid}/exe"), harness.status_field(s.pid, "SigBlk")
        s.kill_launcher()
        self.assertEqual(before, {f: s.read(f"/proc/{s.pid}/{f}") for f in ("cmdline", "comm")})
        self.assertEqual(exe, os.readlink(f"/proc/{s.pid}/exe"))
        self.assertEqual(umask, harness.status_field(s.pid, "SigBlk"))
        fds = len(os.listdir(f"/proc/{s.pid}/fd"))
        for _ in range(4):
            s.kill_launcher()
        self.assertLessEqual(len(os.listdir(f"/proc/{s.pid}/fd")), fds, "none pile up")

    def test_a_program_that_cannot_be_executed_is_tried_again(self):
        s = self.supervisor(
            service("web", py("import time\nfor i in range(100000):\n print('line', i)\n"
                              " time.sleep(0.01)\n")),
            executable=os.environ["SUPERVISORD_FAULTY"],
            env={"SUPERVISOR_FAULT": "engine:execveat:1:ENOMEM"})
        pid = s.wait_state("web", "running")["pid"]
        engine = s.wait_engine()
        os.kill(s.pid, signal.SIGKILL)
        s.process.wait()
        s.process = harness.Heir(engine)
        s.wait_stderr("cannot be executed anew: Cannot allocate memory")
        n = s.read_log("web").count("\n")
        wait_until(lambda: s.read_log("web").count("\n") > n + 5, "it is logged all the while")
        self.assertEqual(pid, s.services()["web"]["pid"])
        s.wait_engine()
        wait_until(s.answers, "the next supervisord answers")
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])
        s.stop()
        self.assertFalse(is_alive(pid))


if __name__ == "__main__":
    harness.main()
