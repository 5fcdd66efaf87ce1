#!/usr/bin/python3
"""How the times of everyday operations grow with the number of services.

    bench_scale.py [--json FILE] [NUMBER...]

For 500, 1000 and 2000 services (or other numbers), once as instances of one definition and once as
definitions of their own, each with its log: check, start, status, reload of the configuration with
no change, with one, and with one of each service's settings; a signal to reload all; restart, stop,
and removal of all. A step whose cost grew with the square would take 16 times as long for 2000 as
for 500; system/test_scale.py judges that by processor time, which others disturb less. SUPERVISORD
and SUPCTL name the programs. What the limits on open files and processes don't allow is left out.
"""

import argparse
import json
import os
import resource
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]

import harness  # noqa: E402
import tables  # noqa: E402
from processes import pss_kib, read, workplace  # noqa: E402
from scale import KINDS, Steps  # noqa: E402

FDS_EACH, FDS_MORE = 2, 200  # a pipe's end and a pidfd, in launcher and engine alike; and the rest
SETTINGS = ('defaults { stop { timeout = %ds } reload { signal = "WINCH" } '
            'log { timestamps = "none" } }\n')


class AllSteps(Steps):
    """With what changes or reaches every service."""

    seconds = 10

    def write(self, config):
        super().write(SETTINGS % self.seconds + config)
        self.config = config

    def apply_all(self):
        self.seconds = 11
        self.write(self.config)
        self.s.ok("apply")

    def __iter__(self):
        for name, what in super().__iter__():
            yield name, what
            if name == "apply, one change":
                yield "apply, all changed live", self.apply_all
                yield "reload all (a signal)", lambda: self.s.ok("reload", "*")


def why_not(n):
    """Why there can't be so many services here, or None."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if n * FDS_EACH + FDS_MORE > files:
        return f"{files} open files are allowed"
    pids = int(read("/proc/sys/kernel/pid_max"))
    running = sum(name.isdigit() for name in os.listdir("/proc"))
    if n + running + 500 > pids:
        return f"{pids} processes are possible, {running} run"
    return None


def measure(n, make, change):
    """Seconds by step, and KiB of launcher and engine while all run."""
    times, memory = {}, ()
    s = harness.Supervisor("")
    try:
        for name, what in AllSteps(s, n, make, change):
            begin = time.monotonic()
            what()
            times[name] = time.monotonic() - begin
            if name == "restart all":
                memory = pss_kib(s.pid), pss_kib(s.engine_pid())
    finally:
        s.cleanup()
    return {"services": n, "seconds": times, "launcher_kib": memory[0], "engine_kib": memory[1]}


def make_tables(report):
    result = []
    for title, rows in report["kinds"].items():
        if not rows:
            continue
        lines = [[name + ", ms", *(f"{r['seconds'][name] * 1000:.0f}" for r in rows)]
                 for name in rows[0]["seconds"]]
        lines += [[f"memory (PSS) of the {who}, KiB", *(r[who + "_kib"] for r in rows)]
                  for who in ("launcher", "engine")]
        result.append(tables.Table(f"Services as {title}", ["", *(str(r["services"]) for r in rows)],
                                   lines))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("numbers", nargs="*", type=int, default=[500, 1000, 2000])
    arguments = parser.parse_args()
    report = {"kinds": {}, "skipped": {}}
    with workplace("bench-scale-") as directory:
        os.environ["TMPDIR"] = directory
        for title, make, change in KINDS:
            report["kinds"][title] = []
            for n in arguments.numbers:
                reason = why_not(n)
                if reason:
                    report["skipped"][f"{n} services"] = reason
                    continue
                print(f"{n} services, {title}", file=sys.stderr)
                report["kinds"][title].append(measure(n, make, change))
    tables.show(make_tables(report))
    for name, reason in report["skipped"].items():
        print(f"left out: {name}: {reason}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as f:
            json.dump(report, f, indent=1)


if __name__ == "__main__":
    main()
