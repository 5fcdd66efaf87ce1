"""What the kernel tells of processes: who descends from whom, memory, wake-ups, processor time.

And how a bench leaves none behind: it is a subreaper, so whatever it has started stays its
descendant, however it has detached itself and whoever of its parents has died.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36

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


@contextlib.contextmanager
def time_limit(seconds, what):
    """TimeoutError inside the block when it takes longer."""
    def expired(*_):
        raise TimeoutError(f"{what}: not within {seconds} s")

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def reap_others():
    """Collects all children that have ended; for when nothing waits for one of them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_descendants():
    """Kills, by pid, whatever descends from this process, until nothing does."""
    deadline = time.monotonic() + 60
    while left := family(os.getpid())[1:]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap_others()
        if time.monotonic() > deadline:
            sys.exit(f"these processes can't be ended: {left}")
        time.sleep(0.005)


def interrupted(signo, _):
    raise SystemExit(128 + signo)


@contextlib.contextmanager
def workplace(prefix, parent=None):
    """A directory that is gone at the end, as is every process that was started meanwhile."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for signo in stops:
        signal.signal(signo, interrupted)
    directory = tempfile.mkdtemp(prefix=prefix, dir=parent)
    try:
        yield directory
    finally:
        for signo in stops:
            signal.signal(signo, signal.SIG_IGN)
        end_descendants()
        shutil.rmtree(directory, ignore_errors=True)
