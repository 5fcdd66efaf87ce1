"""What services read: files, FIFOs, and each other's output, which nothing that is killed loses."""

import mmap
import os
import random
import signal
import stat
import struct
import sys
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
import os, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
os.lseek(out, 0, os.SEEK_END)
while True:
    os.splice(0, out, 4096)
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
    def pipeline(self, extra=""):
        s = self.supervisor(
            service("from", py(PRODUCER) + ["@DIR@"], "log { file = \"none\" }", *QUICK)
            + service("to", py(CONSUMER) + ["@DIR@/out"], 'stdin = "service:from"', *QUICK) + extra)
        s.wait_state("from", "running")
        s.wait_state("to", "running")
        return s

    def kill(self, s, name):
        pid = s.status(name)["pid"]
        if pid:
            os.kill(pid, signal.SIGKILL)

    def written(self, s):
        """How many lines each generation has written; one more may be under way."""
        counts = []
        while os.path.exists(path := f"{s.dir}/generation-{len(counts)}"):
            with open(path, "rb") as f:
                counts.append(struct.unpack("Q", f.read().ljust(8, b"\0"))[0])
        return counts

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
            if at == (generation + 1, 0) and n in (counts[generation], counts[generation] + 1):
                generation, n = generation + 1, 1
                continue
            self.assertLess(at, (generation, n), "lines are missing")
            repeats += 1
            generation, n = at[0], at[1] + 1
        self.assertEqual(len(counts) - 1, generation)
        self.assertIn(n, (counts[-1], counts[-1] + 1))
        self.assertLessEqual(repeats, n_repeats)
        self.assertLessEqual(torn, 2 * n_repeats)

    def stop_and_judge(self, s, n_repeats=0):
        s.ok("stop", "from")

        def complete():
            counts = self.written(s)
            with open(f"{s.dir}/out", "rb") as f:
                f.seek(-min(200, os.path.getsize(f.name)), os.SEEK_END)
                last = f.read().split(b"\n")[-2].split(b" ")
            return int(last[0]) == len(counts) - 1 and int(last[1]) >= counts[-1] - 1
        wait_until(complete, "the last line has come through")
        self.judge(s, n_repeats)

    def test_nothing_is_lost_or_doubled_whoever_is_killed_of_the_two(self):
        s = self.pipeline()
        for _ in range(12):
            time.sleep(random.uniform(0.01, 0.08))
            self.kill(s, random.choice(("from", "to")))
        self.stop_and_judge(s)

    def test_nothing_is_lost_when_supervisord_is_killed_too(self):
        s = self.pipeline()
        for k in range(6):
            for _ in range(2):
                time.sleep(random.uniform(0.01, 0.05))
                self.kill(s, random.choice(("from", "to")))
            if k == 3:
                s.kill_launcher()
            else:
                s.kill_engine()
        self.stop_and_judge(s, 6)


if __name__ == "__main__":
    harness.main()
