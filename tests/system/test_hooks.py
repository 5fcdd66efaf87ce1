"""Hooks and the stop command: when they run, what they are told, and that they run once."""

import os
import random
import signal
import time
import unittest

import harness
from harness import NOBODY, SLEEP, is_alive, py, quote, service, sh, wait_until

NOTE = ('echo "$SUPERVISOR_HOOK state=$SUPERVISOR_STATE main=${MAINPID-none} '
        'code=$SUPERVISOR_EXIT_CODE signal=$SUPERVISOR_EXIT_SIGNAL restarts=$SUPERVISOR_RESTARTS" '
        '>>@DIR@/notes; ')
# Begins, waits for the file that lets it end, and is not disturbed by writing meanwhile.
GATE = ('echo "$SUPERVISOR_HOOK begins" >>@DIR@/notes; while [ ! -e @DIR@/go ]; do echo waiting; '
        'sleep 0.02; done; echo "$SUPERVISOR_HOOK ends" >>@DIR@/notes; ')
# A main process that says on TERM that it was asked to end.
STAYING = py("""
import os, signal
def end(*_):
    os.write(1, b"TERM\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
os.write(1, b"up\\n")
while True:
    signal.pause()
""")


def command(script):
    return f'{{"/bin/sh", "-c", {quote(script)}}}'


def hooks(*extra, **scripts):
    """hooks(pre_start="...", ...), further keys as they are."""
    lines = [f"{k.replace('_', '-')} = {command(v)}" for k, v in scripts.items()] + list(extra)
    return "hooks { " + " ".join(lines) + " }"


ALL = hooks(pre_start=NOTE, post_start=NOTE, pre_stop=NOTE, post_stop=NOTE, on_failed=NOTE)


class HookTest(harness.SystemTest):
    def notes(self, s):
        try:
            return s.read(f"{s.dir}/notes").splitlines()
        except FileNotFoundError:
            return []

    def wait_note(self, s, text, n=1):
        wait_until(lambda: sum(text in l for l in self.notes(s)) >= n, f"{text!r} {n} times")
        return self.notes(s)


class Turns(HookTest):
    def test_from_start_to_stop(self):
        s = self.supervisor(service("a", SLEEP, ALL))
        pid = s.wait_state("a", "running")["pid"]
        self.wait_note(s, "post-start")
        s.ok("stop", "a")
        self.assertEqual(self.notes(s), [
            "pre-start state=starting main=none code= signal= restarts=0",
            f"post-start state=running main={pid} code= signal= restarts=0",
            f"pre-stop state=stopping main={pid} code= signal= restarts=0",
            "post-stop state=stopping main=none code= signal=TERM restarts=0"])

    def test_a_failure_is_told_with_its_code_and_the_restarts(self):
        s = self.supervisor(service("a", sh("exit 3"), 'restart = "always"', "restart-limit = 1",
                                    "restart-delay = 10ms", hooks(post_stop=NOTE, on_failed=NOTE)))
        s.wait_state("a", "failed")
        self.assertEqual(self.wait_note(s, "on-failed"), [
            "post-stop state=stopping main=none code=3 signal= restarts=0",
            "post-stop state=stopping main=none code=3 signal= restarts=1",
            "on-failed state=failed main=none code=3 signal= restarts=1"])

    def test_they_are_told_names_reason_and_what_the_service_is_told(self):
        s = self.supervisor(service("a", sh("kill -9 $$"), "instances = 1", 'restart = "never"',
                                    'environment = {"X=y%{instance}"}', 'directory = "/usr"',
                                    hooks(on_failed='echo "$SUPERVISOR_NAME %{name} $X $PWD '
                                          '$SUPERVISOR_EXIT_SIGNAL: $SUPERVISOR_REASON" '
                                          '>>@DIR@/notes')))
        self.assertEqual(self.wait_note(s, "KILL"), ["a@1 a@1 y1 /usr KILL: killed by signal KILL"])

    def test_what_supervisord_has_of_these_names_is_not_passed_on(self):
        s = self.supervisor(service("a", sh("env >@DIR@/env; exec sleep 100000"),
                                    hooks(pre_start=NOTE)),
                            env={"MAINPID": "1", "SUPERVISOR_HOOK": "x", "SUPERVISOR_STATE": "x"})
        s.wait_state("a", "running")
        self.assertIn("main=none", self.notes(s)[0])
        text = wait_until(lambda: s.read(f"{s.dir}/env"), "it has written")
        self.assertFalse([l for l in text.splitlines()
                          if l.startswith(("MAINPID", "SUPERVISOR_HOOK", "SUPERVISOR_STATE"))])

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_they_run_as_the_user_of_the_service(self):
        s = self.supervisor(service("a", SLEEP, f'user = "{NOBODY}"', f'group = "{NOBODY}"',
                                    'restart = "never"', hooks(pre_start="id -u; exit 1")))
        s.wait_state("a", "failed")
        self.assertIn(f"pre-start hook exited with code 1: {NOBODY}", s.stderr())

    def test_a_restart_runs_all_of_them_between_two_processes(self):
        s = self.supervisor(service("a", SLEEP, hooks(
            pre_start=NOTE, pre_stop=NOTE,
            post_stop=f"kill -0 $(cat @DIR@/pid) && echo alive >>@DIR@/notes; {NOTE}",
            post_start="echo $MAINPID >@DIR@/pid; echo written >>@DIR@/notes")))
        self.wait_note(s, "written")
        s.ok("restart", "a")
        notes = [l.split()[0] for l in self.wait_note(s, "written", 2)]
        self.assertEqual(notes, ["pre-start", "written", "pre-stop", "post-stop", "pre-start",
                                 "written"])

    def test_a_program_that_is_missing_fails_it(self):
        s = self.supervisor(service("a", SLEEP, 'restart = "never"',
                                    'hooks { pre-start = {"/nonexistent/hook"} }'))
        s.wait_state("a", "failed")
        s.wait_stderr("service 'a': pre-start hook cannot execute: No such file or directory")


class PreStart(HookTest):
    def test_one_that_fails_keeps_the_service_from_starting(self):
        s = self.supervisor(service("a", sh("echo started"), 'restart = "never"', hooks(
            pre_start=f"{NOTE} echo first; echo no disk; exit 7", post_stop=NOTE, on_failed=NOTE)))
        row = s.wait_state("a", "failed")
        self.assertIn("pre-start", row["reason"])
        self.assertIsNone(row["exit_code"])
        s.wait_stderr("service 'a': pre-start hook exited with code 7: no disk\n")
        notes = [l.split()[0] for l in self.wait_note(s, "on-failed")]
        self.assertEqual(notes, ["pre-start", "post-stop", "on-failed"])
        self.assertEqual(s.read_log("a"), "")

    def test_one_that_fails_is_tried_again_as_restart_says(self):
        s = self.supervisor(service("a", SLEEP, "restart-delay = 10ms", hooks(
            pre_start="echo x >>@DIR@/notes; [ $(wc -l <@DIR@/notes) -ge 3 ]")))
        self.assertEqual(s.wait_state("a", "running")["restarts"], 2)

    def test_one_that_hangs_is_killed_at_its_timeout(self):
        s = self.supervisor(service("a", SLEEP, 'restart = "never"', hooks(
            "timeout = 300ms", pre_start="trap '' TERM; echo $$ >@DIR@/pid; echo waiting; "
            "while :; do sleep 0.1; done")))
        s.wait_state("a", "failed")
        self.assertFalse(is_alive(int(s.read(f"{s.dir}/pid"))))
        self.assertRegex(s.stderr(), r"service 'a': pre-start hook was killed after [0-9.]+m?s: waiting\n")

    def test_what_a_failed_one_has_begun_is_gone_before_the_next(self):
        s = self.supervisor(service("a", SLEEP, "restart-delay = 1ms", "restart-limit = 3", hooks(
            pre_start="for p in $(cat @DIR@/pids); do kill -0 $p && echo $p >>@DIR@/alive; done; "
            "setsid sleep 100000 >/dev/null 2>&1 & echo $! >>@DIR@/pids; exit 1")))
        s.wait_state("a", "failed")
        pids = [int(p) for p in s.read(f"{s.dir}/pids").split()]
        self.assertEqual(len(pids), 4)
        self.assertFalse(os.path.exists(f"{s.dir}/alive"))
        self.assertFalse([p for p in pids if is_alive(p)])

    def test_a_stop_ends_it_and_nothing_is_started(self):
        s = self.supervisor(service("a", sh("echo started"), hooks(pre_start=GATE, post_stop=NOTE)))
        self.wait_note(s, "begins")
        s.ok("stop", "a")
        self.assertEqual(s.status("a")["state"], "stopped")
        self.assertEqual([l.split()[0] for l in self.notes(s)], ["pre-start", "post-stop"])
        self.assertEqual(s.read_log("a"), "")

    def test_a_shutdown_ends_it(self):
        s = self.supervisor(service("a", SLEEP, hooks(pre_start=GATE)))
        self.wait_note(s, "begins")
        s.stop()

    def test_what_it_leaves_running_belongs_to_the_service(self):
        s = self.supervisor(service("a", SLEEP, hooks(
            pre_start="setsid sleep 100000 >/dev/null 2>&1 & echo $! >@DIR@/pid")))
        s.wait_state("a", "running")
        pid = int(s.read(f"{s.dir}/pid"))
        self.assertTrue(is_alive(pid))
        s.ok("stop", "a")
        self.assertFalse(is_alive(pid))


class Stopping(HookTest):
    def test_a_pre_stop_hook_comes_before_the_signal(self):
        s = self.supervisor(service("a", STAYING, hooks(pre_stop=GATE)))
        s.wait_log("a", "up\n")
        p = s.ctl_start("stop", "a")
        self.wait_note(s, "pre-stop begins")
        self.assertEqual(s.read_log("a"), "up\n")
        s.flag("go")
        self.assertEqual(p.wait(harness.DEADLINE), 0)
        self.assertEqual(s.read_log("a"), "up\nTERM\n")

    def test_a_pre_stop_hook_that_hangs_is_killed_and_the_stop_goes_on(self):
        s = self.supervisor(service("a", STAYING, hooks("timeout = 200ms", pre_stop=GATE)))
        s.wait_log("a", "up\n")
        s.ok("stop", "a")
        self.assertEqual(s.read_log("a"), "up\nTERM\n")
        s.wait_stderr("service 'a': pre-stop hook was killed after")
        self.assertEqual(self.notes(s), ["pre-stop begins"])

    def test_the_stop_command_is_run_in_place_of_the_signal(self):
        s = self.supervisor(service("a", sh(
            "trap 'echo TERM' TERM; echo up; while [ ! -e @DIR@/quit ]; do sleep 0.02; done; exit 0"),
            f"stop {{ command = {command(NOTE + ': >@DIR@/quit')} }}"))
        s.wait_log("a", "up\n")
        pid = s.status("a")["pid"]
        s.ok("stop", "a")
        self.assertEqual(s.read_log("a"), "up\n")
        self.assertEqual(self.notes(s),
                         [f"stop state=stopping main={pid} code= signal= restarts=0"])
        self.assertEqual(s.show("a")["exits"][0]["how"], "exited with code 0")

    def test_a_stop_command_that_fails_is_followed_by_the_signal(self):
        s = self.supervisor(service("a", STAYING, f"stop {{ command = {command('echo no; exit 4')} }}"))
        s.wait_log("a", "up\n")
        s.ok("stop", "a")
        self.assertEqual(s.read_log("a"), "up\nTERM\n")
        s.wait_stderr("service 'a': stop command exited with code 4: no\n")

    def test_a_stop_command_that_hangs_is_killed_with_the_service(self):
        s = self.supervisor(service("a", SLEEP, f"stop {{ timeout = 300ms command = {command(GATE)} }}"))
        s.wait_state("a", "running")
        s.ok("stop", "a")
        self.assertEqual(s.show("a")["exits"][0]["how"], "killed by signal KILL")
        s.wait_stderr("service 'a': stop command was ")
        self.assertEqual(self.notes(s), ["stop begins"])

    def test_a_post_stop_hook_is_waited_for_and_may_fail(self):
        s = self.supervisor(service("a", SLEEP, hooks(post_stop=GATE + "exit 1")))
        s.wait_state("a", "running")
        p = s.ctl_start("stop", "a")
        self.wait_note(s, "post-stop begins")
        self.assertEqual(s.services()["a"]["state"], "stopping")
        self.assertIsNone(s.services()["a"]["pid"])
        s.flag("go")
        self.assertEqual(p.wait(harness.DEADLINE), 0)
        s.wait_stderr("service 'a': post-stop hook exited with code 1: waiting\n")

    def test_a_post_stop_hook_runs_after_a_kill_as_well(self):
        s = self.supervisor(service("a", sh("trap '' TERM; echo up; while :; do sleep 0.02; done"),
                                    "stop { timeout = 100ms }", hooks(post_stop=NOTE)))
        for n in (1, 2):
            s.wait_log("a", "up\n" * n)
            s.ok("restart", "a")
            self.assertIn("post-stop state=stopping main=none code= signal=KILL",
                          self.wait_note(s, "post-stop", n)[-1])


class OnFailed(HookTest):
    def failing(self, **kw):
        return self.supervisor(service(
            "a", sh("[ -e @DIR@/good ] && exec sleep 100000; exit 1"), 'restart = "never"',
            hooks(on_failed=GATE)) + kw.pop("more", ""), **kw)

    def test_nobody_waits_for_it_and_the_next_start_lets_it_be(self):
        s = self.failing()
        s.wait_state("a", "failed")
        self.wait_note(s, "on-failed begins")
        s.flag("good")
        s.ok("start", "a")
        s.ok("restart", "a")
        s.ok("stop", "a")
        self.assertEqual(self.notes(s), ["on-failed begins"])
        s.flag("go")
        self.wait_note(s, "on-failed ends")
        self.assertNotIn("on-failed hook", s.stderr())

    def test_it_is_none_of_the_processes_of_the_service(self):
        s = self.failing()
        self.wait_note(s, "on-failed begins")
        self.assertEqual(s.show("a")["processes"], [])
        s.flag("good")
        s.ok("start", "a")
        self.assertEqual(len(s.show("a")["processes"]), 1)
        s.flag("go")

    def test_one_at_a_time(self):
        s = self.failing()
        self.wait_note(s, "on-failed begins")
        s.ctl("start", "a")
        s.wait_stderr("service 'a': its on-failed hook of an earlier time has not ended")
        s.flag("go")
        self.wait_note(s, "on-failed ends")
        self.assertEqual(self.notes(s), ["on-failed begins", "on-failed ends"])

    def test_a_shutdown_waits_for_it(self):
        s = self.failing()
        self.wait_note(s, "on-failed begins")
        s.signal(signal.SIGTERM)
        wait_until(lambda: "stopping everything" in s.stderr(), "it is told")
        s.flag("go")
        self.assertEqual(s.wait_exit(), 0)
        self.assertEqual(self.notes(s), ["on-failed begins", "on-failed ends"])

    def test_a_second_signal_does_not_wait(self):
        s = self.failing()
        self.wait_note(s, "on-failed begins")
        s.signal(signal.SIGTERM)
        wait_until(lambda: "stopping everything" in s.stderr(), "it is told")
        s.signal(signal.SIGTERM)
        self.assertEqual(s.wait_exit(), 0)
        self.assertEqual(self.notes(s), ["on-failed begins"])

    def test_the_end_of_an_essential_service_waits_for_it(self):
        s = self.supervisor(service("a", sh("exit 9"), 'restart = "never"', "essential = true",
                                    hooks(on_failed=GATE)), start=False)
        s.start(ready=False)
        self.wait_note(s, "on-failed begins")
        s.flag("go")
        self.assertEqual(s.wait_exit(), 9)
        self.assertEqual(self.notes(s), ["on-failed begins", "on-failed ends"])

    def test_it_is_killed_at_its_timeout(self):
        s = self.supervisor(service("a", sh("exit 1"), 'restart = "never"',
                                    hooks("timeout = 200ms", on_failed="echo $$; sleep 100000; :")))
        s.wait_stderr("service 'a': on-failed hook took too long and was killed after")
        wait_until(lambda: not [p for p in harness.descendants(s.pid)
                                if "sleep" in harness.command_of(p)], "all of its group is gone")

    def test_a_service_that_is_removed_takes_it_along(self):
        s = self.failing()
        self.wait_note(s, "on-failed begins")
        s.write_config(service("b", SLEEP))
        s.ok("apply")
        wait_until(lambda: list(s.services()) == ["b"], "it is gone")
        self.assertEqual(self.notes(s), ["on-failed begins"])


class EngineDies(HookTest):
    """A hook runs once, whatever becomes of engines; and goes on while there is none."""

    def once(self, s, hook):
        self.wait_note(s, f"{hook} begins")
        s.kill_engine()
        s.flag("go")
        notes = self.wait_note(s, f"{hook} ends")
        self.assertEqual(notes, [f"{hook} begins", f"{hook} ends"])

    def test_during_pre_start(self):
        s = self.supervisor(service("a", SLEEP, hooks(pre_start=GATE)))
        self.once(s, "pre-start")
        self.assertEqual(s.wait_state("a", "running")["restarts"], 0)

    def test_during_a_pre_start_that_fails(self):
        s = self.supervisor(service("a", sh("echo started"), 'restart = "never"',
                                    hooks(pre_start=GATE + "exit 5")))
        self.once(s, "pre-start")
        s.wait_state("a", "failed")
        s.wait_stderr("pre-start hook exited with code 5")
        self.assertEqual(s.read_log("a"), "")

    def test_a_pre_start_that_hangs_is_killed_by_the_next_engine(self):
        s = self.supervisor(service("a", SLEEP, 'restart = "never"',
                                    hooks("timeout = 1s", pre_start=GATE)))
        self.wait_note(s, "begins")
        s.kill_engine()
        s.wait_state("a", "failed")
        self.assertEqual(self.notes(s), ["pre-start begins"])

    def test_during_post_start(self):
        s = self.supervisor(service("a", SLEEP, hooks(post_start=GATE)))
        self.once(s, "post-start")
        s.wait_state("a", "running")

    def test_during_pre_stop_stop_and_post_stop(self):
        for hook, keys in (("pre-stop", hooks(pre_stop=GATE)),
                           ("stop", f"stop {{ command = {command(GATE + 'kill $MAINPID')} }}"),
                           ("post-stop", hooks(post_stop=GATE))):
            with self.subTest(hook):
                s = self.supervisor(service("a", SLEEP, keys))
                s.wait_state("a", "running")
                p = s.ctl_start("stop", "a")
                self.once(s, hook)
                self.assertEqual(p.wait(harness.DEADLINE), 0)
                self.assertEqual(s.status("a")["state"], "stopped")

    def test_during_on_failed(self):
        s = self.supervisor(service("a", sh("exit 1"), 'restart = "never"', hooks(on_failed=GATE)))
        self.once(s, "on-failed")
        s.wait_state("a", "failed")

    def test_while_a_pre_start_is_being_cancelled(self):
        s = self.supervisor(service("a", sh("echo started"), hooks(pre_start=GATE)))
        for n in range(1, 9):
            self.wait_note(s, "begins", n)
            p = s.ctl_start("stop", "a")
            time.sleep(n * 0.004)  # the moment is what varies; nothing waits for it
            s.kill_engine()
            self.assertEqual(p.wait(harness.DEADLINE), 0)
            self.assertEqual(s.status("a")["state"], "stopped")
            s.ok("start", "a", "--no-wait")
        self.wait_note(s, "begins", 9)
        self.assertEqual((self.notes(s), s.read_log("a")), (["pre-start begins"] * 9, ""))

    def test_again_and_again_while_services_come_and_go(self):
        names = [f"s{i}" for i in range(4)]
        tell = 'echo "$SUPERVISOR_HOOK $SUPERVISOR_INVOCATION" >>@DIR@/told.$SUPERVISOR_NAME; '
        s = self.supervisor("".join(service(
            n, sh('echo "main $SUPERVISOR_INVOCATION" >>@DIR@/told.$SUPERVISOR_NAME; sleep 0.1'),
            'restart = "always"', "restart-limit = 0", "restart-delay = 30ms",
            "restart-max-delay = 30ms", hooks(pre_start=tell, post_stop=tell, post_start=tell))
            for n in names))
        pace = random.Random(4)
        for _ in range(12):
            time.sleep(pace.uniform(0.02, 0.2))  # the moment is what varies; nothing waits for it
            s.kill_engine()
        s.ok("stop", *names)
        for n in names:
            told = {}
            for line in s.read(f"{s.dir}/told.{n}").splitlines():
                what, invocation = line.split()
                told.setdefault(invocation, []).append(what)
            self.assertGreater(len(told), 5)
            for invocation, turns in told.items():
                self.assertEqual(len(turns), len(set(turns)), f"{n} {invocation}: {turns}")
                if "main" in turns:  # nothing waits for post-start, so it may be the last one
                    self.assertEqual(["pre-start", "main", "post-stop"],
                                     [t for t in turns if t != "post-start"],
                                     f"{n} {invocation}: {turns}")
            last = list(told.values())[-1]
            self.assertIn("post-stop", last)


class AsUser:
    """The same where there are no cgroups to write to."""

    def supervisor(self, config, **kw):
        return super().supervisor(config, user=NOBODY, **kw)


@unittest.skipIf(os.geteuid() != 0, "needs another user")
class PreStartAsUser(AsUser, PreStart):
    pass


@unittest.skipIf(os.geteuid() != 0, "needs another user")
class StoppingAsUser(AsUser, Stopping):
    pass


@unittest.skipIf(os.geteuid() != 0, "needs another user")
class OnFailedAsUser(AsUser, OnFailed):
    pass


class Show(HookTest):
    def test_the_last_run_of_each_is_told_with_its_output(self):
        s = self.supervisor(service("a", SLEEP, hooks(
            pre_start="echo one; echo two", post_start="echo bad >&2; exit 3", pre_stop=GATE)))
        s.wait_state("a", "running")
        s.wait_stderr("post-start hook exited with code 3: bad")
        rows = {h["hook"]: h for h in s.show("a")["hooks"]}
        self.assertEqual(list(rows), ["pre-start", "post-start"])
        self.assertEqual((rows["pre-start"]["ok"], rows["pre-start"]["how"],
                          rows["pre-start"]["output"]),
                         (True, "exited with code 0", "one\ntwo\n"))
        self.assertEqual((rows["post-start"]["ok"], rows["post-start"]["output"]), (False, "bad\n"))
        text = s.ok("show", "a")
        self.assertRegex(text, r"hooks +pre-start hook exited with code 0, [0-9TZ.:-]+\n +one\n +two\n"
                               r" +post-start hook exited with code 3, [0-9TZ.:-]+\n +bad\n")
        s.ctl_start("stop", "a")
        self.wait_note(s, "pre-stop begins")
        row = next(h for h in s.show("a")["hooks"] if h["hook"] == "pre-stop")
        self.assertTrue(is_alive(row["pid"]))
        self.assertIsNone(row["ok"])
        s.flag("go")

    def test_of_output_without_end_the_last_is_kept(self):
        s = self.supervisor(service("a", SLEEP, hooks(
            pre_start="head -c 5000000 /dev/zero | tr '\\0' x; echo; echo the end")))
        s.wait_state("a", "running")
        output = s.show("a")["hooks"][0]["output"]
        self.assertEqual(len(output), 1024)
        self.assertTrue(output.endswith("x\nthe end\n"))


class Many(HookTest):
    def test_two_hundred_at_once(self):
        s = self.supervisor(service("a", SLEEP, "instances = 200",
                                    hooks(pre_start="echo x >>@DIR@/notes; :")))
        wait_until(lambda: all(r["state"] == "running" for r in s.services().values()),
                   "all are running", deadline=60)
        self.assertEqual(self.notes(s), ["x"] * 200)
        before = len(os.listdir(f"/proc/{s.engine_pid()}/fd"))
        s.ok("restart", "a")
        self.assertEqual(self.notes(s), ["x"] * 400)
        wait_until(lambda: len(os.listdir(f"/proc/{s.engine_pid()}/fd")) <= before,
                   "all is closed again")


if __name__ == "__main__":
    harness.main()
