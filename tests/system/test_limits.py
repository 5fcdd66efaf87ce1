"""The section limits of a service: at start, changed while it runs, and where they can't be."""

import os
import resource
import signal

import harness
from harness import NOBODY, SLEEP, service, sh, wait_until

NAMES = {"nofile": "Max open files", "core": "Max core file size", "as": "Max address space",
         "nproc": "Max processes", "stack": "Max stack size", "cpu": "Max cpu time",
         "fsize": "Max file size", "memlock": "Max locked memory", "data": "Max data size"}
MAX_NR_OPEN = 2147483584


def limits_of(pid):
    """Of a process, in the kernel's words: {"nofile": ("1024", "4096"), ...}."""
    lines = harness.Supervisor.read(f"/proc/{pid}/limits").splitlines()
    result = {}
    for name, title in NAMES.items():
        line = next(x for x in lines if x.startswith(title))
        soft, hard = line[len(title):].split()[:2]
        result[name] = (soft, hard)
    return result


def limits(text):
    return f"limits {{ {text} }}"


def nr_open():
    return int(harness.Supervisor.read("/proc/sys/fs/nr_open"))


class Limits(harness.SystemTest):
    def setUp(self):
        # supervisord raises its own soft limit to the hard one, which must not show in services
        old = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, old[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, old)
        self.nofile = ("1000", str(old[1]))

    def running(self, s, name="a"):
        """Its pid, and its limits."""
        pid = s.wait_state(name, "running")["pid"]
        return pid, limits_of(pid)

    def change(self, s, *lines):
        s.write_config(service("a", SLEEP, *lines))

    def test_set_at_start_and_others_left_alone(self):
        s = self.supervisor(
            service("a", SLEEP, limits('nofile = "100:200" core = 0 cpu = 1h fsize = "64K:1M"'))
            + service("b", SLEEP))
        a, b = self.running(s)[1], self.running(s, "b")[1]
        given = {"nofile": ("100", "200"), "core": ("0", "0"), "cpu": ("3600", "3600"),
                 "fsize": ("65536", "1048576")}
        self.assertEqual(a, b | given)
        # what supervisord was started with, whatever it gave itself
        self.assertEqual(b, limits_of(s.pid) | {"nofile": self.nofile})

    def test_all_of_them_also_for_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        s = self.supervisor(service(
            "a", SLEEP, f'user = "{NOBODY}"', limits(
                "nofile = 50 core = 4K as = 1G nproc = 600 stack = 4M cpu = 100 fsize = 1M "
                "memlock = 32K data = 512M")))
        pid, found = self.running(s)
        self.assertEqual(found, {name: (str(n), str(n)) for name, n in {
            "nofile": 50, "core": 4096, "as": 1 << 30, "nproc": 600, "stack": 4 << 20, "cpu": 100,
            "fsize": 1 << 20, "memlock": 32768, "data": 512 << 20}.items()})
        self.assertIn(str(NOBODY), harness.status_field(pid, "Uid"))

    def test_changed_while_it_runs(self):
        s = self.supervisor(service("a", SLEEP, limits('nofile = "100:200" core = 0')))
        pid, before = self.running(s)
        self.change(s, limits('nofile = "150:180" core = 0 cpu = "90:100"'))
        self.assertIn("~ a  live\n", s.ok("plan"))
        self.assertEqual(limits_of(pid), before)
        s.ok("apply")
        self.assertEqual(limits_of(pid), before | {"nofile": ("150", "180"), "cpu": ("90", "100")})
        after = s.status("a")
        self.assertEqual((after["pid"], after["state"], after["restarts"]), (pid, "running", 0))
        # the next one is started with them as well
        s.ok("restart", "a")
        new = self.running(s)
        self.assertNotEqual(new[0], pid)
        self.assertEqual(new[1], before | {"nofile": ("150", "180"), "cpu": ("90", "100")})

    def test_what_it_has_changed_itself_is_left_alone(self):
        command = sh("ulimit -Sn 60; exec sleep 100000")
        s = self.supervisor(service("a", command, limits('nofile = "100:200" core = 8K')))
        pid = self.running(s)[0]
        wait_until(lambda: limits_of(pid)["nofile"] == ("60", "200"), "it has lowered its own")
        s.write_config(service("a", command, limits('nofile = "100:200" core = 4K')))
        s.ok("apply")
        found = limits_of(pid)
        self.assertEqual((found["nofile"], found["core"]), (("60", "200"), ("4096", "4096")))
        self.assertEqual(s.status("a")["pid"], pid)

    def test_taken_away_with_a_restart(self):
        s = self.supervisor(service("a", SLEEP, limits("nofile = 100")))
        pid = self.running(s)[0]
        self.change(s)
        s.ok("apply")
        new, found = self.running(s)
        self.assertNotEqual(new, pid)
        self.assertEqual(found["nofile"], self.nofile)

    def test_commands_have_them_too(self):
        s = self.supervisor(service("a", SLEEP, limits("nofile = 77"),
                                    'reload { command = {"/bin/sh", "-c", "ulimit -n >@DIR@/n"} }'))
        s.wait_state("a", "running")
        s.ok("reload", "a")
        self.assertEqual(s.read(f"{s.dir}/n"), "77\n")

    def test_one_that_cannot_be_set_fails_the_start(self):
        if nr_open() >= MAX_NR_OPEN:
            self.skipTest("the kernel allows all that the configuration does")
        s = self.supervisor(service("a", SLEEP, "restart = never",
                                    limits(f'nofile = "100:{nr_open() + 1}"')))
        a = s.wait_state("a", "failed")
        self.assertEqual(a["reason"], "cannot set its resource limits: Operation not permitted")
        self.assertIsNone(a["pid"])
        self.assertIn("cannot set its resource limits: Operation not permitted", s.stderr())

    def test_one_that_cannot_be_changed_is_told_and_changes_nothing_else(self):
        if nr_open() >= MAX_NR_OPEN:
            self.skipTest("the kernel allows all that the configuration does")
        s = self.supervisor(service("a", SLEEP, limits('nofile = "100:200" core = 0')))
        pid, before = self.running(s)
        self.change(s, limits(f'nofile = "100:{nr_open() + 1}" core = 0 cpu = 100'))
        code, _, err = s.ctl("apply")
        self.assertEqual((code, err), (1, "supctl: a: its limits can't be changed before its next "
                                          "start: Operation not permitted\n"))
        self.assertIn("service 'a': cannot change its limit nofile while it runs: Operation not "
                      "permitted", s.stderr())
        self.assertEqual(limits_of(pid), before | {"cpu": ("100", "100")})
        self.assertEqual(s.status("a")["pid"], pid)
        self.change(s, limits('nofile = "101:200" core = 0 cpu = 100'))
        s.ok("apply")
        self.assertEqual(limits_of(pid), before | {"cpu": ("100", "100"), "nofile": ("101", "200")})
        self.assertEqual(s.status("a")["pid"], pid)

    def test_an_ordinary_user_can_lower_but_not_raise(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        s = self.supervisor(service("a", SLEEP, limits('nofile = "100:200"')), user=NOBODY)
        pid = self.running(s)[0]
        self.change(s, limits('nofile = "50:150"'))
        s.ok("apply")
        self.assertEqual(limits_of(pid)["nofile"], ("50", "150"))
        self.change(s, limits('nofile = "50:151"'))
        code, _, err = s.ctl("apply")
        self.assertEqual(code, 1)
        self.assertIn("Operation not permitted", err)
        self.assertEqual(limits_of(pid)["nofile"], ("50", "150"))
        # but at its next start it can: it comes from supervisord, which has more
        s.ok("restart", "a")
        self.assertEqual(self.running(s)[1]["nofile"], ("50", "151"))

    def start_meanwhile(self, kill_engine):
        """Changed after its process was sent off, and before that was heard of."""
        s = self.supervisor(service("a", SLEEP, "autostart = false", limits('nofile = "100:200"')))
        s.wait_state("a", "stopped")
        engine = s.engine_pid()
        s.signal(signal.SIGSTOP)
        try:
            s.ok("start", "--no-wait", "a")
            s.wait_state("a", "starting")
            self.change(s, "autostart = false", limits('nofile = "90:190"'))
            s.ok("apply", "--no-wait")
            if kill_engine:
                os.kill(engine, signal.SIGKILL)
        finally:
            s.signal(signal.SIGCONT)
        if kill_engine:
            s.wait_engine(other_than=engine)
        pid = s.wait_state("a", "running")["pid"]
        wait_until(lambda: limits_of(pid)["nofile"] == ("90", "190"), "it has the newest limits")
        self.assertEqual(s.status("a")["pid"], pid)

    def test_changed_while_it_is_being_started(self):
        self.start_meanwhile(False)

    def test_changed_while_it_is_being_started_and_the_engine_is_killed(self):
        self.start_meanwhile(True)


if __name__ == "__main__":
    harness.main()
