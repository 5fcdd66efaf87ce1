"""The control socket: whatever a client sends, others are served and supervision goes on."""

import json
import os
import socket
import stat
import time

import harness
from harness import INTERFACE, SLEEP, Varlink, VarlinkError, service, wait_until

SERVICE = "org.varlink.service"


class Control(harness.SystemTest):
    def setUp(self):
        self.s = self.supervisor(service("web", SLEEP) + service("idle", SLEEP, "autostart = false"))
        self.web = self.s.wait_state("web", "running")

    def tearDown(self):
        # Whatever the test did: served, alive, and the service was left alone.
        web = self.s.services()["web"]
        self.assertEqual(("running", self.web["pid"]), (web["state"], web["pid"]))

    def error_of(self, method, parameters=None):
        with self.assertRaises(VarlinkError) as caught:
            self.s.varlink(method, parameters)
        return caught.exception

    def refused(self, data):
        """The bytes get an error or a closed connection, and others are served meanwhile."""
        with self.s.connect() as v:
            try:
                v.send_bytes(data)
                self.assertIn("error", v.receive())
            except (ConnectionResetError, BrokenPipeError):
                pass
            self.s.varlink("Version")

    def test_it_introduces_itself_like_any_varlink_service(self):
        info = self.s.varlink(f"{SERVICE}.GetInfo")
        self.assertEqual({SERVICE, INTERFACE}, set(info["interfaces"]))
        for key in ("vendor", "product", "version", "url"):
            self.assertIsInstance(info[key], str)
        for interface in (SERVICE, INTERFACE):
            text = self.s.varlink(f"{SERVICE}.GetInterfaceDescription", {"interface": interface})
            self.assertIn(f"interface {interface}", text["description"])
        error = self.error_of(f"{SERVICE}.GetInterfaceDescription", {"interface": "no.such.thing"})
        self.assertEqual(f"{SERVICE}.InterfaceNotFound", error.error)

    def test_unknown_methods_and_interfaces_are_named_in_the_error(self):
        error = self.error_of(f"{INTERFACE}.Explode")
        self.assertEqual(f"{SERVICE}.MethodNotFound", error.error)
        self.assertEqual(f"{INTERFACE}.Explode", error.parameters["method"])
        error = self.error_of("no.such.interface.Method")
        self.assertEqual(f"{SERVICE}.InterfaceNotFound", error.error)
        self.error_of("nodots.")
        self.error_of(".")

    def test_unknown_services_are_named_in_the_error(self):
        for method in ("Start", "Stop", "Restart", "Reset"):
            with self.subTest(method):
                error = self.error_of(method, {"names": ["idle", "nosuch"]})
                self.assertEqual(f"{INTERFACE}.NoSuchService", error.error)
                self.assertEqual("nosuch", error.parameters["name"])
        self.assertEqual("stopped", self.s.services()["idle"]["state"], "nothing was done by half")
        self.assertEqual(f"{INTERFACE}.NoSuchService", self.error_of("Show", {"name": "x"}).error)

    def test_names_are_answered_once_each_in_the_order_of_the_configuration(self):
        names = lambda *asked: [x["name"] for x in self.s.varlink("List", {"names": asked})["services"]]
        self.assertEqual(["web", "idle"], names("idle", "web", "idle"))
        self.assertEqual(["web", "idle"], names("idle", "w*", "web"))
        self.s.write_config(service("also", SLEEP, "autostart = false") +
                            service("idle", SLEEP, "autostart = false") + service("web", SLEEP))
        self.s.ok("apply")
        self.assertEqual(["also", "idle", "web"], names("web", "also", "idle", "web"))

    def test_parameters_of_a_wrong_type_are_refused(self):
        for method, parameters in (
                ("Start", {}), ("Start", {"names": "web"}), ("Start", {"names": [1]}),
                ("Start", {"names": ["web"], "wait": "yes"}), ("Start", {"names": None}),
                ("Start", {"names": ["web"], "id": 7}),
                ("Show", {}), ("Show", {"name": 5}), ("Show", {"name": ["web"]}),
                ("List", {"names": "web"}), ("List", {"names": [{}]}),
                ("Signal", {"names": ["web"]}), ("Signal", {"names": ["web"], "signal": 9})):
            with self.subTest(f"{method} {parameters}"):
                error = self.error_of(method, parameters)
                self.assertEqual(f"{SERVICE}.InvalidParameter", error.error)

    def test_names_with_strange_characters_are_just_unknown(self):
        for name in ("", "\u0001", "../../etc/passwd", "a" * 5000, "\u00e4\ud83d\ude00", "@", "@nogroup",
                     "web@", "web@1", "%{name}", "x\ny"):
            with self.subTest(name[:20]):
                error = self.error_of("Stop", {"names": [name]})
                self.assertIn(error.error, (f"{INTERFACE}.NoSuchService",
                                            f"{SERVICE}.InvalidParameter"))

    def test_malformed_requests_are_refused(self):
        for data in (b"\0", b"{\0", b"not json\0", b"[]\0", b"5\0", b"null\0", b"{}\0",
                     b'{"method":5}\0', b'{"method":"io.supctl.Control.List","parameters":[]}\0',
                     b'{"method":"io.supctl.Control.List","parameters":{}\0', b"\xff\xfe\0",
                     b'{"method":"\xff"}\0', b"[" * 100000 + b"\0", b'{"a":' * 50000 + b"\0",
                     b'{"method":"io.supctl.Control.List","more":"maybe"}\0'):
            with self.subTest(data[:40]):
                self.refused(data)

    def test_a_request_at_the_limit_is_read_and_one_past_it_is_refused(self):
        request = {"method": f"{INTERFACE}.Version", "parameters": {}, "padding": ""}
        room = (1 << 20) - 1 - len(json.dumps(request))
        with self.s.connect() as v:
            v.send_bytes(json.dumps(request | {"padding": "x" * room}).encode() + b"\0")
            self.assertIn("version", v.receive().get("parameters", {}))
        self.refused(json.dumps(request | {"padding": "x" * (room + 1)}).encode() + b"\0")

    def test_an_endless_request_is_cut_off(self):
        with self.s.connect() as v:
            sent = 0
            try:
                while sent < 64 << 20:
                    v.send_bytes(b"x" * 65536)
                    sent += 65536
            except (ConnectionResetError, BrokenPipeError):
                pass
        self.assertLess(sent, 8 << 20)

    def test_a_half_sent_request_is_dropped_after_ten_seconds(self):
        with self.s.connect(deadline=30) as v:
            begin = time.monotonic()
            v.send_bytes(b'{"method":')
            self.s.varlink("Version")
            self.assertTrue(v.is_closed())
            self.assertGreater(time.monotonic() - begin, 5)

    def test_a_request_in_many_pieces_and_many_in_one_piece_are_answered(self):
        one = json.dumps({"method": f"{INTERFACE}.Version"}).encode() + b"\0"
        with self.s.connect() as v:
            for i in range(len(one)):
                v.send_bytes(one[i:i + 1])
            self.assertIn("parameters", v.receive())
            v.send_bytes(one * 20)
            for _ in range(20):
                self.assertIn("parameters", v.receive())

    def test_oneway_requests_get_no_answer(self):
        with self.s.connect() as v:
            v.send(f"{INTERFACE}.Stop", {"names": ["nosuch"]}, oneway=True)
            v.send(f"{INTERFACE}.Version")
            self.assertIn("version", v.receive()["parameters"])

    def test_more_tells_of_each_service_as_it_gets_there(self):
        with self.s.connect() as v:
            v.send(f"{INTERFACE}.Start", {"names": ["idle", "web"]}, more=True)
            replies = [v.receive()]
            while replies[-1].get("continues"):
                replies.append(v.receive())
        results = [r for reply in replies for r in reply["parameters"]["results"]]
        self.assertEqual({("idle", True), ("web", True)}, {(r["name"], r["ok"]) for r in results})
        self.assertEqual([], replies[-1]["parameters"]["results"])

    def test_a_request_repeated_with_the_same_id_joins_the_first(self):
        parameters = {"names": ["idle"], "id": "0123456789abcdef"}
        first = self.s.varlink("Restart", parameters)["results"]
        second = self.s.varlink("Restart", parameters)["results"]
        self.assertEqual([first[0]["pid"]], [r["pid"] for r in second])
        third = self.s.varlink("Restart", parameters | {"id": "fedcba9876543210"})["results"]
        self.assertNotEqual(first[0]["pid"], third[0]["pid"])

    def test_a_client_that_never_reads_harms_nobody(self):
        request = json.dumps({"method": f"{SERVICE}.GetInterfaceDescription",
                              "parameters": {"interface": INTERFACE}}).encode() + b"\0"
        with self.s.connect() as v:
            v.socket.setblocking(False)
            v.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            end = time.monotonic() + 3
            sent = 0
            while time.monotonic() < end and sent < 50000 * len(request):
                try:
                    sent += v.socket.send(request * 10)
                except BlockingIOError:
                    self.s.varlink("Version")
                except (ConnectionResetError, BrokenPipeError):
                    break
            self.s.varlink("Version")
            with open(f"/proc/{self.s.engine_pid()}/statm", encoding="ascii") as f:
                resident = int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
            self.assertLess(resident, 400 << 20)

    def test_three_hundred_idle_connections_leave_room_for_one_more(self):
        idle = []
        try:
            for _ in range(300):
                idle.append(Varlink(self.s.socket_path))
            self.assertEqual(0, self.s.ctl("status", "web")[0])
            self.s.ok("start", "idle")
        finally:
            for v in idle:
                v.close()
        self.assertEqual(0, self.s.ctl("status", "web")[0])

    def test_clients_that_come_and_go_leave_no_descriptor_behind(self):
        def count():
            return len(os.listdir(f"/proc/{self.s.engine_pid()}/fd"))
        self.s.varlink("Version")
        before = count()
        for i in range(200):
            with self.s.connect() as v:
                if i % 2:
                    v.send_bytes(b'{"method":')
        wait_until(lambda: count() <= before + 1, "descriptors are back to what they were")

    def test_an_empty_list_of_names_means_nothing_to_acting_methods(self):
        self.assertEqual([], self.s.varlink("Stop", {"names": []})["results"])

    def test_the_socket_is_only_for_the_owner(self):
        mode = stat.S_IMODE(os.stat(self.s.socket_path).st_mode)
        self.assertEqual(0o600, mode)

    def test_version_names_the_processes(self):
        version = self.s.varlink("Version")
        self.assertEqual((self.s.pid, self.s.engine_pid()), (version["pid"], version["engine_pid"]))


if __name__ == "__main__":
    harness.main()
