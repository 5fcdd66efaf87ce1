"""What systemd is told by way of a notify socket of the test's own, and a control socket that is
passed in as systemd does it."""

import contextlib
import errno
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

import harness
from harness import py, service, sh, wait_until

# Passes descriptors in as systemd does: from 3 on, named by variables that hold supervisord's pid.
PASS = """#!{python}
import fcntl, os, sys
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for fd in {fds!r}]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
for name, value in {env!r}.items():
    os.environ[name] = value.replace("@PID@", str(os.getpid()))
os.execv({program!r}, sys.argv)
"""

LOOK = ("import os\n"
        "print([v for v in os.environ if v.startswith(('LISTEN', 'NOTIFY', 'WATCHDOG'))],\n"
        "      sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')), 'end')\n")


def pass_in(s, fds, **env):
    """Makes s start with these descriptors passed in; @PID@ in a value is its pid."""
    path = f"{s.dir}/pass"
    with open(path, "w", encoding="utf-8") as f:
        f.write(PASS.format(python=harness.PYTHON, fds=list(fds), env=env, program=s.supervisord))
    os.chmod(path, 0o755)
    s.pass_fds = tuple(fds)
    s.supervisord = path


class NotifyTest(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.listen(os.path.join(self.dir.name, "notify"))

    def listen(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(path.replace("@", "\0") if path[0] == "@" else path)
        self.socket.settimeout(harness.DEADLINE)
        self.env = {"NOTIFY_SOCKET": path}

    def receive(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def receive_until(self, key, value=None):
        """The next message with that key (and value); what comes before it is dropped."""
        seen = []
        while len(seen) < 100:
            told = self.receive()
            if key in told and value in (None, told[key]):
                return told
            seen.append(told)
        return self.fail(f"no {key}={value} in {seen}")

    def drain(self):
        """What is waiting in the socket."""
        told = []
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                told.append(self.receive())
        self.socket.settimeout(harness.DEADLINE)
        return told

    def stop_engine(self, s):
        """SIGSTOPs the engine; returns its pid."""
        pid = s.wait_engine()
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: harness.stat_of(pid)[0] == b"T", "the engine is stopped")
        return pid

    def fill(self):
        """Leaves no room in the socket; returns how many datagrams it took."""
        n = 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            s.connect(self.path)
            with contextlib.suppress(BlockingIOError):
                while True:
                    s.send(b"FILLED=1")
                    n += 1
        return n


class Notify(NotifyTest):
    def test_the_main_pid_follows_whoever_takes_the_launchers_place(self):
        s = self.supervisor(service("web", harness.SLEEP), env=self.env)
        self.assertEqual(str(s.pid), self.receive_until("READY")["MAINPID"])
        for _ in range(3):
            s.kill_launcher()
            self.assertEqual(str(s.pid), self.receive_until("READY")["MAINPID"])

    def test_signs_of_life_go_on_under_another_main_pid(self):
        s = self.supervisor(service("web", harness.SLEEP),
                            env=self.env | {"WATCHDOG_USEC": "200000"})
        self.receive_until("WATCHDOG", "1")
        s.kill_launcher()
        self.receive_until("READY")
        self.receive_until("WATCHDOG", "1")

    def test_ready_is_told_with_the_main_pid_and_stopping_at_the_end(self):
        s = self.supervisor(service("web", harness.SLEEP), env=self.env)
        told = self.receive()
        if "READY" not in told:
            self.fail(told)
        self.assertEqual(str(s.pid), told["MAINPID"])
        self.assertIn("1 service up", told["STATUS"])
        s.stop()
        told = self.receive_until("STOPPING")
        self.assertEqual({"STOPPING": "1", "STATUS": "Stopping, 1 of 1 service left"}, told)
        self.assertEqual([], [t for t in self.drain() if "READY" in t])

    def test_a_service_does_not_inherit_the_socket(self):
        s = self.supervisor(service("web", py(LOOK)), env=self.env | {"WATCHDOG_USEC": "1000000"})
        self.assertEqual("[] ['0', '1', '2'] 4 end\n", s.wait_log("web", "end\n"))

    def test_status_follows_the_services(self):
        s = self.supervisor(
            service("web", harness.SLEEP) + service("db", harness.SLEEP, "autostart = false")
            + service("bad", sh("exit 3"), 'restart = "never"', "autostart = false")
            + service("once", sh("exit 0"), "autostart = false"), env=self.env)
        self.receive_until("STATUS", "1 of 4 services up, 3 stopped")
        s.ok("start", "db")
        self.receive_until("STATUS", "2 of 4 services up, 2 stopped")
        s.ctl("start", "bad", "once")
        told = self.receive_until("STATUS", "2 of 4 services up, 1 failed, 1 exited")
        self.assertEqual(["STATUS"], list(told))
        s.ok("stop", "web")
        self.receive_until("STATUS", "1 of 4 services up, 1 failed, 1 stopped, 1 exited")

    def reload(self, s, status):
        """HUP; what is told of it is checked up to READY."""
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        s.signal(signal.SIGHUP)
        told = self.receive_until("RELOADING", "1")
        self.assertLessEqual(before, int(told["MONOTONIC_USEC"]))
        self.assertEqual("Reloading the configuration", told["STATUS"])
        told = self.receive_until("READY")
        self.assertEqual((str(s.pid), status), (told["MAINPID"], told["STATUS"]))

    def test_a_reload_is_told_however_it_ends(self):
        config = service("web", harness.SLEEP)
        s = self.supervisor(config, env=self.env)
        self.receive_until("STATUS", "1 of 1 service up")
        s.write_config(config + service("db", harness.SLEEP, "autostart = false"))
        self.reload(s, "1 of 2 services up, 1 stopped")
        s.write_config("nonsense")
        self.reload(s, "1 of 2 services up, 1 stopped")
        s.write_config(config)
        s.ok("apply")
        self.receive_until("RELOADING", "1")
        self.receive_until("READY", "1")

    def test_while_it_stops_neither_a_reload_nor_its_end_is_told(self):
        config = service("web", py("import signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
                                   "print('ready')\nwhile True: time.sleep(1000)\n"),
                         "stop { timeout = 1h }")
        s = self.supervisor(config, env=self.env)
        s.wait_log("web", "ready")
        self.receive_until("READY")
        s.signal(signal.SIGTERM)
        self.receive_until("STOPPING")
        s.signal(signal.SIGHUP)
        s.wait_stderr("signal HUP")
        s.ctl("apply")  # queues behind that one
        s.signal(signal.SIGTERM)
        self.assertEqual(0, s.wait_exit())
        told = self.drain()
        self.assertEqual([], [t for t in told if "READY" in t or "RELOADING" in t], told)

    def test_nothing_is_said_and_nobody_wakes_up_while_nothing_changes(self):
        s = self.supervisor(service("web", harness.SLEEP), env=self.env)
        self.receive_until("STATUS", "1 of 1 service up")
        engine = s.wait_engine()

        def asleep():
            return harness.stat_of(engine)[0] == b"S" and (
                harness.status_field(engine, "voluntary_ctxt_switches"))
        before = wait_until(asleep, "the engine sleeps")
        self.socket.settimeout(2.5)
        with self.assertRaises(TimeoutError):
            self.fail(self.receive())
        self.assertEqual(before, harness.status_field(engine, "voluntary_ctxt_switches"))

    def test_an_abstract_socket(self):
        self.listen("@" + secrets.token_hex(16))
        s = self.supervisor(service("web", harness.SLEEP), env=self.env)
        self.assertEqual(str(s.pid), self.receive_until("READY")["MAINPID"])

    def test_a_socket_that_can_not_be_used_is_told_once_and_changes_nothing(self):
        for path, said in (("vsock:2:1", "neither a path"), ("/", "neither a path"),
                           ("/" + "x" * 200, "neither a path"),
                           (self.dir.name + "/none", "No such file")):
            with self.subTest(path):
                s = self.supervisor(service("web", harness.SLEEP), env={"NOTIFY_SOCKET": path})
                s.wait_state("web", "running")
                s.ok("restart", "web")
                s.stop()
                lines = [l for l in s.stderr().splitlines() if "systemd" in l]
                self.assertEqual(1, len(lines), lines)
                self.assertIn(said, lines[0])

    def test_a_receiver_that_does_not_read_stops_nobody_and_gets_it_all_later(self):
        filled = self.fill()
        s = self.supervisor(service("web", harness.SLEEP), env=self.env | {"WATCHDOG_USEC": "20000"})
        s.wait_state("web", "running")
        s.ok("restart", "web")
        s.ok("stop", "web")
        self.assertEqual(filled, len([self.receive() for _ in range(filled)]))
        told = self.receive_until("READY")
        self.assertEqual(str(s.pid), told["MAINPID"])
        self.assertEqual("0 of 1 service up, 1 stopped", told["STATUS"], "as it is now")
        self.fill()
        s.stop()

    def test_a_receiver_that_comes_back_is_told_again(self):
        s = self.supervisor(service("web", harness.SLEEP), env=self.env)
        self.receive_until("STATUS", "1 of 1 service up")
        self.socket.close()
        os.unlink(self.path)
        s.ok("stop", "web")
        s.wait_stderr("cannot tell systemd")
        self.listen(self.path)
        s.ok("start", "web")
        self.receive_until("STATUS", "1 of 1 service up")

    def test_the_engine_after_a_killed_one_says_ready_again(self):
        s = self.supervisor(service("web", harness.SLEEP), env=self.env)
        self.receive_until("STATUS", "1 of 1 service up")
        s.kill_engine()
        told = self.receive_until("READY")
        self.assertEqual(str(s.pid), told["MAINPID"])
        self.assertEqual("1 of 1 service up", told["STATUS"])

    def test_the_engine_after_one_killed_while_stopping_says_stopping_and_not_ready(self):
        s = self.supervisor(service("web", py(
            "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready')\n"
            "while True: time.sleep(1000)\n"), "stop { timeout = 5s }"), env=self.env)
        s.wait_log("web", "ready")
        self.receive_until("READY")
        s.signal(signal.SIGTERM)
        self.receive_until("STOPPING")
        self.drain()
        s.kill_engine()
        self.assertIn("STOPPING", self.receive())
        s.signal(signal.SIGTERM)
        s.wait_exit()
        self.assertEqual([], [t for t in self.drain() if "READY" in t])


class Watchdog(NotifyTest):
    INTERVAL = {"WATCHDOG_USEC": "40000"}

    def test_signs_of_life_come_from_the_engine_while_its_loop_turns(self):
        s = self.supervisor(service("web", harness.SLEEP), start=False, env=self.env)
        pass_in(s, (), WATCHDOG_PID="@PID@", **self.INTERVAL)
        s.start()
        self.receive_until("READY")
        for _ in range(5):
            self.assertEqual({"WATCHDOG": "1"}, self.receive_until("WATCHDOG"))
        pid = self.stop_engine(s)
        self.drain()
        self.socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            self.fail(self.receive())
        self.socket.settimeout(harness.DEADLINE)
        os.kill(pid, signal.SIGCONT)
        self.receive_until("WATCHDOG")
        s.kill_engine()
        self.drain()
        self.receive_until("WATCHDOG")

    def test_they_come_twice_in_the_time_that_is_asked_for(self):
        self.supervisor(service("web", harness.SLEEP),
                        env=self.env | {"WATCHDOG_USEC": "1000000"})
        times = []
        for _ in range(5):
            self.receive_until("WATCHDOG")
            times.append(time.monotonic())
        # On a busy machine some come late, but hardly all.
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertLess(min(gaps), 0.9)
        self.assertGreater(max(gaps), 0.3)

    def test_they_come_where_no_process_is_named(self):
        self.supervisor(service("web", harness.SLEEP), env=self.env | self.INTERVAL)
        self.receive_until("WATCHDOG")

    def test_they_do_not_come_where_they_are_asked_of_another(self):
        s = self.supervisor(service("web", harness.SLEEP),
                            env=self.env | self.INTERVAL | {"WATCHDOG_PID": "1"})
        self.assertNotIn("WATCHDOG", self.receive())
        self.socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            while "WATCHDOG" not in self.receive():
                pass
        s.stop()

    def test_an_interval_that_is_no_number_is_told(self):
        s = self.supervisor(service("web", harness.SLEEP), env=self.env | {"WATCHDOG_USEC": "soon"})
        s.wait_state("web", "running")
        self.assertIn("WATCHDOG_USEC is not understood", s.stderr())
        self.assertNotIn("WATCHDOG", self.receive())

    def test_libsystemd_is_there_only_while_it_is_asked(self):
        s = self.supervisor(service("web", harness.SLEEP), env=self.env | self.INTERVAL)
        self.receive_until("WATCHDOG")
        with open(f"/proc/{s.wait_engine()}/maps", encoding="utf-8") as f:
            self.assertNotIn("libsystemd", f.read())

    def test_what_works_without_libsystemd_is_all_but_signs_of_life(self):
        name = "libsystemd.so.0"
        with open(os.path.join(self.dir.name, name), "wb"):
            pass
        env = self.env | {"LD_LIBRARY_PATH": self.dir.name}
        s = self.supervisor(service("web", harness.SLEEP), env=env)
        self.receive_until("READY")
        self.assertNotIn("signs of life", s.stderr())
        s.stop()
        s = self.supervisor(service("web", harness.SLEEP), env=env | self.INTERVAL)
        self.receive_until("READY")
        self.assertRegex(s.stderr(), f"{name}: .*; no signs of life are sent to systemd")
        s.stop()
        self.receive_until("STOPPING")
        self.assertEqual([], [t for t in self.drain() if "WATCHDOG" in t])


class PassedIn(harness.SystemTest):
    """A listening control socket that somebody else has opened."""

    def make(self, path=None, kind=socket.SOCK_STREAM, listen=True, mode=0o640):
        """A supervisord that was not started yet, and a socket at path in its directory."""
        s = self.supervisor(service("web", py(LOOK + "import time; time.sleep(100000)")),
                            start=False)
        os.mkdir(s.runtime_dir)
        os.chmod(s.runtime_dir, 0o755)
        path = path or s.socket_path
        path = path.replace("@DIR@", s.dir)
        sock = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(sock.close)
        sock.bind("\0" + path[1:] if path[0] == "@" else path)
        if path[0] != "@":
            os.chmod(path, mode)
        if listen:
            sock.listen(16)
        return s, sock, path

    def start(self, s, *socks, **env):
        pass_in(s, [k.fileno() for k in socks],
                **{"LISTEN_PID": "@PID@", "LISTEN_FDS": str(len(socks))} | env)
        s.start()

    def stop_and_find_it_untouched(self, s, path, before):
        s.stop()
        after = os.stat(path)
        self.assertEqual((before.st_ino, before.st_mode), (after.st_ino, after.st_mode))
        os.unlink(path)  # as who has made it would

    def test_it_is_used_also_after_an_engine_was_killed_and_stays_at_the_end(self):
        s, sock, path = self.make()
        before = os.stat(path)
        self.start(s, sock)
        self.assertIn(f"using the control socket that was passed in, {path}\n", s.stderr())
        self.assertTrue(s.varlink("Version")["socket_passed"])
        s.kill_engine()
        s.kill_engine()
        self.assertEqual("running", s.status("web")["state"])
        self.assertEqual(0o640, stat.S_IMODE(os.stat(path).st_mode))
        self.stop_and_find_it_untouched(s, path, before)

    def test_a_service_sees_neither_the_socket_nor_the_variables(self):
        s, sock, path = self.make()
        self.start(s, sock, LISTEN_FDNAMES="control", LISTEN_PIDFDID="12")
        self.assertEqual("[] ['0', '1', '2'] 4 end\n", s.wait_log("web", "end\n"))
        s.stop()
        os.unlink(path)

    def test_one_that_is_bound_elsewhere_is_told_and_reached_there(self):
        s, sock, path = self.make("@DIR@/elsewhere")
        before = os.stat(path)
        pass_in(s, [sock.fileno()], LISTEN_PID="@PID@", LISTEN_FDS="1")
        s.start(ready=False)
        s.wait_stderr(f"it needs -s {path}\n")
        s.wait_stderr("looking after 1 service")
        done = subprocess.run([s.supctl, "-s", path, "version"], env=s.env, capture_output=True,
                              text=True, check=True)
        self.assertIn(str(s.pid), done.stdout)
        self.assertFalse(os.path.exists(s.socket_path))
        self.stop_and_find_it_untouched(s, path, before)

    def test_shutdown_does_not_connect_again_which_would_start_another_one(self):
        s, sock, path = self.make()
        self.start(s, sock)
        s.ok("shutdown")
        self.assertIsNotNone(s.process.poll(), "it has waited for the process")
        sock.setblocking(False)
        with self.assertRaises(BlockingIOError):
            sock.accept()
        os.unlink(path)

    def refused(self, s, *said):
        """It is refused, the reason told in one line, and supervisord has a socket of its own."""
        lines = [l for l in s.stderr().splitlines() if "passed in" in l]
        self.assertEqual(1, len(lines), s.stderr())
        for text in said:
            self.assertIn(text, lines[0])
        self.assertFalse(s.varlink("Version")["socket_passed"])
        s.kill_engine()
        self.assertEqual(1, s.stderr().count("passed in"), "not judged again")
        s.stop()
        self.assertFalse(os.path.exists(s.socket_path))

    def test_another_name_than_control_is_refused_and_closed(self):
        s, sock, path = self.make("@DIR@/elsewhere")
        self.start(s, sock, LISTEN_FDNAMES="http")
        sock.close()

        def is_closed():
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(path) == errno.ECONNREFUSED
        wait_until(is_closed, "launcher and engine have closed it")
        self.refused(s, "'http'", "only 'control' would be known")

    def test_more_than_one_are_refused_and_closed(self):
        s, sock, path = self.make("@DIR@/elsewhere")
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(f"{s.dir}/other")
        other.listen()
        self.start(s, sock, other, LISTEN_FDNAMES="control:other")
        for listener, at in ((sock, path), (other, f"{s.dir}/other")):
            listener.close()
            with self.assertRaises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as client:
                client.connect(at)
        self.refused(s, "more than one")

    def test_what_is_no_listening_unix_stream_socket_is_refused(self):
        tcp = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(tcp.close)
        null = open("/dev/null", encoding="ascii")
        self.addCleanup(null.close)
        cases = (("@DIR@/a", socket.SOCK_DGRAM, False, None), ("@DIR@/b", socket.SOCK_STREAM, False, None),
                 ("@DIR@/c", socket.SOCK_SEQPACKET, True, None), ("@DIR@/d", socket.SOCK_STREAM, True, tcp),
                 ("@DIR@/e", socket.SOCK_STREAM, True, null))
        for path, kind, listen, instead in cases:
            with self.subTest(path):
                s, sock, _ = self.make(path, kind, listen)
                self.start(s, instead or sock)
                self.refused(s, "no listening Unix stream socket")

    def test_an_abstract_one_is_refused(self):
        s, sock, _ = self.make("@" + secrets.token_hex(16))
        self.start(s, sock)
        self.refused(s, "has no path")

    def test_a_descriptor_that_is_not_there_is_told(self):
        s, _, _ = self.make("@DIR@/elsewhere")
        self.start(s, LISTEN_FDS="1")
        self.refused(s, "Bad file descriptor")

    def test_what_is_meant_for_another_process_is_closed_without_a_word(self):
        for pid, n in (("1", "1"), ("@PID@ ", "1"), ("@PID@", "1x"), ("@PID@", "-1"),
                       ("@PID@", "9" * 30), ("@PID@", "0"), ("", "1")):
            with self.subTest((pid, n)):
                s, sock, path = self.make("@DIR@/elsewhere")
                self.start(s, sock, LISTEN_PID=pid, LISTEN_FDS=n)
                self.assertNotIn("passed in", s.stderr())
                self.assertFalse(s.varlink("Version")["socket_passed"])
                sock.close()
                with self.assertRaises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as c:
                    c.connect(path)
                s.stop()

    @unittest.skipUnless(shutil.which("systemd-socket-activate"), "no systemd-socket-activate")
    def test_systemd_s_own_program_activates_it(self):
        s = self.supervisor(service("web", harness.SLEEP), start=False)
        os.mkdir(s.runtime_dir)
        os.chmod(s.runtime_dir, 0o755)
        path = f"{s.dir}/activate"
        with open(path, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec systemd-socket-activate --fdname=control '
                    f'-l {s.socket_path} -E HARNESS_MARK -E PATH {s.supervisord} "$@"\n')
        os.chmod(path, 0o755)
        s.supervisord = path
        s.start()  # what asks first activates it
        self.assertTrue(s.varlink("Version")["socket_passed"])
        s.kill_engine()
        self.assertEqual("running", s.wait_state("web", "running")["state"])
        s.stop()
        os.unlink(s.socket_path)


if __name__ == "__main__":
    harness.main()
