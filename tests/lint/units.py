"""systemd understands every line of its units, which say what supervisord relies on. Arguments: the directory of the units as they are
installed, and supervisord, which takes the place of the installed one."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import lint


# The engine, not the main process, notifies; services outlive a launcher; TERM is for it alone.
NEEDED = {".service": ("Type=notify", "NotifyAccess=all", "ExitType=cgroup", "KillMode=mixed",
                       "ExecReload=/bin/kill -HUP $MAINPID", "Delegate=yes", "WatchdogSec="),
          ".socket": ("FileDescriptorName=control", "ListenStream=/run/supervisord/control")}


def lacks(name, text):
    lines = text.splitlines()
    return [f"{name}: {line} is missing" for line in NEEDED[os.path.splitext(name)[1]]
            if not any(l == line or (line[-1] == "=" and l.startswith(line)) for l in lines)]


def verify(program, directory, names, *options):
    done = subprocess.run([program, "verify", "--man=no", *options,
                           *(os.path.join(directory, n) for n in names)],
                          env=os.environ | {"XDG_RUNTIME_DIR": directory}, check=False,
                          capture_output=True, text=True)
    said = done.stdout + done.stderr
    # It exits with 0 also when it ignores a line. Of other units, which it loads, it may say more.
    problems = [l for l in said.splitlines() if "supervisord" in l]
    if done.returncode and not problems:
        lint.skip("systemd-analyze can't verify anything here: " + said)
    return problems


def main():
    built, supervisord = sys.argv[1:]
    problems = []
    for path in glob.glob(f"{built}/*-supervisord.*"):
        with open(path, encoding="utf-8") as f:
            problems += lacks(os.path.basename(path), f.read())
    program = shutil.which("systemd-analyze")
    if not program and not problems:
        lint.skip("no systemd-analyze")
    if problems:
        lint.finish(problems)
    for kind, options in (("system", []), ("user", ["--user"])):
        with tempfile.TemporaryDirectory() as directory:
            names = []
            for path in glob.glob(f"{built}/{kind}-*"):
                with open(path, encoding="utf-8") as f:
                    text = f.read()
                names.append(os.path.basename(path).removeprefix(kind + "-"))
                with open(os.path.join(directory, names[-1]), "w", encoding="utf-8") as f:
                    f.write(re.sub(r"^ExecStart=\S+", f"ExecStart={os.path.abspath(supervisord)}", text, flags=re.M))
            if not names:
                lint.finish([f"no {kind} units in {built}"])
            problems += verify(program, directory, names, *options)
    lint.finish(problems)


if __name__ == "__main__":
    main()
