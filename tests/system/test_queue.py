"""Status on the System V message queue, as its one reader sees it."""

import json
import os
import signal
import stat
import sys

import harness
from harness import SLEEP, private_key, queue_with_key, service, sh, wait_until

try:
    import sysv_ipc
except ImportError:
    print("python3-sysv-ipc is missing")
    sys.exit(77)

QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0")


class Queue(harness.SystemTest):
    def with_queue(self, config, **kw):
        s = self.supervisor(config, key=private_key(), **kw)
        self.queue = sysv_ipc.MessageQueue(s.key)
        return s

    def take(self, urgency=-3):
        """The next message with its type, or None."""
        try:
            body, mtype = self.queue.receive(block=False, type=urgency)
        except sysv_ipc.BusyError:
            return None
        self.assertLessEqual(len(body), 1024)
        self.assertNotIn(b"\0", body)
        return json.loads(body) | {"mtype": mtype}

    def take_until(self, predicate, what):
        """Takes messages until one fits; returns all of them."""
        taken = []

        def more():
            while m := self.take():
                taken.append(m)
            return any(predicate(m) for m in taken)
        wait_until(more, what)
        return taken

    def test_changes_of_state_are_published_with_all_fields_and_no_gap(self):
        s = self.with_queue(service("web", SLEEP, "autostart = false"))
        s.ok("start", "web")
        s.ok("stop", "web")
        taken = self.take_until(lambda m: (m["service"], m["state"]) == ("web", "stopped")
                                and m["previous"] == "stopping", "the stop is published")
        self.assertEqual(sorted(m["seq"] for m in taken),
                         list(range(taken[0]["seq"], taken[0]["seq"] + len(taken))))
        web = [m for m in taken if m["service"] == "web"]
        self.assertEqual(["running", "stopping", "stopped"],
                         [m["state"] for m in web if m["state"] != "starting"])
        for before, after in zip(web, web[1:]):
            self.assertEqual(before["state"], after["previous"])
        running = next(m for m in web if m["state"] == "running")
        self.assertEqual((1, 2, 0), (running["v"], running["mtype"], running["restarts"]))
        self.assertIsInstance(running["pid"], int)
        self.assertIsInstance(running["reason"], str)
        self.assertRegex(running["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        self.assertIsNone(web[-1]["pid"])

    def test_an_alert_overtakes_changes(self):
        s = self.with_queue(service("web", SLEEP) + service("bad", sh("exit 1"), 'restart = "never"'))
        s.wait_state("web", "running")
        s.wait_state("bad", "failed")
        wait_until(lambda: self.queue.current_messages >= 3, "messages are in the queue")
        first = self.take()
        self.assertEqual((1, "bad", "failed"), (first["mtype"], first["service"], first["state"]))
        self.assertIn("1", first["reason"])
        rest = []
        while m := self.take():
            rest.append(m)
        self.assertEqual({2}, {m["mtype"] for m in rest})
        self.assertEqual(sorted(m["seq"] for m in rest), [m["seq"] for m in rest])

    def test_usr1_publishes_a_snapshot_of_every_service(self):
        s = self.with_queue(service("web", SLEEP, "instances = 3")
                            + service("idle", SLEEP, "autostart = false"))
        for i in (1, 2, 3):
            s.wait_state(f"web@{i}", "running")
        self.take_until(lambda m: m["state"] == "running", "the start is published")
        s.signal(signal.SIGUSR1)
        taken = []

        def complete():
            while m := self.take(3):
                taken.append(m)
            return len(taken) >= 4
        wait_until(complete, "four messages of type 3")
        self.assertEqual({"web@1": "running", "web@2": "running", "web@3": "running",
                          "idle": "stopped"}, {m["service"]: m["state"] for m in taken})
        pids = {n: r["pid"] for n, r in s.services().items()}
        self.assertEqual(pids, {m["service"]: m["pid"] for m in taken})

    def test_mode_is_as_configured(self):
        s = self.with_queue(service("web", SLEEP))
        self.assertEqual(0o640, int(queue_with_key(s.key)["perms"], 8))
        other = self.supervisor("queue { key = %d  mode = \"0600\" }\n" % (key := private_key())
                                + service("web", SLEEP))
        other.queue_keys.add(key)
        self.assertEqual(0o600, int(queue_with_key(key)["perms"], 8))

    def test_without_a_key_it_is_made_from_the_runtime_directory(self):
        s = self.supervisor(service("web", SLEEP), key=0)
        key = sysv_ipc.ftok(s.runtime_dir, ord("S"), True)
        row = queue_with_key(key)
        self.assertIsNotNone(row)
        told = s.varlink("Queue")
        self.assertEqual(int(row["msqid"]), told["id"])

    def test_a_shutdown_stops_each_before_what_was_there_when_it_was_started(self):
        names = ["first", "second", "third"]
        s = self.with_queue("".join(service(n, SLEEP, "autostart = false") for n in names)
                            + service("last", sh("trap '' TERM; echo ready; exec sleep 1000"),
                                      "stop { timeout = 1h }"))
        s.wait_log("last", "ready")
        for name in names:
            s.ok("start", name)
        # The last to go, for it was there before all others; it keeps the queue in being.
        s.signal(signal.SIGTERM)
        taken = self.take_until(lambda m: (m["service"], m["state"]) == ("last", "stopping"),
                                "the last stop is published")
        self.assertEqual(names[::-1], [m["service"] for m in taken if m["state"] == "stopped"])
        s.signal(signal.SIGTERM)
        self.assertEqual(0, s.wait_exit())

    def test_it_is_removed_at_the_end(self):
        s = self.with_queue(service("web", SLEEP))
        self.assertIsNotNone(queue_with_key(s.key))
        s.stop()
        self.assertIsNone(queue_with_key(s.key))

    def test_a_planted_queue_is_refused_and_supervision_goes_on(self):
        key = private_key()
        planted = sysv_ipc.MessageQueue(key, sysv_ipc.IPC_CREX, mode=0o666)
        try:
            s = self.supervisor(f"queue {{ key = {key} }}\n" + service("web", SLEEP))
            s.wait_state("web", "running")
            s.ok("restart", "web")
            text = s.stderr()
            self.assertTrue(str(key) in text or f"{key:x}" in text.lower(), text)
            told = s.varlink("Queue")
            self.assertIsNone(told["id"])
            self.assertNotEqual("", told["message"])
            self.assertEqual(0, planted.current_messages, "nothing was told to the wrong one")
            s.stop()
            self.assertIsNotNone(queue_with_key(key), "it is not ours to remove")
        finally:
            planted.remove()

    def test_the_next_engine_takes_it_over_with_what_is_in_it(self):
        s = self.with_queue(service("web", SLEEP))
        s.wait_state("web", "running")
        wait_until(lambda: self.queue.current_messages > 0, "the start is published")
        qid, before = self.queue.id, self.queue.current_messages
        s.kill_engine()
        self.assertEqual(str(qid), queue_with_key(s.key)["msqid"])
        self.assertGreaterEqual(self.queue.current_messages, before)
        s.ok("stop", "web")
        taken = self.take_until(lambda m: m["state"] == "stopped", "the stop is published")
        seqs = sorted({m["seq"] for m in taken})
        self.assertEqual(list(range(seqs[0], seqs[0] + len(seqs))), seqs, "never a gap")

    def test_a_queue_of_the_same_key_that_is_another_one_is_not_taken_over(self):
        s = self.with_queue(service("web", SLEEP))
        pid = s.wait_state("web", "running")["pid"]
        engine = s.engine_pid()
        os.kill(engine, signal.SIGSTOP)
        self.queue.remove()
        other = sysv_ipc.MessageQueue(s.key, sysv_ipc.IPC_CREX, mode=0o666)
        try:
            os.kill(engine, signal.SIGKILL)
            s.wait_engine(other_than=engine)
            wait_until(s.answers, "the next engine answers")
            s.ok("restart", "web")
            self.assertNotEqual(pid, s.status("web")["pid"])
            self.assertEqual(0, other.current_messages)
        finally:
            other.remove()

    def test_a_full_queue_drops_the_oldest_and_the_least_urgent(self):
        s = self.with_queue(
            service("loop", sh("exit 0"), 'restart = "always"', "restart-limit = 0", *QUICK)
            + service("bad", sh("exit 1"), 'restart = "never"'))
        s.wait_state("bad", "failed")
        s.signal(signal.SIGUSR1)
        limit = int(queue_with_key(s.key)["cbytes"]) and self.queue.max_size

        def full():
            return self.queue.current_messages and int(
                queue_with_key(s.key)["cbytes"]) > limit - 1024
        wait_until(full, "the queue is full", deadline=40)
        count = s.services()["loop"]["restarts"]
        s.wait_service("loop", lambda r: r["restarts"] > count + 60, "many more changes",
                       deadline=40)
        s.ok("stop", "loop")
        taken = []
        while m := self.take():
            taken.append(m)
        self.assertEqual(("bad", 1), (taken[0]["service"], taken[0]["mtype"]), "alerts are kept")
        self.assertEqual([], [m for m in taken if m["mtype"] == 3], "snapshots went first")
        changes = [m for m in taken if m["mtype"] == 2]
        self.assertEqual(("loop", "stopped"), (changes[-1]["service"], changes[-1]["state"]))
        seqs = [m["seq"] for m in changes]
        self.assertEqual(list(range(seqs[0], seqs[-1] + 1)), seqs, "the newest, without a gap")
        self.assertGreater(seqs[0], 60)

    def test_a_reader_that_removes_the_queue_does_not_stop_supervision(self):
        s = self.with_queue(service("web", SLEEP))
        s.wait_state("web", "running")
        self.queue.remove()
        s.ok("restart", "web")
        s.ok("stop", "web")
        self.assertEqual("stopped", s.status("web")["state"])

    def test_supctl_queue_reads_and_peek_leaves_all_in_place(self):
        s = self.with_queue(service("web", SLEEP))
        s.wait_state("web", "running")
        wait_until(lambda: self.queue.current_messages > 0, "the start is published")
        before = self.queue.current_messages
        code, out, _ = s.ctl("queue", "--peek")
        if code == 0:  # needs MSG_COPY, which kernels without checkpoint/restore lack
            self.assertIn("web", out)
        self.assertEqual(before, self.queue.current_messages)
        self.assertIn("running", s.ok("queue"))
        self.assertEqual(0, self.queue.current_messages)

    def test_the_runtime_directory_is_open_to_readers_and_the_others_are_not(self):
        s = self.with_queue(service("web", sh("echo hello")))
        s.wait_log("web", "hello")
        modes = {d: stat.S_IMODE(os.stat(d).st_mode)
                 for d in (s.runtime_dir, s.state_dir, s.log_dir, s.log_path("web"))}
        self.assertEqual({s.runtime_dir: 0o755, s.state_dir: 0o750, s.log_dir: 0o750,
                          s.log_path("web"): 0o640}, modes)


if __name__ == "__main__":
    harness.main()
