"""What services read: files, FIFOs, and each other's output, which nothing that is killed loses."""

import os
import stat
import unittest

import harness
from harness import NOBODY, py, service, sh, wait_until


class Files(harness.SystemTest):
    def test_a_file_is_read_from_its_beginning_at_each_start(self):
        s = self.supervisor(service("web", ["cat"], 'stdin = "file:@DIR@/%{name}.in"'),
                            prepare=lambda s: self.write(f"{s.dir}/web.in", "one\n"))
        s.wait_state("web", "exited")
        self.write(f"{s.dir}/web.in", "two\n")
        s.ok("start", "web")
        s.wait_log("web", "two\n")
        self.assertEqual("one\ntwo\n", s.read_log("web"))

    def test_a_fifo_has_no_end_when_its_writer_goes(self):
        s = self.supervisor(service("web", ["cat"], 'stdin = "fifo:@DIR@/fifo"'))
        s.wait_state("web", "running")
        path = f"{s.dir}/fifo"
        self.assertEqual(stat.S_IFIFO | 0o600, os.stat(path).st_mode)
        for text in ("one\n", "two\n"):
            self.write(path, text)
            s.wait_log("web", text)
        s.ok("restart", "web")
        self.write(path, "three\n")
        s.wait_log("web", "three\n")
        self.assertEqual("one\ntwo\nthree\n", s.read_log("web"))

    def test_what_cannot_be_opened_fails_the_start_and_says_why(self):
        s = self.supervisor(
            service("file", ["cat"], 'stdin = "file:@DIR@/none"', 'restart = "never"')
            + service("fifo", ["cat"], 'stdin = "fifo:@DIR@/supervisord.conf"', 'restart = "never"'))
        for name, reason in (
                ("file", "cannot open the file that is to be its stdin: No such file or directory"),
                ("fifo", "cannot make or open the FIFO that is to be its stdin: File exists")):
            self.assertIn(reason, s.wait_state(name, "failed")["reason"])

    @unittest.skipIf(os.geteuid() != 0, "only root can start services as others")
    def test_a_file_is_opened_with_the_rights_of_the_service(self):
        def prepare(s):
            self.write(f"{s.dir}/secret", "secret\n")
            os.chmod(f"{s.dir}/secret", 0o600)
            os.mkdir(f"{s.dir}/own")
            os.chown(f"{s.dir}/own", NOBODY, NOBODY)

        s = self.supervisor(
            service("file", ["cat"], 'stdin = "file:@DIR@/secret"', f'user = "{NOBODY}"',
                    'restart = "never"')
            + service("fifo", ["cat"], 'stdin = "fifo:@DIR@/own/fifo"', f'user = "{NOBODY}"'),
            prepare=prepare)
        self.assertIn("Permission denied", s.wait_state("file", "failed")["reason"])
        s.wait_state("fifo", "running")
        self.assertEqual(NOBODY, os.stat(f"{s.dir}/own/fifo").st_uid)

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    harness.main()
