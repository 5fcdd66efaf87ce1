"""type = "forking": daemons that detach themselves, and what their pid-file may say."""

import os
import signal
import time
import unittest

import harness
from harness import NOBODY, SLEEP, is_alive, py, quote, service, stat_of, wait_until

# Forks twice, as daemons do, writes its pid-file, and says what it gets. WAIT: a file to wait for
# before the pid-file is written; PIDFILE: another text for it.
DAEMON = """
import os, signal, sys, time
def note(text):
    os.write(1, (text + "\\n").encode())
if os.fork():
    os._exit(int(os.environ.get("FIRST", "0")))
os.setsid()
for _ in range(int(os.environ.get("CHAIN", "0"))):
    if os.fork():
        os._exit(0)
if os.fork():
    if "MIDDLE" in os.environ:
        while not os.path.exists(os.environ["MIDDLE"]):
            time.sleep(0.02)
    os._exit(0)
signal.signal(signal.SIGTERM, lambda *_: (note("TERM"), os._exit(int(os.environ.get("CODE", "0")))))
signal.signal(signal.SIGHUP, lambda *_: note("HUP"))
while "WAIT" in os.environ and not os.path.exists(os.environ["WAIT"]):
    time.sleep(0.02)
if "NOFILE" not in os.environ:
    with open("@DIR@/tmp", "w") as f:
        f.write(os.environ.get("PIDFILE", f"{os.getpid()}\\n"))
    os.rename("@DIR@/tmp", "@DIR@/pid")
note(f"daemon {os.getpid()}")
while True:
    signal.pause()
"""


def daemon(name="d", *keys, **environment):
    env = ", ".join(quote(f"{k}={v}") for k, v in environment.items())
    return service(name, py(DAEMON), 'type = "forking"', 'pid-file = "@DIR@/pid"',
                   f"environment = {{{env}}}", *keys)


class DaemonTest(harness.SystemTest):
    def pid_of(self, s, n=1):
        """The pid of the n-th daemon, as it says itself."""
        def told():
            lines = [l for l in s.read_log("d").splitlines() if l.startswith("daemon")]
            return len(lines) >= n and int(lines[n - 1].split()[1])
        return wait_until(told, f"daemon {n} has begun")


class Forking(DaemonTest):
    def test_the_daemon_is_the_main_process(self):
        s = self.supervisor(daemon())
        row = s.wait_state("d", "running")
        self.assertEqual(row["pid"], self.pid_of(s))
        self.assertEqual([p["pid"] for p in s.show("d")["processes"]], [row["pid"]])
        s.ok("reload", "d")
        s.wait_log("d", "HUP\n")
        self.assertEqual(s.ok("stop", "d"), "d: stopped\n")
        self.assertIn("TERM\n", s.read_log("d"))
        self.assertFalse(is_alive(row["pid"]))

    def test_it_is_starting_until_the_pid_file_is_there(self):
        s = self.supervisor(daemon(WAIT="@DIR@/go"))
        first = wait_until(lambda: s.show("d")["processes"], "it has forked")
        self.assertTrue(first)
        row = s.status("d")
        self.assertEqual((row["state"], row["ready"]), ("starting", False))
        s.flag("go")
        self.assertEqual(s.wait_state("d", "running")["pid"], self.pid_of(s))

    def test_its_exit_code_is_learned_and_it_is_started_again(self):
        s = self.supervisor(daemon("d", "restart-delay = 10ms", CODE="7"))
        pid = s.wait_state("d", "running")["pid"]
        os.kill(pid, signal.SIGTERM)
        row = s.wait_service("d", lambda r: r["state"] == "running" and r["pid"] != pid,
                             "it runs again")
        self.assertEqual((row["restarts"], row["exit_code"]), (1, 7))
        self.assertEqual(row["pid"], self.pid_of(s, 2))
        self.assertEqual(s.show("d")["exits"][0]["how"], "exited with code 7")

    def test_one_that_is_killed_is_started_again(self):
        s = self.supervisor(daemon("d", "restart-delay = 10ms"))
        pid = s.wait_state("d", "running")["pid"]
        os.kill(pid, signal.SIGKILL)
        row = s.wait_service("d", lambda r: r["state"] == "running" and r["pid"] != pid,
                             "it runs again")
        self.assertEqual((row["restarts"], row["exit_signal"]), (1, "KILL"))

    def test_a_first_process_that_fails_fails_the_start(self):
        s = self.supervisor(daemon("d", 'restart = "never"', FIRST="3"))
        row = s.wait_state("d", "failed")
        self.assertEqual(row["exit_code"], 3)
        self.assertEqual(s.show("d")["processes"], [])

    def test_a_first_process_that_leaves_nothing_fails_the_start(self):
        s = self.supervisor(service("d", ["/bin/true"], 'type = "forking"', 'restart = "never"',
                                    'pid-file = "@DIR@/pid"'))
        self.assertIn("main process", s.wait_state("d", "failed")["reason"])

    def test_without_a_pid_file_the_start_times_out(self):
        s = self.supervisor(daemon("d", 'restart = "never"', "ready { timeout = 500ms }", NOFILE="1"))
        self.assertIn("not ready within 500ms", s.wait_state("d", "failed")["reason"])
        s.wait_stderr(f"service 'd': its pid-file {s.dir}/pid: No such file or directory")
        self.assertEqual(s.show("d")["processes"], [])

    def test_a_stop_during_the_start_ends_what_has_forked(self):
        s = self.supervisor(daemon(WAIT="@DIR@/go"))
        pids = wait_until(lambda: [p["pid"] for p in s.show("d")["processes"]], "it has forked")
        s.ok("stop", "d")
        self.assertFalse([p for p in pids if is_alive(p)])

    def test_one_whose_parent_stays_for_a_while(self):
        s = self.supervisor(daemon(MIDDLE="@DIR@/go"))
        pid = self.pid_of(s)
        s.flag("go")
        self.assertEqual(s.wait_state("d", "running")["pid"], pid)

    def test_a_stale_file_is_not_believed(self):
        def prepare(s):
            with open(f"{s.dir}/pid", "w", encoding="utf-8") as f:
                f.write("999999999\n")
        s = self.supervisor(daemon(WAIT="@DIR@/go"), prepare=prepare)
        s.wait_stderr("names process 999999999, which does not run; looking again")
        s.flag("go")
        self.assertEqual(s.wait_state("d", "running")["pid"], self.pid_of(s))
        self.assertEqual(s.stderr().count("999999999"), 1)


    def test_no_link_of_a_chain_of_forks_is_missed(self):
        s = self.supervisor(daemon(CHAIN="30"))
        for n in range(1, 16):
            self.assertEqual(s.wait_state("d", "running")["pid"], self.pid_of(s, n))
            s.ok("restart", "d")
        self.assertEqual(s.status("d")["restarts"], 0)
        self.assertNotIn("left no main process", s.stderr())

    def test_nothing_is_watched_once_it_runs(self):
        s = self.supervisor(daemon())
        s.wait_state("d", "running")
        fds = f"/proc/{s.engine_pid()}/fd"
        # That of the main process is held, for a launcher to come, and not waited for.
        wait_until(lambda: len([fd for fd in os.listdir(fds)
                                if "pidfd" in os.readlink(f"{fds}/{fd}")]) == 1, "one is open")


class Refused(harness.SystemTest):
    def refused(self, why, config, **kw):
        s = self.supervisor(config, **kw)
        s.wait_stderr(f"service 'd': its pid-file {s.dir}/pid {why}")
        self.assertEqual(s.wait_state("d", "failed")["state"], "failed")
        self.assertEqual(s.stderr().count("its pid-file"), 1, s.stderr())
        return s

    def short(self, *keys, **environment):
        return daemon("d", 'restart = "never"', "ready { timeout = 1500ms }", *keys, **environment)

    def test_a_stranger(self):
        stranger = os.getpid()
        self.refused(f"names process {stranger}, which is none of its processes",
                     self.short(PIDFILE=stranger))

    def test_a_process_of_another_service(self):
        s = self.supervisor(service("other", SLEEP) + self.short("autostart = false").replace(
            "environment = {}", 'environment = {"PIDFILE=@OTHER@"}'))
        pid = s.wait_state("other", "running")["pid"]
        with open(s.config_path, encoding="utf-8") as f:
            config = f.read().replace("@OTHER@", str(pid))
        with open(s.config_path, "w", encoding="utf-8") as f:
            f.write(config)
        s.ok("apply")
        s.ctl("start", "d")
        s.wait_stderr(f"names process {pid}, which is none of its processes")
        self.assertEqual(s.status("other")["pid"], pid)
        self.assertTrue(is_alive(pid))

    def test_supervisord_itself(self):
        s = self.supervisor(self.short("autostart = false", NOFILE="1"))
        with open(f"{s.dir}/pid", "w", encoding="utf-8") as f:
            f.write(str(s.pid))
        s.ctl("start", "d")
        s.wait_stderr(f"names process {s.pid}, which is supervisord's own")

    def test_what_is_no_number(self):
        self.refused("holds no process ID", self.short(PIDFILE="none"))

    def test_a_link_and_a_fifo(self):
        def link(s):
            with open(f"{s.dir}/elsewhere", "w", encoding="utf-8") as f:
                f.write("1\n")
            os.symlink("elsewhere", f"{s.dir}/pid")
        self.refused("is a symbolic link", self.short(NOFILE="1"), prepare=link)
        self.refused("is no regular file", self.short(NOFILE="1"),
                     prepare=lambda s: os.mkfifo(f"{s.dir}/pid"))

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_a_file_of_somebody_else(self):
        def prepare(s):
            with open(f"{s.dir}/pid", "w", encoding="utf-8") as f:
                f.write("1\n")
            os.chown(f"{s.dir}/pid", NOBODY, NOBODY)
        self.refused(f"belongs to uid {NOBODY}, neither root nor its user", self.short(NOFILE="1"),
                     prepare=prepare)

    def test_a_command_that_is_run_beside_it(self):
        notifier = """
import os, socket, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendto(f"MAINPID={os.getpid()}".encode(), os.environ["NOTIFY"])
time.sleep(100000)
"""
        words = ", ".join(map(quote, py(notifier)))
        s = self.supervisor(service("d", py("""
import os, socket, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(100000)
"""), 'ready { on = "notify" }', 'environment = {"NOTIFY=@DIR@/run/notify"}', f"reload {{ command = {{{words}}} }}"))
        main = s.wait_state("d", "running")["pid"]
        s.ctl_start("reload", "d")
        s.wait_stderr("as its main one, which is that of a command that is run beside it; ignored")
        self.assertEqual(s.status("d")["pid"], main)


class EngineDies(DaemonTest):
    def test_while_the_daemon_runs(self):
        s = self.supervisor(daemon("d", "restart-delay = 10ms", CODE="5"))
        pid = s.wait_state("d", "running")["pid"]
        s.kill_engine()
        self.assertEqual(s.status("d")["pid"], pid)
        s.kill_engine()
        os.kill(pid, signal.SIGTERM)
        row = s.wait_service("d", lambda r: r["state"] == "running" and r["pid"] != pid,
                             "it runs again")
        self.assertEqual((row["exit_code"], row["restarts"]), (5, 1))

    def test_while_the_pid_file_is_waited_for(self):
        s = self.supervisor(daemon(WAIT="@DIR@/go"))
        wait_until(lambda: s.show("d")["processes"], "it has forked")
        s.kill_engine()
        s.flag("go")
        row = s.wait_state("d", "running")
        self.assertEqual((row["pid"], row["restarts"]), (self.pid_of(s), 0))
        s.ok("stop", "d")
        self.assertIn("TERM\n", s.read_log("d"))

    def test_while_there_is_none_the_daemon_ends(self):
        s = self.supervisor(daemon("d", 'restart = "never"', CODE="9"))
        pid = s.wait_state("d", "running")["pid"]
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: stat_of(pid) is None, "it is reaped")
        os.kill(engine, signal.SIGKILL)
        self.assertEqual(s.wait_state("d", "failed")["exit_code"], 9)

    def test_at_any_moment_of_a_start(self):
        s = self.supervisor(daemon("d", "restart-delay = 10ms"))
        s.wait_state("d", "running")
        for n in range(10):
            p = s.ctl_start("restart", "d")
            time.sleep(n * 0.015)  # the moment is what varies; nothing waits for it
            s.kill_engine()
            self.assertEqual(p.wait(harness.DEADLINE), 0)
            row = s.wait_state("d", "running")
            self.assertEqual([x["pid"] for x in s.show("d")["processes"]], [row["pid"]])
        self.assertEqual(row["restarts"], 0)


class AsUser:
    """The same where there are no cgroups to write to."""

    def supervisor(self, config, **kw):
        return super().supervisor(config, user=NOBODY, **kw)


@unittest.skipIf(os.geteuid() != 0, "needs another user")
class ForkingAsUser(AsUser, Forking):
    pass


@unittest.skipIf(os.geteuid() != 0, "needs another user")
class EngineDiesAsUser(AsUser, EngineDies):
    pass


if __name__ == "__main__":
    harness.main()
