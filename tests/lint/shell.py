"""Shell scripts pass shellcheck."""

import os
import re
import shutil
import subprocess

import lint

SHEBANG = re.compile(r"#!.*\b(sh|bash|dash)\b")


def is_script(path):
    if path.endswith(".bash"):
        return True
    with open(os.path.join(lint.ROOT, path), "rb") as f:
        return SHEBANG.match(f.readline(200).decode(errors="replace")) is not None


def main():
    program = shutil.which("shellcheck")
    if not program:
        lint.skip("no shellcheck")
    scripts = [p for p in lint.files() if is_script(p)]
    if not scripts:
        lint.finish(["no scripts found"])
    done = subprocess.run([program, *scripts], cwd=lint.ROOT, capture_output=True, text=True,
                          check=False)
    lint.finish([done.stdout + done.stderr] if done.returncode else [])


if __name__ == "__main__":
    main()
