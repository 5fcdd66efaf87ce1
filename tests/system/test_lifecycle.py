"""Start, stop, restart; how services end, are started again, and are given up."""

import os
import signal

import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until

QUICK = ("restart-delay = 10ms", "restart-max-delay = 20ms", "restart-jitter = 0")


class Lifecycle(harness.SystemTest):
    def test_autostarted_service_runs_and_others_wait_for_an_operator(self):
        s = self.supervisor(service("web", SLEEP) + service("idle", SLEEP, "autostart = false"))
        web = s.wait_state("web", "running")
        self.assertTrue(is_alive(web["pid"]))
        self.assertEqual("up", web["desired"])
        self.assertIs(True, web["ready"])
        idle = s.status("idle")
        self.assertEqual(("stopped", "down", None), (idle["state"], idle["desired"], idle["pid"]))
        self.assertIsNone(idle["exit_code"])

    def test_start_stop_and_restart_have_happened_when_supctl_returns(self):
        s = self.supervisor(service("web", SLEEP, "autostart = false"))
        s.ok("start", "web")
        first = s.status("web")
        self.assertEqual("running", first["state"])
        s.ok("restart", "web")
        second = s.status("web")
        self.assertEqual("running", second["state"])
        self.assertNotEqual(first["pid"], second["pid"])
        self.assertFalse(is_alive(first["pid"]))
        self.assertEqual(0, second["restarts"], "an operator's restart is not counted")
        s.ok("stop", "web")
        self.assertFalse(is_alive(second["pid"]))
        stopped = s.status("web")
        self.assertEqual(("stopped", "down"), (stopped["state"], stopped["desired"]))

    def test_starting_what_runs_leaves_it_alone(self):
        s = self.supervisor(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        s.ok("start", "web")
        self.assertEqual(pid, s.status("web")["pid"])

    def test_status_has_every_promised_field(self):
        s = self.supervisor(service("web", SLEEP))
        s.wait_state("web", "running")
        web = s.status("web")
        wanted = {"name", "state", "desired", "ready", "pid", "since", "uptime_ms", "restarts",
                  "exit_code", "exit_signal", "reason", "next_start_ms", "health", "status_text",
                  "reloading"}
        self.assertEqual(set(), wanted - set(web))
        self.assertRegex(web["since"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        self.assertIsInstance(web["uptime_ms"], int)

    def test_a_clean_exit_is_exited_and_a_code_outside_success_codes_is_failed(self):
        s = self.supervisor(
            service("good", sh("exit 0"))
            + service("three", sh("exit 3"), "success-codes = {3}")
            + service("zero", sh("exit 0"), "success-codes = {3}", 'restart = "never"')
            + service("bad", sh("exit 7"), 'restart = "never"')
            + service("hit", sh("kill -9 $$"), 'restart = "never"'))
        self.assertEqual(0, s.wait_state("good", "exited")["exit_code"])
        self.assertEqual(3, s.wait_state("three", "exited")["exit_code"])
        self.assertEqual(0, s.wait_state("zero", "failed")["exit_code"])
        bad = s.wait_state("bad", "failed")
        self.assertEqual((7, None), (bad["exit_code"], bad["exit_signal"]))
        self.assertIn("7", bad["reason"])
        hit = s.wait_state("hit", "failed")
        self.assertEqual((None, "KILL"), (hit["exit_code"], hit["exit_signal"]))
        self.assertEqual(0, s.status("bad")["restarts"])

    def test_gives_up_after_restart_limit_and_counts_the_restarts(self):
        s = self.supervisor(service("bad", sh("echo run; exit 1"), "restart-limit = 3", *QUICK))
        bad = s.wait_state("bad", "failed")
        self.assertEqual((3, 1), (bad["restarts"], bad["exit_code"]))
        self.assertEqual(4, s.wait_log("bad", "run\n" * 4).count("run"))

    def test_restart_always_starts_again_after_a_clean_exit(self):
        s = self.supervisor(service("loop", sh("exit 0"), 'restart = "always"',
                                    "restart-limit = 2", *QUICK))
        loop = s.wait_service("loop", lambda r: r["restarts"] == 2 and r["pid"] is None
                              and r["state"] in ("failed", "exited"), "it gave up")
        self.assertEqual(0, loop["exit_code"])

    def test_on_abnormal_ignores_codes_but_not_signals(self):
        s = self.supervisor(
            service("code", sh("exit 1"), 'restart = "on-abnormal"', *QUICK)
            + service("killed", sh("kill -9 $$"), 'restart = "on-abnormal"', "restart-limit = 2",
                      *QUICK))
        self.assertEqual(0, s.wait_state("code", "failed")["restarts"])
        self.assertEqual(2, s.wait_state("killed", "failed")["restarts"])

    def test_backoff_tells_when_it_will_start_again(self):
        s = self.supervisor(service("bad", sh("exit 1"), "restart-delay = 1h",
                                    "restart-max-delay = 1h", "restart-jitter = 0"))
        bad = s.wait_state("bad", "backoff")
        self.assertEqual("up", bad["desired"])
        self.assertGreater(bad["next_start_ms"], 3500_000)
        self.assertLessEqual(bad["next_start_ms"], 3600_000)
        s.ok("stop", "bad")
        self.assertEqual("stopped", s.status("bad")["state"])

    def test_an_operators_start_ends_backoff_and_clears_the_counter(self):
        s = self.supervisor(service("bad", sh('test -e "$0" && exec sleep 100000; exit 1')
                                    + ["@DIR@/gate"], "restart-limit = 1", *QUICK))
        self.assertEqual(1, s.wait_state("bad", "failed")["restarts"])
        s.flag("gate")
        s.ok("start", "bad")
        bad = s.status("bad")
        self.assertEqual(("running", 0), (bad["state"], bad["restarts"]))

    def test_reset_makes_a_failed_service_stopped(self):
        s = self.supervisor(service("bad", sh("exit 1"), "restart-limit = 1", *QUICK))
        s.wait_state("bad", "failed")
        s.ok("reset", "bad")
        bad = s.status("bad")
        self.assertEqual(("stopped", 0), (bad["state"], bad["restarts"]))

    def test_an_unexpected_kill_is_repaired(self):
        s = self.supervisor(service("web", SLEEP, *QUICK))
        old = s.wait_state("web", "running")["pid"]
        os.kill(old, signal.SIGKILL)
        web = s.wait_service("web", lambda r: r["state"] == "running" and r["pid"] != old,
                             "web runs anew")
        self.assertEqual((1, "KILL"), (web["restarts"], web["exit_signal"]))

    def test_a_failed_exec_tells_the_error_and_has_no_exit_code(self):
        s = self.supervisor(
            service("nothere", ["/nonexistent/program"], 'restart = "never"')
            + service("nodir", SLEEP, 'directory = "/nonexistent"', 'restart = "never"')
            + service("noexec", ["@DIR@/plain"], 'restart = "never"'),
            prepare=lambda s: s.flag("plain"))
        for name, text in (("nothere", "No such file or directory"),
                           ("nodir", "No such file or directory"),
                           ("noexec", "Permission denied")):
            with self.subTest(name):
                row = s.wait_state(name, "failed")
                self.assertIsNone(row["exit_code"])
                self.assertIsNone(row["pid"])
                self.assertIn(text, row["reason"])

    def test_a_failed_exec_is_tried_again_like_any_failure(self):
        s = self.supervisor(service("nothere", ["/nonexistent/program"], "restart-limit = 2", *QUICK))
        self.assertEqual(2, s.wait_state("nothere", "failed")["restarts"])

    def test_a_oneshot_is_exited_when_done_and_start_waits_for_it(self):
        s = self.supervisor(
            service("job", sh("echo done"), 'type = "oneshot"', "autostart = false")
            + service("bad", sh("exit 4"), 'type = "oneshot"', "autostart = false",
                      'restart = "never"'))
        s.ok("start", "job")
        self.assertEqual(("exited", 0), (s.status("job")["state"], s.status("job")["exit_code"]))
        self.assertIn("done", s.read_log("job"))
        self.assertEqual(1, s.ctl("start", "bad")[0])
        self.assertEqual(("failed", 4), (s.status("bad")["state"], s.status("bad")["exit_code"]))

    def test_instances_are_services_of_their_own(self):
        s = self.supervisor(
            service("web", sh("echo I am %{name} number %{instance}; exec sleep 100000"),
                    "instances = 3")
            + service("one", SLEEP, "instances = 1"))
        names = {"web@1", "web@2", "web@3", "one@1"}
        self.assertEqual(names, set(s.services()))
        pids = {s.wait_state(name, "running")["pid"] for name in names}
        self.assertEqual(4, len(pids))
        s.wait_log("web@2", "I am web@2 number 2\n")
        s.ok("stop", "web@2")
        states = {n: r["state"] for n, r in s.services().items()}
        self.assertEqual({"web@1": "running", "web@2": "stopped", "web@3": "running",
                          "one@1": "running"}, states)
        s.ok("stop", "web")
        self.assertEqual({"stopped"}, {s.status(f"web@{i}")["state"] for i in (1, 2, 3)})

    def test_groups_and_globs_name_many(self):
        s = self.supervisor(
            service("web1", SLEEP, 'groups = {"front", "all"}')
            + service("web2", SLEEP, 'groups = {"front"}')
            + service("db", SLEEP, 'groups = {"all"}'))
        for name in ("web1", "web2", "db"):
            s.wait_state(name, "running")
        s.ok("stop", "@front")
        self.assertEqual({"web1": "stopped", "web2": "stopped", "db": "running"},
                         {n: r["state"] for n, r in s.services().items()})
        s.ok("start", "web*")
        self.assertEqual({"running"}, {r["state"] for r in s.services().values()})
        s.ok("stop", "web?", "db")
        self.assertEqual({"stopped"}, {r["state"] for r in s.services().values()})

    def test_max_starting_does_not_keep_anything_from_running(self):
        s = self.supervisor("max-starting = 2\n"
                            + "".join(service(f"s{i}", SLEEP) for i in range(12)))
        for i in range(12):
            s.wait_state(f"s{i}", "running")

    def test_two_hundred_services_start_and_stop(self):
        s = self.supervisor(service("many", SLEEP, "instances = 200"))
        wait_until(lambda: {r["state"] for r in s.services().values()} == {"running"},
                   "all 200 run", deadline=60)
        self.assertEqual(200, len({r["pid"] for r in s.services().values()}))
        s.ok("stop", "many", timeout=100)
        self.assertEqual({"stopped"}, {r["state"] for r in s.services().values()})

    def test_a_second_supervisord_for_the_same_directory_is_refused(self):
        s = self.supervisor(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        first, text = s.process, s.stderr()
        try:
            s.start(ready=False)
            self.assertNotEqual(0, s.process.wait(harness.DEADLINE))
        finally:
            s.process = first
        self.assertGreater(len(s.stderr()), len(text), "it says why")
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])
        self.assertIsNone(first.poll())

    def test_a_stable_run_forgets_past_failures(self):
        # Fails twice at once, then each time after more than stable-after: never given up.
        script = ("import os,sys,time\n"
                  "f=sys.argv[1]; n=int(open(f).read() or 0)+1; open(f,'w').write(str(n))\n"
                  "time.sleep(0.5)\n"
                  "os._exit(1)\n")
        s = self.supervisor(
            service("on", py(script) + ["@DIR@/count"], "restart-limit = 0",
                    "restart-delay = 10ms", "restart-max-delay = 1h", "restart-jitter = 0",
                    "stable-after = 200ms"),
            prepare=lambda s: s.flag("count"))
        # Without forgetting, the 15th delay alone would be 2.7 min.
        s.wait_service("on", lambda r: r["restarts"] >= 8, "it is started again and again",
                       deadline=40)


if __name__ == "__main__":
    harness.main()
