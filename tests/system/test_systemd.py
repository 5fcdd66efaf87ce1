"""What systemd is told, by way of a notify socket of the test's own."""

import os
import socket
import tempfile

import harness
from harness import py, service


class Systemd(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = os.path.join(self.dir.name, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(self.path)
        self.socket.settimeout(harness.DEADLINE)

    def receive(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def test_ready_is_told_with_the_main_pid_and_stopping_at_the_end(self):
        s = self.supervisor(service("web", harness.SLEEP), env={"NOTIFY_SOCKET": self.path})
        told = self.receive()
        if "READY" not in told:
            self.fail(told)
        self.assertEqual(str(s.pid), told["MAINPID"])
        self.assertIn("1 service", told["STATUS"])
        s.stop()
        self.assertEqual("1", self.receive()["STOPPING"])

    def test_a_service_does_not_inherit_the_socket(self):
        s = self.supervisor(
            service("web", py("import os; print('NOTIFY_SOCKET' in os.environ, 'end')")),
            env={"NOTIFY_SOCKET": self.path})
        self.assertEqual("False end\n", s.wait_log("web", "end\n"))


if __name__ == "__main__":
    harness.main()
