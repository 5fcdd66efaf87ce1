"""Another configuration: planned, applied, on HUP; only what changed is touched."""

import os
import signal
import threading
import unittest

import harness
from harness import SLEEP, VarlinkError, py, service, sh, wait_until

LINGER = sh("trap '' TERM; echo ready; while :; do sleep 0.1; done")


class Reload(harness.SystemTest):
    def apply(self, s, config, **parameters):
        """Writes the configuration and applies it: (plan, results by name)."""
        s.write_config(config)
        reply = s.varlink("Apply", parameters)
        return reply["plan"], {r["name"]: r for r in reply["results"]}

    def plan(self, s, config):
        s.write_config(config)
        return s.varlink("Plan")["plan"]

    def changes(self, plan):
        return {c["name"]: c for c in plan["services"]}

    def pids(self, s):
        return {name: row["pid"] for name, row in s.services().items()}

    def files_of_engine(self, s):
        return len(os.listdir(f"/proc/{s.engine_pid()}/fd"))

    def test_nothing_changes_where_nothing_has_changed(self):
        config = service("a", SLEEP) + service("b", SLEEP)
        s = self.supervisor(config)
        s.wait_all_running()
        before = s.services()
        plan, results = self.apply(s, "# a remark\n\n" + config.replace("\t", "  "))
        self.assertEqual((plan["changed"], plan["services"], plan["global"]), (False, [], []))
        self.assertEqual(results, {})
        self.assertEqual({n: (r["pid"], r["since"]) for n, r in s.services().items()},
                         {n: (r["pid"], r["since"]) for n, r in before.items()})

    def test_plan_shows_and_touches_nothing(self):
        s = self.supervisor(service("a", SLEEP) + service("b", SLEEP))
        s.wait_all_running()
        before = self.pids(s)
        plan = self.plan(s, service("a", SLEEP, 'nice = 3', 'restart-delay = 5s')
                         + service("c", ["/bin/sleep", "5000"]))
        self.assertTrue(plan["changed"])
        c = self.changes(plan)
        self.assertEqual([(k, c[k]["change"]) for k in c],
                         [("a", "changed"), ("c", "added"), ("b", "removed")])
        self.assertEqual({k["key"]: k["effect"] for k in c["a"]["keys"]},
                         {"nice": "restart", "restart-delay": "live"})
        self.assertEqual(c["a"]["restarts"], ["a"])
        self.assertEqual(c["c"]["starts"], ["c"])
        self.assertEqual(c["b"]["stops"], ["b"])
        self.assertEqual(self.pids(s), before)
        s.write_config("bogus = 1\n")
        with self.assertRaises(VarlinkError):
            s.varlink("Plan")
        self.assertNotIn("bogus", s.stderr(), "who only looks can't fill the log")

    def test_supctl_shows_the_plan_service_by_service_and_key_by_key(self):
        s = self.supervisor(service("web", SLEEP) + service("worker", SLEEP, "instances = 2")
                            + service("old", SLEEP))
        s.wait_all_running()
        s.write_config('log-level = "debug"\n'
                       + service("web", ["/bin/sleep", "5000"], "stop { timeout = 5s }")
                       + service("worker", SLEEP, "instances = 3", 'groups = {"back"}')
                       + service("api", SLEEP, "nice = 1"))
        expected = ('~ web     restart\n'
                    '    command      {"/bin/sleep", "100000"} -> {"/bin/sleep", "5000"}\n'
                    '    stop.timeout 10s -> 5s (live)\n'
                    '~ worker  start worker@3\n'
                    '    instances 2 -> 3 (live)\n'
                    '    groups    {} -> {"back"} (live)\n'
                    '+ api     start\n'
                    '- old     stop and remove\n'
                    'log-level info -> debug\n'
                    '1 to restart, 2 to start, 1 to stop\n')
        self.assertEqual(s.ctl("plan"), (0, expected, ""))
        code, out, err = s.ctl("apply")
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(out.startswith(expected), out)
        self.assertEqual(sorted(line.split(" ")[0] for line in out[len(expected):].splitlines()),
                         ["api:", "old:", "web:", "worker@3:"])
        self.assertEqual(s.ok("plan"), "nothing to do: what is in force is what the files say\n")

    def test_supctl_tells_every_mistake_and_exits_with_one(self):
        s = self.supervisor(service("a", SLEEP))
        s.write_config('service "b" {\n\trestart = "sometimes"\n}\nbogus = 1\n')
        for verb in ("plan", "apply"):
            code, out, err = s.ctl(verb)
            self.assertEqual((code, out), (1, ""))
            self.assertRegex(err, r"supervisord\.conf:5: .*'sometimes' is not allowed; allowed: ")
            self.assertRegex(err, r"supervisord\.conf:7: unknown key 'bogus'")
            self.assertTrue(err.endswith("supctl: nothing was changed\n"), err)
        self.assertEqual(list(s.services()), ["a"])

    def test_only_what_changed_is_touched(self):
        s = self.supervisor(service("keep", SLEEP) + service("change", SLEEP)
                            + service("go", SLEEP))
        s.wait_all_running()
        before = self.pids(s)
        plan, results = self.apply(s, service("new", SLEEP) + service("keep", SLEEP)
                                   + service("change", ["/bin/sleep", "100001"]))
        self.assertTrue(plan["changed"])
        self.assertEqual({n: r["ok"] for n, r in results.items()},
                         {"new": True, "change": True, "go": True})
        after = self.pids(s)
        self.assertEqual(list(after), ["new", "keep", "change"])
        self.assertEqual(after["keep"], before["keep"])
        self.assertNotEqual(after["change"], before["change"])
        self.assertIn("100001", harness.command_of(after["change"]))
        self.assertFalse(harness.is_alive(before["go"]))
        self.assertEqual(s.ctl("status", "go")[0], 4)

    def test_hup_reloads(self):
        s = self.supervisor(service("a", SLEEP))
        s.wait_state("a", "running")
        s.write_config(service("a", SLEEP) + service("b", SLEEP))
        s.signal(signal.SIGHUP)
        wait_until(lambda: "b" in s.services(), "the new service is there")
        s.wait_state("b", "running")
        s.write_config("service broken {")
        s.signal(signal.SIGHUP)
        s.wait_stderr("stays in force")
        self.assertEqual(sorted(s.services()), ["a", "b"])

    def test_hup_that_an_engine_did_not_live_to_see_is_seen_by_the_next(self):
        s = self.supervisor(service("a", SLEEP))
        os.kill(s.engine_pid(), signal.SIGSTOP)
        old = s.engine_pid()
        s.write_config(service("a", SLEEP) + service("b", SLEEP))
        s.signal(signal.SIGHUP)
        os.kill(old, signal.SIGKILL)
        s.wait_engine(other_than=old)
        wait_until(lambda: "b" in s.services(), "the new service is there")

    def test_bad_configuration_changes_nothing_and_says_why(self):
        s = self.supervisor(service("a", SLEEP) + service("b", SLEEP))
        s.wait_all_running()
        before = self.pids(s)
        for method in ("Plan", "Apply"):
            s.write_config(service("c", SLEEP) + service("a", SLEEP, 'restart = "sometimes"')
                           + "\nbogus = 1\n")
            with self.assertRaises(VarlinkError) as caught:
                s.varlink(method)
            self.assertTrue(caught.exception.error.endswith(".BadConfiguration"))
            errors = caught.exception.parameters["errors"]
            self.assertTrue(any("supervisord.conf:" in e and "sometimes" in e for e in errors),
                            errors)
            self.assertTrue(any("bogus" in e for e in errors), errors)
        os.remove(s.config_path)
        with self.assertRaises(VarlinkError):
            s.varlink("Apply")
        self.assertEqual(self.pids(s), before)
        s.kill_engine()
        self.assertEqual(self.pids(s), before)

    def test_what_takes_another_supervisord_is_refused_with_its_place(self):
        s = self.supervisor(service("a", SLEEP))
        s.head = s.head.replace(s.runtime_dir, f"{s.dir}/other")
        s.write_config(service("a", SLEEP) + service("b", SLEEP))
        with self.assertRaises(VarlinkError) as caught:
            s.varlink("Apply")
        errors = caught.exception.parameters["errors"]
        self.assertEqual(len(errors), 1)
        self.assertIn("supervisord.conf:1: runtime-dir", errors[0])
        self.assertEqual(list(s.services()), ["a"])

    def test_live_keys_reach_the_running_process(self):
        def config(*lines):
            return service("a", sh("while :; do echo tick; sleep 0.05; done"), *lines)

        s = self.supervisor(config())
        s.wait_log("a", "tick")
        pid = s.services()["a"]["pid"]
        _, results = self.apply(s, config('log { file = "other.log" }', 'groups = {"front"}',
                                          'stop { signal = "INT" timeout = 3s }'))
        self.assertEqual(results, {})
        wait_until(lambda: "tick" in s.read_log("other"), "it logs to the other file")
        self.assertEqual(s.services()["a"]["pid"], pid)
        self.assertEqual([r["name"] for r in s.json("status", "@front")], ["a"])
        s.kill_engine()
        self.assertEqual([r["name"] for r in s.json("status", "@front")], ["a"])
        self.assertEqual(s.services()["a"]["pid"], pid)

    def test_stop_of_the_old_definition_stops_the_old_process(self):
        def config(signal_name):
            return service("a", py("import signal, sys, time\n"
                                   "signal.signal(signal.SIGTERM, lambda *a: (print('TERM'), sys.exit()))\n"
                                   "signal.signal(signal.SIGINT, lambda *a: (print('INT'), sys.exit()))\n"
                                   "print('up')\n"
                                   "while True: time.sleep(100)\n"),
                           f'stop {{ signal = "{signal_name}" }}',
                           f'environment = {{"SIGNAL={signal_name}"}}')
        s = self.supervisor(config("TERM"))
        s.wait_log("a", "up\n")
        self.apply(s, config("INT"))
        s.wait_log("a", "up\nTERM\nup\n")
        s.ok("stop", "a")
        self.assertEqual(s.read_log("a"), "up\nTERM\nup\nINT\n")

    def test_instances_come_and_go(self):
        def config(n):
            return service("w", SLEEP, f"instances = {n}") + service("other", SLEEP)

        s = self.supervisor(config(2))
        s.wait_all_running()
        before = self.pids(s)
        plan, _ = self.apply(s, config(4))
        self.assertEqual(self.changes(plan)["w"]["starts"], ["w@3", "w@4"])
        s.wait_all_running()
        middle = self.pids(s)
        self.assertEqual(list(middle), ["w@1", "w@2", "w@3", "w@4", "other"])
        self.assertEqual({k: middle[k] for k in before}, before)
        plan, _ = self.apply(s, config(1))
        self.assertEqual(self.changes(plan)["w"]["stops"], ["w@2", "w@3", "w@4"])
        self.assertEqual(list(s.services()), ["w@1", "other"], "gone with the answer")
        self.assertEqual(s.services()["w@1"]["pid"], before["w@1"])
        plan, _ = self.apply(s, service("w", SLEEP) + service("other", SLEEP))
        self.assertEqual(self.changes(plan)["w"]["stops"], ["w@1"])
        self.assertEqual(self.changes(plan)["w"]["starts"], ["w"])
        s.wait_state("w", "running")
        self.assertEqual(list(s.services()), ["w", "other"])
        self.assertEqual(s.services()["other"]["pid"], before["other"])

    def test_renamed_service_starts_when_the_old_one_is_gone(self):
        def config(name):
            return service(name, sh("mkdir @DIR@/only-one || echo two; trap 'sleep 0.3; rmdir "
                                    "@DIR@/only-one; exit' TERM; echo up; while :; do sleep 0.02; "
                                    "done"), 'restart = "never"', 'log { file = "x.log" }',
                           'stop { kill = "process" }')
        s = self.supervisor(config("old"))
        s.wait_log("x", "up")
        plan, results = self.apply(s, config("new"))
        c = self.changes(plan)["new"]
        self.assertEqual((c["change"], c["was"], c["starts"], c["stops"]),
                         ("renamed", "old", ["new"], ["old"]))
        self.assertEqual({n: r["ok"] for n, r in results.items()}, {"old": True, "new": True})
        s.wait_log("x", "up\nup\n")
        self.assertEqual(s.read_log("x"), "up\nup\n")
        self.assertEqual(list(s.services()), ["new"])

    def test_change_while_it_starts_ends_the_old_one_first(self):
        def config(word):
            return service("job", sh(f"mkdir @DIR@/only-one || echo two; echo {word}; "
                                     "while [ ! -e @DIR@/gate ]; do sleep 0.02; done; "
                                     "rmdir @DIR@/only-one"), 'type = "oneshot"')
        s = self.supervisor(config("old"))
        s.wait_log("job", "old\n")
        old = s.services()["job"]["pid"]
        self.assertEqual(s.services()["job"]["state"], "starting")
        plan, _ = self.apply(s, config("new"), wait=False)
        self.assertEqual(self.changes(plan)["job"]["restarts"], ["job"])
        wait_until(lambda: "new\n" in s.read_log("job"), "the new one runs")
        self.assertFalse(harness.is_alive(old))
        s.flag("gate")
        s.wait_state("job", "exited")
        self.assertEqual(s.show("job")["generation"], 2)

    def test_change_while_it_waits_for_its_turn_starts_only_the_new_one(self):
        def config(word):
            return ("max-starting = 1\n"
                    + service("first", sh("while [ ! -e @DIR@/gate ]; do sleep 0.02; done"),
                              'type = "oneshot"')
                    + service("a", sh(f"echo {word}; exec sleep 100000")))
        s = self.supervisor(config("old"))
        s.wait_state("a", "waiting")
        self.apply(s, config("new"), wait=False)
        self.assertEqual(s.services()["a"]["state"], "waiting")
        s.flag("gate")
        s.wait_log("a", "new\n")
        self.assertEqual(s.read_log("a"), "new\n")
        self.assertEqual(s.show("a")["generation"], 1)

    def test_change_while_it_stops_makes_no_second_process(self):
        s = self.supervisor(service("a", LINGER, "stop { timeout = 1s }"))
        s.wait_log("a", "ready")
        old = s.services()["a"]["pid"]
        s.ok("stop", "a", "--no-wait")
        s.wait_state("a", "stopping")
        plan, results = self.apply(s, service("a", SLEEP))
        self.assertEqual(self.changes(plan)["a"]["later"], ["a"])
        self.assertEqual(results, {})
        s.wait_state("a", "stopped")
        self.assertFalse(harness.is_alive(old))
        s.ok("start", "a")
        self.assertIn("sleep", harness.command_of(s.services()["a"]["pid"]))

    def test_what_ends_for_a_change_as_the_engine_dies_comes_back_once_and_changed(self):
        def config(word):
            return service("a", sh("trap 'while [ ! -e @DIR@/gate ]; do sleep 0.02; done; exit' TERM\n"
                                   "echo up $WORD; while :; do sleep 0.02; done"),
                           f'environment = {{"WORD={word}"}}', 'stop { kill = "process" }')
        s = self.supervisor(config("old"))
        s.wait_log("a", "up old\n")
        old = s.services()["a"]["pid"]
        self.apply(s, config("new"), wait=False)
        self.assertEqual(s.services()["a"]["state"], "stopping")
        engine = s.engine_pid()
        os.kill(engine, signal.SIGSTOP)
        s.flag("gate")
        wait_until(lambda: not harness.is_alive(old), "it has ended, which the engine has not heard")
        os.kill(engine, signal.SIGKILL)
        s.wait_engine(other_than=engine)
        s.wait_state("a", "running")
        s.wait_log("a", "up new\n")
        self.assertEqual(s.read_log("a"), "up old\nup new\n")
        self.assertEqual(s.show("a")["generation"], 2)

    def test_removed_while_it_restarts_and_wanted_again(self):
        s = self.supervisor(service("a", LINGER, "stop { timeout = 1s }") + service("b", SLEEP))
        s.wait_log("a", "ready")
        old = s.services()["a"]["pid"]
        s.ok("restart", "a", "--no-wait")
        self.apply(s, service("b", SLEEP), wait=False)
        self.assertEqual(s.services()["a"]["state"], "stopping")
        self.assertIn("removed", s.services()["a"]["reason"])
        self.assertEqual(s.ctl("start", "a")[0], 1)
        self.apply(s, service("a", SLEEP) + service("b", SLEEP), wait=False)
        row = s.wait_state("a", "running")
        self.assertNotEqual(row["pid"], old)
        self.assertFalse(harness.is_alive(old))
        self.assertIn("sleep", harness.command_of(row["pid"]))

    def test_change_in_backoff_starts_the_new_one_at_once(self):
        s = self.supervisor(service("a", sh("exit 1"), "restart-delay = 1h",
                                    "restart-max-delay = 1h"))
        s.wait_state("a", "backoff")
        _, results = self.apply(s, service("a", SLEEP))
        self.assertTrue(results["a"]["ok"], results)
        self.assertEqual(s.services()["a"]["state"], "running")
        self.assertEqual(s.services()["a"]["restarts"], 0)

    def test_change_of_what_does_not_run_waits_for_its_next_start(self):
        s = self.supervisor(service("down", SLEEP, "autostart = false")
                            + service("done", sh("exit 0"), 'type = "oneshot"'))
        s.wait_state("done", "exited")
        plan, results = self.apply(s, service("down", sh("echo new; sleep 1000"), "autostart = false")
                                   + service("done", sh("echo again"), 'type = "oneshot"'))
        self.assertEqual({n: c["later"] for n, c in self.changes(plan).items()},
                         {"down": ["down"], "done": ["done"]})
        self.assertEqual(results, {})
        self.assertEqual((s.services()["down"]["state"], s.services()["done"]["state"]),
                         ("stopped", "exited"))
        s.ok("start", "down")
        s.wait_log("down", "new")

    def test_another_pipe_for_stderr_comes_with_the_next_process(self):
        command = sh("echo out; echo err >&2; exec sleep 1000")
        s = self.supervisor(service("a", command))
        s.wait_log("a", "err")
        self.apply(s, service("a", command, 'log { stderr = "a-err.log" }'))
        wait_until(lambda: s.read_log("a-err") == "err\n", "stderr has a file of its own")
        self.assertEqual(s.read_log("a"), "out\nerr\nout\n")
        self.apply(s, service("a", command))
        wait_until(lambda: s.read_log("a").count("err") == 2, "it shares the file again")

    def test_environment_files_and_includes_are_read_anew(self):
        def write(name, text):
            with open(f"{s.dir}/{name}", "w", encoding="utf-8") as f:
                f.write(text)

        s = self.supervisor("", start=False)
        s.write_config(f'include("{s.dir}/*.inc")\n')
        write("vars", "WHO=one\n")
        write("a.inc", service("a", sh("echo $WHO; exec sleep 1000"), f'env-file = "{s.dir}/vars"'))
        s.start()
        s.wait_log("a", "one")
        write("vars", "WHO=two\n")
        write("b.inc", service("b", SLEEP))
        plan = s.varlink("Apply")["plan"]
        self.assertEqual([(c["name"], c["change"]) for c in plan["services"]],
                         [("a", "changed"), ("b", "added")])
        s.wait_log("a", "one\ntwo\n")

    def test_global_keys(self):
        s = self.supervisor(service("a", SLEEP))
        self.assertEqual(os.stat(s.socket_path).st_mode & 0o777, 0o600)
        plan, _ = self.apply(s, 'control { mode = "0660" }\nmax-starting = 1\nlog-level = "debug"\n'
                             + service("a", SLEEP))
        self.assertEqual(sorted(k["key"] for k in plan["global"]),
                         ["control.mode", "log-level", "max-starting"])
        self.assertEqual(os.stat(s.socket_path).st_mode & 0o777, 0o660)
        s.ok("restart", "a")
        s.wait_stderr("service 'a': stopping")

    def test_more_places_to_start_are_given_at_once(self):
        jobs = "".join(service(n, ["/bin/sleep", "100000"], 'type = "oneshot"') for n in "ab")
        s = self.supervisor("max-starting = 1\n" + jobs)
        s.wait_state("b", "waiting")
        self.apply(s, "max-starting = 2\n" + jobs, wait=False)
        self.assertEqual(s.services()["b"]["state"], "starting")

    def test_who_waits_for_one_that_stays_after_all_is_started(self):
        def config(*names):
            return "".join(service(n, sh("trap '' TERM; echo up; while :; do sleep 0.1; done"),
                                   "stop { timeout = 1s }") for n in names)
        s = self.supervisor(config("old"))
        s.wait_log("old", "up")
        self.apply(s, config("new"), wait=False)
        self.assertEqual((s.services()["new"]["state"], s.services()["old"]["state"]),
                         ("waiting", "stopping"))
        self.assertIn("whose place it takes", s.services()["new"]["reason"])
        self.apply(s, config("old", "new"), wait=False)
        s.wait_state("new", "running")
        s.wait_state("old", "running")

    def test_a_configuration_waits_while_too_many_earlier_ones_are_being_left(self):
        stubborn = sh("trap '' TERM; echo up; while :; do sleep 0.1; done")
        s = self.supervisor(service("s0", stubborn, "stop { timeout = 1h }"))
        s.wait_log("s0", "up")
        for i in range(1, 8): # each is left by a service that does not stop
            name = f"s{i}"
            self.apply(s, service(name, stubborn, "stop { timeout = 1h }", f"nice = {i}"),
                       wait=False)
            s.wait_log(name, "up")
        s.write_config(service("last", SLEEP))
        with s.connect() as v:
            v.send(f"{harness.INTERFACE}.Apply", {"wait": False})
            s.wait_stderr("the configuration is applied after that")
            s.kill_engine() # what was not applied yet is asked for again by its client
        p = s.ctl_start("apply")
        wait_until(lambda: s.stderr().count("is applied after that") == 2, "it waits again")
        for row in s.services().values():
            os.kill(row["pid"], signal.SIGKILL)
        self.assertEqual(p.wait(harness.DEADLINE), 0)
        wait_until(lambda: list(s.services()) == ["last"], "the last one is in force")

    def test_names_that_move_on_in_a_chain(self):
        def config(*names):
            return "".join(service(n, sh(f"trap '' TERM; echo up; while :; do sleep 0.1; done"),
                                   "stop { timeout = 300ms }", f"nice = {i}")
                           for i, n in enumerate(names))
        s = self.supervisor(config("a", "b", "c"))
        s.wait_log("c", "up")
        self.apply(s, config("b", "c", "d"), wait=False)
        self.apply(s, config("c", "d", "e"), wait=False)
        self.apply(s, config("d", "e"), wait=False)
        s.kill_engine()
        wait_until(lambda: list(s.services()) == ["d", "e"], "the last configuration is all there is")
        for n in "de":
            s.wait_state(n, "running")
        self.assertEqual(len([p for p in harness.children().get(s.pid, [])
                              if "trap" in harness.command_of(p)]), 2)

    def test_an_engine_that_dies_in_the_middle_is_followed_by_one_that_goes_on(self):
        def config(n):
            return "".join(service(f"s{i}", ["/bin/sleep", str(100000 + n % 3 * (i % 4 == 0))])
                           for i in range(n % 5, 30 + n % 7))

        s = self.supervisor(config(0))
        s.wait_state("s29", "running")
        for n in range(1, 25):
            s.write_config(config(n))
            with s.connect() as v:
                v.send(f"{harness.INTERFACE}.Apply", {"id": f"apply-{n}"})
                old = s.engine_pid()
                if n % 2:
                    wait_until(lambda: s.stderr().count("configuration applied") +
                               s.stderr().count("nothing has changed") >= 1, "applied")
                os.kill(old, signal.SIGKILL)
            s.wait_engine(other_than=old)
            wait_until(s.answers, "the next engine answers")
            reply = s.varlink("Apply", {"id": f"apply-{n}"})
            self.assertNotIn(False, [r["ok"] for r in reply["results"]], reply)
            wanted = [f"s{i}" for i in range(n % 5, 30 + n % 7)]
            wait_until(lambda: list(s.services()) == wanted, f"the services of configuration {n}")
            for i, row in enumerate(s.services().values()):
                s.wait_state(row["name"], "running")
            rows = s.services()
            self.assertEqual(len({r["pid"] for r in rows.values()}), len(rows))
            for name, row in rows.items():
                i = int(name[1:])
                self.assertIn(str(100000 + n % 3 * (i % 4 == 0)), harness.command_of(row["pid"]))
            sleeps = [p for p in harness.descendants(s.pid) if "sleep" in harness.command_of(p)]
            self.assertEqual(len(sleeps), len(rows), "one process each")
        self.assertNotIn("bug", s.stderr())

    def test_places_and_descriptors_are_given_back(self):
        s = self.supervisor(service("a", SLEEP))
        s.wait_state("a", "running")
        names = [f"n{i}" for i in range(20)]

        def round_trip():
            self.apply(s, service("a", SLEEP) + "".join(service(n, SLEEP) for n in names))
            self.apply(s, service("a", SLEEP))
            wait_until(lambda: list(s.services()) == ["a"], "only one is left")

        round_trip()
        fds, size = self.files_of_engine(s), os.path.getsize(f"{s.runtime_dir}/recovery")
        for _ in range(5):
            round_trip()
        wait_until(lambda: self.files_of_engine(s) <= fds, "no descriptor is left")
        self.assertEqual(os.path.getsize(f"{s.runtime_dir}/recovery"), size)

    def test_many_applies_at_once_each_get_an_answer(self):
        s = self.supervisor(service("a", SLEEP))
        s.write_config(service("a", SLEEP) + service("b", SLEEP))
        replies = []

        def ask():
            replies.append(s.varlink("Apply"))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(r["plan"]["changed"] for r in replies), [False] * 7 + [True])
        self.assertEqual(list(s.services()), ["a", "b"])

    def test_a_fifo_in_place_of_the_file_is_refused_and_holds_up_nobody(self):
        s = self.supervisor(service("a", SLEEP))
        os.remove(s.config_path)
        os.mkfifo(s.config_path)
        with self.assertRaises(VarlinkError):
            s.varlink("Apply")
        self.assertEqual(list(s.services()), ["a"])

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_observers_plan_and_operators_apply(self):
        roles = f'control {{ operators = {{"{harness.NOBODY}"}} observers = {{"1"}} }}\n'
        s = self.supervisor(roles + service("a", SLEEP, 'environment = {"SECRET=x"}'))
        s.write_config(roles + service("a", SLEEP, 'environment = {"SECRET=y"}'))

        s.publish_supctl()

        def as_user(uid, *args):
            def become():
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            p = s.ctl_start("--json", *args, preexec_fn=become)
            out, err = p.communicate(timeout=harness.DEADLINE)
            return p.returncode, out, err

        code, out, _ = as_user(1, "plan")
        self.assertEqual(code, 0)
        self.assertIn("environment SECRET", out)
        self.assertNotIn("SECRET=", out)
        self.assertEqual(as_user(1, "apply")[0], 5)
        code, _, err = as_user(harness.NOBODY, "apply")
        self.assertEqual(code, 0, err)
        self.assertIn(f"uid {harness.NOBODY}", s.stderr())


if __name__ == "__main__":
    harness.main()
