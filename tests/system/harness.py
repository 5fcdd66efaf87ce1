"""What the system tests stand on: a supervisord of their own in a temporary directory.

Each test starts the real programs (SUPERVISORD and SUPCTL in the environment), waits for
events with a deadline, and at the end of each test nothing may be left: no process, no cgroup,
no System V queue, no shared file, no control socket. The test process is a subreaper, so whatever
descends from it was started by it, however it has detached itself.
"""

import contextlib
import ctypes
import glob
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

DEADLINE = 60.0  # for what hangs: a busy machine is no failure
PYTHON = "/usr/bin/python3"
INTERFACE = "io.supctl.Control"
SLEEP = ["/bin/sleep", "100000"]
NOBODY = 65534

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_TERM = signal.SIGTERM  # where a method called signal hides the module

# What must never be on supervisord's stderr: reports of sanitizers, and an engine that ended
# otherwise than by a test's KILL.
TROUBLE = re.compile(r"ERROR: \w+Sanitizer|runtime error: |Assertion .* failed|malloc\(\): |free\(\): "
                     r"|engine \d+ ended with status|engine \d+ was killed by signal (?!KILL|9\b)")


class Timeout(AssertionError):
    """Something that a test waits for has not happened in time."""


def quote(text):
    """A string of the configuration's language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def sh(script):
    return ["/bin/sh", "-c", script]


def py(script):
    return [PYTHON, "-u", "-c", script]


def service(name, command, *lines):
    """A service block: command is a list, each line a key of it."""
    elements = ", ".join(quote(element) for element in command)
    body = "".join(f"\t{line}\n" for line in lines)
    return f"service {quote(name)} {{\n\tcommand = {{{elements}}}\n{body}}}\n"


def wait_until(predicate, what, deadline=DEADLINE, interval=0.02):
    """Returns the first true value of predicate, which may raise OSError meanwhile."""
    end = time.monotonic() + deadline
    last = None
    while True:
        try:
            last = predicate()
            if last:
                return last
        except (OSError, VarlinkError) as error:
            last = error
        if time.monotonic() > end:
            raise Timeout(f"not within {deadline:g} s: {what} (last: {last!r})")
        time.sleep(interval)


# --- processes -----------------------------------------------------------------------------


def read_proc(path):
    """A short file of /proc, or None. This is called often: open() takes three times as long."""
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return os.read(fd, 65536)
    except OSError:
        return None
    finally:
        if fd >= 0:
            os.close(fd)


def stat_of(pid):
    """The fields of /proc/PID/stat from the state on, or None."""
    data = read_proc(f"/proc/{pid}/stat")
    return data.rpartition(b") ")[2].split() if data else None


def is_alive(pid):
    fields = stat_of(pid)
    return fields is not None and fields[0] not in (b"Z", b"X")


def is_session_leader(pid):
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def children():
    """Who has which children, of all processes: {parent: [pid, ...]}."""
    result = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_of(entry)
            if fields:
                result.setdefault(int(fields[1]), []).append(int(entry))
    return result


def children_of(pid):
    """Children of one process, without a look at all others; one may be missing while some end."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            data = read_proc(f"/proc/{pid}/task/{task}/children")
            if data is None and is_alive(pid):
                return children().get(pid, [])  # the kernel has no such file
            found += map(int, (data or b"").split())
    except OSError:
        pass
    return found


def descendants(pid):
    tree, found, todo = children(), [], [pid]
    while todo:
        below = tree.get(todo.pop(), [])
        found += below
        todo += below
    return found


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def status_field(pid, key):
    """A line of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith(key + ":"):
                return line.split(":", 1)[1].strip()
    return None


def cgroup_root():
    """Where cgroup v2 is mounted, or None."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        mounts = (l.split() for l in f)
        return next((m[1] for m in mounts if m[2] == "cgroup2"), None)


def cgroup_of(pid, root=None):
    """The directory of the process's cgroup v2, or None."""
    lines = (read_proc(f"/proc/{pid}/cgroup") or b"").decode().splitlines()
    path = next((l[3:].strip() for l in lines if l.startswith("0::")), None)
    root = root or cgroup_root()
    return os.path.normpath(root + path) if path and root else None


def reap_orphans(keep=()):
    """Collects what was handed to this process and has ended."""
    for pid in children_of(os.getpid()):
        fields = stat_of(pid)
        if fields and fields[0] == b"Z" and pid not in keep:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


# --- System V queues -----------------------------------------------------------------------


def ftok(path, letter):
    st = os.stat(path)
    key = (ord(letter) & 0xFF) << 24 | (st.st_dev & 0xFF) << 16 | st.st_ino & 0xFFFF
    return key - (1 << 32) if key >= 1 << 31 else key


def queues():
    """The rows of /proc/sysvipc/msg by id."""
    with open("/proc/sysvipc/msg", encoding="ascii") as f:
        head = f.readline().split()
        rows = [dict(zip(head, map(str, line.split()))) for line in f]
    return {int(row["msqid"]): row for row in rows}


def queue_with_key(key):
    signed = key - (1 << 32) if key >= 1 << 31 else key
    return next((row for row in queues().values() if int(row["key"]) == signed), None)


def remove_queue(key):
    row = queue_with_key(key)
    if row:
        subprocess.run(["ipcrm", "-q", row["msqid"]], check=False)


def private_key():
    """A queue key that no other test has."""
    while True:
        key = secrets.randbelow(0x7FFFFFFF - 1) + 1
        if not queue_with_key(key):
            return key


# --- varlink -------------------------------------------------------------------------------


class VarlinkError(Exception):
    def __init__(self, reply):
        super().__init__(f"{reply.get('error')} {reply.get('parameters')}")
        self.error = reply.get("error")
        self.parameters = reply.get("parameters") or {}


class Varlink:
    """A raw client: messages are what the test says they are."""

    def __init__(self, path, deadline=DEADLINE):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(deadline)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, method, parameters=None, **extra):
        request = {"method": method, "parameters": parameters or {}, **extra}
        self.send_bytes(json.dumps(request).encode() + b"\0")

    def receive(self):
        """The next message; ConnectionError where the peer has closed."""
        while b"\0" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("closed by supervisord")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def is_closed(self):
        """Reads until the peer closes; False where it has not by the deadline."""
        try:
            while self.socket.recv(65536):
                pass
            return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            return False

    def call(self, method, parameters=None):
        if method.count(".") == 0:
            method = f"{INTERFACE}.{method}"
        self.send(method, parameters)
        reply = self.receive()
        if "error" in reply:
            raise VarlinkError(reply)
        return reply.get("parameters", {})


# --- supervisord ---------------------------------------------------------------------------


def program(variable):
    path = os.environ.get(variable)
    if not path or not os.access(path, os.X_OK):
        sys.exit(f"{variable} must be the path of the program to test")
    return os.path.abspath(path)


MOVING = ("uptime_ms", "next_start_ms")  # in what is told of a service


class Heir:
    """A supervisord that was not started by us, but is our child: as subprocess.Popen has it."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        end = time.monotonic() + (timeout or DEADLINE)
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("supervisord", timeout)
            time.sleep(0.01)
        return self.returncode


living = []  # the supervisords that were not cleaned up yet


class Knocker(threading.Thread):
    """A client that connects all the time, to a socket that is to refuse nobody."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.over, self.problems, self.n = path, threading.Event(), [], 0
        self.start()

    def run(self):
        while not self.over.wait(0.003):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(10)
                try:
                    s.connect(self.path)
                    self.n += 1
                except OSError as error:
                    self.problems.append(error)

    def finish(self):
        """All that has gone wrong."""
        self.over.set()
        self.join()
        return self.problems or ([] if self.n else ["it has never connected"])


class Supervisor:
    """One supervisord, its directories and everything that it started.

    user: run as that uid, with its own copies of the programs.
    own_dirs: False leaves runtime-dir, state-dir and log-dir out of the configuration.
    key: of the queue; one that nobody has, unless the configuration says something of the queue.
        0: as supervisord makes it of its directory. Two directories may have the same one.
    """

    def __init__(self, config, *, env=None, user=None, own_dirs=True, log_dir=None, prepare=None,
                 executable=None, key=None):
        self.supervisord = executable or program("SUPERVISORD")
        self.supctl = program("SUPCTL")
        base = tempfile.gettempdir()
        self.dir = tempfile.mkdtemp(prefix="sv-", dir=base if len(base) < 60 else "/tmp")
        os.chmod(self.dir, 0o755)
        self.user = user
        if user is not None:
            self.copy_programs()
        self.runtime_dir = f"{self.dir}/run"
        self.state_dir = f"{self.dir}/state"
        self.log_dir = log_dir or f"{self.dir}/log"
        self.config_path = f"{self.dir}/supervisord.conf"
        if key is None and own_dirs and "queue {" not in config:
            key = private_key()
        self.key = key = key or None
        self.head = ""
        if own_dirs:
            self.head = (f"runtime-dir = {quote(self.runtime_dir)}\n"
                         f"state-dir = {quote(self.state_dir)}\n"
                         f"log-dir = {quote(self.log_dir)}"
                         + (f"  queue {{ key = {key} }}\n" if key else "\n"))
        self.write_config(config)
        self.mark = secrets.token_hex(16)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SUPERVISOR")}
        for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "INVOCATION_ID", "SUPCTL_SOCKET"):
            self.env.pop(name, None)
        self.env |= {"HARNESS_MARK": self.mark, "NO_COLOR": "1"} | (env or {})
        self.process = None
        self.exit_code = None
        self.tolerated = None  # what a test makes go wrong: of TROUBLE, an expression
        self.preexec = None
        self.pass_fds = ()  # descriptors that supervisord inherits, under their numbers
        self.helpers = []
        self.cgroups = set()
        self.queue_keys = set() if key is None else {key}
        self.own_dirs = own_dirs
        if user is not None:
            os.chown(self.dir, user, user)
        try:
            if prepare:
                prepare(self)
        except BaseException:
            self.remove_dir()
            raise
        living.append(self)

    def copy_programs(self):
        """The build directory may be closed to others."""
        bin_dir = f"{self.dir}/bin"
        os.mkdir(bin_dir)
        os.chmod(bin_dir, 0o755)
        engine = os.path.join(os.path.dirname(self.supervisord), "supervisord-engine")
        for path in (self.supervisord, engine, self.supctl):
            shutil.copy(path, bin_dir)
        self.supervisord = f"{bin_dir}/{os.path.basename(self.supervisord)}"
        self.supctl = f"{bin_dir}/{os.path.basename(self.supctl)}"

    def publish_supctl(self):
        """For others to run it: the build directory may be closed to them."""
        self.supctl = shutil.copy(self.supctl, f"{self.dir}/supctl")

    def write_config(self, config):
        """config may use @DIR@ for the temporary directory."""
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(self.head + config.replace("@DIR@", self.dir))
        os.chmod(self.config_path, 0o644)

    # --- life

    def start(self, ready=True, args=None):
        ids = {}
        if self.user is not None:
            ids = {"user": self.user, "group": self.user, "extra_groups": []}
        with open(f"{self.dir}/stderr", "ab") as err, open(f"{self.dir}/stdout", "ab") as out:
            self.process = subprocess.Popen(
                [self.supervisord] + (["-c", self.config_path] if args is None else args),
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.env, cwd=self.dir,
                start_new_session=True, preexec_fn=self.before_exec,
                pass_fds=self.pass_fds, **ids)
        if ready:
            wait_until(self.answers, "supervisord answers on its control socket")
            self.sample()

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"supervisord has exited with {self.process.returncode}:\n"
                                 + self.stderr())
        with self.connect() as v:
            return v.call("Version")

    def before_exec(self):
        # Should the test itself be killed, nothing stays behind either.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if self.preexec:
            self.preexec()

    @property
    def pid(self):
        return self.process.pid

    @property
    def socket_path(self):
        return f"{self.runtime_dir}/control"

    def stderr(self):
        return self.read(f"{self.dir}/stderr")

    def stdout(self):
        return self.read(f"{self.dir}/stdout")

    @staticmethod
    def read(path):
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def engine_pid(self):
        """The pid of the engine, or None while there is none."""
        for pid in children_of(self.pid):
            with contextlib.suppress(OSError):
                exe = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
                # What a dead engine has forked is the launcher's child too, and leads no session.
                if (os.path.basename(exe) == "supervisord-engine" and is_alive(pid)
                        and is_session_leader(pid)):
                    return pid
        return None

    def wait_engine(self, other_than=None):
        return wait_until(lambda: (pid := self.engine_pid()) and pid != other_than and pid,
                          "an engine runs")

    def kill_engine(self):
        """KILLs the engine and waits for the next one to answer."""
        old = self.wait_engine()
        os.kill(old, signal.SIGKILL)
        new = self.wait_engine(other_than=old)
        wait_until(self.answers, "the next engine answers")
        return new

    def die_at(self, n):
        """Where SUPERVISOR_FAULT says "…:any:@DIR/die:KILL": at the nth call from here on, of the next
        program where this one has ended; "N!": each one, until the file is taken away."""
        with open(f"{self.dir}/die.new", "w", encoding="ascii") as f:
            f.write(str(n))
        os.rename(f"{self.dir}/die.new", f"{self.dir}/die")

    def kill_launcher(self):
        """KILLs the launcher and waits until its engine has taken its place; the new pid."""
        engine, old = self.wait_engine(), self.process
        os.kill(old.pid, signal.SIGKILL)
        old.wait()
        self.process = Heir(engine)
        self.wait_engine()
        wait_until(self.answers, "the next supervisord answers")
        return engine

    def kill_both(self):
        """KILLs launcher and engine at once."""
        engine = self.wait_engine()
        os.kill(self.pid, signal.SIGSTOP)
        os.kill(engine, signal.SIGKILL)
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not is_alive(engine), "the engine has ended")

    def signal(self, signo):
        os.kill(self.pid, signo)

    def wait_exit(self, deadline=DEADLINE):
        try:
            self.exit_code = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise Timeout(f"supervisord has not ended within {deadline:g} s") from None
        return self.exit_code

    def stop(self, deadline=DEADLINE, signo=_TERM):
        self.sample()
        self.signal(signo)
        code = self.wait_exit(deadline)
        if code != 0:
            raise AssertionError(f"supervisord ended with {code} instead of 0")

    # --- asking

    def ctl(self, *args, timeout=60, text=True, env=None):
        """Runs supctl: (exit status, stdout, stderr)."""
        done = subprocess.run([self.supctl, "-s", self.socket_path, *args], text=text,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              env=self.env | (env or {}), check=False)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *args, **kw):
        """Runs supctl, which has to succeed, and returns its output."""
        code, out, err = self.ctl(*args, **kw)
        if code != 0:
            raise AssertionError(f"supctl {' '.join(args)}: exit {code}\n{out}{err}")
        return out

    def ctl_start(self, *args, **kw):
        """supctl in the background; ended with the test."""
        p = subprocess.Popen([self.supctl, "-s", self.socket_path, *args], text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=self.env, **kw)
        self.helpers.append(p)
        return p

    def json(self, *args):
        code, out, err = self.ctl("--json", *args)
        try:
            return json.loads(out)
        except ValueError:
            raise AssertionError(f"supctl --json {args}: exit {code}, no JSON:\n{out}{err}") from None

    def status(self, name):
        """What supctl --json status tells about one service."""
        rows = self.json("status", name)
        if len(rows) != 1:
            raise AssertionError(f"status {name}: {rows}")
        return rows[0]

    def show(self, name):
        """What supctl --json show tells, with the fields of its status on the same level."""
        answer = self.json("show", name)
        answer = answer[0] if isinstance(answer, list) else answer
        return answer | answer.pop("service") if isinstance(answer.get("service"), dict) else answer

    def connect(self, deadline=DEADLINE):
        return Varlink(self.socket_path, deadline)

    def varlink(self, method, parameters=None):
        with self.connect() as v:
            return v.call(method, parameters)

    def services(self):
        """All services by name, asked for without supctl."""
        return {s["name"]: s for s in self.varlink("List", {"names": []})["services"]}

    def lasting(self):
        """The same without what differs with the moment of asking."""
        return {name: {k: v for k, v in row.items() if k not in MOVING}
                for name, row in self.services().items()}

    def wait_service(self, name, predicate, what, deadline=DEADLINE):
        """Waits until predicate(status) holds; returns that status."""
        last = {}

        def check():
            nonlocal last
            last = self.services()[name]
            return predicate(last)

        try:
            wait_until(check, what, deadline)
        except Timeout as error:
            raise Timeout(f"{error}; service '{name}' is {last}") from None
        self.sample()
        return last

    def wait_state(self, name, *states, deadline=DEADLINE):
        return self.wait_service(name, lambda s: s["state"] in states,
                                 f"'{name}' is {' or '.join(states)}", deadline)

    def wait_all_running(self, deadline=DEADLINE):
        """Waits until every service runs."""
        wait_until(lambda: all(s["state"] == "running" for s in self.services().values()),
                   "all services run", deadline)

    def log_path(self, name):
        return f"{self.log_dir}/{name}.log"

    def read_log(self, name):
        """A service's log; empty where there is none yet."""
        try:
            return self.read(self.log_path(name))
        except FileNotFoundError:
            return ""

    def wait_log(self, name, text, deadline=DEADLINE):
        wait_until(lambda: text in self.read_log(name), f"{text!r} in the log of '{name}'", deadline)
        return self.read_log(name)

    def wait_stderr(self, text, deadline=DEADLINE):
        wait_until(lambda: text in self.stderr(), f"{text!r} on supervisord's stderr", deadline)

    def flag(self, name):
        """Makes a file that a service may wait for: gate() is its side of it."""
        path = f"{self.dir}/{name}"
        with open(path, "w", encoding="utf-8"):
            pass
        os.chmod(path, 0o666)
        return path

    # --- the end

    def sample(self):
        """Remembers what has to be gone at the end."""
        root = cgroup_root()
        ours = root and cgroup_of(os.getpid(), root)
        todo = [self.pid] if ours else []
        while todo:
            below = children_of(todo.pop())
            todo += below
            for path in {cgroup_of(pid, root) for pid in below}:
                while path and path != ours and path.startswith(ours.rstrip("/") + "/"):
                    self.cgroups.add(path)
                    path = os.path.dirname(path)
        with contextlib.suppress(OSError):
            self.queue_keys.add(ftok(self.runtime_dir, "S"))

    def leftovers(self):
        """Processes below this one that are none of its helpers, nor another supervisord's."""
        keep = {p.pid for p in self.helpers} | {self.process.pid}
        for other in living:
            if other is not self and other.process:
                keep |= {other.pid, *descendants(other.pid), *(p.pid for p in other.helpers)}
        reap_orphans(keep)
        return [p for p in descendants(os.getpid()) if p not in keep and stat_of(p)]

    def end_everything(self):
        """KILLs supervisord and all that descends from this process."""
        def none_left():
            left = self.leftovers()
            for pid in left + ([self.pid] if self.process.poll() is None else []):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            return not left and self.process.poll() is not None
        wait_until(none_left, "all processes of the test are gone")

    def cleanup(self):
        """Ends what is left and raises AssertionError for all that should not have been."""
        problems = []
        for p in self.helpers:
            if p.poll() is None:
                p.kill()
            p.communicate()
        if self.process:
            problems = self.end()
        living.remove(self)
        if self.process:
            problems += [l for l in self.stderr().splitlines() if TROUBLE.search(l)
                         and not (self.tolerated and re.search(self.tolerated, l))]
        self.check_shared(problems)
        self.remove_dir()
        if problems:
            raise AssertionError("left behind: " + "; ".join(problems))

    def end(self):
        problems = []
        orderly = True
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.sample()
            self.signal(signal.SIGTERM)
            try:
                if self.wait_exit(30) != 0:
                    problems.append(f"exit status {self.exit_code} on TERM")
            except Timeout as error:
                problems.append(str(error))
        else:
            orderly = self.process.returncode == 0
        left = self.leftovers()
        problems += [f"process {p} ({command_of(p)})" for p in left if is_alive(p)]
        if left or self.process.poll() is None:
            self.end_everything()
        if orderly and self.own_dirs and os.path.exists(self.socket_path):
            problems.append("the control socket")
        return problems

    def check_shared(self, problems):
        for key in self.queue_keys:
            row = queue_with_key(key)
            if row:
                problems.append(f"queue with key {key}")
                remove_queue(key)
        for path in sorted(self.cgroups, key=len, reverse=True):
            if os.path.isdir(path):
                problems.append(f"cgroup {path}")
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        for path in glob.glob("/dev/shm/*"):
            if self.process and str(self.process.pid) in os.path.basename(path):
                problems.append(path)

    def remove_dir(self):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.dir)


class SystemTest(unittest.TestCase):
    """A test that starts supervisords; prints what they said where it fails."""

    maxDiff = None

    def supervisor(self, config, **kw):
        start = kw.pop("start", True)
        s = Supervisor(config, **kw)
        self.supervisors.append(s)
        self.addCleanup(self.finish, s)
        if start:
            s.start()
        return s

    def finish(self, s):
        with contextlib.suppress(OSError):
            self.texts.append(f"--- stderr of supervisord ({s.config_path})\n{s.stderr()[-20000:]}")
        self.supervisors.remove(s)
        s.cleanup()

    def run(self, result=None):
        self.supervisors, self.texts = [], []
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            for text in self.texts:
                print(f"\n{self.id()}\n{text}", file=sys.stderr, flush=True)
        return result


def main():
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    sys.exit(run())


def run():
    done = unittest.main(module="__main__", verbosity=2, exit=False).result
    if not done.wasSuccessful():
        return 1
    return 77 if done.testsRun and len(done.skipped) == done.testsRun else 0
