"""What the kernel tells of processes: who descends from whom, memory, wake-ups, processor time."""

import os
import signal
import time

TICK = 1 / os.sysconf("SC_CLK_TCK")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def stat(pid):
    """Fields of /proc/PID/stat behind the name: [0] is the state, [1] the parent. Or []."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def program(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def family(root):
    """The process and all its descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat(name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, [])
    return found


def pss_kib(pid):
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def switches(pid):
    return sum(int(line.split()[1]) for line in read(f"/proc/{pid}/status").splitlines()
               if "ctxt_switches" in line)


def cpu_seconds(pid):
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) * TICK if fields else 0


def is_alive(pid):
    fields = stat(pid)
    return bool(fields) and fields[0] != "Z"


def wait_for(what, condition, seconds=120, pause=0.0005):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(pause)


def kill_all(pids):
    for pid in pids:
        assert pid > 1
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
