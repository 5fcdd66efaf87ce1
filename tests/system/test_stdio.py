"""What services write is in their logs: all of it, in order, whatever happens around it."""

import os
import resource
import signal
import subprocess
import unittest

import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until

BURST = "import sys\nfor i in range(%d): sys.stdout.write('line %%07d\\n' %% i)\nsys.stdout.flush()\n"


class Stdio(harness.SystemTest):
    def test_stdout_and_stderr_share_a_file_in_the_order_of_writing(self):
        s = self.supervisor(service("web", sh("for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; "
                                              "done")))
        s.wait_state("web", "exited")
        want = "".join(f"out {i}\nerr {i}\n" for i in range(1, 6))
        self.assertEqual(want, s.wait_log("web", "err 5\n"))

    def test_stderr_can_have_a_file_of_its_own(self):
        s = self.supervisor(service("web", sh("echo to stdout; echo to stderr >&2"),
                                    'log { stderr = "web.err" }'))
        s.wait_state("web", "exited")
        self.assertEqual("to stdout\n", s.wait_log("web", "stdout\n"))
        wait_until(lambda: s.read(f"{s.log_dir}/web.err") == "to stderr\n", "the line in web.err")

    def test_what_was_written_just_before_death_is_in_the_log(self):
        n = 20000
        s = self.supervisor(service("web", py(BURST % n + "import os\nos.kill(os.getpid(), 9)\n"),
                                    'restart = "never"'))
        s.wait_state("web", "failed")
        lines = s.wait_log("web", f"line {n - 1:07d}\n").splitlines()
        self.assertEqual([f"line {i:07d}" for i in range(n)], lines)

    def test_an_unended_line_at_death_is_in_the_log(self):
        s = self.supervisor(service("web", sh("printf 'no newline'; kill -9 $$"),
                                    'restart = "never"'))
        s.wait_state("web", "failed")
        self.assertEqual("no newline", s.wait_log("web", "no newline"))

    def test_any_byte_is_kept(self):
        s = self.supervisor(service("web", py("import os\nos.write(1, bytes(range(256)) * 100)")))
        s.wait_state("web", "exited")

        def complete():
            with open(s.log_path("web"), "rb") as f:
                return f.read() == bytes(range(256)) * 100
        wait_until(complete, "all bytes are in the log")

    def test_a_log_goes_on_over_restarts_and_over_supervisords_own(self):
        s = self.supervisor(service("web", sh("echo one more"), "autostart = false"))
        for _ in range(3):
            s.ok("start", "web")
            s.wait_state("web", "exited")
        wait_until(lambda: s.read_log("web") == "one more\n" * 3, "three lines")
        s.stop()
        s.start()
        s.ok("start", "web")
        wait_until(lambda: s.read_log("web") == "one more\n" * 4, "four lines")

    def test_rotation_by_size_keeps_as_many_files_as_asked_and_loses_nothing_in_between(self):
        n = 1600  # 13 bytes each, 20800 bytes
        s = self.supervisor(service("web", py(BURST % n), "log { max-size = 4K keep = 10 }"))
        s.wait_state("web", "exited")
        s.wait_log("web", f"line {n - 1:07d}\n")
        files = self.rotated(s)
        self.assertGreaterEqual(len(files), 3)
        text = "".join(s.read(path) for path in files)
        self.assertEqual([f"line {i:07d}" for i in range(n)], text.splitlines())

    def rotated(self, s):
        """The files of the log, the oldest first: web.log.STAMP (they sort by age), web.log."""
        names = [n for n in os.listdir(s.log_dir) if n.startswith("web.log")]
        return [f"{s.log_dir}/{n}" for n in sorted(names, key=lambda n: (n == "web.log", n))]

    def test_rotation_removes_the_oldest_past_keep(self):
        s = self.supervisor(service("web", py(BURST % 20000), "log { max-size = 4K keep = 2 }"))
        s.wait_state("web", "exited")
        s.wait_log("web", "line 0019999\n")
        self.assertLessEqual(len(self.rotated(s)), 3)
        self.assertGreaterEqual(len(self.rotated(s)), 2)
        text = "".join(s.read(path) for path in self.rotated(s))
        self.assertTrue(text.endswith("line 0019999\n"))

    COUNTER = sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done")

    def reopens(self, ask):
        """No line is lost or doubled where the log is moved away and opened anew."""
        s = self.supervisor(service("web", self.COUNTER))
        s.wait_log("web", "line 3\n")
        os.rename(s.log_path("web"), s.log_path("moved"))
        self.assertIsNone(s.process.poll())
        ask(s)
        wait_until(lambda: s.read_log("web").count("\n") >= 3, "lines in a new file")
        s.ok("stop", "web")
        lines = (s.read_log("moved") + s.read_log("web")).splitlines()
        self.assertEqual([f"line {i}" for i in range(1, len(lines) + 1)], lines)

    def test_usr2_opens_the_log_anew_after_a_rename(self):
        self.reopens(lambda s: s.signal(signal.SIGUSR2))

    def test_without_being_asked_a_moved_log_is_written_on(self):
        s = self.supervisor(service("web", self.COUNTER))
        s.wait_log("web", "line 3\n")
        os.rename(s.log_path("web"), s.log_path("moved"))
        before = s.read_log("moved").count("\n")
        wait_until(lambda: s.read_log("moved").count("\n") > before + 3, "lines in the old file")
        self.assertEqual("", s.read_log("web"))

    def test_inherit_writes_whole_lines_with_a_prefix_to_supervisords_stdout(self):
        s = self.supervisor(service("web", sh("echo hello; printf 'par'; sleep 0.1; echo 'tial'"),
                                    'log { file = "inherit" }'))
        s.wait_state("web", "exited")
        wait_until(lambda: "[web] partial\n" in s.stdout(), "the lines on stdout")
        self.assertEqual("[web] hello\n[web] partial\n", s.stdout())

    def test_log_none_makes_no_file(self):
        s = self.supervisor(service("web", sh("echo hello"), 'log { file = "none" }'))
        s.wait_state("web", "exited")
        self.assertEqual([], [n for n in os.listdir(s.log_dir) if "web" in n])

    def test_a_flood_does_not_starve_others(self):
        s = self.supervisor(
            service("flood", ["/usr/bin/yes", "a" * 200], "log { max-size = 1M keep = 1 }")
            + service("quiet", sh("i=0; while :; do i=$((i+1)); echo beat $i; sleep 0.02; done")))
        s.wait_state("flood", "running")
        s.wait_log("quiet", "beat 1\n")
        for i in range(20, 101, 20):
            s.wait_log("quiet", f"beat {i}\n", deadline=15)
            self.assertEqual(0, s.ctl("status", "quiet", timeout=10)[0])
        s.ok("stop", "flood")

    def test_show_counts_what_was_logged(self):
        s = self.supervisor(service("web", py(BURST % 1000)))
        s.wait_state("web", "exited")
        s.wait_log("web", "line 0000999\n")
        wait_until(lambda: s.show("web")["log"]["bytes"] == 13000, "13000 bytes counted")
        log = s.show("web")["log"]
        self.assertEqual((1000, 0, 0), (log["lines"], log["dropped_bytes"], log["dropped_lines"]))

    def test_supctl_logs_shows_the_last_lines_and_follows(self):
        s = self.supervisor(service("web", sh("for i in 1 2 3 4 5; do echo line $i; done; "
                                              'while [ ! -e "$0" ]; do sleep 0.02; done; echo later; '
                                              "exec sleep 100000") + ["@DIR@/gate"]))
        s.wait_log("web", "line 5\n")
        self.assertEqual(["line 4", "line 5"], s.ok("logs", "-n", "2", "web").splitlines())
        follower = s.ctl_start("logs", "-f", "-n", "1", "web")
        self.assertEqual("line 5\n", follower.stdout.readline())
        s.flag("gate")
        self.assertEqual("later\n", follower.stdout.readline())

    def test_logs_are_found_by_run_time_and_pattern_also_without_a_supervisord(self):
        s = self.supervisor(service("web", sh('echo "I am $$"; exec sleep 100000'),
                                    'log { timestamps = "iso" max-size = 60 compress = "gzip" }'))
        pids = []
        for i in range(3):
            if i > 0:
                s.ok("restart", "web")
            pids.append(s.wait_state("web", "running")["pid"])
            wait_until(lambda: len(s.ok("logs", "-n", "9", "web").splitlines()) == len(pids),
                       "the line of the run")

        def shown(*args):
            return [int(line.split()[-1]) for line in s.ok("logs", "web", *args).splitlines()]
        moment = s.ok("logs", "web", "-n", "2").split()[0]
        for runs in (True, False):
            if not runs:
                s.kill_both()
            self.assertEqual(pids, shown("-n", "9"))
            self.assertEqual([pids[2:], pids[1:2], pids[:1]],
                             [shown("--run", run) for run in ("0", "-1", "-2")])
            self.assertEqual(pids[1:], shown("--since", moment))
            self.assertEqual(pids[:2], shown("--until", moment))
            self.assertEqual(pids[1:2], shown("--grep", f"am {pids[1]}$"))
        self.assertIn("no supervisord answers on", s.ctl("logs", "web")[2])
        s.start()

    def test_a_log_file_that_cannot_be_opened_does_not_stop_the_service(self):
        s = self.supervisor(service("web", sh("echo hello; exec sleep 100000"),
                                    'log { file = "@DIR@/in-the-way/web.log" }'),
                            prepare=lambda s: s.flag("in-the-way"))
        s.wait_state("web", "running")
        s.wait_stderr("in-the-way")

    def connections(self, s):
        """Unix sockets of accepted control connections: they have their listener's name."""
        with open("/proc/net/unix", encoding="utf-8") as f:
            rows = [line.split() for line in f]
        return [r for r in rows if len(r) > 7 and r[5] == "03" and r[7].startswith(s.socket_path)]

    def test_pipes_that_did_not_arrive_for_want_of_descriptors_are_asked_for_again(self):
        s = self.supervisor(service("web", self.COUNTER, "autostart = false",
                                    'log { stderr = "web.err" }'))
        engine = s.engine_pid()
        hard = resource.prlimit(engine, resource.RLIMIT_NOFILE)[1]
        # It has asked for the process, and finds no room for what it is told of it.
        os.kill(s.pid, signal.SIGSTOP)
        s.ok("start", "web", "--no-wait")
        wait_until(lambda: not self.connections(s), "the engine has closed all connections")
        taken = set(map(int, os.listdir(f"/proc/{engine}/fd")))
        free = [fd for fd in range(1000) if fd not in taken]
        resource.prlimit(engine, resource.RLIMIT_NOFILE, (free[0], hard))
        os.kill(s.pid, signal.SIGCONT)
        s.wait_stderr("no descriptor left for its output")
        resource.prlimit(engine, resource.RLIMIT_NOFILE, (hard, hard))
        s.wait_log("web", "line 1\nline 2\n")


@unittest.skipUnless(os.geteuid() == 0, "needs root to mount a tmpfs")
class FullDisk(harness.SystemTest):
    def mount(self, s):
        s.log_dir = f"{s.dir}/small"
        os.mkdir(s.log_dir)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=750", "tmpfs",
                               s.log_dir], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("cannot mount a tmpfs: " + done.stderr)
        s.head = s.head.replace(f"{s.dir}/log", s.log_dir)
        s.write_config(self.config)

    def tearDown(self):
        # Before the supervisor's own cleanup: nothing of it is on the small file system then.
        for s in list(self.supervisors):
            try:
                if s.process and s.process.poll() is None:
                    s.stop()
            finally:
                subprocess.run(["umount", "-l", s.log_dir], check=False, capture_output=True)

    def test_a_service_runs_on_and_what_is_lost_is_counted_and_told_until_there_is_room(self):
        self.config = (
            service("web", sh("i=0; while :; do i=$((i+1)); "
                              "echo line $i with some text that makes it longer; "
                              "[ $((i % 50)) -eq 0 ] && sleep 0.02; done"),
                    "log { max-size = 1G }")
            + service("other", SLEEP))
        s = self.supervisor(self.config, prepare=self.mount)
        pid = s.wait_state("web", "running")["pid"]
        wait_until(lambda: s.show("web")["log"]["dropped_bytes"] > 0, "dropped bytes are counted")
        self.assertGreater(s.show("web")["log"]["dropped_lines"], 0)
        self.assertTrue(is_alive(pid), "the service runs on")
        self.assertEqual(pid, s.status("web")["pid"])
        s.wait_stderr("No space left on device")
        said = s.stderr().count("No space left on device")
        self.assertLess(said, 20, "it says so without flooding its own log")

        os.truncate(s.log_path("web"), 0)

        def written():
            text = s.read_log("web")
            return "\nline " in text and text
        wait_until(written, "lines are written again")
        wait_until(lambda: self.settled(s), "nothing is dropped while there is room")
        self.assertEqual(pid, s.status("web")["pid"])

    def settled(self, s):
        before = s.show("web")["log"]
        wait_until(lambda: s.show("web")["log"]["bytes"] > before["bytes"], "bytes are written")
        after = s.show("web")["log"]
        os.truncate(s.log_path("web"), 0)
        return after["dropped_bytes"] == before["dropped_bytes"]


if __name__ == "__main__":
    harness.main()
