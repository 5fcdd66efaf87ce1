"""What tells that a service is ready: each way of ready.on, and who may say it.

Services wait for a file (flag()) before they become ready, so what is checked before that holds
however slow the machine is.
"""

import array
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import unittest

import harness
from asuser import Child, ROOT
from harness import NOBODY, SLEEP, is_alive, py, service, sh, wait_until

SYSTEMD_NOTIFY = shutil.which("systemd-notify", path="/usr/bin:/bin")

# What services in Python begin with.
PRELUDE = """
import array, os, signal, socket, subprocess, sys, time
def gate(name):
    while not os.path.exists("@DIR@/" + name): time.sleep(0.01)
def flag(name):
    open("@DIR@/" + name, "w").close()
def tell(*lines):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto("\\n".join(lines).encode(), os.environ["NOTIFY_SOCKET"])
    s.close()
"""


def python(script):
    return py(PRELUDE + script)


def ready(on, *more):
    return f"ready {{ on = {harness.quote(on)} {' '.join(more)} }}"


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    with socket.socket(family) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def has_ipv6():
    with contextlib.suppress(OSError):
        free_port(socket.AF_INET6, "::1")
        return True
    return False


class Behind(harness.SystemTest):
    """The launcher has more to start than it comes to."""

    def test_what_is_not_started_yet_is_not_late(self):
        # More than the link holds.
        s = self.supervisor(service("a", SLEEP, "instances = 150", "autostart = false",
                                    "restart-limit = 0", ready("exec", "timeout = 200ms"))
                            + service("clock", SLEEP, ready("notify", "timeout = 1s")))
        s.wait_state("clock", "starting")

        def states():
            return {r["state"] for n, r in s.services().items() if n != "clock"}

        os.kill(s.pid, signal.SIGSTOP)
        try:
            s.ok("start", "--no-wait", "a")
            self.assertEqual({"starting"}, states())
            # Its time is up when that of the others is, long since.
            s.wait_state("clock", "stopping")
            self.assertEqual({"starting"}, states())
        finally:
            os.kill(s.pid, signal.SIGCONT)
        wait_until(lambda: states() == {"running"}, "all are started")


class Ready(harness.SystemTest):
    def assert_starting(self, s, name):
        row = s.status(name)
        self.assertEqual(("starting", False), (row["state"], row["ready"]), row)

    def wait_ready(self, s, name, pid=None):
        row = s.wait_state(name, "running")
        self.assertTrue(row["ready"])
        self.assertEqual(0, row["restarts"])
        if pid:
            self.assertEqual(pid, row["pid"])
        return row

    def starting_pid(self, s, name):
        """It has one as soon as it is known to have been executed."""
        return s.wait_service(name, lambda r: r["state"] == "starting" and r["pid"],
                              f"'{name}' is being started")["pid"]

    def becomes_ready(self, config, name="a", kill=False, flag="go"):
        """Starting until the flag is there, with another engine in between or not."""
        s = self.supervisor(config)
        wait_until(lambda: os.path.exists(f"{s.dir}/up"), "the service is up")
        pid = self.starting_pid(s, name)
        self.assert_starting(s, name)
        if kill:
            s.kill_engine()
            self.assert_starting(s, name)
        s.flag(flag)
        self.wait_ready(s, name, pid)
        return s

    def both(self, *config, **kw):
        """With one engine, and with two."""
        for kill in (False, True):
            with self.subTest(engine_is_killed=kill):
                s = self.becomes_ready("".join(config), kill=kill, **kw)
        return s


class Methods(Ready):
    def test_notify(self):
        self.both(service("a", python("flag('up'); gate('go'); tell('READY=1'); time.sleep(1000)"),
                          ready("notify")))

    def test_a_newline_on_a_descriptor(self):
        self.both(service("a", python("flag('up'); gate('go'); os.write(7, b'x\\n'); os.close(7)\n"
                                      "time.sleep(1000)"), ready("fd:7")))

    def test_a_descriptor_that_is_closed_without_a_newline_says_nothing(self):
        s = self.supervisor(
            service("closed", python("os.write(5, b'almost'); os.close(5); time.sleep(1000)"),
                    ready("fd:5"))
            + service("many", python("os.write(5, b'x' * 5000); os.close(5); time.sleep(1000)"),
                      ready("fd:5")))
        s.wait_stderr("service 'closed': not ready: its descriptor was closed without a newline")
        s.wait_stderr("service 'many': not ready: no newline among the first 4096 bytes")
        self.assert_starting(s, "closed")
        self.assert_starting(s, "many")
        self.assertEqual({"on": "fd:5", "problem": "its descriptor was closed without a newline"},
                         s.show("closed")["readiness"])

    def test_a_port(self):
        for kill in (False, True):
            port = free_port()
            with self.subTest(engine_is_killed=kill):
                self.becomes_ready(service("a", python(
                    f"s = socket.socket(); s.bind(('127.0.0.1', {port})); flag('up'); gate('go')\n"
                    "s.listen(); time.sleep(1000)"), ready(f"tcp:127.0.0.1:{port}")), kill=kill)

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_a_port_of_ipv6_by_number_and_as_localhost(self):
        for host in ("[::1]", "localhost"):
            port = free_port(socket.AF_INET6, "::1")
            with self.subTest(host=host):
                self.becomes_ready(service("a", python(
                    f"s = socket.socket(socket.AF_INET6); s.bind(('::1', {port}))\n"
                    "flag('up'); gate('go'); s.listen(); time.sleep(1000)"),
                    ready(f"tcp:{host}:{port}")))

    def test_a_unix_socket(self):
        self.both(service("a", python(
            "path = '@DIR@/a.sock'\n"
            "if os.path.exists(path): os.unlink(path)\n"
            "s = socket.socket(socket.AF_UNIX); s.bind(path); flag('up'); gate('go')\n"
            "s.listen(); time.sleep(1000)"), ready("unix:@DIR@/%{name}.sock")))

    def test_a_command(self):
        self.both(service("a", python("flag('up'); time.sleep(1000)"),
                          ready("command", 'command = {"/usr/bin/test", "-e", "@DIR@/go"}',
                                "interval = 10ms")))

    def test_a_command_that_waits_by_itself_is_heard_by_the_next_engine(self):
        wait = "echo x >>@DIR@/asked; until [ -e @DIR@/go ]; do sleep 0.01; done"
        s = self.supervisor(service("a", SLEEP, ready(
            "command", f'command = {{"/bin/sh", "-c", {harness.quote(wait)}}}', "interval = 1h")))
        wait_until(lambda: os.path.exists(f"{s.dir}/asked"), "it is asked")
        pid = self.starting_pid(s, "a")
        s.kill_engine()
        s.flag("go")
        self.wait_ready(s, "a", pid)
        self.assertEqual("x\n", s.read(f"{s.dir}/asked"))

    def test_a_command_that_waits_is_ended_with_its_service_and_not_taken_for_the_next(self):
        wait = "echo $$ >>@DIR@/asked; trap 'exit 0' TERM; until [ -e @DIR@/go ]; do sleep 0.01; done"
        s = self.supervisor(service("a", SLEEP, ready(
            "command", f'command = {{"/bin/sh", "-c", {harness.quote(wait)}}}', "interval = 10ms")))

        def asked():
            return s.read(f"{s.dir}/asked").split() if os.path.exists(f"{s.dir}/asked") else []
        for n in (1, 2, 3):
            wait_until(lambda n=n: len(asked()) == n, f"it is asked for the {n}. time")
            self.assertEqual([], [p for p in asked()[:-1] if is_alive(int(p))])
            self.assert_starting(s, "a")
            if n < 3:
                s.ok("restart", "a", "--no-wait")
        s.flag("go")
        s.wait_state("a", "running")

    def test_a_line(self):
        self.both(service("a", python(
            "print('listening soon', flush=True); flag('up'); gate('go')\n"
            "print('now listening on port 80', flush=True); time.sleep(1000)"),
            ready("log:^now listening on port \\d+$")))

    def test_a_line_on_standard_error_that_has_a_log_of_its_own_and_one_of_which_nothing_is_kept(self):
        script = "flag('up'); gate('go'); print('ready', file=sys.stderr); time.sleep(1000)"
        self.becomes_ready(service("a", python(script), ready("log:ready"),
                                   'log { stderr = "a.err" }'))
        self.becomes_ready(service("a", python(script), ready("log:ready"),
                                   'log { file = "none" }'))

    def test_a_line_counts_when_it_is_complete_and_is_written_as_any_other(self):
        s = self.supervisor(service("a", python(
            "print('first\\nrea', end='', flush=True); gate('go')\n"
            "print('dy', end='', flush=True); gate('end'); print(); time.sleep(1000)"),
            ready("log:^ready$")))
        s.wait_log("a", "rea")
        s.flag("go")
        s.wait_log("a", "ready")
        self.assert_starting(s, "a")
        s.flag("end")
        self.wait_ready(s, "a")
        self.assertEqual("first\nready\n", s.read_log("a"))

    def test_a_line_that_an_earlier_run_left_in_its_pipe_does_not_count(self):
        # Nobody takes what it writes: some of that stays in the pipe, which the next run gets.
        s = self.supervisor(
            service("a", python("""
import fcntl, struct, termios
def is_taken():
    for _ in range(100):
        if not struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, b"    "))[0]: return True
        time.sleep(0.01)
if os.path.exists("@DIR@/second"):
    gate("go")
    os.write(1, b"ready\\n")
    signal.pause()
while is_taken():
    os.write(1, b"x" * 4095 + b"\\n")
os.write(1, b"ready\\n")
flag("second")
sys.exit(1)
"""), ready("log:^ready$", "timeout = 0"), "restart-delay = 10ms")
            + service("to", sh("exec cat >@DIR@/out"), 'stdin = "service:a"', "autostart = false"))
        s.wait_service("a", lambda r: r["restarts"] == 1 and r["pid"], "it has been started again")
        s.ok("start", "to")
        s.wait_state("to", "running")
        wait_until(lambda: s.read(f"{s.dir}/out").endswith("\nready\n"), "the line has come by")
        self.assert_starting(s, "a")
        s.flag("go")
        s.wait_state("a", "running")

    def test_a_line_that_would_take_forever_to_match_holds_nobody_up(self):
        s = self.supervisor(
            service("a", python("[print('a' * 4000 + '!') for _ in range(300)]\n"
                                "print('end', flush=True); time.sleep(1000)"),
                    ready("log:^(a+)+$|^end$")))
        s.wait_stderr("service 'a': not ready: its expression takes too long on too many lines")
        s.wait_log("a", "end")
        self.assert_starting(s, "a")

    def test_instances_have_addresses_of_their_own(self):
        s = self.supervisor(service("a", python(
            "s = socket.socket(socket.AF_UNIX); s.bind('@DIR@/' + os.environ['SUPERVISOR_NAME'])\n"
            "s.listen(); time.sleep(1000)"), ready("unix:@DIR@/%{name}"), "instances = 2"))
        for name in ("a@1", "a@2"):
            self.wait_ready(s, name)
            self.assertEqual(f"unix:{s.dir}/{name}", s.show(name)["readiness"]["on"])

    def test_show_tells_why_it_is_not_ready_yet(self):
        port = free_port()
        s = self.supervisor(service("a", SLEEP, ready(f"tcp:127.0.0.1:{port}")))
        want = {"on": f"tcp:127.0.0.1:{port}", "problem": "connection refused"}
        wait_until(lambda: s.show("a")["readiness"] == want, "the problem is told")
        self.assertRegex(s.ok("show", "a"), r"ready by +tcp:127\.0\.0\.1:\d+; not yet: connection refused")


class Timeout(Ready):
    def test_who_is_not_ready_in_time_has_failed_and_is_started_again(self):
        s = self.supervisor(service("a", SLEEP, ready("notify", "timeout = 200ms"),
                                    "restart-delay = 1h", "restart-max-delay = 1h"))
        row = s.wait_state("a", "backoff")
        self.assertIn("was not ready within 200ms", row["reason"])
        self.assertIsNone(row["pid"])
        self.assertGreater(row["next_start_ms"], 0)

    def test_more_time_is_given_to_who_asks_for_it(self):
        s = self.supervisor(
            service("asks", python("tell('EXTEND_TIMEOUT_USEC=3600000000'); flag('asked')\n"
                                   "gate('go'); tell('READY=1'); time.sleep(1000)"),
                    ready("notify", "timeout = 5s"), "autostart = false")
            + service("other", SLEEP, ready("notify", "timeout = 5s"), 'restart = "never"',
                      "autostart = false"))
        s.ok("start", "asks", "--no-wait")
        wait_until(lambda: os.path.exists(f"{s.dir}/asked"), "it has asked")
        s.ok("start", "other", "--no-wait")
        # Whose time has begun later, and is over.
        s.wait_state("other", "failed")
        self.assert_starting(s, "asks")
        s.flag("go")
        self.wait_ready(s, "asks")


class Order(Ready):
    def states(self, s, name):
        """What the queue tells, in order: [(state, generation's pid)]."""
        out = s.ok("--json", "queue", "--peek")
        rows = sorted((json.loads(line) for line in out.splitlines()), key=lambda r: r["seq"])
        return [r["state"] for r in rows if r["service"] == name]

    def test_ready_and_then_an_exit_at_once_are_seen_in_that_order(self):
        s = self.supervisor(service("a", python("tell('READY=1')"), ready("notify"),
                                    "autostart = false")
                            + service("b", python("os.write(3, b'\\n')"), ready("fd:3"),
                                      "autostart = false")
                            + service("c", sh("echo ready"), ready("log:ready"),
                                      "autostart = false"))
        for name in ("a", "b", "c"):
            for _ in range(5):
                s.ok("start", name)
                s.wait_state(name, "exited")
            seen = self.states(s, name)
            self.assertEqual(["starting", "running", "exited"] * 5, seen)

    def test_ready_and_an_exit_while_the_engine_is_away(self):
        for name, script, on in (("a", "tell('READY=1'); flag('told')", "notify"),
                                 ("b", "os.write(3, b'\\n'); flag('told')", "fd:3")):
            with self.subTest(on=on):
                s = self.supervisor(service(name, python("flag('up'); gate('go')\n" + script),
                                            ready(on)))
                wait_until(lambda: os.path.exists(f"{s.dir}/up"), "it is up")
                pid = self.starting_pid(s, name)
                engine = s.engine_pid()
                os.kill(engine, signal.SIGSTOP)
                s.flag("go")
                wait_until(lambda: os.path.exists(f"{s.dir}/told"), "it has told")
                wait_until(lambda: not is_alive(pid), "it has ended")
                os.kill(engine, signal.SIGKILL)
                s.wait_engine(other_than=engine)
                s.wait_state(name, "exited")
                self.assertEqual(["starting", "running", "exited"], self.states(s, name))

    def test_what_an_earlier_generation_has_said_counts_for_none(self):
        s = self.supervisor(service("a", python(
            "flag('up-' + str(os.getpid()))\n"
            "if not os.path.exists('@DIR@/second'):\n"
            "    gate('go'); tell('READY=1'); flag('told'); gate('never')\n"
            "gate('never')"), ready("notify"), "restart-delay = 10ms"))
        pid = s.wait_service("a", lambda r: r["pid"] is not None, "the first runs")["pid"]
        wait_until(lambda: os.path.exists(f"{s.dir}/up-{pid}"), "the first is up")
        engine = s.engine_pid()
        os.kill(engine, signal.SIGSTOP)
        s.flag("go")
        wait_until(lambda: os.path.exists(f"{s.dir}/told"), "the first has told")
        s.flag("second")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), "the first is gone")
        os.kill(engine, signal.SIGCONT)
        row = s.wait_service("a", lambda r: r["pid"] not in (None, pid), "the second runs")
        wait_until(lambda: os.path.exists(f"{s.dir}/up-{row['pid']}"), "the second is up")
        barrier(f"{s.runtime_dir}/notify")
        self.assert_starting(s, "a")
        self.assertEqual(["starting", "running", "backoff", "starting"], self.states(s, "a"))


def barrier(path):
    """Returns when all that was sent to the socket before has been handled."""
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as c:
        c.settimeout(harness.DEADLINE)
        c.sendmsg([b"BARRIER=1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))],
                  0, path)
    os.close(writer)
    with os.fdopen(reader, "rb") as f:
        if not select.select([f], [], [], harness.DEADLINE)[0]:
            raise harness.Timeout("what was sent to the socket is not handled")


class Notify(Ready):
    def send(self, s, *texts):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as c:
            for text in texts:
                c.sendto(text, f"{s.runtime_dir}/notify")
        barrier(f"{s.runtime_dir}/notify")

    def test_one_socket_is_open_to_all_outlives_the_engine_and_goes_with_supervisord(self):
        s = self.supervisor(service("a", SLEEP))
        path = f"{s.runtime_dir}/notify"
        before = os.stat(path)
        self.assertTrue(stat.S_ISSOCK(before.st_mode))
        self.assertEqual(0o666, stat.S_IMODE(before.st_mode))
        s.kill_engine()
        self.assertEqual(before.st_ino, os.stat(path).st_ino)
        barrier(path)
        s.stop()
        self.assertFalse(os.path.exists(path))

    def test_only_who_is_listened_to_is_told_where_to_speak(self):
        show = "print(sorted(k + '=' + v for k, v in os.environ.items() if k.startswith(" \
               "('NOTIFY', 'WATCHDOG'))), flush=True); time.sleep(1000)"
        s = self.supervisor(
            service("none", python(show))
            + service("notify", python("tell('READY=1');" + show), ready("notify"),
                      'health { command = {"/bin/sh", "-c", "env | grep -c ^NOTIFY || true"} interval = 20ms }')
            + service("watchdog", python(show), "watchdog = 90s"),
            env={"NOTIFY_SOCKET": "/nonexistent", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "7"})
        ours = f"NOTIFY_SOCKET={s.runtime_dir}/notify"
        self.assertEqual("[]\n", s.wait_log("none", "\n"))
        self.assertEqual(f"['{ours}']\n", s.wait_log("notify", "\n"))
        self.assertEqual(f"['{ours}', 'WATCHDOG_USEC=90000000']\n", s.wait_log("watchdog", "\n"))
        self.assertIn(ours, s.show("notify")["environment"])
        # Nor are commands that are run for it.
        s.wait_service("notify", lambda r: r["health"] == "healthy", "it was asked")
        self.assertEqual("0\n", s.show("notify")["probe"]["output"])

    def test_a_child_may_speak_for_its_service_and_no_other_service_may(self):
        s = self.supervisor(
            service("a", python("if os.fork() == 0:\n    flag('up'); gate('go'); tell('READY=1')\n"
                                "time.sleep(1000)"), ready("notify"))
            + service("b", python(
                "os.environ['NOTIFY_SOCKET'] = '@DIR@/run/notify'\n"
                "tell('READY=1', 'STATUS=of b'); flag('told'); time.sleep(1000)"),
                "watchdog = 1h"))
        wait_until(lambda: os.path.exists(f"{s.dir}/told"), "the other has told")
        wait_until(lambda: os.path.exists(f"{s.dir}/up"), "the child is up")
        barrier(f"{s.runtime_dir}/notify")
        self.assertEqual("of b", s.status("b")["status_text"])
        self.assertIsNone(s.status("a")["status_text"])
        self.assert_starting(s, "a")
        s.flag("go")
        self.wait_ready(s, "a")

    def test_what_strangers_send_is_ignored_with_one_line(self):
        s = self.supervisor(service("a", SLEEP, ready("notify")))
        pid = self.starting_pid(s, "a")
        texts = [b"READY=1\nSTATUS=evil", f"MAINPID={os.getpid()}".encode(), b"WATCHDOG=trigger",
                 b"READY=1\0", b"", b"\xff" * 5000, b"READY=1\0STATUS=x"] * 20
        self.send(s, *texts)
        self.assertEqual(("starting", pid, None),
                         tuple(s.status("a")[k] for k in ("state", "pid", "status_text")))
        lines = re.findall(r"a notification from pid (\d+), uid \d+ is ignored", s.stderr())
        self.assertEqual([str(os.getpid())], lines)

    @unittest.skipUnless(ROOT, "takes root")
    def test_another_user_is_a_stranger_and_may_be_a_main_process_and_no_other_member(self):
        s = self.supervisor(
            service("a", python("flag('up'); gate('go'); os.setuid(65534); tell('READY=1')\n"
                                "time.sleep(1000)"), ready("notify"))
            + service("b", python(
                "if os.fork() == 0:\n"
                "    gate('go'); os.setuid(65534); tell('READY=1'); gate('never')\n"
                "time.sleep(1000)"), ready("notify"))
            + service("c", python("if os.fork() == 0:\n    gate('go'); tell('READY=1')\n"
                                  "time.sleep(1000)"), ready("notify"), 'user = "nobody"'))
        wait_until(lambda: os.path.exists(f"{s.dir}/up"), "it is up")

        def attack(control):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"READY=1", f"{s.runtime_dir}/notify")
            control.armed()
            return os.getpid()

        child = Child(attack, NOBODY)
        self.addCleanup(child.end)
        child.wait_armed()
        stranger = child.result()
        s.wait_stderr(f"a notification from pid {stranger}, uid {NOBODY} is ignored: its sender "
                      "belongs to no service")
        for name in ("a", "b", "c"):
            self.assert_starting(s, name)
        s.flag("go")
        self.wait_ready(s, "a")
        self.wait_ready(s, "c")
        barrier(f"{s.runtime_dir}/notify")
        self.assert_starting(s, "b")

    def test_what_a_service_says_of_itself_is_shown_while_it_lives(self):
        s = self.supervisor(service("a", python(
            "tell('READY=1', 'STATUS=serving \\x1b[31mall\\x07 ' + 'x' * 300); gate('reload')\n"
            "tell('RELOADING=1', 'MONOTONIC_USEC=5', 'STATUS=reading'); gate('done')\n"
            "tell('READY=1'); gate('never')"), ready("notify")))
        row = self.wait_ready(s, "a")
        self.assertEqual("serving [31mall " + "x" * 184, row["status_text"])
        self.assertFalse(row["reloading"])
        self.assertIn("serving [31mall xxx", s.ok("status"))
        self.assertRegex(s.ok("show", "a"), r"\nstatus +serving \[31mall xxx")
        s.flag("reload")
        row = s.wait_service("a", lambda r: r["reloading"], "it is reloading")
        self.assertEqual(("running", "reading"), (row["state"], row["status_text"]))
        self.assertIn("reloading; reading", s.ok("status"))
        s.flag("done")
        s.wait_service("a", lambda r: not r["reloading"], "it has reloaded")
        s.ok("stop", "a")
        self.assertIsNone(s.status("a")["status_text"])

    def test_main_pid_is_taken_over_from_a_member_only(self):
        s = self.supervisor(service("a", python(
            "pid = os.fork()\n"
            "if pid == 0: time.sleep(1000)\n"
            f"tell('READY=1', 'MAINPID={os.getpid()}'); gate('go')\n"
            "tell('MAINPID=%d' % pid); print(pid, flush=True); gate('end')"), ready("notify")))
        pid = self.wait_ready(s, "a")["pid"]
        barrier(f"{s.runtime_dir}/notify")
        self.assertEqual(pid, s.status("a")["pid"])
        s.flag("go")
        child = int(s.wait_log("a", "\n"))
        barrier(f"{s.runtime_dir}/notify")
        s.flag("end")
        row = s.wait_service("a", lambda r: r["pid"] == child, "the child is the main process")
        self.assertEqual(("running", 0), (row["state"], row["restarts"]))

    def test_descriptors_that_come_along_are_closed(self):
        s = self.supervisor(service("a", python(
            "with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as c:\n"
            "    files = array.array('i', [os.open('/dev/null', os.O_RDONLY) for _ in range(250)])\n"
            "    for i in range(100):\n"
            "        c.sendmsg([b'FDSTORE=1\\nSTATUS=%d' % i],\n"
            "                  [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)], 0,\n"
            "                  os.environ['NOTIFY_SOCKET'])\n"
            "tell('READY=1'); time.sleep(1000)"), ready("notify"), "autostart = false"))
        engine = s.engine_pid()
        before = len(os.listdir(f"/proc/{engine}/fd"))
        s.ok("start", "a")
        self.assertEqual("99", s.status("a")["status_text"])
        s.ok("stop", "a")
        after = wait_until(lambda: (n := len(os.listdir(f"/proc/{engine}/fd"))) <= before and n,
                           f"no more than {before} descriptors")
        self.assertLessEqual(after, before)

    def test_a_descriptor_that_takes_long_to_close_holds_nobody_up(self):
        s = self.supervisor(service("a", SLEEP))
        engine = s.engine_pid()
        # While it is away, so that its copies are the last ones.
        os.kill(engine, signal.SIGSTOP)
        theirs = [self.send_lingering(f"{s.runtime_dir}/notify") for _ in range(5)]
        os.kill(engine, signal.SIGCONT)
        barrier(f"{s.runtime_dir}/notify")
        self.assertEqual("running", s.status("a")["state"])
        self.assertEqual(engine, s.engine_pid())
        for end in theirs:
            end.close()

    def send_lingering(self, path):
        """A connection full of data that nobody reads; closing it takes ten minutes."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 10 * 60))
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 65536)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as c:
            rights = array.array("i", [ours.fileno()] * 2)
            c.sendmsg([b"STATUS=x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], 0, path)
        os.close(ours.detach())
        return theirs

    def test_a_flood_keeps_nobody_from_being_served(self):
        flood = ("c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                 "c.connect(os.environ['NOTIFY_SOCKET'])\n"
                 "while True: c.send(b'STATUS=' + b'x' * 4000)")
        s = self.supervisor(
            service("flood", python(flood), ready("notify"), "instances = 3")
            + service("a", python("flag('up'); gate('go'); tell('READY=1'); time.sleep(1000)"),
                      ready("notify")))
        wait_until(lambda: os.path.exists(f"{s.dir}/up"), "it is up")
        for name in ("flood@1", "flood@2", "flood@3"):
            s.wait_service(name, lambda r: r["status_text"], "the flood is on")
        s.flag("go")
        self.wait_ready(s, "a")
        engine = s.engine_pid()
        for _ in range(20):
            s.ok("status", "a")
        self.assertEqual(engine, s.engine_pid())
        s.ok("stop", "flood")

    def test_messages_wait_while_there_is_no_engine(self):
        s = self.supervisor(service("a", python(
            "flag('up'); gate('go'); tell('STATUS=here'); tell('READY=1'); flag('told')\n"
            "time.sleep(1000)"), ready("notify")))
        wait_until(lambda: os.path.exists(f"{s.dir}/up"), "it is up")
        pid = self.starting_pid(s, "a")
        engine = s.engine_pid()
        os.kill(engine, signal.SIGSTOP)
        s.flag("go")
        wait_until(lambda: os.path.exists(f"{s.dir}/told"), "it has told")
        os.kill(engine, signal.SIGKILL)
        row = self.wait_ready(s, "a", pid)
        self.assertEqual("here", row["status_text"])

    def test_no_word_is_lost_while_engines_are_killed(self):
        s = self.supervisor(service("a", python(
            "for i in range(300):\n    tell('STATUS=%d' % i); time.sleep(0.002)\n"
            "tell('READY=1', 'STATUS=end'); time.sleep(1000)"), ready("notify"), "instances = 4"))
        while any(r["state"] == "starting" for r in s.services().values()):
            s.kill_engine()
        for name in (f"a@{i}" for i in range(1, 5)):
            self.wait_ready(s, name)


@unittest.skipUnless(ROOT, "as an ordinary user all tests are like that")
class WithoutCgroups(Ready):
    """Where the kernel doesn't keep processes together: ancestry, session, environment."""

    def test_children_orphans_and_who_left_the_session_speak_for_their_service(self):
        # In a session of its own, as a child first, then as an orphan.
        orphan = ("if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
                  "    gate('orphan'); tell('STATUS=orphan'); gate('never')\n")
        child = "if os.fork() == 0:\n    gate('child'); tell('STATUS=child'); gate('never')\n"
        away = ("if os.fork() == 0:\n    os.setsid(); gate('away'); tell('STATUS=away')\n"
                "    gate('never')\n")
        s = self.supervisor(
            service("a", python(orphan + child + away + "tell('READY=1'); time.sleep(1000)"),
                    ready("notify"))
            + service("b", python("tell('READY=1'); time.sleep(1000)"), ready("notify")),
            user=NOBODY)
        self.assertIn("no cgroups", s.stderr())
        self.wait_ready(s, "a")
        self.wait_ready(s, "b")
        for who in ("orphan", "child", "away"):
            s.flag(who)
            s.wait_service("a", lambda r, who=who: r["status_text"] == who, f"{who} is heard")
        self.assertIsNone(s.status("b")["status_text"])

    def test_strangers_of_the_same_user_are_not_heard(self):
        s = self.supervisor(service("a", SLEEP, ready("notify")), user=NOBODY)
        s.wait_state("a", "starting")

        def attack(control):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"READY=1", f"{s.runtime_dir}/notify")
            control.armed()
            return os.getpid()

        child = Child(attack, NOBODY)
        self.addCleanup(child.end)
        child.wait_armed()
        s.wait_stderr(f"a notification from pid {child.result()}, uid {NOBODY} is ignored")
        self.assert_starting(s, "a")

    def test_ready_and_then_an_exit_at_once(self):
        s = self.supervisor(service("a", python("tell('READY=1')"), ready("notify")), user=NOBODY)
        s.wait_state("a", "exited")


@unittest.skipUnless(SYSTEMD_NOTIFY, "no systemd-notify")
class SystemdNotify(Ready):
    def config(self, *lines):
        return service("a", sh(
            "set -e\nuntil [ -e @DIR@/go ]; do sleep 0.01; done\n"
            f"{SYSTEMD_NOTIFY} --status='half way'\n"
            f"{SYSTEMD_NOTIFY} --ready --status='all there'\n"
            "echo its barrier is through\nexec sleep 100000"), ready("notify"), *lines)

    def check(self, *lines):
        s = self.supervisor(self.config(*lines))
        s.wait_state("a", "starting")
        s.flag("go")
        row = self.wait_ready(s, "a")
        self.assertEqual("all there", row["status_text"])
        s.wait_log("a", "its barrier is through")

    def test_it_speaks_for_the_shell_that_runs_it_and_waits_until_it_was_heard(self):
        self.check()

    @unittest.skipUnless(ROOT, "takes root")
    def test_likewise_as_an_ordinary_user(self):
        self.check('user = "nobody"')


if __name__ == "__main__":
    harness.main()
