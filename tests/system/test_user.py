"""Run by an ordinary user: own directories, nothing that needs a privilege."""

import os
import signal
import unittest

import harness
from harness import NOBODY, SLEEP, service, sh, wait_until


class OrdinaryUser(harness.SystemTest):
    def user(self):
        return NOBODY if os.geteuid() == 0 else None

    def test_services_run_stop_and_log_as_that_user(self):
        s = self.supervisor(service("web", sh("id -u; exec sleep 100000")), user=self.user())
        pid = s.wait_state("web", "running")["pid"]
        uid = self.user() or os.geteuid()
        s.wait_log("web", f"{uid}\n")
        self.assertEqual([str(uid)] * 4, harness.status_field(pid, "Uid").split())
        self.assertEqual(uid, os.stat(s.log_path("web")).st_uid)
        s.ok("restart", "web")
        s.ok("stop", "web")
        s.stop()

    def test_the_whole_tree_is_ended_without_privileges(self):
        s = self.supervisor(service("web", sh("setsid sleep 100000 & (setsid sleep 100001 &); "
                                              "echo ready; wait")), user=self.user())
        s.wait_log("web", "ready")
        wait_until(lambda: sum("sleep" in harness.command_of(p) for p in
                               harness.descendants(s.pid)) >= 3, "its children run")
        s.ok("stop", "web")
        wait_until(lambda: harness.descendants(s.pid) == [s.engine_pid()],
                   "nobody is left, and no zombie")

    def test_what_a_main_process_leaves_behind_is_ended_before_the_next_start(self):
        s = self.supervisor(service("web", sh("setsid sleep 100000 & echo $!; exec sleep 100001"),
                                    "restart-delay = 10ms") + service("other", SLEEP),
                            user=self.user())
        old = int(s.wait_log("web", "\n"))
        first = s.wait_state("web", "running")
        os.kill(first["pid"], signal.SIGKILL)
        s.wait_service("web", lambda r: r["restarts"] == 1 and r["state"] == "running", "it is back")
        self.assertFalse(harness.is_alive(old))

    def test_the_engine_may_be_killed(self):
        s = self.supervisor(service("web", SLEEP), user=self.user())
        pid = s.wait_state("web", "running")["pid"]
        s.kill_engine()
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])

    def test_directories_come_from_the_xdg_variables(self):
        s = self.supervisor(service("web", sh("echo hello")), user=self.user(), own_dirs=False,
                            start=False)
        if os.geteuid() == 0 and self.user() is None:
            self.skipTest("root has directories of its own")
        for name in ("xdg-run", "xdg-state", "xdg-config", "xdg-config/supervisord"):
            os.mkdir(f"{s.dir}/{name}", 0o755)
            os.chown(f"{s.dir}/{name}", s.user or -1, s.user or -1)
        s.env |= {"XDG_RUNTIME_DIR": f"{s.dir}/xdg-run", "XDG_STATE_HOME": f"{s.dir}/xdg-state",
                  "XDG_CONFIG_HOME": f"{s.dir}/xdg-config", "HOME": s.dir}
        os.rename(s.config_path, f"{s.dir}/xdg-config/supervisord/supervisord.conf")
        s.runtime_dir = f"{s.dir}/xdg-run/supervisord"
        s.state_dir = f"{s.dir}/xdg-state/supervisord"
        s.log_dir = f"{s.state_dir}/log"
        s.start(args=[])
        s.wait_state("web", "exited")
        s.wait_log("web", "hello\n")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_a_service_for_another_user_fails_and_says_why(self):
        s = self.supervisor(service("web", SLEEP, 'user = "root"', 'restart = "never"')
                            + service("other", SLEEP), user=NOBODY, start=False)
        s.start(ready=False)
        wait_until(lambda: s.process.poll() is not None or "failed" in str(s.services()),
                   "it is refused at start, or the service has failed")
        if s.process.poll() is None:
            self.assertIn("not permitted", s.services()["web"]["reason"])
            s.wait_state("other", "running")
        else:
            self.assertEqual(2, s.process.returncode)
            self.assertIn("root", s.stderr())


if __name__ == "__main__":
    harness.main()
