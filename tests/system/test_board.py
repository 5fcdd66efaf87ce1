"""The status board: what supctl reads there is what the engine answers, also while that can't."""

import contextlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import threading
import time
import unittest

import harness
from asuser import ROOT
from harness import NOBODY, PYTHON, SLEEP, py, service, sh, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
HAS_STRACE = shutil.which("strace")
FUTEX = {"x86_64": 202}.get(os.uname().machine, 98)

# Something of every kind: dependencies, conflicts, pools, schedules, checks, failures, instances.
ZOO = "".join([
    'pool "one" { slots = 1 }\n',
    service("db", SLEEP),
    service("web", SLEEP, "instances = 3", 'requires = {"db"}'),
    service("needy", SLEEP, 'requires = {"off"}', "autostart = false"),
    service("off", ["/bin/false"], "autostart = false", 'restart = "never"'),
    service("bad", ["/bin/false"], "restart-delay = 1h", "restart-max-delay = 1h"),
    service("worse", ["/nonexistent"], 'restart = "never"'),
    service("slain", sh("kill -9 $$"), 'restart = "never"'),
    service("done", ["/bin/true"], 'type = "oneshot"'),
    service("timed", ["/bin/true"], 'type = "oneshot"', 'schedule { every = "1h" }'),
    service("slow", SLEEP, 'ready { on = "notify" timeout = 1h }'),
    service("first", SLEEP, 'pool = "one"'),
    service("second", SLEEP, 'pool = "one"'),
    service("cat", SLEEP, 'conflicts = {"dog"}'),
    service("dog", SLEEP, 'autostart = false'),
    service("sick", SLEEP, 'health { command = {"/bin/false"} interval = 10ms failures = 1 '
                           'action = "none" }'),
    service("chatty", py("""
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto("READY=1\\nSTATUS=3 of 7 l\\u00f6aded".encode(), os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""), 'ready { on = "notify" }'),
    service("stubborn", sh("trap '' TERM; echo there; while :; do sleep 1000; done"),
            "stop { timeout = 1h }"),
])


def still(rows):
    """Without what moves by itself."""
    return {row["name"]: {k: v for k, v in row.items() if k not in harness.MOVING} for row in rows}


class Board(harness.SystemTest):
    def begin(self, config, **kw):
        s = self.supervisor(config, **kw)
        self.path = f"{s.runtime_dir}/status"
        wait_until(lambda: os.path.exists(self.path), "there is a board")
        return s

    @contextlib.contextmanager
    def stopped_engine(self, s):
        """While that answers nobody."""
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)
        wait_until(lambda: harness.stat_of(engine)[0] == b"T", "the engine is stopped")
        try:
            yield
        finally:
            os.kill(engine, signal.SIGCONT)

    def by_board(self, s, *names):
        """What supctl shows, with an engine that can't have been asked: (exit status, rows)."""
        with self.stopped_engine(s):
            code, out, err = s.ctl("--json", "status", *names, timeout=8)
        self.assertEqual("", err)
        return code, json.loads(out)

    def by_engine(self, s, names=()):
        return s.varlink("List", {"names": list(names)})["services"]

    def same(self, s, *names):
        """Both ways of asking say the same, once nothing happens in between."""
        def agree():
            before = still(self.by_engine(s, names))
            self.shown = still(self.by_board(s, *names)[1])
            return before == still(self.by_engine(s, names)) and (before, self.shown)
        engine, board = wait_until(agree, "nothing happens while both are asked")
        self.assertEqual(list(engine), list(board))
        self.assertEqual(engine, board)
        return board

    def test_the_board_says_what_the_engine_says_in_every_state(self):
        s = self.begin(ZOO)
        s.wait_log("stubborn", "there\n")
        s.wait_service("sick", lambda r: r["health"] == "unhealthy", "it is found to be unhealthy")
        s.wait_service("chatty", lambda r: r["status_text"], "it has said something")
        s.wait_state("slain", "failed")
        s.wait_state("bad", "backoff")
        s.wait_state("done", "exited")
        s.ok("stop", "--no-wait", "stubborn")
        s.ok("start", "--no-wait", "needy")
        s.wait_state("needy", "waiting")
        s.wait_state("timed", "waiting")
        rows = self.same(s)
        self.assertEqual({"stopped", "waiting", "starting", "running", "stopping", "backoff",
                          "exited", "failed"}, {r["state"] for r in rows.values()})
        self.assertEqual({"service", "schedule", "pool"},
                         {r["waiting_for"]["kind"] for r in rows.values() if r["waiting_for"]})
        self.assertEqual("3 of 7 l\u00f6aded", rows["chatty"]["status_text"])
        self.assertEqual("KILL", rows["slain"]["exit_signal"])
        self.assertEqual("unhealthy", rows["sick"]["health"])
        s.stop(signo=signal.SIGQUIT)  # "stubborn" takes an hour otherwise

    def test_durations_are_those_of_the_moment(self):
        s = self.begin(service("web", SLEEP) + service("bad", ["/bin/false"], "restart-delay = 1h",
                                                       "restart-max-delay = 1h"))
        s.wait_state("bad", "backoff")
        s.wait_state("web", "running")
        for _ in range(3):
            first, (_, board), last = self.by_engine(s), self.by_board(s), self.by_engine(s)
            self.assertLessEqual(first[0]["uptime_ms"], board[0]["uptime_ms"])
            self.assertLessEqual(board[0]["uptime_ms"], last[0]["uptime_ms"])
            self.assertGreaterEqual(first[1]["next_start_ms"], board[1]["next_start_ms"])
            self.assertGreaterEqual(board[1]["next_start_ms"], last[1]["next_start_ms"])

    def test_names_mean_the_same(self):
        s = self.begin(service("db", SLEEP) + service("web", SLEEP, "instances = 2")
                       + service("off", SLEEP, "autostart = false"))
        for name in ("db", "web@1", "web@2"):
            s.wait_state(name, "running")
        for names, code in ((["web"], 0), (["web@2", "db"], 0), (["w*", "web@1"], 0),
                            (["?ff", "db"], 3), (["[do]*"], 3), (["*"], 3), ([], 0)):
            with self.subTest(names):
                got, rows = self.by_board(s, *names)
                self.assertEqual([r["name"] for r in self.by_engine(s, names)],
                                 [r["name"] for r in rows])
                self.assertEqual(code, got)
        for unknown in ("we", "web@3", "x*", "@none", "x" * 300):
            self.assertEqual(4, s.ctl("status", "db", unknown)[0], unknown)

    def test_after_each_command_the_board_shows_what_it_has_done(self):
        s = self.begin(service("a", SLEEP) + service("b", SLEEP, 'requires = {"a"}')
                       + service("c", SLEEP, "autostart = false", 'requires = {"b"}'))
        s.wait_state("b", "running")
        dice = random.Random(5)
        for _ in range(25):
            verb, name = dice.choice(["start", "stop", "restart"]), dice.choice("abc")
            s.ctl(verb, name)
            self.assertEqual({"start": "up", "stop": "down", "restart": "up"}[verb],
                             self.by_board(s, name)[1][0]["desired"])
            self.same(s)

    def test_a_configuration_put_in_force_is_on_the_board(self):
        s = self.begin(service("a", SLEEP) + service("gone", SLEEP))
        s.wait_all_running()
        inode = os.stat(self.path).st_ino
        many = "".join(service(f"n{i}", SLEEP, "autostart = false") for i in range(40))
        s.write_config(many + service("a", SLEEP, "environment = {\"X=1\"}"))
        s.ok("apply", "--no-restart")
        rows = self.same(s)
        self.assertEqual([f"n{i}" for i in range(40)] + ["a"], list(rows))
        self.assertTrue(rows["a"]["stale"])
        self.assertEqual(inode, os.stat(self.path).st_ino)
        size = os.stat(self.path).st_size
        s.write_config(service("a", SLEEP))
        s.ok("apply")
        self.assertEqual(["a"], list(self.same(s)))
        self.assertEqual(size, os.stat(self.path).st_size)  # it never shrinks

    def test_the_next_engine_goes_on_with_the_same_file(self):
        s = self.begin(ZOO)
        s.wait_state("bad", "backoff")
        inode = os.stat(self.path).st_ino
        for _ in range(3):
            s.kill_engine()
            self.same(s)
        self.assertEqual(inode, os.stat(self.path).st_ino)
        s.stop(signo=signal.SIGQUIT)

    def test_without_an_engine_it_shows_what_was_last_and_says_so(self):
        s = self.begin(service("web", SLEEP) + service("off", SLEEP, "autostart = false"))
        before = s.wait_state("web", "running")
        for pid in (s.pid, s.wait_engine()):
            os.kill(pid, signal.SIGSTOP)
        engine = s.engine_pid()
        for pid in (s.pid, engine):
            os.kill(pid, signal.SIGKILL)
        s.wait_exit()
        wait_until(lambda: not harness.is_alive(engine), "the engine is dead, too")
        code, out, err = s.ctl("status")
        self.assertEqual(4, code)
        self.assertIn("web   running", out)
        self.assertRegex(err, r"\Asupctl: no engine is alive; this is as last seen, \S+.* ago\n\Z")
        code, out, err = s.ctl("--json", "status", "web")
        self.assertEqual((4, [before["pid"]]), (code, [r["pid"] for r in json.loads(out)]))
        self.assertIn("no engine is alive", err)
        code, out, err = s.ctl("status", "nobody")
        self.assertEqual((4, ""), (code, out))
        self.assertIn("nobody: no such service", err)
        code, out, err = s.ctl("wait", "web", "off", "--for", "running", "--timeout", "1s")
        self.assertEqual(4, code)
        self.assertIn("web: was running when last seen", err)
        self.assertIn("off: was stopped when last seen", err)
        self.assertIn("no engine is alive", err)
        self.assertEqual(4, s.ctl("stop", "web")[0])  # what acts never answers from the board
        s.end_everything()
        # The next one takes the same file, and takes away what was on it.
        inode = os.stat(self.path).st_ino
        s.write_config(service("other", SLEEP))
        s.start()
        self.assertEqual(inode, os.stat(self.path).st_ino)
        self.assertEqual(["other"], list(self.same(s)))

    def test_after_an_orderly_end_there_is_no_board(self):
        s = self.begin(service("web", SLEEP))
        s.wait_state("web", "running")
        p = s.ctl_start("wait", "web", "--for", "failed")
        self.wait_futex(p)
        s.stop()
        self.assertFalse(os.path.exists(self.path))
        out, err = p.communicate(timeout=harness.DEADLINE)
        self.assertEqual((4, ""), (p.returncode, out))
        self.assertIn("has ended", err)
        self.assertEqual(4, s.ctl("status")[0])

    def wait_futex(self, p):
        """Until supctl sleeps on the board."""
        def sleeps():
            with open(f"/proc/{p.pid}/syscall", encoding="ascii") as f:
                return f.read().split()[0] == str(FUTEX)
        wait_until(sleeps, "it sleeps on the board")

    @unittest.skipUnless(HAS_STRACE, "no strace")
    def test_the_engine_is_not_asked(self):
        s = self.begin(service("web", SLEEP))
        s.wait_state("web", "running")
        for args in (["status"], ["--json", "status", "web"], ["wait", "web", "--for", "running"]):
            done = subprocess.run([HAS_STRACE, "-f", "-e", "trace=connect,socket", s.supctl, "-s",
                                   s.socket_path, *args], capture_output=True, text=True,
                                  timeout=60, check=False)
            if "ptrace" in done.stderr:
                self.skipTest("strace may not trace here")
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertNotIn("connect(", done.stderr)

    def test_a_wait_sees_a_state_that_is_left_at_once(self):
        s = self.begin(service("a", SLEEP) + service("b", SLEEP))
        s.wait_all_running()
        for names in (["a"], ["a", "b"]):
            p = s.ctl_start("wait", *names, "--for", "starting,stopped")
            self.wait_futex(p)
            os.kill(p.pid, signal.SIGSTOP)  # it sleeps through all of it
            for name in names:
                s.ok("restart", name)
            s.wait_state(names[-1], "running")
            os.kill(p.pid, signal.SIGCONT)
            out, err = p.communicate(timeout=harness.DEADLINE)
            self.assertEqual((0, ""), (p.returncode, err))
            self.assertEqual(len(names), len(out.splitlines()))
            self.assertIn("a: st", out)

    def test_a_wait_hears_of_what_happens_to_the_board(self):
        config = service("a", SLEEP) + service("b", SLEEP) + service("c", SLEEP)
        s = self.begin(config)
        s.wait_state("c", "running")
        waits = {n: s.ctl_start("wait", n, "--for", "exited,failed,stopped") for n in "abc"}
        for p in waits.values():
            self.wait_futex(p)
        s.kill_engine()
        os.unlink(self.path)  # another one is made when somebody asks
        self.assertEqual(3, len(s.json("status")))
        s.ok("stop", "a")
        self.assertEqual((0, "a: stopped\n"), (waits["a"].wait(20), waits["a"].stdout.read()))
        s.write_config(service("c", SLEEP))
        s.ok("apply")
        self.assertIn(waits["b"].wait(20), (0, 1))  # it was stopped, and is gone
        self.assertRegex(waits["b"].stdout.read() + waits["b"].stderr.read(),
                         "b: stopped|b: does not exist any more")
        os.truncate(self.path, 0)
        s.ok("stop", "c")
        self.assertEqual((0, "c: stopped\n"), (waits["c"].wait(20), waits["c"].stdout.read()))

    def test_a_wait_ends_in_time(self):
        s = self.begin(service("a", SLEEP))
        s.wait_state("a", "running")
        with self.stopped_engine(s):
            code, out, err = s.ctl("wait", "a", "--for", "failed", "--timeout", "300ms")
        self.assertEqual((1, ""), (code, out))
        self.assertIn("a: is running after 300ms, not failed", err)

    def test_a_file_that_was_cut_or_removed_is_made_anew(self):
        s = self.begin(service("a", SLEEP) + service("b", SLEEP))
        s.wait_all_running()
        for damage in (lambda: os.truncate(self.path, 0), lambda: os.truncate(self.path, 100),
                       lambda: os.truncate(self.path, 4096), lambda: os.unlink(self.path)):
            damage()
            code, out, err = s.ctl("--json", "status", "a", "b")  # the engine is asked
            self.assertEqual((0, "", 2), (code, err, len(json.loads(out))))
            self.same(s)
        # Noticed also by an engine that nobody asks.
        os.truncate(self.path, 0)
        s.ok("restart", "a", "b")
        self.same(s)
        self.assertIn("status board", s.stderr())

    def test_what_is_no_board_is_not_believed(self):
        s = self.begin(service("a", SLEEP))
        s.wait_state("a", "running")
        with open(self.path, "rb") as f:
            board = f.read()
        for content in (b"", b"x" * 10000, board[:200], b"\0" * 8192, board[:8] + b"\7" + board[9:],
                        board[:24] + b"\0other boot\0\0\0\0\0" + board[40:]):
            os.unlink(self.path)
            with open(self.path, "wb") as f:
                f.write(content)
            self.assertEqual("running", s.status("a")["state"])
        os.unlink(self.path)
        os.mkfifo(self.path)
        self.assertEqual("running", s.status("a")["state"])
        os.unlink(self.path)
        os.symlink("/dev/zero", self.path)
        self.assertEqual("running", s.status("a")["state"])
        self.same(s)

    @unittest.skipUnless(ROOT, "needs root to become somebody else")
    def test_a_board_of_a_stranger_is_not_believed(self):
        s = self.begin(service("a", SLEEP))
        s.wait_state("a", "running")
        os.chmod(self.path, 0o644)
        os.chown(self.path, NOBODY, NOBODY)
        with self.stopped_engine(s):
            p = s.ctl_start("status", "a")
            wait_until(lambda: any(os.readlink(f"/proc/{p.pid}/fd/{fd}").startswith("socket:")
                                   for fd in os.listdir(f"/proc/{p.pid}/fd")), "it asks the engine")
        self.assertEqual(0, p.wait(20))

    def mode_of(self):
        st = os.stat(self.path)
        return st.st_mode & 0o7777, st.st_gid

    @unittest.skipUnless(ROOT, "needs root to become somebody else")
    def test_who_may_not_look_at_the_socket_may_not_read_the_board(self):
        s = self.begin(service("a", SLEEP))
        cases = (("", (0o600, None)),
                 ('control { group = "64011" }\n', (0o640, 64011)),
                 ('control { mode = "0666" }\n', (0o644, None)),
                 ('control { mode = "0644" group = "64011" }\n', (0o600, None)),
                 ('control { operators = {"64001"} }\n', (0o600, None)),
                 ('control { operators = {"@64012"} observers = {"64001"} }\n', (0o640, 64012)),
                 ('control { operators = {"@64012"} observers = {"@64013"} }\n', (0o640, 64013)),
                 ("", (0o600, None)))
        for control, (mode, group) in cases:
            with self.subTest(control):
                with open(self.path, "rb") as before:
                    s.write_config(control + service("a", SLEEP))
                    s.ok("apply")
                    got = self.mode_of()
                    self.assertEqual(mode, got[0])
                    if group is not None:
                        self.assertEqual(group, got[1])
                    # Who has the old one open learns nothing more from it.
                    if os.fstat(before.fileno()).st_ino != os.stat(self.path).st_ino:
                        before.seek(40)
                        self.assertEqual(1, before.read(1)[0] & 1)
                s.kill_engine()
                self.assertEqual(mode, self.mode_of()[0])
                self.same(s)

    def as_user(self, s, uid, *args):
        done = subprocess.run([s.supctl, "-s", s.socket_path, *args], text=True, user=uid, group=uid,
                              extra_groups=[], cwd="/", env=s.env, capture_output=True, timeout=60,
                              check=False)
        return done.returncode, done.stdout, done.stderr

    @unittest.skipUnless(ROOT, "needs root to become somebody else")
    def test_other_users_get_what_the_socket_gives_them(self):
        s = self.begin(service("a", SLEEP))
        s.wait_state("a", "running")
        s.publish_supctl()
        self.assertEqual(5, self.as_user(s, 64001, "status")[0])
        s.write_config('control { observers = {"64001"} }\n' + service("a", SLEEP))
        s.ok("apply")
        self.assertEqual(0, self.as_user(s, 64001, "status", "a")[0])  # by the engine
        self.assertEqual(5, self.as_user(s, 64002, "status", "a")[0])
        s.write_config('control { observers = {"@64001"} }\n' + service("a", SLEEP))
        s.ok("apply")
        with self.stopped_engine(s):
            self.assertEqual(0, self.as_user(s, 64001, "status", "a")[0])  # by the board
        self.assertEqual(5, self.as_user(s, 64002, "status", "a")[0])

    def test_readers_are_right_while_much_changes(self):
        names = [f"s{i}" for i in range(10)]
        s = self.begin("".join(service(n, sh("exit 0"), 'restart = "always"', "restart-delay = 1ms",
                                       "restart-max-delay = 1ms", "restart-limit = 0",
                                       "restart-jitter = 0") for n in names))
        rows, deadline = [], time.monotonic() + 60
        first = sum(r["restarts"] for r in s.services().values())
        while time.monotonic() < deadline:
            code, out, err = s.ctl("--json", "status")
            self.assertEqual((0, ""), (code, err))
            rows = json.loads(out)
            self.assertEqual(names, [r["name"] for r in rows])
            for r in rows:
                self.assertEqual(r["pid"] is None, r["uptime_ms"] is None)
                self.assertIn(r["state"], ("starting", "running", "backoff", "waiting"))
                self.assertEqual(r["state"] == "running", r["ready"], r)
            if sum(r["restarts"] for r in rows) - first > 1000:
                break
        else:
            self.fail(f"too few changes: {rows}")

    def test_many_services_are_all_there(self):
        s = self.begin("".join(service(f"s{i}", SLEEP, "autostart = false") for i in range(2000)))
        _, rows = self.by_board(s)
        self.assertEqual([f"s{i}" for i in range(2000)], [r["name"] for r in rows])
        self.assertEqual("s1999", self.by_board(s, "s1999")[1][0]["name"])

    def test_a_reader_that_locks_the_file_disturbs_nobody(self):
        s = self.begin(service("a", SLEEP))
        s.wait_state("a", "running")
        lock = subprocess.Popen([PYTHON, "-u", "-c", (
            "import fcntl, struct, sys\n"
            "f = open(sys.argv[1], 'rb')\n"
            "print('ready')\n"
            "while True:\n"  # a read lock, as soon as there is a moment without an engine
            "    fcntl.fcntl(f, 38, struct.pack('hhqqi4x', 0, 0, 0, 0, 0))\n"
            "    print('locked')\n"
            "    sys.stdin.read()\n"), self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        s.helpers.append(lock)
        self.assertEqual("ready\n", lock.stdout.readline())
        for _ in range(5):
            s.kill_engine()
            self.same(s)

    def compile(self, s, *command):
        include = f"{s.dir}/include/supervisord"
        os.makedirs(include, exist_ok=True)
        shutil.copy(f"{SOURCE}/supervisord/wire/board.h", include)
        out = f"{s.dir}/board-example"
        subprocess.run([*command, "-pedantic-errors", "-Wall", "-Wextra", "-Werror",
                        f"-I{s.dir}/include", "-o", out, f"{SOURCE}/contrib/examples/board.c"],
                       check=True, cwd=s.dir)
        return out

    def run_example(self, program, *args):
        done = subprocess.run([program, *args], capture_output=True, text=True, timeout=60,
                              check=False)
        return done.returncode, done.stdout.splitlines()

    def test_the_example_reads_it_with_nothing_but_the_public_header(self):
        s = self.begin(service("web", SLEEP, "instances = 2")
                       + service("off", SLEEP, "autostart = false"))
        pids = [s.wait_state(n, "running")["pid"] for n in ("web@1", "web@2")]
        expected = [f"web@1 running {pids[0]}", f"web@2 running {pids[1]}",
                    "off stopped 0 not started yet"]
        compiler = shlex.split(os.environ.get("CC", "cc"))
        ways = [(*compiler, "-std=c11"), (*compiler, "-std=c99")]
        if shutil.which("c++"):
            ways.append(("c++", "-x", "c++", "-std=c++11"))
        for way in ways:
            with self.subTest(way):
                program = self.compile(s, *way)
                with self.stopped_engine(s):
                    self.assertEqual((0, expected), self.run_example(program, self.path))
        follow = subprocess.Popen([program, "-f", self.path], stdout=subprocess.PIPE, text=True)
        s.helpers.append(follow)
        self.assertEqual(expected, [follow.stdout.readline().rstrip("\n") for _ in expected])
        s.ok("stop", "web@1")
        lines = iter(follow.stdout.readline, "")
        self.assertTrue(any("web@1 stopped 0" in line for line in lines))
        follow.kill()
        self.assertEqual(1, self.run_example(program, s.config_path)[0])
        self.assertEqual(1, self.run_example(program, f"{s.dir}/nothing")[0])


if __name__ == "__main__":
    harness.main()
