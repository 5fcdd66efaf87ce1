"""How the times of everyday operations grow with the number of services.

For 500, 1000 and 2000 services (arguments: other numbers), once as instances of one definition
and once as definitions of their own: start, list, reload with one change, reload with none,
restart all, stop. A step whose cost grew with the square would take 16 times as long for 2000
as for 500; system/test_scale.py judges that by processor time, which others disturb less.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import harness  # noqa: E402
from scale import KINDS, Steps  # noqa: E402


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def measure(n, make, change):
    """Seconds by step, and KiB of launcher and engine while all run."""
    times, pss = {}, ()
    s = harness.Supervisor("")
    try:
        for name, what in Steps(s, n, make, change):
            begin = time.monotonic()
            what()
            times[name] = time.monotonic() - begin
            if name == "restart all":
                pss = memory(s.pid), memory(s.engine_pid())
    finally:
        s.cleanup()
    return times, pss


def main():
    numbers = [int(a) for a in sys.argv[1:]] or [500, 1000, 2000]
    harness.LIBC.prctl(harness.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for title, make, change in KINDS:
        rows = {n: measure(n, make, change) for n in numbers}
        print(f"{title:32}" + "".join(f"{n:>10}" for n in numbers))
        for name in rows[numbers[0]][0]:
            print(f"  {name:30}" + "".join(f"{rows[n][0][name] * 1000:>7.0f} ms" for n in numbers))
        for i, name in enumerate(("PSS of the launcher", "PSS of the engine")):
            print(f"  {name:30}" + "".join(f"{rows[n][1][i]:>6} KiB" for n in numbers))


if __name__ == "__main__":
    main()
