"""Which functions addresses of running programs lie in, by nm of the files that are mapped there."""

import bisect
import os
import subprocess

from processes import read


def symbols(path):
    """Of a file's functions, those of its own table or else exported: (begins, ends and names)."""
    for options in ([], ["-D"]):
        done = subprocess.run(["nm", "-S", "--defined-only", *options, path], capture_output=True,
                              text=True, check=False)
        lines = (line.split() for line in done.stdout.splitlines())
        found = sorted((int(words[0], 16), int(words[1], 16), words[3].partition("@")[0])
                       for words in lines if len(words) == 4 and words[2] in "tTwWi")
        if found:
            return [a for a, _, _ in found], [(a + size, name) for a, size, name in found]
    return [], []


def is_fixed(path):
    """Whether its symbols are addresses already: a program that isn't position-independent."""
    try:
        with open(path, "rb") as f:
            return f.read(18)[16:18] == b"\2\0"
    except OSError:
        return False


class Functions:
    """Of some processes, which have to run while this is made."""

    def __init__(self, pids):
        self.files = {}
        self.maps = [self.mapped(p) for p in pids]

    def mapped(self, pid):
        """Of each file that is executed: (begin, end, where its first byte would be, path)."""
        base, found = {}, []
        for line in read(f"/proc/{pid}/maps").splitlines():
            words = line.split()
            if len(words) == 6 and words[5].startswith("/"):
                begin, end = (int(a, 16) for a in words[0].split("-"))
                base.setdefault(words[5], 0 if is_fixed(words[5]) else begin)
                if "x" in words[1]:
                    found.append((begin, end, base[words[5]], words[5]))
        return found

    def name(self, number, address):
        for begin, end, base, path in self.maps[number]:
            if begin <= address < end:
                if path not in self.files:
                    self.files[path] = symbols(path)
                begins, functions = self.files[path]
                at = bisect.bisect_right(begins, address - base) - 1
                if at >= 0 and address - base < functions[at][0]:
                    return functions[at][1]
                return os.path.basename(path)  # a function of no known name
        return "elsewhere"

    def sum(self, number, steps, n_events):
        """{function: steps of an event} of one process, from {(process, address): steps}."""
        found = {}
        for (process, address), n in steps.items():
            if process == number:
                name = self.name(number, address)
                found[name] = found.get(name, 0) + n / n_events
        return found
