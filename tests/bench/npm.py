"""Where a program of the npm registry is: in PATH, or installed below a directory, without its scripts."""

import json
import os
import shutil
import subprocess

from debian import Missing


def version_near(path):
    """Of the package.json that a program lies below."""
    directory = os.path.dirname(os.path.realpath(path))
    while directory != "/":
        with_version = os.path.join(directory, "package.json")
        if os.path.exists(with_version):
            with open(with_version, encoding="utf-8") as f:
                return json.load(f).get("version", "")
        directory = os.path.dirname(directory)
    return ""


def program(name, directory, installed=True):
    """The path of a program, and its version; or Missing."""
    path = shutil.which(name) if installed else None
    if not path:
        if not shutil.which("npm"):
            raise Missing("not in PATH, and there is no npm")
        done = subprocess.run(
            ["npm", "install", "--prefix", directory, "--ignore-scripts", "--no-audit", "--no-fund",
             name], capture_output=True, text=True, check=False, timeout=180, stdin=subprocess.DEVNULL)
        path = os.path.join(directory, "node_modules", ".bin", name)
        if done.returncode != 0 or not os.access(path, os.X_OK):
            raise Missing(f"not in PATH, and npm can't install {name}")
    return path, version_near(path)
