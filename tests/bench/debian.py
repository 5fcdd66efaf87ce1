"""Where the peers' programs are: those in PATH, and otherwise those of Debian's packages.

Packages are downloaded and unpacked below a directory, and never installed: no script of theirs
runs, no daemon starts, no conflict with what is installed arises, and no privilege is needed.
"""

import os
import shutil
import subprocess

PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's modules
PACKAGES = ("supervisor", "runit", "s6", "daemontools")


class Missing(Exception):
    """Why a program can't be had."""


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


class Debian:
    def __init__(self, directory, installed=True):
        """Unpacks below that directory; installed=False: even what is in PATH."""
        self.root, self.installed = directory, installed
        self.versions, self.environment = {}, dict(os.environ)

    def program(self, package, name):
        """The path of a program, which needs self.environment; or Missing."""
        if package not in self.versions and self.installed:
            path = shutil.which(name)
            if path:
                return self.found(package, path)
        self.unpack(package)
        return os.path.join(self.root, "usr", "bin", name)

    def python(self, package, module):
        """The command that runs a program in Python of a package."""
        if package not in self.versions:
            there = self.installed and subprocess.run([PYTHON, "-c", f"import {module}"],
                                                      capture_output=True, check=False)
            if there and there.returncode == 0:
                self.found(package, None)
            else:
                self.unpack(package)
        return [PYTHON, "-m", module]

    def found(self, package, path):
        """Notes the version of what is there."""
        version = output("dpkg-query", "-W", "-f", "${Version}", package)
        if path and not output("dpkg-query", "-S", path).startswith(package + ":"):
            version = ""
        self.versions.setdefault(package, version or f"found as {path}")
        return path

    def unpack(self, package):
        """A package, and the libraries and modules it needs that aren't here."""
        if os.path.exists(f"{self.root}/{package}.d"):
            if package not in self.versions:
                raise Missing(f"Debian's package {package} can't be had")
            return
        target = f"{self.root}/{package}.d"
        os.makedirs(target)
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise Missing("not installed, and there is no apt-get")
        names = [line.split()[-1] for line in output("apt-cache", "depends", package).splitlines()
                 if "Depends: lib" in line or "Depends: python3-" in line]
        needed = [n for n in names if not output("dpkg-query", "-W", n)]
        done = subprocess.run(["apt-get", "download", "-q", package, *needed], cwd=target,
                              capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise Missing(f"not installed, and Debian's package {package} can't be had")
        for deb in os.listdir(target):
            subprocess.run(["dpkg-deb", "-x", f"{target}/{deb}", self.root], check=True)
            if deb.startswith(package + "_"):
                self.versions[package] = output("dpkg-deb", "-f", f"{target}/{deb}", "Version")
        self.set_environment()

    def set_environment(self):
        libraries = [d for d, _, files in os.walk(f"{self.root}/usr/lib")
                     if any(f.startswith("lib") and ".so" in f for f in files)]
        for name, value in (("PATH", f"{self.root}/usr/bin"),
                            ("LD_LIBRARY_PATH", ":".join(libraries)),
                            ("PYTHONPATH", f"{self.root}/usr/lib/python3/dist-packages")):
            before = os.environ.get(name)
            self.environment[name] = f"{value}:{before}" if before else value
