"""The recovery area is cut short, removed or has no room: it is written anew, and nothing is
forgotten by the engine after the next kill."""

import os
import re
import signal
import stat
import subprocess

import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until

FAULTY = os.environ.get("SUPERVISORD_FAULTY")

CONFIG = (service("web", SLEEP, "instances = 2")
          + service("idle", SLEEP, "autostart = false")
          + service("bad", sh("exit 7"), "restart-limit = 2", "restart-delay = 10ms",
                    "restart-max-delay = 10ms", "restart-jitter = 0")
          + service("later", sh("exit 1"), "restart-delay = 1h", "restart-max-delay = 1h",
                    "restart-jitter = 0"))
STATES = (("web@1", "running"), ("web@2", "running"), ("bad", "failed"), ("later", "backoff"))
AGAIN = "it was written anew"


class RecoveryArea(harness.SystemTest):
    def settled(self, **kw):
        s = self.supervisor(CONFIG, **kw)
        for name, state in STATES:
            s.wait_state(name, state)
        return s

    def faulty(self, rules):
        if not FAULTY or not os.access(FAULTY, os.X_OK):
            self.skipTest("there is no supervisord with faults (SUPERVISORD_FAULTY)")
        return self.settled(executable=os.path.abspath(FAULTY), env={"SUPERVISOR_FAULT": rules})

    @staticmethod
    def path(s):
        return f"{s.runtime_dir}/recovery"

    def wait_whole(self, s, size):
        """The file is there, whole, private and allocated."""
        def whole():
            st = os.stat(self.path(s))
            return st.st_size >= size and st.st_blocks * 512 >= size
        wait_until(whole, "the recovery area is whole again")
        self.assertEqual(0o600, stat.S_IMODE(os.stat(self.path(s)).st_mode))
        self.assertFalse(os.path.exists(self.path(s) + ".new"))

    def resident(self, s):
        """KiB of the recovery area and the board that are mapped by the engine."""
        with open(f"/proc/{s.wait_engine()}/smaps", encoding="utf-8") as f:
            parts = re.findall(r"/(recovery|status)\n(?:\w+: .*\n)*?Rss: +(\d+) kB", f.read())
        self.assertEqual({"recovery", "status"}, {name for name, _ in parts})
        return sum(int(kib) for _, kib in parts)

    def test_after_a_burst_its_pages_and_those_of_the_board_are_let_go(self):
        s = self.settled()
        wait_until(lambda: self.resident(s) == 0, "nothing of them is mapped")
        self.survives(s)
        wait_until(lambda: self.resident(s) == 0, "nothing of them is mapped by the next engine")
        s.ok("restart", "web@1")
        self.assertGreater(s.status("web@1")["pid"], 0)

    def survives(self, s):
        """Kills the engine, twice, and compares."""
        before = s.lasting()
        for _ in range(2):
            s.kill_engine()
            self.assertEqual(before, s.lasting())
        for row in before.values():
            self.assertTrue(row["pid"] is None or is_alive(row["pid"]), row)

    def test_it_is_allocated_and_private(self):
        s = self.settled()
        self.wait_whole(s, 4096)

    def test_cut_to_nothing_it_is_written_anew(self):
        s = self.settled()
        size = os.stat(self.path(s)).st_size
        os.truncate(self.path(s), 0)
        s.wait_stderr(AGAIN)
        self.wait_whole(s, size)
        self.survives(s)
        self.assertEqual(1, s.stderr().count(AGAIN))

    def test_cut_within_its_slots_it_is_written_anew(self):
        s = self.settled()
        size = os.stat(self.path(s)).st_size
        os.truncate(self.path(s), 3 * 4096)
        s.wait_stderr(AGAIN)
        self.wait_whole(s, size)
        self.survives(s)

    def test_removed_it_is_written_anew_under_its_name(self):
        s = self.settled()
        size = os.stat(self.path(s)).st_size
        os.unlink(self.path(s))
        s.wait_stderr(AGAIN)
        self.wait_whole(s, size)
        self.survives(s)

    def test_again_and_again(self):
        s = self.settled()
        size = os.stat(self.path(s)).st_size
        for i in range(5):
            os.truncate(self.path(s), 0)
            wait_until(lambda n=i: s.stderr().count(AGAIN) > n, "it is written anew")
            self.wait_whole(s, size)
        self.survives(s)

    def test_what_happens_while_it_is_lost_is_not_forgotten(self):
        s = self.settled()
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)
        wait_until(lambda: harness.stat_of(engine)[0] == b"T", "the engine is stopped")
        os.truncate(self.path(s), 0)
        acting = [s.ctl_start("stop", "web@1"), s.ctl_start("start", "idle")]
        os.kill(engine, signal.SIGCONT)
        for p in acting:
            out, err = p.communicate(timeout=30)
            self.assertEqual(0, p.returncode, out + err)
        s.wait_state("web@1", "stopped")
        s.wait_state("idle", "running")
        self.survives(s)

    def test_sockets_that_are_removed_are_made_anew(self):
        says = py("import os, socket, time\n"
                  "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                  "s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
                  "time.sleep(100000)\n")
        s = self.supervisor(service("web", says, 'ready { on = "notify" }'))
        s.wait_state("web", "running")
        paths = [f"{s.runtime_dir}/{name}" for name in ("control", "notify")]
        modes = [os.stat(path).st_mode for path in paths]

        def made():
            wait_until(lambda: all(os.path.exists(path) for path in paths), "both are there")
            self.assertEqual(modes, [os.stat(path).st_mode for path in paths])
            s.ok("restart", "web")
        for path in paths:
            os.unlink(path)
        made()
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)  # what is removed now, the next engine finds missing
        for path in paths:
            os.unlink(path)
        os.kill(engine, signal.SIGKILL)
        made()
        self.assertEqual(4, s.stderr().count("was removed by somebody; it was made anew"))

    def test_a_lock_that_is_removed_is_taken_anew(self):
        s = self.supervisor(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        lock = f"{s.runtime_dir}/lock"

        def refused(times):
            wait_until(lambda: s.stderr().count("the lock in") == times, "it was taken anew")
            second = subprocess.run([s.supervisord, "-c", s.config_path], text=True,
                                    capture_output=True, timeout=30, check=False, env=s.env)
            self.assertEqual(1, second.returncode)
            self.assertIn(f"another supervisord (pid {s.pid}) runs in", second.stderr)
        for name in os.listdir(s.runtime_dir):
            os.unlink(f"{s.runtime_dir}/{name}")
        refused(1)
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)  # the next engine finds it missing
        os.unlink(lock)
        os.kill(engine, signal.SIGKILL)
        refused(2)
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])

    def test_without_inotify_the_next_touch_tells(self):
        s = self.faulty("engine:inotify_init:1+:EMFILE")
        os.truncate(self.path(s), 0)
        s.ok("stop", "web@1")
        s.wait_stderr(AGAIN)
        s.ok("start", "idle")
        self.survives(s)
        s.ok("start", "web@1")
        self.assertEqual([], re.findall(r"killed by signal (?!KILL)", s.stderr()))

    def test_growing_does_not_hide_that_it_was_cut_short(self):
        s = self.faulty("engine:inotify_init:1+:EMFILE")
        os.truncate(self.path(s), 0)
        s.write_config(CONFIG + service("new", SLEEP, "instances = 4"))
        s.ok("apply")
        s.wait_state("new@4", "running")
        s.wait_stderr(AGAIN)
        self.survives(s)

    def test_without_room_for_a_file_it_goes_on_without_a_name(self):
        s = self.settled()
        os.mkdir(self.path(s) + ".new")
        os.truncate(self.path(s), 0)
        s.wait_stderr("cannot make a file for the recovery area")
        s.ok("stop", "web@1")
        self.survives(s)
        os.rmdir(self.path(s) + ".new")
        s.wait_stderr("the recovery area is in")
        self.wait_whole(s, 4096)
        self.survives(s)

    def test_a_removed_service_keeps_its_place_and_generation(self):
        s = self.settled()
        s.write_config(CONFIG.replace("instances = 2", "instances = 1"))
        s.ok("apply")
        wait_until(lambda: "web@2" not in s.services(), "it is removed")
        os.truncate(self.path(s), 0)
        s.wait_stderr(AGAIN)
        s.kill_engine()
        s.write_config(CONFIG)
        s.ok("apply")
        s.wait_state("web@2", "running")
        self.survives(s)


if __name__ == "__main__":
    harness.main()
