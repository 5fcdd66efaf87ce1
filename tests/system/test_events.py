"""Events: everybody who follows hears everything, whoever else sleeps and whatever dies."""

import json
import os
import select
import signal
import subprocess
import threading
import unittest

import harness
from harness import INTERFACE, NOBODY, SLEEP, VarlinkError, service, sh, wait_until

LONG = "a-service-with-a-name-of-fifty-nine-characters-for-long-lines"


class Follower:
    """A call of Events on a connection of its own."""

    def __init__(self, s, **parameters):
        self.v = s.connect()
        self.v.send(f"{INTERFACE}.Events", parameters, more=True)

    def next(self):
        reply = self.v.receive()
        if "error" in reply:
            raise VarlinkError(reply)
        return reply["parameters"]["event"]

    def until(self, last):
        """The events up to the first one for which last(event) holds."""
        events = [self.next()]
        while not last(events[-1]):
            events.append(self.next())
        return events

    def states(self, name, state):
        """All changes up to the one that brings the service into the state."""
        return [e for e in self.until(lambda e: (e["type"], e["service"], e["state"])
                                      == ("state", name, state)) if e["type"] == "state"]

    def close(self):
        self.v.close()


class Events(harness.SystemTest):
    def follow(self, s, **parameters):
        f = Follower(s, **parameters)
        self.addCleanup(f.close)
        f.greeting = f.next()
        return f

    def listening(self, s, *args):
        """supctl in the background, which has written something about 'web'."""
        p = s.ctl_start(*args)

        def heard():
            s.ok("restart", "web")
            return select.select([p.stdout], [], [], 0)[0]
        wait_until(heard, "it listens")
        return p

    def changes(self, events):
        return [(e["service"], e["previous"], e["state"]) for e in events]

    def test_a_follower_hears_of_every_change_in_order(self):
        s = self.supervisor(service("web", SLEEP, "autostart = false"))
        f = self.follow(s)
        self.assertEqual(("started", s.engine_pid(), None),
                         tuple(f.greeting[k] for k in ("type", "pid", "service")))
        s.ok("start", "web")
        pid = s.status("web")["pid"]
        s.ok("stop", "web")
        events = f.states("web", "stopped")
        self.assertEqual([("web", "stopped", "starting"), ("web", "starting", "running"),
                          ("web", "running", "stopping"), ("web", "stopping", "stopped")],
                         self.changes(events))
        self.assertEqual(pid, events[1]["pid"])
        self.assertEqual("by request", events[3]["reason"])
        for e in events:
            self.assertRegex(e["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertEqual(0, e["restarts"])

    def test_changes_have_their_number_on_the_message_queue(self):
        s = self.supervisor(service("web", SLEEP, "autostart = false"),
                            key=harness.private_key())
        f = self.follow(s)
        s.ok("start", "web")
        s.ok("stop", "web")
        events = f.states("web", "stopped")
        queued = [json.loads(l) for l in s.ok("--json", "queue").splitlines()]
        self.assertEqual([(m["seq"], m["state"]) for m in queued],
                         [(e["queue_seq"], e["state"]) for e in events])

    def test_fifty_followers_hear_the_same(self):
        s = self.supervisor(service("web", SLEEP, "instances = 10", "autostart = false")
                            + service("last", SLEEP, "autostart = false"))
        followers = [self.follow(s) for _ in range(50)]
        s.ok("start", "web")
        s.ok("restart", "web")
        s.ok("stop", "web")
        s.ok("start", "last")
        heard = [f.until(lambda e: (e["type"], e["service"], e["state"])
                         == ("state", "last", "running")) for f in followers]
        seqs = [e["seq"] for e in heard[0]]
        self.assertEqual(list(range(seqs[0], seqs[0] + len(seqs))), seqs, "without a gap")
        self.assertGreaterEqual(len(seqs), 10 * 7 + 2)
        for other in heard[1:]:
            self.assertEqual(heard[0], other)

    def test_who_does_not_read_holds_nobody_up_and_is_told_what_it_has_lost(self):
        # With a launcher that stands still, one service keeps the only place to start, and all
        # others come and go without a process: thousands of changes at once.
        s = self.supervisor('max-starting = 1\nlog-level = "warning"\n'
                            + service("holder", SLEEP, "autostart = false")
                            + service(LONG, SLEEP, "instances = 600", "autostart = false")
                            + service("web", SLEEP, "autostart = false"))
        sleeper, reader = self.follow(s), self.follow(s)
        heard = []

        def read():
            while not heard or (heard[-1]["service"], heard[-1]["state"]) != ("web", "stopped"):
                heard.append(reader.next())
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        s.signal(signal.SIGSTOP)
        try:
            s.varlink("Start", {"names": ["holder"], "wait": False})
            for _ in range(12):  # more than the journal has room for
                s.varlink("Start", {"names": [LONG], "wait": False})
                s.varlink("Stop", {"names": [LONG], "wait": False})
                last = s.varlink("Note", {"text": "so far"})["seq"]
                wait_until(lambda n=last: heard and heard[-1]["seq"] >= n, "one of the two reads")
            s.varlink("Start", {"names": ["web"], "wait": False})
            s.varlink("Stop", {"names": ["web"], "wait": False})
        finally:
            s.signal(signal.SIGCONT)
        thread.join(harness.DEADLINE)
        self.assertFalse(thread.is_alive(), "the reader has heard the last word")
        seqs = [e["seq"] for e in heard]
        self.assertEqual(list(range(seqs[0], seqs[0] + len(seqs))), seqs, "nothing was lost")
        self.assertGreater(len(seqs), 12 * 2 * 600)

        slow = sleeper.until(lambda e: e["type"] == "lost")
        lost = slow.pop()
        self.assertEqual(heard[:len(slow)], slow)
        self.assertGreater(lost["count"], 0)
        s.ok("start", "web")
        after = sleeper.until(lambda e: e["state"] == "running")
        self.assertEqual(slow[-1]["seq"] + lost["count"] + 1, after[0]["seq"],
                         "the gap in the numbers is as large as it was told")

    def test_names_choose_what_is_heard(self):
        s = self.supervisor("".join(service(n, SLEEP, "autostart = false", *more) for n, more in (
            ("web", ["instances = 2"]), ("db", ['groups = {"back"}']), ("worker", []),
            ("other", []), ("last", []))))
        wanted = {"web": {"web@1", "web@2"}, "web@2": {"web@2"}, "@back": {"db"},
                  "w*": {"web@1", "web@2", "worker"}, "db": {"db"}}
        followers = {p: self.follow(s, names=[p, "last"]) for p in wanted}
        both = self.follow(s, names=["@back", "o*", "last"])
        s.ok("start", "web", "db", "worker", "other")
        s.ok("start", "last")
        for pattern, f in followers.items():
            with self.subTest(pattern):
                names = {e["service"] for e in f.states("last", "running")}
                self.assertEqual(wanted[pattern] | {"last"}, names)
        self.assertEqual({"db", "other", "last"},
                         {e["service"] for e in both.states("last", "running")})

    def test_what_can_not_be_followed_is_refused(self):
        s = self.supervisor(service("web", SLEEP))
        for parameters, error in (
                ({"names": ["nosuch"]}, f"{INTERFACE}.NoSuchService"),
                ({"names": ["web", "@nosuch"]}, f"{INTERFACE}.NoSuchService"),
                ({"names": ["w*"] * 65}, f"{INTERFACE}.LimitExceeded"),
                ({"names": "web"}, "org.varlink.service.InvalidParameter"),
                ({"snapshot": 1}, "org.varlink.service.InvalidParameter")):
            with self.subTest(str(parameters)[:40]):
                f = Follower(s, **parameters)
                self.addCleanup(f.close)
                with self.assertRaises(VarlinkError) as caught:
                    f.next()
                self.assertEqual(error, caught.exception.error)
        self.follow(s, names=["w*"] * 64)
        with self.assertRaises(VarlinkError) as caught:
            s.varlink("Events")
        self.assertEqual("org.varlink.service.ExpectedMore", caught.exception.error)

    def test_a_snapshot_is_followed_by_all_that_happens_after_it(self):
        s = self.supervisor(service("web", SLEEP) + service("idle", SLEEP, "autostart = false")
                            + service("other", SLEEP))
        s.wait_state("web", "running")
        s.wait_state("other", "running")
        f = self.follow(s, names=["web", "idle"], snapshot=True)
        rows = s.services()
        events = f.until(lambda e: e["type"] == "live")
        self.assertEqual(["snapshot", "snapshot", "live"], [e["type"] for e in events])
        for e in events[:2]:
            row = rows[e["service"]]
            self.assertEqual((row["state"], row["pid"], row["since"], row["reason"]),
                             (e["state"], e["pid"], e["time"], e["reason"]))
        s.ok("start", "idle")
        self.assertEqual([("idle", "stopped", "starting"), ("idle", "starting", "running")],
                         self.changes(f.states("idle", "running")))

    def test_a_follower_hears_of_the_end(self):
        s = self.supervisor(service("web", SLEEP))
        s.wait_state("web", "running")
        f = self.follow(s)
        follower = self.listening(s, "events", "-f", "web")
        s.ok("shutdown")
        f.until(lambda e: e["type"] == "shutdown")
        events = f.states("web", "stopped")
        self.assertEqual([("web", "running", "stopping"), ("web", "stopping", "stopped")],
                         self.changes(events))
        self.assertTrue(f.v.is_closed())
        out, err = follower.communicate(timeout=20)
        self.assertEqual((4, "supctl: supervisord has ended\n"), (follower.returncode, err))
        self.assertIn("supervisord   shutdown: ", out)
        self.assertRegex(out.splitlines()[-1], r"web +stopping -> stopped +supervisord is shutting")

    def test_a_reload_and_what_it_removes_are_told(self):
        s = self.supervisor(service("web", SLEEP) + service("gone", SLEEP))
        lines = self.listening(s, "events", "-f")
        s.write_config(service("web", SLEEP))
        s.ok("apply")
        told = []
        for line in lines.stdout:
            told.append(line.split("  ", 1)[1])
            if "removed\n" in line:
                break
        self.assertIn("supervisord   reloaded: a configuration was applied\n", told)
        self.assertEqual(told[-1], "gone          removed\n")

    def test_the_next_engine_says_so_and_the_stream_goes_on(self):
        s = self.supervisor(service("web", SLEEP))
        lines = self.listening(s, "events", "-f")
        objects = s.ctl_start("--json", "events", "-f", "web")
        self.assertEqual("started", json.loads(objects.stdout.readline())["type"])
        s.ok("restart", "web")
        seen = [json.loads(objects.stdout.readline()) for _ in range(5)]
        self.assertEqual(["request", "state", "exit", "state", "start"], [e["type"] for e in seen],
                         "told at once")
        engine = s.kill_engine()
        e = json.loads(objects.stdout.readline())
        while e["type"] != "recovered":
            seen.append(e)
            e = json.loads(objects.stdout.readline())
        self.assertEqual(engine, e["pid"])
        seqs = [e["seq"] for e in seen]
        for line in lines.stdout:
            if "recovered" in line:
                break
        self.assertIn(f"recovered, engine {engine}", line)
        s.ok("stop", "web")
        e = {}
        while e.get("state") != "stopped":
            e = json.loads(objects.stdout.readline())
            if e["type"] != "live":
                seqs.append(e["seq"])
        self.assertEqual(list(range(seqs[0], seqs[0] + len(seqs))), seqs, "no gap, nothing twice")
        self.assertRegex(lines.stdout.readline(), r"^\S+Z  supervisord   stop web by uid \d+")
        self.assertRegex(lines.stdout.readline(), r"^\S+Z  web           running  -> stopping +\d+")

    def test_it_ends_when_nobody_reads_it(self):
        s = self.supervisor(service("web", SLEEP))
        p = s.ctl_start("events", "-f")
        p.stdout.close()
        self.assertEqual(0, p.wait(harness.DEADLINE))
        p.stdout = None

    def test_followers_that_come_and_go_leave_nothing_behind(self):
        s = self.supervisor(service("web", SLEEP))
        s.wait_state("web", "running")

        def count():
            return len(os.listdir(f"/proc/{s.engine_pid()}/fd"))
        s.varlink("Version")
        before = count()
        for _ in range(50):
            Follower(s, snapshot=True).close()
        wait_until(lambda: count() <= before + 1, "descriptors are back to what they were")
        s.ok("restart", "web")



class Wait(harness.SystemTest):
    def waiting(self, s, *names_and_options, marker="idle: stopped\n"):
        """supctl wait, in the middle: it waits for a second one that is there, and has said so."""
        p = s.ctl_start("wait", marker.split(":")[0], *names_and_options)
        self.assertEqual(marker, p.stdout.readline())
        return p

    def ends(self, p, code):
        out, err = p.communicate(timeout=30)
        self.assertEqual(code, p.returncode, out + err)
        return out, err

    IDLE = service("idle", SLEEP, "autostart = false")

    def test_who_is_there_is_not_waited_for(self):
        s = self.supervisor(service("web", SLEEP, "instances = 2") + service("done", sh("exit 0")))
        for name, state in (("web@1", "running"), ("web@2", "running"), ("done", "exited")):
            s.wait_state(name, state)
        self.assertRegex(s.ok("wait", "web", "--for", "running"),
                         r"^web@1: running \(pid \d+\)\nweb@2: running \(pid \d+\)\n$")
        self.assertEqual("done: exited\n", s.ok("wait", "do*", "--for", "failed,exited", "--timeout", "0"))
        rows = s.json("wait", "web@1", "--for", "running")
        self.assertEqual([("web@1", True, "running")],
                         [(r["name"], r["ok"], r["state"]) for r in rows])

    def test_it_ends_when_the_last_one_gets_there(self):
        s = self.supervisor(self.IDLE + service("web", SLEEP) + service("db", SLEEP))
        p = self.waiting(s, "web", "db", "--for", "stopped")
        s.ok("stop", "db")
        self.assertEqual("db: stopped\n", p.stdout.readline())
        self.assertIsNone(p.poll())
        s.ok("stop", "web")
        self.assertEqual(("web: stopped\n", ""), self.ends(p, 0))

    def test_passing_through_a_state_counts(self):
        s = self.supervisor(self.IDLE + service("web", SLEEP))
        s.wait_state("web", "running")
        p = self.waiting(s, "web", "--for", "stopped,stopping")
        s.ok("restart", "web")
        self.assertRegex(self.ends(p, 0)[0], r"^web: stopping( \(pid \d+\))?\n$")

    def test_a_wait_survives_the_engine(self):
        s = self.supervisor(self.IDLE + service("web", SLEEP) + service("db", SLEEP))
        s.wait_state("web", "running")
        p = self.waiting(s, "web", "db", "--for", "stopped")
        s.ok("stop", "db")
        self.assertEqual("db: stopped\n", p.stdout.readline())
        s.kill_engine()
        s.ok("stop", "web")
        self.assertEqual(("web: stopped\n", ""), self.ends(p, 0))

    def test_what_happened_while_there_was_no_engine_is_seen_by_the_next_look(self):
        s = self.supervisor(self.IDLE + service("web", SLEEP, 'restart = "never"'))
        pid = s.wait_state("web", "running")["pid"]
        p = self.waiting(s, "web", "--for", "stopped,failed")
        engine = s.engine_pid()
        os.kill(engine, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not harness.is_alive(pid), "the service has ended")
        os.kill(engine, signal.SIGKILL)
        self.assertEqual(("web: failed\n", ""), self.ends(p, 0))

    def test_a_time_that_is_over_is_one_and_says_where_each_is(self):
        s = self.supervisor(self.IDLE + service("web", SLEEP)
                            + service("bad", sh("exit 7"), 'restart = "never"'))
        s.wait_state("web", "running")
        s.wait_state("bad", "failed")
        p = s.ctl_start("wait", "*", "--for", "running", "--timeout", "100ms")
        out, err = self.ends(p, 1)
        self.assertRegex(out, r"^web: running \(pid \d+\)\n$")
        self.assertEqual("supctl: idle: is stopped after 100ms, not running: not started yet\n"
                         "supctl: bad: is failed after 100ms, not running: exited with code 7\n", err)
        code, out, err = s.ctl("--json", "wait", "web", "--for", "stopped", "--timeout", "0")
        self.assertEqual((1, ""), (code, err))
        self.assertEqual([("web", False, "running")],
                         [(r["name"], r["ok"], r["state"]) for r in json.loads(out)])

    def test_the_time_runs_while_the_engine_hangs(self):
        s = self.supervisor(self.IDLE + service("web", SLEEP))
        s.wait_state("web", "running")
        p = self.waiting(s, "web", "--for", "stopped", "--timeout", "1s")
        engine = s.engine_pid()
        os.kill(engine, signal.SIGSTOP)
        try:
            err = self.ends(p, 1)[1]
        finally:
            os.kill(engine, signal.SIGCONT)
        self.assertEqual("supctl: web: is running after 1s, not stopped\n", err)

    def test_wrong_usage_is_two(self):
        s = self.supervisor(service("web", SLEEP))
        for args in (["wait", "web"], ["wait", "--for", "running"], ["wait", "web", "--for", "up"],
                     ["wait", "web", "--for", ""], ["wait", "web", "--for", "running,"],
                     ["wait", "web", "--for", "running", "--timeout", "5"],
                     ["wait", "web", "--for"], ["status", "--for", "running"]):
            with self.subTest(args):
                code, out, err = s.ctl(*args)
                self.assertEqual((2, ""), (code, out))
                self.assertNotEqual("", err)
        err = s.ctl("wait", "web", "--for", "up")[2]
        for state in ("stopped", "waiting", "starting", "running", "stopping", "backoff", "exited",
                      "failed"):
            self.assertIn(state, err)

    def test_nothing_there_is_four(self):
        s = self.supervisor(service("done", sh("exit 0")) + service("web", SLEEP))
        s.wait_state("web", "running")
        s.wait_state("done", "exited")
        code, out, err = s.ctl("wait", "web", "nosuch", "--for", "running")
        self.assertEqual((4, ""), (code, out))
        self.assertIn("nosuch", err)
        p = self.waiting(s, "web", "--for", "exited", marker="done: exited\n")
        s.ok("shutdown")
        self.assertEqual("supctl: supervisord has ended\n", self.ends(p, 4)[1])
        s.wait_exit()
        self.assertEqual(4, s.ctl("wait", "web", "--for", "running")[0])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_an_observer_may_follow_and_wait_but_not_reopen(self):
        name = subprocess.run(["id", "-nu", str(NOBODY)], capture_output=True, text=True,
                              check=True).stdout.strip()
        s = self.supervisor(f'control {{ observers = {{"{name}"}} }}\n' + service("web", SLEEP))
        supctl = f"{s.dir}/supctl"
        with open(s.supctl, "rb") as f, open(supctl, "wb") as to:
            to.write(f.read())
        os.chmod(supctl, 0o755)

        def as_nobody(*args):
            return subprocess.run([supctl, "-s", s.socket_path, *args], text=True, check=False,
                                  capture_output=True, user=NOBODY, group=NOBODY, extra_groups=[],
                                  env=s.env).returncode
        self.assertEqual(0, as_nobody("wait", "web", "--for", "running"))
        self.assertEqual(5, as_nobody("reopen"))


class Reopen(harness.SystemTest):
    def test_what_is_written_after_it_goes_to_a_new_file(self):
        s = self.supervisor(service("web", sh(
            'echo one; while [ ! -e "$0" ]; do sleep 0.02; done; echo two; exec sleep 100000')
            + ["@DIR@/gate"]))
        s.wait_log("web", "one\n")
        old = s.log_path("web") + ".old"
        os.rename(s.log_path("web"), old)
        self.assertEqual("", s.ok("reopen"))
        self.assertTrue(os.path.exists(s.log_path("web")))
        s.flag("gate")
        self.assertEqual("two\n", s.wait_log("web", "two\n"))
        self.assertEqual("one\n", s.read(old))
        self.assertRegex(s.stderr(), rf"uid {os.geteuid()} pid \d+: Reopen\n.*log files reopened")


if __name__ == "__main__":
    harness.main()
