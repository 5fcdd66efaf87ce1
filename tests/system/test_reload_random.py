"""Random configurations, commands and deaths of the engine, and what must hold whatever happens.

RELOAD_RANDOM_SEED and RELOAD_RANDOM_ROUNDS make longer runs.
"""

import os
import random
import signal
import sys
import threading
import time

import harness
from harness import VarlinkError, quote, wait_until

SEED = int(os.environ.get("RELOAD_RANDOM_SEED", "1"))
ROUNDS = int(os.environ.get("RELOAD_RANDOM_ROUNDS", "25"))
NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"]

# What a service does; each knows its version by $0. Some never answer TERM, some leave others
# behind, some end by themselves.
KINDS = {
    "calm": "exec sleep 100000",
    "counting": "n=0; while :; do n=$((n + 1)); echo $SUPERVISOR_INVOCATION $n; sleep 0.01; done",
    "quick": "sleep 0.05; exit 0",
    "failing": "sleep 0.02; exit 3",
    "stubborn": "trap '' TERM; while :; do sleep 0.05; done",
    "slow": "trap 'sleep 0.2; exit' TERM; while :; do sleep 0.05; done",
    "leaving": "sleep 100000 & sleep 0.1",
}


class Definition:
    def __init__(self, rng):
        self.kind = rng.choice(list(KINDS))
        self.version = rng.randrange(1000)
        self.instances = rng.choice([None, None, None, 1, 2, 3])
        self.live = rng.randrange(1000)

    def names(self, name):
        return [name] if self.instances is None else [f"{name}@{i + 1}"
                                                      for i in range(self.instances)]

    def text(self, name):
        instances = "" if self.instances is None else f"\tinstances = {self.instances}\n"
        return (f"service {quote(name)} {{\n{instances}"
                f'\tcommand = {{"/bin/sh", "-c", {quote(KINDS[self.kind])}, "v{self.version}"}}\n'
                f"\trestart-delay = 20ms\n\trestart-max-delay = 100ms\n\trestart-limit = 0\n"
                f'\trestart = "always"\n\tgroups = {{"g{self.live}"}}\n'
                "\tstop { timeout = 300ms }\n}\n")


class Watcher(threading.Thread):
    """Looks for two main processes of one service, again and again."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.s, self.over, self.found = s, threading.Event(), []

    @staticmethod
    def main_process(pid):
        """(name, pid, start) where it is one: it leads its session and carries the name."""
        fields = harness.stat_of(pid)
        if not fields or fields[0] in (b"Z", b"X") or int(fields[3]) != pid:
            return None
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                env = dict(e.partition(b"=")[::2] for e in f.read().split(b"\0"))
        except OSError:
            return None
        name = env.get(b"SUPERVISOR_NAME")
        return (name.decode(), pid, fields[19]) if name and b"MAINPID" not in env else None

    def look(self):
        children = harness.children().get(self.s.pid, [])
        return {x for x in map(self.main_process, children) if x}

    def run(self):
        before = set()
        while not self.over.is_set():
            now = self.look()
            # Alive at both looks: then they were alive at once.
            both, seen = before & now, {}
            for name, pid, _ in both:
                if name in seen:
                    self.found.append((name, pid, seen[name]))
                seen[name] = pid
            before = now
            self.over.wait(0.01)


class Client(threading.Thread):
    """Asks for random things; each request gets exactly one answer, or its connection breaks."""

    def __init__(self, s, seed):
        super().__init__(daemon=True)
        self.s, self.rng, self.over, self.problems, self.n = s, random.Random(seed), \
            threading.Event(), [], 0

    def ask(self):
        rng = self.rng
        method = rng.choice(["Start", "Stop", "Restart", "Reset", "Signal", "Reload", "Scale"])
        names = rng.sample(NAMES, rng.randrange(1, 4))
        parameters = {"names": names, "id": f"{self.rng.random()}"}
        if method in ("Start", "Stop", "Restart", "Scale"):
            parameters["wait"] = rng.random() < 0.7
        if method == "Restart":
            parameters["rolling"] = rng.random() < 0.3
        if method == "Scale":
            parameters |= {"name": parameters.pop("names")[0], "instances": rng.randrange(4)}
        if method == "Signal":
            parameters["signal"] = "CONT"
        if method == "Reset":
            del parameters["id"]
        try:
            reply = self.s.varlink(method, parameters)
            told = [r["name"] for r in reply["results"]]
            if len(told) != len(set(told)):
                self.problems.append((method, names, told))
            self.n += 1
        except VarlinkError as error:
            # what has no instances, or a turn in another rolling restart already
            refused = ".Failed" if method == "Scale" or parameters.get("rolling") else ".NoSuch"
            if not error.error.endswith((".NoSuchService", refused)):
                self.problems.append((method, names, str(error)))
        except (ConnectionError, FileNotFoundError):
            pass

    def run(self):
        while not self.over.is_set():
            self.ask()
            self.over.wait(self.rng.random() * 0.03)


class ReloadRandom(harness.SystemTest):
    def mutate(self, rng, model):
        """Another configuration: a list of (name, definition)."""
        model = dict(model)
        for _ in range(rng.randrange(1, 5)):
            name = rng.choice(NAMES)
            action = rng.randrange(5)
            if action == 0:
                model.pop(name, None)
            elif action == 1 and name in model and name + "x" not in model:
                other = rng.choice(NAMES)  # renamed, maybe over another one
                model[other] = model.pop(name)
            elif action == 2 and name in model:
                definition = Definition(rng)
                definition.__dict__ = dict(model[name].__dict__, live=rng.randrange(1000),
                                           instances=rng.choice([None, 0, 1, 2, 3]))
                model[name] = definition
            else:
                model[name] = Definition(rng)
        items = list(model.items())
        rng.shuffle(items)
        return dict(items)

    def write(self, s, model, wrong=""):
        s.write_config("log-level = \"warning\"\n" +
                       "".join(d.text(n) for n, d in model.items()) + wrong)

    def kill_engine_soon(self, rng, s):
        pid = s.engine_pid()
        time.sleep(rng.random() ** 3 * 0.05)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def change(self, rng, s, model):
        """Puts the model's files there and asks for them in one of several ways."""
        way = rng.randrange(4)
        if way == 0:
            self.write(s, model, "\nbogus {\n")
            s.signal(signal.SIGHUP)
            self.kill_engine_soon(rng, s) if rng.random() < 0.3 else None
            self.write(s, model)
        self.write(s, model)
        if way == 1:
            s.signal(signal.SIGHUP)
        else:
            p = s.ctl_start("apply", *(["--no-wait"] if way == 2 else []),
                            *(["--no-restart"] if rng.random() < 0.3 else []))
            for _ in range(rng.choice([0, 0, 1, 1, 2])):
                self.kill_engine_soon(rng, s)
            if rng.random() < 0.5:
                p.communicate(timeout=harness.DEADLINE)
        for _ in range(rng.choice([0, 0, 0, 1, 3])):
            self.kill_engine_soon(rng, s)

    def check_log(self, text, name):
        """Each run counts; lines may be lost with an engine, but come in order and once."""
        last = {}
        for line in text.splitlines():
            words = line.split()
            if len(words) == 2 and len(words[0]) == 32 and words[1].isdigit():
                run, n = words[0], int(words[1])
                self.assertGreater(n, last.get(run, 0), f"the log of {name}: {line}")
                last[run] = n

    def check(self, s, model):
        """All is quiet: what is there is what should be there."""
        wait_until(s.answers, "an engine answers")
        s.varlink("Apply", {})
        for name, definition in model.items():
            if definition.instances is not None: # scaled by somebody
                s.varlink("Scale", {"name": name, "instances": definition.instances})
        wanted = [i for n, d in model.items() for i in d.names(n)]
        wait_until(lambda: list(s.services()) == wanted, f"exactly {wanted}")
        if wanted:
            s.varlink("Start", {"names": list({n for n, d in model.items() if d.names(n)}),
                                "wait": False})
        for name, definition in model.items():
            for instance in definition.names(name):
                if definition.kind in ("quick", "failing", "leaving"):
                    continue
                pid = s.wait_state(instance, "running")["pid"]
                command = harness.command_of(pid)
                if definition.kind != "calm": # which is another program by now
                    self.assertIn(f"v{definition.version}", command, instance)
                self.assertIsNone(s.show(instance)["pending"])
        mine = {x[0] for x in Watcher(s).look()}
        self.assertLessEqual(mine, set(wanted), "no process of a service that is not there")
        for name in wanted:
            self.check_log(s.read_log(name), name)
        self.assertNotIn("bug:", s.stderr())

    def descriptors(self, s):
        return [len(os.listdir(f"/proc/{p}/fd")) for p in (s.pid, s.wait_engine())]

    def test_whatever_happens_there_is_one_process_of_each_service(self):
        rng = random.Random(SEED)
        print(f"seed {SEED}, {ROUNDS} rounds", file=sys.stderr)
        model = {}
        s = self.supervisor("log-level = \"warning\"\n")
        watcher = Watcher(s)
        watcher.start()
        before = self.descriptors(s)
        try:
            for n in range(ROUNDS):
                clients = [Client(s, SEED * 1000 + n * 10 + i) for i in range(3)]
                for c in clients:
                    c.start()
                for _ in range(3):
                    model = self.mutate(rng, model)
                    self.change(rng, s, model)
                for c in clients:
                    c.over.set()
                for c in clients:
                    c.join(harness.DEADLINE)
                    self.assertFalse(c.is_alive(), "every request is answered")
                    self.assertEqual(c.problems, [])
                for p in s.helpers:
                    p.communicate(timeout=harness.DEADLINE)
                s.helpers.clear()
                self.check(s, model)
                self.assertEqual(watcher.found, [], "two main processes of one service")
        finally:
            watcher.over.set()
            watcher.join()
        # Without any service, nothing is left of all those that were.
        model = {}
        self.write(s, model)
        self.check(s, model)
        before[0] += 7  # texts of configurations, in the places that there are for them
        wait_until(lambda: self.descriptors(s) <= before, f"descriptors as at the start: {before}")
        self.assertEqual(Watcher(s).look(), set())


if __name__ == "__main__":
    harness.main()
