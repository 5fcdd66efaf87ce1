"""What the lints share: the tree's files, and how a lint ends."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = 77


def git_files(*options):
    done = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", *options], check=False,
                          capture_output=True, text=True)
    return [f for f in done.stdout.split("\0") if f] if done.returncode == 0 else []


def walked_files():
    found = []
    for directory, below, names in os.walk(ROOT):
        below[:] = [d for d in below
                    if d not in (".git", "__pycache__") and not d.startswith("build")
                    and not os.path.isdir(os.path.join(directory, d, "meson-private"))]
        found += [os.path.relpath(os.path.join(directory, n), ROOT) for n in names]
    return found


def files(*suffixes):
    """The tracked files, or all of them where this is no git checkout."""
    found = git_files() or walked_files()
    found = sorted(f for f in set(found) if os.path.isfile(os.path.join(ROOT, f)))
    return [f for f in found if not suffixes or f.endswith(suffixes)]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def skip(why):
    print("skipped:", why)
    sys.exit(SKIPPED)


def finish(problems):
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
