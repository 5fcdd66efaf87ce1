"""A short round of the torture, and whether the judges of it would see a fault.

`torture.py` is the program; by hand it goes on for as long as you like.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import unittest

import harness

try:
    import torture
except ImportError as missing:
    print(f"python3-sysv-ipc is missing: {missing}")
    sys.exit(77)


class Judges(unittest.TestCase):
    """The writer and what compares, without a supervisord between them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        for name in ("ledger", "lock"):
            os.mkdir(f"{self.dir}/{name}")
        self.log = b""

    def start(self, *options, **kw):
        return subprocess.Popen(
            [harness.program("TORTURE_WRITER"), self.dir, "seed=7", "style=binary", *options],
            env={"SUPERVISOR_NAME": "web", "SUPERVISOR_INVOCATION": "i"}, stdout=subprocess.PIPE, **kw)

    def run_writer(self, *options):
        with self.start(*options) as p:
            self.log += p.stdout.read()
        return p.returncode

    def compare(self, *logs, stamps="none", keys=("lost", "doubled", "damaged")):
        paths = [f"{self.dir}/log.{i}" for i in range(len(logs))]
        for path, log in zip(paths, logs):
            with open(path, "wb") as f:
                f.write(log)
        done = subprocess.run([harness.program("TORTURE_CHECK"), "web", f"{self.dir}/ledger/web",
                               stamps, *paths], capture_output=True, check=True)
        found = json.loads(done.stdout)
        return tuple(found[key] for key in keys)

    def three_runs(self):
        for code in (3, 0, 5):
            self.assertEqual(code, self.run_writer("bytes=100000:300000", f"end={code}"))

    def test_what_was_written_is_found_as_it_is(self):
        self.three_runs()
        self.assertEqual(-signal.SIGABRT, self.run_writer("bytes=1:1000", "end=-6"))
        self.assertEqual((0, 0, 0), self.compare(self.log))

    def test_a_killed_writer_knows_what_it_wrote_at_least_and_at_most(self):
        for _ in range(20):
            with self.start("burst=100000000", "chunk=200000") as p:
                data = p.stdout.read(random.randrange(1, 2000000))
                p.kill()
                self.log += data + p.stdout.read()
        self.run_writer("bytes=10:10", "end=0")
        self.assertEqual((0, 0, 0), self.compare(self.log))

    def test_what_is_lost_doubled_or_damaged_is_seen(self):
        self.three_runs()
        n = len(self.log)
        second = self.log.index(b"\x1e", 1)
        for at in (0, 1, 50000, second, second + 3, n - 20000):
            for size in (1, 77, 19999):
                before, part, after = self.log[:at], self.log[at:at + size], self.log[at + size:]
                self.assertEqual((size, 0, 0), self.compare(before + after), f"{at} {size}")
                self.assertEqual((0, size, 0), self.compare(before + part + part + after))
                other = bytes([part[0] ^ 0x80]) + part[1:]
                lost, doubled, damaged = self.compare(before + other + after)
                self.assertEqual((0, 0), (lost, doubled))
                self.assertGreaterEqual(damaged, 1)
        self.assertEqual((1, 0, 0), self.compare(self.log[:-1]))
        self.assertEqual((0, 1, 0), self.compare(self.log + b"\n"))
        self.assertEqual((n, 0, 0), self.compare(b""))

    def test_stamps_are_where_lines_begin(self):
        stamp = b"2026-11-23T06:36:53.123456Z "
        keys = ("lost", "doubled", "damaged", "unstamped")
        self.three_runs()
        runs = self.log.split(b"\x1e")[1:]
        lines = []  # each run begins a line of its own
        for run in runs:
            lines += (b"\x1e" + run.removesuffix(b"\n")).split(b"\n")
        end = b"\n" if runs[-1].endswith(b"\n") else b""
        log = b"\n".join(stamp + l for l in lines) + end

        def compare(*logs):
            return self.compare(*logs, stamps="iso", keys=keys)
        self.assertEqual((0, 0, 0, 0), compare(log))
        at = log.index(b"\n" + stamp + b"0", 30000) + 1
        inside = at + len(stamp) + 1
        self.assertEqual((0, 0, 0, 0), compare(log[:inside], log[inside:]), "a line is torn")
        self.assertEqual((0, 0, 0, 0), compare(log[:at], log[at:]))
        self.assertEqual((0, 0, 0, 1), compare(log[:at] + log[at + len(stamp):]))
        self.assertEqual((0, len(stamp), 0, 0), compare(log[:at] + stamp + log[at:]))
        self.assertEqual((0, len(stamp), 0, 0), compare(log[:inside] + stamp + log[inside:]))

    def test_a_second_instance_is_seen(self):
        with self.start("bytes=1:1", "end=0", "pause=100000", "burst=1") as first:
            first.stdout.read(1)
            self.assertEqual(99, self.run_writer("bytes=1:1"))
            first.kill()
        with open(f"{self.dir}/starts", encoding="ascii") as f:
            self.assertEqual(["start", "start", "DUPLICATE"], [l.split()[-1] for l in f])


class Torture(unittest.TestCase):
    def test_the_engine_is_killed_and_nothing_happens(self):
        self.assertEqual([], torture.round_of(random.randrange(1 << 30), torture.KILLS, "engine"))

    def test_launcher_and_engine_are_killed_in_turn_and_nothing_happens(self):
        self.assertEqual([], torture.round_of(random.randrange(1 << 30),
                                              torture.LAUNCHER_KILLS, "both-in-turn"))


if __name__ == "__main__":
    harness.main()
