"""What must hold when the torture is over: the ledgers against what supervisord says and wrote."""

import collections
import contextlib
import glob
import gzip
import json
import os
import re
import shutil
import signal
import subprocess

import harness

AUTOMATIC = ("crash", "ready", "family", "hooked")  # roles that always start again
UP = ("starting", "running", "stopping")


def words_of(run):
    """How the end of a run is told, as far as its writer knew it."""
    if not run.end:
        return "?"
    if run.end == "exit":
        return f"code {run.end_value}"
    return f"signal {signal.Signals(run.end_value).name.removeprefix('SIG')}"


class Judge:
    """Collects faults, each a sentence, and figures."""

    MAX_OF_A_KIND = 8

    def __init__(self, torture):
        self.n_compressed = 0
        self.torture, self.s, self.world = torture, torture.s, torture.world
        self.faults, self.figures = [], {}
        self.kinds = {}
        self.unknown = 0  # ends of processes that were not supervisord's to wait for

    def fault(self, kind, text):
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] <= self.MAX_OF_A_KIND:
            self.faults.append(f"{kind}: {text}")

    def expect(self, kind, name, what, expected, found):
        if expected != found:
            self.fault(kind, f"'{name}': {what} is {found!r} instead of {expected!r}")

    # --- while all are held

    def living(self):
        """Processes, and what is counted of services that no operator has touched."""
        self.rows = self.s.services()
        for name, row in self.rows.items():
            runs = self.world.ledger(name).runs
            service = self.world.service_of(name)
            if row["state"] in UP:
                self.expect("pid", name, "the pid", runs[-1].pid if runs else None, row["pid"])
            if row["pid"] and not harness.is_alive(row["pid"]):
                self.fault("pid", f"'{name}': {row['pid']} is not alive")
            if not service.touched:
                self.counters(service, name, runs)
        self.operator()

    def counters(self, service, name, runs):
        row = self.rows[name]
        show = self.s.show(name)
        automatic = service.role in AUTOMATIC
        n = len(runs) + self.unseen_hooks(name)
        self.expect("counter", name, "generation", n, show["generation"])
        self.expect("counter", name, "restarts", n - 1 if automatic else 0, row["restarts"])
        if n == len(runs):
            self.expect("counter", name, "invocation", runs[-1].invocation if runs else None,
                        show["invocation"])
        self.expect("counter", name, "dropped bytes", 0, show["log"]["dropped_bytes"])
        if service.role in ("steady", "drip", "slow"):
            self.expect("counter", name, "the number of its runs", 1, len(runs))
        told = [e["how"] for e in show["exits"]]
        for i, (how, run) in enumerate(zip(told, reversed(runs[:-1]))):
            if run.end and not self.is_told(run, how):
                ends = [words_of(r) for r in reversed(runs[:-1])][:len(told)]
                self.fault("exit", f"'{name}': {i + 1} of {told} is wrong, of {ends}")

    def unseen_hooks(self, name):
        """Runs that came to nothing: nobody could see how their pre-start hook ended."""
        text = f"service '{name}': pre-start hook ended while nobody could see how"
        return self.s.stderr().count(text) if self.torture.tormentor.launcher_kills else 0

    def is_told(self, run, how):
        if self.torture.tormentor.launcher_kills and (
                "unknown" in how or "nobody could see how" in how):
            self.unknown += 1
            return True
        return re.search(rf"\b{re.escape(words_of(run))}\b", how)

    def operator(self):
        for text in self.torture.operator.failed:
            self.fault("operator", text)

    def stopped(self):
        """After all were stopped: nothing is written any more, and every byte is counted."""
        for name, row in self.s.services().items():
            if row["state"] not in ("stopped", "exited", "failed"):
                self.fault("state", f"'{name}' is {row['state']} after all were stopped")
            if self.world.service_of(name).touched:
                continue
            log = self.s.show(name)["log"]
            written = sum(r.written for r in self.world.ledger(name).runs)
            most = sum(r.attempted for r in self.world.ledger(name).runs)
            if not written <= log["bytes"] <= most:
                self.fault("counted bytes", f"'{name}': {log['bytes']} bytes are counted, and "
                           f"{written} to {most} were written")

    # --- when supervisord has gone

    def ended(self):
        self.starts()
        self.hooks()
        self.logs()
        self.queue()
        client = self.torture.client
        for error in client.refused:
            self.fault("refused", error)
        self.figures |= {"answers": client.answered, "refused": len(client.refused),
                         "longest wait": f"{client.longest:.2f} s",
                         "longest after a kill": f"{client.longest_after_kill:.2f} s",
                         "operations": self.torture.operator.done}

    def starts(self):
        seen = {}
        with open(f"{self.world.dir}/starts", encoding="ascii") as f:
            lines = [line.split() for line in f]
        for name, invocation, pid, _, what in lines:
            if what != "start":
                self.fault("duplicate", f"'{name}': {pid} found another instance alive")
            elif seen.setdefault((name, invocation), pid) != pid:
                self.fault("duplicate", f"'{name}': {invocation} is the invocation of {pid} and "
                           f"{seen[(name, invocation)]}")
        ledgers = [self.world.ledger(name) for name in self.world.names()]
        for ledger in ledgers:
            if ledger.duplicates:
                self.fault("duplicate", f"{ledger.path}: {ledger.duplicates}")
        runs = [r for l in ledgers for r in l.runs]
        self.figures |= {"services": len(ledgers), "starts": len(lines),
                         "ends by themselves": sum(bool(r.end) for r in runs),
                         "duplicates": self.kinds.get("duplicate", 0)}

    def hooks(self):
        """Each was run once for each run that it is for."""
        lines = []
        with contextlib.suppress(FileNotFoundError), open(f"{self.world.dir}/hooks",
                                                          encoding="ascii") as f:
            lines = f.read().split("\n")[:-1]
        counted = collections.Counter(lines)
        for service in self.world.named("hooked"):
            for run in self.world.ledger(service.name).runs:
                for kind, least in (("pre-start", 1), ("post-start", 0), ("post-stop", 1)):
                    n = counted.pop(f"{kind} {service.name} {run.invocation}", 0)
                    if not least <= n <= 1:
                        self.fault("hook", f"'{service.name}': {kind} was run {n} times for "
                                   f"{run.invocation}, pid {run.pid}")
        for name in {line.split()[1] for line in counted}:
            odd = [line for line in counted if line.split()[1] == name]
            if len({line.split()[2] for line in odd}) > self.unseen_hooks(name):
                self.fault("hook", f"for no run: {', '.join(odd)}")
        self.figures["hooks"] = len(lines)

    def logs(self):
        total = dict.fromkeys(("bytes", "lines", "lost", "doubled", "damaged"), 0)
        files = 0
        for name in self.world.names():
            parts = self.rotated(name) + glob.glob(glob.escape(self.s.log_path(name)))
            files += len(parts)
            found = self.check_log(name, parts)
            for key in total:
                total[key] += found[key]
            if found["differences"]:
                self.fault("log", f"'{name}': {found['lost']} lost, {found['doubled']} doubled, "
                           f"{found['damaged']} damaged in {found['differences']} places; the "
                           f"first: {found['first']}")
            if found["unstamped"]:
                self.fault("log", f"'{name}': {found['unstamped']} lines without a time")
        self.figures |= total | {"log files": files, "compressed": self.n_compressed}

    def rotated(self, name):
        """The rotated files of a log, compressed ones unpacked."""
        parts = []
        for path in sorted(glob.glob(f"{glob.escape(self.s.log_path(name))}.*")):
            if path.endswith(".partial"):
                self.fault("log", f"'{name}': {path} was left behind")
            elif path.endswith(".gz"):
                if parts and parts[-1] == path.removesuffix(".gz"):
                    parts.pop()  # the last engine has not come to removing it
                unpacked = f"{self.world.dir}/{os.path.basename(path)}.unpacked"
                with gzip.open(path) as packed, open(unpacked, "wb") as f:
                    shutil.copyfileobj(packed, f)
                parts.append(unpacked)
                self.n_compressed += 1
            else:
                parts.append(path)
        return parts

    def check_log(self, name, parts):
        done = subprocess.run(
            [harness.program("TORTURE_CHECK"), name, f"{self.world.dir}/ledger/{name}",
             self.world.service_of(name).stamps, *parts], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def queue(self):
        """No number is missing, none is given to two messages, no change of state is left out."""
        by_seq = {}
        doubled = 0
        for message in self.torture.reader.messages:
            known = by_seq.setdefault(message["seq"], message)
            doubled += known is not message
            if known is not message and (known["service"], known["state"]) != (
                    message["service"], message["state"]):
                self.fault("queue", f"two messages have one number: {known} and {message}")
        numbers = sorted(by_seq)
        missing = set(range(1, numbers[-1] + 1)) - set(numbers) if numbers else set()
        pushed_out = {n for n in missing if self.was_full(by_seq, n)}
        for n in sorted(missing - pushed_out):
            self.fault("queue", f"number {n} of {numbers[-1]} is missing, and the queue was not full; "
                       f"around it: {by_seq.get(n - 1)} and {by_seq.get(n + 1)}")
        self.chains([by_seq[n] for n in numbers if by_seq[n]["mtype"] != 3], missing)
        self.figures |= {"messages": len(numbers), "sent again": doubled,
                         "pushed out": len(pushed_out), "ends unknown": self.unknown}

    def was_full(self, by_seq, missing):
        """Some message after the missing one has been taken from a queue that was about full."""
        after = [by_seq[n] for n in range(missing, missing + 400) if n in by_seq]
        if not after:
            return False
        mean = sum(m["size"] for m in after) / len(after)
        return max(m["backlog"] for m in after) * mean > 0.7 * self.torture.reader.max_size

    def chains(self, messages, missing):
        services = {}
        for message in messages:
            services.setdefault(message["service"], []).append(message)
        for name, chain in services.items():
            for before, after in zip(chain, chain[1:]):
                if before["state"] != after["previous"] and not missing.intersection(
                        range(before["seq"], after["seq"])):
                    self.fault("queue", f"'{name}': {before} is followed by {after}")
            if not missing and not self.world.service_of(name).touched:
                self.ends(name, chain)

    def ends(self, name, chain):
        """Every run of the ledger but the last is told to have ended, once, in order, and how."""
        told = [m["reason"] for m in chain if m["previous"] in UP
                and m["state"] in ("backoff", "exited", "failed", "waiting")]
        if unseen := self.unseen_hooks(name):
            hooks = [how for how in told if how == "its pre-start hook failed"]
            self.expect("queue", name, "the number of failed hooks told", unseen, len(hooks))
            told = [how for how in told if how not in hooks]
        runs = self.world.ledger(name).runs[:-1]
        self.expect("queue", name, "the number of ends told", len(runs), len(told))
        for run, how in zip(runs, told):
            if run.end and not self.is_told(run, how):
                self.fault("queue", f"'{name}': the end of {run.pid} is told as {how!r}, and was "
                           f"{words_of(run)!r}")
