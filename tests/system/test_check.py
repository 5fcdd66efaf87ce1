"""supervisord --check, and a start with a bad configuration."""

import glob
import os
import re
import subprocess
import unittest

import harness
from harness import SLEEP, service

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../contrib/examples")

BAD = {
    "an unknown key": ('service "web" {\n\tcommand = {"/bin/true"}\n\tcolour = "red"\n}\n', 3),
    "an empty command": ('\nservice "web" {\n\tcommand = {}\n}\n', 3),
    "no command": ('\n\nservice "web" {\n}\n', 3),
    "a bad duration": ('service "web" {\n\tcommand = {"/bin/true"}\n'
                       "\trestart-delay = 5parsecs\n}\n", 3),
    "a bad word": ('service "web" {\n\tcommand = {"/bin/true"}\n\n\n'
                   '\trestart = "sometimes"\n}\n', 5),
    "an unknown signal": ('service "web" {\n\tcommand = {"/bin/true"}\n'
                          '\tstop {\n\t\tsignal = "NOSUCH"\n\t}\n}\n', 4),
    "an unknown user": ('service "web" {\n\tcommand = {"/bin/true"}\n'
                        '\tuser = "no-such-user-here"\n}\n', 3),
    "a key given twice": ('service "web" {\n\tcommand = {"/bin/true"}\n'
                          "\trestart-limit = 1\n\trestart-limit = 2\n}\n", 4),
    "a service given twice": ('service "web" {\n\tcommand = {"/bin/true"}\n}\n'
                              'service "web" {\n\tcommand = {"/bin/true"}\n}\n', 4),
    "a bad name": ('service "-web/" {\n\tcommand = {"/bin/true"}\n}\n', 1),
    "two services with one log": ('service "a" {\n\tcommand = {"/bin/true"}\n}\n'
                                  'service "b" {\n\tcommand = {"/bin/true"}\n'
                                  '\tlog {\n\t\tfile = "a.log"\n\t}\n}\n', None),
    "an unknown dependency": ('service "a" {\n\tcommand = {"/bin/true"}\n'
                              '\trequires = {"nobody"}\n}\n', 3),
    "a circle": ('service "a" {\n\tcommand = {"/bin/true"}\n\tafter = {"b"}\n}\n'
                 'service "b" {\n\tcommand = {"/bin/true"}\n\twants = {"a"}\n}\n', 3),
    "a bad regular expression": ('service "a" {\n\tcommand = {"/bin/true"}\n'
                                 '\tready {\n\t\ton = "log:(up"\n\t}\n}\n', 4),
    "a bad schedule": ('service "a" {\n\tcommand = {"/bin/true"}\n'
                       '\tschedule { cron = "61 * * * *" }\n}\n', 3),
    "a missing brace": ('service "web" {\n\tcommand = {"/bin/true"}\n', None),
    "an unclosed comment": ('service "web" {\n\tcommand = {"/bin/true"}\n}\n/* and so on\n', 4),
    "an unclosed string": ('service "web" {\n\tcommand = {"/bin/true}\n}\n', None),
    "a line after a long comment": ('# one\n/* two\nthree\nfour */\n// five\n'
                                    'service "web" {\n\tcommand = {"/bin/true"}\n'
                                    '\tcolour = "red"\n}\n', 8),
}


class Check(harness.SystemTest):
    def check(self, text, *more):
        s = self.supervisor(text, start=False, own_dirs=False)
        done = subprocess.run([s.supervisord, "--check", "-c", s.config_path, *more], text=True,
                              capture_output=True, timeout=30, check=False, env=s.env, cwd=s.dir)
        return s, done

    def test_a_good_configuration_is_zero_and_starts_nothing(self):
        s, done = self.check('runtime-dir = "@DIR@/run"\nstate-dir = "@DIR@/state"\n'
                             'log-dir = "@DIR@/log"\n'
                             + service("web", ["/usr/bin/touch", "@DIR@/touched"]))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(["supervisord.conf"], os.listdir(s.dir))

    def test_the_examples_are_good(self):
        paths = glob.glob(f"{EXAMPLES}/*.conf")
        names = [os.path.basename(p) for p in paths]
        self.assertIn("container.conf", names)
        self.assertIn("full.conf", names)
        for path in paths:
            with self.subTest(os.path.basename(path)):
                done = subprocess.run([harness.program("SUPERVISORD"), "--check", "-c", path],
                                      capture_output=True, text=True, timeout=30, check=False,
                                      env=os.environ | {"XDG_RUNTIME_DIR": "/run"})
                # Whose users and groups exist is the machine's matter.
                wrong = [l for l in done.stderr.splitlines()
                         if not re.search("unknown (user|group)", l)]
                self.assertEqual([], wrong)
                self.assertEqual(2 if done.stderr else 0, done.returncode)

    def test_bad_ones_are_two_and_name_file_and_line(self):
        for what, (text, line) in BAD.items():
            with self.subTest(what):
                s, done = self.check(text)
                self.assertEqual(2, done.returncode, done.stderr)
                place = f"{re.escape(s.config_path)}:{line if line else '[0-9]+'}: \\S"
                self.assertRegex(done.stderr, place)

    def test_the_service_is_named_in_the_message(self):
        _, done = self.check(BAD["a bad word"][0])
        self.assertIn("web", done.stderr)
        self.assertIn("on-failure", done.stderr, "it says what is allowed")

    def test_all_errors_are_told_at_once(self):
        _, done = self.check('service "a" {\n\tcommand = {"/bin/true"}\n\trestart = "x"\n}\n'
                             'service "b" {\n\tcommand = {"/bin/true"}\n\tumask = "9"\n}\n')
        self.assertEqual(2, done.returncode)
        self.assertRegex(done.stderr, r"supervisord\.conf:3: ")
        self.assertRegex(done.stderr, r"supervisord\.conf:7: ")

    def test_errors_in_included_files_name_those(self):
        s = self.supervisor('include("services.d/*.conf")\n', start=False, own_dirs=False)
        os.mkdir(f"{s.dir}/services.d")
        for name, text in (("a.conf", service("a", SLEEP)), ("b.conf", "\n\nnonsense = 1\n")):
            with open(f"{s.dir}/services.d/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        done = subprocess.run([s.supervisord, "--check", "-c", s.config_path], text=True,
                              capture_output=True, timeout=30, check=False, env=s.env)
        self.assertEqual(2, done.returncode)
        self.assertRegex(done.stderr, r"services\.d/b\.conf:3: ")

    def test_a_missing_file_is_two(self):
        s = self.supervisor("", start=False)
        done = subprocess.run([s.supervisord, "--check", "-c", f"{s.dir}/nothing.conf"], text=True,
                              capture_output=True, timeout=30, check=False, env=s.env)
        self.assertEqual(2, done.returncode)
        self.assertIn("No such file or directory", done.stderr)

    def test_a_file_without_its_option_is_told_the_option(self):
        s = self.supervisor("", start=False)
        done = subprocess.run([s.supervisord, "--check", s.config_path], text=True,
                              capture_output=True, timeout=30, check=False, env=s.env)
        self.assertEqual(2, done.returncode)
        self.assertIn("a configuration is given by -c", done.stderr)

    def test_a_start_with_a_bad_configuration_is_two_and_starts_nothing(self):
        s = self.supervisor(service("web", ["/usr/bin/touch", "@DIR@/touched"])
                            + 'service "bad" {\n}\n', start=False)
        s.start(ready=False)
        self.assertEqual(2, s.wait_exit())
        self.assertRegex(s.stderr(), r"supervisord\.conf:\d+: ")
        self.assertFalse(os.path.exists(f"{s.dir}/touched"))

    def supctl_check(self, s, **more):
        return subprocess.run([s.supctl, "check", s.config_path], text=True, capture_output=True,
                              timeout=30, check=False, **more)

    def test_supctl_checks_a_file_as_its_owner_would_run_it(self):
        s = self.supervisor('service "web" {\n\tcommand = {"/bin/true"}\n}\n', start=False)
        done = self.supctl_check(s, env=s.env)
        self.assertEqual((0, f"{s.config_path}: 1 service, no errors\n", ""),
                         (done.returncode, done.stdout, done.stderr))
        with open(s.config_path, "a", encoding="utf-8") as f:
            f.write("nonsense = 1\n")
        done = self.supctl_check(s, env=s.env)
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stderr, rf"^{re.escape(s.config_path)}:\d+: unknown key 'nonsense'\n$")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_somebody_elses_file_is_checked_without_privileges(self):
        env = {"PATH": os.environ["PATH"]}
        user = {"user": harness.NOBODY, "group": harness.NOBODY, "extra_groups": []}
        s = self.supervisor('service "web" {\n\tcommand = {"/bin/true"}\n\tuser = "daemon"\n}\n',
                            start=False, own_dirs=False)
        s.publish_supctl()
        done = self.supctl_check(s, env=env, **user)
        self.assertEqual(0, done.returncode, done.stderr)
        os.chown(s.config_path, harness.NOBODY, harness.NOBODY)
        done = self.supctl_check(s, env=env, **user)
        self.assertEqual(1, done.returncode, "only root may name another user")
        self.assertIn("only root", done.stderr)
        self.assertEqual(0, self.supctl_check(s, env=env).returncode, "root checks it")

    def test_environment_of_supervisord_is_not_expanded(self):
        s = self.supervisor(service("web", ["/bin/echo", "${HOME} $HOME %d 100%"]))
        s.wait_log("web", "${HOME} $HOME %d 100%\n")

    def test_wrong_options_are_two(self):
        s = self.supervisor("", start=False)
        for args in (["--nosuch"], ["-c"], ["extra"]):
            done = subprocess.run([s.supervisord, *args], capture_output=True, timeout=30,
                                  check=False, env=s.env)
            self.assertEqual(2, done.returncode)


if __name__ == "__main__":
    harness.main()
