"""supctl upgrade: other programs go on in the place of those that run, and services see nothing."""

import json
import os
import re
import shutil

import area
import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until

NEXT = "99.1.2"
QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0")
PROGRAMS = ("supervisord", "supervisord-engine")


def writer(n):
    return py(f"import os\nfor i in range({n}): os.write(1, b'line %d\\n' % i)\n"
              "os.write(2, b'the end\\n')\n")


class Upgrade(harness.SystemTest):
    def installed(self, config, version="SUPERVISORD", **kw):
        """A supervisord whose programs may be replaced."""
        bin_dir = {}

        def prepare(s):
            bin_dir["path"] = f"{s.dir}/bin"
            os.mkdir(bin_dir["path"])
            self.install(s, version)
            s.supervisord = f"{s.dir}/bin/supervisord"

        return self.supervisor(config, prepare=prepare, **kw)

    def install(self, s, version, programs=PROGRAMS):
        for name in programs:
            source = os.path.join(os.path.dirname(os.environ[version]), name)
            self.put(s, name, lambda path, source=source: shutil.copy(source, path))

    @staticmethod
    def put(s, name, make):
        """As packages do it: by another file of that name."""
        path = f"{s.dir}/bin/{name}"
        make(path + ".new")
        os.rename(path + ".new", path)

    def version(self, s):
        return s.varlink("Version")["version"]

    def test_services_see_nothing_of_it_there_and_back(self):
        key = harness.private_key()
        s = self.installed(
            service("web", SLEEP, "instances = 3") + service("done", sh("exit 0"))
            + service("bad", sh("exit 7"), "restart-limit = 2", *QUICK)
            + service("later", sh("exit 1"), "restart-delay = 1h", "restart-max-delay = 1h",
                      "restart-jitter = 0") + area.UNDER_WAY, key=key)
        area.begin_under_way(s)
        for name, state in (("web@1", "running"), ("web@2", "running"), ("web@3", "running"),
                            ("done", "exited"), ("bad", "failed"), ("later", "backoff")):
            s.wait_state(name, state)
        old, before, pid = self.version(s), s.lasting(), s.pid
        queue, exact = harness.queue_with_key(key)["msqid"], area.lasting(s)
        knocker = harness.Knocker(s.socket_path)
        for version, told in (("SUPERVISORD_NEXT", NEXT), ("SUPERVISORD", old)) * 2:
            self.install(s, version)
            answer = json.loads(s.ok("upgrade", "--json"))
            self.assertEqual(told, answer["version"])
            self.assertEqual(NEXT if told == old else old, answer["previous"])
            self.assertEqual(told, self.version(s))
            self.assertEqual(before, s.lasting())
            self.assertEqual({}, area.changed(s, exact))
            self.assertEqual(pid, s.pid)
            self.assertEqual(pid, s.varlink("Version")["pid"])
        self.assertEqual(queue, harness.queue_with_key(key)["msqid"])
        s.ok("stop", "web")
        seq = [json.loads(l)["seq"] for l in s.ok("queue", "--json").splitlines()]
        self.assertEqual(sorted(set(seq)), sorted(seq))
        self.assertEqual(max(seq) - min(seq) + 1, len(seq), "no gap")
        self.assertEqual([], knocker.finish(), "no client is refused")
        area.end_under_way(s)
        s.stop()

    def test_no_byte_of_a_log_is_lost_under_load(self):
        n = 200000
        s = self.installed("".join(
            service(f"web{i}", writer(n), 'restart = "never"', f"log {{ max-size = 1G timestamps = "
                    f'"{stamps}" }}') for i, stamps in enumerate(("none", "none", "iso")))
            + service("loop", sh("exit 1"), "restart-limit = 0", *QUICK))
        pids = [s.wait_state(f"web{i}", "running", "exited")["pid"] for i in range(3)]
        wait_until(lambda: os.path.getsize(s.log_path("web0")), "the log begins")
        restarts = 0
        for k in range(6):
            self.install(s, "SUPERVISORD" if k % 2 else "SUPERVISORD_NEXT")
            s.ok("upgrade")
            rows = s.services()
            for i, pid in enumerate(pids):
                self.assertIn(rows[f"web{i}"]["pid"], (pid, None))
            self.assertGreaterEqual(rows["loop"]["restarts"], restarts)
            restarts = rows["loop"]["restarts"]
        for i in range(3):
            self.assertEqual(0, s.wait_state(f"web{i}", "exited", deadline=90)["exit_code"])
            lines = s.wait_log(f"web{i}", "the end").splitlines()
            if i == 2:
                lines = [re.sub(r"^\S+Z ", "", l) for l in lines]
            self.assertEqual([f"line {k}" for k in range(n)] + ["the end"], lines)

    def refused(self, s, *texts, status=1):
        """The upgrade does not come about, and nothing has happened to the services."""
        version, before = self.version(s), s.lasting()
        code, out, err = s.ctl("upgrade", timeout=120)
        self.assertEqual((status, ""), (code, out), err)
        for text in texts:
            self.assertIn(text, err + s.stderr())
        self.assertEqual(version, self.version(s))
        self.assertEqual(before, s.lasting())

    def script(self, s, name, text, mode=0o755):
        def make(path):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(path, mode)
        self.put(s, name, make)

    def test_what_is_no_fit_program_leaves_the_old_one_in_charge(self):
        s = self.installed(service("web", SLEEP) + service("bad", sh("exit 7"), "restart-limit = 1",
                                                           *QUICK))
        s.wait_state("web", "running")
        s.wait_state("bad", "failed")
        self.script(s, "supervisord-engine", "#!/bin/sh\nexit 0\n")
        self.refused(s, "supervisord-engine is no program")
        self.script(s, "supervisord", "#!/bin/sh\nexit 0\n")
        self.refused(s, "bin/supervisord is no program")
        self.install(s, "SUPERVISORD")
        os.chmod(f"{s.dir}/bin/supervisord-engine", 0o644)
        self.refused(s, "supervisord-engine is not executable")
        os.chmod(f"{s.dir}/bin/supervisord-engine", 0o777)
        self.refused(s, "others than its owner can write to")
        os.unlink(f"{s.dir}/bin/supervisord-engine")
        self.refused(s, "cannot open")
        os.mkdir(f"{s.dir}/bin/supervisord-engine")
        self.refused(s, "is no regular file")
        os.rmdir(f"{s.dir}/bin/supervisord-engine")
        s.tolerated = r"engine \d+ ended with status 0"
        for program in ("/bin/false", "/bin/true"):  # end at once; true passes any trial
            self.install(s, "SUPERVISORD")
            self.put(s, "supervisord-engine", lambda p, x=program: shutil.copy(x, p))
            self.refused(s, "the old programs go on")
        self.install(s, "SUPERVISORD_NEXT")
        self.assertIn(NEXT, s.ok("upgrade"))
        self.assertEqual(NEXT, self.version(s))

    def test_an_engine_that_hangs_in_its_trial_leaves_the_old_one_in_charge(self):
        s = self.installed(service("web", SLEEP))
        s.wait_state("web", "running")
        hangs = os.path.join(os.path.dirname(os.environ["SUPERVISORD_NEXT"]), "hangs")
        self.put(s, "supervisord-engine", lambda p: shutil.copy(hangs, p))
        self.refused(s, "were not up in time")
        wait_until(lambda: not [p for p in harness.descendants(s.pid) if "hangs" in
                                os.path.basename(os.readlink(f"/proc/{p}/exe"))], "it is gone")

    def test_half_an_upgrade_is_none(self):
        s = self.installed(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        self.install(s, "SUPERVISORD_NEXT", ["supervisord-engine"])
        s.ctl("upgrade")  # either works with the other, or all stays as it was
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])
        s.ok("restart", "web")

    def test_after_an_upgrade_kills_harm_as_little_as_before(self):
        s = self.installed(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        self.install(s, "SUPERVISORD_NEXT")
        s.ok("upgrade")
        s.kill_engine()
        self.assertEqual((NEXT, pid), (self.version(s), s.status("web")["pid"]))
        self.install(s, "SUPERVISORD")  # nobody goes by the path
        s.kill_launcher()
        self.assertEqual((NEXT, pid), (self.version(s), s.status("web")["pid"]))
        s.ok("upgrade")
        self.assertNotEqual(NEXT, self.version(s))
        self.assertEqual(pid, s.status("web")["pid"])
        s.kill_both()
        self.install(s, "SUPERVISORD_NEXT")
        s.start(ready=False)
        wait_until(s.answers, "it answers")
        self.assertEqual((NEXT, pid), (self.version(s), s.wait_state("web", "running")["pid"]))
        s.stop()
        self.assertFalse(is_alive(pid))


if __name__ == "__main__":
    harness.main()
