"""supctl outlives the engine: what it asked for is joined by the next one, and not repeated.

Services write down themselves how often they were started, signalled and told to reload.
"""

import json
import os
import signal
import subprocess
import threading
import unittest

import harness
from harness import SLEEP, py, service, sh, wait_until

FAULTY = os.environ.get("SUPERVISORD_FAULTY")

COUNTING = py("""
import os, signal, sys, time
here = sys.argv[1] if len(sys.argv) > 1 else os.environ["SUPERVISOR_NAME"]
def note(what):
    os.write(1, (what + "\\n").encode())
for name in ("HUP", "USR1"):
    signal.signal(getattr(signal, "SIG" + name), lambda *a, name=name: note(name))
def end(*a):
    while not os.path.exists(os.environ.get("GATE", "/")): time.sleep(0.01)
    note("end")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("start")
while True:
    signal.pause()
""")


class Bridge(harness.SystemTest):
    def counting(self, *names, **variables):
        environment = ", ".join(harness.quote(f"{k}={v}") for k, v in variables.items())
        config = "".join(service(n, COUNTING, f"environment = {{{environment}}}",
                                 'groups = {"all"}', "stop { timeout = 1min }") for n in names)
        s = self.supervisor(config)
        for n in names:
            s.wait_log(n, "start\n")
        return s

    def notes(self, s, name):
        return s.read_log(name).split()

    def while_paused(self, s, *args):
        """supctl asks while the engine is stopped, which is then killed: (status, out, err)."""
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)
        p = s.ctl_start(*args)
        # It waits for an answer, or is about to ask: either is a moment to die.
        wait_until(lambda: p.poll() is not None or any(
            os.readlink(f"/proc/{p.pid}/fd/{fd}").startswith("socket:")
            for fd in os.listdir(f"/proc/{p.pid}/fd")), "supctl has a connection")
        os.kill(engine, signal.SIGKILL)
        wait_until(lambda: not harness.is_alive(engine), "the engine is dead")
        return self.result(p)

    def result(self, p):
        try:
            out, err = p.communicate(timeout=harness.DEADLINE)
        except subprocess.TimeoutExpired:
            raise harness.Timeout(f"{p.args} has not ended") from None
        return p.returncode, out, err

    def kill_when(self, s, condition, what):
        wait_until(condition, what, interval=0.002)
        engine = s.wait_engine()
        os.kill(engine, signal.SIGKILL)
        s.wait_engine(other_than=engine)

    def test_verbs_that_look_are_answered_by_the_next_engine(self):
        s = self.counting("a", "b")
        for args, expected in ((("status",), "running"), (("--json", "status", "a"), '"running"'),
                               (("show", "a"), "running"), (("logs", "a"), "start"),
                               (("plan",), "nothing to do"), (("version",), "supervisord"),
                               (("queue", "--peek"), "starting -> running"),
                               (("wait", "a", "b", "--for", "running"), "a: running"),
                               (("reopen",), ""), (("apply",), "nothing to do"),
                               (("reset", "@all"), "a: running")):
            with self.subTest(verb=args):
                code, out, err = self.while_paused(s, *args)
                self.assertEqual((0, ""), (code, err))
                self.assertIn(expected, out)
        self.assertEqual([self.notes(s, "a"), self.notes(s, "b")], [["start"], ["start"]])

    def test_a_request_that_no_engine_has_read_happens_once(self):
        s = self.counting("a")
        pid = s.status("a")["pid"]
        self.assertEqual(self.while_paused(s, "signal", "USR1", "a"),
                         (0, f"a: USR1 sent (pid {pid})\n", ""))
        s.wait_log("a", "USR1\n")
        self.assertEqual(self.while_paused(s, "reload", "a")[:2], (0, f"a: running (pid {pid})\n"))
        s.wait_log("a", "HUP\n")
        self.assertEqual(self.while_paused(s, "restart", "a")[0], 0)
        s.wait_log("a", "end\nstart\n")
        self.assertEqual(self.while_paused(s, "stop", "a")[:2], (0, "a: stopped\n"))
        self.assertEqual(self.while_paused(s, "start", "a")[0], 0)
        s.wait_log("a", "USR1\nHUP\nend\nstart\nend\nstart\n")
        self.assertEqual(self.notes(s, "a"),
                         ["start", "USR1", "HUP", "end", "start", "end", "start"])
        self.assertEqual(s.show("a")["generation"], 3)

    def test_without_waiting_it_happens_once_as_well(self):
        s = self.counting("a")
        self.assertEqual(self.while_paused(s, "restart", "a", "--no-wait")[0], 0)
        wait_until(lambda: self.notes(s, "a") == ["start", "end", "start"], "it was restarted once")
        s.wait_state("a", "running")
        self.assertEqual(s.show("a")["generation"], 2)

    def test_a_restart_under_way_is_joined_however_often_the_engine_dies(self):
        s = self.counting("a", "b", GATE="@DIR@/go")
        p = s.ctl_start("restart", "a", "b")
        for _ in range(4):
            self.kill_when(s, lambda: s.services()["a"]["state"] == "stopping", "it is on its way")
        s.flag("go")
        code, out, err = self.result(p)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(sorted(line.split(":")[0] for line in out.splitlines()), ["a", "b"])
        for name in ("a", "b"):
            s.wait_log(name, "end\nstart\n")
            self.assertEqual(self.notes(s, name), ["start", "end", "start"])
            self.assertEqual((s.show(name)["generation"], s.show(name)["restarts"]), (2, 0))

    def test_a_stop_under_way_is_joined(self):
        s = self.counting("a", GATE="@DIR@/go")
        p = s.ctl_start("stop", "a")
        self.kill_when(s, lambda: s.services()["a"]["state"] == "stopping", "it is being stopped")
        s.flag("go")
        self.assertEqual(self.result(p), (0, "a: stopped\n", ""))
        self.assertEqual(self.notes(s, "a"), ["start", "end"])

    def test_a_start_under_way_is_joined(self):
        s = self.supervisor(service("job", sh("echo start; until [ -e @DIR@/go ]; do sleep 0.01; done"),
                                    'type = "oneshot"', "autostart = false"))
        p = s.ctl_start("start", "job")
        self.kill_when(s, lambda: s.services()["job"]["state"] == "starting", "it is starting")
        s.flag("go")
        self.assertEqual(self.result(p), (0, "job: exited\n", ""))
        self.assertEqual(s.read_log("job"), "start\n")

    def test_a_reload_command_under_way_is_joined(self):
        s = self.supervisor(service(
            "a", SLEEP, 'reload { command = {"/bin/sh", "-c", "echo run >>@DIR@/runs; '
            'until [ -e @DIR@/go ]; do sleep 0.01; done; echo done >>@DIR@/runs"} }'))
        s.wait_state("a", "running")
        p = s.ctl_start("reload", "a")
        self.kill_when(s, lambda: os.path.exists(f"{s.dir}/runs"), "the command runs")
        s.flag("go")
        code, out, err = self.result(p)
        self.assertEqual((code, out), (0, f"a: running (pid {s.status('a')['pid']})\n"), err)
        self.assertEqual(s.read(f"{s.dir}/runs"), "run\ndone\n")

    @unittest.skipUnless(FAULTY, "there is no supervisord with faults (SUPERVISORD_FAULTY)")
    def test_a_reload_command_is_run_once_whichever_call_the_engine_dies_at(self):
        s = self.supervisor(service("a", SLEEP, 'reload { command = {"/bin/sh", "-c", '
                                    '"echo run >>@DIR@/runs"} }'),
                            executable=os.path.abspath(FAULTY), start=False)
        s.env["SUPERVISOR_FAULT"] = f"engine:any:@{s.dir}/die:KILL"
        s.start()
        pid = s.wait_state("a", "running")["pid"]
        for n in range(1, 20):
            s.die_at(n)
            self.assertEqual((0, f"a: running (pid {pid})\n", ""), s.ctl("reload", "a"), n)
            self.assertEqual("run\n" * n, s.read(f"{s.dir}/runs"), n)
        self.assertGreater(s.stderr().count("was killed by signal KILL"), 10)

    def test_an_apply_under_way_is_joined(self):
        s = self.counting("a", "gone", GATE="@DIR@/go")
        s.write_config(service("a", COUNTING, 'environment = {"X=y"}') + service("new", SLEEP))
        p = s.ctl_start("apply")
        self.kill_when(s, lambda: s.services()["a"]["state"] == "stopping", "it is under way")
        wait_until(lambda: s.stderr().count(": Apply\n") >= 2, "the next engine is asked")
        s.flag("go")
        code, out, err = self.result(p)
        self.assertEqual((code, err), (0, ""))
        for line in ("~ a     restart", "new: running", "gone: stopped", "a: running"):
            self.assertEqual(out.count(line), 1, out)
        s.wait_log("a", "end\nstart\n")
        self.assertEqual(self.notes(s, "a"), ["start", "end", "start"])
        self.assertEqual(list(s.services()), ["a", "new"])

    def test_followers_of_events_go_on_and_hear_of_it(self):
        s = self.counting("a")
        p = s.ctl_start("--json", "events", "-f")
        first = json.loads(p.stdout.readline())
        self.assertEqual(first["type"], "started")
        s.kill_engine()
        self.assertEqual(json.loads(p.stdout.readline())["type"], "recovered")
        s.ok("stop", "a")
        events = (json.loads(line) for line in p.stdout)
        states = (e["state"] for e in events if e["type"] == "state")
        self.assertEqual([next(states), next(states)], ["stopping", "stopped"])

    def test_a_wait_goes_on(self):
        s = self.counting("a", "b")
        p = s.ctl_start("wait", "a", "b", "--for", "stopped")
        s.ok("stop", "a")
        s.kill_engine()
        s.ok("stop", "b")
        code, out, _ = self.result(p)
        self.assertEqual((code, sorted(out.splitlines())), (0, ["a: stopped", "b: stopped"]))

    def test_who_follows_logs_or_the_queue_goes_on(self):
        s = self.supervisor(service("a", sh("n=0; while :; do n=$((n + 1)); echo line $n; "
                                            "sleep 0.02; done")) + service("b", SLEEP))
        s.wait_log("a", "line 1\n")
        logs = s.ctl_start("logs", "-f", "-n", "1", "a")
        queue = s.ctl_start("queue", "-f")
        self.assertIn("line", logs.stdout.readline())
        self.assertIn("starting", queue.stdout.readline())
        s.kill_engine()
        s.ok("stop", "b")
        last = s.read_log("a").splitlines()[-1]
        for p, text in ((logs, last), (queue, "b stopping -> stopped")):
            for line in p.stdout:
                if text in line:
                    break
            self.assertIn(text, line)
            self.assertIsNone(p.poll())

    def test_a_shutdown_that_no_engine_has_read_happens(self):
        s = self.counting("a")
        self.assertEqual(self.while_paused(s, "shutdown"), (0, "", ""))
        self.assertEqual(s.wait_exit(), 0)
        self.assertEqual(self.notes(s, "a"), ["start", "end"])

    def test_a_shutdown_under_way_goes_on(self):
        s = self.counting("a", GATE="@DIR@/go")
        p = s.ctl_start("shutdown")
        self.kill_when(s, lambda: s.services()["a"]["state"] == "stopping", "it is shutting down")
        s.flag("go")
        self.assertEqual(self.result(p)[0], 0)
        self.assertEqual(s.wait_exit(), 0)
        self.assertEqual(self.notes(s, "a"), ["start", "end"])

    def test_clients_side_by_side_each_get_one_answer(self):
        names = [f"s{i}" for i in range(6)]
        s = self.supervisor("".join(service(n, SLEEP) for n in names))
        s.wait_state("s5", "running")
        results, over = [], threading.Event()

        def ask(i):
            while not over.is_set():
                mine = [names[i], names[(i + 1) % 6]]
                code, out, err = s.ctl("restart", *mine)
                results.append((code, sorted(l.split(":")[0] for l in out.splitlines()),
                                sorted(mine), err))

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for _ in range(12):
            s.kill_engine()
        over.set()
        for t in threads:
            t.join()
        wrong = [r for r in results if r[0] != 0 or r[1] != r[2]]
        self.assertEqual(wrong, [])
        for n in names:
            s.wait_state(n, "running")
        sleeps = [p for p in harness.descendants(s.pid) if "sleep" in harness.command_of(p)]
        self.assertEqual(len(sleeps), len(names))

    def test_without_any_engine_it_gives_up_and_says_so(self):
        s = self.counting("a")
        os.kill(s.wait_engine(), signal.SIGSTOP)
        code, _, err = s.ctl("show", "a", timeout=40)
        self.assertEqual(code, 1)
        self.assertIn("does not answer", err)
        os.kill(s.engine_pid(), signal.SIGCONT)

    def test_a_repeated_restart_is_judged_by_its_own_generation(self):
        # Its main process has ended well; what is left of it is being ended when it asks again.
        s = self.supervisor(service("job", sh("trap '' TERM; (exec >&- 2>&-; while :; do sleep 0.1;"
                                              " done) & exit 0"), "autostart = false",
                                    'restart = "never"', "stop { timeout = 2s }"))
        asked = {"names": ["job"], "id": "0123456789abcdef"}
        with s.connect() as v:
            v.send(f"{harness.INTERFACE}.Restart", asked)
            s.wait_state("job", "stopping")
            s.kill_engine()
        self.assertEqual("stopping", s.status("job")["state"])
        result = s.varlink("Restart", asked)["results"][0]
        self.assertEqual((True, "exited"), (result["ok"], result["state"]))


if __name__ == "__main__":
    harness.main()
