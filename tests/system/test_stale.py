"""apply --no-restart: what would have to be started again goes on, and is marked as stale."""

import os
import signal
import unittest

import harness
from harness import SLEEP, VarlinkError, py, service, sh, wait_until


class Stale(harness.SystemTest):
    def apply(self, s, config, *args):
        s.write_config(config)
        return s.ok("apply", "--no-restart", *args)

    def pids(self, s):
        return {name: row["pid"] for name, row in s.services().items()}

    def stale(self, s):
        return [name for name, row in s.services().items() if row["stale"]]

    def test_live_keys_are_applied_and_no_process_is_touched(self):
        def config(word, *lines):
            return (service("a", sh(f"echo {word}; exec sleep 100000"))
                    + service("b", SLEEP, *lines))
        s = self.supervisor(config("old"))
        s.wait_log("a", "old\n")
        s.wait_all_running()
        before = self.pids(s)
        s.write_config(config("new", 'groups = {"g"}') + service("c", SLEEP))
        plan = s.ok("plan", "--no-restart")
        self.assertEqual(plan, '~ a  leave stale\n'
                               '    command {"/bin/sh", "-c", "echo old; exec sleep 100000"} -> '
                               '{"/bin/sh", "-c", "echo new; exec sleep 100000"}\n'
                               '~ b  live\n'
                               '    groups {} -> {"g"}\n'
                               '+ c  start\n'
                               '1 to start, 1 left stale\n')
        self.assertEqual(self.stale(s), [])
        code, out, err = s.ctl("apply", "--no-restart")
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(out.startswith(plan), out)
        self.assertEqual(out[len(plan):].split(" (")[0], "c: running")
        after = self.pids(s)
        self.assertEqual({k: after[k] for k in before}, before)
        self.assertEqual([r["name"] for r in s.json("status", "@g")], ["b"])
        self.assertEqual(self.stale(s), ["a"])
        self.assertEqual(s.read_log("a"), "old\n")

    def test_it_is_seen_in_status_show_and_plan_until_a_restart(self):
        def config(n):
            return service("a", SLEEP, f"nice = {n}", f'environment = {{"SECRET=s{n}"}}')
        s = self.supervisor(config(1))
        s.wait_state("a", "running")
        self.apply(s, config(2))
        self.assertRegex(s.ok("status", "a"), r"\na +running .* stale\n")
        self.assertIs(s.json("status", "a")[0]["stale"], True)
        show = s.show("a")
        self.assertEqual((show["stale"], show["pending"]), (True, "changed"))
        self.assertEqual([(k["key"], k["before"], k["after"]) for k in show["pending_keys"]],
                         [("nice", "1", "2"), ("environment SECRET", '"s1"', '"s2"')])
        text = s.ok("show", "a")
        self.assertRegex(text, r"\nstale +its configuration has changed; .*\n"
                               r" +nice 1 -> 2\n +environment SECRET \"s1\" -> \"s2\"\n")
        self.assertEqual(s.ok("plan"), '~ a  restart\n    nice               1 -> 2\n'
                                       '    environment SECRET "s1" -> "s2"\n1 to restart\n')
        s.ok("restart", "a")
        self.assertFalse(s.services()["a"]["stale"])
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, s.services()["a"]["pid"]), 2)
        self.assertEqual(s.ok("plan"),
                         "nothing to do: what is in force is what the files say\n")
        self.assertEqual(s.show("a")["pending_keys"], [])

    def test_a_plain_apply_restarts_what_was_left(self):
        s = self.supervisor(service("a", SLEEP, "nice = 1"))
        old = s.wait_state("a", "running")["pid"]
        self.apply(s, service("a", SLEEP, "nice = 2"))
        code, out, _ = s.ctl("apply")
        self.assertEqual(code, 0)
        self.assertIn("~ a  restart\n", out)
        self.assertNotEqual(s.services()["a"]["pid"], old)
        self.assertEqual(self.stale(s), [])

    def test_the_way_back_leaves_nothing_stale(self):
        s = self.supervisor(service("a", SLEEP, "nice = 1"))
        old = s.wait_state("a", "running")["pid"]
        self.apply(s, service("a", SLEEP, "nice = 2"))
        self.assertEqual(self.stale(s), ["a"])
        s.write_config(service("a", SLEEP, "nice = 1"))
        s.ok("apply")
        self.assertEqual(self.stale(s), [])
        self.assertEqual(s.services()["a"]["pid"], old)

    def test_its_own_end_brings_the_new_definition(self):
        def config(word):
            return service("a", sh(f"echo {word}; exec sleep 100000"), 'restart = "always"')
        s = self.supervisor(config("old"))
        s.wait_log("a", "old\n")
        self.apply(s, config("new"))
        os.kill(s.services()["a"]["pid"], signal.SIGKILL)
        s.wait_log("a", "old\nnew\n")
        self.assertEqual(self.stale(s), [])

    def test_it_is_stopped_as_its_own_definition_says(self):
        def config(name):
            return service("a", py("import signal, sys, time\n"
                                   "signal.signal(signal.SIGTERM, lambda *a: (print('TERM'), sys.exit()))\n"
                                   "signal.signal(signal.SIGINT, lambda *a: (print('INT'), sys.exit()))\n"
                                   "print('up')\n"
                                   "while True: time.sleep(100)\n"),
                           f'stop {{ signal = "{name}" }}', f'environment = {{"SIGNAL={name}"}}')
        s = self.supervisor(config("TERM"))
        s.wait_log("a", "up\n")
        self.apply(s, config("INT"))
        s.kill_engine()
        s.ok("restart", "a")
        s.wait_log("a", "up\nTERM\nup\n")

    def test_an_engine_that_dies_knows_it_again(self):
        s = self.supervisor(service("a", SLEEP, "nice = 1") + service("b", SLEEP))
        s.wait_all_running()
        before = self.pids(s)
        self.apply(s, service("a", SLEEP, "nice = 2") + service("b", SLEEP))
        for _ in range(3):
            s.kill_engine()
            self.assertEqual(self.pids(s), before)
            self.assertEqual(self.stale(s), ["a"])
        s.ok("restart", "a")
        self.assertEqual(self.stale(s), [])
        s.kill_engine()
        self.assertEqual(self.stale(s), [])

    def test_killed_in_the_middle_of_it_no_process_is_touched(self):
        def config(n):
            return "".join(service(f"s{i}", SLEEP, f"nice = {n}") for i in range(30))
        s = self.supervisor(config(0))
        s.wait_all_running()
        before = self.pids(s)
        for n in range(1, 6):
            s.write_config(config(n))
            p = s.ctl_start("apply", "--no-restart")
            engine = s.engine_pid()
            wait_until(lambda: s.stderr().count("configuration applied") >= n
                       or p.poll() is not None, "it is under way")
            os.kill(engine, signal.SIGKILL)
            out, err = p.communicate(timeout=harness.DEADLINE)
            self.assertEqual((p.returncode, err), (0, ""), out)
            self.assertEqual(self.pids(s), before)
            self.assertEqual(len(self.stale(s)), 30)
        s.ok("apply")
        self.assertEqual(self.stale(s), [])

    def test_a_change_after_it_keeps_older_ones_as_they_are(self):
        def config(a, b):
            return service("a", SLEEP, f"nice = {a}") + service("b", SLEEP, f"nice = {b}")
        s = self.supervisor(config(1, 1))
        s.wait_all_running()
        before = self.pids(s)
        self.apply(s, config(2, 1))
        self.apply(s, config(2, 2))
        self.assertEqual(self.stale(s), ["a", "b"])
        self.assertEqual(self.pids(s), before)
        s.ok("restart", "--rolling", "*")
        self.assertEqual(self.stale(s), [])

    def test_what_does_not_run_goes_by_the_new_one_at_once(self):
        def config(word):
            return (service("down", sh(f"echo {word}; exec sleep 100000"), "autostart = false")
                    + service("ends", sh(f"echo {word}; exit 1"), "restart-delay = 1h",
                              "restart-max-delay = 1h"))
        s = self.supervisor(config("old"))
        s.wait_state("ends", "backoff")
        self.apply(s, config("new"))
        self.assertEqual(self.stale(s), [])
        self.assertEqual(s.services()["ends"]["state"], "backoff", "nothing is started again")
        s.ok("start", "down")
        s.wait_log("down", "new\n")

    def test_as_many_configurations_as_there_may_be(self):
        def config(*nice):
            return "".join(service(f"s{i}", SLEEP, f"nice = {n}") for i, n in enumerate(nice))
        s = self.supervisor(config(0, 0, 0, 0, 0, 0, 0))
        s.wait_all_running()
        before = self.pids(s)
        nice = [0] * 7
        for i in range(5):
            nice[i] = 1
            self.apply(s, config(*nice))
        nice[5] = 1
        s.write_config(config(*nice))
        code, _, err = s.ctl("apply", "--no-restart")
        self.assertEqual(code, 1)
        self.assertRegex(err, "by 5 earlier configurations.*restart some of them first, such as "
                              "'s0', 's1', 's2'")
        self.assertEqual(self.stale(s), [f"s{i}" for i in range(5)])
        self.assertEqual(self.pids(s), before)
        # those that are left stand in nobody's way
        nice[5] = 0
        self.apply(s, config(*nice).replace("s6", "s7"))
        s.ok("restart", "s0")
        nice[5] = 1
        self.apply(s, config(*nice).replace("s6", "s7"))
        self.assertEqual(self.stale(s), [f"s{i}" for i in range(1, 6)])
        s.ok("apply")
        self.assertEqual(self.stale(s), [])

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_observers_see_no_values(self):
        def config(word):
            return ('control { observers = {"1"} }\n'
                    + service("a", SLEEP, f'environment = {{"SECRET={word}"}}'))

        def become():
            os.setgroups([])
            os.setgid(1)
            os.setuid(1)

        s = self.supervisor(config("old"))
        s.wait_state("a", "running")
        self.apply(s, config("new"))
        s.publish_supctl()
        out, err = s.ctl_start("show", "a", preexec_fn=become).communicate(timeout=harness.DEADLINE)
        self.assertRegex(out, r"\n +environment SECRET changed\n", err)
        self.assertNotIn("new", out)

    def test_what_is_no_boolean_is_refused(self):
        s = self.supervisor(service("a", SLEEP))
        with self.assertRaises(VarlinkError) as caught:
            s.varlink("Apply", {"restart": "no"})
        self.assertIn("restart", str(caught.exception))


if __name__ == "__main__":
    harness.main()
