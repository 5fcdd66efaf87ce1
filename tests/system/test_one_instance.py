"""Of the supervisords that are started on one runtime directory one has it, whatever becomes of
its processes, and the others go again and leave everything as they found it."""

import fcntl
import os
import re
import signal
import subprocess

import harness
from harness import is_alive, private_key, service, sh, wait_until

AT_ONCE = 8
ROUNDS = 5
RUN = sh('echo $SUPERVISOR_INVOCATION >>"@DIR@/starts"; exec sleep 100000')


class OneInstance(harness.SystemTest):
    def prepared(self, start=True):
        s = self.supervisor(service("web", RUN), key=private_key(), start=False)
        with open(f"{s.dir}/stderr", "wb"):
            pass
        if start:
            s.start()
            self.settle(s)
        return s

    def settle(self, s):
        """Waits for the service and keeps its pid."""
        s.web = [s.wait_state("web", "running")["pid"]]
        wait_until(lambda: self.starts(s), "the service has begun")
        return s.web[0]

    def end_what_is_left(self, s):
        """Both are dead: whoever comes next has the directory."""
        s.wait_exit()
        s.start()
        s.stop()

    def launch(self, s, name):
        """One more supervisord of that configuration, with a stderr of its own."""
        with open(f"{s.dir}/{name}", "wb") as err:
            p = subprocess.Popen([s.supervisord, "-c", s.config_path], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=err, env=s.env, cwd=s.dir,
                                 start_new_session=True, preexec_fn=s.before_exec)
        s.helpers.append(p)
        return p

    def starts(self, s):
        try:
            return s.read(f"{s.dir}/starts").split()
        except FileNotFoundError:
            return []

    def state(self, s):
        """All that another supervisord could do harm to."""
        files = {name: os.stat(f"{s.runtime_dir}/{name}").st_ino
                 for name in sorted(os.listdir(s.runtime_dir))}
        row = harness.queue_with_key(s.key)
        return {"files": files, "queue": row and row["msqid"],
                "lock": s.read(f"{s.runtime_dir}/lock"), "starts": self.starts(s),
                "cgroups": [harness.cgroup_of(p) for p in s.web]}

    def refused(self, s, name="second"):
        """One more is refused, says by whom, and harms nothing."""
        before = self.state(s)
        p = self.launch(s, name)
        self.assertEqual(1, p.wait(harness.DEADLINE))
        text = s.read(f"{s.dir}/{name}")
        self.assertIn(f"another supervisord (pid {s.pid}) runs in {s.runtime_dir}", text)
        self.assertEqual(1, len(text.splitlines()), text)
        self.assertEqual(before, self.state(s))

    def test_what_a_killed_one_has_left_the_lock_with_is_waited_for(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        s = self.prepared(start=False)
        os.makedirs(s.runtime_dir, exist_ok=True)
        with open(f"{s.runtime_dir}/lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write(f"{gone.pid}\n")
            lock.flush()
            s.start(ready=False)
            s.wait_stderr(f"supervisord (pid {gone.pid}) has ended, but something of it still holds")
        s.wait_state("web", "running")

    def test_of_many_at_once_one_wins(self):
        for turn in range(ROUNDS):
            s = self.prepared(start=False)
            started = [self.launch(s, f"err{i}") for i in range(AT_ONCE)]
            wait_until(lambda ps=started: sum(p.poll() is None for p in ps) <= 1,
                       "all but one have gone")
            winner = next(p for p in started if p.poll() is None)
            s.helpers = []
            s.process = winner
            wait_until(s.answers, "the winner answers")
            self.settle(s)
            for i, p in enumerate(started):
                if p is winner:
                    continue
                self.assertEqual(1, p.returncode)
                holder = re.search(r"another supervisord \(pid (\d+)\)", s.read(f"{s.dir}/err{i}"))
                self.assertTrue(holder, s.read(f"{s.dir}/err{i}"))
                # Whoever has just taken the lock may not have come to write its pid.
                self.assertIn(int(holder.group(1)), (winner.pid, 0))
            self.assertEqual(1, len(self.starts(s)), f"started once, turn {turn}")
            self.refused(s)
            s.stop()
            self.assertEqual([], os.listdir(s.runtime_dir))

    def test_while_the_engine_is_killed_again_and_again(self):
        s = self.prepared()
        pid = s.web[0]
        for i in range(10):
            os.kill(s.wait_engine(), signal.SIGKILL)
            self.refused(s, f"second{i}")
        wait_until(s.answers, "an engine answers")
        self.assertEqual(pid, s.wait_state("web", "running")["pid"])
        self.assertEqual(1, len(self.starts(s)))

    def test_while_only_the_launcher_is_there(self):
        s = self.prepared()
        engine = s.wait_engine()
        os.kill(s.pid, signal.SIGSTOP)
        os.kill(engine, signal.SIGKILL)
        wait_until(lambda: not is_alive(engine), "the engine is dead")
        self.refused(s)
        os.kill(s.pid, signal.SIGCONT)
        wait_until(s.answers, "the next engine answers")
        self.assertEqual(1, len(self.starts(s)))

    def test_while_only_the_engine_is_there(self):
        s = self.prepared()
        s.sample()
        engine = s.wait_engine()
        os.kill(engine, signal.SIGSTOP)
        wait_until(lambda: harness.stat_of(engine)[0] == b"T", "the engine is stopped")
        os.kill(s.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(s.pid), "the launcher is dead")
        p = self.launch(s, "second")
        self.assertEqual(1, p.wait(harness.DEADLINE))
        self.assertIn("another supervisord", s.read(f"{s.dir}/second"))
        self.assertTrue(os.path.exists(s.socket_path))
        os.kill(engine, signal.SIGKILL)
        wait_until(lambda: not is_alive(engine), "both are dead")
        self.end_what_is_left(s)

    def test_a_service_does_not_hold_the_lock(self):
        s = self.prepared()
        web = s.web[0]
        s.sample()
        engine = s.wait_engine()
        path = f"{s.runtime_dir}/lock"
        with open(path, "rb") as f:
            self.assertRaises(BlockingIOError, fcntl.flock, f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.kill(s.pid, signal.SIGSTOP)
            os.kill(engine, signal.SIGKILL)
            os.kill(s.pid, signal.SIGKILL)
            s.wait_exit()
            wait_until(lambda: not is_alive(engine), "both are dead")
            self.assertTrue(is_alive(web))
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.end_what_is_left(s)

    def test_one_that_starts_while_the_holder_ends_has_it_whole_or_not_at_all(self):
        s = self.prepared()
        for turn in range(ROUNDS):
            s.wait_state("web", "running")
            s.sample()
            s.signal(signal.SIGTERM)
            successor = None
            for i in range(200):
                p = self.launch(s, f"next{turn}-{i}")
                # It has the directory once it answers; until then it may yet be refused.
                wait_until(lambda p=p: p.poll() is not None or self.holds(s, p), "it is decided")
                if p.poll() is None:
                    successor = p
                    break
                self.assertIn("another supervisord", s.read(f"{s.dir}/next{turn}-{i}"))
            self.assertIsNotNone(successor)
            self.assertEqual(0, s.wait_exit())
            s.helpers = []
            s.process = successor
            wait_until(s.answers, "the successor answers")
            s.wait_state("web", "running")
            row = harness.queue_with_key(s.key)
            self.assertTrue(row, "there is a queue")
        wait_until(lambda: len(self.starts(s)) == ROUNDS + 1, "one start each")

    @staticmethod
    def holds(s, p):
        """The lock's file tells of that one, and it answers."""
        try:
            if s.read(f"{s.runtime_dir}/lock").strip() != str(p.pid):
                return False
            with s.connect() as v:
                return v.call("Version")
        except OSError:
            return False


if __name__ == "__main__":
    harness.main()
