"""kill -9 of the launcher, and nothing happens: its engine goes on in its place."""

import os
import signal

import harness
from harness import SLEEP, is_alive, py, service, sh, wait_until

QUICK = ("restart-delay = 10ms", "restart-max-delay = 10ms", "restart-jitter = 0")


class Takeover(harness.SystemTest):
    def comparable(self, s):
        rows = s.services()
        for row in rows.values():
            for key in ("uptime_ms", "next_start_ms"):
                row.pop(key)
        return rows

    def test_services_keep_pids_states_and_counters(self):
        s = self.supervisor(
            service("web", SLEEP, "instances = 3")
            + service("idle", SLEEP, "autostart = false")
            + service("done", sh("exit 0"))
            + service("bad", sh("exit 7"), "restart-limit = 2", *QUICK)
            + service("later", sh("exit 1"), "restart-delay = 1h", "restart-max-delay = 1h",
                      "restart-jitter = 0"))
        for name, state in (("web@1", "running"), ("web@2", "running"), ("web@3", "running"),
                            ("done", "exited"), ("bad", "failed"), ("later", "backoff")):
            s.wait_state(name, state)
        before, engine = self.comparable(s), s.engine_pid()
        self.assertEqual(engine, s.kill_launcher())
        self.assertEqual(before, self.comparable(s))
        for i in (1, 2, 3):
            self.assertTrue(is_alive(before[f"web@{i}"]["pid"]))
        self.assertIn(f"pid {s.pid}", s.stderr())
        with open(f"{s.runtime_dir}/lock", encoding="ascii") as f:
            self.assertEqual(s.pid, int(f.read()))
        s.stop()
        self.assertEqual([], [r["pid"] for r in before.values() if r["pid"] and is_alive(r["pid"])])


if __name__ == "__main__":
    harness.main()
