"""The Debian package: built by contrib/deb, installed into a small system of its own, used, upgraded
onto itself, removed and purged. The machine's own packages are not touched."""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import SLEEP, service

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NAME = "supervisord"


def output(*command, **kw):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60,
                          **kw).stdout


def machine():
    """What the machine itself knows of such a package, and what it has of it."""
    known = subprocess.run(["dpkg-query", "-W", "-f", "${Status} ${Version}", NAME], check=False,
                           capture_output=True, text=True, timeout=60).stdout
    files = sorted(glob.glob(f"/var/lib/dpkg/info/{NAME}.*")
                   + [p for p in ("/usr/bin/supervisord", "/usr/libexec/supervisord-engine",
                                  "/etc/supervisord", "/var/lib/supervisord") if os.path.lexists(p)])
    return known, [(path, os.lstat(path).st_mtime_ns) for path in files]


@unittest.skipUnless(shutil.which("dpkg-deb", path=PATH), "no dpkg-deb")
@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Deb(harness.SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.machine = machine()
        cls.dir = tempfile.mkdtemp(prefix="sv-deb-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        os.chmod(cls.dir, 0o755)
        env = {k: v for k, v in os.environ.items() if k not in ("CFLAGS", "LDFLAGS", "DESTDIR")}
        env |= {"TMPDIR": cls.dir, "DEB_BUILD_OPTIONS": "noopt"}
        done = subprocess.run([f"{ROOT}/contrib/deb", f"{cls.dir}/out"], capture_output=True,
                              text=True, env=env, check=False)
        if done.returncode:
            raise AssertionError(f"contrib/deb: exit {done.returncode}\n{done.stdout}{done.stderr}")
        cls.package = done.stdout.strip()
        cls.left = os.listdir(cls.dir)

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="root-", dir=self.dir)
        self.addCleanup(shutil.rmtree, self.root)
        os.chmod(self.root, 0o755)

    # --- a small system: a shell, what maintainer scripts call, and the libraries of all

    def add_program(self, path):
        self.add_file(path)
        self.add_libraries(path)

    def add_libraries(self, path):
        for library in re.findall(r"(/\S+) \(0x", output("ldd", path)):
            self.add_file(library)

    def add_file(self, path):
        target = self.root + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            shutil.copy(os.path.realpath(path), target)

    def make_system(self):
        for name in ("bin", "sbin", "lib", "lib64"):
            os.makedirs(f"{self.root}/usr/{name}")
            os.symlink(f"usr/{name}", f"{self.root}/{name}")
        for name in ("info", "updates", "triggers"):
            os.makedirs(f"{self.root}/var/lib/dpkg/{name}")
        for name in ("status", "available"):
            with open(f"{self.root}/var/lib/dpkg/{name}", "w", encoding="ascii"):
                pass
        self.write("/dev/null", "")  # as good as the device, for who reads nothing
        for path in ("/bin/sh", "/bin/rm"):
            self.add_program(path)

    def dpkg(self, *args):
        """dpkg on the small system; libraries are there, but not as packages."""
        done = subprocess.run(["dpkg", f"--root={self.root}", f"--log={self.root}/dpkg.log",
                               "--force-depends", "--force-confold", *args], capture_output=True,
                              text=True, timeout=120, stdin=subprocess.DEVNULL, check=False,
                              env=os.environ | {"PATH": PATH, "LC_ALL": "C",
                                                "DEBIAN_FRONTEND": "noninteractive"})
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def state(self):
        return output("dpkg-query", f"--admindir={self.root}/var/lib/dpkg", "-W", "-f",
                      "${db:Status-Abbrev}", NAME).strip()

    def files(self):
        """All paths but those of dpkg's own."""
        found = set()
        for directory, below, names in os.walk(self.root):
            found |= {os.path.join(directory, n).removeprefix(self.root) for n in below + names}
        return {p for p in found if not p.startswith(("/var/lib/dpkg", "/dpkg.log"))}

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.root + path), exist_ok=True)
        with open(self.root + path, "w", encoding="utf-8") as f:
            f.write(text)

    def read(self, path):
        with open(self.root + path, encoding="utf-8") as f:
            return f.read()

    def in_root(self, *command):
        done = subprocess.run(["/usr/sbin/chroot", self.root, *command], capture_output=True,
                              text=True, timeout=60, check=False, env={"PATH": PATH})
        return done.returncode, done.stdout + done.stderr

    # --- what it is

    def field(self, name):
        return output("dpkg-deb", "-f", self.package, name).strip()

    def test_what_the_package_says_of_itself(self):
        self.assertEqual(["out"], [n for n in self.left if not n.startswith("root-")],
                         "contrib/deb has left something in TMPDIR")
        self.assertEqual(NAME, self.field("Package"))
        self.assertRegex(self.field("Version"), r"^\d+\.\d+")
        self.assertEqual(output("dpkg", "--print-architecture").strip(), self.field("Architecture"))
        self.assertIn("supervisor", self.field("Conflicts").split(", "))
        for library in ("libc6", "libconfuse2", "libjansson4", "libpcre2-8-0", "libsystemd0"):
            self.assertRegex(self.field("Depends"), rf"(^|, ){library}\b")

    def test_files_are_roots_stripped_compressed_and_summed(self):
        listing = output("dpkg-deb", "-c", self.package).splitlines()
        self.assertEqual([], [l for l in listing if " root/root " not in l])
        self.assertEqual([], [l for l in listing if not re.match(r"(-rw-r--r--|[-d]rwxr-xr-x|l)", l)])
        output("dpkg-deb", "-x", self.package, self.root)
        for name in ("man1/supctl.1", "man5/supervisord.conf.5", "man8/supervisord.8"):
            self.assertTrue(os.path.exists(f"{self.root}/usr/share/man/{name}.gz"), name)
        for name in ("copyright", "changelog.gz", "README.md", "examples/supervisord.conf"):
            self.assertTrue(os.path.exists(f"{self.root}/usr/share/doc/{NAME}/{name}"), name)
        for path in ("share/bash-completion/completions/supctl", "share/zsh/vendor-completions/_supctl",
                     "share/fish/vendor_completions.d/supctl.fish", "lib/systemd/user/supervisord.service",
                     "lib/systemd/system/supervisord.service", "lib/systemd/system/supervisord.socket"):
            self.assertTrue(os.path.exists(f"{self.root}/usr/{path}"), path)
        for path in ("bin/supervisord", "bin/supctl", "libexec/supervisord-engine"):
            path = f"{self.root}/usr/{path}"
            self.assertNotIn(".symtab", output("readelf", "-SW", path))
            with open(path, "rb") as f:
                self.assertNotIn(os.path.basename(ROOT).encode() + b"/ctl", f.read())
        os.mkdir(f"{self.root}/DEBIAN")
        output("dpkg-deb", "-e", self.package, f"{self.root}/DEBIAN")
        sums = dict(reversed(line.split("  ")) for line in self.read("/DEBIAN/md5sums").splitlines())
        shutil.rmtree(f"{self.root}/DEBIAN")
        found = {p[1:] for p in self.files() if os.path.isfile(self.root + p)}
        self.assertEqual(found, set(sums))
        for path, md5 in sums.items():
            with open(f"{self.root}/{path}", "rb") as f:
                self.assertEqual(md5, hashlib.md5(f.read()).hexdigest(), path)

    # --- its life

    def test_it_is_installed_used_upgraded_removed_and_purged(self):
        self.make_system()
        before = self.files()
        self.dpkg("-i", self.package)
        self.assertEqual("ii", self.state())
        self.use_default_configuration()
        s = self.start_from_there()
        self.upgrade_under(s)
        s.stop()
        self.remove_and_purge(before)

    def add_systemd(self, runs):
        """A unit, and stand-ins for systemd's programs that note how they were called."""
        self.write("/usr/lib/systemd/system/supervisord.service", "[Service]\n")
        for name in ("systemctl", "deb-systemd-helper", "deb-systemd-invoke"):
            self.write(f"/usr/bin/{name}", f'#!/bin/sh\necho "{name} $*" >>/calls\n')
            os.chmod(f"{self.root}/usr/bin/{name}", 0o755)
        if runs:
            os.makedirs(f"{self.root}/run/systemd/system")

    def calls(self, *args):
        """What systemd was told while dpkg did this."""
        self.write("/calls", "")
        self.dpkg(*args)
        return self.read("/calls").splitlines()

    def test_systemd_starts_it_once_and_stops_it_only_at_the_removal(self):
        self.make_system()
        self.add_systemd(runs=True)
        calls = self.calls("-i", self.package)
        self.assertIn("deb-systemd-helper enable supervisord.service", calls)
        self.assertEqual("deb-systemd-invoke start supervisord.service", calls[-1])
        self.assertEqual([], [c for c in calls if re.search(r"(enable|start) .*socket", c)])
        calls = self.calls("-i", self.package)
        self.assertIn("systemctl --system daemon-reload", calls)
        self.assertEqual([], [c for c in calls if re.search(r" (start|stop|restart|mask) ", c)])
        calls = self.calls("-r", NAME)
        self.assertEqual("deb-systemd-invoke stop supervisord.socket supervisord.service", calls[0])
        self.assertEqual([], [c for c in self.calls("-P", NAME) if "invoke" in c])

    def test_where_systemd_does_not_run_nothing_is_started_or_stopped(self):
        self.make_system()
        self.add_systemd(runs=False)
        for args in (["-i", self.package], ["-i", self.package], ["-r", NAME]):
            self.assertEqual([], self.calls(*args))
        self.assertEqual(["deb-systemd-helper purge supervisord.service supervisord.socket",
                          "deb-systemd-helper unmask supervisord.service supervisord.socket"],
                         self.calls("-P", NAME))

    def use_default_configuration(self):
        """In the root itself, where the programs are where they were built for."""
        for path in ("/usr/bin/supctl", "/usr/libexec/supervisord-engine"):
            self.add_libraries(self.root + path)
        self.assertEqual((0, f"supervisord {self.field('Version')}\n"),
                         self.in_root("/usr/bin/supervisord", "--version"))
        code, text = self.in_root("/usr/bin/supervisord", "--check")
        self.assertEqual(0, code, text)
        self.write("/etc/supervisord/services.d/web.conf", 'service "web" {\n}\n')
        code, text = self.in_root("/usr/bin/supervisord", "--check")
        self.assertEqual(2, code, "a wrong file in services.d was not seen")
        self.assertIn("/etc/supervisord/services.d/web.conf:1", text)
        os.unlink(f"{self.root}/etc/supervisord/services.d/web.conf")

    def start_from_there(self):
        s = self.supervisor(service("web", SLEEP), start=False,
                            executable=f"{self.root}/usr/bin/supervisord")
        s.supctl = f"{self.root}/usr/bin/supctl"
        s.start()
        s.wait_state("web", "running")
        self.assertEqual("running", s.status("web")["state"])
        engine = os.path.realpath(f"{self.root}/usr/libexec/supervisord-engine")
        self.assertEqual(engine, os.readlink(f"/proc/{s.wait_engine()}/exe"))
        return s

    def upgrade_under(self, s):
        """What runs goes on, also with an engine that dies afterwards; changes are kept."""
        pid = s.status("web")["pid"]
        changed = self.read("/etc/supervisord/supervisord.conf") + 'log-level = "debug"\n'
        self.write("/etc/supervisord/supervisord.conf", changed)
        self.dpkg("-i", self.package)
        self.assertEqual("ii", self.state())
        self.assertEqual(changed, self.read("/etc/supervisord/supervisord.conf"))
        s.kill_engine()
        self.assertEqual(pid, s.status("web")["pid"])

    def remove_and_purge(self, before):
        libraries = {p for p in self.files() - before if p.startswith(("/usr/lib/", "/usr/lib64/"))}
        self.write("/var/lib/supervisord/events", "")
        self.write("/var/log/supervisord/web.log", "")
        self.dpkg("-r", NAME)
        self.assertEqual("rc", self.state())
        left = self.files() - before - libraries
        self.assertIn("/etc/supervisord/supervisord.conf", left)
        self.assertIn("/var/lib/supervisord/events", left)
        self.assertIn("/var/log/supervisord/web.log", left)
        self.assertEqual([], [p for p in left if p.startswith("/usr/")])
        self.dpkg("-P", NAME)
        self.assertEqual({"/var/log"}, self.files() - before - libraries)
        self.assertEqual(set(), before - self.files())
        self.assertEqual(self.machine, machine(), "the machine's own packages have changed")


if __name__ == "__main__":
    harness.main()
