"""Who may do what with supervisord, and what is written down about it."""

import os
import re
import subprocess
import unittest

import harness
from asuser import Child, ROOT
from harness import INTERFACE, NOBODY, SLEEP, Varlink, service, sh, wait_until

OPERATOR, OPERATORS = 64001, 64011
OBSERVER, OBSERVERS = 64002, 64012
STRANGER, NOT_LISTED = 64003, 64013
ROLES = (f'control {{ operators = {{"{OPERATOR}", "@{OPERATORS}"}}\n'
         f'observers = {{"{OBSERVER}", "@{OBSERVERS}"}} }}\n')
# Each as somebody who is listed by uid, by primary and by supplementary group.
WHO_ACTS = {"by uid": (OPERATOR, NOT_LISTED, []), "by group": (STRANGER, OPERATORS, []),
            "by supplementary group": (STRANGER, NOT_LISTED, [NOT_LISTED + 1, OPERATORS]),
            "as both": (OBSERVER, OBSERVERS, [OPERATORS])}
WHO_LOOKS = {"by uid": (OBSERVER, NOT_LISTED, []), "by group": (STRANGER, OBSERVERS, []),
             "by supplementary group": (STRANGER, NOT_LISTED, [NOT_LISTED + 1, OBSERVERS])}
A_STRANGER = (STRANGER, NOT_LISTED, [NOT_LISTED + 1])
DENIED = 5


@unittest.skipUnless(ROOT, "needs root to become somebody else")
class Roles(harness.SystemTest):
    def begin(self, roles=ROLES, extra="", **kw):
        self.s = self.supervisor(roles + service("many", SLEEP, "instances = 1")
                                 + service("web", SLEEP, 'environment = {"SECRET=yes"}',
                                                 'reload { signal = "CONT" }')
                                 + extra, **kw)
        self.web = self.s.wait_state("web", "running")
        self.s.publish_supctl()

    def ctl_as(self, who, *args):
        uid, gid, groups = who
        p = subprocess.Popen([self.s.supctl, "-s", self.s.socket_path, *args], text=True, user=uid,
                             group=gid, extra_groups=groups, stdin=subprocess.DEVNULL, cwd="/",
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.s.env)
        self.s.helpers.append(p)
        out, err = p.communicate(timeout=60)
        return p.returncode, out, err, p.pid

    def refused(self, who, verb, *args, method):
        code, out, err, pid = self.ctl_as(who, verb, *args)
        self.assertEqual((DENIED, ""), (code, out.replace("supctl 0.1.0\n", "")), err)
        self.assertIn("not permitted", err)
        self.s.wait_stderr(f"control: refused: uid {who[0]} pid {pid} may not {method}\n")

    def done(self, who, verb, *args, line):
        code, _, err, pid = self.ctl_as(who, verb, *args)
        self.assertEqual((0, ""), (code, err))
        self.s.wait_stderr(f" uid {who[0]} pid {pid}: {line}\n")

    def look(self, who):
        self.assertEqual(0, self.ctl_as(who, "status", "web")[0])
        self.assertIn("running", self.ctl_as(who, "show", "web")[1])
        for verb in (["version"], ["plan"], ["wait", "web", "--for", "running"]):
            self.assertEqual(0, self.ctl_as(who, *verb)[0])
        self.assertIn(self.ctl_as(who, "queue", "--peek")[0], (0, DENIED))  # its own mode decides

    def test_operators_act_and_each_act_is_written_down_with_uid_and_pid(self):
        self.begin()
        for how, who in WHO_ACTS.items():
            with self.subTest(how):
                self.look(who)
                self.done(who, "stop", "web", line="Stop web")
                self.assertEqual("stopped", self.s.services()["web"]["state"])
                self.done(who, "start", "web", line="Start web")
                self.done(who, "restart", "w*", line="Restart web")
                self.done(who, "reset", "web", line="Reset web")
                self.done(who, "signal", "CONT", "web", line="Signal web")
                self.done(who, "reload", "web", line="Reload web")
                self.done(who, "reopen", line="Reopen")
                self.done(who, "apply", line="Apply")
                self.done(who, "restart", "--rolling", "web", line="Restart web")
                self.done(who, "scale", "many", "1", line="Scale")
                self.refused(who, "shutdown", method="Shutdown")
                self.refused(who, "upgrade", method="Upgrade")
        self.assertEqual("running", self.s.services()["web"]["state"])

    def test_observers_look_and_each_refusal_is_written_down_with_uid_and_pid(self):
        self.begin()
        for how, who in WHO_LOOKS.items():
            with self.subTest(how):
                self.look(who)
                for verb, *args in (("stop", "web"), ("start", "web"), ("restart", "web"),
                                    ("reset", "web"), ("signal", "KILL", "web"),
                                    ("reload", "web"), ("reopen",), ("apply",),
                                    ("scale", "many", "2")):
                    self.refused(who, verb, *args, method=verb.capitalize())
                self.refused(who, "shutdown", method="Shutdown")
        now = self.s.services()["web"]
        self.assertEqual((self.web["pid"], 0, "running"), (now["pid"], now["restarts"], now["state"]))

    def test_strangers_may_nothing_but_learn_what_this_is(self):
        self.begin()
        self.refused(A_STRANGER, "status", method="List")
        self.refused(A_STRANGER, "show", "web", method="Show")
        # Whether there is such a service is none of their business either.
        self.refused(A_STRANGER, "show", "nosuch", method="Show")
        self.refused(A_STRANGER, "start", "nosuch", method="Start")
        self.refused(A_STRANGER, "version", method="Version")
        self.refused(A_STRANGER, "queue", method="Queue")

        def introspect(_):
            with Varlink(self.s.socket_path) as v:
                return v.call("org.varlink.service.GetInfo")["interfaces"]
        child = Child(introspect, *A_STRANGER)
        self.addCleanup(child.end)
        self.assertIn(INTERFACE, child.result())

    def test_root_does_all_and_alone_sees_the_environment(self):
        self.begin()
        root = (0, 0, [])
        self.assertIn("SECRET=yes", self.ctl_as(root, "show", "web")[1])
        for who in (WHO_LOOKS["by uid"], WHO_ACTS["by uid"]):
            told = self.ctl_as(who, "show", "web")[1]
            self.assertIn("running", told)
            self.assertNotIn("SECRET=yes", told)
        self.done(root, "upgrade", line="Upgrade")
        self.done(root, "shutdown", line="Shutdown")
        self.assertEqual(0, self.s.wait_exit())

    def test_the_owner_does_all_without_any_role(self):
        self.begin(user=NOBODY)
        owner = (NOBODY, NOBODY, [])
        self.assertIn("SECRET=yes", self.ctl_as(owner, "show", "web")[1])
        self.done(owner, "restart", "web", line="Restart web")
        self.refused(WHO_LOOKS["by uid"], "restart", "web", method="Restart")
        self.done(owner, "shutdown", line="Shutdown")
        self.assertEqual(0, self.s.wait_exit())

    def test_without_roles_the_kernel_keeps_others_out(self):
        self.begin(roles="")
        code, _, err, _ = self.ctl_as(A_STRANGER, "status")
        self.assertEqual(DENIED, code, err)
        self.assertIn("its owner or root may", err)

    def test_with_a_group_for_the_socket_that_group_does_all(self):
        self.begin(roles=f'control {{ group = "{OPERATORS}" mode = "0660" }}\n')
        self.done((STRANGER, NOT_LISTED, [OPERATORS]), "restart", "web", line="Restart web")
        self.assertEqual(DENIED, self.ctl_as(A_STRANGER, "status")[0])

    def test_a_mode_that_shuts_out_a_role_is_a_configuration_error(self):
        for mode in ("0600", "0660"):
            s = self.supervisor(f'control {{ operators = {{"{OPERATOR}"}} mode = "{mode}" }}\n'
                                + service("web", SLEEP), start=False)
            s.start(ready=False)
            self.assertEqual(2, s.wait_exit())
            self.assertRegex(s.stderr(), rf":\d+: .*shuts out '{OPERATOR}'")

    # --- connections

    def holder(self, n):
        """Holds n connections; tells how many are open at the end."""
        def run(control):
            held = [Varlink(self.s.socket_path) for _ in range(n)]
            held[-1].send("org.varlink.service.GetInfo")
            held[-1].receive()  # so all are accepted
            control.armed()
            while not control.stopped(0.1):
                pass
            n_open = 0
            for v in held:
                v.socket.setblocking(False)
                try:
                    n_open += v.socket.recv(1) != b""
                except BlockingIOError:
                    n_open += 1
                except ConnectionResetError:
                    pass
            return n_open
        return run

    def test_a_uid_may_have_64_connections_and_root_more(self):
        self.begin()
        for who, n, kept in ((WHO_ACTS["by uid"], 64, 64), (WHO_ACTS["by uid"], 65, 64),
                             (A_STRANGER, 70, 64), ((0, 0, []), 100, 100)):
            with self.subTest(f"{who[0]}: {n}"):
                child = Child(self.holder(n), *who)
                try:
                    child.wait_armed()
                    self.assertEqual(kept, child.result())
                finally:
                    child.end()

    def test_a_uid_whose_64_connections_are_all_busy_is_told_so_and_others_are_served(self):
        script = ("trap 'while [ ! -e \"$GATE\" ]; do sleep 0.1; done; exit 0' TERM\n"
                  "echo ready; while :; do sleep 0.1; done")
        self.begin(extra=service("slow", sh(script), 'environment = {"GATE=@DIR@/gate"}',
                                 "stop { timeout = 1h kill = \"process\" }"))
        self.s.wait_log("slow", "ready")
        gate = f"{self.s.dir}/gate"
        self.addCleanup(lambda: os.path.isdir(self.s.dir) and open(gate, "wb").close())

        def busy(control):
            held = [Varlink(self.s.socket_path) for _ in range(64)]
            for v in held:
                v.send(f"{INTERFACE}.Stop", {"names": ["slow"]})
            control.armed()
            return [v.receive()["parameters"]["results"][0]["ok"] for v in held]

        def one_more(_):
            with Varlink(self.s.socket_path) as v:
                try:
                    v.send(f"{INTERFACE}.Version")
                except BrokenPipeError:
                    pass  # it may be told and sent away before it asks
                reply = v.receive()
                return reply.get("error") or reply["parameters"]["version"]
        child = Child(busy, *WHO_ACTS["by uid"])
        self.addCleanup(child.end)
        child.wait_armed()
        wait_until(lambda: self.s.stderr().count("Stop slow") == 64, "all are being worked on")
        for who, told in ((WHO_ACTS["by uid"], f"{INTERFACE}.LimitExceeded"),
                          (WHO_LOOKS["by uid"], None), ((0, 0, []), None)):
            other = Child(one_more, *who)
            try:
                answer = other.result()
            finally:
                other.end()
            if told:
                self.assertEqual(told, answer)
            else:
                self.assertRegex(answer, r"^\d+\.\d+")
        code, _, err, _ = self.ctl_as(WHO_ACTS["by uid"], "status")
        self.assertEqual(1, code)
        self.assertIn("at a limit: too many connections", err)
        with open(gate, "wb"):
            pass
        self.assertEqual([True] * 64, child.result())

    def test_a_refused_stranger_cannot_fill_the_log(self):
        self.begin()

        def nag(_):
            n = 0
            with Varlink(self.s.socket_path) as v:
                for _ in range(2000):
                    v.send(f"{INTERFACE}.Start", {"names": ["web"]})
                    n += v.receive()["error"] == f"{INTERFACE}.PermissionDenied"
            return n
        child = Child(nag, *A_STRANGER)
        self.addCleanup(child.end)
        self.assertEqual(2000, child.result(60))
        # Somebody else is heard of all the same.
        self.refused(WHO_LOOKS["by uid"], "start", "web", method="Start")
        self.s.stop()
        lines = re.findall(rf"refused: uid {STRANGER} pid {child.pid} may not Start",
                           self.s.stderr())
        self.assertTrue(1 <= len(lines) < 200, len(lines))
        more = re.findall(rf"refused: uid {STRANGER} (\d+) requests more\n", self.s.stderr())
        self.assertEqual(2000, len(lines) + sum(map(int, more)), "none is kept back for ever")


if __name__ == "__main__":
    harness.main()
