"""Signals to supervisord end everything: in order, at once, or in a hurry."""

import os
import signal
import time

import harness
from harness import SLEEP, is_alive, py, service

STUBBORN = py("import signal,time\n"
              "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
              "print('ready')\n"
              "while True: time.sleep(1000)\n")


class Signals(harness.SystemTest):
    def ends_on(self, signo):
        s = self.supervisor(service("a", SLEEP) + service("b", SLEEP))
        pids = [s.wait_state(name, "running")["pid"] for name in ("a", "b")]
        s.stop(signo=signo)
        self.assertEqual([], [p for p in pids if is_alive(p)])

    def test_term_stops_all_and_exits_with_zero(self):
        self.ends_on(signal.SIGTERM)

    def test_int_stops_all_and_exits_with_zero(self):
        self.ends_on(signal.SIGINT)

    def test_quit_kills_all_at_once(self):
        s = self.supervisor(service("web", STUBBORN, "stop { timeout = 1h }"))
        s.wait_log("web", "ready")
        s.stop(signo=signal.SIGQUIT, deadline=10)

    def test_a_second_term_hurries(self):
        s = self.supervisor(service("web", STUBBORN, "stop { timeout = 1h }"))
        s.wait_log("web", "ready")
        s.signal(signal.SIGTERM)
        s.wait_state("web", "stopping")
        s.stop(deadline=10)

    def test_term_waits_for_a_slow_stop_as_long_as_the_timeout(self):
        script = ("import os,signal,time\n"
                  "def caught(*_):\n"
                  "    time.sleep(1); print('bye'); os._exit(0)\n"
                  "signal.signal(signal.SIGTERM, caught)\n"
                  "print('ready')\n"
                  "while True: time.sleep(1000)\n")
        s = self.supervisor(service("web", py(script), "stop { timeout = 30s }"))
        s.wait_log("web", "ready")
        begin = time.monotonic()
        s.stop()
        self.assertGreaterEqual(time.monotonic() - begin, 0.95)
        self.assertIn("bye\n", s.read_log("web"), "the last words are in the log")

    def test_shutdown_by_supctl_is_the_same_as_term(self):
        s = self.supervisor(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        s.ok("shutdown")
        self.assertEqual(0, s.wait_exit())
        self.assertFalse(is_alive(pid))

    def test_nothing_is_started_while_shutting_down(self):
        s = self.supervisor(service("web", STUBBORN, "stop { timeout = 1h }")
                            + service("crash", ["/bin/false"], "restart-limit = 0",
                                      "restart-delay = 20ms", "restart-max-delay = 20ms")
                            + service("idle", SLEEP, "autostart = false"))
        s.wait_log("web", "ready")
        s.signal(signal.SIGTERM)
        s.wait_state("web", "stopping")
        self.assertNotEqual(0, s.ctl("start", "idle")[0])
        self.assertNotIn(s.services()["crash"]["state"], ("running", "starting"))
        s.signal(signal.SIGTERM)
        self.assertEqual(0, s.wait_exit())

    def test_term_is_obeyed_without_an_engine_that_answers(self):
        s = self.supervisor(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        engine = s.engine_pid()
        os.kill(engine, signal.SIGSTOP)
        s.signal(signal.SIGTERM)
        self.assertEqual(1, s.wait_exit(40))
        self.assertFalse(is_alive(pid))
        # What only an engine can remove is taken over, and in the end removed, by the next one.
        s.start()
        s.wait_state("web", "running")
        s.stop()


if __name__ == "__main__":
    harness.main()
