"""How the times of everyday operations grow with the number of services.

For 500, 1000 and 2000 services (arguments: other numbers), once as instances of one definition
and once as definitions of their own: start, list, reload with one change, reload with none,
restart all, stop. A step whose cost grew with the square would take 16 times as long for 2000
as for 500.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import harness  # noqa: E402
from harness import SLEEP, service, wait_until  # noqa: E402


def instances(n, seconds):
    return service("w", ["/bin/sleep", str(seconds)], f"instances = {n}", 'log { file = "none" }')


def definitions(n, seconds):
    """One of them changes: the last."""
    return "".join(service(f"s{i}", ["/bin/sleep", str(seconds if i == n - 1 else 100000)])
                   for i in range(n))


def one_more(n):
    return service("w", SLEEP, f"instances = {n + 1}", 'log { file = "none" }')


def timed(times, name, what):
    begin = time.monotonic()
    what()
    times[name] = time.monotonic() - begin


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def measure(n, make, change):
    times = {}
    s = harness.Supervisor("log-level = \"warning\"\n" + make(n, 100000))

    def all_running(number):
        services = s.services()
        return len(services) == number and all(r["state"] == "running" for r in services.values())

    def write(config):
        s.write_config("log-level = \"warning\"\n" + config)

    def start():
        s.start(ready=False)
        wait_until(lambda: all_running(n), "all run", 120, 0.005)

    try:
        timed(times, "check", lambda: harness.subprocess.run(
            [s.supctl, "check", s.config_path], check=True, stdout=harness.subprocess.DEVNULL))
        timed(times, "start", start)
        timed(times, "status", lambda: s.ok("status"))
        timed(times, "apply, nothing new", lambda: s.ok("apply"))
        write(change(n))
        timed(times, "apply, one change", lambda: s.ok("apply"))
        timed(times, "restart all", lambda: s.ok("restart", "*"))
        pss = memory(s.pid), memory(s.engine_pid())
        timed(times, "stop all", lambda: s.ok("stop", "*"))
        write("")
        timed(times, "apply, all removed", lambda: s.ok("apply"))
    finally:
        s.cleanup()
    return times, pss


def main():
    numbers = [int(a) for a in sys.argv[1:]] or [500, 1000, 2000]
    harness.LIBC.prctl(harness.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for title, make, change in (
            ("instances of one service", instances, one_more),
            ("services of one configuration", definitions, lambda n: definitions(n, 100001))):
        rows = {n: measure(n, make, change) for n in numbers}
        print(f"{title:32}" + "".join(f"{n:>10}" for n in numbers))
        for name in rows[numbers[0]][0]:
            print(f"  {name:30}" + "".join(f"{rows[n][0][name] * 1000:>7.0f} ms" for n in numbers))
        for i, name in enumerate(("PSS of the launcher", "PSS of the engine")):
            print(f"  {name:30}" + "".join(f"{rows[n][1][i]:>6} KiB" for n in numbers))


if __name__ == "__main__":
    main()
