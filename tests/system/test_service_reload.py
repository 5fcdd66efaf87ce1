"""supctl reload NAME, and what supctl show tells."""

import os
import unittest

import harness
from harness import NOBODY, SLEEP, py, service, sh, wait_until

NOTING = py("""
import os, signal
for name in ("HUP", "USR2"):
    signal.signal(getattr(signal, "SIG" + name), lambda *a, name=name: os.write(1, (name + "\\n").encode()))
os.write(1, b"up\\n")
while True:
    signal.pause()
""")


def reload_by(script):
    return f'reload {{ command = {{"/bin/sh", "-c", {harness.quote(script)}}} }}'


class ServiceReload(harness.SystemTest):
    def files_of(self, pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    def test_by_hup_or_the_signal_that_is_configured(self):
        s = self.supervisor(service("a", NOTING) + service("b", NOTING, 'reload { signal = "USR2" }'))
        pids = {}
        for name in ("a", "b"):
            s.wait_log(name, "up\n")
            pids[name] = s.status(name)["pid"]
        self.assertEqual(s.ok("reload", "a", "b"),
                         f"a: running (pid {pids['a']})\nb: running (pid {pids['b']})\n")
        s.wait_log("a", "up\nHUP\n")
        s.wait_log("b", "up\nUSR2\n")
        self.assertEqual({n: s.status(n)["pid"] for n in pids}, pids)

    def test_by_a_command_that_knows_the_main_process(self):
        s = self.supervisor(service("a", SLEEP, reload_by(
            "echo $MAINPID $SUPERVISOR_NAME %{name} $X >>@DIR@/told"), 'environment = {"X=y"}'))
        pid = s.wait_state("a", "running")["pid"]
        self.assertEqual(s.ok("reload", "a"), f"a: running (pid {pid})\n")
        self.assertEqual(s.read(f"{s.dir}/told"), f"{pid} a a y\n")

    def test_a_command_that_fails_is_told_with_its_last_line(self):
        s = self.supervisor(service("a", SLEEP, reload_by("echo first; echo second >&2; exit 7"))
                            + service("b", SLEEP, 'reload { command = "/nonexistent/program" }'))
        s.wait_all_running()
        code, out, err = s.ctl("reload", "a", "b")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("a: reload command exited with code 7: second", err)
        self.assertIn("b: reload command cannot execute: No such file or directory", err)
        self.assertEqual(s.status("a")["state"], "running")

    def test_what_does_not_run_can_not_reload(self):
        s = self.supervisor(service("a", SLEEP, "autostart = false")
                            + service("b", SLEEP, "autostart = false", reload_by("exit 0")))
        for name in ("a", "b"):
            self.assertEqual(s.ctl("reload", name), (1, "", f"supctl: {name}: not running\n"))

    def test_one_at_a_time(self):
        s = self.supervisor(service("a", SLEEP, reload_by(
            "echo run >>@DIR@/runs; while [ ! -e @DIR@/go ]; do sleep 0.02; done")))
        s.wait_state("a", "running")
        first = s.ctl_start("reload", "a")
        wait_until(lambda: os.path.exists(f"{s.dir}/runs"), "the command runs")
        self.assertEqual(s.ctl("reload", "a"), (1, "", "supctl: a: a reload is under way\n"))
        s.flag("go")
        self.assertEqual(first.wait(harness.DEADLINE), 0)
        self.assertEqual(s.ok("reload", "a", "--no-wait").split(":")[0], "a")
        wait_until(lambda: s.read(f"{s.dir}/runs") == "run\nrun\n", "it runs again")

    def test_the_command_ends_with_the_service(self):
        s = self.supervisor(service("a", SLEEP, reload_by("echo $$ >@DIR@/pid; exec sleep 100000")))
        s.wait_state("a", "running")
        p = s.ctl_start("reload", "a")
        pid = int(wait_until(lambda: s.read(f"{s.dir}/pid").strip(), "the command runs"))
        self.assertIn(pid, [x["pid"] for x in s.show("a")["processes"]])
        s.ok("stop", "a")
        self.assertFalse(harness.is_alive(pid))
        out, err = p.communicate(timeout=harness.DEADLINE)
        self.assertEqual((p.returncode, out), (1, ""))
        self.assertIn("a: reload command was ended by signal TERM", err)

    def test_removed_while_its_command_runs(self):
        s = self.supervisor(service("a", SLEEP, reload_by("echo $$ >@DIR@/pid; exec sleep 100000"))
                            + service("b", SLEEP))
        s.wait_all_running()
        p = s.ctl_start("reload", "a")
        pid = int(wait_until(lambda: s.read(f"{s.dir}/pid").strip(), "the command runs"))
        s.write_config(service("b", SLEEP))
        s.ok("apply")
        self.assertEqual(p.wait(harness.DEADLINE), 1)
        wait_until(lambda: list(s.services()) == ["b"], "it is gone")
        self.assertFalse(harness.is_alive(pid))

    def test_nothing_is_left_open(self):
        s = self.supervisor(service("a", SLEEP, reload_by("echo hello")))
        s.wait_state("a", "running")
        s.ok("reload", "a")
        before = self.files_of(s.pid), self.files_of(s.engine_pid())
        for _ in range(20):
            s.ok("reload", "a")
        wait_until(lambda: (self.files_of(s.pid), self.files_of(s.engine_pid())) <= before,
                   "all is closed again")

    def test_output_without_end_harms_nobody(self):
        s = self.supervisor(service("a", SLEEP, reload_by(
            "head -c 20000000 /dev/zero | tr '\\\\0' x; echo; echo the end; exit 1")))
        s.wait_state("a", "running")
        code, _, err = s.ctl("reload", "a")
        self.assertEqual(code, 1)
        self.assertIn("the end", err)
        self.assertLess(len(err), 300)

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_the_command_has_the_ids_of_the_service(self):
        s = self.supervisor(service("a", SLEEP, f'user = "{NOBODY}"', f'group = "{NOBODY}"',
                                    reload_by("id -u; exit 1")))
        s.wait_state("a", "running")
        self.assertIn(f"exited with code 1: {NOBODY}", s.ctl("reload", "a")[2])


class Show(harness.SystemTest):
    def test_settings_are_told_with_their_places(self):
        s = self.supervisor(service("a", SLEEP, "umask = 027", "stop { timeout = 3s }"))
        settings = {x["key"]: x for x in s.show("a")["settings"]}
        self.assertEqual(settings["stop.timeout"]["value"], "3s")
        self.assertEqual(settings["stop.timeout"]["file"], s.config_path)
        self.assertGreater(settings["stop.timeout"]["line"], settings["umask"]["line"])
        self.assertEqual((settings["restart"]["value"], settings["restart"]["line"]),
                         ("on-failure", None))
        text = s.ok("show", "a")
        self.assertRegex(text, r"settings +umask = 027\n +stop.timeout = 3s\n")
        self.assertRegex(text, rf"ids +uid {os.geteuid()}, gid {os.getegid()}")

    def test_any_name_that_means_one_service_will_do_and_of_several_one_is_suggested(self):
        s = self.supervisor(service("w", SLEEP, "instances = 2")
                            + service("one", SLEEP, "instances = 1", 'groups = {"g"}'))
        s.wait_state("one@1", "running")
        for name in ("one@1", "one", "@g", "o*"):
            self.assertEqual(s.show(name)["name"], "one@1")
        self.assertEqual(s.ctl("show", "w"),
                         (1, "", "supctl: w means 2 services, such as w@1; name one of them\n"))
        self.assertEqual(s.ctl("show", "nosuch"), (4, "", "supctl: nosuch: no such service\n"))

    def test_what_is_known_of_a_service_is_told(self):
        s = self.supervisor(service("a", sh("echo hello; sleep 100000 & wait"),
                                    'environment = {"X=y"}', "autostart = false"))
        s.ok("start", "a")
        s.wait_log("a", "hello\n")
        told = s.show("a")
        self.assertEqual((told["command"][0], told["environment"].count("X=y"), told["restarts"],
                          told["generation"], told["ids"]["uid"], told["pending"]),
                         ("/bin/sh", 1, 0, 1, os.geteuid(), None))
        self.assertEqual((told["log"]["bytes"], told["log"]["lines"]), (6, 1))
        wait_until(lambda: len(s.show("a")["processes"]) == 2, "it has its child")
        text = s.ok("show", "a")
        self.assertRegex(text, rf"\nlog +{s.log_path('a')}; 6 in 1 line\n")
        self.assertRegex(text, rf"\nprocesses +{told['pid']} /bin/sh .*\n +\d+ sleep 100000\n")
        self.assertRegex(text, r"\n +X=y\n")
        os.kill(told["pid"], 9)
        s.wait_service("a", lambda r: r["restarts"] == 1 and r["state"] == "running", "it is back")
        self.assertRegex(s.ok("show", "a"),
                         r"restarts +1\nready by +exec\nlast ends +\S+Z  killed by signal KILL after ")

    def test_the_last_ends_are_remembered_also_over_an_engines_death(self):
        s = self.supervisor(service("a", sh("exit $(cat @DIR@/code)"), "autostart = false",
                                    'restart = "never"'))
        for code in (0, 1, 2, 3, 4):
            with open(f"{s.dir}/code", "w", encoding="utf-8") as f:
                f.write(str(code))
            s.ctl("start", "a")
            s.wait_state("a", "exited" if code == 0 else "failed")
        ends = [x["how"] for x in s.show("a")["exits"]]
        self.assertEqual(ends, [f"exited with code {c}" for c in (4, 3, 2, 1)])
        s.kill_engine()
        self.assertEqual([x["how"] for x in s.show("a")["exits"]], ends)

    def test_a_definition_that_waits_for_the_next_start_is_told(self):
        s = self.supervisor(service("a", sh("trap '' TERM; echo up; while :; do sleep 0.1; done"),
                                    "stop { timeout = 30s }"))
        s.wait_log("a", "up")
        self.assertIsNone(s.show("a")["pending"])
        s.write_config(service("a", SLEEP))
        s.ok("apply", "--no-wait")
        self.assertEqual(s.show("a")["pending"], "changed")
        s.write_config("")
        s.ok("apply", "--no-wait")
        self.assertEqual(s.show("a")["pending"], "removed")
        os.kill(s.status("a")["pid"], 9)
        wait_until(lambda: not s.services(), "it is gone")


if __name__ == "__main__":
    harness.main()
