"""kill -9 of the engine while services write: every byte is in their logs once, and in order."""

import glob
import os
import random
import re
import signal
import time

import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until

KILLS = 40

ISO = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ", re.M)
LOCAL = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d ", re.M)

# Numbered lines of changing length in blocks of a given size, until told to stop; a block ends
# within a line. With "most", so many bytes at once instead, as fast as somebody takes them. How
# much it was is written to a file at the end.
WRITER = r"""
import os, signal, sys, time
gate, result, block, pause, most = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
name = os.environ["SUPERVISOR_NAME"]
def broken(*_):
    open(result + ".sigpipe", "w").close()
signal.signal(signal.SIGPIPE, broken)
k = total = 0
out = bytearray()
while True:
    while len(out) < max(block, most):
        out += f"{name} {k:08d} ".encode() + b"x" * (k * 7 % 91) + b"\n"
        k += 1
    if most:
        open(result + ".made", "w").close()
        while not os.path.exists(gate + ".go"):
            time.sleep(0.001)
        break
    data = bytes(out[:block])
    del out[:block]
    os.write(1, data)  # a pipe that blocks takes all of it
    total += len(data)
    if os.path.exists(gate):
        break
    time.sleep(pause / 1000)
os.write(1, out)
with open(result + ".new", "w") as f:
    f.write(f"{k} {total + len(out)}\n")
os.rename(result + ".new", result)
"""


def lines(name, n):
    return b"".join(f"{name} {k:08d} ".encode() + b"x" * (k * 7 % 91) + b"\n" for k in range(n))


def block(s, name):
    """All of a log, rotated files first."""
    rotated = sorted(glob.glob(glob.escape(s.log_path(name)) + ".*"))
    data = b""
    for path in rotated + [s.log_path(name)]:
        with open(path, "rb") as f:
            data += f.read()
    return data, len(rotated)


def busy(engine):
    """It has its descriptors, and so what the last one has left: or is at its end already."""
    return not is_alive(engine) or len(os.listdir(f"/proc/{engine}/fd")) > 20


class LogsKill(harness.SystemTest):
    def writer(self, name, size, pause, most, *keys):
        return service(name, py(WRITER) + ["@DIR@/stop", f"@DIR@/{name}.total", str(size),
                                           str(pause), str(most)], 'restart = "never"', *keys)

    def test_logs_are_whole_whatever_instant_the_engine_is_killed_at(self):
        rotation = "max-size = 1M keep = 1000"
        plan = {
            "flood": (0, 0, 20 << 20, "log { max-size = 0 }", None),
            "flood-iso": (0, 0, 20 << 20, 'log { max-size = 0 timestamps = "iso" }', ISO),
            "flood-turning": (0, 0, 20 << 20, f'log {{ {rotation} timestamps = "iso" }}', ISO),
            "turning": (32000, 5, 0, f"log {{ {rotation} }}", None),
            "iso-turning": (16000, 4, 0, f'log {{ {rotation} timestamps = "iso" }}', ISO),
            "local": (700, 1, 0, 'log { max-size = 0 timestamps = "local" }', LOCAL),
            "small": (130, 1, 0, "log { max-size = 8K keep = 1000 }", None),
        }
        s = self.supervisor("".join(self.writer(name, *row[:3], row[3])
                                    for name, row in plan.items()))
        pids = {name: s.wait_state(name, "running")["pid"] for name in plan}
        chance = random.Random(5)
        for name, row in plan.items():
            if row[2]:
                wait_until(lambda n=name: os.path.exists(f"{s.dir}/{n}.total.made"), "it is made")
        old = s.wait_engine()
        s.flag("stop.go")
        for i in range(KILLS):
            # Most of them while it is up to its neck in the floods, as soon as it has begun.
            time.sleep(chance.random() * (0.004 if i % 4 else 0.15))
            os.kill(old, signal.SIGKILL)
            old = wait_until(lambda o=old: (pid := s.engine_pid()) and pid != o and pid,
                             "an engine runs", interval=0.001)
            wait_until(lambda o=old: busy(o), "it is at work", interval=0)
        wait_until(s.answers, "the last one answers")
        s.flag("stop")
        told = {}
        for name in plan:
            path = f"{s.dir}/{name}.total"
            wait_until(lambda p=path: os.path.exists(p), f"'{name}' has come to its end")
            with open(path, encoding="ascii") as f:
                told[name] = tuple(map(int, f.read().split()))
            s.wait_state(name, "exited")
        bytes_seen = 0
        for name, (_, _, _, _, stamp) in plan.items():
            data, n_rotated = block(s, name)
            if stamp:
                data, n_stamps = stamp.subn(b"", data)
                self.assertEqual(told[name][0], n_stamps, f"one stamp for each line of '{name}'")
            expected = lines(name, told[name][0])
            self.assertEqual(told[name][1], len(expected))
            self.assertEqual(len(expected), len(data), f"the size of what '{name}' wrote")
            self.assertTrue(expected == data, f"what '{name}' wrote, byte for byte")
            if "turning" in name or name == "small":
                self.assertGreater(n_rotated, 1, "it was rotated")
            log = s.show(name)["log"]
            self.assertEqual((len(data), told[name][0], 0, 0),
                             tuple(log[k] for k in ("bytes", "lines", "dropped_bytes",
                                                    "dropped_lines")), f"counters of '{name}'")
            self.assertFalse(os.path.exists(f"{s.dir}/{name}.total.sigpipe"))
            bytes_seen += len(data)
        for name, pid in pids.items():
            self.assertFalse(is_alive(pid))
        self.assertNotIn("lost", s.stderr())
        self.assertNotIn("dropping", s.stderr())
        print(f"{KILLS} kills, {len(plan)} services, {bytes_seen} bytes: lost 0, doubled 0")

    def test_a_writer_gets_no_sigpipe_while_there_is_no_engine(self):
        s = self.supervisor(self.writer("web", 4000, 1, 0))
        s.wait_log("web", "\n")
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)  # nobody reads: the pipe is full
        wait_until(lambda: harness.stat_of(engine)[0] == b"T", "it is stopped")
        os.kill(engine, signal.SIGKILL)
        s.wait_engine(other_than=engine)
        wait_until(s.answers, "the next one answers")
        s.flag("stop")
        s.wait_state("web", "exited")
        self.assertFalse(os.path.exists(f"{s.dir}/web.total.sigpipe"))

    def test_a_line_that_is_begun_before_a_kill_and_ended_after_it_has_one_stamp(self):
        s = self.supervisor(service("web", sh(
            'printf "begin "; while [ ! -e "$0" ]; do sleep 0.02; done; echo end; exec sleep 1000')
            + ["@DIR@/gate"], 'log { timestamps = "iso" }'))
        s.wait_log("web", "begin ")
        s.kill_engine()
        s.flag("gate")
        self.assertRegex(s.wait_log("web", "end\n"),
                         r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z begin end\n\Z")

    def test_readiness_is_found_in_a_line_that_a_kill_has_torn(self):
        for log in ("", 'timestamps = "local" format = "prefix"', 'format = "json"'):
            with self.subTest(log):
                s = self.supervisor(service(
                    "web", sh('printf "I am re"; while [ ! -e "$0" ]; do sleep 0.02; done; '
                              'echo ady now; exec sleep 1000') + ["@DIR@/gate"],
                    "ready { on = 'log:^I am ready now$' }", f"log {{ {log} }}"))
                s.wait_log("web", "I am re")
                self.assertEqual("starting", s.status("web")["state"])
                s.kill_engine()
                s.flag("gate")
                s.wait_state("web", "running")

    def test_what_processes_leave_unended_is_told_apart_by_stamps(self):
        s = self.supervisor(service("web", sh("printf 'no end'; exit 1"), "restart-limit = 1",
                                    "restart-delay = 10ms", "restart-jitter = 0",
                                    'log { timestamps = "iso" }'))
        s.wait_state("web", "failed")
        stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z "
        self.assertRegex(s.read_log("web"), rf"\A{stamp}no end\n{stamp}no end\Z")
        self.assertEqual(12, s.show("web")["log"]["bytes"], "the newline is ours")

    def test_timestamps_are_changed_while_a_service_runs(self):
        def config(stamps):
            return service("web", py("import time\nwhile True: print('tick'); time.sleep(0.01)"),
                           f'log {{ timestamps = "{stamps}" }}')
        s = self.supervisor(config("none"))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "tick\n")
        s.write_config(config("local"))
        s.ok("apply")
        wait_until(lambda: re.search(LOCAL.pattern.decode() + "tick$", s.read_log("web"), re.M),
                   "ticks have stamps")
        self.assertEqual(pid, s.status("web")["pid"])


if __name__ == "__main__":
    harness.main()
