"""A service whose log can't be written waits for it, or is slowed down, or loses what it may: as
overflow and the limits of its rate say."""

import os
import re
import subprocess
import unittest

import harness
from harness import py, service, wait_until

# So many numbered lines, more than a pipe holds, and then the end.
WRITER = """
import os, sys
first, n = int(sys.argv[1]), int(sys.argv[2])
for k in range(first, first + n):
    os.write(1, b"%06d %s\\n" % (k, b"x" * 90))
"""


def lines(first, n):
    return "".join("%06d %s\n" % (k, "x" * 90) for k in range(first, first + n))


def writer(n, *keys):
    return service("web", py(WRITER) + ["0", str(n)], 'restart = "never"',
                   "log { " + " ".join(keys) + " }")


class Waits(harness.SystemTest):
    def waiting(self, n, prepare=None):
        """A supervisord whose service web waits for a log that can't be written."""
        s = self.supervisor(
            writer(n, 'file = "@DIR@/later/web.log"', 'overflow = "block"')
            + service("other", py("print('other', flush=True)"), 'restart = "never"'), start=False)
        s.tolerated = "its output waits|dropped"
        if prepare:
            prepare(s)
        s.start()
        s.wait_stderr("its output waits")
        return s

    def text(self, s):
        try:
            with open(f"{s.dir}/later/web.log", encoding="ascii") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def wait_text(self, s, text):
        wait_until(lambda: len(self.text(s) or "") >= len(text), "all is there")
        self.assertEqual(text, self.text(s))

    def test_it_goes_on_where_it_was_whoever_is_killed(self):
        s = self.waiting(3000)
        s.wait_state("other", "exited")
        self.assertEqual("other\n", s.read_log("other"))
        self.assertEqual("running", s.status("web")["state"])
        s.kill_engine()
        os.mkdir(f"{s.dir}/later")
        s.wait_state("web", "exited")
        self.wait_text(s, lines(0, 3000))
        self.assertEqual(0, s.show("web")["log"]["dropped_bytes"])

    def test_its_last_words_wait_as_well(self):
        s = self.waiting(300)  # a pipe holds that
        s.wait_state("web", "exited")
        old = s.engine_pid()
        s.kill_engine()
        s.wait_engine(other_than=old)
        s.ok("start", "web", "--no-wait")
        s.wait_service("web", lambda t: t["state"] == "exited", "it has ended again")
        self.assertIsNone(self.text(s))
        os.mkdir(f"{s.dir}/later")
        self.wait_text(s, lines(0, 300) * 2)

    def test_what_nobody_waits_for_any_longer_is_told(self):
        s = self.waiting(300)
        s.wait_state("web", "exited")
        s.stop()
        self.assertIn("29400 bytes of its output, which waited for its log, are dropped", s.stderr())

    @unittest.skipIf(os.geteuid() != 0, "mounts need root")
    def test_a_full_disk_is_waited_for(self):
        def mount(s):
            os.mkdir(f"{s.dir}/later")
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", f"{s.dir}/later"],
                              stderr=subprocess.DEVNULL, check=False).returncode != 0:
                raise unittest.SkipTest("nothing can be mounted here")
            self.addCleanup(subprocess.run, ["umount", "-l", f"{s.dir}/later"], check=True)
            with open(f"{s.dir}/later/fill", "wb") as f:
                f.write(b"x" * 65536)

        s = self.waiting(1000, prepare=mount)
        self.assertIn("No space left on device; its output waits", s.stderr())
        os.unlink(f"{s.dir}/later/fill")
        s.wait_state("web", "exited")
        self.wait_text(s, lines(0, 1000))

    def test_lines_above_the_limit_are_dropped_and_told(self):
        s = self.supervisor(writer(500, "rate-lines = 1", "rate-burst = 10s"))
        s.wait_state("web", "exited")
        log = s.show("web")["log"]
        self.assertEqual(500, log["lines"] + log["dropped_lines"])
        text = s.read_log("web")
        self.assertTrue(text.startswith(lines(0, 10)))
        told = re.findall(r"^supervisord: (\d+) bytes, (\d+) lines dropped \(rate limit\)$", text, re.M)
        self.assertEqual(log["dropped_lines"], sum(int(n) for _, n in told))
        self.assertEqual(log["dropped_bytes"], sum(int(n) for n, _ in told))


if __name__ == "__main__":
    harness.main()
