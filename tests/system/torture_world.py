"""The services of the torture, and what their writers say of themselves.

A world is drawn from a seed: about fifty services, each a torture_writer with its own habits.
Whatever is compared later follows from two sources: what was configured, and the ledgers.
"""

import dataclasses
import mmap
import os
import random
import struct

from harness import quote

COMPRESSED = "200K"  # logs that begin anew at this size are compressed
WRITER_KEYS = ("style", "bytes", "end", "burst", "pause", "chunk", "term", "notify", "child")
QUICK = ("restart-delay = 20ms", "restart-max-delay = 200ms")
HOOKS = ("pre-start", "post-start", "post-stop")


@dataclasses.dataclass
class Service:
    """One service of the configuration; with instances, all of them."""

    name: str
    writer: dict
    keys: tuple = ()
    stamps: str = "none"
    max_size: str = "1M"
    role: str = ""
    seed: int = 0
    touched: bool = False  # by operators, so that not all of its numbers are known
    instances: int = 0
    revision: int = 0  # something that makes it another configuration

    def block(self, world):
        options = [f"seed={self.seed}", f"cap={world.cap}"]
        options += [f"{k}={self.writer[k]}" for k in WRITER_KEYS if k in self.writer]
        command = [world.writer_path, world.dir, *options]
        stamps = "" if self.stamps == "none" else f'timestamps = "{self.stamps}" '
        lines = [f"command = {{{', '.join(map(quote, command))}}}", *self.keys,
                 f'log {{ {stamps}max-size = {self.max_size} keep = 1000 '
                 f'compress = {"gzip" if self.max_size == COMPRESSED else "none"} }}',
                 f'environment = {{"REVISION={self.revision}"}}']
        if self.instances:
            lines.append(f"instances = {self.instances}")
        return f"service {quote(self.name)} {{\n" + "".join(f"\t{l}\n" for l in lines) + "}\n"


class Run:
    """A line of a ledger."""

    LAYOUT = struct.Struct("=QQQiIi36s")
    ENDS = (None, "exit", "signal")

    def __init__(self, data, offset):
        (self.start_usec, self.written, self.attempted, self.pid, end, self.end_value,
         invocation) = self.LAYOUT.unpack_from(data, offset)
        self.end = self.ENDS[end]
        self.invocation = invocation.rstrip(b"\0").decode()


class Ledger:
    """What a writer said; without a file, it has never run."""

    HEAD = struct.Struct("=QQIIQ")

    def __init__(self, path):
        self.path, self.runs, self.duplicates = path, [], 0
        if not os.path.exists(path) or not os.path.getsize(path):
            return
        with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as data:
            _, _, _, n, self.duplicates = self.HEAD.unpack_from(data)
            self.runs = [Run(data, self.HEAD.size + i * Run.LAYOUT.size) for i in range(n)]


class World:
    """All services, and the directory in which their writers keep their books."""

    def __init__(self, directory, seed, writer_path, stamps=True, cap=6_000_000):
        self.dir, self.writer_path, self.cap = directory, writer_path, cap
        self.random = random.Random(seed)
        self.with_stamps = stamps
        self.services = []
        for folder in ("ledger", "lock"):
            os.makedirs(f"{directory}/{folder}", exist_ok=True)
        self.populate()

    def add(self, role, n, writer, *keys, **kw):
        """n services of a role; what a value of writer or kw lists is drawn for each of them."""
        def drawn(values):
            return {k: self.random.choice(v) if isinstance(v, list) else v
                    for k, v in values.items()}
        for i in range(n):
            stamps = "iso" if self.with_stamps and i % 2 else "none"
            self.services.append(Service(
                f"{role}-{i}", {"style": self.random.choice(["text", "binary"])} | drawn(writer),
                keys, stamps=stamps, role=role, seed=self.random.getrandbits(60), **drawn(kw)))

    def populate(self):
        always = ('restart = "always"', "restart-limit = 0", *QUICK)
        pace = {"burst": [20000, 65536, 300000], "pause": [150, 400, 900],
                "chunk": [700, 4096, 30000, 200000]}
        crash = pace | {"bytes": ["1:4000", "2000:200000", "100000:900000"],
                        "end": "0,0,1,2,7,100,-9,-11,-6,-15", "burst": 200000, "pause": [20, 150, 400]}
        sizes = [COMPRESSED, "1M", "50M"]
        self.add("steady", 8, pace, max_size=sizes)
        # So many small batches that the engine is at one of them whenever it is killed.
        self.add("drip", 6, {"burst": 60, "chunk": 60, "pause": 1})
        self.add("slow", 2, {"burst": 300, "chunk": 40, "pause": 40})
        self.add("crash", 12, crash, *always, max_size=sizes)
        self.add("ready", 3, crash | {"notify": 1}, 'ready { on = "notify" timeout = 30s }',
                 *always, max_size=sizes)
        self.add("tick", 4, {"bytes": "100:60000", "end": "0,0,0,3", "chunk": [900, 9000]},
                 'type = "oneshot"', 'restart = "never"', "schedule { every = 400ms }")
        self.add("family", 3, crash | {"child": [1, 2]}, *always, max_size=sizes)
        self.add("hooked", 3, crash, *always, "hooks { "
                 + " ".join(f"{h} = {{{quote(self.hook(h))}}}" for h in HOOKS) + " }")
        self.add("gives-up", 2, {"bytes": "1:30000", "end": "1,9,-9"}, "restart-limit = 3", *QUICK,
                 touched=True)
        self.add("toggled", 6, pace | {"term": ["die", "finish", "last"]}, max_size=sizes,
                 touched=True)
        self.add("needs", 4, pace | {"term": ["die", "finish", "last"]},
                 'requires = {"toggled-0"}', max_size=sizes, touched=True)
        self.add("changed", 2, pace | {"term": ["die", "finish"]}, touched=True)
        self.add("killed", 2, pace, *always, touched=True, max_size=sizes)
        self.add("many", 1, pace | {"term": ["die", "finish"]}, touched=True, instances=4)

    def hook(self, kind):
        """Its command: leaves a line that says which run of which service it was for."""
        return (f"/bin/sh -c 'echo {kind} $SUPERVISOR_NAME $SUPERVISOR_INVOCATION "
                f">>{self.dir}/hooks'")

    def config(self):
        return 'log-level = "info"\n' + "".join(s.block(self) for s in self.services)

    def named(self, role):
        return [s for s in self.services if s.role == role]

    def service_of(self, name):
        """The service that a name, which may be that of an instance, belongs to."""
        return next(s for s in self.services if s.name == name.partition("@")[0])

    def names(self):
        """All that have ever run."""
        return sorted(os.listdir(f"{self.dir}/ledger"))

    def ledger(self, name):
        return Ledger(f"{self.dir}/ledger/{name}")

    def hold(self):
        """From now on no writer ends by itself."""
        with open(f"{self.dir}/hold", "w", encoding="ascii"):
            pass
