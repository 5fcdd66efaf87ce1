"""The bench without measuring: tables of canned results, and that nothing is left running."""

import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stdout

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

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

    def test_columns_of_text_are_aligned(self):
        with redirect_stdout(io.StringIO()) as out:
            tables.show([tables.Table("T", ["", "a"], [["long name", "1"], ["b", "1000"]])])
        self.assertEqual(out.getvalue(), "T\n              a\nlong name     1\nb          1000\n\n")


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
