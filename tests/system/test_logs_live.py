"""Where and how the output of a service is written changes while it runs: it goes on under its
pid, and each line it writes is in the log that was in force then, once."""

import glob
import itertools
import json
import os
import random
import re
import signal
import socket
import threading
import time

import harness
from harness import py, service, wait_until

# Numbered lines on stdout, every third one on stderr as well, until told to stop; how many is
# written to a file then. Whenever there is a file "half", a line is begun, and ended when there is
# a file "whole".
WRITER = r"""
import os, sys, time
where = sys.argv[1]
k = 0
def text(stream, k):
    return f"{stream} {k:08d} ".encode() + b"x" * (k * 7 % 91) + b"\n"
while not os.path.exists(where + "/stop"):
    if os.path.exists(where + "/half"):
        line = text("out", k)
        os.write(1, line[:10])
        os.rename(where + "/half", where + "/halved")
        while not os.path.exists(where + "/whole"):
            time.sleep(0.002)
        os.unlink(where + "/whole")
        os.write(1, line[10:])
    else:
        os.write(1, text("out", k))
    if k % 3 == 0:
        os.write(2, text("err", k // 3))
    k += 1
    time.sleep(0.001)
with open(where + "/total.new", "w") as f:
    f.write(str(k))
os.rename(where + "/total.new", where + "/total")
"""

STAMP = r"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)) "
TEXT = r"(?P<stream>out|err) (?P<number>\d{8}) (?P<rest>x*)"
PREFIX = r"web\[(?P<pid>\d+)\] (?P<told>stdout|stderr): "
PLAIN = re.compile(f"(?:{STAMP})?(?:{PREFIX})?{TEXT}")
INHERITED = re.compile(f"\\[web\\] {TEXT}")
MARKER = re.compile(r"supervisord: (\d+) bytes, (\d+) lines dropped \((.*)\)")


class Line:
    """One line of a log: which one it is, and the form that it has."""

    def __init__(self, text, pid, split):
        told_of = {"out": "stdout", "err": "stderr" if split else "stdout"}
        if text.startswith("{"):
            told = json.loads(text)
            form, stamp = "json", "Z"
            assert re.fullmatch(STAMP, told["time"] + " "), text
            assert (told["service"], told["pid"]) == ("web", pid), text
            found = re.fullmatch(TEXT, told["message"])
            assert found and told["stream"] == told_of[found["stream"]], text
        else:
            found = INHERITED.fullmatch(text)
            form, stamp = "inherited", None
            if not found:
                found = PLAIN.fullmatch(text)
                assert found, f"no line of the service: {text!r}"
                stamp = found["stamp"] and ("Z" if found["stamp"].endswith("Z") else "local")
                form = "prefix" if found["pid"] else "plain"
                if found["pid"]:
                    assert (int(found["pid"]), found["told"]) == (pid, told_of[found["stream"]]), text
        self.stream, self.number, self.form = found["stream"], int(found["number"]), (form, stamp)
        assert len(found["rest"]) == self.number * 7 % 91, f"a torn line: {text!r}"


def payload(text):
    """What the service wrote of a line, in whatever form."""
    if text.startswith("{"):
        return json.loads(text)["message"]
    return re.sub(f"^(?:{STAMP})?(?:{PREFIX})?", "", text)


def dropped(text):
    """How much a line of supervisord's own tells of, None for a line of the service."""
    message = json.loads(text)["message"] if text.startswith("{") else text
    found = MARKER.search(message)
    return found and (int(found[1]), int(found[2]))


class Listener(threading.Thread):
    """Takes what comes to a socket as journald and a syslogd have them."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.texts = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.start()

    def run(self):
        while text := self.socket.recv(65536):
            self.texts.append(text.decode())

    def stop(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(self.socket.getsockname())
            s.send(b"")
        self.join(harness.DEADLINE)
        self.socket.close()

    def numbers(self, stream):
        return [int(number) for text in list(self.texts)
                for number in re.findall(f"{stream} (\\d{{8}}) ", text)]


class LogsLive(harness.SystemTest):
    def config(self, *keys):
        self.split = any(key.startswith("stderr") for key in keys)
        return service("web", py(WRITER) + ["@DIR@"], 'restart = "never"',
                       "log {\n" + "\n".join(keys) + "\n}")

    def setUp(self):
        super().setUp()
        self.kept = {}  # rotated files that are gone by now: name -> bytes
        self.turns = itertools.cycle(("HUP", "apply"))

    def begin(self, *keys):
        s = self.supervisor(self.config(*keys))
        self.pid = s.wait_state("web", "running")["pid"]
        return s

    def change(self, s, *keys):
        """New keys are in force, and a line that was written after that is somewhere."""
        s.write_config(self.config(*keys))
        how = next(self.turns)
        if how == "apply":
            s.ok("apply")
        else:
            s.signal(signal.SIGHUP)
        self.wait_plan(s)
        self.assertEqual((self.pid, 0), (s.show("web")["pid"], s.show("web")["restarts"]))

    def wait_plan(self, s):
        wait_until(lambda: not s.varlink("Plan")["plan"]["changed"], "nothing is left to be changed")

    def keep_rotated(self, s):
        """Takes what is there now, before it is removed."""
        for path in glob.glob(f"{glob.escape(s.log_dir)}/*.20*"):
            with open(path, encoding="utf-8") as f:
                self.kept[os.path.basename(path)] = f.read()

    def files(self, s):
        """By name, all that a log ever held."""
        self.keep_rotated(s)
        texts = {}
        for name in sorted(self.kept):
            texts[name.split(".20")[0]] = texts.get(name.split(".20")[0], "") + self.kept[name]
        for name in os.listdir(s.log_dir):
            if ".20" not in name:
                with open(f"{s.log_dir}/{name}", encoding="utf-8") as f:
                    texts[name] = texts.get(name, "") + f.read()
        texts["inherit"] = s.stdout()
        return texts

    def lines(self, s, name):
        text = self.files(s).get(name, "")
        return [Line(line, self.pid, self.split) for line in text.split("\n")[:-1] if not dropped(line)]

    def wait_more(self, s, path, n=5):
        """So many more lines have come to a file."""
        def count():
            try:
                with open(path, "rb") as f:
                    return f.read().count(b"\n")
            except FileNotFoundError:
                return 0
        before = count()
        wait_until(lambda: count() >= before + n or count() < before, f"more lines in {path}")

    def make(self, s, name):
        with open(f"{s.dir}/{name}", "w", encoding="ascii"):
            pass

    def total(self, s):
        s.flag("stop")
        wait_until(lambda: os.path.exists(f"{s.dir}/total"), "the service has ended")
        s.wait_state("web", "exited")
        with open(f"{s.dir}/total", encoding="ascii") as f:
            return int(f.read())

    def assert_once(self, lines, stream, n):
        numbers = sorted(line.number for line in lines if line.stream == stream)
        self.assertEqual(list(range(n)), numbers, f"each line of {stream}, once")

    def assert_forms(self, s, names, stream, expected):
        """In the order of the lines, the logs and forms that they went to are just these."""
        at = sorted((line.number, name, *line.form) for name in names for line in self.lines(s, name)
                    if line.stream == stream)
        self.assertEqual(expected, [key for key, _ in itertools.groupby(at, lambda a: a[1:])])

    def test_files_formats_and_rotation_change_under_a_running_service(self):
        err = 'stderr = "err"'
        s = self.begin('file = "a"', err)
        a, b, c = (f"{s.log_dir}/{name}" for name in "abc")
        self.wait_more(s, a)
        self.change(s, 'file = "a"', 'format = "prefix"', err)
        self.wait_more(s, a)
        self.change(s, 'file = "a"', 'format = "prefix"', 'timestamps = "iso"', err)
        self.wait_more(s, a)
        self.change(s, 'file = "b"', 'format = "prefix"', 'timestamps = "iso"', err)
        self.wait_more(s, b)
        self.change(s, 'file = "b"', 'format = "json"', 'stderr = "err2"')
        self.wait_more(s, b)
        self.wait_more(s, f"{s.log_dir}/err2")
        # What is in force is kept, whatever the file says now.
        s.write_config("broken")
        s.kill_engine()
        self.wait_more(s, b)
        self.change(s, 'file = "b"', 'format = "json"', 'stderr = "err2"', "max-size = 8K",
                    "keep = 1000")
        wait_until(lambda: len(glob.glob(b + ".*")) >= 3, "it is rotated at the new size")
        self.keep_rotated(s)
        self.change(s, 'file = "b"', 'stderr = "err2"', "max-size = 0", "keep = 2",
                    'rotate = "daily"', "keep-age = 1d", 'overflow = "block"')
        self.wait_more(s, b)
        n_rotated = len(glob.glob(b + ".*"))
        self.change(s, 'file = "inherit"', 'stderr = "err2"')
        self.wait_more(s, f"{s.dir}/stdout")
        self.change(s, 'file = "c"', 'timestamps = "local"', 'stderr = "err2"')
        self.wait_more(s, c)
        s.write_config("broken")
        s.kill_engine()
        self.wait_more(s, c)
        n = self.total(s)
        self.assertEqual(n_rotated, len(glob.glob(b + ".*")), "not rotated any more")
        names = ("a", "b", "inherit", "c")
        lines = [line for name in names for line in self.lines(s, name)]
        self.assert_once(lines, "out", n)
        self.assert_forms(s, names, "out", [
            ("a", "plain", None), ("a", "prefix", None), ("a", "prefix", "Z"),
            ("b", "prefix", "Z"), ("b", "json", "Z"), ("b", "plain", None),
            ("inherit", "inherited", None), ("c", "plain", "local")])
        self.assert_once(self.lines(s, "err") + self.lines(s, "err2"), "err", (n + 2) // 3)
        log = s.show("web")["log"]
        self.assertEqual((0, 0, n + (n + 2) // 3),
                         (log["dropped_bytes"], log["dropped_lines"], log["lines"]))

    def test_further_targets_come_and_go(self):
        main = ('file = "a"', 'stderr = "err"')
        s = self.begin(*main)
        c, d = f"{s.log_dir}/c", f"{s.log_dir}/d"
        self.wait_more(s, f"{s.log_dir}/err", 2)
        self.change(s, *main, 'also = {"json:d"}')
        self.wait_more(s, d)
        self.change(s, *main, 'also = {"json:d", "c", "inherit"}')
        self.wait_more(s, c)
        self.wait_more(s, f"{s.dir}/stdout")
        self.change(s, *main, 'also = {"c"}', 'format = "prefix"')
        self.wait_more(s, c)
        s.write_config("broken")
        s.kill_engine()
        self.wait_more(s, c)
        self.change(s, *main, 'format = "prefix"')
        self.wait_more(s, f"{s.log_dir}/err", 2)
        n = self.total(s)
        totals = {"out": n, "err": (n + 2) // 3}
        for name, stream in (("a", "out"), ("err", "err")):
            self.assert_once(self.lines(s, name), stream, totals[stream])
            self.assert_forms(s, [name], stream, [(name, "plain", None), (name, "prefix", None)])
        for name, forms in (("d", ["json"]), ("c", ["plain", "prefix"]), ("inherit", ["inherited"])):
            there = self.lines(s, name)
            self.assertEqual(forms, [k for k, _ in itertools.groupby(there, lambda a: a.form[0])])
            for stream, total in totals.items():
                numbers = [line.number for line in there if line.stream == stream]
                self.assertEqual(list(range(numbers[0], numbers[0] + len(numbers))), numbers,
                                 f"all of {stream} in {name}, from when it was added")
                self.assertTrue(0 < numbers[0] and numbers[-1] + 1 < total, "until it was removed")

    def test_limits_hold_from_when_they_are_given_until_they_are_taken_back(self):
        s = self.begin('file = "a"')
        a = f"{s.log_dir}/a"
        limit = ("rate-lines = 100", "rate-burst = 10ms")
        self.wait_more(s, a)
        self.change(s, 'file = "a"', *limit)
        wait_until(lambda: "lines dropped (rate limit)" in s.read(a), "a marker")
        s.write_config("broken")
        s.kill_engine()
        self.wait_more(s, a)
        self.change(s, 'file = "a"', *limit, 'overflow = "block"')
        self.wait_more(s, a, 20)
        self.change(s, 'file = "a"', "rate-bytes = 10K", 'format = "json"')
        wait_until(lambda: '"dropped_lines"' in s.read(a), "a marker in the new format")
        self.change(s, 'file = "a"')
        self.wait_more(s, a, 50)
        n = self.total(s)
        numbers = {stream: {line.number for line in self.lines(s, "a") if line.stream == stream}
                   for stream in ("out", "err")}
        missing = ([("out", k) for k in range(n) if k not in numbers["out"]]
                   + [("err", k) for k in range((n + 2) // 3) if k not in numbers["err"]])
        n_bytes = sum(len(f"{stream} {k:08d} \n") + k * 7 % 91 for stream, k in missing)
        told = [dropped(line) for line in self.files(s)["a"].split("\n")[:-1] if dropped(line)]
        self.assertEqual((n_bytes, len(missing)), tuple(map(sum, zip(*told))),
                         "the markers tell what is missing, no more and no less")
        self.assertGreater(len(told), 1)
        log = s.show("web")["log"]
        self.assertEqual((n_bytes, len(missing)), (log["dropped_bytes"], log["dropped_lines"]))

    def test_a_journal_and_a_syslogd_come_and_go(self):
        s = self.begin('file = "a"')
        self.wait_more(s, f"{s.log_dir}/a")
        journal, syslog = Listener(f"{s.dir}/j"), Listener(f"{s.dir}/l")
        self.addCleanup(journal.stop)
        self.addCleanup(syslog.stop)
        # A socket holds ten messages: with "drop" this would be about how fast we are.
        block = 'overflow = "block"'
        self.change(s, block, 'file = "a"', 'also = {"journal:@DIR@/j"}')
        wait_until(lambda: len(journal.texts) > 5, "lines in the journal")
        self.change(s, block, 'file = "journal:@DIR@/j"', 'also = {"a", "syslog:unix:@DIR@/l"}')
        wait_until(lambda: len(syslog.texts) > 5, "lines in the system log")
        n_journal = len(journal.texts)
        wait_until(lambda: len(journal.texts) > n_journal, "more lines in the journal")
        self.change(s, block, 'file = "a"', 'also = {"syslog:unix:@DIR@/l"}')
        n_syslog = len(syslog.texts)
        wait_until(lambda: len(syslog.texts) > n_syslog, "more lines in the system log")
        self.change(s, block, 'file = "a"')
        self.wait_more(s, f"{s.log_dir}/a")
        n = self.total(s)
        self.assert_once(self.lines(s, "a"), "out", n)
        for listener in (journal, syslog):
            for stream, total in (("out", n), ("err", (n + 2) // 3)):
                numbers = listener.numbers(stream)
                self.assertEqual(list(range(numbers[0], numbers[0] + len(numbers))), numbers,
                                 listener.texts)
                self.assertTrue(0 < numbers[0] and numbers[-1] + 1 < total)

    def test_a_line_that_is_begun_before_a_change_and_ended_after_it_is_whole(self):
        keys = (('file = "a"',), ('file = "a"', 'timestamps = "iso"'), ('file = "a"', 'format = "json"'),
                ('file = "a"', 'format = "prefix"'), ('file = "b"', 'format = "json"'),
                ('file = "b"',))
        s = self.begin(*keys[0])
        for following in keys[1:]:
            self.make(s, "half")
            wait_until(lambda: os.path.exists(f"{s.dir}/halved"), "a line is begun")
            self.change(s, *following)
            os.unlink(f"{s.dir}/halved")
            self.make(s, "whole")
            self.wait_more(s, f"{s.log_dir}/{following[0][-2]}")
        n = self.total(s)
        files = self.files(s)
        wrote = "".join(payload(line) for name in "ab" for line in files[name].split("\n"))
        out, err = (sorted(re.findall(f"{stream} \\d{{8}} x*", wrote)) for stream in ("out", "err"))
        self.assertEqual([f"out {k:08d} " + "x" * (k * 7 % 91) for k in range(n)], out)
        self.assertEqual([f"err {k:08d} " + "x" * (k * 7 % 91) for k in range((n + 2) // 3)], err)
        self.assertEqual(sum(map(len, out + err)), len(wrote), "nothing else")

    def test_an_engine_that_is_killed_while_it_takes_a_change_over_loses_nothing(self):
        chance = random.Random(7)
        s = self.begin('file = "a"')
        forms = ("plain", "prefix", "json")
        for i in range(8):
            keys = (f'file = "{"ab"[i % 2]}"', f'format = "{forms[i % 3]}"', "max-size = 4K",
                    "keep = 1000", f'also = {{{"" if i % 4 else chr(34) + "c" + chr(34)}}}')
            s.write_config(self.config(*keys))
            engine = s.wait_engine()
            s.signal(signal.SIGHUP)
            time.sleep(chance.random() * 0.006)
            os.kill(engine, signal.SIGKILL)
            s.wait_engine(other_than=engine)
            wait_until(s.answers, "the next one answers")
            self.change(s, *keys)
        n = self.total(s)
        lines = self.lines(s, "a") + self.lines(s, "b")
        self.assert_once(lines, "out", n)
        self.assert_once(lines, "err", (n + 2) // 3)
        further = [(line.stream, line.number) for line in self.lines(s, "c")]
        self.assertEqual(len(set(further)), len(further))

class Followers(harness.SystemTest):
    def lines(self, p):
        """What a follower writes, until it ends."""
        return (line.rstrip("\n") for line in p.stdout)

    def say(self, s, text):
        with open(f"{s.dir}/say", "a", encoding="ascii") as f:
            f.write(text + "\n")

    def test_who_follows_a_log_goes_on_in_another_file(self):
        follow = ["/usr/bin/tail", "-n", "+1", "-f", "@DIR@/say"]
        s = self.supervisor(service("web", follow) + service("db", follow, "autostart = false"),
                            prepare=lambda s: self.say(s, "one"))
        s.wait_log("web", "one\n")
        p = s.ctl_start("logs", "-f", "web")
        lines = self.lines(p)
        self.assertEqual("one", next(lines))
        pid = s.status("web")["pid"]
        s.write_config(service("web", follow, 'log { file = "other.log" }'))
        s.ok("apply")
        self.say(s, "two")
        self.assertEqual("two", next(lines))
        self.assertEqual(pid, s.status("web")["pid"])
        self.assertEqual("two\n", s.read(f"{s.log_dir}/other.log"))


if __name__ == "__main__":
    harness.main()
