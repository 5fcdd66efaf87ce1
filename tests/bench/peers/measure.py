"""The measurements: each takes a running or startable peer, and returns numbers."""

import functools
import mmap
import os
import shutil
import signal
import statistics
import struct
import subprocess
import time

from processes import cpu_seconds, family, pss_kib, switches, wait_for

HEAD = 16
SAMPLING_SECONDS = 8  # and no further sample after that
SLOT = struct.Struct("=QIi")  # slots.h: since_nsec, n_starts, pid


class Slots:
    """The file that services tell in that they have started."""

    def __init__(self, path, n):
        self.path, self.n = path, n
        with open(path, "wb") as f:
            f.truncate(HEAD + n * SLOT.size)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def clear(self):
        self.map[:] = bytes(len(self.map))

    def total(self):
        return struct.unpack_from("=Q", self.map)[0]

    def all_started(self):
        return self.total() >= self.n and all(self.slot(i)[1] > 0 for i in range(self.n))

    def slot(self, i):
        return SLOT.unpack_from(self.map, HEAD + i * SLOT.size)

    def last_nsec(self):
        return max(self.slot(i)[0] for i in range(self.n))

    def wait_old(self, i, peer):
        """Until a service has run for long enough to be restarted at once."""
        age = (time.monotonic_ns() - self.slot(i)[0]) / 1e9
        time.sleep(max(0, peer.old_seconds - age))


def start(peer, slots):
    """Seconds until the last service has run its first instruction."""
    slots.clear()
    begin = time.monotonic_ns()
    peer.start(slots)
    wait_for(f"{peer.name} starting {slots.n} services", slots.all_started)
    return (slots.last_nsec() - begin) / 1e9


def floor(tools, slots, forkers=1):
    """The same of a loop of vfork and exec, in so many processes at once."""
    slots.clear()
    begin = time.monotonic_ns()
    process = subprocess.Popen([tools.floor, str(slots.n), tools.service, str(forkers)],
                               stdin=subprocess.PIPE,
                               env={**os.environ, "BENCH_SLOTS": slots.path})
    wait_for("the floor", slots.all_started)
    seconds = (slots.last_nsec() - begin) / 1e9
    process.communicate()
    return seconds


def restart(peer, slots, samples):
    """Seconds from a service's SIGKILL to the first instruction of the next: sorted."""
    found = []
    deadline = time.monotonic() + SAMPLING_SECONDS
    for k in range(samples):
        if time.monotonic() > deadline and k > 0:
            break
        i = k * 7919 % slots.n
        slots.wait_old(i, peer)
        _, n_starts, pid = slots.slot(i)
        begin = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        wait_for(f"{peer.name} restarting", lambda: slots.slot(i)[1] > n_starts, pause=0.0001)
        found.append((slots.slot(i)[0] - begin) / 1e9)
        time.sleep(0.002)
    return sorted(found)


def percentile(values, p):
    return values[min(len(values) - 1, int(len(values) * p))]


def memory_kib(peer):
    """Proportional set size of all that isn't a service."""
    return sum(pss_kib(p) for p in peer.supervisors())


def idle(peer, seconds):
    """Context switches and seconds of processor time of all that isn't a service."""
    pids = peer.supervisors()
    before = [(switches(p), cpu_seconds(p)) for p in pids]
    time.sleep(seconds)
    after = [(switches(p), cpu_seconds(p)) for p in pids]
    return (sum(b[0] - a[0] for a, b in zip(before, after)),
            sum(b[1] - a[1] for a, b in zip(before, after)))


def run_command(tools, arguments):
    """Seconds that a command takes; it has to succeed.

    With a timeout Python would not wait, but look again after 0.5, 1.5, 3.5 ms and so on."""
    begin = time.monotonic_ns()
    with subprocess.Popen(tools.command(arguments), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=tools.debian.environment) as process:
        code = process.wait()
    seconds = (time.monotonic_ns() - begin) / 1e9
    if code != 0:
        raise subprocess.CalledProcessError(code, arguments)
    return seconds


def command(tools, arguments, samples):
    """Median seconds of a command, and of /bin/true, in turns; None: there is no such command."""
    if arguments is None:
        return None
    pairs, deadline = [], time.monotonic() + SAMPLING_SECONDS
    while not pairs or len(pairs) < samples and time.monotonic() < deadline:
        pairs.append((run_command(tools, arguments), run_command(tools, ["/bin/true"])))
    return tuple(statistics.median(p[i] for p in pairs) for i in range(2))


def stop_and_start(peer, slots, samples):
    """Median seconds of stopping a service, until its process has gone, and starting it again."""
    if peer.stop_one() is None:
        return None
    found = []
    for _ in range(samples):
        slots.wait_old(0, peer)
        _, n_starts, pid = slots.slot(0)
        begin = time.monotonic_ns()
        run_command(peer.tools, peer.stop_one())
        wait_for("a stop", lambda: not os.path.exists(f"/proc/{pid}"))
        run_command(peer.tools, peer.start_one())
        wait_for("a start", lambda: slots.slot(0)[1] > n_starts)
        found.append((time.monotonic_ns() - begin) / 1e9)
    return statistics.median(found)


def stop(peer, slots):
    """Seconds until supervisor and services have gone."""
    for i in range(slots.n):
        slots.wait_old(i, peer)
    pids = family(peer.process.pid)
    begin = time.monotonic_ns()
    peer.stop(pids)
    return (time.monotonic_ns() - begin) / 1e9


PERF = ("perf", "stat", "-x", ";", "-e", "instructions:u,instructions:k")


def perf_counts(text):
    """What perf has counted; None: it can't here."""
    counts = [line.split(";")[0] for line in text.splitlines() if "instructions" in line]
    return tuple(map(int, counts)) if len(counts) == 2 and all(map(str.isdigit, counts)) else None


@functools.cache
def can_count():
    """Virtual machines often have no counters."""
    return bool(shutil.which("perf")) and perf_counts(
        subprocess.run([*PERF, "true"], capture_output=True, text=True, check=False).stderr) is not None


def instructions(peer, slots, events):
    """Instructions of the supervising processes per restart of a service, by perf; None."""
    if not can_count():
        return None
    pids = ",".join(str(p) for p in peer.supervisors())
    perf = subprocess.Popen([*PERF, "-p", pids], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(0.3)
    restart(peer, slots, events)
    perf.send_signal(signal.SIGINT)
    counts = perf_counts(perf.communicate()[1])
    return counts and tuple(c / events for c in counts)
