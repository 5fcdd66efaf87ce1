"""What `run` and `latency` share: programs that are built or found, and the processor time of some."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))  # what all benches share
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
LINE_SIZE = 100


def build_dir(argument):
    path = argument or os.environ.get("BUILD") or os.path.join(ROOT, "build")
    return path if os.path.isabs(path) else os.path.join(ROOT, path)


def programs(build):
    """The paths of supervisord and supctl in a build directory."""
    paths = [os.path.join(build, *p) for p in (("supervisord", "supervisord"), ("ctl", "supctl"))]
    for path in paths:
        if not os.access(path, os.X_OK):
            sys.exit(f"{path} is not there: build it, or name another build directory by --build")
    return paths


def compile_c(name, directory):
    """Compiles one of the small programs that lie here."""
    out = os.path.join(directory, name)
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-o", out,
                    os.path.join(HERE, name + ".c")], check=True)
    return out


def cpu_of(pid):
    """Seconds that a process has been running, of all its threads."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
