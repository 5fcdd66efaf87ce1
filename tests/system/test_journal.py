"""The event journal: what happened stays known, whatever dies, and whatever becomes of its file."""

import json
import os
import random
import resource
import signal
import subprocess
import threading
import time
import unittest

import chains
import harness
from area import Area, Head
from harness import INTERFACE, NOBODY, SLEEP, VarlinkError, py, service, sh, wait_until

QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0",
         "restart-limit = 0", 'restart = "always"')
IDLE = service("web", SLEEP, "autostart = false")
SIZE = 4 << 20


class Journal(harness.SystemTest):
    def events(self, s, *args):
        return chains.read(s, *args)

    def check_numbers(self, events):
        chains.check_numbers(self, events)

    def check_chains(self, events):
        return chains.check_changes(self, events)

    def path(self, s):
        return f"{s.state_dir}/events"

    # --- what it says

    def test_it_tells_who_asked_and_what_followed(self):
        s = self.supervisor(service("db", SLEEP, "autostart = false")
                            + service("web", SLEEP, 'requires = {"db"}', "autostart = false"))
        s.ok("start", "web")
        s.ok("stop", "db")
        events = self.events(s)
        self.check_numbers(events)
        self.check_chains(events)
        request = next(e for e in events if e["type"] == "request" and e["verb"] == "stop")
        self.assertEqual((os.getuid(), ["db"], 1),
                         (request["uid"], request["names"], request["n_services"]))
        self.assertGreater(request["client_pid"], 0)
        changes = [e for e in events if e["type"] == "state" and e["seq"] > request["seq"]]
        stopping = {e["service"]: e for e in changes if e["state"] == "stopping"}
        for name in ("db", "web"):
            self.assertEqual((request["seq"], "request", "stop", os.getuid()), tuple(
                stopping[name]["cause"][k] for k in ("seq", "type", "verb", "uid")))
        self.assertEqual(("dependency", "db", "up"),
                         tuple(stopping["web"][k] for k in ("why", "blocker", "desired")))
        self.assertEqual(("operator", "down", request["seq"]), (
            stopping["db"]["why"], stopping["db"]["desired"], stopping["db"]["asked"]["seq"]))
        ends = {e["service"]: e for e in events if e["type"] == "exit"}
        last = [e for e in changes if e["service"] == "db"][-1]
        self.assertEqual(("stopped", ends["db"]["seq"], "exit", "db"), (
            last["state"], last["cause"]["seq"], last["cause"]["type"], last["cause"]["service"]))
        self.assertEqual(("signalled", "TERM", "supervisord"),
                         tuple(ends["web"][k] for k in ("end", "exit_signal", "by")))

    def test_it_tells_how_each_process_began_and_ended(self):
        burn = py("import os, time, sys\n"
                  "while time.process_time() < 0.1: pass\n"
                  "print('x' * 99, flush=True); sys.exit(3)")
        s = self.supervisor(service("burn", burn, 'restart = "never"')
                            + service("gone", ["/nonexistent"], 'restart = "never"')
                            + service("shot", SLEEP, 'restart = "never"')
                            + service("hit", SLEEP, 'restart = "never"')
                            + service("again", SLEEP, "autostart = false"))
        for name in ("burn", "gone"):
            s.wait_state(name, "failed")
        os.kill(s.wait_state("shot", "running")["pid"], signal.SIGKILL)
        s.wait_state("hit", "running")
        s.ok("signal", "KILL", "hit")
        for name in ("shot", "hit"):
            s.wait_state(name, "failed")
        s.ok("start", "burn", "--no-wait")
        wait_until(lambda: len([e for e in self.events(s, "burn") if e["type"] == "exit"]) == 2,
                   "it has run twice")
        events = self.events(s)
        starts = [e for e in events if (e["type"], e["service"]) == ("start", "burn")]
        self.assertEqual([1, 2], [e["generation"] for e in starts])
        self.assertEqual([[("output", s.log_path("burn"), 0)], [("output", s.log_path("burn"), 100)]],
                         [[(l["stream"], l["path"], l["offset"]) for l in e["logs"]]
                          for e in starts])
        self.assertEqual(2, len({e["invocation"] for e in starts}))
        ends = {e["service"]: e for e in events if e["type"] == "exit"}
        burn = ends["burn"]
        self.assertEqual(("exited", 3, starts[-1]["pid"]),
                         tuple(burn[k] for k in ("end", "exit_code", "pid")))
        self.assertGreater(burn["user_us"] + burn["system_us"], 90_000)
        self.assertGreater(burn["max_rss_kib"], 1000)
        self.assertGreaterEqual(burn["ran_ms"], 90)
        self.assertEqual(("spawn-failed", 2), tuple(ends["gone"][k] for k in ("end", "errno")))
        self.assertIn("No such file", ends["gone"]["reason"])
        self.assertEqual(("signalled", "KILL", "other"),
                         tuple(ends["shot"][k] for k in ("end", "exit_signal", "by")))
        self.assertIn("not by supervisord", ends["shot"]["reason"])
        self.assertEqual(("KILL", "operator"), (ends["hit"]["exit_signal"], ends["hit"]["by"]))
        failed = [e for e in events if e["state"] == "failed" and e["type"] == "state"]
        self.assertTrue(all(e["alert"] for e in failed))

    def test_it_tells_of_hooks_health_backoff_and_the_configuration(self):
        s = self.supervisor(
            service("web", SLEEP, 'hooks { pre-start = "/bin/true" post-start = "/bin/false" }',
                    'health { command = {"/bin/false"} interval = 50ms failures = 1 '
                    'action = "none" }')
            + service("bad", sh("exit 1"), "restart-delay = 1h", "restart-max-delay = 1h")
            + service("tick", sh("exit 0"), "schedule { every = 50ms }", 'type = "oneshot"')
            + service("gone", SLEEP))
        wait_until(lambda: {"health", "hook", "schedule"} <= {e["type"] for e in self.events(s)},
                   "there was one of each")
        s.wait_state("bad", "backoff")
        s.write_config(service("web", SLEEP) + service("fresh", sh("sleep 999")))
        s.signal(signal.SIGHUP)
        reloaded = wait_until(lambda: [e for e in self.events(s) if e["type"] == "reloaded"],
                              "it was reloaded")[0]
        events = self.events(s)
        hooks = {e["hook"]: e for e in events if e["type"] == "hook"}
        self.assertEqual((True, False), (hooks["pre-start"]["ok"], hooks["post-start"]["ok"]))
        sick = next(e for e in events if e["type"] == "health")
        self.assertEqual(("web", "unhealthy", True), (sick["service"], sick["health"], sick["alert"]))
        backoff = next(e for e in events if e["state"] == "backoff" and e["type"] == "state")
        self.assertGreater(backoff["next_start_ms"], 3_000_000)
        run = next(e for e in events if e["type"] == "schedule")
        self.assertEqual(("tick", "run"), (run["service"], run["outcome"]))
        self.assertEqual((["fresh"], {"bad", "gone", "tick"}, ["web"]),
                         (reloaded["added"], set(reloaded["removed"]), reloaded["changed"]))
        hup = next(e for e in events if e["type"] == "signal")
        self.assertEqual(("HUP", os.getpid(), hup["seq"]),
                         (hup["signal"], hup["client_pid"], reloaded["cause"]["seq"]))

    def test_it_keeps_no_secret(self):
        s = self.supervisor(service("web", SLEEP, 'environment = {"KEY=hunter2-in-the-environment"}')
                            + service("db", SLEEP))
        s.ok("restart", "web")
        s.write_config(service("web", SLEEP, 'environment = {"KEY=hunter2-and-another"}'))
        s.ok("apply")
        s.ok("stop", "web")
        with open(self.path(s), "rb") as f:
            self.assertNotIn(b"hunter2", f.read())

    def test_it_is_closed_to_others(self):
        s = self.supervisor(IDLE)
        st = os.stat(self.path(s))
        self.assertEqual((0o640, SIZE, SIZE), (st.st_mode & 0o7777, st.st_size,
                                               min(st.st_blocks * 512, SIZE)))

    # --- reading it

    def test_since_takes_a_span_a_time_or_a_number(self):
        s = self.supervisor(IDLE)
        s.ok("note", "early")
        early = self.events(s)[-1]
        s.ok("note", "late")
        self.assertEqual(["late"], [e["text"] for e in self.events(s, "--since", f"@{early['seq']}")])
        self.assertEqual(["early", "late"],
                         [e["text"] for e in self.events(s, "--since", early["time"])])
        self.assertEqual(self.events(s), self.events(s, "--since", "1h"))
        self.assertEqual([], self.events(s, "--since", "2100-01-01"))
        self.assertEqual([], self.events(s, "--since", "@123456789")[len(self.events(s)):])
        code, _, err = s.ctl("events", "--since", "yesterday")
        self.assertEqual(2, code)
        self.assertIn("--since yesterday: not a time", err)

    def test_names_choose_from_the_past_what_they_choose_from_the_present(self):
        s = self.supervisor("".join(service(n, SLEEP, "autostart = false", *more) for n, more in (
            ("web", ["instances = 2"]), ("db", ['groups = {"back"}']), ("other", []))))
        f = s.connect()
        self.addCleanup(f.close)
        f.send(f"{INTERFACE}.Events", {"names": ["web@2", "@back", "oth*"]}, more=True)
        f.receive()
        s.ok("start", "*")
        s.ok("stop", "web@1")
        s.ok("stop", "db", "other")
        s.ok("note", "end")
        live = []
        while not live or live[-1]["type"] != "note":
            live.append(f.receive()["parameters"]["event"])
        past = self.events(s, "web@2", "@back", "oth*")
        self.assertEqual(live, past[1:], "but for the engine's beginning")
        self.assertEqual({"web@2", "db", "other", None}, {e["service"] for e in live})
        self.assertNotIn(["web@1"], [e.get("names") for e in live])

    def test_the_past_goes_over_into_the_present(self):
        s = self.supervisor(service("fast", sh("exit 1"), *QUICK) + IDLE)
        wait_until(lambda: len(self.events(s)) > 100, "much has happened")
        p = s.ctl_start("--json", "events", "-f", "--since", "@0")
        events = []
        for line in p.stdout:
            events.append(json.loads(line))
            if events[-1]["type"] == "live":
                s.ok("start", "web")
            if (events[-1]["type"], events[-1].get("verb")) == ("request", "start"):
                break
        self.assertEqual("started", events.pop(0)["type"])
        self.assertEqual(1, len([e for e in events if e["type"] == "live"]))
        self.check_numbers([e for e in events if e["type"] != "live"])
        self.assertGreater(len(events), 100)

    def test_a_long_past_is_told_in_pieces_while_others_are_served(self):
        s = self.supervisor('log-level = "warning"\n' + IDLE)
        with s.connect() as v:
            for i in range(9000):
                v.call("Note", {"text": f"{i} " + "x" * 900})
        slow = s.connect()
        self.addCleanup(slow.close)
        slow.send(f"{INTERFACE}.Events", {"after": 0}, more=True)
        over, taken = threading.Event(), []

        def take():  # who takes nothing at all for ten seconds is dropped
            while not over.wait(0.2):
                taken.append(slow.socket.recv(65536))
        taker = threading.Thread(target=take, daemon=True)
        taker.start()
        events = self.events(s)
        self.check_numbers(events)
        self.assertGreater(len(events), 3000, "as many as fit")
        self.assertEqual(8999, int(events[-1]["text"].split()[0]))
        s.ok("start", "web")
        # Who asks for more than there is left hears how much is missing.
        lost = self.events(s, "--since", "@1")[0]
        self.assertEqual("lost", lost["type"])
        self.assertEqual(self.events(s)[0]["seq"], 1 + lost["count"] + 1)
        over.set()
        taker.join()
        slow.buffer = b"".join(taken)
        self.assertEqual("started", slow.receive()["parameters"]["event"]["type"])
        told = []
        while not told or told[-1]["state"] != "running":
            told.append(slow.receive()["parameters"]["event"])
        self.check_numbers([e for e in told if e["type"] not in ("live", "lost")])

    # --- notes

    def test_a_note_is_seen_by_every_follower_and_stays(self):
        s = self.supervisor(IDLE)
        followers = [s.ctl_start("--json", "events", "-f", *names) for names in ((), ("web",))]
        for p in followers:
            self.assertEqual("started", json.loads(p.stdout.readline())["type"])
        seq = s.json("note", "it", "was \u00e9 \"me\"")["seq"]
        for p in followers:
            note = json.loads(p.stdout.readline())
            self.assertEqual(("note", seq, "it was \u00e9 \"me\"", os.getuid()),
                             tuple(note[k] for k in ("type", "seq", "text", "uid")))
        s.kill_engine()
        self.assertIn("by uid", s.ok("events"))
        self.assertIn(note, self.events(s))

    def test_a_note_is_one_line_of_bounded_length(self):
        s = self.supervisor(IDLE)
        s.varlink("Note", {"text": "x" * 1024})
        self.assertEqual("x" * 1024, self.events(s)[-1]["text"])
        for text in ("x" * 1025, "a\nb", "\u001b[2J", "", "  ", "\u202e"):
            with self.assertRaises(VarlinkError, msg=repr(text)):
                s.varlink("Note", {"text": text})
        self.assertEqual(1, len([e for e in self.events(s) if e["type"] == "note"]))

    @unittest.skipIf(os.getuid() != 0, "needs several users")
    def test_notes_are_for_those_who_may_act(self):
        s = self.supervisor('control { observers = {"nobody"} }\n' + IDLE)
        s.publish_supctl()

        def as_nobody(*args):
            return subprocess.run([s.supctl, "-s", s.socket_path, *args], capture_output=True,
                                  text=True, user=NOBODY, group=NOBODY, extra_groups=[],
                                  env=s.env, timeout=60, check=False)
        self.assertEqual(5, as_nobody("note", "mine").returncode)
        out = as_nobody("--json", "events")
        self.assertEqual(0, out.returncode, out.stderr)
        refused = json.loads(out.stdout.splitlines()[-1])
        self.assertEqual(("refused", "Note", NOBODY),
                         tuple(refused[k] for k in ("type", "method", "uid")))
        for _ in range(50):
            as_nobody("note", "mine")
        self.assertLess(len([e for e in self.events(s) if e["type"] == "refused"]), 50,
                        "nobody fills the journal with what is refused")

    # --- kills

    def test_nothing_is_missing_and_nothing_twice_after_many_kills(self):
        s = self.supervisor("".join(service(f"fast{i}", sh(f"exit {i}"), *QUICK) for i in range(6))
                            + service("db", SLEEP) + service("web", SLEEP, 'requires = {"db"}'))
        follower = s.ctl_start("--json", "events", "-f", "--since", "@0")
        dice = random.Random(5)
        for i in range(25):
            time.sleep(dice.uniform(0, 0.05))  # at any moment
            os.kill(s.wait_engine(), signal.SIGKILL)
            if i % 5 == 0:
                s.ok("restart", "db")
        s.ok("stop", "*")
        s.ok("note", "end")
        events = self.events(s)
        self.check_numbers(events)
        state, seen = self.check_chains(events)
        self.assertEqual({"stopped"}, set(state.values()))
        ends = {key[1:] for key in seen if key[0] == "exit"}
        self.assertEqual(ends, {key[1:] for key in seen if key[0] == "start"},
                         "each that was started has ended")
        engines = len([e for e in events if e["type"] == "engine"])
        self.assertTrue(1 < engines <= 26, "but for those that died before they worked")
        self.assertGreater(len(ends), 25)
        followed = []
        while not followed or followed[-1]["type"] != "note":
            followed.append(json.loads(follower.stdout.readline()))
        transient = ("started", "recovered", "live")
        self.assertEqual(events, [e for e in followed if e["type"] not in transient])

    def die_before(self, s, event, noted):
        """
        The engine has died when this event, the newest of all, was committed: before it was in the
        journal, or (noted: None) when it was there, but not yet in the recovery area's head.
        """
        os.kill(s.pid, signal.SIGSTOP)
        os.kill(s.engine_pid(), signal.SIGKILL)
        with open(f"{s.runtime_dir}/recovery", "r+b") as f:
            head = Area(s.runtime_dir).head
            self.assertEqual(event["seq"], head.event_seq)
            f.seek(Head.event_seq.offset)
            f.write((event["seq"] - 1).to_bytes(8, "little"))
        if noted is not None:
            with open(self.path(s), "r+b") as f:
                data = f.read()
                at = data.index(f'"seq":{event["seq"]},'.encode())
                f.seek(at)
                f.write(b"torn")
        s.signal(signal.SIGCONT)
        wait_until(s.answers, "the next engine answers")

    def test_a_change_that_was_committed_is_told_by_the_next_engine_if_it_was_not_yet(self):
        for noted in (None, False):
            s = self.supervisor(IDLE)
            s.ok("start", "web")
            before = self.events(s)
            last = before[-1]
            self.assertEqual(("state", "running"), (last["type"], last["state"]))
            self.die_before(s, last, noted)
            after = self.events(s)
            self.check_numbers(after)
            self.check_chains(after)
            again = after[len(before) - 1]
            for key in ("type", "seq", "time", "service", "state", "previous", "reason", "why"):
                self.assertEqual(last[key], again[key])
            self.assertEqual("engine", after[len(before)]["type"])

    def test_it_goes_on_over_restarts_of_supervisord(self):
        s = self.supervisor(IDLE)
        s.ok("note", "before")
        s.stop()
        s.start()
        s.ok("note", "after")
        events = self.events(s)
        self.check_numbers(events)
        self.assertEqual(["before", "after"], [e["text"] for e in events if e["type"] == "note"])
        self.assertEqual([False, False], [e["recovered"] for e in events if e["type"] == "engine"])

    # --- what becomes of the file

    def damage(self, s, how, text):
        """Does something to the file; returns the events that are left, after one more."""
        s.ok("note", "before")
        how(self.path(s))
        wait_until(lambda: s.ok("note", "after") == "" and text in s.stderr(), "it was noticed")
        s.ok("note", "last")
        events = self.events(s)
        self.assertEqual("last", events[-1]["text"])
        return [e["text"] for e in events if e["type"] == "note"]

    def test_without_a_supervisord_the_file_tells_the_same(self):
        s = self.supervisor(service("web", SLEEP, 'groups = {"front"}', "instances = 1")
                            + service("db", SLEEP), start=True)
        s.wait_all_running()
        s.ok("restart", "web")
        cases = [(), ("web",), ("web@1", "db"), ("@front",), ("d*",), ("--since", "@5", "db")]
        asked = [s.ok("--json", "events", *args) for args in cases]
        for pid in (s.pid, s.wait_engine()):
            os.kill(pid, signal.SIGSTOP)
        engine = s.engine_pid()
        for pid in (s.pid, engine):
            os.kill(pid, signal.SIGKILL)
        s.wait_exit()
        wait_until(lambda: not harness.is_alive(engine), "the engine is dead, too")
        for args, before in zip(cases, asked):
            code, out, err = s.ctl("--json", "events", *args)
            self.assertEqual((0, before), (code, out), args)
            self.assertIn("going by the configuration that it had", err)
        code, out, err = s.ctl("events", "web", "nobody")
        self.assertEqual((4, ""), (code, out))
        self.assertIn("nobody: no such service", err)
        self.assertEqual(4, s.ctl("events", "-f")[0])
        s.start()
        s.stop()
        everything = s.ok("--json", "events", "-c", s.config_path).splitlines()
        self.assertEqual(asked[0].splitlines(), everything[:len(asked[0].splitlines())])
        self.assertIn("shutdown", [json.loads(e)["type"] for e in everything])
        self.assertEqual(2, s.ctl("events", "-f", "-c", s.config_path)[0])

    def test_a_file_that_is_deleted_is_made_anew(self):
        s = self.supervisor(IDLE)
        pid = s.engine_pid()
        notes = self.damage(s, os.unlink, "was removed; opening it anew")
        self.assertNotIn("before", notes)
        self.assertEqual(SIZE, os.stat(self.path(s)).st_size)
        self.assertGreater(self.events(s)[0]["seq"], 1, "numbers go on")
        self.assertEqual(pid, s.engine_pid())

    def test_a_file_that_is_cut_short_is_mended(self):
        for size in (0, 100, 4096, 8192):
            s = self.supervisor(IDLE)
            pid = s.engine_pid()
            notes = self.damage(s, lambda path, n=size: os.truncate(path, n), "was cut short")
            self.assertEqual(size == 8192, "before" in notes)
            self.assertEqual(SIZE, os.stat(self.path(s)).st_size)
            self.assertEqual(pid, s.engine_pid(), "the engine has lived through it")

    def test_a_file_that_is_damaged_loses_what_was_hit(self):
        s = self.supervisor(IDLE)
        for i in range(50):
            s.varlink("Note", {"text": f"note {i}"})
        before = self.events(s)
        s.stop()
        with open(self.path(s), "r+b") as f:
            f.seek(20)
            f.write(b"\xff")  # the head
            f.seek(4096 + 9000)
            f.write(b"\xff" * 1000)
        s.start()
        self.assertIn("is damaged at its start", s.stderr())
        after = self.events(s)
        left = [e for e in after if e["seq"] <= before[-1]["seq"]]
        self.assertTrue(all(e in before or e["type"] == "lost" for e in left))
        self.assertGreater(len(left), len(before) - 8)
        self.assertLess(len(left), len(before))
        self.assertGreater(after[-1]["seq"], before[-1]["seq"])

    def test_what_is_no_journal_is_put_aside(self):
        s = self.supervisor(IDLE)
        s.ok("note", "before")
        for content, what in ((b"not a journal" * 1000, "is no event journal"), (None, "of another version")):
            s.stop()
            if content:
                with open(self.path(s), "wb") as f:
                    f.write(content)
            else:
                self.change_version(self.path(s))
            s.start()
            s.ok("note", "after")
            self.assertIn(what, s.stderr())
            self.assertEqual(["after"], [e["text"] for e in self.events(s) if e["type"] == "note"])
            self.assertTrue(os.path.exists(self.path(s) + ".damaged"))

    def change_version(self, path):
        with open(path, "r+b") as f:
            head = bytearray(f.read(48))
            head[8] += 1
            f.seek(0)
            f.write(head + crc32c(bytes(head)).to_bytes(4, "little"))

    @unittest.skipIf(os.getuid() != 0, "needs root")
    def test_one_of_another_user_is_left_alone(self):
        def plant(s):
            os.mkdir(s.state_dir)
            with open(f"{s.state_dir}/events", "wb") as f:
                f.write(b"mine")
            os.chown(f"{s.state_dir}/events", NOBODY, NOBODY)
        s = self.supervisor(IDLE, prepare=plant)
        self.assertIn("it belongs to another user; going on without", s.stderr())
        with open(self.path(s), "rb") as f:
            self.assertEqual(b"mine", f.read())

    def test_no_file_but_a_regular_one_is_written_to(self):
        def link(s):
            os.mkdir(s.state_dir)
            with open(f"{s.dir}/victim", "wb") as f:
                f.write(b"mine")
            os.symlink(f"{s.dir}/victim", f"{s.state_dir}/events")

        def fifo(s):
            os.mkdir(s.state_dir)
            os.mkfifo(f"{s.state_dir}/events")
        for prepare, text in ((link, "a symbolic link"), (fifo, "no regular file")):
            s = self.supervisor(IDLE, prepare=prepare)
            s.ok("start", "web")
            self.assertIn(text, s.stderr())
            code, out, err = s.ctl("events")
            self.assertEqual((1, ""), (code, out))
            self.assertIn("no journal is kept: ", err)
            os.unlink(self.path(s))
            # with a later event it is tried again, and says so once
            wait_until(lambda: s.ok("note", "x") == "" and "events are kept in" in s.stderr(),
                       "there is one again")
            self.assertEqual("x", self.events(s)[-1]["text"])
            self.assertEqual(1, s.stderr().count("cannot keep events"))

    def test_on_a_full_disk_everything_else_goes_on(self):
        limit = 1 << 20
        s = self.supervisor(IDLE, prepare=lambda s: setattr(s, "preexec", lambda: (
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)))))
        self.assertIn("File too large; going on without", s.stderr())
        p = s.ctl_start("--json", "events", "-f")
        self.assertEqual("started", json.loads(p.stdout.readline())["type"])
        s.ok("start", "web")
        told = [json.loads(p.stdout.readline()) for _ in range(4)]
        self.assertEqual(["request", "state", "start", "state"], [e["type"] for e in told])
        s.kill_engine()
        s.ok("stop", "web")
        events = []
        while not events or events[-1]["state"] != "stopped":
            events.append(json.loads(p.stdout.readline()))
        seqs = [e["seq"] for e in told + events if e["type"] not in ("recovered", "live", "lost")]
        lost = [e for e in events if e["type"] == "lost"]
        self.assertEqual(seqs[-1] - seqs[0] + 1, len(seqs) + sum(e["count"] for e in lost),
                         "what is missing is told")
        self.assertEqual(2, s.stderr().count("cannot keep events"), "once by each engine")
        # There is room again: the next engine, or a later event, makes it.
        resource.prlimit(s.engine_pid(), resource.RLIMIT_FSIZE,
                         (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: s.ok("note", "x") == "" and "events are kept in" in s.stderr(),
                   "there is one again")
        self.assertEqual("x", self.events(s)[-1]["text"])

    def test_two_supervisords_with_one_state_directory_do_not_mix(self):
        first = self.supervisor(IDLE)
        first.ok("note", "first")
        second = self.supervisor(IDLE, prepare=lambda s: s.write_config("") or setattr(
            s, "head", s.head.replace(s.state_dir, first.state_dir)) or s.write_config(IDLE))
        self.assertIn("another supervisord writes to it", second.stderr())
        second.ok("note", "second")
        first.kill_engine()
        first.ok("note", "third")
        self.assertEqual(["first", "third"],
                         [e["text"] for e in self.events(first) if e["type"] == "note"])


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


if __name__ == "__main__":
    harness.main()
