"""What a service is started with, as it sees it itself."""

import grp
import json
import os
import pathlib
import pwd
import unittest

import harness
from harness import NOBODY, py, service

TELL = ("import json,os\n"
        "print(json.dumps({'ids': os.getresuid() + os.getresgid(), 'groups': sorted(os.getgroups()),\n"
        "  'cwd': os.getcwd(), 'umask': os.umask(0), 'nice': os.nice(0),\n"
        "  'oom': int(open('/proc/self/oom_score_adj').read()), 'env': dict(os.environ)}))\n")


class Privileges(harness.SystemTest):
    def tell(self, *lines, name="web", **kw):
        """What a service with these keys tells about itself."""
        s = self.supervisor(service("web", py(TELL), *lines), **kw)
        s.wait_state(name, "exited")
        self.s = s
        return json.loads(s.wait_log(name, "}\n").splitlines()[-1])

    def test_by_default_it_is_who_supervisord_is_with_umask_022_in_the_root_directory(self):
        told = self.tell()
        self.assertEqual([os.geteuid()] * 3 + [os.getegid()] * 3, told["ids"])
        self.assertEqual(("/", 0o022, os.nice(0)), (told["cwd"], told["umask"], told["nice"]))

    def test_directory_umask_and_environment(self):
        told = self.tell('directory = "/usr"', 'umask = "0027"',
                         'environment = {"PORT=80%{instance}", "NAME=%{name}", "EMPTY=",'
                         ' "PERCENT=100%", "EQUALS=a=b"}')
        self.assertEqual(("/usr", 0o027), (told["cwd"], told["umask"]))
        env = told["env"]
        self.assertEqual(("80", "web", "", "100%", "a=b"),
                         tuple(env[k] for k in ("PORT", "NAME", "EMPTY", "PERCENT", "EQUALS")))
        self.assertIn("HARNESS_MARK", env, "supervisord's own environment is passed on")

    def test_every_generation_has_an_invocation_of_its_own(self):
        first = self.tell()["env"]
        self.assertEqual("web", first["SUPERVISOR_NAME"])
        self.assertRegex(first["SUPERVISOR_INVOCATION"], "^[0-9a-f]{32}$")
        self.assertEqual(first["SUPERVISOR_INVOCATION"], first["INVOCATION_ID"])
        self.s.ok("start", "web")
        harness.wait_until(lambda: self.s.read_log("web").count("}\n") == 2, "the second run")
        second = json.loads(self.s.read_log("web").splitlines()[-1])["env"]
        self.assertNotEqual(first["SUPERVISOR_INVOCATION"], second["SUPERVISOR_INVOCATION"])

    def test_an_instance_knows_its_number(self):
        s = self.supervisor(service("web", py(TELL), "instances = 2"))
        s.wait_state("web@2", "exited")
        env = json.loads(s.wait_log("web@2", "}\n"))["env"]
        self.assertEqual(("web@2", "2"), (env["SUPERVISOR_NAME"], env["SUPERVISOR_INSTANCE"]))

    def test_a_clear_environment_has_only_what_was_asked_for(self):
        env = self.tell("clear-environment = true", 'environment = {"A=1"}')["env"]
        self.assertNotIn("HARNESS_MARK", env)
        self.assertEqual("1", env["A"])
        self.assertIn("SUPERVISOR_NAME", env)

    def test_environment_is_merged_with_defaults_and_an_env_file(self):
        def write(s):
            with open(f"{s.dir}/env", "w", encoding="utf-8") as f:
                f.write("# a comment\n\nFROM_FILE=yes\nBOTH=file\nQUOTED=\"two words\"\n")
        s = self.supervisor('defaults { environment = {"D=default", "E=default"} }\n'
                            + service("web", py(TELL), 'env-file = "@DIR@/env"',
                                      'environment = {"E=service", "BOTH=service"}'), prepare=write)
        s.wait_state("web", "exited")
        env = json.loads(s.wait_log("web", "}\n"))["env"]
        self.assertEqual(("yes", "service", "default", "service", "two words"),
                         tuple(env[k] for k in ("FROM_FILE", "BOTH", "D", "E", "QUOTED")))

    def test_nice_and_oom_score_can_be_made_worse_by_anybody(self):
        told = self.tell("nice = 7", "oom-score-adj = 500")
        self.assertEqual((7, 500), (told["nice"], told["oom"]))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_user_brings_its_groups_and_its_home(self):
        user = pwd.getpwuid(NOBODY)
        told = self.tell(f'user = "{user.pw_name}"')
        self.assertEqual([user.pw_uid] * 3 + [user.pw_gid] * 3, told["ids"])
        self.assertEqual(sorted(set(os.getgrouplist(user.pw_name, user.pw_gid))), told["groups"])
        self.assertEqual((user.pw_name, user.pw_name, user.pw_dir),
                         tuple(told["env"][k] for k in ("USER", "LOGNAME", "HOME")))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_group_can_be_given_beside_the_user(self):
        user, group = pwd.getpwuid(NOBODY), grp.getgrnam("daemon")
        told = self.tell(f'user = "{user.pw_name}"', 'group = "daemon"')
        self.assertEqual([user.pw_uid] * 3 + [group.gr_gid] * 3, told["ids"])

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_root_can_make_things_better_too(self):
        self.assertEqual(-3, self.tell("nice = -3")["nice"])

    def test_without_the_privilege_for_it_the_service_runs_all_the_same_and_that_is_told_once(self):
        own = int(pathlib.Path("/proc/self/oom_score_adj").read_text())
        told = self.tell(f"oom-score-adj = {max(own - 100, -1000)}", "instances = 2", name="web@1")
        if told["oom"] < own:
            self.skipTest("we have the privilege")
        self.assertEqual(own, told["oom"])
        self.assertEqual(1, self.s.stderr().count("no privilege to set oom-score-adj"))


if __name__ == "__main__":
    harness.main()
