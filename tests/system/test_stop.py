"""A stop is over only when the whole process tree is gone."""

import os
import signal
import time

import harness
from harness import SLEEP, command_of, is_alive, py, service, sh, stat_of, wait_until

STUBBORN = py("import signal,time\n"
              "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
              "print('ready')\n"
              "while True: time.sleep(1000)\n")

# A parent with a child in its own session, which has a child of its own that has detached twice.
FAMILY = py("import os,sys,time\n"
            "def note(n):\n"
            "    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)\n"
            "    os.write(fd, f'{n} {os.getpid()}\\n'.encode()); os.close(fd)\n"
            "def forever():\n"
            "    while True: time.sleep(1000)\n"
            "note('main')\n"
            "if os.fork() == 0:\n"
            "    os.setsid(); note('session'); forever()\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        note('daemon'); forever()\n"
            "    os._exit(0)\n"
            "os.wait()\n"
            "forever()\n")


def family(s, n=3):
    """The pids that FAMILY noted, by name."""
    def complete():
        rows = s.read(f"{s.dir}/pids").splitlines()
        return len(rows) == n and {r.split()[0]: int(r.split()[1]) for r in rows}
    return wait_until(complete, "the family is complete")


class Stop(harness.SystemTest):
    def test_what_ignores_term_is_killed_after_the_timeout(self):
        s = self.supervisor(service("web", STUBBORN, "stop { timeout = 700ms }"))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "ready")
        begin = time.monotonic()
        s.ok("stop", "web")
        self.assertGreaterEqual(time.monotonic() - begin, 0.65)
        self.assertFalse(is_alive(pid))
        web = s.status("web")
        self.assertEqual(("stopped", "KILL"), (web["state"], web["exit_signal"]))

    def test_the_stop_signal_is_configurable_and_its_exit_code_is_told(self):
        script = ("import signal,sys,time\n"
                  "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(5))\n"
                  "print('ready')\n"
                  "while True: time.sleep(1000)\n")
        s = self.supervisor(service("web", py(script), 'stop { signal = "USR1" timeout = 60s }'))
        s.wait_log("web", "ready")
        s.ok("stop", "web")
        web = s.status("web")
        self.assertEqual(("stopped", 5, None), (web["state"], web["exit_code"], web["exit_signal"]))

    def test_children_in_other_sessions_and_daemons_are_gone_too(self):
        s = self.supervisor(service("web", FAMILY + ["@DIR@/pids"]),
                            prepare=lambda s: s.flag("pids"))
        pids = family(s)
        for pid in pids.values():
            self.assertTrue(is_alive(pid))
        s.ok("stop", "web")
        self.assertEqual([], [n for n, p in pids.items() if is_alive(p)])

    def test_stubborn_grandchildren_in_other_sessions_are_killed(self):
        script = FAMILY[3].replace("note('main')",
                                   "import signal; signal.signal(15, signal.SIG_IGN); note('main')")
        s = self.supervisor(service("web", py(script) + ["@DIR@/pids"], "stop { timeout = 500ms }"),
                            prepare=lambda s: s.flag("pids"))
        pids = family(s)
        s.ok("stop", "web")
        self.assertEqual([], [n for n, p in pids.items() if is_alive(p)])

    def test_a_restart_never_overlaps_with_what_is_left_of_the_old_tree(self):
        s = self.supervisor(service("web", FAMILY + ["@DIR@/pids"]),
                            prepare=lambda s: s.flag("pids"))
        old = family(s)
        s.ok("restart", "web")
        self.assertEqual([], [n for n, p in old.items() if is_alive(p)])
        s.wait_state("web", "running")

    def test_leftovers_of_a_main_process_that_died_are_ended_before_the_next_start(self):
        s = self.supervisor(service("web", FAMILY + ["@DIR@/pids"], "restart-delay = 10ms"),
                            prepare=lambda s: s.flag("pids"))
        old = family(s)
        os.truncate(f"{s.dir}/pids", 0)
        os.kill(old["main"], signal.SIGKILL)
        new = family(s)
        self.assertEqual([], [n for n, p in old.items() if is_alive(p)])
        self.assertEqual(new["main"], s.wait_state("web", "running")["pid"])

    def signalled(self, kill):
        """Who of main, its group and its other sessions gets the stop signal."""
        script = ("import os,signal,sys,time\n"
                  "def run(name):\n"
                  "    def caught(*_):\n"
                  "        fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)\n"
                  "        os.write(fd, f'{name}\\n'.encode())\n"
                  "        os._exit(0)\n"
                  "    signal.signal(signal.SIGTERM, caught)\n"
                  "    os.write(1, f'{name} ready\\n'.encode())\n"
                  "    while True: time.sleep(1000)\n"
                  "if os.fork() == 0: run('group')\n"
                  "if os.fork() == 0: os.setsid(); run('session')\n"
                  "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
                  "def caught(*_):\n"
                  "    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)\n"
                  "    os.write(fd, b'main\\n')\n"
                  "signal.signal(signal.SIGTERM, caught)\n"
                  "os.write(1, b'main ready\\n')\n"
                  "while True: time.sleep(1000)\n")
        s = self.supervisor(service("web", py(script) + ["@DIR@/caught"],
                                    f'stop {{ kill = "{kill}" timeout = 1s }}'),
                            prepare=lambda s: s.flag("caught"))
        for text in ("main ready", "group ready", "session ready"):
            s.wait_log("web", text)
        pids = [p for p in harness.descendants(s.pid) if p != s.engine_pid()]
        s.ok("stop", "web")
        self.assertEqual([], [p for p in pids if is_alive(p)], "in the end all are gone")
        return set(s.read(f"{s.dir}/caught").split())

    def test_kill_process_signals_the_main_process_only(self):
        self.assertEqual({"main"}, self.signalled("process"))

    def test_kill_group_signals_the_process_group(self):
        self.assertEqual({"main", "group"}, self.signalled("group"))

    def test_show_names_the_processes_of_the_tree_and_survivors_of_a_stop(self):
        s = self.supervisor(service("web", STUBBORN, "stop { timeout = 1h }"))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "ready")
        s.ok("stop", "--no-wait", "web")
        s.wait_state("web", "stopping")
        processes = s.show("web")["processes"]
        self.assertEqual([pid], [p["pid"] for p in processes])
        self.assertIn("python3", processes[0]["command"])
        self.assertIn(str(pid), s.ok("show", "web"))
        os.kill(pid, signal.SIGKILL)
        s.wait_state("web", "stopped")
        self.assertEqual([], s.show("web")["processes"])

    def test_a_stop_of_many_is_not_serial(self):
        s = self.supervisor(service("web", STUBBORN, "instances = 8", "stop { timeout = 1s }"))
        for i in range(8):
            s.wait_log(f"web@{i + 1}", "ready")
        begin = time.monotonic()
        s.ok("stop", "web")
        self.assertLess(time.monotonic() - begin, 6)

    def test_a_stopped_process_goes_on_to_act_on_the_signal(self):
        family = sh("trap 'echo bye; exit 0' TERM; "
                    "(trap 'echo me too; exit 0' TERM; sleep 100000 & echo up; wait) & wait")
        s = self.supervisor(service("web", family, "stop { timeout = 10min }"))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_log("web", "up")
        processes = [p["pid"] for p in s.json("show", "web")["processes"]]
        for stopped in processes:
            os.kill(stopped, signal.SIGSTOP)
        s.ok("stop", "web")
        self.assertEqual("", command_of(pid))
        self.assertIn("bye", s.read_log("web"))
        self.assertIn("me too", s.read_log("web"))

    def test_supctl_signal_reaches_the_main_process(self):
        s = self.supervisor(service("web", sh("trap 'echo got usr1' USR1; echo ready; "
                                              "while :; do sleep 0.05; done")))
        s.wait_log("web", "ready")
        s.ok("signal", "USR1", "web")
        s.wait_log("web", "got usr1")
        self.assertNotEqual(0, s.ctl("signal", "NOSUCHSIGNAL", "web")[0])

    def test_supctl_signal_sends_no_other_one_along(self):
        s = self.supervisor(service("web", sh("trap 'echo got usr1' USR1; echo ready; "
                                              "while :; do sleep 0.05; done")))
        s.wait_log("web", "ready")
        pid = s.json("status", "web")[0]["pid"]
        s.ok("signal", "STOP", "web")
        s.ok("signal", "USR1", "web")
        wait_until(lambda: stat_of(pid)[0] == b"T", "the process to be stopped")
        self.assertNotIn("got usr1", s.read_log("web"))
        s.ok("signal", "CONT", "web")
        s.wait_log("web", "got usr1")


if __name__ == "__main__":
    harness.main()
