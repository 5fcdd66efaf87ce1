"""Everyday operations on many services, for whoever measures how their cost grows."""

import os
import subprocess

import harness
from harness import SLEEP, service, wait_until


def instances(n, seconds=100000):
    """Instances of one service, which starts anew where seconds change."""
    return service("w", ["/bin/sleep", str(seconds)], f"instances = {n}", 'log { file = "none" }')


def one_more(n):
    return service("w", SLEEP, f"instances = {n + 1}", 'log { file = "none" }')


def definitions(n, seconds=100000):
    """As many services, of which the last changes with seconds."""
    return "".join(service(f"s{i}", ["/bin/sleep", str(seconds if i == n - 1 else 100000)])
                   for i in range(n))


# What it is, the configuration of N, and that with one change.
KINDS = (("instances of one service", instances, one_more),
         ("services of one configuration", definitions, lambda n: definitions(n, 100001)))


class Steps:
    """A supervisord with n services, and what is done with them: (name, function) in this order."""

    def __init__(self, s, n, make, change):
        self.s, self.n, self.change = s, n, change
        self.write(make(n))

    def write(self, config):
        self.s.write_config('log-level = "warning"\n' + config)

    def start(self):
        """Without asking again and again, which would cost more than what is measured."""
        self.s.start(ready=False)
        wait_until(lambda: os.path.exists(self.s.socket_path), "it listens", 120, 0.005)
        self.s.ok("wait", "*", "--for", "running", "--timeout", "2min", timeout=130)

    def apply_change(self):
        self.write(self.change(self.n))
        self.s.ok("apply")

    def apply_nothing_left(self):
        self.write("")
        self.s.ok("apply")
        wait_until(lambda: not self.s.services(), "all are forgotten", interval=0.005)

    def __iter__(self):
        s = self.s
        yield "check", lambda: subprocess.run([s.supctl, "check", s.config_path], check=True,
                                              stdout=subprocess.DEVNULL)
        yield "start", self.start
        yield "status", lambda: s.ok("status")
        yield "apply, nothing new", lambda: s.ok("apply")
        yield "apply, one change", self.apply_change
        yield "restart all", lambda: s.ok("restart", "*")
        yield "stop all", lambda: s.ok("stop", "*")
        yield "apply, all removed", self.apply_nothing_left
