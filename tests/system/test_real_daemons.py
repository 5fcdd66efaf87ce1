"""nginx, redis and dbus-daemon as Debian ships them, looked after."""

import os
import shutil
import signal
import socket
import sys
import unittest
import urllib.request

import harness
from harness import command_of, descendants, is_alive, service, wait_until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
REDIS = shutil.which("redis-server", path="/usr/bin")
DBUS = shutil.which("dbus-daemon", path="/usr/bin")
if not (NGINX or REDIS or DBUS):
    print("none of nginx, redis-server and dbus-daemon is installed")
    sys.exit(77)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def nginx_config(s, port):
    for name in ("tmp", "www"):
        os.mkdir(f"{s.dir}/{name}")
    with open(f"{s.dir}/www/index.html", "w", encoding="utf-8") as f:
        f.write("it works\n")
    temp = "".join(f"  {kind}_temp_path {s.dir}/tmp;\n"
                   for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.geteuid() == 0 else ""
    with open(f"{s.dir}/nginx.conf", "w", encoding="utf-8") as f:
        f.write(f"{user}daemon off;\nworker_processes 2;\npid {s.dir}/nginx.pid;\n"
                f"error_log stderr;\nevents {{ worker_connections 64; }}\n"
                f"http {{\n{temp}  access_log /dev/stdout;\n"
                f"  server {{ listen 127.0.0.1:{port}; root {s.dir}/www; }}\n}}\n")


@unittest.skipUnless(NGINX, "nginx is not installed")
class Nginx(harness.SystemTest):
    def get(self, path):
        url = f"http://127.0.0.1:{self.port}/{path}"
        with urllib.request.urlopen(url, timeout=harness.DEADLINE) as answer:
            return answer.read().decode()

    def setUp(self):
        self.port = free_port()
        self.s = self.supervisor(
            service("nginx", [NGINX, "-c", "@DIR@/nginx.conf", "-e", "stderr"],
                    'stop { signal = "QUIT" timeout = 10s }'),
            prepare=lambda s: nginx_config(s, self.port))
        self.s.wait_state("nginx", "running")
        wait_until(lambda: self.get("") == "it works\n", "nginx answers")

    def workers(self):
        return [p for p in descendants(self.s.pid) if "nginx: worker" in command_of(p)]

    def test_requests_are_served_and_the_access_log_comes_through_the_pipe(self):
        for i in range(50):
            self.assertEqual("it works\n", self.get(f"?request={i}"))
        text = self.s.wait_log("nginx", "GET /?request=49 ")
        self.assertEqual([1] * 50, [text.count(f"GET /?request={i} ") for i in range(50)])

    def test_a_stop_leaves_no_worker(self):
        workers = wait_until(lambda: len(w := self.workers()) == 2 and w, "two workers")
        self.s.ok("stop", "nginx")
        self.assertEqual([], [p for p in workers if is_alive(p)])
        self.assertEqual(0, self.s.status("nginx")["exit_code"])
        self.s.ok("start", "nginx")
        wait_until(lambda: self.get("") == "it works\n", "it answers again, on the same port")

    def test_workers_of_a_killed_master_do_not_keep_the_next_one_from_its_port(self):
        master = self.s.status("nginx")["pid"]
        workers = wait_until(lambda: len(w := self.workers()) == 2 and w, "two workers")
        os.kill(master, signal.SIGKILL)
        self.s.wait_service("nginx", lambda r: r["state"] == "running" and r["pid"] != master,
                            "nginx runs anew")
        wait_until(lambda: self.get("") == "it works\n", "it answers again")
        self.assertEqual([], [p for p in workers if is_alive(p)])
        self.assertEqual(1, self.s.status("nginx")["restarts"])

    def test_requests_are_served_while_the_engine_is_killed(self):
        pid = self.s.status("nginx")["pid"]
        for i in range(3):
            old = self.s.wait_engine()
            os.kill(old, signal.SIGKILL)
            self.assertEqual("it works\n", self.get(f"?kill={i}"))
            self.s.wait_engine(other_than=old)
        wait_until(self.s.answers, "the last engine answers")
        self.assertEqual(pid, self.s.status("nginx")["pid"])
        text = self.s.wait_log("nginx", "GET /?kill=2 ")
        self.assertEqual([1] * 3, [text.count(f"GET /?kill={i} ") for i in range(3)])


@unittest.skipUnless(REDIS, "redis-server is not installed")
class Redis(harness.SystemTest):
    def ask(self, command):
        with socket.create_connection(("127.0.0.1", self.port), harness.DEADLINE) as c:
            c.sendall(command.encode() + b"\r\n")
            return c.recv(4096).decode()

    def setUp(self):
        self.port = free_port()
        self.s = self.supervisor(service("redis", [
            REDIS, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--daemonize",
            "no", "--dir", "@DIR@"], "restart-delay = 10ms"))
        wait_until(lambda: self.ask("PING") == "+PONG\r\n", "redis answers")

    def test_it_keeps_what_it_was_told_while_the_engine_is_killed(self):
        self.assertEqual("+OK\r\n", self.ask("SET colour blue"))
        self.s.kill_engine()
        self.assertIn("blue", self.ask("GET colour"))

    def test_a_kill_brings_it_back_with_one_restart(self):
        old = self.s.status("redis")["pid"]
        os.kill(old, signal.SIGKILL)
        row = self.s.wait_service("redis", lambda r: r["state"] == "running" and r["pid"] != old,
                                  "redis runs anew")
        self.assertEqual((1, "KILL"), (row["restarts"], row["exit_signal"]))
        wait_until(lambda: self.ask("PING") == "+PONG\r\n", "redis answers again")

    def test_term_lets_it_end_by_itself(self):
        self.s.ok("stop", "redis")
        row = self.s.status("redis")
        self.assertEqual(("stopped", 0), (row["state"], row["exit_code"]))
        self.assertIn("ready to exit", self.s.read_log("redis"))


@unittest.skipUnless(REDIS, "redis-server is not installed")
class RedisThatNotifies(harness.SystemTest):
    """With supervised systemd, redis says when it is ready, what it does, and when it stops."""

    def test_it_is_ready_when_it_answers_and_says_so_itself(self):
        port = free_port()
        s = self.supervisor(
            service("redis", [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                              "--supervised", "systemd", "--dir", "@DIR@"],
                    'ready { on = "notify" }',
                    f'health {{ command = {{"/usr/bin/redis-cli", "-p", "{port}", "ping"}} }}')
            + service("client", harness.sh(f"redis-cli -p {port} set colour blue; exec sleep 100000"),
                      'requires = {"redis"}'))
        row = s.wait_state("redis", "running")
        self.assertEqual("Ready to accept connections", row["status_text"])
        s.wait_state("client", "running")
        s.wait_log("client", "OK\n")
        row = s.wait_service("redis", lambda r: r["health"] == "healthy", "redis is healthy")
        self.assertEqual("PONG\n", s.show("redis")["probe"]["output"])
        pid = row["pid"]
        s.kill_engine()
        os.kill(pid, signal.SIGKILL)
        row = s.wait_service("redis", lambda r: r["state"] == "running" and r["pid"] != pid,
                             "redis runs anew, and is ready")
        self.assertEqual("Ready to accept connections", row["status_text"])


@unittest.skipUnless(DBUS, "dbus-daemon is not installed")
class Dbus(harness.SystemTest):
    CONFIG = ("<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN' "
              "'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>\n"
              "<busconfig><type>session</type><listen>unix:path={dir}/bus</listen>"
              "<policy context='default'><allow send_destination='*'/><allow own='*'/></policy>"
              "</busconfig>\n")

    def prepare(self, s):
        with open(f"{s.dir}/bus.conf", "w", encoding="utf-8") as f:
            f.write(self.CONFIG.format(dir=s.dir))

    def test_it_says_when_it_is_ready_reloads_and_stops(self):
        s = self.supervisor(
            service("dbus", [DBUS, "--config-file=@DIR@/bus.conf", "--nofork", "--nopidfile"],
                    'ready { on = "notify" }', "autostart = false"), prepare=self.prepare)
        with s.connect() as v:
            v.send(f"{harness.INTERFACE}.Start", {"names": ["dbus"]})
            v.receive()
        # It was told to be started only when this worked.
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(f"{s.dir}/bus")
            c.sendall(b"\0AUTH\r\n")
            self.assertIn(b"EXTERNAL", c.recv(4096))
        pid = s.status("dbus")["pid"]
        s.ok("reload", "dbus")
        wait_until(lambda: "Reloaded configuration" in s.read_log("dbus"), "it has reloaded")
        s.wait_service("dbus", lambda r: not r["reloading"], "and said that it is through")
        self.assertEqual(("running", pid), tuple(s.status("dbus")[k] for k in ("state", "pid")))
        s.ok("stop", "dbus")
        self.assertFalse(is_alive(pid))


if __name__ == "__main__":
    harness.main()
