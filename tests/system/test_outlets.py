"""Output that goes to journald and to syslogds: what those get, several places at once, and that
one which has stopped holds up nobody."""

import re
import shutil
import socket
import tempfile

import harness
from harness import service, sh, wait_until

SECOND_LINE = "echo first; echo '<4>second'; exec sleep 100000"


def parse_record(data):
    """A datagram in journald's native protocol."""
    fields = {}
    while data:
        line, data = data.split(b"\n", 1)
        if b"=" in line:
            name, value = line.split(b"=", 1)
        else:
            name, length = line, int.from_bytes(data[:8], "little")
            value, end, data = data[8:8 + length], data[8 + length:9 + length], data[9 + length:]
            assert end == b"\n", fields
        assert name not in fields, name
        fields[name.decode()] = value.decode()
    return fields


class Outlets(harness.SystemTest):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="sv-")
        self.addCleanup(shutil.rmtree, self.dir)

    def bind(self, name, kind=socket.SOCK_DGRAM, family=socket.AF_UNIX, host="127.0.0.1"):
        s = socket.socket(family, kind)
        self.addCleanup(s.close)
        s.settimeout(harness.DEADLINE)
        s.bind(f"{self.dir}/{name}" if family == socket.AF_UNIX else (host, 0))
        if kind == socket.SOCK_STREAM:
            s.listen()
        return s

    def records(self, s, n):
        return [parse_record(s.recv(65536)) for _ in range(n)]

    def check_record(self, record, sup, name, message, priority):
        shown = sup.show(name)
        instance = name.partition("@")[2]
        want = {"MESSAGE": message, "PRIORITY": priority, "SYSLOG_FACILITY": "3",
                "SYSLOG_IDENTIFIER": name, "SYSLOG_PID": str(shown["pid"]),
                "SUPERVISOR_SERVICE": name.partition("@")[0], "SUPERVISOR_STREAM": "stdout"}
        if instance:
            want["SUPERVISOR_INSTANCE"] = instance
        invocation = record.pop("INVOCATION_ID")
        self.assertEqual(record, want)
        environ = f"/proc/{shown['pid']}/environ"
        with open(environ, "rb") as f:
            self.assertIn(f"INVOCATION_ID={invocation}".encode(), f.read().split(b"\0"))

    def check_5424(self, text, name, pid, line):
        host = re.escape(socket.gethostname())
        self.assertRegex(text, rf"^1 \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z {host} {name} "
                               rf"{pid} stdout - {line}$")

    def test_each_kind_gets_its_lines_and_files_do_besides(self):
        journal, local = self.bind("journal"), self.bind("log")
        udp = self.bind(None, family=socket.AF_INET)
        tcp = self.bind(None, socket.SOCK_STREAM, socket.AF_INET)
        tcp_port, udp_port = tcp.getsockname()[1], udp.getsockname()[1]
        s = self.supervisor(
            service("one", sh(SECOND_LINE), f'log {{ file = "journal:{self.dir}/journal" }}')
            + service("local", sh(SECOND_LINE), f'log {{ file = "syslog:unix:{self.dir}/log" }}')
            + service("near", sh(SECOND_LINE),
                      f'log {{ file = "syslog:udp:127.0.0.1:{udp_port}" }}')
            + service("both", sh(SECOND_LINE), "instances = 1",
                      f'log {{ also = {{"journal:{self.dir}/journal", '
                      f'"syslog:tcp:127.0.0.1:{tcp_port}"}} }}'))
        records = {}
        for record in self.records(journal, 4):
            records.setdefault(record["SYSLOG_IDENTIFIER"], []).append(record)
        for name in ("one", "both@1"):
            self.check_record(records[name][0], s, name, "first", "6")
            self.check_record(records[name][1], s, name, "second", "4")
        pid = s.show("local")["pid"]
        self.assertRegex(local.recv(9000).decode(),
                         rf"^<30>\w{{3}} [ \d]\d \d\d:\d\d:\d\d local\[{pid}\]: first$")
        self.assertRegex(local.recv(9000).decode(), rf"^<28>.* local\[{pid}\]: second$")
        for priority, line in (("<30>", "first"), ("<28>", "second")):
            text = udp.recv(9000).decode()
            self.assertEqual(text[:4], priority)
            self.check_5424(text[4:], "near", s.show("near")["pid"], line)
        connection = tcp.accept()[0]
        self.addCleanup(connection.close)
        with connection.makefile("rb") as stream:
            for priority, line in (("<30>", "first"), ("<28>", "second")):
                digits = b""
                while not digits.endswith(b" "):
                    digits += stream.read(1)
                text = stream.read(int(digits)).decode()
                self.assertEqual(text[:4], priority)
                self.check_5424(text[4:], "both@1", s.show("both@1")["pid"], line)
        s.wait_log("both@1", "first\n<4>second\n")
        for name in ("one", "local", "near", "both@1"):
            self.assertEqual(s.show(name)["log"]["dropped_bytes"], 0, name)

    def test_one_that_has_stopped_holds_up_nobody(self):
        stopped = self.bind("stopped")
        lines = 20000
        s = self.supervisor(
            service("flood", sh(f"seq {lines}; touch flooded; exec sleep 100000"),
                    f'directory = "{self.dir}"', f'log {{ file = "journal:{self.dir}/stopped" }}')
            + service("calm", sh("while [ ! -e flooded ]; do sleep 0.05; done; echo calm; "
                                 "exec sleep 100000"), f'directory = "{self.dir}"'))
        s.wait_log("calm", "calm\n")
        s.wait_stderr(f"the journal at {self.dir}/stopped is too slow")
        wait_until(lambda: sum(s.show("flood")["log"][k] for k in ("lines", "dropped_lines"))
                   == lines, "all is counted")
        taken = s.show("flood")["log"]["lines"]
        # What was taken is there, in order; and where it goes on, that something is missing.
        self.assertEqual([r["MESSAGE"] for r in self.records(stopped, taken)],
                         [str(i) for i in range(1, taken + 1)])
        s.ok("restart", "flood")
        record = self.records(stopped, 1)[0]
        self.assertRegex(record["MESSAGE"], rf"{lines - taken} lines dropped \(too slow\)$")
        self.assertEqual(record["SUPERVISOR_STREAM"], "supervisord")
        self.assertEqual(record["PRIORITY"], "4")

    def test_a_journald_that_comes_later_is_found(self):
        s = self.supervisor(
            service("web", sh("echo lost; while [ ! -e again ]; do sleep 0.05; done; "
                              "while :; do echo again; sleep 0.2; done"),
                    f'directory = "{self.dir}"', f'log {{ file = "journal:{self.dir}/late" }}'))
        s.wait_stderr(f"cannot write to the journal at {self.dir}/late: No such file or directory; "
                      "trying again every second")
        late = self.bind("late")
        open(f"{self.dir}/again", "w").close()
        record, again = self.records(late, 2)
        self.assertRegex(record["MESSAGE"], r"\d+ lines dropped \(No such file or directory\)$")
        self.check_record(again, s, "web", "again", "6")
        s.wait_stderr(f"the journal at {self.dir}/late mended")


if __name__ == "__main__":
    harness.main()
