"""Those who deal with supervisord while it is killed: operators, clients, the queue's reader."""

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time

import sysv_ipc

import harness
from harness import VarlinkError

OPERATION_TIMEOUT = 60


class Part(threading.Thread):
    """Does step() again and again until it is asked to finish; what that raised is its error."""

    def __init__(self):
        super().__init__(daemon=True)
        self.error = None
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                self.step()
            self.rest()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def step(self):
        raise NotImplementedError

    def rest(self):
        """What is done at the end."""

    def finish(self):
        self.over.set()
        if self.ident:
            self.join(OPERATION_TIMEOUT)
        if self.is_alive():
            raise AssertionError(f"{type(self).__name__} does not come to its end")


class Client(Part):
    """Connects and asks, all the time: it may wait, but is never refused."""

    def __init__(self, s):
        super().__init__()
        self.s = s
        self.refused = []  # each with its error
        self.answered = self.cut_off = 0
        self.longest = self.longest_after_kill = 0.0
        self.last_kill = 0.0  # told by who kills
        self.may_be_refused = threading.Event()

    def step(self):
        begin = time.monotonic()
        try:
            v = self.s.connect(deadline=30)
        except OSError as error:
            if not self.may_be_refused.is_set():
                self.refused.append(repr(error))
            time.sleep(0.01)
            return
        with v:
            try:
                v.call("Version")
                self.answered += 1
                now = time.monotonic()
                self.longest = max(self.longest, now - begin)
                self.longest_after_kill = max(self.longest_after_kill,
                                              now - max(begin, self.last_kill))
            except (ConnectionError, BrokenPipeError):
                self.cut_off += 1  # the engine died with it in its hands
        time.sleep(0.002)


class QueueReader(Part):
    """Takes every message as it comes, in the order of the queue, until that is removed.

    Each is kept with its type, and with how many there were in the queue when it was taken.
    """

    def __init__(self, s):
        super().__init__()
        self.queue = sysv_ipc.MessageQueue(s.key)
        self.max_size = self.queue.max_size
        self.messages = []

    def step(self):
        try:
            body, mtype = self.queue.receive(type=0)
            left = self.queue.current_messages
        except sysv_ipc.ExistentialError:
            self.over.set()
            return
        self.messages.append(json.loads(body) | {"mtype": mtype, "backlog": left + 1,
                                                 "size": len(body)})


class Reaper(Part):
    """Collects services that the death of a launcher has handed to this process, as an init does.

    Children that others here wait for, supctl and supervisord, it leaves alone.
    """

    def step(self):
        for pid in harness.children().get(os.getpid(), []):
            fields = harness.stat_of(pid)
            if fields and fields[0] == b"Z" and self.name_of(pid) in ("torture_writer", "sh"):
                with contextlib.suppress(ChildProcessError):  # whoever was asked has just been quicker
                    os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)

    @staticmethod
    def name_of(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip()
        return None


class Operator(Part):
    """Asks for one thing after the other, of services whose numbers nobody counts on."""

    def __init__(self, s, world, seed):
        super().__init__()
        self.s, self.world = s, world
        self.random = random.Random(seed)
        self.lock = threading.RLock()  # of the configuration file, and the revisions in it
        self.background = []
        self.n_begun = {}  # commands in the background, by what they are about
        self.failed = []  # sentences
        self.done = 0
        self.asked = None  # when what is under way was asked for

    def is_late(self):
        """supctl gives up ten seconds after it has lost an engine: then it is time to let one live."""
        asked = self.asked
        return asked is not None and time.monotonic() - asked > 4

    def step(self):
        what = self.random.choice((self.toggle, self.toggle, self.check_stop, self.restart,
                                   self.scale, self.apply, self.apply_broken, self.kill_service,
                                   self.snapshot, self.reset, self.restart_many))
        what(self.random)
        self.done += 1
        time.sleep(self.random.uniform(0, 0.3))

    def run_supctl(self, *args, expected=(0,)):
        """Whatever happens to the engine: supctl is answered in the end."""
        self.asked = time.monotonic()
        code, out, err = self.s.ctl(*args, timeout=OPERATION_TIMEOUT)
        self.asked = None
        if code not in expected:
            self.failed.append(f"supctl {' '.join(args)}: exit {code}: {(out + err).strip()[-300:]}")
        return code

    # --- what it asks for

    def pick(self, rng, *roles):
        return rng.choice([s for s in self.world.services if s.role in roles]).name

    def toggle(self, rng):
        self.run_supctl(rng.choice(("start", "stop")), self.pick(rng, "toggled", "needs"),
                        *rng.choice(((), ("--no-wait",))), expected=(0, 1))

    def check_stop(self, rng):
        """What was stopped, and said to be, has stopped, unless somebody else was about it, too."""
        name = self.pick(rng, "needs")
        n_begun = self.n_begun.get(name, 0)
        others = any(name in p.args and p.poll() is None for p in self.background)
        if self.run_supctl("stop", name) != 0:
            return
        state = self.row(name)["state"]
        if state != "stopped" and not others and n_begun == self.n_begun.get(name, 0):
            self.failed.append(f"'{name}' is {state} after a stop that was done")

    def row(self, name):
        while True:
            try:
                return self.s.services()[name]
            except (OSError, VarlinkError):
                time.sleep(0.01)

    def restart(self, rng):
        self.run_supctl("restart", self.pick(rng, "toggled", "changed"), expected=(0, 1))

    def restart_many(self, rng):
        self.run_supctl("restart", f"many-0@{rng.randint(1, 2)}", expected=(0, 1, 4))

    def scale(self, rng):
        self.run_supctl("scale", "many-0", str(rng.randint(1, 6)))

    def reset(self, rng):
        name = self.pick(rng, "gives-up")
        self.run_supctl("reset", name)
        self.run_supctl("start", "--no-wait", name, expected=(0, 1))

    def kill_service(self, rng):
        self.run_supctl("signal", rng.choice(("KILL", "TERM")), self.pick(rng, "killed"),
                        expected=(0, 1))

    def snapshot(self, rng):
        with contextlib.suppress(ProcessLookupError):  # it was killed right now
            self.s.signal(rng.choice((signal.SIGUSR1, signal.SIGUSR2)))

    def write_change(self, rng):
        for service in self.world.named("changed"):
            service.revision += rng.randint(0, 1)
        self.s.write_config(self.world.config())

    def apply(self, rng):
        with self.lock:
            self.write_change(rng)
            self.run_supctl("apply", expected=(0, 1))

    def apply_broken(self, rng):
        """Nothing of it may come into force, and the next engine must not read it."""
        with self.lock:
            self.s.write_config(self.world.config() + rng.choice(
                ('service "steady-0" { command = {"/bin/false"} }\n', "service {\n")))
            self.run_supctl("apply", expected=(1,))
            time.sleep(rng.uniform(0, 0.2))

    # --- in the background, for the tormentor

    def begin(self, *args):
        self.n_begun[args[-1]] = self.n_begun.get(args[-1], 0) + 1
        self.background = [p for p in self.background if p.poll() is None]
        self.background.append(subprocess.Popen(
            [self.s.supctl, "-s", self.s.socket_path, *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.s.env))

    def apply_in_background(self, rng):
        if self.lock.acquire(blocking=False):
            try:
                self.write_change(rng)
                self.begin("apply")
            finally:
                self.lock.release()

    def operation_in_background(self, rng):
        self.begin(rng.choice(("start", "stop", "restart")), self.pick(rng, "toggled", "needs"))

    def rest(self):
        for p in self.background:
            try:
                p.wait(OPERATION_TIMEOUT)
            except subprocess.TimeoutExpired:
                p.kill()
                self.failed.append(f"{' '.join(p.args[3:])} has not ended in {OPERATION_TIMEOUT} s")
