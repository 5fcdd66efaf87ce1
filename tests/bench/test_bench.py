"""The bench without measuring: tables of canned results, and that nothing is left running."""

import io
import json
import os
import subprocess
import sys
import tempfile
import types
import unittest
from contextlib import redirect_stdout

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "peers"), os.path.join(HERE, "growth")]

import debian  # noqa: E402
import npm  # noqa: E402
import peers  # noqa: E402
import places  # noqa: E402
import processes  # noqa: E402
import tables  # noqa: E402

RESULTS = [
    {"peer": "floor", "services": 10, "start": 0.010},
    {"peer": "runit", "services": 10, "start": 0.040, "status_one": 0.003, "status_one_true": 0.002},
    {"peer": "floor", "services": 10, "start": 0.010},
    {"peer": "runit", "services": 10, "start": 0.020, "status_one": 0.003, "status_one_true": 0.002},
    {"peer": "s6", "services": 10, "error": "starting: not within 400 s"},
    {"peer": "Supervisor", "services": 10, "start": 0.1},
]
REPORT = {
    "date": "2026-01-02", "arguments": ["peers", "ipc"], "versions": {},
    "machine": {"processor": "P", "processors": 2, "memory_mib": 4, "kernel": "6", "system": "D",
                "user": "root", "load_before": 0.5},
    "parts": {
        "peers": {"results": RESULTS, "skipped": {"daemontools": "there is no apt-get"},
                  "idle_seconds": 10},
        "ipc": [{"mechanism": "pipe", "message_bytes": 1, "round_trips_per_second": 25100,
                 "bytes_per_second": 2500000},
                {"mechanism": "System V queue", "message_bytes": 65536}],
        "growth": {"events": 1, "services": [
            {"services": n, "instructions": {"a start": [100, n], "rest": [0, 0]},
             "cpu": {"a start": [2000, 3000], "rest": [0, extra]},
             "places": [{}, {"hash": 50, "walk": n}]} for n, extra in ((100, 0), (1000, 70))],
            "show_places": True},
        "scale": {"error": "not within 5 s"}},
}


class Tables(unittest.TestCase):
    def render(self, *options):
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as f:
            json.dump(REPORT, f)
            f.flush()
            return subprocess.run([sys.executable, "-B", os.path.join(HERE, "run"), "--from", f.name,
                                   *options], check=True, capture_output=True, text=True).stdout

    def test_figures_are_medians_and_ratios_to_the_floor(self):
        text = self.render("--markdown")
        self.assertIn("| start of all, ms | 30.00 | 100.00 |", text)
        self.assertIn("| the same / floor | 3.00 | 10.00 |", text)
        self.assertIn("| status of one / true | 1.50 | - |", text)

    def test_what_is_missing_is_named(self):
        text = self.render()
        self.assertNotIn("memory (PSS)", text)
        self.assertIn("left out: daemontools: there is no apt-get", text)
        self.assertIn("left out: s6, 10 services: starting: not within 400 s", text)
        self.assertIn("scale: not within 5 s", text)

    def test_mechanisms_that_cannot_take_a_message_have_a_dash(self):
        self.assertRegex(self.render("ipc"), r"(?m)^System V queue +- +-$")

    def test_what_grows_is_told_and_where(self):
        text = self.render("growth", "--markdown")
        self.assertIn("| a start, launcher | 100 | 100 | flat |", text)
        self.assertIn("| a start, engine | 100 | 1000 | x 10.00 |", text)
        self.assertIn("| rest, launcher | 0 | 0 | flat |", text)
        self.assertIn("| rest, engine | 0.0 | 0.1 | grows |", text)
        self.assertIn("| engine: walk | 100 | 1000 |", text)
        self.assertNotIn("hash", text)

    def test_columns_of_text_are_aligned(self):
        with redirect_stdout(io.StringIO()) as out:
            tables.show([tables.Table("T", ["", "a"], [["long name", "1"], ["b", "1000"]])])
        self.assertEqual(out.getvalue(), "T\n              a\nlong name     1\nb          1000\n\n")


class Peers(unittest.TestCase):
    """What can't be run where it isn't: that it is given what its manual asks for."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name
        self.tools = types.SimpleNamespace(
            service="/x/service", paths={"nitroctl": "/x/nitroctl", "pm2": "/x/pm2"})

    def prepared(self, kind):
        peer = kind(self.directory, self.tools)
        peer.n = 2
        peer.prepare(2, types.SimpleNamespace(path="/x/slots"))
        return peer

    def read(self, *names):
        return processes.read(os.path.join(self.directory, *names))

    def test_dinit(self):
        peer = self.prepared(peers.Dinit)
        self.assertIn("command = /x/service 1\n", self.read("sv", "s-1"))
        self.assertIn("restart-limit-count = 0\n", self.read("sv", "s-1"))
        self.assertEqual("type = internal\nwaits-for = s-0\nwaits-for = s-1\n",
                         self.read("sv", "boot"))
        self.assertEqual(["dinitctl", "-p", peer.path("socket"), "stop", "s-0"], peer.stop_one())

    def test_nitro(self):
        peer = self.prepared(peers.Nitro)
        self.assertEqual("/x/service", os.readlink(peer.path("sv", "s-1", "run")))
        self.assertTrue(os.access(peer.path("sv", "LOG", "run"), os.X_OK))
        self.assertEqual(["nitro", peer.path("sv")], peer.command())
        self.assertEqual(["env", f"NITRO_SOCK={peer.variables['NITRO_SOCK']}", "/x/nitroctl", "up",
                          "s-0"], peer.start_one())

    def test_pm2(self):
        peer = self.prepared(peers.Pm2)
        apps = json.loads(self.read("services.json"))["apps"]
        self.assertEqual([("s-0", ["0"]), ("s-1", ["1"])], [(a["name"], a["args"]) for a in apps])
        self.assertEqual(["env", f"PM2_HOME={peer.path('home')}", "/x/pm2", "list"], peer.status_all())

    def test_what_is_not_in_path_is_left_out(self):
        tools = types.SimpleNamespace(paths={}, debian=types.SimpleNamespace(versions={}))
        path, os.environ["PATH"] = os.environ["PATH"], self.directory
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        for kind in (peers.Dinit, peers.Nitro):
            with self.assertRaises(debian.Missing):
                kind.find(tools)
        with self.assertRaises(debian.Missing):
            npm.program("pm2", self.directory)


class Growth(unittest.TestCase):
    def test_an_address_is_in_its_function(self):
        """Of libc, which this process has mapped, by what nm says of it."""
        functions = places.Functions([os.getpid()])
        begin, _, base, path = next(m for m in functions.maps[0] if "libc.so" in m[3])
        begins, names = places.symbols(path)
        if not begins:
            self.skipTest("nm is not there")
        at = next(i for i, b in enumerate(begins) if base + b >= begin and names[i][0] > b)
        self.assertEqual(names[at][1], functions.name(0, base + begins[at]))
        self.assertEqual("elsewhere", functions.name(0, 1))


class Leftovers(unittest.TestCase):
    def test_a_detached_process_is_ended_with_its_workplace(self):
        with processes.workplace("bench-test-") as directory:
            pid = int(subprocess.run(["/bin/sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"],
                                     check=True, capture_output=True, text=True).stdout)
            self.assertTrue(processes.is_alive(pid))
        self.assertFalse(processes.is_alive(pid))
        self.assertFalse(os.path.exists(directory))


if __name__ == "__main__":
    unittest.main()
