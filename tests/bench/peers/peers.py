"""How each supervisor is given N services with a log each, asked, and stopped.

Every one gets what is fastest for it: services are started by a link to the program where there
would be a shell script, and restarts wait for nothing where that can be had. Loggers with
arguments are started by a script of /bin/sh, which replaces itself.

pm2 comes from the npm registry; dinit and nitro, which neither that nor Debian 12 has, are measured
where they are in PATH. Left out: monit, which neither starts services as its children nor has their
output, but looks at pid files.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import debian
import npm
from processes import family, is_alive, program, reap_others, wait_for


class Peer:
    """One supervisor in one directory; at most one runs at a time."""

    name = ""
    package = None  # of Debian; it is left out where that can't be had
    programs = ()  # of the package
    most = 100000  # services that it can have
    variables = {}  # more of the environment
    old_seconds = 1.2  # what has run for so long is started again at once

    def __init__(self, directory, tools):
        self.directory, self.tools, self.process, self.n = directory, tools, None, 0

    @classmethod
    def find(cls, tools):
        """Finds its programs, or raises debian.Missing."""
        for p in cls.programs:
            tools.paths[p] = tools.debian.program(cls.package, p)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def write(self, text, *names, mode=0o644):
        os.makedirs(os.path.dirname(self.path(*names)), exist_ok=True)
        with open(self.path(*names), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(*names), mode)

    def prepare(self, n, slots):
        """Writes the configuration; nothing that it does is measured."""
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def start(self, slots):
        self.process = subprocess.Popen(
            self.tools.command(self.command()), cwd=self.directory, stdin=subprocess.DEVNULL,
            env={**self.tools.debian.environment, "BENCH_SLOTS": slots.path,
                 **self.variables},
            stdout=subprocess.DEVNULL, stderr=open(self.path("stderr"), "ab"))

    def supervisors(self):
        """Every process that is there for the sake of services: the supervisor and loggers."""
        return [p for p in family(self.process.pid) if program(p) != "bench_service"]

    def signal_stop(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self, pids):
        """Until supervisor and services, which these are, have gone."""
        self.signal_stop()
        self.wait_end(pids)

    def wait_end(self, pids):
        left = [p for p in pids if p != self.process.pid]

        def ended():
            while left and not is_alive(left[-1]):
                left.pop()
            return not left
        self.process.wait(timeout=120)
        wait_for(f"the end of {self.name}", ended)
        reap_others()

    def kill(self):
        """What a measurement that has failed leaves; end_descendants does the rest."""
        if self.process and self.process.poll() is None:
            self.signal_stop()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    # Arguments of commands; None: there is no such thing.
    def status_one(self):
        return None

    def status_all(self):
        return None

    def stop_one(self):
        return None

    def start_one(self):
        return None


class Verbs:
    """One program with verbs, of the names that most have; ctl() makes its arguments."""

    def status_one(self):
        return self.ctl("status", "s-0")

    def status_all(self):
        return self.ctl("status")

    def stop_one(self):
        return self.ctl("stop", "s-0")

    def start_one(self):
        return self.ctl("start", "s-0")


class Ours(Verbs, Peer):
    name = "supervisord (this)"

    def prepare(self, n, slots):
        services = "".join(
            f'service "s-{i}" {{ command = {{"{self.tools.service}", "{i}"}} }}\n'
            for i in range(n))
        self.write(
            f'runtime-dir = "{self.path("run")}"\nstate-dir = "{self.path("state")}"\n'
            f'log-dir = "{self.path("log")}"\n'
            "defaults { restart = \"always\" restart-delay = 0ms restart-jitter = 0"
            " restart-limit = 0 }\n" + services, "conf")

    def command(self):
        return [self.tools.supervisord, "-c", self.path("conf")]

    def ctl(self, *arguments):
        return [self.tools.supctl, "-s", self.path("run", "control"), *arguments]


class Supervisor(Verbs, Peer):
    name = "Supervisor"

    @classmethod
    def find(cls, tools):
        tools.pythonic = tools.debian.python("supervisor", "supervisor.supervisord")

    def prepare(self, n, slots):
        services = "".join(
            f"[program:s-{i}]\ncommand={self.tools.service} {i}\nautorestart=true\nstartsecs=0\n"
            f"stdout_logfile={self.path('log')}/s-{i}.log\nredirect_stderr=true\n"
            for i in range(n))
        os.makedirs(self.path("log"), exist_ok=True)
        self.write(
            f"[supervisord]\nnodaemon=true\nlogfile={self.path('supervisord.log')}\n"
            f"pidfile={self.path('pid')}\nminfds=20000\nchildlogdir={self.path('log')}\n"
            f"[unix_http_server]\nfile={self.path('socket')}\n"
            f"[supervisorctl]\nserverurl=unix://{self.path('socket')}\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
            "supervisor.rpcinterface:make_main_rpcinterface\n" + services, "conf")

    def command(self):
        return [*self.tools.pythonic, "-n", "-c", self.path("conf")]

    def stop(self, pids):
        """All at once first: at its own end it would stop them one by one, several a second."""
        subprocess.run(self.ctl("stop", "all"), stdout=subprocess.DEVNULL, check=True, timeout=120,
                       env=self.tools.debian.environment)
        super().stop(pids)

    def ctl(self, *arguments):
        return [debian.PYTHON, "-m", "supervisor.supervisorctl", "-c", self.path("conf"), *arguments]


class Directories(Peer):
    """Those that have a directory for each service: run, and log/run for its logger."""

    logger = ""

    def prepare(self, n, slots):
        for i in range(n):
            os.makedirs(self.path("sv", f"s-{i}", "log", "main"), exist_ok=True)
            run = self.path("sv", f"s-{i}", "run")
            if not os.path.lexists(run):
                os.symlink(self.tools.service, run)
            self.write(f"#!/bin/sh\nexec {self.logger} ./main\n", "sv", f"s-{i}", "log", "run",
                       mode=0o755)
        # Before it starts what is in a directory, runsvdir waits until that is a second old.
        os.utime(self.path("sv"), (time.time() - 60,) * 2)
        self.n = n

    def service(self, i):
        return self.path("sv", f"s-{i}")


class Runit(Directories):
    name = package = "runit"
    programs = ("runsvdir", "runsv", "sv", "svlogd")
    most = 1000  # what runsvdir is compiled for
    logger = "svlogd"

    def command(self):
        return ["runsvdir", "-P", self.path("sv")]

    def signal_stop(self):
        self.process.send_signal(signal.SIGHUP)

    def status_one(self):
        return ["sv", "status", self.service(0)]

    def status_all(self):
        return ["sv", "status", *(self.service(i) for i in range(self.n))]

    def stop_one(self):
        return ["sv", "down", self.service(0)]

    def start_one(self):
        return ["sv", "up", self.service(0)]


class S6(Directories):
    name = package = "s6"
    programs = ("s6-svscan", "s6-supervise", "s6-svc", "s6-svstat", "s6-log")
    logger = "s6-log n10 s50000000"
    variables = {"BENCH_NOTIFY": "3"}

    def prepare(self, n, slots):
        """What ends before it has been ready is restarted a second later, however old it is."""
        super().prepare(n, slots)
        for i in range(n):
            self.write("3\n", "sv", f"s-{i}", "notification-fd")

    def command(self):
        return ["s6-svscan", "-c", str(max(500, 2 * self.n + 10)), self.path("sv")]

    def status_one(self):
        return ["s6-svstat", self.service(0)]

    def stop_one(self):
        return ["s6-svc", "-wD", "-d", self.service(0)]

    def start_one(self):
        return ["s6-svc", "-wu", "-u", self.service(0)]


class Daemontools(Directories):
    name = package = "daemontools"
    programs = ("svscan", "supervise", "svc", "svstat", "multilog")
    most = 500  # svscan is compiled for 1000, loggers included
    logger = "multilog s16777215 n10"

    def command(self):
        return ["svscan", self.path("sv")]

    def prepare(self, n, slots):
        super().prepare(n, slots)
        for i in range(n):  # svscan starts a logger only for a sticky directory
            os.chmod(self.service(i), 0o1755)

    def stop(self, pids):
        """svscan just ends: whoever wants its services to end tells them, and their loggers."""
        self.signal_stop()
        self.process.wait()
        services = [self.service(i) for i in range(self.n)]
        for directories in (services, [os.path.join(d, "log") for d in services]):
            subprocess.run(self.tools.command(["svc", "-dx", *directories]), check=True,
                           env=self.tools.debian.environment)
        self.wait_end(pids)

    def status_one(self):
        return ["svstat", self.service(0)]

    def status_all(self):
        return ["svstat", *(self.service(i) for i in range(self.n))]

    def stop_one(self):
        return ["svc", "-d", self.service(0)]

    def start_one(self):
        return ["svc", "-u", self.service(0)]


class InPath(Peer):
    """What no registry here has: if it is in PATH."""

    @classmethod
    def find(cls, tools):
        for p in cls.programs:
            tools.paths[p] = shutil.which(p)
            if not tools.paths[p]:
                raise debian.Missing("not in PATH, and not in Debian")
        tools.debian.versions[cls.name] = (debian.output(*cls.version) or "unknown").split("\n")[0]


class Dinit(Verbs, InPath):
    """Each service's output goes into its file directly: there is no pipe, and no rotation."""

    name = "dinit"
    programs = ("dinit", "dinitctl")
    version = ("dinit", "--version")

    def prepare(self, n, slots):
        for i in range(n):
            self.write(f"type = process\ncommand = {self.tools.service} {i}\nrestart = true\n"
                       "smooth-recovery = true\nrestart-delay = 0\nrestart-limit-count = 0\n"
                       f"logfile = {self.path('log', f's-{i}.log')}\n", "sv", f"s-{i}")
        os.makedirs(self.path("log"), exist_ok=True)
        self.write("type = internal\n" + "".join(f"waits-for = s-{i}\n" for i in range(n)),
                   "sv", "boot")
        self.write(f"BENCH_SLOTS={slots.path}\n", "environment")

    def command(self):
        return ["dinit", "--container", "--quiet", "-d", self.path("sv"), "-p", self.path("socket"),
                "-l", self.path("dinit.log"), "-e", self.path("environment")]

    def ctl(self, *arguments):
        return ["dinitctl", "-p", self.path("socket"), *arguments]

    def status_all(self):
        return self.ctl("list")


class Nitro(Verbs, InPath):
    """All output goes through one pipe to one logger, the service LOG, which is the cheapest it has."""

    name = "nitro"
    programs = ("nitro", "nitroctl")
    version = ("nitroctl", "--version")  # older ones don't tell
    most = 490  # what it is compiled for, and a few of its own
    old_seconds = 2.5  # what ends within 2 s of its start waits

    def __init__(self, directory, tools):
        super().__init__(directory, tools)
        self.variables = {"NITRO_SOCK": self.path("run", "nitro.sock")}

    def prepare(self, n, slots):
        os.makedirs(self.path("run"), exist_ok=True)
        for i in range(n):
            os.makedirs(self.path("sv", f"s-{i}"), exist_ok=True)
            os.symlink(self.tools.service, self.path("sv", f"s-{i}", "run"))
        self.write(f"#!/bin/sh\nexec cat >>{self.path('log')}\n", "sv", "LOG", "run", mode=0o755)

    def command(self):
        return ["nitro", self.path("sv")]

    def ctl(self, *arguments):
        return ["env", f"NITRO_SOCK={self.path('run', 'nitro.sock')}", self.tools.paths["nitroctl"],
                *arguments]

    def status_one(self):
        return self.ctl("pidof", "s-0")

    def status_all(self):
        return self.ctl("list") if self.n <= 100 else None  # its answer has 4096 bytes at most

    def start_one(self):
        return self.ctl("up", "s-0")  # start waits for 2 s, until it is called up


class Pm2(Verbs, Peer):
    """In the foreground; it is a program for node, which reads the output and writes the files."""

    name = "pm2"
    most = 100  # 1000 had not been started after four minutes

    def __init__(self, directory, tools):
        super().__init__(directory, tools)
        self.variables = {"PM2_HOME": self.path("home")}

    @classmethod
    def find(cls, tools):
        path, version = npm.program("pm2", os.path.join(tools.debian.root, "npm"),
                                    tools.debian.installed)
        tools.paths["pm2"] = path
        tools.paths["pm2-runtime"] = os.path.join(os.path.dirname(path), "pm2-runtime")
        tools.debian.versions["pm2"] = version

    def prepare(self, n, slots):
        apps = [{"name": f"s-{i}", "script": self.tools.service, "args": [str(i)],
                 "interpreter": "none", "vizion": False, "pmx": False,
                 "out_file": self.path("log", f"s-{i}.log"),
                 "error_file": self.path("log", f"s-{i}.log")} for i in range(n)]
        os.makedirs(self.path("log"), exist_ok=True)
        self.write(json.dumps({"apps": apps}), "services.json")

    def command(self):
        return ["pm2-runtime", "start", self.path("services.json")]

    def ctl(self, *arguments):
        return ["env", f"PM2_HOME={self.path('home')}", self.tools.paths["pm2"], *arguments]

    def status_one(self):
        return self.ctl("describe", "s-0")

    def status_all(self):
        return self.ctl("list")


ALL = (Ours, Dinit, Nitro, Runit, S6, Daemontools, Supervisor, Pm2)
