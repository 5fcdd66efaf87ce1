"""Every C file is as clang-format 14 writes it."""

import os
import re
import shutil
import subprocess

import lint

VERSION = "14"  # others format a few things differently


def main():
    program = shutil.which("clang-format-" + VERSION) or shutil.which("clang-format")
    if not program:
        lint.skip("no clang-format")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if not re.search(rf"version {VERSION}\.", version.stdout):
        lint.skip(f"not clang-format {VERSION}: {version.stdout.strip()}")
    paths = [os.path.join(lint.ROOT, f) for f in lint.files(".c", ".h")]
    if not paths:
        lint.finish(["no sources found"])
    done = subprocess.run([program, "--dry-run", "-Werror", "--ferror-limit=5", *paths], check=False,
                          capture_output=True, text=True)
    lint.finish([done.stderr] if done.returncode else [])


if __name__ == "__main__":
    main()
