"""Torture: fifty services at full speed, and whoever supervises them is killed again and again.

    python3 tests/system/torture.py [--minutes N] [--kills N] [--seed N] [--kill WHOM] [--keep]

Each round is a world of its own (torture_world.py), drawn from its seed: supervisord is started,
operators start, stop, scale and reload, clients connect, a reader takes the messages off the queue,
and the engine is killed at random moments. Then the killing stops, the writers are held, and all
that is known from the ledgers is compared with what supervisord says and with every log, byte for
byte (torture_judge.py). One round is what the tests run; --minutes makes as many as there is time
for, with seeds that follow each other. The moments are drawn from the seed too, but what they hit
is up to the machine: a seed gives the same world, not the same history.

--kill says who: the engine, which is the default; the launcher, whose place its engine takes; or
sometimes this one and sometimes that. A launcher is killed only while there is an engine that has
recovered: otherwise it may be as if both were killed, and that is another matter. No byte is lost
by that, no process and no count; only how a process has ended may be told as unknown, where it
ended while it was nobody's child.

A round without a fault leaves nothing behind; otherwise its directory is kept and named.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

import harness
from harness import Timeout, wait_until
from torture_judge import Judge
from torture_operator import OPERATION_TIMEOUT, Client, Operator, QueueReader, Reaper
from torture_world import World

HERE = os.path.dirname(os.path.abspath(__file__))
ENGINE = "supervisord-engine"
# Where all is slow, fewer kills with as much more time between them.
SLOW = float(os.environ.get("HARNESS_SLOW", "1"))
KILLS = int(220 / SLOW)
LAUNCHER_KILLS = int(60 / SLOW)
DEADLINE = 60.0


def name_of(pid):
    """The program that the process runs, or None."""
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))
    return None


class Tormentor:
    """Kills the engine, or the launcher, at moments of kinds that have shown to be worth it."""

    # What comes before a kill, and its share.
    PLANS = (("idle", 12), ("busy", 26), ("answering", 12), ("early", 20), ("burst", 10),
             ("reload", 10), ("operation", 10))

    def __init__(self, torture, seed):
        self.torture, self.s = torture, torture.s
        self.random = random.Random(seed)
        self.writers = set()  # pids that are known to be no engine
        self.killed = None  # the last engine
        self.kills = self.launcher_kills = 0
        self.share = {"engine": 0, "both-in-turn": 0.3, "launcher": 1}[torture.whom]  # of launchers
        self.by_plan = dict.fromkeys((name for name, _ in self.PLANS), 0)

    def engine(self):
        """The pid of the engine as soon as it is there; quicker than the harness, or None."""
        try:
            with open(f"/proc/{self.s.pid}/task/{self.s.pid}/children", encoding="ascii") as f:
                pids = set(map(int, f.read().split()))
        except OSError:
            return None
        self.writers &= pids
        for pid in sorted(pids - self.writers, reverse=True):
            name = name_of(pid)
            if name == ENGINE and pid != self.killed and harness.is_session_leader(pid):
                return pid
            if name == "torture_writer":
                self.writers.add(pid)
        return None

    def wait_engine(self):
        end = time.monotonic() + DEADLINE
        while not (pid := self.engine()):
            if time.monotonic() > end or self.s.process.poll() is not None:
                raise Timeout(f"no engine after kill {self.kills}; the launcher {self.s.pid} "
                              f"ended with {self.s.process.returncode}")
            time.sleep(0.0005)
        return pid

    def kill(self, pid, plan):
        self.torture.note_kill()
        os.kill(pid, signal.SIGKILL)
        self.killed = pid
        self.kills += 1
        self.by_plan[plan] += 1

    def kill_launcher(self, engine, plan):
        """Its engine, which is to take its place, is spared until it has done that."""
        if not self.is_recovered(engine):
            self.kill(engine, plan)
            return
        self.torture.note_kill()
        os.kill(self.s.pid, signal.SIGKILL)
        self.killed = None
        self.launcher_kills += 1
        self.by_plan[plan] += 1
        self.s.succeed(engine)

    def is_recovered(self, engine):
        """Only then it has what a launcher needs; before, a dead launcher means that both are."""
        with contextlib.suppress(OSError, harness.VarlinkError), self.s.connect(1) as v:
            return v.call("Version") and engine == self.engine()
        return False

    def strike(self, pid, plan):
        if self.random.random() < self.share:
            self.kill_launcher(pid, plan)
        else:
            self.kill(pid, plan)

    def after(self, msec):
        time.sleep(self.random.uniform(0, msec) * SLOW / 1000)

    def step(self):
        wait_until(lambda: not self.torture.operator.is_late(), "the operator is answered",
                   OPERATION_TIMEOUT)
        plan = self.random.choices([n for n, _ in self.PLANS], [w for _, w in self.PLANS])[0]
        getattr(self, plan)()

    def idle(self):
        pid = self.wait_engine()
        time.sleep(self.random.uniform(0.02, 0.5) * SLOW)
        self.strike(pid, "idle")

    def busy(self):
        """When it is seen at work, which is mostly with logs."""
        pid = self.wait_engine()
        self.after(150)
        end = time.monotonic() + 0.3
        while time.monotonic() < end and (harness.stat_of(pid) or [b"X"])[0] == b"S":
            pass
        self.strike(pid, "busy")

    def answering(self):
        wait_until(self.s.answers, "the engine answers", DEADLINE, 0.005)
        pid = self.wait_engine()
        self.after(30)
        self.strike(pid, "answering")

    def early(self):
        """While it starts and recovers."""
        pid = self.wait_engine()
        self.after(self.random.choice((2, 10, 40)))
        self.strike(pid, "early")

    def burst(self):
        for _ in range(self.random.randrange(2, 6)):
            pid = self.wait_engine()
            self.after(5)
            self.strike(pid, "burst")

    def reload(self):
        self.during("reload", self.torture.operator.apply_in_background)

    def operation(self):
        self.during("operation", self.torture.operator.operation_in_background)

    def during(self, plan, begin):
        wait_until(self.s.answers, "the engine answers", DEADLINE, 0.005)
        pid = self.wait_engine()
        begin(self.random)
        self.after(self.random.choice((15, 60)))
        self.strike(pid, plan)


class Supervisor(harness.Supervisor):
    """One whose launcher may be another one by now, and whose directory can be kept."""

    kept = None

    def succeed(self, pid):
        """The engine called pid has seen its launcher die: waits until it is the launcher."""
        self.process.wait(DEADLINE)
        wait_until(lambda: name_of(pid) != ENGINE or not harness.is_alive(pid),
                   "the engine becomes the launcher", DEADLINE, 0.001)
        self.process = harness.Heir(pid)
        if self.process.poll() is not None:
            raise Timeout(f"engine {pid} ended with {self.process.returncode} when its launcher was "
                          "killed")

    def remove_dir(self):
        if self.kept:
            os.rename(self.dir, self.kept)
        else:
            super().remove_dir()


class Torture:
    """One round."""

    def __init__(self, seed, kills=KILLS, whom="engine"):
        self.seed, self.kills, self.whom = seed, kills, whom
        self.s = Supervisor("", key=harness.private_key())
        self.world = World(f"{self.s.dir}/world", seed, harness.program("TORTURE_WRITER"))
        self.parts, self.faults, self.figures = [], [], {}
        self.tormentor = Tormentor(self, seed + 2)
        self.unsettled = None  # the status of a service

    def note_kill(self):
        self.check()
        self.client.last_kill = time.monotonic()

    def check(self):
        """Raises what a thread has died of."""
        for part in self.parts:
            if part.error:
                raise part.error

    def begin(self):
        self.s.write_config(self.world.config())
        self.s.start()
        self.reader = QueueReader(self.s)
        self.client = Client(self.s)
        self.operator = Operator(self.s, self.world, self.seed + 1)
        self.parts = [self.reader, self.client, self.operator]
        if self.whom != "engine":
            self.parts.append(Reaper())
        for part in self.parts:
            part.start()

    def torment(self):
        while self.tormentor.kills + self.tormentor.launcher_kills < self.kills:
            self.tormentor.step()

    def settle(self):
        """No more kills, no more changes: all that is left is what is to be compared."""
        self.operator.finish()
        wait_until(self.s.answers, "the last engine answers", DEADLINE)
        self.world.hold()
        wait_until(self.is_settled, "every service that would end is held", DEADLINE, 0.1)
        self.check()

    def is_settled(self):
        """Nobody is about to start or to end, and those that run have said so in their ledgers."""
        for name, row in self.s.services().items():
            runs = self.world.ledger(name).runs
            if self.world.service_of(name).touched:
                settled = row["pid"] or row["state"] not in ("starting", "stopping", "backoff")
            else:
                settled = row["pid"] and runs and runs[-1].pid == row["pid"]
            if not settled:
                self.unsettled = row
                return False
        self.unsettled = None
        return True

    def run(self):
        """Returns the faults, each a sentence."""
        begin = time.monotonic()
        judge = None
        try:
            self.begin()
            self.torment()
            self.settle()
            judge = Judge(self)
            judge.living()
            self.s.ok("stop", "*", timeout=120)
            judge.stopped()
            for part in self.parts:
                if part is not self.reader:
                    part.finish()
            self.s.stop(DEADLINE)
            self.reader.finish()
            self.check()
            judge.ended()
        except (AssertionError, OSError, subprocess.SubprocessError, harness.VarlinkError) as error:
            self.faults.append(f"the round broke off: {type(error).__name__}: {error}")
            if self.unsettled:
                self.faults.append(f"not settled: {self.unsettled}")
        for part in self.parts:
            part.over.set()
        self.faults += judge.faults if judge else []
        self.figures = (judge.figures if judge else {}) | {
            "kills of engines": self.tormentor.kills,
            "of launchers": self.tormentor.launcher_kills, "seconds": round(time.monotonic() - begin, 1)}
        return self.faults

    def end(self, keep):
        """Takes down what is left; with keep, what there is to look at stays: returns where."""
        self.s.kept = self.s.dir + "-kept" if keep else None
        try:
            self.s.cleanup()
        except AssertionError as error:
            self.faults.append(str(error))
        return self.s.kept


def show(torture):
    print(f"seed {torture.seed}: " + ", ".join(f"{v:,} {k}" if isinstance(v, int) else f"{v} {k}"
                                                for k, v in torture.figures.items()))
    print("kills: " + ", ".join(f"{n} {plan}" for plan, n in torture.tormentor.by_plan.items()))
    sys.stdout.flush()


def round_of(seed, kills, whom, keep=False):
    """Runs a round and tells of it; returns its faults."""
    torture = Torture(seed, kills, whom)
    try:
        torture.run()
        show(torture)
    finally:
        kept = torture.end(keep or bool(torture.faults))
    for fault in torture.faults:
        print(f"FAULT: {fault}")
    if torture.faults or keep:
        print(f"seed {seed}: {len(torture.faults)} faults; see {kept}", flush=True)
    return torture.faults


def find_programs():
    """By hand, those of the build directory next to the sources."""
    build = os.environ.get("BUILD", os.path.normpath(f"{HERE}/../../build"))
    for variable, path in (("SUPERVISORD", "supervisord/supervisord"), ("SUPCTL", "ctl/supctl"),
                           ("TORTURE_WRITER", "tests/system/torture_writer"),
                           ("TORTURE_CHECK", "tests/system/torture_check")):
        os.environ.setdefault(variable, f"{build}/{path}")


def main():
    parser = argparse.ArgumentParser(description="Kills supervisord's engine, and compares.")
    parser.add_argument("--minutes", type=float, default=0, help="rounds for so long; else one")
    parser.add_argument("--kills", type=int, default=KILLS, help="of each round")
    parser.add_argument("--seed", type=int, help="of the first round; else drawn")
    parser.add_argument("--kill", choices=("engine", "launcher", "both-in-turn"), default="engine")
    parser.add_argument("--keep", action="store_true", help="keep the directories of all rounds")
    options = parser.parse_args()
    find_programs()
    harness.LIBC.prctl(harness.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    end = time.monotonic() + options.minutes * 60
    rounds = failed = 0
    while rounds == 0 or time.monotonic() < end:
        failed += bool(round_of(seed + rounds, options.kills, options.kill, options.keep))
        rounds += 1
    print(f"{rounds} rounds, {failed} of them with faults")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
