"""Rotated logs: compressed while the engine is killed, begun anew by the clock, or by other tools."""

import glob
import gzip
import os
import re
import shutil
import signal
import subprocess
import time

import harness
from harness import SLEEP, service, sh, wait_until

CHUNKS, CHUNK = 12, 8000
LINE = b"line %010d\n"
STAMP = r"\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z"
KILLS = 6
PATIENCE = 4 * harness.DEADLINE  # where others are busy, what has the lowest priority is slow

# Numbers, so many chunks of them and then more until there is that file.
WRITER = f"""
i=0
while [ $i -lt {CHUNKS} -o ! -e "$0" ]; do
    seq -f 'line %010.0f' $((i * {CHUNK})) $((i * {CHUNK} + {CHUNK} - 1))
    i=$((i + 1))
    sleep 0.1
done
echo "end $((i * {CHUNK}))"
"""

# Lines until told to stop.
FLOOD = """
i=0
while [ ! -e "$0" ]; do
    seq -f 'line %010.0f' $((i * 500)) $((i * 500 + 499))
    i=$((i + 1))
    sleep 0.002
done
echo "end $((i * 500))"
"""


def read(path):
    """What was written to a rotated file."""
    if path.endswith(".gz"):
        with gzip.open(path) as f:
            return f.read()
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-q", "-d", "-c", path], check=True,
                              capture_output=True).stdout
    with open(path, "rb") as f:
        data = f.read()
    return data.swapcase() if path.endswith(".sh") else data


def rotated(s, name):
    return sorted(glob.glob(glob.escape(s.log_path(name)) + ".*"))


def all_of(s, name):
    return b"".join(map(read, rotated(s, name))) + read(s.log_path(name))


def numbers(data):
    return [int(n) for n in re.findall(rb"^line (\d{10})$", data, re.M)]


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


class Rotation(harness.SystemTest):
    def test_compression_loses_nothing_whenever_the_engine_is_killed(self):
        slow = "{\"/bin/sh\", \"-c\", \"sleep 0.1; exec tr a-zA-Z A-Za-z\"}"
        plan = {"gzip": ("gzip", "gz"), "slow": (slow, "sh")}
        if shutil.which("zstd"):
            plan["zstd"] = ("zstd", "zst")
        s = self.supervisor("".join(
            service(name, sh(WRITER) + ["@DIR@/go"], 'restart = "never"',
                    f"log {{ max-size = 256K keep = 1000 compress = {command} }}")
            for name, (command, _) in plan.items()))
        for i in range(KILLS):
            engine = s.wait_engine()
            if i % 2:
                wait_until(lambda: glob.glob(f"{s.log_dir}/*.partial"), "one is being compressed",
                           deadline=PATIENCE, interval=0.001)
            s.kill_engine()
            s.wait_engine(other_than=engine)
        s.flag("go")
        for name, (_, suffix) in plan.items():
            s.wait_state(name, "exited")
            wait_until(lambda n=name, x=suffix: all(re.search(STAMP + rf"\.{x}$", path)
                                                    for path in rotated(s, n)),
                       f"all of '{name}' is compressed", deadline=PATIENCE)
            self.assertGreater(len(rotated(s, name)), 3)
            n = int(re.search(r"^end (\d+)$", s.read_log(name), re.M).group(1))
            expected = b"".join(LINE % k for k in range(n)) + b"end %d\n" % n
            data = all_of(s, name)
            self.assertEqual(len(expected), len(data), f"the size of what '{name}' wrote")
            self.assertTrue(expected == data, f"what '{name}' wrote, byte for byte")
            for path in rotated(s, name):
                self.assertEqual(0o640, os.stat(path).st_mode & 0o7777)
        self.assertNotIn("cannot compress", s.stderr())

    def test_files_of_another_day_are_rotated_at_the_start_and_after_a_kill(self):
        def prepare(s):
            os.mkdir(s.log_dir, 0o750)
            for name in ("idle", "busy"):
                with open(s.log_path(name), "wb") as f:
                    f.write(b"yesterday\n")
                age(s.log_path(name), 86400)
            for stamp in ("2001-01-01T00-00-00.000Z", "2001-01-02T00-00-00.000Z.gz"):
                with open(s.log_path("idle") + "." + stamp, "wb") as f:
                    f.write(b"too old")

        log = 'log { rotate = "daily" keep-age = 1h }'
        noon = {"TZ": f"TST{time.gmtime().tm_hour - 12}"}  # no day ends while we look
        s = self.supervisor(
            service("idle", SLEEP, log) + service("busy", sh("echo now; exec sleep 1000"), log),
            prepare=prepare, env=noon)
        wait_until(lambda: read(s.log_path("idle")) == b"", "the file of yesterday was rotated")
        wait_until(lambda: len(rotated(s, "idle")) == 1, "what is too old is gone")
        self.assertEqual(b"yesterday\n", read(rotated(s, "idle")[0]))
        s.wait_log("busy", "now\n")
        self.assertEqual(b"now\n", read(s.log_path("busy")))
        self.assertEqual([b"yesterday\n"], [read(path) for path in rotated(s, "busy")])
        age(s.log_path("busy"), 86400)
        s.kill_engine()
        wait_until(lambda: read(s.log_path("busy")) == b"", "the next engine has rotated it")
        self.assertEqual([b"yesterday\n", b"now\n"], [read(path) for path in rotated(s, "busy")])

    def test_others_may_rotate_a_file_that_is_written_to(self):
        s = self.supervisor("".join(
            service(name, sh(FLOOD) + ["@DIR@/stop"], 'restart = "never"', "log { max-size = 0 }")
            for name in ("renamed", "copied")))
        for i in range(5):
            for name in ("renamed", "copied"):
                n = os.path.getsize(s.log_path(name)) if os.path.exists(s.log_path(name)) else 0
                s.wait_log(name, "line")
                wait_until(lambda p=s.log_path(name), n=n: os.path.getsize(p) > n, "it has grown")
            os.rename(s.log_path("renamed"), s.log_path("renamed") + f".{i}")
            if i % 2:
                s.ok("reopen")
            else:
                s.signal(signal.SIGUSR2)
            wait_until(lambda: os.path.exists(s.log_path("renamed")), "there is a new file")
            shutil.copyfile(s.log_path("copied"), s.log_path("copied") + f".{i}")
            os.truncate(s.log_path("copied"), 0)
        s.flag("stop")
        for name in ("renamed", "copied"):
            s.wait_state(name, "exited")
        n = int(re.search(r"^end (\d+)$", s.read_log("renamed"), re.M).group(1))
        data = all_of(s, "renamed")
        self.assertEqual(b"".join(LINE % k for k in range(n)) + b"end %d\n" % n, data)
        # Lost is what came between the copy and the cut, and nothing comes twice.
        seen = numbers(all_of(s, "copied").replace(b"\0", b""))
        gaps = sum(b != a + 1 for a, b in zip(seen, seen[1:]))
        self.assertEqual(sorted(set(seen)), seen)
        self.assertEqual(0, seen[0])
        self.assertLessEqual(gaps, 5)
        self.assertIn("end ", s.read_log("copied"))


if __name__ == "__main__":
    harness.main()
