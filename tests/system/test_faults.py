"""System calls that fail at the worst time: the programs say so, go on, and recover.

Needs the programs built with faults (SUPERVISORD_FAULTY); see base/sys.h for the rules.
"""

import os
import shutil
import sys
import tempfile

import harness
from harness import SLEEP, is_alive, service, sh, wait_until

FAULTY = os.environ.get("SUPERVISORD_FAULTY")
if not FAULTY or not os.access(FAULTY, os.X_OK):
    print("there is no supervisord with faults (SUPERVISORD_FAULTY)")
    sys.exit(77)

BEAT = sh("i=0; while :; do i=$((i+1)); echo beat $i; sleep 0.01; done")


class Faults(harness.SystemTest):
    def faulty(self, rules, config, **kw):
        return self.supervisor(config, executable=os.path.abspath(FAULTY),
                               env={"SUPERVISOR_FAULT": rules}, **kw)

    def test_without_rules_the_faulty_build_is_like_any_other(self):
        s = self.faulty("engine:pwrite:1000000:ENOSPC", service("web", BEAT))
        s.wait_log("web", "beat 5\n")

    def test_an_unwritable_log_is_told_and_counted_while_the_service_runs_on(self):
        s = self.faulty("engine:pwrite:3+:ENOSPC", service("web", BEAT))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_stderr("No space left on device")
        wait_until(lambda: s.show("web")["log"]["dropped_bytes"] > 0, "lost bytes are counted")
        self.assertTrue(is_alive(pid))
        s.ok("restart", "web")

    def test_a_log_that_fails_once_goes_on(self):
        s = self.faulty("engine:pwrite:3:EIO", service("web", BEAT))
        pid = s.wait_state("web", "running")["pid"]
        s.wait_stderr("Input/output error")
        s.wait_log("web", "beat 200\n")
        self.assertEqual(pid, s.status("web")["pid"])

    def test_whatever_becomes_of_a_log_the_service_runs_on(self):
        s = self.supervisor(service("web", BEAT))
        pid = s.wait_state("web", "running")["pid"]
        path = f"{s.log_dir}/web.log"
        s.wait_log("web", "beat 5\n")
        os.unlink(path)
        wait_until(lambda: os.path.exists(path), "the file is made again")
        os.rename(s.log_dir, f"{s.dir}/gone")
        shutil.rmtree(f"{s.dir}/gone")
        wait_until(lambda: os.path.exists(path), "so is its directory")
        os.mkfifo(f"{path}.fifo")
        os.rename(f"{path}.fifo", path)
        s.wait_stderr("it is not a regular file; dropping its output")
        wait_until(lambda: s.show("web")["log"]["dropped_bytes"] > 0, "lost bytes are counted")
        os.unlink(path)
        s.wait_log("web", "dropped (it is not a regular file)\nbeat ")
        web = s.status("web")
        self.assertEqual((pid, 0), (web["pid"], web["restarts"]))
        self.assertEqual(1, s.stderr().count("dropping its output"))

    def test_no_descriptors_for_a_client_is_told_and_passes(self):
        s = self.faulty("engine:accept:2:EMFILE,engine:accept:3:EMFILE", service("web", SLEEP))
        for _ in range(5):
            self.assertEqual(0, s.ctl("version")[0])
        s.wait_stderr("Too many open files")

    def test_without_room_for_the_status_board_the_engine_is_asked(self):
        s = self.faulty("engine:fallocate:2+:ENOSPC", service("web", SLEEP))
        for _ in range(3):
            self.assertEqual("running", s.wait_state("web", "running")["state"])
            self.assertEqual((0, ""), s.ctl("status", "web")[::2])
        self.assertFalse(os.path.exists(f"{s.runtime_dir}/status"))
        self.assertEqual(1, s.stderr().count("cannot make the status board"))

    def test_a_status_board_that_could_not_be_made_is_made_when_somebody_asks(self):
        hit = 0
        for n in range(2, 5):  # whichever of them is for the board
            s = self.faulty(f"engine:fallocate:{n}:ENOSPC", service("web", SLEEP))
            s.wait_state("web", "running")
            hit += "cannot make the status board" in s.stderr()
            self.assertEqual(0, s.ctl("status", "web")[0])
            self.assertTrue(os.path.exists(f"{s.runtime_dir}/status"))
        self.assertEqual(1, hit)

    def test_no_descriptor_for_a_log_is_told_and_passes(self):
        arm = self.enterContext(tempfile.TemporaryDirectory(prefix="sv-")) + "/arm"
        s = self.faulty(f"engine:open:@{arm}:EMFILE",
                        "".join(service(f"w{i}", sh("echo hello; exec sleep 100000"),
                                        "autostart = false") for i in range(40)))
        with open(arm + ".new", "w", encoding="ascii") as f:
            f.write("40+")
        os.rename(arm + ".new", arm)
        s.ok("start", "*")
        for i in range(40):
            s.wait_state(f"w{i}", "running")
        s.wait_stderr("Too many open files")
        self.assertEqual(0, s.ctl("status")[0])

    def test_no_memory_for_a_plan_is_a_failed_start_that_is_tried_again(self):
        large = f'environment = {{"LARGE={"x" * 20000}"}}'  # which no packet has room for
        s = self.faulty("engine:memfd_create:2:ENOMEM", "".join(
            service(name, SLEEP, "restart-delay = 10ms", large) for name in "abc"))
        for name in "abc":
            s.wait_state(name, "running")
        s.wait_stderr("Cannot allocate memory")

    def test_no_pipe_or_process_is_a_failed_start_with_the_error_in_its_reason(self):
        s = self.faulty("launcher:pipe:2+:EMFILE",
                        service("a", SLEEP, 'restart = "never"')
                        + service("b", SLEEP, 'restart = "never"'))
        wait_until(lambda: "failed" in {r["state"] for r in s.services().values()}, "one has failed")
        row = next(r for r in s.services().values() if r["state"] == "failed")
        self.assertIn("Too many open files", row["reason"])
        self.assertIsNone(row["exit_code"])

    def test_a_queue_that_cannot_be_made_is_told_and_supervision_goes_on(self):
        s = self.faulty("engine:msgget:1+:ENOSPC", service("web", SLEEP))
        s.wait_state("web", "running")
        s.wait_stderr("No space left on device")
        self.assertIsNone(s.varlink("Queue")["id"])
        s.ok("restart", "web")

    def test_a_queue_that_takes_no_messages_does_not_stop_supervision(self):
        s = self.faulty("engine:msgsnd:2+:ENOMEM", service("web", SLEEP))
        s.wait_state("web", "running")
        s.ok("restart", "web")
        s.ok("stop", "web")

    def test_a_client_whose_answer_cannot_be_sent_is_dropped_and_others_are_served(self):
        s = self.faulty("engine:send:3:ENOMEM", service("web", SLEEP))
        answered = 0
        for _ in range(10):
            answered += s.ctl("status", "web")[0] in (0, 3)
        self.assertGreaterEqual(answered, 8)


if __name__ == "__main__":
    harness.main()
