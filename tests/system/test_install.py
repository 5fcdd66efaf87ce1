"""`meson install` puts what it should where it should, and the programs work from there."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import SLEEP, program, service

HERE = os.path.dirname(os.path.abspath(__file__))
DEFAULTS = {
    "bashcompletiondir": "{datadir}/bash-completion/completions",
    "zshcompletiondir": "{datadir}/zsh/site-functions",
    "fishcompletiondir": "{datadir}/fish/vendor_completions.d",
    "docdir": "{datadir}/doc/supervisord",
    "systemd_system_unit_dir": "{prefix}/lib/systemd/system",
    "systemd_user_unit_dir": "{prefix}/lib/systemd/user",
}


def build_dir():
    """The build directory that the programs under test lie in."""
    path = os.path.dirname(program("SUPERVISORD"))
    while not os.path.isdir(f"{path}/meson-info"):
        if path == "/":
            raise unittest.SkipTest("the programs under test do not lie in a build directory")
        path = os.path.dirname(path)
    return path


def meson_of(build):
    """The meson that made the build directory: another version might refuse it."""
    with open(f"{build}/build.ninja", encoding="utf-8") as f:
        found = re.search(r"^ command = (.*) --internal regenerate ", f.read(), re.M)
    return shlex.split(found.group(1))


def directories(build):
    """Meson's options that name directories, absolute."""
    with open(f"{build}/meson-info/intro-buildoptions.json", encoding="utf-8") as f:
        options = {o["name"]: o["value"] for o in json.load(f)}
    found = {name: os.path.join(options["prefix"], value) for name, value in options.items()
             if (name == "prefix" or name.endswith("dir")) and isinstance(value, str) and value}
    return found | {name: value.format(**found) for name, value in DEFAULTS.items()
                    if name not in found}


class Install(harness.SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.build = build_dir()
        cls.destdir = tempfile.mkdtemp(prefix="sv-install-")
        cls.addClassCleanup(shutil.rmtree, cls.destdir)
        os.chmod(cls.destdir, 0o755)
        cls.dirs = directories(cls.build)
        subprocess.run([*meson_of(cls.build), "install", "--no-rebuild", "-C", cls.build,
                        "--destdir", cls.destdir], check=True, stdout=subprocess.DEVNULL,
                       timeout=120)

    def installed(self, name):
        """A path below one of meson's directories: {bindir}/supctl."""
        return self.destdir + name.format(**self.dirs)

    def tells_systemd(self):
        """Units that say Type=notify are installed only where that is so."""
        with open(f"{self.build}/compile_commands.json", encoding="utf-8") as f:
            return "-DHAVE_SYSTEMD" in f.read()

    def run_version(self, path):
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertRegex(done.stdout, r"^supervisord \d+\.\d+")

    def test_exactly_the_listed_files_are_installed(self):
        listed = set()
        with open(f"{HERE}/install.list", encoding="utf-8") as f:
            for line in f:
                if "{systemd_" in line and not self.tells_systemd():
                    continue
                if line.strip() and not line.startswith("#"):
                    mode, path = line.split()
                    listed.add(f"{mode} {path.format(**self.dirs)}")
        found = set()
        for directory, _, names in os.walk(self.destdir):
            for name in names:
                path = os.path.join(directory, name)
                mode = os.lstat(path).st_mode & 0o7777
                found.add(f"{mode:04o} {path.removeprefix(self.destdir)}")
        self.assertEqual([], sorted(listed - found), "listed, and not installed")
        self.assertEqual([], sorted(found - listed), "installed, and not in install.list")

    def test_installed_programs_supervise(self):
        s = self.supervisor(service("web", SLEEP), start=False,
                            executable=self.installed("{bindir}/supervisord"))
        s.supctl = self.installed("{bindir}/supctl")
        s.start()
        s.wait_state("web", "running")
        self.assertEqual("running", s.status("web")["state"])
        self.assertEqual(os.path.realpath(self.installed("{libexecdir}/supervisord-engine")),
                         os.readlink(f"/proc/{s.wait_engine()}/exe"))
        s.stop()

    def test_an_installed_tree_may_be_moved(self):
        with tempfile.TemporaryDirectory(prefix="sv-moved-") as moved:
            shutil.copytree(self.destdir, f"{moved}/elsewhere", symlinks=True)
            path = f"{moved}/elsewhere" + "{bindir}/supervisord".format(**self.dirs)
            self.run_version(path)
            # As GNU stow and the like have it: a link into the tree.
            os.symlink(path, f"{moved}/supervisord")
            self.run_version(f"{moved}/supervisord")

    def test_without_an_engine_anywhere_it_says_so(self):
        with tempfile.TemporaryDirectory(prefix="sv-alone-") as alone:
            if os.path.exists("{libexecdir}/supervisord-engine".format(**self.dirs)):
                self.skipTest("this machine has an engine installed")
            shutil.copy(self.installed("{bindir}/supervisord"), alone)
            done = subprocess.run([f"{alone}/supervisord", "--version"], capture_output=True,
                                  text=True, timeout=60, check=False)
            self.assertEqual(1, done.returncode)
            self.assertIn("cannot open the engine", done.stderr)


if __name__ == "__main__":
    harness.main()
