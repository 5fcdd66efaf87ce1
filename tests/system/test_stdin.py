"""What services read: files, FIFOs, and each other's output, which nothing that is killed loses."""

import contextlib
import os
import random
import signal
import stat
import struct
import time
import unittest

import harness
from harness import NOBODY, py, service, sh, wait_until

QUICK = ("restart = \"always\"", "restart-limit = 0", "restart-delay = 10ms",
         "restart-max-delay = 10ms", "restart-jitter = 0")

# Writes "GENERATION NUMBER ...", each line at once, and notes which it has come to.
PRODUCER = """
import mmap, os, struct, sys, time
directory = sys.argv[1]
generation = 0
while True:
    try:
        fd = os.open(f"{directory}/generation-{generation}", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        break
    except FileExistsError:
        generation += 1
os.ftruncate(fd, 8)
noted = mmap.mmap(fd, 8)
n = 0
while True:
    for _ in range(50):
        os.write(1, f"{generation} {n} {'x' * 80}\\n".encode())
        n += 1
        noted[:8] = struct.pack("Q", n)
    time.sleep(0.001)
"""

# Moves what it reads to the end of a file. The kernel does that in one step, whoever is killed when.
CONSUMER = """
import fcntl, os, sys, time
slow = len(sys.argv) > 2
if slow:
    try:
        fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, 4096)
    except OSError:
        pass  # there is more in it
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
os.lseek(out, 0, os.SEEK_END)
while True:
    os.splice(0, out, 4096)
    if slow:
        time.sleep(0.002)
"""


class Files(harness.SystemTest):
    def test_a_file_is_read_from_its_beginning_at_each_start(self):
        s = self.supervisor(service("web", ["cat"], 'stdin = "file:@DIR@/%{name}.in"'),
                            prepare=lambda s: self.write(f"{s.dir}/web.in", "one\n"))
        s.wait_state("web", "exited")
        self.write(f"{s.dir}/web.in", "two\n")
        s.ok("start", "web")
        s.wait_log("web", "two\n")
        self.assertEqual("one\ntwo\n", s.read_log("web"))

    def test_a_fifo_has_no_end_when_its_writer_goes(self):
        s = self.supervisor(service("web", ["cat"], 'stdin = "fifo:@DIR@/fifo"'))
        s.wait_state("web", "running")
        path = f"{s.dir}/fifo"
        self.assertEqual(stat.S_IFIFO | 0o600, os.stat(path).st_mode)
        for text in ("one\n", "two\n"):
            self.write(path, text)
            s.wait_log("web", text)
        s.ok("restart", "web")
        self.write(path, "three\n")
        s.wait_log("web", "three\n")
        self.assertEqual("one\ntwo\nthree\n", s.read_log("web"))

    def test_what_cannot_be_opened_fails_the_start_and_says_why(self):
        s = self.supervisor(
            service("file", ["cat"], 'stdin = "file:@DIR@/none"', 'restart = "never"')
            + service("fifo", ["cat"], 'stdin = "fifo:@DIR@/supervisord.conf"', 'restart = "never"'))
        for name, reason in (
                ("file", "cannot open the file that is to be its stdin: No such file or directory"),
                ("fifo", "cannot make or open the FIFO that is to be its stdin: File exists")):
            self.assertIn(reason, s.wait_state(name, "failed")["reason"])
        self.assertIn(f'the file {s.dir}/none, its "stdin", does not exist (No such file',
                      s.ok("why", "file").replace("\n", " "))

    @unittest.skipIf(os.geteuid() != 0, "only root can start services as others")
    def test_a_file_is_opened_with_the_rights_of_the_service(self):
        def prepare(s):
            self.write(f"{s.dir}/secret", "secret\n")
            os.chmod(f"{s.dir}/secret", 0o600)
            os.mkdir(f"{s.dir}/own")
            os.chown(f"{s.dir}/own", NOBODY, NOBODY)

        s = self.supervisor(
            service("file", ["cat"], 'stdin = "file:@DIR@/secret"', f'user = "{NOBODY}"',
                    'restart = "never"')
            + service("fifo", ["cat"], 'stdin = "fifo:@DIR@/own/fifo"', f'user = "{NOBODY}"'),
            prepare=prepare)
        self.assertIn("Permission denied", s.wait_state("file", "failed")["reason"])
        s.wait_state("fifo", "running")
        self.assertEqual(NOBODY, os.stat(f"{s.dir}/own/fifo").st_uid)

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


class Pipes(harness.SystemTest):
    def pipeline(self, *how):
        s = self.supervisor(
            service("from", py(PRODUCER) + ["@DIR@"], 'log { file = "none" }', *QUICK)
            + service("to", py(CONSUMER) + ["@DIR@/out", *how], 'stdin = "service:from"', *QUICK))
        s.wait_state("from", "running")
        s.wait_state("to", "running")
        return s

    def kill(self, s, name):
        pid = s.status(name)["pid"]
        if pid:
            with contextlib.suppress(ProcessLookupError):  # it may just have been killed
                os.kill(pid, signal.SIGKILL)

    def written(self, s):
        """How many lines each generation has written; one more may be under way."""
        counts = []
        while os.path.exists(path := f"{s.dir}/generation-{len(counts)}"):
            with open(path, "rb") as f:
                counts.append(struct.unpack("Q", f.read().ljust(8, b"\0"))[0])
        return counts

    @staticmethod
    def after(counts, generation):
        """The next one that has come to write anything, or None."""
        return next((g for g in range(generation + 1, len(counts)) if counts[g] > 0), None)

    def judge(self, s, n_repeats=0):
        """All lines are there, in order; so many times, a part may come again."""
        counts = self.written(s)
        with open(f"{s.dir}/out", "rb") as f:
            lines = f.read().split(b"\n")
        self.assertEqual(b"", lines.pop())
        generation, n, torn, repeats = 0, 0, 0, 0
        for line in lines:
            words = line.split(b" ")
            if len(words) != 3 or words[2] != b"x" * 80:
                torn += 1  # of a batch that was begun again
                continue
            at = (int(words[0]), int(words[1]))
            if at == (generation, n):
                n += 1
                continue
            # One that was killed before it noted its first line may have written it.
            if (at[1] == 0 and generation < at[0] <= (self.after(counts, generation) or len(counts))
                    and n - counts[generation] in (0, 1)):
                generation, n = at[0], 1
                continue
            self.assertLess(at, (generation, n), "lines are missing")
            repeats += 1
            generation, n = at[0], at[1] + 1
        self.assertIsNone(self.after(counts, generation))
        self.assertIn(n, (counts[generation], counts[generation] + 1))
        self.assertLessEqual(repeats, n_repeats)
        self.assertLessEqual(torn, 2 * n_repeats)

    def stop_and_judge(self, s, n_repeats=0):
        s.ok("stop", "from")

        def complete():
            counts = self.written(s)
            with open(f"{s.dir}/out", "rb") as f:
                f.seek(-min(200, os.path.getsize(f.name)), os.SEEK_END)
                last = f.read().split(b"\n")[-2].split(b" ")
            generation = int(last[0])
            return (self.after(counts, generation) is None
                    and int(last[1]) >= counts[generation] - 1)
        wait_until(complete, "the last line has come through")
        self.judge(s, n_repeats)

    def test_nothing_is_lost_or_doubled_whoever_is_killed_of_the_two(self):
        self.kill_both_of(self.pipeline())

    def test_nor_where_the_reader_is_slow(self):
        self.kill_both_of(self.pipeline("slow"))

    def kill_both_of(self, s):
        for _ in range(12):
            time.sleep(random.uniform(0.01, 0.08))
            self.kill(s, random.choice(("from", "to")))
        self.stop_and_judge(s)

    def test_nothing_is_lost_when_supervisord_is_killed_too(self):
        self.kill_all_of(self.pipeline())

    def test_nor_then_where_the_reader_is_slow(self):
        self.kill_all_of(self.pipeline("slow"))

    def kill_all_of(self, s):
        for k in range(6):
            for _ in range(2):
                time.sleep(random.uniform(0.01, 0.05))
                self.kill(s, random.choice(("from", "to")))
            if k == 3:
                s.kill_launcher()
            else:
                s.kill_engine()
        self.stop_and_judge(s, 6)

    def reader(self, name, source, *lines):
        return service(name, sh(f"exec cat >>@DIR@/{name}.out"), f'stdin = "service:{source}"', *lines)

    def wait_out(self, s, name, text):
        path = f"{s.dir}/{name}.out"
        wait_until(lambda: os.path.exists(path) and s.read(path) == text, f"{name} has read {text!r}")

    def test_what_nobody_has_read_yet_is_kept_by_the_launcher_and_by_its_heir(self):
        s = self.supervisor(service("from", ["seq", "5000"], 'type = "oneshot"')
                            + self.reader("to", "from", "autostart = false"))
        s.wait_state("from", "exited")
        s.kill_engine()
        s.kill_launcher()
        s.ok("start", "to")
        self.wait_out(s, "to", "".join(f"{n}\n" for n in range(1, 5001)))

    def test_what_is_in_the_pipe_stays_with_the_reader_when_all_of_supervisord_is_killed(self):
        s = self.supervisor(
            service("from", sh("trap 'echo two' USR1; echo one; "
                               "while :; do sleep 0.05; done"), "log { file = \"none\" }")
            + service("to", sh("while [ ! -e @DIR@/go ]; do sleep 0.02; done; exec cat >@DIR@/to.out"),
                      'stdin = "service:from"'),
            user=NOBODY if os.geteuid() == 0 else None)
        pids = [s.wait_state(name, "running")["pid"] for name in ("from", "to")]
        wait_until(lambda: s.show("from")["log"]["bytes"] == 4, "the first line is in the pipe")
        s.kill_both()
        s.start()
        self.assertEqual(pids, [s.wait_state(name, "running")["pid"] for name in ("from", "to")])
        s.ok("signal", "USR1", "from")
        with open(f"{s.dir}/go", "w", encoding="ascii"):
            pass
        self.wait_out(s, "to", "one\ntwo\n")

    def test_a_reader_that_is_not_started_yet_is_when_the_launcher_has_been_killed(self):
        s = self.supervisor(
            service("from", ["echo", "one"], 'type = "oneshot"')
            + self.reader("to", "from", "hooks { pre-start = {\"/bin/sh\", \"-c\", "
                          "\"touch @DIR@/begun; while [ ! -e @DIR@/go ]; do sleep 0.02; done\"} }"))
        wait_until(lambda: os.path.exists(f"{s.dir}/begun"), "its hook runs")
        s.kill_launcher()
        with open(f"{s.dir}/go", "w", encoding="ascii"):
            pass
        s.wait_state("to", "running")
        self.wait_out(s, "to", "one\n")

    def apply(self, s, config):
        s.write_config(config)
        s.ok("apply")

    def kept(self, s, inode):
        """Does the launcher have that pipe?"""
        fds = f"/proc/{s.pid}/fd"

        def target(fd):
            try:
                return os.readlink(f"{fds}/{fd}")
            except FileNotFoundError:  # closed since it was listed
                return None

        return any(target(fd) == inode for fd in os.listdir(fds))

    def test_readers_come_and_go_and_read_from_others(self):
        writers = "".join(service(name, ["echo", name], 'type = "oneshot"', "autostart = false")
                          for name in ("one", "two"))
        s = self.supervisor(writers + self.reader("a", "one"))
        a = s.wait_state("a", "running")["pid"]
        s.ok("start", "one")
        self.wait_out(s, "a", "one\n")
        self.apply(s, writers + self.reader("a", "two") + self.reader("b", "one"))
        self.assertNotEqual(a, s.wait_state("a", "running")["pid"])
        b = os.readlink(f"/proc/{s.wait_state('b', 'running')['pid']}/fd/0")
        s.ok("start", "one", "two")
        self.wait_out(s, "a", "one\ntwo\n")
        self.wait_out(s, "b", "one\n")
        self.assertTrue(self.kept(s, b))
        self.apply(s, writers + self.reader("a", "one"))
        wait_until(lambda: not self.kept(s, b), "the launcher lets go of it")
        s.ok("start", "one")
        self.wait_out(s, "a", "one\ntwo\none\n")
        self.apply(s, writers + service("a", ["sleep", "100000"]))
        self.assertEqual("/dev/null", os.readlink(f"/proc/{s.status('a')['pid']}/fd/0"))
        s.ok("start", "one")
        self.assertEqual("one\ntwo\none\n", s.read(f"{s.dir}/a.out"))

    def test_instances_write_to_one_and_read_each_all(self):
        s = self.supervisor(
            service("from", ["echo", "%{instance}"], 'type = "oneshot"', "instances = 2",
                    "autostart = false", "log { file = \"none\" }")
            + service("to", sh("exec cat >>@DIR@/%{name}.out"), 'stdin = "service:from"',
                      "instances = 2")
            + service("pair", sh("exec cat >>@DIR@/%{name}.out"),
                      'stdin = "service:from@%{instance}"', "instances = 2"))
        s.ok("start", "from@2")
        for name in ("to@1", "to@2", "pair@2"):
            self.wait_out(s, name, "2\n")
        s.ok("start", "from@1")
        self.wait_out(s, "to@1", "2\n1\n")
        self.wait_out(s, "to@2", "2\n1\n")
        self.wait_out(s, "pair@1", "1\n")
        s.ok("scale", "to", "3")
        s.wait_state("to@3", "running")
        s.ok("start", "from@1")
        self.wait_out(s, "to@3", "1\n")
        self.wait_out(s, "pair@2", "2\n")

    def test_a_writer_waits_for_its_reader_unless_it_is_to_drop(self):
        text = "".join(f"{n}\n" for n in range(1, 300001))  # more than all pipes together hold
        seq = ["seq", "300000"]
        none = 'log { file = "none" overflow = "%s" }'
        s = self.supervisor(
            service("from", seq, 'type = "oneshot"', 'log { file = "none" }')
            + self.reader("to", "from", "autostart = false")
            + service("drops", seq, 'type = "oneshot"', none % "drop")
            + self.reader("late", "drops", "autostart = false"))
        s.wait_state("drops", "exited")
        self.assertEqual("starting", s.status("from")["state"])
        wait_until(lambda: "to reads what it writes more slowly" in s.ok("why", "from"), "it is told why")
        self.assertIn("held up by service", s.ok("show", "from"))
        self.assertNotIn("more slowly", s.ok("why", "drops"))
        s.kill_engine()
        self.assertEqual("starting", s.status("from")["state"])
        s.ok("start", "to", "late")
        s.wait_state("from", "exited")
        self.wait_out(s, "to", text)
        self.assertNotIn("more slowly", s.ok("why", "from"))
        wait_until(lambda: os.path.getsize(f"{s.dir}/late.out") > 0, "the other one reads")


if __name__ == "__main__":
    harness.main()
