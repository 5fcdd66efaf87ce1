"""A service starts in a clean room, and nothing is left lying around."""

import json
import os
import signal
import stat

import harness
from harness import SLEEP, children, py, service, sh, stat_of, wait_until

LOOK = ("import json,os\n"
        "fds = {}\n"
        "for fd in os.listdir('/proc/self/fd'):\n"
        "    try: fds[fd] = os.readlink('/proc/self/fd/' + fd)\n"
        "    except OSError: pass\n"
        "status = dict(l.split(':', 1) for l in open('/proc/self/status').read().splitlines())\n"
        "print(json.dumps({'fds': fds, 'sid': os.getsid(0), 'pgid': os.getpgid(0), 'pid': os.getpid(),\n"
        "  'ppid': os.getppid(), **{k: status[k].strip() for k in ('SigBlk', 'SigIgn', 'SigCgt')}}))\n")


class Hygiene(harness.SystemTest):
    def look(self, *lines):
        # A shell in between would reset what is to be seen; Python only ignores PIPE and XFSZ.
        s = self.supervisor(service("web", py(LOOK), *lines))
        s.wait_state("web", "exited")
        self.s = s
        return json.loads(s.wait_log("web", "}\n"))

    def test_descriptors_are_just_null_and_pipes(self):
        fds = self.look()["fds"]
        # The directory that the service reads its own descriptors from is gone by then.
        self.assertEqual({"0", "1", "2"}, set(fds))
        self.assertEqual("/dev/null", fds["0"])
        self.assertTrue(fds["1"].startswith("pipe:"))
        self.assertEqual(fds["1"], fds["2"], "one pipe for both keeps their order")

    def test_a_split_stderr_has_a_pipe_of_its_own(self):
        fds = self.look('log { stderr = "web.err" }')["fds"]
        self.assertTrue(fds["2"].startswith("pipe:"))
        self.assertNotEqual(fds["1"], fds["2"])

    def test_no_signal_is_blocked_or_ignored(self):
        s = self.supervisor(service("web", ["/bin/sleep", "100000"]))
        pid = s.wait_state("web", "running")["pid"]
        wait_until(lambda: harness.command_of(pid).startswith("/bin/sleep"), "it has executed")
        for key in ("SigBlk", "SigIgn", "SigCgt"):
            self.assertEqual(0, int(harness.status_field(pid, key), 16), key)

    def test_it_leads_its_own_session_and_group_and_is_a_child_of_the_launcher(self):
        told = self.look()
        self.assertEqual((told["pid"], told["pid"]), (told["sid"], told["pgid"]))
        self.assertEqual(self.s.pid, told["ppid"])

    def test_an_inherited_ignored_sigchld_and_a_full_mask_are_undone(self):
        def spoil():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        s = self.supervisor(service("web", sh("exit 3"), 'restart = "never"')
                            + service("other", SLEEP), start=False)
        s.preexec = spoil
        s.start()
        self.assertEqual(3, s.wait_state("web", "failed")["exit_code"])
        pid = s.wait_state("other", "running")["pid"]
        wait_until(lambda: harness.command_of(pid).startswith("/bin/sleep"), "it has executed")
        self.assertEqual(0, int(harness.status_field(pid, "SigBlk"), 16))
        self.assertEqual(0, int(harness.status_field(pid, "SigIgn"), 16))

    def test_no_zombie_is_left_by_services_and_their_orphans(self):
        s = self.supervisor(service("parent", sh("for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; "
                                                 "sleep 0.1; echo done; exec sleep 100000"))
                            + service("quick", sh("exit 0"), "instances = 20"))
        s.wait_log("parent", "done")
        for i in range(20):
            s.wait_state(f"quick@{i + 1}", "exited")

        def zombies():
            return [p for p in children().get(s.pid, []) if stat_of(p) and stat_of(p)[0] == b"Z"]
        wait_until(lambda: not zombies(), "all are reaped")

    def test_descriptors_of_launcher_and_engine_come_back_after_many_runs(self):
        s = self.supervisor(service("quick", sh("echo hello"), "autostart = false"))

        def count():
            return (len(os.listdir(f"/proc/{s.pid}/fd")),
                    len(os.listdir(f"/proc/{s.engine_pid()}/fd")))
        for _ in range(3):
            s.ok("start", "quick")
            s.wait_state("quick", "exited")
        before = count()
        for _ in range(30):
            s.ok("start", "quick")
            s.wait_state("quick", "exited")
        wait_until(lambda: all(a <= b + 1 for a, b in zip(count(), before)),
                   "no descriptor is leaked")

    def test_files_for_the_supervisor_alone_are_for_it_alone(self):
        s = self.supervisor(service("web", SLEEP))
        for name in ("recovery", "control"):
            mode = stat.S_IMODE(os.stat(f"{s.runtime_dir}/{name}").st_mode)
            self.assertEqual(0o600, mode, name)

    def test_after_term_nothing_runs_and_it_can_be_started_again(self):
        s = self.supervisor(service("web", SLEEP))
        s.wait_state("web", "running")
        s.stop()
        self.assertEqual([], s.leftovers())
        s.start()
        web = s.wait_state("web", "running")
        self.assertEqual(0, web["restarts"])

    def test_a_service_cannot_reach_the_descriptors_of_another(self):
        s = self.supervisor(service("a", SLEEP) + service("b", SLEEP))
        pipes = []
        for name in ("a", "b"):
            pid = s.wait_state(name, "running")["pid"]
            wait_until(lambda p=pid: harness.command_of(p).startswith("/bin/sleep"), "executed")
            fds = os.listdir(f"/proc/{pid}/fd")
            self.assertEqual(["0", "1", "2"], sorted(fds))
            pipes.append(os.readlink(f"/proc/{pid}/fd/1"))
        self.assertNotEqual(*pipes)

    def test_restarts_leave_no_descriptor_behind_in_launcher_or_engine(self):
        s = self.supervisor(service("web", SLEEP))

        def count():
            return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (s.pid, s.engine_pid())]

        s.ok("restart", "web")
        before = count()
        for _ in range(20):
            s.ok("restart", "web")
        wait_until(lambda: all(n <= b for n, b in zip(count(), before)), "no more are open")


if __name__ == "__main__":
    harness.main()
