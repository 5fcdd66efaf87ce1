"""What is left after the launcher itself was killed, and who owns a runtime directory."""

import os
import signal
import subprocess

import harness
from harness import SLEEP, is_alive, service, sh, wait_until


class Orphans(harness.SystemTest):
    def kill_launcher(self, s):
        engine = s.engine_pid()
        os.kill(s.pid, signal.SIGKILL)
        s.process.wait()
        wait_until(lambda: not is_alive(engine), "the engine has ended")

    def test_the_next_start_ends_what_is_left_before_it_starts_anything(self):
        s = self.supervisor(
            service("web", SLEEP)
            + service("stubborn", sh("trap '' TERM; setsid sleep 1000 & echo ready; "
                                     "while :; do sleep 0.1; done"), "stop { timeout = 1s }"))
        s.wait_log("stubborn", "ready")
        old = [s.wait_state(name, "running")["pid"] for name in ("web", "stubborn")]
        family = [p for p in harness.descendants(s.pid) if p != s.engine_pid()]
        self.kill_launcher(s)
        self.assertTrue(all(map(is_alive, old)), "services run on")
        s.start(ready=False)
        new = [s.wait_state(name, "running", deadline=60)["pid"] for name in ("web", "stubborn")]
        self.assertFalse(set(old) & set(new))
        self.assertEqual([], [p for p in family if is_alive(p)])
        s.wait_stderr("left by a supervisord that was killed")

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
