"""The launcher kills itself at its Nth system call, for N over what it does at work and while an
engine is on its way. Whoever is left goes on in its place: services keep their pids, no generation
is started twice, and every end is counted once, as what it was.

KILL_STEP says how many calls lie between two deaths; 1 tries each.
Needs the programs built with faults (SUPERVISORD_FAULTY); see base/sys.h for the rules.
"""

import os
import re
import signal
import sys

import harness
from harness import SLEEP, is_alive, service, sh, wait_until

FAULTY = os.environ.get("SUPERVISORD_FAULTY")
if not FAULTY or not os.access(FAULTY, os.X_OK):
    print("there is no supervisord with faults (SUPERVISORD_FAULTY)")
    sys.exit(77)

STEP = int(os.environ.get("KILL_STEP", "6"))
QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0",
         "restart-limit = 0")


class LauncherKill(harness.SystemTest):
    def begin(self, config):
        s = self.supervisor(config, executable=os.path.abspath(FAULTY), start=False)
        s.env["SUPERVISOR_FAULT"] = f"launcher:any:@{s.dir}/die:KILL"
        s.start()
        self.s, self.afresh = s, 0
        return s

    def heirs(self):
        """Engines and launchers that are our children by now, and those who are about to be one."""
        found = []
        for pid in harness.children().get(os.getpid(), []):
            try:
                exe = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
            except OSError:
                continue
            if os.path.basename(exe).startswith("supervisord") and is_alive(pid):
                found.append(pid)
        return found

    def answers_as(self, pids):
        try:
            with self.s.connect() as v:
                pid = v.call("Version")["pid"]
        except (OSError, harness.VarlinkError):
            return None
        return pid if pid in pids else None

    def succeed(self):
        """Waits for whoever takes the dead launcher's place, or starts one where nobody can."""
        self.s.process.wait(harness.DEADLINE)
        found = wait_until(lambda: (h := self.heirs()) and self.answers_as(h) or not h and "nobody",
                           "somebody answers, or nobody is left")
        if found == "nobody":
            self.afresh += 1
            self.s.start()
        else:
            self.s.process = harness.Heir(found)

    def is_dead(self):
        return self.s.process.poll() is not None

    def test_while_an_engine_is_on_its_way(self):
        s = self.begin(service("web", SLEEP, "instances = 2") + service("idle", SLEEP,
                                                                        "autostart = false"))
        pids = [s.wait_state(f"web@{i}", "running")["pid"] for i in (1, 2)]
        deaths = 0
        for n in range(1, 90, STEP):
            engine = s.wait_engine()
            self.s.die_at(n)
            os.kill(engine, signal.SIGKILL)
            wait_until(lambda e=engine: self.is_dead() or (p := s.engine_pid()) and p != e
                       and s.answers(), "it has died, or there is an engine")
            if os.path.exists(f"{s.dir}/die"):
                os.unlink(f"{s.dir}/die")
            if not self.is_dead():
                os.kill(s.pid, signal.SIGKILL)  # it has not come to that call
            deaths += 1
            self.succeed()
            for i, pid in enumerate(pids):
                row = s.wait_state(f"web@{i + 1}", "running")
                self.assertEqual((pid, 0), (row["pid"], row["restarts"]), f"call {n}")
            self.assertEqual("stopped", s.status("idle")["state"])
        self.assertLess(self.afresh, deaths / 2, "mostly, an engine is there that can go on")
        self.assertNotIn("not by hand", s.stderr(), "each that there was has gone on")
        self.assertIn("starting afresh in its place", s.stderr(), "also before it had anything")
        self.assertIn("going on in its place", s.stderr())
        s.ok("start", "idle")
        s.stop()

    def test_while_processes_come_and_go(self):
        names = [f"crash{i}" for i in range(3)]
        s = self.begin(service("web", SLEEP) + "".join(
            service(n, sh(f'echo $SUPERVISOR_INVOCATION >>"@DIR@/{n}.starts"; exit 3'), *QUICK,
                    'hooks { post-stop = {"/bin/sh", "-c", "echo $SUPERVISOR_INVOCATION '
                    f'>>@DIR@/{n}.hooks"}} }}') for n in names))
        pid = s.wait_state("web", "running")["pid"]
        for n in range(1, 240, STEP):
            self.s.die_at(n)
            wait_until(self.is_dead, "the launcher has died")
            self.succeed()
            self.assertEqual(pid, s.wait_state("web", "running")["pid"])
        self.assertEqual(0, self.afresh)
        s.ok("stop", *names)
        for name in names:
            starts = s.read(f"{s.dir}/{name}.starts").split()
            self.assertEqual(len(starts), len(set(starts)), "none was started twice")
            hooks = s.read(f"{s.dir}/{name}.hooks").split()
            self.assertEqual(len(hooks), len(set(hooks)), "no hook was run twice")
            self.assertLessEqual(set(starts), set(hooks))
            show = s.show(name)
            # A stop may come before a start, and then that generation has no process.
            self.assertIn(show["generation"] - len(starts), (0, 1))
            for e in show["exits"]:
                self.assertTrue(re.search(r"\b3\b|unknown|nobody could see|TERM|KILL", e["how"]), e)
        s.stop()


if __name__ == "__main__":
    harness.main()
