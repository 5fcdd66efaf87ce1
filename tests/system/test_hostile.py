"""Hostile clients against the real programs, while a well-behaved one is served.

In each test an attack goes on, in processes of its own, until a bystander has made all its calls.
Every one of those must be answered, and correctly, and half of them soon. How long they took is
told (-v). After that the same processes must be there, the engine must not have grown beyond a limit, and
its descriptors must be back to what they were.
"""

import array
import json
import os
import re
import socket
import struct
import sys
import time
import unittest

import harness
from asuser import Child, ROOT
from harness import INTERFACE, SLEEP, Varlink, VarlinkError, service, wait_until

SLOW = float(os.environ.get("HARNESS_SLOW", "1"))
SERVICE = "org.varlink.service"
OPERATOR, OBSERVER, STRANGER = 64001, harness.NOBODY, 64100
ROLES = f'control {{ operators = {{"{OPERATOR}"}} observers = {{"{OBSERVER}"}} }}\n'
CALLS = 100 if SLOW == 1 else 40  # of each bystander
CALL_DEADLINE = harness.DEADLINE * SLOW
# Who is starved waits for ten seconds, until others are closed; 0.05 s was seen on a busy machine.
MAX_MEDIAN = 2 * SLOW
# What is unread (4 * 32 MiB), what is unfinished (32 MiB), and room for what is being made.
MAX_MEMORY_KIB = int((256 << 10) * SLOW)
BROKEN = (ConnectionResetError, BrokenPipeError)
SO_PASSRIGHTS = 83

table = []  # a row for each attack


def connect(path):
    """As supctl does: where too many are waiting to be accepted, try again."""
    end = time.monotonic() + CALL_DEADLINE
    while True:
        try:
            return Varlink(path, CALL_DEADLINE)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.002)


def request(method, parameters=None, **extra):
    method = method if "." in method else f"{INTERFACE}.{method}"
    return json.dumps({"method": method, "parameters": parameters or {}, **extra}).encode() + b"\0"


def brief(reply):
    """A reply in a word or two."""
    if reply.get("error"):
        what = next(iter((reply.get("parameters") or {}).values()), "")
        return f"{reply['error'].rpartition('.')[2]} {str(what)[:40]}".strip()
    return "an answer" + (", continues" if reply.get("continues") else "")


def answers_to(path, data, finish=False):
    """Sends bytes and reads to the end, or to the answer of a Version sent after them."""
    told = []
    with connect(path) as v:
        try:
            v.send_bytes(data)
            if finish:
                v.socket.shutdown(socket.SHUT_WR)
            else:
                v.send_bytes(request("Version", {}))
        except BROKEN:
            pass  # who closes before all was sent may have said why
        try:
            while len(told) < 8:
                reply = v.receive()
                if "engine_pid" in reply.get("parameters", {}):
                    return ", ".join(told + ["stays open"])
                told.append(brief(reply))
        except BROKEN:
            told.append("closed")
    return ", ".join(told)


def bystander(path, pid, lasting, calls):
    """Calls of somebody who means well: [what went wrong], [seconds that each took]."""
    def run(_):
        wrong, took = [], []
        kept = connect(path) if lasting else None
        for i in range(calls):
            begin = time.monotonic()
            try:
                v = kept if kept and i % 2 else connect(path)
                if i % 4 < 2:
                    ok = v.call("Version")["pid"] == pid
                else:
                    (web,) = v.call("List", {"names": ["web"]})["services"]
                    ok = web["name"] == "web" and web["state"] == "running"
                if v is not kept:
                    v.close()
                if not ok:
                    wrong.append(f"call {i}: a wrong answer")
            except (OSError, VarlinkError, ValueError) as error:
                wrong.append(f"call {i}: {error!r}")
            took.append(time.monotonic() - begin)
        return wrong, took
    return run


class Hostile(harness.SystemTest):
    def setUp(self):
        self.n_idle = 0
        self.children = []

    def tearDown(self):
        for child in self.children:
            child.end()

    def child(self, function, **ids):
        child = Child(function, **(ids if ROOT else {}))
        self.children.append(child)
        return child

    def begin(self, extra="", roles=True):
        text = (ROLES if roles and ROOT else "") + service("web", SLEEP)
        self.s = self.supervisor(text + service("idle", SLEEP, "autostart = false") + extra)
        self.s.wait_state("web", "running")
        self.path = self.s.socket_path
        self.engine = self.s.wait_engine()
        self.before = self.picture()
        wait_until(self.is_quiet, "the descriptors stay the same")

    def picture(self):
        return {name: (s["state"], s["pid"]) for name, s in self.s.services().items()}

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.engine}/fd"))

    def is_quiet(self):
        self.n_descriptors, before = self.descriptors(), self.n_descriptors if self.n_idle else -1
        self.n_idle += 1
        return self.n_descriptors == before

    def peak_kib(self):
        return int(harness.status_field(self.engine, "VmHWM").split()[0])

    def under(self, attacks, lasting=True, bystanders=(None,), calls=CALLS,
              deadline=120 * SLOW):
        """Runs attacks [(function, uid)], and bystanders of these uids meanwhile; the answers."""
        running = [self.child(function, uid=uid) for function, uid in attacks]
        for child in running:
            child.wait_armed(deadline)
        good = [self.child(bystander(self.path, self.s.pid, lasting, calls), uid=uid)
                for uid in bystanders]
        took = []
        for child in good:
            wrong, seconds = child.result(deadline)
            self.assertEqual([], wrong)
            self.assertEqual(calls, len(seconds))
            took += seconds
        answers = [child.result(deadline) for child in running]
        self.check_after()
        took.sort()
        self.assertLess(took[len(took) // 2], MAX_MEDIAN)
        row = [1000 * took[len(took) // 2], 1000 * took[len(took) * 99 // 100], 1000 * took[-1],
               self.peak_kib() / 1024]
        table.append((self._testMethodName[5:].replace("_", " "), len(took), row, answers))
        return answers

    def check_after(self):
        self.assertLess(self.peak_kib(), MAX_MEMORY_KIB)
        self.assertIsNone(self.s.process.poll())
        self.assertEqual(self.engine, self.s.engine_pid())
        for child in self.children:
            child.stop()
        try:
            # What was sent is answered first, though nobody is there any more.
            wait_until(lambda: self.descriptors() <= self.n_descriptors,
                       f"descriptors are back to {self.n_descriptors}", deadline=120 * SLOW)
        except harness.Timeout as error:
            path = f"/proc/{self.engine}/fd"
            links = [os.readlink(f"{path}/{fd}") for fd in os.listdir(path)]
            raise harness.Timeout(f"{error}: {sorted(links)}") from None
        self.assertEqual(self.before, self.picture())

    # --- connections

    def half_open(self, control):
        """300 connections, every other with half of a request."""
        held = []
        for i in range(300):
            v = connect(self.path)
            if i % 2:
                try:
                    v.send_bytes(b'{"method":')
                except BROKEN:
                    pass
            held.append(v)
        control.armed()
        while not control.stopped(0.1):
            pass
        n_open = 0
        for v in held:
            v.socket.setblocking(False)
            try:
                n_open += v.socket.recv(1) != b""
            except BlockingIOError:
                n_open += 1
            except BROKEN:
                pass
        return n_open

    @unittest.skipUnless(ROOT, "needs root to become somebody else")
    def test_three_hundred_half_open_connections_of_a_user(self):
        self.begin()
        (n_open,) = self.under([(self.half_open, OBSERVER)], bystanders=(None, OPERATOR))
        self.assertLessEqual(n_open, 64)

    def test_three_hundred_half_open_connections_of_the_owner(self):
        self.begin()
        (n_open,) = self.under([(self.half_open, None)], lasting=False)
        self.assertLessEqual(n_open, 256)

    def test_senders_that_never_finish_are_closed_and_hold_little(self):
        def attack(control):
            held, closed = [], 0
            for _ in range(60):
                v = connect(self.path)
                v.socket.setblocking(False)
                held.append(v)
            control.armed()
            end = time.monotonic() + 60 * SLOW
            sent = dict.fromkeys(held, 0)
            while held and time.monotonic() < end:
                for v in list(held):
                    # 900 KB as fast as they go, then byte by byte
                    piece = b"x" * (65536 if sent[v] < 900000 else 1)
                    try:
                        sent[v] += v.socket.send(piece)
                    except BlockingIOError:
                        pass
                    except BROKEN:
                        held.remove(v)
                        closed += 1
                time.sleep(0.01)
            return closed
        self.begin()
        (closed,) = self.under([(attack, OBSERVER)])
        self.assertEqual(60, closed)

    def test_senders_of_a_byte_a_second_are_closed_when_their_time_is_over(self):
        def attack(control):
            begin, n_sent, ends = time.monotonic(), 0, []
            held = [connect(self.path) for _ in range(20)]
            data = request("Version")
            control.armed()
            while held and n_sent < len(data):
                for v in list(held):
                    v.socket.setblocking(False)
                    try:
                        v.send_bytes(data[n_sent:n_sent + 1])
                        if not v.socket.recv(1):
                            raise BrokenPipeError
                    except BlockingIOError:
                        continue  # nothing was said, and it is still open
                    except BROKEN:
                        held.remove(v)
                        ends.append(time.monotonic() - begin)
                n_sent += 1
                time.sleep(max(0, begin + n_sent - time.monotonic()))
            return {"closed": len(ends), "first": min(ends, default=0), "last": max(ends, default=0)}
        self.begin()
        (told,) = self.under([(attack, OBSERVER)])
        self.assertEqual(20, told["closed"])
        # 10 s, seen when the next byte is sent; all bytes would take 50 s.
        self.assertGreaterEqual(told["first"], 10)
        self.assertLess(told["last"], 40 * SLOW)

    def test_readers_of_nothing_are_dropped_and_hold_little(self):
        names = "".join(service(f"s{i:03}", SLEEP, "autostart = false") for i in range(500))
        asked = (request("List") + request("Logs") + request("Show", {"name": "s001"})) * 20

        def attack(control):
            held, closed = [], 0
            for _ in range(60):
                v = connect(self.path)
                v.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                v.socket.setblocking(False)
                v.socket.send(asked)
                held.append(v)
            control.armed()
            end = time.monotonic() + 60 * SLOW
            while held and time.monotonic() < end:
                for v in list(held):
                    try:
                        v.socket.send(request("List"))
                    except BlockingIOError:
                        pass
                    except BROKEN:
                        held.remove(v)
                        closed += 1
                time.sleep(0.05)
            return closed
        self.begin(names)
        (closed,) = self.under([(attack, OBSERVER)])
        self.assertEqual(60, closed)

    def test_clients_that_leave_in_the_middle(self):
        def attack(control):
            half = request("Version")[:-9]
            ways = {
                "in mid-request": lambda v: v.send_bytes(half),
                "in mid-reply": lambda v: (v.send_bytes(request("List") * 20), v.socket.recv(10)),
                "before the reply": lambda v: v.send_bytes(request("List") * 5),
                "in a stream": lambda v: v.send(f"{INTERFACE}.List", {}, more=True),
                "at once": lambda v: None,
            }
            n, control_armed = 0, False
            while not control.stopped():
                for way in ways.values():
                    for _ in range(20):
                        try:
                            with connect(self.path) as v:
                                way(v)
                        except BROKEN:
                            pass
                        n += 1
                if not control_armed:
                    control.armed()
                    control_armed = True
            return f"{n} times left"
        self.begin()
        self.under([(attack, OBSERVER)])

    def test_a_flood_of_connections_that_are_closed_at_once(self):
        def attack(control):
            n, armed = 0, False
            while not control.stopped():
                for _ in range(500):
                    with socket.socket(socket.AF_UNIX) as v:
                        v.setblocking(False)
                        try:
                            v.connect(self.path)
                            n += 1
                        except BlockingIOError:
                            pass
                if not armed:
                    control.armed()
                    armed = True
            return f"{n} connections"
        self.begin()
        self.under([(attack, STRANGER), (attack, STRANGER + 1)], bystanders=(None, OPERATOR))

    # --- floods

    def flood(self, data, per_batch):
        """From 8 connections, as fast as answers are read."""
        def attack(control):
            held = [connect(self.path) for _ in range(8)]
            n = armed = 0
            while not control.stopped():
                for v in held:
                    v.send_bytes(data)
                for v in held:
                    for _ in range(per_batch):
                        v.receive()
                        n += 1
                if not armed:
                    control.armed()
                    armed = 1
            return n
        return attack

    def test_a_flood_of_valid_requests_from_eight_connections(self):
        self.begin()
        (n,) = self.under([(self.flood(request("Version") * 50 + request("List") * 50, 100),
                            OBSERVER)])
        self.assertGreater(n, 0)

    def test_a_flood_of_the_costliest_requests(self):
        names = "".join(service(f"s{i:03}", SLEEP, "autostart = false") for i in range(500))
        data = request("List") * 5 + request("Show", {"name": "web"}) * 10 + request("Logs") * 5
        self.begin(names)
        self.under([(self.flood(data, 20), OBSERVER)])

    def test_patterns_without_end_are_refused(self):
        slow = "*" + "[[:alnum:]]" * 3

        def attack(control):
            told = {}
            v = connect(self.path)
            cases = {"20000 globs": [f"{slow}*"] * 19000 + ["web"],
                     "20001 names": ["web"] * 20001, "20000 names": ["web"] * 20000,
                     "a long glob": ["[[:alnum:]]*" * 2000], "10000 globs": ["*b"] * 10000}
            while not control.stopped():
                for case, names in cases.items():
                    v.send(f"{INTERFACE}.List", {"names": names})
                    told[case] = brief(v.receive())
                    if len(told) == 1:
                        control.armed()
            return told
        self.begin("".join(service(f"a-long-name-{i:03}", SLEEP, "autostart = false")
                           for i in range(300)))
        (told,) = self.under([(attack, OBSERVER)])
        for case in ("20000 globs", "10000 globs", "20001 names"):
            self.assertIn("LimitExceeded", told[case], case)
        self.assertEqual("an answer", told["20000 names"])
        self.assertIn("NoSuchService", told["a long glob"])

    def test_a_thousand_requests_in_one_write_are_answered_in_order(self):
        def attack(control):
            n = armed = 0
            data = b"".join(request("Show", {"name": f"n{i}"}) for i in range(1000))
            while not control.stopped() or n == 0:
                with connect(self.path) as v:
                    v.send_bytes(data)
                    got = [v.receive()["parameters"]["name"] for _ in range(1000)]
                n += got == [f"n{i}" for i in range(1000)]
                armed += 1
                if armed == 1:
                    control.armed()
            return [n, armed]
        self.begin()
        ((n, rounds),) = self.under([(attack, OBSERVER)])
        self.assertEqual(rounds, n)

    def test_a_flood_of_oneway_requests(self):
        def attack(control):
            n, armed = 0, False
            data = (request("Version", oneway=True) + request("Reset", {"names": ["idle"]}, oneway=True)
                    + request("Stop", {"names": ["idle"]}, oneway=True)
                    + request("Explode", oneway=True)) * 25
            with connect(self.path) as v:
                while not control.stopped():
                    v.send_bytes(data + request("Version"))
                    told = brief(v.receive())
                    n += 100
                    if not armed:
                        control.armed()
                        armed = True
            return f"{n} of them, then {told}"
        self.begin()
        (told,) = self.under([(attack, OPERATOR)])
        self.assertIn("an answer", told)

    # --- bytes

    def test_malformed_requests(self):
        version = request("Version")[:-2]

        def padded(size):
            return version + b',"x":"' + b"y" * (size - len(version) - 9) + b'"}\0'

        call = '{"method":"' + INTERFACE + '.List","parameters":'
        cases = {
            "[ a hundred thousand times": b"[" * 100000 + b"\0",
            '{"a": fifty thousand times': b'{"a":' * 50000 + b"\0",
            "[ ] two thousand deep": f'{call}{{"names":{"[" * 2000}{"]" * 2000}}}}}'.encode() + b"\0",
            "1e999": f'{call}{{"names":1e999}}}}'.encode() + b"\0",
            "10^400": f'{call}{{"names":1{"0" * 400}}}}}'.encode() + b"\0",
            "-0": f'{call}{{"names":-0}}}}'.encode() + b"\0",
            "9223372036854775808": f'{call}{{"names":9223372036854775808}}}}'.encode() + b"\0",
            "9223372036854775807": f'{call}{{"names":9223372036854775807}}}}'.encode() + b"\0",
            "invalid UTF-8": f'{call}{{"names":["'.encode() + b'\xff\xc0\xaf"]}}\0',
            "a lone surrogate": f'{call}{{"names":["\\ud800"]}}}}'.encode() + b"\0",
            "an encoded surrogate": f'{call}{{"names":["'.encode() + b'\xed\xa0\x80"]}}\0',
            "an escaped NUL": f'{call}{{"names":["a\\u0000b"]}}}}'.encode() + b"\0",
            "a NUL in the middle": f'{call}{{"na\0mes":[]}}}}'.encode() + b"\0",
            "a run of NULs": b"\0" * 1000,
            "a key twice": b'{"method":"a.B","method":"' + INTERFACE.encode() + b'.List"}\0',
            "a parameter twice": f'{call}{{"names":[],"names":["web"]}}}}'.encode() + b"\0",
            "exactly 1 MiB": padded(1 << 20),
            "1 MiB and one byte": padded((1 << 20) + 1),
            "20000 empty objects": f'{call}{{"names":[{",".join(["{}"] * 20000)}]}}}}'.encode() + b"\0",
            "10000 empty objects": f'{call}{{"names":[{",".join(["{}"] * 10000)}]}}}}'.encode() + b"\0",
            "a mebibyte of empty objects": f'{call}{{"names":[{",".join(["{}"] * 300000)}]}}}}'.encode() + b"\0",
            "no object": b"[]\0", "nothing": b"\0", "no JSON": b"GET / HTTP/1.1\r\n\r\n\0",
            "two objects": b"{}{}\0", "no method": b"{}\0", "an unended string": b'{"method":"\0',
            "more and oneway": request("Version", more=True, oneway=True),
            "an upgrade": request("Version", upgrade=True),
            "an unknown method": request("Explode"),
            "an unknown interface": request("no.such.Method"),
            "a method without interface": b'{"method":"List"}\0',
            "more, then garbage": request("List", more=True) + b"\x01garbage\0",
        }
        self.assertEqual(1 << 20, len(cases["exactly 1 MiB"]))

        def attack(control):
            told, armed = {}, False
            while not control.stopped() or not armed:
                for case, data in cases.items():
                    told[case] = answers_to(self.path, data)
                    if not armed:
                        control.armed()
                        armed = True
            told["half-closed"] = answers_to(self.path, request(f"{SERVICE}.GetInfo") * 2, finish=True)
            return told
        self.begin()
        (told,) = self.under([(attack, OBSERVER)])
        stays = {"exactly 1 MiB": "stays open", "an unknown method": "MethodNotFound",
                 "an unknown interface": "InterfaceNotFound",
                 "a method without interface": "InterfaceNotFound", "-0": "InvalidParameter names",
                 "9223372036854775807": "InvalidParameter names",
                 "[ a hundred thousand times": "LimitExceeded",
                 '{"a": fifty thousand times': "LimitExceeded",
                 "20000 empty objects": "LimitExceeded",
                 "10000 empty objects": "InvalidParameter names",
                 "more, then garbage": "an answer, InvalidParameter method, closed",
                 "half-closed": "an answer, an answer, closed",
                 "1 MiB and one byte": "LimitExceeded", "a mebibyte of empty objects": "LimitExceeded",
                 "[ ] two thousand deep": "InvalidParameter", "an upgrade": "InvalidParameter upgrade",
                 "more and oneway": "InvalidParameter oneway"}
        for case, answer in told.items():
            with self.subTest(case):
                self.assertIn(stays.get(case, "InvalidParameter method, closed"), answer)

    def test_parameters_of_all_wrong_types_for_every_method_of_the_interface(self):
        self.begin()
        text = self.s.varlink(f"{SERVICE}.GetInterfaceDescription",
                              {"interface": INTERFACE})["description"]
        methods = dict(re.findall(r"^method (\w+)\((.*?)\)", text, re.M | re.S))
        self.assertLessEqual({"List", "Show", "Start", "Stop", "Signal", "Shutdown"}, set(methods))
        good = {"string": "web", "[]string": ["web"], "bool": True, "int": 1}
        values = [None, True, 7, -1.5, "text", "", [], ["web"], [1], [None], {}, {"a": 1}, [[]]]
        is_good = {"string": lambda v: isinstance(v, str), "bool": lambda v: isinstance(v, bool),
                   "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
                   "[]string": lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v)}
        cases = []
        for method, declared in methods.items():
            fields = re.findall(r"(\w+): (\??)(\S+?)(?:,|$)", " ".join(declared.split()))
            right = {name: good[kind] for name, optional, kind in fields if not optional}
            for name, optional, kind in fields:
                cases += [(method, name, right | {name: value}) for value in values
                          if not is_good[kind](value) and not (optional and value is None)]
                if not optional:
                    cases.append((method, name, {k: v for k, v in right.items() if k != name}))
            cases.append((method, "nosuch", right | {"nosuch": 1}))
        self.assertGreater(len(cases), 100)
        streams = {"Events"} # to be called with `more` only

        def attack(control):
            n, wrong = 0, []
            with connect(self.path) as v:
                while not control.stopped() or n == 0:
                    for method, name, parameters in cases:
                        v.send(f"{INTERFACE}.{method}", parameters, more=method in streams)
                        told = brief(v.receive())
                        if told != f"InvalidParameter {name}":
                            wrong.append([method, parameters, told])
                    if n == 0:
                        control.armed()
                    n += len(cases)
            return {"cases": len(cases), "wrong": wrong}
        (told,) = self.under([(attack, None)])
        self.assertEqual([], told["wrong"])

    # --- what is attached

    def test_attached_descriptors_do_not_pile_up(self):
        def attack(control):
            told, armed, n = {}, False, 0
            files = [os.open("/dev/null", os.O_RDONLY) for _ in range(250)]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
            held = [connect(self.path) for _ in range(10)]
            while not control.stopped():
                for v in held:
                    for data in (b"", b"{" if n == 0 else b" "):
                        try:
                            v.socket.sendmsg([data or request("Version")], rights)
                            told["requests"] = "sent without them"
                            if not data:
                                v.receive()
                        except PermissionError:
                            told["requests"] = "not sent: EPERM"
                        except BROKEN:
                            told["requests"] = "closed"
                n += 1
                if not armed:
                    control.armed()
                    armed = True
            return told
        self.begin()
        self.under([(attack, OBSERVER)])

    def test_a_socket_that_lingers_when_it_is_closed_holds_nobody_up(self):
        with self.subTest("does the kernel know SO_PASSRIGHTS?"), socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.getsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS)
            except OSError:
                self.skipTest("no SO_PASSRIGHTS: before Linux 6.16 this can't be helped")

        def lingering():
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen()
                ours = socket.create_connection(listener.getsockname())
                theirs, _ = listener.accept()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
            ours.setblocking(False)
            try:
                while True:
                    ours.send(b"x" * 65536)
            except BlockingIOError:
                return ours, theirs

        def attack(control):
            told, kept = [], []
            with connect(self.path) as v:
                for _ in range(3):
                    ours, theirs = lingering()
                    kept.append(theirs)
                    try:
                        v.socket.sendmsg([b" "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                   array.array("i", [ours.fileno()]))])
                        told.append("sent")
                    except PermissionError:
                        told.append("EPERM")
                    # Ours must not linger either.
                    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
                    if told[-1] == "sent":
                        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                        struct.pack("ii", 1, 60))
                        os.close(ours.detach())
                control.armed()
                while not control.stopped(0.1):
                    pass
            return told
        self.begin()
        (told,) = self.under([(attack, OBSERVER)])
        self.assertEqual(["EPERM"] * 3, told)

    # --- what was asked for

    def test_an_acting_request_whose_client_vanishes_is_carried_out_and_forgotten(self):
        def attack(control):
            n, armed = 0, False
            while not control.stopped():
                for extra in ({}, {"more": True}, {"oneway": True}):
                    with connect(self.path) as v:
                        try:
                            v.send(f"{INTERFACE}.Restart", {"names": ["slow"]}, **extra)
                            n += 1
                        except BROKEN:
                            pass  # 64 that have vanished are not forgotten yet
                if not armed:
                    control.armed()
                    armed = True
            return f"{n} times vanished"
        self.begin(service("slow", harness.sh("trap '' TERM; while :; do sleep 0.1; done"),
                           "stop { timeout = 300ms }"))
        first = self.s.wait_state("slow", "running")["pid"]
        del self.before["slow"]
        picture = self.picture
        self.picture = lambda: {k: v for k, v in picture().items() if k != "slow"}
        self.under([(attack, OPERATOR)])
        last = self.s.wait_state("slow", "running")
        self.assertNotEqual(first, last["pid"])
        self.assertEqual(0, last["restarts"], "an operator's restart is none of ours")

    # --- who

    @unittest.skipUnless(ROOT, "needs root to become somebody else")
    def test_strangers_of_many_uids_starve_neither_an_operator_nor_root(self):
        def attack(control):
            told, armed = {}, False
            held = []
            data = request("List") * 200 + request(f"{SERVICE}.GetInfo") * 200
            while not control.stopped():
                while len(held) < 64:
                    v = connect(self.path)
                    v.socket.setblocking(False)
                    held.append(v)
                for v in list(held):
                    try:
                        v.socket.send(data)
                    except BlockingIOError:
                        pass
                    except BROKEN:
                        held.remove(v)
                        continue
                    try:
                        reply = v.socket.recv(65536)
                        if reply:
                            told[brief(json.loads(reply.split(b"\0")[0]))[:24]] = True
                        else:
                            held.remove(v)
                    except (BlockingIOError, ValueError):
                        pass
                    except BROKEN:
                        held.remove(v)
                if not armed:
                    control.armed()
                    armed = True
            return sorted(told)
        self.begin()
        uids = range(STRANGER, STRANGER + 6)
        answers = self.under([(attack, uid) for uid in uids], calls=CALLS // 5,
                             bystanders=(None, OPERATOR, OBSERVER))
        for told in answers:
            self.assertLessEqual(set(told), {"PermissionDenied uid 64", "an answer",
                                             "LimitExceeded too many c"} | {
                                                 f"PermissionDenied uid {u}"[:24] for u in uids})


def tearDownModule():
    if not {"-v", "--verbose"} & set(sys.argv):
        return
    print("\nmilliseconds of a bystander's calls under attack, and what the attackers were told")
    print(f"{'attack':76} {'calls':>5} {'median':>8} {'p99':>8} {'max':>8} {'peak MiB':>8}")
    for name, n, row, answers in table:
        print(f"{name:76} {n:5} " + " ".join(f"{x:8.1f}" for x in row))
        for told in answers:
            if isinstance(told, dict):
                for case, answer in told.items():
                    print(f"    {case}: {answer}")
            else:
                print(f"    {told}")


if __name__ == "__main__":
    harness.main()
