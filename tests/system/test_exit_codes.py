"""What supctl's exit status says, and what it prints."""

import json
import os
import signal
import subprocess
import unittest

import harness
from harness import NOBODY, SLEEP, service, sh, wait_until


class ExitCodes(harness.SystemTest):
    def test_status_is_zero_where_all_that_were_named_are_well(self):
        s = self.supervisor(service("web", SLEEP) + service("done", sh("exit 0"))
                            + service("bad", sh("exit 1"), 'restart = "never"')
                            + service("idle", SLEEP, "autostart = false")
                            + service("backoff", sh("exit 1"), "restart-delay = 1h",
                                      "restart-max-delay = 1h"))
        s.wait_state("web", "running")
        s.wait_state("done", "exited")
        s.wait_state("bad", "failed")
        s.wait_state("backoff", "backoff")
        for names, want in (([], 0), (["web"], 0), (["done"], 0), (["web", "done"], 0),
                            (["idle"], 3), (["bad"], 3), (["backoff"], 3), (["web", "idle"], 3),
                            (["nosuch"], 4), (["web", "nosuch"], 4), (["@nosuch"], 4)):
            with self.subTest(names):
                self.assertEqual(want, s.ctl("status", *names)[0])
                self.assertEqual(want, s.ctl("--json", "status", *names)[0])

    def test_acting_on_what_is_unknown_is_four_and_on_what_fails_is_one(self):
        s = self.supervisor(service("bad", sh("exit 1"), 'type = "oneshot"', 'restart = "never"',
                                    "autostart = false")
                            + service("nothere", ["/nonexistent"], 'restart = "never"',
                                      "autostart = false"))
        for verb in ("start", "stop", "restart", "reset", "show"):
            with self.subTest(verb):
                code, out, err = s.ctl(verb, "nosuch")
                self.assertEqual((4, ""), (code, out))
                self.assertIn("nosuch", err)
        self.assertEqual(1, s.ctl("start", "bad")[0])
        code, _, err = s.ctl("start", "nothere")
        self.assertEqual(1, code)
        self.assertIn("No such file or directory", err)

    def test_wrong_usage_is_two(self):
        s = self.supervisor(service("web", SLEEP))
        for args in ([], ["nosuchverb"], ["start"], ["stop"], ["--nosuchoption"], ["show"],
                     ["signal", "TERM"], ["logs"], ["version", "extra"], ["show", "a", "b"]):
            with self.subTest(args):
                code, out, err = s.ctl(*args)
                self.assertEqual((2, ""), (code, out))
                self.assertNotEqual("", err)

    def test_without_a_supervisord_it_is_four(self):
        s = self.supervisor(service("web", SLEEP), start=False)
        code, _, err = s.ctl("status")
        self.assertEqual(4, code)
        self.assertNotEqual("", err)
        self.assertEqual(4, s.ctl("start", "web")[0])
        done = subprocess.run([s.supctl, "status"], capture_output=True, check=False,
                              env=s.env | {"SUPCTL_SOCKET": f"{s.dir}/nothing"})
        self.assertEqual(4, done.returncode)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_who_may_not_connect_gets_five(self):
        s = self.supervisor(service("web", SLEEP))
        s.publish_supctl()
        done = subprocess.run([s.supctl, "-s", s.socket_path, "status"], capture_output=True,
                              check=False, user=NOBODY, group=NOBODY, extra_groups=[], env=s.env)
        self.assertEqual(5, done.returncode, done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_an_observer_may_look_but_not_act(self):
        name = subprocess.run(["id", "-nu", str(NOBODY)], capture_output=True, text=True,
                              check=True).stdout.strip()
        s = self.supervisor(f'control {{ observers = {{"{name}"}} }}\n'
                            + service("web", SLEEP, 'environment = {"SECRET=hush"}'))
        pid = s.wait_state("web", "running")["pid"]
        s.publish_supctl()

        def as_nobody(*args):
            return subprocess.run([s.supctl, "-s", s.socket_path, *args], text=True,
                                  capture_output=True, check=False, user=NOBODY, group=NOBODY,
                                  extra_groups=[], env=s.env)
        self.assertEqual(0, as_nobody("status", "web").returncode)
        self.assertEqual(5, as_nobody("stop", "web").returncode)
        self.assertEqual(5, as_nobody("shutdown").returncode)
        shown = as_nobody("--json", "show", "web")
        self.assertEqual(0, shown.returncode)
        self.assertNotIn("hush", shown.stdout)
        self.assertIn("hush", s.ok("--json", "show", "web"))
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])

    def test_supctl_socket_names_the_socket(self):
        s = self.supervisor(service("web", SLEEP))
        s.wait_state("web", "running")
        done = subprocess.run([s.supctl, "status", "web"], capture_output=True, check=False,
                              env=s.env | {"SUPCTL_SOCKET": s.socket_path})
        self.assertEqual(0, done.returncode, done.stderr)

    def test_json_is_one_document_and_plain_output_has_no_escape_sequence(self):
        s = self.supervisor(service("web", SLEEP, "instances = 2"))
        s.wait_state("web@2", "running")
        rows = json.loads(s.ok("--json", "status"))
        self.assertEqual(["web@1", "web@2"], sorted(r["name"] for r in rows))
        self.assertNotIn("\x1b", s.ok("status"))
        self.assertIn("web@1", s.ok("status"))

    def test_control_bytes_that_a_service_has_written_do_not_reach_a_terminal(self):
        s = self.supervisor(service("web", sh(r"printf '\033]0;evil\007\033[31mred\n'")))
        s.wait_state("web", "exited")
        s.wait_log("web", "red")
        try:
            parent, child = os.openpty()
        except OSError as error:
            self.skipTest(f"no terminal to be had: {error}")
        try:
            subprocess.run([s.supctl, "-s", s.socket_path, "logs", "web"], stdout=child, check=False,
                           stderr=child, env=s.env, timeout=20)
            shown = os.read(parent, 65536)
        finally:
            os.close(parent)
            os.close(child)
        self.assertIn(b"red", shown)
        self.assertNotIn(b"\x1b", shown)
        self.assertNotIn(b"\x07", shown)

    def test_no_wait_returns_at_once(self):
        s = self.supervisor(service("web", sh("trap '' TERM; echo ready; while :; do sleep 1; done"),
                                    "stop { timeout = 1h }"))
        s.wait_log("web", "ready")
        s.ok("stop", "--no-wait", "web", timeout=20)
        self.assertEqual("stopping", s.status("web")["state"])
        s.signal(signal.SIGQUIT)
        wait_until(lambda: s.process.poll() is not None, "supervisord has ended")


if __name__ == "__main__":
    harness.main()
