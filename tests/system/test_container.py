"""supervisord as PID 1: the first process of a pid namespace, with what containers lack."""

import os
import re
import signal
import subprocess
import unittest

import harness
from harness import (NOBODY, PYTHON, SLEEP, children, py, service, sh, stat_of,
                     status_field, wait_until)

INHERIT = 'log { file = "inherit" }'
PREFIX = re.compile(rb"\[([\w@.-]+)\] (.*)\n")

# A service whose shell has set its trap when it prints "ready".
POLITE = sh("trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.01; done")

# Makes N orphans: each forks twice, and the middle one ends at once. Prints "made".
ORPHANS = ("import os,time\n"
           "for i in range(%d):\n"
           "    if os.fork() == 0:\n"
           "        for k in range(%d):\n"
           "            if os.fork() == 0:\n"
           "                os._exit(0)\n"
           "        os._exit(0)\n"
           "    os.wait()\n"
           "print('made', flush=True)\n"
           "time.sleep(100000)\n")


def can_unshare(*flags):
    return subprocess.run(["unshare", *flags, "--pid", "--mount", "--ipc", "--fork", "--mount-proc",
                           "mount", "-t", "tmpfs", "tmpfs", "/tmp"],
                          capture_output=True, check=False).returncode == 0


def has_sanitizer():
    with open(harness.program("SUPERVISORD"), "rb") as f:
        return b"__asan_init" in f.read()


AS_ROOT = os.geteuid() == 0 and can_unshare()
IN_USERNS = can_unshare("--user", "--map-root-user")


class Container(harness.Supervisor):
    """A supervisord that is PID 1 of namespaces of its own: pid, mount, ipc, perhaps user.

    prepare_lines: what a shell does in there as root before it becomes supervisord.
    wrap: a command in front of supervisord, such as setpriv.
    """

    def __init__(self, config, *, user_ns=False, lines=(), wrap=(), **kw):
        super().__init__(config, **kw)
        self.user_ns, self.lines, self.wrap = user_ns, lines, wrap
        self.inner = None
        self.stdio = {}
        # The runtime directory is a mount of its own, which stays writable.
        os.makedirs(self.runtime_dir)
        if self.user is not None:
            os.chown(self.runtime_dir, self.user, self.user)

    def start(self, ready=True, args=None):
        flags = ["--user", "--map-root-user"] if self.user_ns else []
        script = "\n".join(["set -e", *self.lines, 'exec "$@"']).replace("@DIR@", self.dir)
        with open(f"{self.dir}/stderr", "ab") as err, open(f"{self.dir}/stdout", "ab") as out:
            stdio = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err} | self.stdio
            self.process = subprocess.Popen(
                ["unshare", *flags, "--pid", "--mount", "--ipc", "--fork", "--mount-proc",
                 "--kill-child", "--", "/bin/sh", "-c", script, "sh", *self.wrap,
                 self.supervisord, *(["-c", self.config_path] if args is None else args)],
                env=self.env, cwd=self.dir, start_new_session=True, preexec_fn=self.before_exec,
                **stdio)
        self.inner = wait_until(self.find_inner, "PID 1 of the namespace is there")
        if ready:
            wait_until(self.answers, "supervisord answers on its control socket")
            self.sample()

    def before_exec(self):
        harness.LIBC.prctl(harness.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if self.preexec:
            self.preexec()

    def find_inner(self):
        if self.process.poll() is not None:
            return self.process.pid
        below = children().get(self.process.pid, [])
        return below[0] if below else None

    @property
    def pid(self):
        return self.inner or self.process.pid

    def inside(self, pid):
        """The pid that a process has in there."""
        return int(status_field(pid, "NSpid").split()[-1])

    def zombies(self):
        return [p for p in children().get(self.pid, [])
                if (fields := stat_of(p)) and fields[0] == b"Z"]

    def lines_of(self, text):
        return [l for l in self.stderr().splitlines() if text in l]


class ContainerTest(harness.SystemTest):
    user_ns = False

    def container(self, config, *, start=True, **kw):
        s = Container(config, user_ns=self.user_ns, **kw)
        self.supervisors.append(s)
        self.addCleanup(self.finish, s)
        if start:
            s.start()
        return s

    def ends(self, s, code, deadline=harness.DEADLINE):
        self.assertEqual(code, s.wait_exit(deadline), s.stderr()[-2000:])
        self.assertEqual([], s.leftovers())

    # --- what a first process has to do

    def test_it_is_the_first_process_and_services_are_its_children(self):
        s = self.container(service("web", SLEEP))
        web = s.wait_state("web", "running")["pid"]
        self.assertEqual(1, s.inside(s.pid))
        self.assertIn(web, [s.inside(p) for p in children()[s.pid]])
        self.assertEqual(0, s.ctl("status", "web")[0])

    def test_thousands_of_orphans_are_reaped_and_services_go_on(self):
        s = self.container(service("web", SLEEP)
                           + service("bad", [PYTHON, "-c", ORPHANS % (300, 10)]))
        s.wait_log("bad", "made", deadline=60)
        wait_until(lambda: len(children()[s.pid]) == 3,
                   "all are reaped but the engine and two services")
        s.stop()

    def test_an_orphan_that_outlives_its_service_is_ended_with_it_or_reaped(self):
        s = self.container(service("bad", sh("(setsid sleep 100000 & echo $! >@DIR@/orphan); "
                                             "echo made; exec sleep 100000")))
        s.wait_log("bad", "made")
        wait_until(lambda: len(children()[s.pid]) == 3, "it is a child of the first process")
        s.ok("stop", "bad")
        wait_until(lambda: children()[s.pid] == [s.engine_pid()], "it is gone, and no zombie")

    def test_term_int_and_quit_end_everything_and_it_exits_with_zero(self):
        for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            with self.subTest(signo.name):
                s = self.container(service("web", POLITE) + service("db", POLITE))
                s.wait_log("web", "ready")
                s.wait_log("db", "ready")
                s.stop(signo=signo)
                self.assertEqual([], s.leftovers())
                if signo != signal.SIGQUIT:
                    self.assertIn("asked", s.read_log("web"))
                    self.assertIn("asked", s.read_log("db"))
                self.assertEqual([], os.listdir(s.runtime_dir))

    def test_signals_from_within_reach_it_though_it_is_the_first_process(self):
        s = self.container(service("killer", sh("read -r go <@DIR@/fifo; kill -TERM 1; "
                                                "exec sleep 100000")),
                           prepare=lambda s: os.mkfifo(f"{s.dir}/fifo"))
        s.wait_state("killer", "running")
        with open(f"{s.dir}/fifo", "w", encoding="ascii") as f:
            f.write("go\n")
        self.ends(s, 0)

    def test_usr1_usr2_and_hup_do_their_work(self):
        s = self.container(service("web", sh("echo one; read -r go <@DIR@/fifo; echo two; "
                                             "exec sleep 100000")),
                           prepare=lambda s: os.mkfifo(f"{s.dir}/fifo"))
        s.wait_log("web", "one")
        os.rename(s.log_path("web"), f"{s.log_dir}/old")
        s.signal(signal.SIGUSR2)
        s.wait_stderr("log files reopened")
        with open(f"{s.dir}/fifo", "w", encoding="ascii") as f:
            f.write("go\n")
        s.wait_log("web", "two")
        s.signal(signal.SIGHUP)
        s.wait_stderr("signal HUP")
        # In its own IPC namespace there is one queue; a look at it from within.
        s.signal(signal.SIGUSR1)

        def snapshot():
            done = subprocess.run(["nsenter", "-t", str(s.pid), "-i", "-m",
                                   *(["-U", "--preserve-credentials"] if s.user_ns else []),
                                   s.supctl, "-s", s.socket_path, "--json", "queue", "--peek"],
                                  capture_output=True, text=True, check=False, env=s.env)
            return "snapshot" in done.stdout or '"previous":null' in done.stdout.replace(" ", "")
        wait_until(snapshot, "a snapshot is on the queue")
        s.stop()

    def test_a_killed_engine_is_survived(self):
        s = self.container(service("web", SLEEP))
        web = s.wait_state("web", "running")
        for _ in range(3):
            s.kill_engine()
        self.assertEqual((web["pid"], 0), tuple(s.wait_state("web", "running")[k]
                                                for k in ("pid", "restarts")))
        wait_until(lambda: not s.zombies(), "the engines are reaped")
        s.stop()

    def test_a_service_that_kills_all_it_can_reach_ends_nothing_for_good(self):
        s = self.container(service("web", SLEEP, 'restart = "always"')
                           + service("killer", py("import os; os.kill(-1, 9)"), 'restart = "never"',
                                     "autostart = false"))
        web, engine = s.wait_state("web", "running")["pid"], s.wait_engine()
        s.ctl("start", "--no-wait", "killer")
        s.wait_engine(other_than=engine)
        again = s.wait_service("web", lambda r: r["state"] == "running" and r["pid"] != web,
                               "it runs again")
        self.assertEqual(1, again["restarts"])
        self.assertNotEqual("failed", s.wait_state("killer", "exited")["state"])
        s.stop()

    def test_the_exit_status_of_an_essential_service_is_the_containers(self):
        for command, want in ((sh("exit 3"), 3), (sh("exit 0"), 0), (sh("kill -KILL $$"), 137),
                              (["/nonexistent"], 127)):
            with self.subTest(command):
                s = self.container(service("main", command, "essential = true",
                                           'restart = "never"') + service("web", SLEEP),
                                   start=False)
                s.start(ready=False)
                self.ends(s, want)

    # --- standard output

    def test_lines_of_all_services_are_whole_prefixed_and_complete_on_standard_output(self):
        script = "import os\nfor i in range(2000): os.write(1, b'x' * (i %% 300) + b' %s\\n')\n"
        names = ["a", "b", "c"]
        s = self.container("".join(service(n, py(script % n), INHERIT, 'restart = "never"')
                                   for n in names)
                           + service("last", sh("printf 'no newline'"), INHERIT))
        for name in [*names, "last"]:
            s.wait_state(name, "exited")
        s.stop()
        with open(f"{s.dir}/stdout", "rb") as f:
            lines = f.read().splitlines(keepends=True)
        found = {}
        for line in lines:
            match = PREFIX.fullmatch(line)
            self.assertTrue(match, line)
            found.setdefault(match[1].decode(), []).append(match[2])
        for name in names:
            self.assertEqual([b"x" * (i % 300) + f" {name}".encode() for i in range(2000)],
                             found[name])
        self.assertEqual([b"no newline"], found["last"])

    def test_last_words_reach_standard_output_before_it_exits(self):
        s = self.container(service("main", sh("printf 'I am done'; exit 3"), INHERIT,
                                   "essential = true", 'restart = "never"', "autostart = false")
                           + service("web", sh("trap 'printf farewell; exit 0' TERM; echo ready; "
                                               "while :; do sleep 0.01; done"), INHERIT,
                                     'stop { kill = "process" }'))
        wait_until(lambda: "[web] ready\n" in s.stdout(), "it is ready")
        s.ctl("start", "main")
        self.ends(s, 3)
        self.assertEqual("[web] ready\n[main] I am done\n[web] farewell\n", s.stdout())

    def unread(self, **kw):
        """One whose standard output is a pipe that nobody reads, and that is full."""
        r, w = os.pipe()
        self.addCleanup(os.close, r)
        try:
            s = self.container(service("loud", py("while True: print('x' * 1000)"), INHERIT)
                               + service("web", SLEEP), start=False, **kw)
            s.stdio = {"stdout": w}
            s.start()
        finally:
            os.close(w)
        s.wait_stderr("is too slow; dropping")
        return s

    def test_a_standard_output_that_nobody_reads_blocks_nothing(self):
        s = self.unread()
        s.ok("restart", "web")
        s.ok("stop", "loud")
        s.stop()

    @unittest.skipIf(has_sanitizer(), "sanitizers need /proc")
    def test_nor_does_one_that_cannot_be_opened_anew_for_want_of_proc(self):
        s = self.unread(lines=self.NO_PROC)
        s.ok("restart", "web")
        s.ok("stop", "loud")
        s.stop()

    def test_a_standard_output_that_was_closed_blocks_and_ends_nothing(self):
        r, w = os.pipe()
        try:
            s = self.container(service("loud", sh("while :; do echo x; sleep 0.01; done"), INHERIT)
                               + service("web", SLEEP), start=False)
            s.stdio = {"stdout": w}
            s.start()
            self.assertEqual(b"[loud] x\n", os.read(r, 9))
        finally:
            os.close(w)
            os.close(r)
        s.wait_stderr("Broken pipe; trying again")
        s.ok("restart", "web")
        self.assertEqual("running", s.status("loud")["state"])
        s.stop()

    # --- how it is started

    def test_it_starts_with_no_descriptor_open_at_all(self):
        for which in ("<&-", "<&- >&-", "<&- >&- 2>&-", ">&-"):
            with self.subTest(which):
                s = self.container(service("web", sh("echo to log; exec sleep 100000"))
                                   + service("loud", sh("echo to stdout; exec sleep 100000"),
                                             INHERIT), lines=(f"exec {which}",))
                web = s.wait_state("web", "running")["pid"]
                s.wait_state("loud", "running")
                s.wait_log("web", "to log\n")
                inner = next(p for p in children()[s.pid] if s.inside(p) == web)
                # While sleep loads its libraries it has them open; what we left open stays.
                wait_until(lambda: {"0", "1", "2"} == set(os.listdir(f"/proc/{inner}/fd")),
                           "no descriptor is open but those three")
                self.assertEqual("/dev/null", os.readlink(f"/proc/{inner}/fd/0"))
                s.kill_engine()
                s.stop()

    def test_a_blocked_mask_and_ignored_signals_are_undone(self):
        def spoil():
            for signo in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR1):
                signal.signal(signo, signal.SIG_IGN)
        block = ["import os,signal,sys; signal.pthread_sigmask(signal.SIG_BLOCK, "
                 "set(signal.Signals)); os.execv(sys.argv[1], sys.argv[1:])"]
        s = self.container(service("web", SLEEP)
                           + service("bad", sh("exit 3"), 'restart = "never"'),
                           wrap=(PYTHON, "-c", *block), start=False)
        s.preexec = spoil
        s.start()
        self.assertEqual(3, s.wait_state("bad", "failed")["exit_code"])
        web = s.wait_state("web", "running")["pid"]
        inner = next(p for p in children()[s.pid] if s.inside(p) == web)
        wait_until(lambda: harness.command_of(inner).startswith("/bin/sleep"), "it has executed")
        for key in ("SigBlk", "SigIgn"):
            self.assertEqual(0, int(status_field(inner, key), 16), key)
        s.stop()

    # --- what is missing

    NO_CGROUPS = ("umount -l -R /sys/fs/cgroup || mount -t tmpfs tmpfs /sys",)
    NO_PROC = ("umount -l /proc", "mount -t tmpfs tmpfs /proc")
    READ_ONLY = ("mount --bind @DIR@/run @DIR@/run", "mount -o remount,bind,ro /")

    def test_on_a_read_only_root_it_runs_and_says_once_what_is_missing(self):
        s = self.container(service("web", sh("echo hello; exec sleep 100000"))
                           + service("loud", sh("echo hello; exec sleep 100000"), INHERIT),
                           lines=self.READ_ONLY)
        s.wait_state("web", "running")
        s.wait_stderr("dropping its output")
        wait_until(lambda: s.show("web")["log"]["dropped_bytes"] == 6, "it is counted")
        self.assertEqual(6, s.show("web")["log"]["dropped_bytes"])
        for text in (s.state_dir + ": Read-only", s.log_dir + ": Read-only",
                     s.log_path("web") + ": "):
            self.assertEqual(1, len(s.lines_of(text)), text)
        s.kill_engine()
        s.stop()
        self.assertIn("[loud] hello\n", s.stdout())

    def test_a_read_only_runtime_directory_is_a_clear_error(self):
        s = self.container(service("web", SLEEP), lines=self.READ_ONLY[1:], start=False)
        s.start(ready=False)
        self.assertEqual(1, s.wait_exit())
        self.assertRegex(s.stderr(), f"cannot lock {s.runtime_dir}: Read-only file system")

    def test_a_runtime_directory_that_cannot_be_made_is_a_clear_error(self):
        s = self.container(service("web", SLEEP), lines=self.READ_ONLY[1:], start=False)
        os.rmdir(s.runtime_dir)
        s.start(ready=False)
        self.assertEqual(1, s.wait_exit())
        self.assertRegex(s.stderr(), f"cannot use the directory {s.runtime_dir}: Read-only file")

    @unittest.skipIf(has_sanitizer(), "sanitizers need /proc")
    def test_without_proc_services_run_stop_and_are_started_again(self):
        s = self.container(service("web", sh("sleep 100000 & wait"))
                           + service("other", SLEEP, "oom-score-adj = 100")
                           + service("bad", sh("exit 3"), "restart-limit = 1",
                                     "restart-delay = 1ms"),
                           lines=self.NO_PROC)
        self.assertEqual(3, s.wait_state("bad", "failed")["exit_code"])
        s.wait_state("web", "running")
        s.wait_state("other", "running")
        wait_until(lambda: len(harness.descendants(s.pid)) == 4, "the shell has a child")
        s.ok("restart", "web")
        wait_until(lambda: len(harness.descendants(s.pid)) == 4, "the group of the first has ended")
        s.kill_engine()
        s.wait_state("web", "running")
        s.ok("stop", "web")
        self.assertEqual(1, len(s.lines_of("no /proc")))
        self.assertEqual(1, len(s.lines_of("cannot set oom-score-adj")))
        s.stop()

    @unittest.skipIf(has_sanitizer(), "sanitizers need /proc")
    def test_the_proc_of_another_namespace_is_not_believed(self):
        s = self.container(service("web", SLEEP), lines=("umount -l /proc",))
        # Below the one that unshare had mounted lies that of our namespace.
        s.wait_state("web", "running")
        self.assertEqual(1, len(s.lines_of("no /proc")))
        s.ok("restart", "web")
        s.stop()

    def test_without_dev_null_services_read_an_empty_file(self):
        s = self.container(service("web", sh("cat; echo read; exec sleep 100000"))
                           + service("quiet", sh("cat; exec sleep 100000"),
                                     'log { file = "none" }'),
                           lines=("mount -t tmpfs tmpfs /dev",))
        s.wait_log("web", "read\n")
        s.wait_state("quiet", "running")
        self.assertEqual(1, len(s.lines_of("cannot open /dev/null")))
        s.kill_engine()
        s.stop()

    def test_without_cgroups_it_says_so_once(self):
        s = self.container(service("web", sh("setsid sleep 100000 & exec sleep 100000")),
                           lines=self.NO_CGROUPS)
        s.wait_state("web", "running")
        wait_until(lambda: len(harness.descendants(s.pid)) == 3, "all are there")
        self.assertEqual(1, len(s.lines_of("no cgroups")))
        s.kill_engine()
        s.ok("stop", "web")
        wait_until(lambda: len(harness.descendants(s.pid)) == 1, "only the engine is left")
        self.assertEqual(1, len(s.lines_of("no cgroups")))
        s.stop()

    def without(self, *capabilities):
        return ("setpriv", "--bounding-set", ",".join(f"-{c}" for c in capabilities), "--")

    def test_without_any_capability_services_run_and_are_ended(self):
        s = self.container(service("web", POLITE, "oom-score-adj = -500", "nice = -5")
                           + service("db", SLEEP), wrap=self.without("all"))
        s.wait_log("web", "ready")
        self.assertEqual(0, int(status_field(s.pid, "CapEff"), 16))
        s.ok("restart", "db")
        for text in ("to set nice", "to set oom-score-adj"):
            self.assertEqual(1, len(s.lines_of(text)), text)
        s.stop()
        self.assertIn("asked", s.read_log("web"))

    def test_without_the_right_to_change_ids_the_service_fails_and_says_why(self):
        s = self.container(service("web", SLEEP)
                           + service("other", SLEEP, 'user = "nobody"', "restart-limit = 1",
                                     "restart-delay = 1ms"),
                           wrap=self.without("setuid"))
        reason = s.wait_state("other", "failed")["reason"]
        self.assertRegex(reason, "cannot change to its (user|groups): Operation not permitted")
        self.assertEqual("running", s.status("web")["state"])
        s.stop()


@unittest.skipUnless(AS_ROOT, "needs root, to make a pid namespace")
class AsRoot(ContainerTest):
    def test_an_ordinary_user_can_be_the_first_process(self):
        # Whose standard output, a pipe of root, such a one can't open anew.
        s = self.unread(user=NOBODY, wrap=("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                                           "--clear-groups", "--"))
        self.assertEqual(str(NOBODY), status_field(s.pid, "Uid").split()[0])
        s.ok("restart", "web")
        s.kill_engine()
        s.ok("stop", "loud")
        s.stop()

    def test_without_the_right_to_kill_others_their_services_are_ended_all_the_same(self):
        for where, lines in (("cgroups", ()), ("no cgroups", self.NO_CGROUPS)):
            with self.subTest(where):
                s = self.container(
                    service("web", POLITE, 'user = "nobody"')
                    + service("family", sh("setsid sleep 100000 & trap '' TERM; echo ready; "
                                           "while :; do sleep 0.01; done"),
                              'user = "nobody"', "stop { timeout = 100ms }"),
                    wrap=self.without("kill"), lines=lines)
                s.wait_log("web", "ready")
                s.wait_log("family", "ready")
                s.ok("stop", "web")
                self.assertIn("asked", s.read_log("web"))
                s.ok("stop", "family")
                wait_until(lambda s=s: children()[s.pid] == [s.engine_pid()],
                           "only the engine is left")
                self.assertEqual(1, len(s.lines_of("no privilege to signal")))
                s.stop()


@unittest.skipUnless(IN_USERNS, "no user namespaces to be had")
class InUserNamespace(ContainerTest):
    user_ns = True


del ContainerTest  # not to be run by itself

if __name__ == "__main__":
    harness.main()
