"""supctl scale: instances come and go at run time, and their number stays."""

import os
import signal
import subprocess

import harness
from harness import SLEEP, VarlinkError, service, sh, wait_until

# Ends 0.3 s after TERM at the earliest: long enough to look at it meanwhile.
LINGER = sh("trap 'while [ ! -e @DIR@/go ]; do sleep 0.02; done; exit' TERM; echo ready; "
            "while :; do sleep 0.02; done")


class Scale(harness.SystemTest):
    def names(self, s):
        return list(s.services())

    def pids(self, s):
        return {name: row["pid"] for name, row in s.services().items()}

    def scale(self, s, name, n, **parameters):
        return s.varlink("Scale", {"name": name, "instances": n, **parameters})

    def complete(self, s, *words):
        return subprocess.run([s.supctl, "__complete", "-s", s.socket_path, *words], text=True,
                              capture_output=True, timeout=60, check=True).stdout

    def plan(self, s):
        return s.varlink("Plan")["plan"]

    def test_more_are_started_and_fewer_are_removed_and_others_are_not_touched(self):
        s = self.supervisor(service("w", SLEEP, "instances = 2") + service("other", SLEEP))
        s.wait_all_running()
        before = self.pids(s)
        code, out, err = s.ctl("scale", "w", "4")
        self.assertEqual((code, err), (0, ""))
        lines = out.splitlines()
        self.assertEqual(lines[0], "w: 4 instances, were 2")
        self.assertEqual(sorted(line.split(" (")[0] for line in lines[1:]),
                         ["w@3: running", "w@4: running"])
        after = self.pids(s)
        self.assertEqual(list(after), ["w@1", "w@2", "w@3", "w@4", "other"])
        self.assertEqual({k: after[k] for k in before}, before)
        code, out, err = s.ctl("scale", "w", "1")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.splitlines()[0], "w: 1 instance, were 4")
        self.assertEqual(self.names(s), ["w@1", "other"], "gone with the answer")
        for name in ("w@2", "w@3", "w@4"):
            self.assertFalse(harness.is_alive(after[name]))
        self.assertEqual(self.pids(s), {k: before[k] for k in ("w@1", "other")})
        self.assertEqual(s.ok("scale", "w", "1"), "w: 1 instance, as before\n")

    def test_json(self):
        s = self.supervisor(service("w", SLEEP, "instances = 1"))
        answer = s.json("scale", "w", "2")
        self.assertEqual(answer["scaled"], {"name": "w", "was": 1, "instances": 2})
        self.assertEqual([(r["name"], r["ok"], r["state"]) for r in answer["results"]],
                         [("w@2", True, "running")])

    def test_none_at_all_and_back(self):
        s = self.supervisor(service("w", SLEEP, "instances = 2"))
        s.ok("scale", "w", "0")
        self.assertEqual(self.names(s), [])
        self.assertEqual(self.complete(s, "scale", ""), "w\n", "it can be named all the same")
        s.ok("scale", "w", "3")
        self.assertEqual(self.names(s), ["w@1", "w@2", "w@3"])

    def test_what_cannot_be_scaled_is_told_and_changes_nothing(self):
        s = self.supervisor(service("w", SLEEP, "instances = 2") + service("single", SLEEP)
                            + service("one", SLEEP, "instances = 1", 'log { file = "one.log" }')
                            + service("user", SLEEP, 'after = {"w@2"}'))
        s.wait_all_running()
        before = self.pids(s)
        for args, expected, words in (
                (("single", "2"), 1, r"'single' has no instances; .*'instances'.*conf:\d+\)"),
                (("w@1", "2"), 1, r"'w@1' is one instance; .* scale 'w'"),
                (("nobody", "2"), 4, "nobody: no such service$"),
                (("all", "2"), 4, r"all: no such service; all services are '\*'"),
                (("w*", "2"), 4, "no such service"),
                (("w", "10001"), 1, "0 to 10000 instances"),
                (("w", "-1"), 2, "not known|not a number"),
                (("w", "many"), 2, "not a number"),
                (("one", "2"), 1, r"conf:\d+: .*'one': several instances would write one file"),
                (("w", "1"), 1, r"conf:\d+: .*there is no 'w@2'.*supctl scale")):
            code, out, err = s.ctl("scale", *args)
            self.assertEqual((code, out), (expected, ""), args)
            self.assertRegex(err, words)
        self.assertEqual(self.pids(s), before)
        for n in (-1, 2**31, 2**62):
            with self.assertRaises(VarlinkError):
                self.scale(s, "w", n)

    def test_so_many_services_that_there_can_be_no_more(self):
        s = self.supervisor(service("w", SLEEP, "instances = 1")
                            + service("a", SLEEP, "instances = 9999", "autostart = false")
                            + service("b", SLEEP, "instances = 9999", "autostart = false"))
        s.ok("scale", "w", "2")
        code, _, err = s.ctl("scale", "w", "3")
        self.assertEqual(code, 1)
        self.assertIn("more than 20000 services", err)
        self.assertEqual(len(s.services()), 20000)

    def test_the_number_stays_over_reloads_until_the_files_say_another_one(self):
        def config(n, *lines):
            return service("w", SLEEP, f"instances = {n}", *lines)

        s = self.supervisor(config(3))
        s.ok("scale", "w", "5")
        before = self.pids(s)
        self.assertEqual(self.plan(s)["scaled"],
                         [{"name": "w", "instances": 5, "configured": 3}])
        self.assertEqual(s.ok("plan"), "nothing to do: what is in force is what the files say\n"
                                       "= w  5 instances, scaled from 3\n")
        s.write_config(config(3, "restart-delay = 1s"))
        self.assertEqual(s.ok("plan"), "~ w  live\n    restart-delay 100ms -> 1s\n"
                                       "= w  5 instances, scaled from 3\n"
                                       "no service to restart, start or stop\n")
        s.ok("apply")
        self.assertEqual(self.pids(s), before)
        s.kill_engine()
        s.signal(signal.SIGHUP)
        s.wait_stderr("nothing has changed")
        self.assertEqual(self.pids(s), before)
        settings = {x["key"]: x["value"] for x in s.show("w@1")["settings"]}
        self.assertEqual(settings["instances"], "5 # scaled from 3")
        s.write_config(config(4))
        self.assertIn("    instances     5 # scaled from 3 -> 4 (live)\n", s.ok("plan"))
        s.ok("apply")
        self.assertEqual({k: before[k] for k in ("w@1", "w@2", "w@3", "w@4")}, self.pids(s))
        s.write_config(config(3))
        s.ok("apply")
        self.assertEqual(len(self.names(s)), 3, "what was taken back does not come again")

    def test_a_definition_that_goes_takes_its_number_along(self):
        s = self.supervisor(service("w", SLEEP, "instances = 1"))
        s.ok("scale", "w", "3")
        s.write_config(service("w", SLEEP))
        s.ok("apply")
        self.assertEqual(self.names(s), ["w"])
        s.write_config(service("w", SLEEP, "instances = 1"))
        s.ok("apply")
        self.assertEqual(self.names(s), ["w@1"])

    def test_a_reload_that_does_not_fit_the_number_is_refused(self):
        s = self.supervisor(service("w", SLEEP, "instances = 3"))
        s.ok("scale", "w", "1")
        s.write_config(service("w", SLEEP, "instances = 3")
                       + service("x", SLEEP, 'requires = {"w@3"}'))
        code, _, err = s.ctl("apply")
        self.assertEqual(code, 1)
        self.assertRegex(err, r"conf:\d+: .*there is no 'w@3'; .*supctl scale has changed")
        self.assertEqual(self.names(s), ["w@1"])

    def test_new_ones_are_started_whatever_autostart_says_and_log_where_they_should(self):
        s = self.supervisor(service("w", sh("echo I am $SUPERVISOR_NAME; exec sleep 100000"),
                                    "instances = 2", "autostart = false",
                                    'log { file = "w-%{instance}.log" }'))
        s.ok("scale", "w", "3")
        self.assertEqual({n: r["state"] for n, r in s.services().items()},
                         {"w@1": "stopped", "w@2": "stopped", "w@3": "running"})
        s.wait_log("w-3", "I am w@3\n")

    def test_who_needs_them_needs_the_new_ones_too(self):
        s = self.supervisor(service("w", SLEEP, "instances = 1")
                            + service("user", SLEEP, 'requires = {"w"}', "autostart = false"))
        s.ok("scale", "w", "2")
        s.wait_state("w@1", "running")
        self.assertEqual(s.show("user")["dependencies"],
                         [{"name": n, "kinds": ["requires"], "state": "running"}
                          for n in ("w@1", "w@2")])
        self.assertEqual([x["name"] for x in s.show("w@2")["dependents"]], ["user"])
        s.ok("stop", "w@2")
        code, _, err = s.ctl("start", "user", "--no-wait")
        self.assertEqual((code, err), (0, ""))
        s.wait_state("user", "running")
        self.assertEqual(s.services()["w@2"]["state"], "running", "started for its sake")

    def test_who_needs_them_is_not_touched(self):
        s = self.supervisor(service("w", sh("echo up; trap 'sleep 0.1; exit' TERM; "
                                            "while :; do sleep 0.02; done"), "instances = 1")
                            + service("user", SLEEP, 'requires = {"w"}'))
        s.wait_all_running()
        before = self.pids(s)
        s.ok("scale", "w", "3")
        after = self.pids(s)
        self.assertEqual({k: after[k] for k in before}, before)
        s.ok("stop", "user")
        s.ok("start", "user")
        before = self.pids(s)
        s.ok("scale", "w", "1")
        after = self.pids(s)
        self.assertEqual(after, {k: before[k] for k in ("w@1", "user")})
        self.assertEqual([x["name"] for x in s.show("user")["dependencies"]], ["w@1"])
        s.ok("restart", "w")
        s.wait_state("user", "running")
        self.assertNotEqual(s.services()["user"]["pid"], before["user"], "it goes with what is left")

    def test_a_reload_that_makes_instances_of_one_is_seen_by_who_needs_it(self):
        def config(*lines):
            return service("w", SLEEP, *lines) + service("user", SLEEP, 'requires = {"w"}')
        s = self.supervisor(config())
        s.wait_state("user", "running")
        s.write_config(config("instances = 2"))
        s.ok("apply")
        s.wait_state("user", "running")
        self.assertEqual([x["name"] for x in s.show("user")["dependencies"]], ["w@1", "w@2"])

    def test_stopped_ones_and_changed_ones_are_left_as_they_are(self):
        def config(nice):
            return service("w", SLEEP, "instances = 2") + service("x", SLEEP, f"nice = {nice}")
        s = self.supervisor(config(1))
        s.ok("stop", "w@1")
        s.write_config(config(2))
        s.ok("apply", "--no-restart")
        before = self.pids(s)
        s.ok("scale", "w", "3")
        after = self.pids(s)
        self.assertEqual({k: after[k] for k in before}, before)
        self.assertTrue(s.services()["x"]["stale"])
        self.assertIsNone(after["w@1"])

    def test_one_that_is_being_stopped_is_wanted_again(self):
        s = self.supervisor(service("w", LINGER, "instances = 2"))
        s.wait_log("w@2", "ready")
        old = s.services()["w@2"]["pid"]
        s.ok("scale", "w", "1", "--no-wait")
        s.wait_state("w@2", "stopping")
        p = s.ctl_start("scale", "w", "2")
        s.wait_service("w@2", lambda x: x["desired"] == "up", "it is wanted")
        s.flag("go")
        out, err = p.communicate(timeout=harness.DEADLINE)
        self.assertEqual((p.returncode, err), (0, ""), out)
        row = s.wait_state("w@2", "running")
        self.assertNotEqual(row["pid"], old)
        self.assertEqual(self.names(s), ["w@1", "w@2"])

    def test_wanted_again_as_the_engine_dies(self):
        s = self.supervisor(service("w", LINGER, "instances = 2"))
        s.wait_log("w@2", "ready")
        s.ok("scale", "w", "1", "--no-wait")
        s.wait_state("w@2", "stopping")
        s.ok("scale", "w", "2", "--no-wait")
        s.kill_engine()
        s.flag("go")
        s.wait_state("w@2", "running")

    def test_the_engine_dies_in_the_middle_and_the_request_is_joined(self):
        s = self.supervisor(service("w", LINGER, "instances = 4"))
        for i in range(1, 5):
            s.wait_log(f"w@{i}", "ready")
        p = s.ctl_start("scale", "w", "1")
        s.wait_state("w@4", "stopping")
        s.kill_engine()
        s.flag("go")
        out, err = p.communicate(timeout=harness.DEADLINE)
        self.assertEqual((p.returncode, err), (0, ""), out)
        self.assertEqual(sorted(line for line in out.splitlines() if "instance" not in line),
                         ["w@2: stopped", "w@3: stopped", "w@4: stopped"])
        self.assertEqual(self.names(s), ["w@1"])
        self.assertEqual(s.stderr().count("scaled from"), 1)

    def test_killed_at_any_moment_it_is_done_once_and_wholly(self):
        s = self.supervisor(service("w", SLEEP, "instances = 1") + service("other", SLEEP))
        s.wait_state("other", "running")
        other = s.services()["other"]["pid"]
        for i in range(12):
            n = 1 + (i * 7) % 9
            p = s.ctl_start("scale", "w", str(n))
            engine = s.engine_pid()
            if engine:
                os.kill(engine, signal.SIGKILL)
            out, err = p.communicate(timeout=harness.DEADLINE)
            self.assertEqual((p.returncode, err), (0, ""), out)
            rows = s.services()
            self.assertEqual(list(rows), [f"w@{k}" for k in range(1, n + 1)] + ["other"])
            self.assertEqual({r["state"] for r in rows.values()}, {"running"}, rows)
            self.assertEqual(rows["other"]["pid"], other)

    def test_many_at_once_each_get_one_answer_and_the_last_one_counts(self):
        s = self.supervisor(service("w", SLEEP, "instances = 1"))
        helpers = [s.ctl_start("scale", "w", str(n % 5 + 1)) for n in range(10)]
        for p in helpers:
            out, err = p.communicate(timeout=harness.DEADLINE)
            # an instance that another one has removed again is told of
            self.assertIn(p.returncode, (0, 1), out + err)
        s.ok("scale", "w", "3")
        self.assertEqual(self.names(s), ["w@1", "w@2", "w@3"])
        wait_until(lambda: {r["state"] for r in s.services().values()} == {"running"}, "all run")

    def test_followers_hear_of_it(self):
        s = self.supervisor(service("w", SLEEP, "instances = 1"))
        with s.connect() as v:
            v.send(f"{harness.INTERFACE}.Events", {}, more=True)
            v.receive()
            s.ok("scale", "w", "2")
            while True:
                event = v.receive()["parameters"]["event"]
                if event["type"] == "scaled":
                    break
        self.assertEqual(event["reason"], "'w' was scaled from 1 to 2 instances")


if __name__ == "__main__":
    harness.main()
