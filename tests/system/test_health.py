"""How services are asked how they are, what follows from it, and the watchdog."""

import json
import os
import selectors
import socket
import threading
import unittest

import harness
from asuser import ROOT
from harness import SLEEP, py, service, wait_until

QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-limit = 0")

ALERT, CHANGE = 1, 2  # of messages on the queue

TELL = """
import os, signal, socket, sys, time
def tell(text):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
    s.close()
"""


def health(probe, *more):
    return f"health {{ {probe} interval = 20ms {' '.join(more)} }}"


def command(script):
    return f'command = {{"/bin/sh", "-c", {harness.quote(script)}}}'


class Server:
    """One that a test holds the strings of: answer() is called with each connection."""

    def __init__(self, test, answer, address=("127.0.0.1", 0), family=socket.AF_INET, backlog=128):
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen(backlog)
        self.answer = answer
        self.selector = selectors.DefaultSelector()
        self.stop_fd, self.stopper = os.pipe()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.stop_fd, selectors.EVENT_READ)
        self.connections = []
        self.n_accepted = 0
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        test.addCleanup(self.close)

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fd == self.stop_fd:
                    return
                connection, _ = self.listener.accept()
                self.n_accepted += 1
                if not self.answer(self, connection):
                    connection.close()

    def close(self):
        if not self.thread.is_alive():
            return
        os.write(self.stopper, b"x")
        self.thread.join()
        for connection in self.connections:
            connection.close()
        self.listener.close()
        for fd in (self.stop_fd, self.stopper):
            os.close(fd)


def says(*answers):
    """Answers in turn, then the last one again and again; reads the request first."""
    def answer(server, connection):
        connection.settimeout(harness.DEADLINE)
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(4096)
            if not more:
                return False
            data += more
        server.request = data.decode()
        connection.sendall(answers[min(server.n_accepted, len(answers)) - 1])
        return False
    return answer


def hangs(server, connection):
    server.connections.append(connection)
    return True


class Health(harness.SystemTest):
    def wait_health(self, s, name, want):
        return s.wait_service(name, lambda r: r["health"] == want, f"'{name}' is {want}")

    def messages(self, s):
        out = s.ok("--json", "queue", "--peek")
        return sorted((json.loads(line) for line in out.splitlines()), key=lambda r: r["seq"])

    def told(self, s, name):
        """What the queue has heard of its health: [(type, reason)]."""
        return [(m["type"], m["reason"]) for m in self.messages(s) if m["service"] == name
                and m["reason"].startswith(("unhealthy: ", "healthy again"))]


class Kinds(Health):
    def test_nobody_asks_a_service_without_a_check(self):
        s = self.supervisor(service("a", SLEEP))
        self.assertIsNone(s.wait_state("a", "running")["health"])
        self.assertIsNone(s.show("a")["probe"])

    def test_a_command(self):
        s = self.supervisor(service("a", SLEEP, health(
            command("echo checked; test ! -e @DIR@/bad"), "failures = 2", 'action = "none"')))
        pid = self.wait_health(s, "a", "healthy")["pid"]
        probe = s.show("a")["probe"]
        self.assertEqual((True, False, "checked\n"),
                         (probe["ok"], probe["forgiven"], probe["output"]))
        s.flag("bad")
        self.wait_health(s, "a", "unhealthy")
        wait_until(lambda: s.show("a")["probe"]["message"] == "exited with code 1: checked",
                   "the last answer is shown")
        os.unlink(f"{s.dir}/bad")
        row = self.wait_health(s, "a", "healthy")
        self.assertEqual(("running", pid, 0), (row["state"], row["pid"], row["restarts"]))

    def test_a_port(self):
        server = Server(self, lambda *_: False)
        s = self.supervisor(service("a", SLEEP, health(
            f'tcp = "127.0.0.1:{server.port}"', "failures = 1", 'action = "none"')))
        self.wait_health(s, "a", "healthy")
        server.close()
        self.wait_health(s, "a", "unhealthy")
        self.assertEqual("connection refused", s.show("a")["probe"]["message"])

    def test_a_unix_socket(self):
        s = self.supervisor(service("a", SLEEP, health(
            'unix = "@DIR@/%{name}.sock"', "failures = 1", 'action = "none"')))
        self.wait_health(s, "a", "unhealthy")
        self.assertEqual("no such file or directory", s.show("a")["probe"]["message"])
        Server(self, lambda *_: False, f"{s.dir}/a.sock", socket.AF_UNIX)
        self.wait_health(s, "a", "healthy")

    def test_http(self):
        server = Server(self, says(
            b"HTTP/1.0 200 OK\r\n\r\nfine", b"HTTP/1.1 302 Found\r\n\r\n",
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\n\r\ndb down"))
        s = self.supervisor(service("a", SLEEP, health(
            f'http = "http://127.0.0.1:{server.port}/health?%{{name}}"', 'action = "none"')))
        self.wait_health(s, "a", "unhealthy")
        probe = s.show("a")["probe"]
        self.assertEqual("HTTP status 503 Service Unavailable", probe["message"])
        self.assertTrue(probe["output"].endswith("\r\n\r\ndb down"), probe)
        self.assertEqual(f"GET /health?a HTTP/1.1\r\nHost: 127.0.0.1:{server.port}",
                         server.request.split("\r\nUser-Agent")[0])
        self.assertIn("\r\nConnection: close\r\n", server.request)
        self.assertGreaterEqual(server.n_accepted, 5)  # two good ones, and three in a row

    def test_a_server_that_hangs_fails_by_its_timeout_and_holds_nobody_up(self):
        server = Server(self, hangs)
        s = self.supervisor(service("a", SLEEP, health(
            f'http = "http://127.0.0.1:{server.port}/"', "timeout = 50ms", "failures = 2",
            'action = "none"')))
        self.wait_health(s, "a", "unhealthy")
        self.assertEqual("no answer within 50ms", s.show("a")["probe"]["message"])

    def test_an_answer_without_end_is_read_to_a_bound(self):
        def pours(_, connection):
            connection.settimeout(harness.DEADLINE)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    connection.sendall(b"x" * 65536)
            except OSError:
                return False
        server = Server(self, pours)
        s = self.supervisor(service("a", SLEEP, health(
            f'http = "http://127.0.0.1:{server.port}/"', 'action = "none"', "timeout = 20s")))
        self.wait_health(s, "a", "healthy")
        self.assertLessEqual(len(s.show("a")["probe"]["output"]), 1024)

    @unittest.skipUnless(ROOT, "takes root")
    def test_commands_run_as_the_service_s_user_in_its_place(self):
        s = self.supervisor(service("a", SLEEP, 'user = "nobody"', 'directory = "/usr"',
                                    "environment = {\"X=1\"}", health(
            command('echo "$(id -u) $PWD $X $SUPERVISOR_NAME"'))))
        self.wait_health(s, "a", "healthy")
        self.assertEqual("65534 /usr 1 a\n", s.show("a")["probe"]["output"])

    def test_of_a_flood_of_output_the_end_is_kept_and_a_command_without_end_is_ended(self):
        s = self.supervisor(
            service("flood", SLEEP, health(
                command("head -c 5000000 /dev/zero | tr '\\0' x; echo; printf '\\033[31mend'"),
                "timeout = 20s"))
            + service("endless", SLEEP, health(command("yes"), "timeout = 100ms",
                                               "failures = 1", 'action = "none"')))
        self.wait_health(s, "flood", "healthy")
        output = s.show("flood")["probe"]["output"]
        self.assertLessEqual(len(output), 1024)
        self.assertTrue(output.endswith("x\n\x1b[31mend"), output[-40:])
        self.assertNotIn("\x1b", s.ok("show", "flood"))
        self.wait_health(s, "endless", "unhealthy")
        self.assertIn("took too long and was killed", s.show("endless")["probe"]["message"])
        with open(f"/proc/{s.engine_pid()}/status", encoding="ascii") as f:
            rss = next(int(l.split()[1]) for l in f if l.startswith("VmRSS"))
        self.assertLess(rss, 256 << 10)


class Actions(Health):
    def test_restart_ends_it_and_starts_it_again(self):
        s = self.supervisor(service("a", SLEEP, *QUICK, health(
            command("test ! -e @DIR@/bad"), "failures = 2")))
        pid = self.wait_health(s, "a", "healthy")["pid"]
        s.flag("bad")
        row = s.wait_service("a", lambda r: r["state"] == "running" and r["pid"] != pid, "it runs anew")
        self.assertGreaterEqual(row["restarts"], 1)
        os.unlink(f"{s.dir}/bad")
        self.wait_health(s, "a", "healthy")
        told = self.told(s, "a")
        self.assertIn((ALERT, "unhealthy: exited with code 1"), told)
        self.assertEqual((CHANGE, "healthy again"), told[-1])
        self.assertIn("unhealthy", [m["reason"][:9] for m in self.messages(s)
                                    if m["state"] == "stopping"])

    def test_stop_ends_it_for_good(self):
        s = self.supervisor(service("a", SLEEP, *QUICK, 'restart = "always"', health(
            command("exit 3"), "failures = 3", 'action = "stop"')))
        row = s.wait_state("a", "failed")
        self.assertIn("unhealthy", row["reason"])
        self.assertEqual(0, row["restarts"])
        self.assertEqual("exited with code 3", s.show("a")["probe"]["message"])

    def test_none_only_tells_and_an_alert_is_on_the_queue_once(self):
        s = self.supervisor(service("a", SLEEP, health(
            command("echo no; test -e @DIR@/good"), "failures = 1", 'action = "none"')))
        pid = self.wait_health(s, "a", "unhealthy")["pid"]
        self.assertIn("unhealthy", s.ok("status", "a"))
        s.wait_stderr("service 'a': unhealthy: exited with code 1: no")
        first = s.show("a")["probe"]["time"]
        wait_until(lambda: s.show("a")["probe"]["time"] > first, "it is asked again")
        s.flag("good")
        row = self.wait_health(s, "a", "healthy")
        self.assertEqual(("running", pid), (row["state"], row["pid"]))
        self.assertEqual([(ALERT, "unhealthy: exited with code 1: no"), (CHANGE, "healthy again")],
                         self.told(s, "a"))
        rows = [m for m in self.messages(s) if m["service"] == "a"]
        self.assertEqual(list(range(rows[0]["seq"], rows[0]["seq"] + len(rows))),
                         [m["seq"] for m in rows])

    def test_who_follows_events_hears_of_health(self):
        s = self.supervisor(service("a", SLEEP, health(
            command("test ! -e @DIR@/bad"), "failures = 1", 'action = "none"'), "autostart = false"))
        with s.connect() as v:
            v.send(f"{harness.INTERFACE}.Events", {"names": ["a"]}, more=True)
            v.receive()
            s.ok("start", "a")

            def until(reason):
                while True:
                    event = v.receive()["parameters"]["event"]
                    if event["type"] == "health":
                        self.assertEqual(("a", "running", reason),
                                         (event["service"], event["state"], event["reason"]))
                        return
            until("healthy")
            s.flag("bad")
            until("unhealthy: exited with code 1")
            os.unlink(f"{s.dir}/bad")
            until("healthy again")

    def test_failures_within_grace_are_forgiven_until_the_first_success(self):
        s = self.supervisor(service("a", SLEEP, health(
            command("test -e @DIR@/good"), "failures = 1", "grace = 1h", 'action = "stop"')))

        def forgiven():
            probe = s.show("a")["probe"]
            return probe and probe["forgiven"] and probe["time"]
        first = wait_until(forgiven, "a failure is forgiven")
        wait_until(lambda: forgiven() > first, "another one is")
        row = s.status("a")
        self.assertEqual(("running", "unknown"), (row["state"], row["health"]))
        self.assertIn("(forgiven, as it has just become ready)", s.ok("show", "a"))
        s.kill_engine()
        first = wait_until(forgiven, "the next engine forgives, too")
        s.flag("good")
        self.wait_health(s, "a", "healthy")
        os.unlink(f"{s.dir}/good")
        s.wait_state("a", "failed")

    def test_one_success_in_between_makes_failures_count_anew(self):
        # Three in a row are two too few, again and again.
        script = "n=$(cat @DIR@/n || echo 0); echo $((n + 1)) >@DIR@/n; [ $((n % 3)) -eq 2 ]"
        s = self.supervisor(service("a", SLEEP, health(
            command(script), "failures = 3", 'action = "stop"')))
        wait_until(lambda: int(s.read(f"{s.dir}/n") or 0) > 15, "it was asked often enough")
        self.assertEqual(("running", "healthy"),
                         tuple(s.status("a")[k] for k in ("state", "health")))

    def test_health_goes_on_when_the_engine_is_killed(self):
        s = self.supervisor(service("a", SLEEP, health(
            command("test ! -e @DIR@/bad"), "failures = 3", 'action = "none"')))
        pid = self.wait_health(s, "a", "healthy")["pid"]
        s.kill_engine()
        self.assertEqual("healthy", s.status("a")["health"])
        s.flag("bad")
        self.wait_health(s, "a", "unhealthy")
        s.kill_engine()
        self.assertEqual("unhealthy", s.status("a")["health"])
        os.unlink(f"{s.dir}/bad")
        self.assertEqual(pid, self.wait_health(s, "a", "healthy")["pid"])
        self.assertEqual([ALERT, CHANGE], [kind for kind, _ in self.told(s, "a")])

    def test_what_one_engine_has_asked_is_answered_to_the_next(self):
        s = self.supervisor(service("a", SLEEP, health(
            command("echo x >>@DIR@/asked; until [ -e @DIR@/go ]; do sleep 0.01; done; echo done"),
            "timeout = 1h")))
        wait_until(lambda: os.path.exists(f"{s.dir}/asked"), "it is asked")
        s.kill_engine()
        self.assertEqual("unknown", s.status("a")["health"])
        self.assertEqual("x\n", s.read(f"{s.dir}/asked"))
        s.flag("go")
        self.wait_health(s, "a", "healthy")

    def test_a_reload_changes_what_is_asked_and_how_often(self):
        s = self.supervisor(service("a", SLEEP, 'health { command = {"/bin/true"} interval = 1h }'))
        pid = s.wait_state("a", "running")["pid"]
        s.write_config(service("a", SLEEP, health(command("echo other; exit 1"), "failures = 1",
                                                  'action = "none"')))
        s.ok("apply")
        row = self.wait_health(s, "a", "unhealthy")
        self.assertEqual(pid, row["pid"])
        s.write_config(service("a", SLEEP))
        s.ok("apply")
        self.assertEqual((pid, None), tuple(s.status("a")[k] for k in ("pid", "health")))


class Many(Health):
    def test_so_many_are_asked_at_once_and_the_others_in_their_turn(self):
        most = 0

        def hold(server, connection):
            nonlocal most
            server.connections.append(connection)
            most = max(most, len([c for c in server.connections if not self.is_closed(c)]))
            return True

        server = Server(self, hold, backlog=512)
        s = self.supervisor(service("a", SLEEP, "instances = 100", health(
            f'http = "http://127.0.0.1:{server.port}/"', "timeout = 300ms", "failures = 1",
            'action = "none"')))
        wait_until(lambda: all(r["health"] == "unhealthy" for r in s.services().values()),
                   "each one was asked")
        server.close()
        self.assertLessEqual(most, 64)
        self.assertGreater(most, 32)

    @staticmethod
    def is_closed(connection):
        try:
            connection.setblocking(False)
            while data := connection.recv(4096):
                pass
            return data == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def test_stopping_and_starting_while_questions_are_open_loses_no_place(self):
        server = Server(self, hangs, backlog=512)
        http = f'http = "http://127.0.0.1:{server.port}/"'
        s = self.supervisor(
            service("tcp", SLEEP, "instances = 70", health(http, "timeout = 1h", 'action = "none"'))
            + service("cmd", SLEEP, "instances = 70", health(command("exec sleep 1000"),
                                                            "timeout = 1h", 'action = "none"'))
            + service("last", SLEEP, health(command("echo heard")), "autostart = false"))
        for _ in range(3):
            wait_until(lambda: server.n_accepted > 0, "questions are open")
            s.ok("restart", "tcp", "cmd", timeout=120)
        s.ok("stop", "tcp", "cmd", timeout=120)
        s.ok("start", "last")
        self.wait_health(s, "last", "healthy")


class Watchdog(Health):
    def test_without_a_sign_of_life_it_is_ended_by_abort_and_started_again(self):
        s = self.supervisor(service("a", py(TELL + "tell('READY=1'); time.sleep(1000)"), *QUICK,
                                    'ready { on = "notify" }', "watchdog = 500ms", "log { file = \"none\" }"))
        pid = s.wait_state("a", "running")["pid"]
        row = s.wait_service("a", lambda r: r["restarts"] >= 1 and r["pid"] not in (None, pid),
                             "it is started again")
        self.assertEqual("ABRT", row["exit_signal"])
        self.assertTrue(any("gave no sign of life for 500ms" in m["reason"] for m in self.messages(s)))

    def test_signs_of_life_keep_it(self):
        loop = ("tell('READY=1')\nwhile not os.path.exists('@DIR@/stop'):\n"
                "    tell('WATCHDOG=1'); time.sleep(0.05)\ntime.sleep(1000)")
        s = self.supervisor(
            service("alive", py(TELL + loop), 'ready { on = "notify" }', "watchdog = 2s", 'restart = "never"')
            + service("dead", py(TELL + "tell('READY=1'); time.sleep(1000)"), 'ready { on = "notify" }',
                      "watchdog = 2s", 'restart = "never"', "autostart = false"))
        s.wait_state("alive", "running")
        s.ok("start", "dead")
        s.wait_state("dead", "failed")  # whose time began later
        self.assertEqual("running", s.status("alive")["state"])
        s.flag("stop")
        self.assertIn("sign of life", s.wait_state("alive", "failed")["reason"])

    def test_it_may_ask_for_it_itself(self):
        s = self.supervisor(service("a", py(TELL + "tell('READY=1'); tell('WATCHDOG=trigger')\n"
                                            "time.sleep(1000)"), 'ready { on = "notify" }',
                                    "watchdog = 1h", 'restart = "never"'))
        row = s.wait_state("a", "failed")
        self.assertEqual("ABRT", row["exit_signal"])

    def test_the_time_goes_on_when_the_engine_is_killed(self):
        s = self.supervisor(service("a", py(TELL + "tell('READY=1')\n"
                                            "while not os.path.exists('@DIR@/stop'):\n"
                                            "    tell('WATCHDOG=1'); time.sleep(0.05)\n"
                                            "time.sleep(1000)"),
                                    'ready { on = "notify" }', "watchdog = 3s", 'restart = "never"'))
        pid = s.wait_state("a", "running")["pid"]
        for _ in range(3):
            s.kill_engine()
        self.assertEqual(("running", pid), tuple(s.status("a")[k] for k in ("state", "pid")))
        s.flag("stop")
        s.kill_engine()
        self.assertEqual("ABRT", s.wait_state("a", "failed")["exit_signal"])


if __name__ == "__main__":
    harness.main()
