"""An essential service that ends for good ends supervisord, which exits with its code."""

import os
import signal

import harness
from harness import SLEEP, is_alive, service, sh, wait_until

NEVER = 'restart = "never"'
FAST = ("restart-delay = 1ms", "restart-max-delay = 1ms")


def essential(name, command, *lines):
    return service(name, command, "essential = true", *lines)


class Essential(harness.SystemTest):
    def gate(self):
        """A command that goes on when the test says so."""
        return "while [ ! -e @DIR@/go ]; do sleep 0.01; done; "

    def run_to_its_end(self, *definition, others=None):
        """The exit status after the essential service was let go, and that all is clean."""
        s = self.supervisor(essential(*definition)
                            + (service("other", SLEEP) if others is None else others))
        s.wait_state("other", "running")
        s.flag("go")
        code = s.wait_exit()
        self.assertEqual([], s.leftovers())
        self.assertEqual([], os.listdir(s.runtime_dir), "it ends as in every shutdown")
        self.s = s
        return code

    def told(self):
        """The line that says why everything is stopped, and how many there are."""
        lines = [l for l in self.s.stderr().splitlines() if "is essential" in l]
        self.assertEqual(1, len(lines), lines)
        return lines[0]

    def test_its_success_is_ours(self):
        self.assertEqual(0, self.run_to_its_end("main", sh(self.gate() + "exit 0")))
        self.assertIn("service 'main' is essential and has ended for good (exited with code 0)",
                      self.told())

    def test_its_exit_status_is_ours(self):
        self.assertEqual(3, self.run_to_its_end("main", sh(self.gate() + "exit 3"), NEVER))
        self.assertRegex(self.told(), r"exited with code 3\): stopping everything, to exit with 3")

    def test_a_success_code_that_is_not_zero_is_passed_on_as_it_is(self):
        self.assertEqual(4, self.run_to_its_end("main", sh(self.gate() + "exit 4"),
                                                "success-codes = {0, 4}"))

    def test_a_signal_counts_from_128(self):
        self.assertEqual(128 + signal.SIGUSR1, self.run_to_its_end(
            "main", sh(self.gate() + "kill -USR1 $$"), NEVER))
        self.assertEqual(128 + signal.SIGKILL, self.run_to_its_end(
            "main", sh(self.gate() + "kill -KILL $$"), NEVER))

    def test_while_it_is_started_again_nothing_else_ends_until_the_limit_is_reached(self):
        code = self.run_to_its_end("main", sh(self.gate() + "echo run; exit 7"),
                                   "restart-limit = 2", *FAST)
        self.assertEqual(7, code)
        self.assertEqual(3, self.s.read_log("main").count("run\n"))
        self.assertIn("gave up after 2 automatic restarts", self.told())

    def test_what_cannot_be_executed_ends_as_in_a_shell(self):
        for command, lines, want in (
                (["/nonexistent/program"], (), 127),
                (["no-such-program-anywhere"], (), 127),
                (["/etc/passwd/program"], (), 127),
                (["/etc/passwd"], (), 126),
                (["/etc"], (), 126),
                (["/bin/true"], ('directory = "/nonexistent"',), 1)):
            with self.subTest(command=command, lines=lines):
                s = self.supervisor(essential("main", command, "restart-limit = 1", *FAST, *lines)
                                    + service("other", SLEEP), start=False)
                s.start(ready=False)
                self.assertEqual(want, s.wait_exit())
                self.assertEqual([], s.leftovers())

    def test_a_oneshot_can_be_the_one(self):
        self.assertEqual(5, self.run_to_its_end("main", sh(self.gate() + "exit 5"), NEVER,
                                                'type = "oneshot"'))

    def test_any_instance_can_be_the_one(self):
        self.assertEqual(2, self.run_to_its_end(
            "main", sh('[ %{instance} = 1 ] && exec sleep 100000; ' + self.gate() + "exit 2"),
            "instances = 2", NEVER))
        self.assertIn("service 'main@2' is essential", self.told())

    def test_the_first_that_ends_decides(self):
        code = self.run_to_its_end("main", sh(self.gate() + "exit 3"), NEVER,
                                   others=service("other", sh("trap 'exit 9' TERM; echo ready; "
                                                              "while :; do sleep 0.01; done"),
                                                  "essential = true", NEVER))
        self.assertEqual(3, code)
        self.told()

    def test_an_operators_stop_or_restart_does_not_end_supervisord(self):
        s = self.supervisor(essential("main", sh("trap 'exit 3' TERM; echo ready; "
                                                 "while :; do sleep 0.01; done"), NEVER)
                            + service("other", SLEEP))
        s.wait_log("main", "ready")
        other = s.wait_state("other", "running")["pid"]
        s.ok("restart", "main")
        s.ok("stop", "main")
        self.assertEqual("stopped", s.status("main")["state"])
        self.assertEqual(other, s.status("other")["pid"])
        s.ok("start", "main")
        os.kill(s.wait_state("main", "running")["pid"], signal.SIGKILL)
        self.assertEqual(137, s.wait_exit())

    def test_term_ends_with_zero_whatever_the_essential_service_says(self):
        s = self.supervisor(essential("main", sh("trap 'exit 3' TERM; echo ready; "
                                                 "while :; do sleep 0.01; done"), NEVER))
        s.wait_log("main", "ready")
        s.stop()
        self.assertNotIn("is essential", s.stderr())

    def test_the_code_survives_engines_that_are_killed_during_the_shutdown(self):
        s = self.supervisor(
            essential("main", sh(self.gate() + "exit 42"), NEVER)
            + service("slow", sh("trap 'echo asked' TERM; echo ready; "
                                 "while [ ! -e @DIR@/end ]; do sleep 0.01; done"),
                      "stop { timeout = 1h }"))
        s.wait_log("slow", "ready")
        slow = s.wait_state("slow", "running")["pid"]
        s.flag("go")
        s.wait_log("slow", "asked")
        for _ in range(3):
            s.kill_engine()
            self.assertEqual(("failed", 42), tuple(s.services()["main"][k]
                                                   for k in ("state", "exit_code")))
            self.assertEqual("stopping", s.services()["slow"]["state"])
        self.assertTrue(is_alive(slow))
        s.flag("end")
        self.assertEqual(42, s.wait_exit())
        self.assertEqual([], s.leftovers())

    def test_an_engine_that_is_stopped_when_it_ends_and_then_killed_changes_nothing(self):
        s = self.supervisor(essential("main", sh(self.gate() + "exit 6"), NEVER)
                            + service("other", SLEEP))
        main = s.wait_state("main", "running")["pid"]
        s.wait_state("other", "running")
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)
        s.flag("go")
        wait_until(lambda: not is_alive(main), "it has ended")
        os.kill(engine, signal.SIGKILL)
        self.assertEqual(6, s.wait_exit())
        self.assertEqual(1, s.stderr().count("is essential"))


if __name__ == "__main__":
    harness.main()
