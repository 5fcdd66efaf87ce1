"""Services that need each other: who waits for whom, who follows whom, and in which order."""

import os
import re
import signal

import harness
from harness import SLEEP, is_alive, service, sh, wait_until

QUICK = ("restart-delay = 10ms", "restart-max-delay = 20ms", "restart-jitter = 0")
LATER = "autostart = false"


def noting(name, *lines):
    """A service that notes its stop; what is stopped after it notes later."""
    return service(name, sh(f"trap 'echo {name} >>@DIR@/order; exit' TERM; "
                            f"echo up; while :; do sleep 1000 & wait; done"), *lines)


class Dependencies(harness.SystemTest):
    def order(self, s):
        return s.read(f"{s.dir}/order").split()

    def changes(self, s):
        """(service, state) as supervisord has told them, in order."""
        return re.findall(r"service '([\w@]+)': (starting|running|stopping|stopped|waiting|backoff|"
                          r"exited|failed)\b", s.stderr())

    def before(self, s, first, second):
        changes = self.changes(s)
        self.assertIn(first, changes)
        self.assertIn(second, changes)
        self.assertLess(changes.index(first), changes.index(second), changes)

    def test_what_is_needed_is_started_first_and_by_a_start(self):
        s = self.supervisor('log-level = "debug"\n'
                            + service("app", SLEEP, 'requires = {"web"}', LATER)
                            + service("web", SLEEP, 'requires = {"db"}', 'wants = {"cache"}', LATER)
                            + service("db", SLEEP, LATER) + service("cache", SLEEP, LATER)
                            + service("other", SLEEP, LATER))
        s.ok("start", "app")
        self.assertEqual([r["state"] for r in s.services().values()],
                         ["running"] * 4 + ["stopped"])
        self.before(s, ("db", "running"), ("web", "starting"))
        self.before(s, ("cache", "running"), ("web", "starting"))
        self.before(s, ("web", "running"), ("app", "starting"))

    def test_a_oneshot_has_completed_before_its_dependents_start(self):
        s = self.supervisor(service("web", sh("cat @DIR@/made; exec sleep 100000"),
                                    'requires = {"setup"}')
                            + service("setup", sh("sleep 0.2; echo made >@DIR@/made"),
                                      'type = "oneshot"'))
        s.wait_log("web", "made\n")
        self.assertEqual(s.status("setup")["state"], "exited")

    def test_after_orders_without_starting(self):
        s = self.supervisor('log-level = "debug"\n'
                            + service("a", SLEEP, 'after = {"b"}')
                            + service("b", SLEEP, 'after = {"c", "idle"}')
                            + service("c", sh("sleep 0.2"), 'type = "oneshot"', 'before = {"d"}')
                            + service("d", SLEEP) + service("idle", SLEEP, LATER))
        for name in "abd":
            s.wait_state(name, "running")
        self.before(s, ("c", "exited"), ("b", "starting"))
        self.before(s, ("c", "exited"), ("d", "starting"))
        self.before(s, ("b", "running"), ("a", "starting"))
        self.assertEqual(s.status("idle")["state"], "stopped")

    def test_a_waiting_service_names_what_it_waits_for(self):
        s = self.supervisor(service("web", SLEEP, 'requires = {"db"}')
                            + service("db", sh("while [ ! -e @DIR@/go ]; do sleep 0.02; done"),
                                      'type = "oneshot"'))
        web = s.wait_state("web", "waiting")
        self.assertIn("'db'", web["reason"])
        self.assertEqual(web["desired"], "up")
        s.flag("go")
        s.wait_state("web", "running")

    def test_what_requires_a_stopped_one_stops_first_and_comes_back_with_it(self):
        s = self.supervisor(noting("app", 'requires = {"web"}') + noting("web", 'requires = {"db"}')
                            + noting("db") + noting("fan", 'wants = {"db"}'))
        for name in ("app", "web", "db", "fan"):
            s.wait_log(name, "up")
        fan = s.status("fan")["pid"]
        s.ok("stop", "db")
        self.assertEqual(self.order(s), ["app", "web", "db"])
        for name, needs in (("web", "db"), ("app", "web")):
            row = s.status(name)
            self.assertEqual((row["state"], row["desired"]), ("waiting", "up"))
            self.assertIn(f"'{needs}'", row["reason"])
        self.assertEqual(s.status("fan")["pid"], fan)
        s.ok("start", "db")
        for name in ("web", "app"):
            s.wait_state(name, "running")
        self.assertEqual(s.status("fan")["pid"], fan)

    def test_a_restart_takes_dependents_along(self):
        s = self.supervisor(noting("web", 'requires = {"db"}') + noting("db"))
        s.wait_log("web", "up")
        s.wait_log("db", "up")
        before = s.services()
        s.ok("restart", "db")
        self.assertEqual(self.order(s), ["web", "db"])
        web = s.wait_state("web", "running")
        self.assertNotEqual(web["pid"], before["web"]["pid"])
        self.assertEqual(web["restarts"], 0)

    def test_dependents_follow_a_crash(self):
        s = self.supervisor(service("web", SLEEP, 'requires = {"db"}')
                            + service("db", SLEEP, "restart-delay = 300ms"))
        web = s.wait_state("web", "running")["pid"]
        os.kill(s.status("db")["pid"], signal.SIGKILL)
        s.wait_state("web", "waiting")
        self.assertFalse(is_alive(web))
        s.wait_state("web", "running")
        self.assertEqual((s.status("db")["restarts"], s.status("web")["restarts"]), (1, 0))

    def test_a_dependency_that_fails_is_told_to_whoever_starts_its_dependent(self):
        s = self.supervisor(service("web", SLEEP, 'requires = {"db"}', LATER)
                            + service("soft", SLEEP, 'wants = {"db"}', LATER)
                            + service("db", sh("exit 3"), 'restart = "never"', 'type = "oneshot"',
                                      LATER))
        code, out, err = s.ctl("start", "web")
        self.assertEqual(code, 1, (out, err))
        self.assertIn("'db'", out + err)
        self.assertEqual(s.status("db")["state"], "failed")
        self.assertEqual(s.status("web")["state"], "waiting")
        s.ok("start", "soft")
        s.ok("stop", "web")
        self.assertEqual(s.status("web")["state"], "stopped")

    def test_a_start_tries_a_failed_dependency_again(self):
        s = self.supervisor(service("web", SLEEP, 'requires = {"db"}', LATER)
                            + service("db", sh("[ -e @DIR@/go ]"), 'restart = "never"',
                                      'type = "oneshot"', LATER))
        self.assertEqual(s.ctl("start", "web")[0], 1)
        s.flag("go")
        s.ok("start", "web")
        self.assertEqual(s.status("web")["state"], "running")

    def test_many_are_stopped_at_once_and_in_order(self):
        s = self.supervisor(noting("a", 'wants = {"b"}') + noting("b", 'after = {"c"}')
                            + noting("c") + noting("d", 'requires = {"c"}'))
        for name in "abcd":
            s.wait_log(name, "up")
        s.ok("stop", "*")
        order = self.order(s)
        self.assertEqual(sorted(order), list("abcd"))
        for first, second in (("a", "b"), ("b", "c"), ("d", "c")):
            self.assertLess(order.index(first), order.index(second), order)

    def test_shutdown_goes_in_reverse_also_where_a_dependency_was_started_later(self):
        s = self.supervisor(noting("web", 'wants = {"db"}') + noting("db"))
        s.wait_log("web", "up")
        s.wait_log("db", "up")
        s.ok("stop", "db")
        s.ok("start", "db")
        wait_until(lambda: s.read_log("db").count("up") == 2, "db is up again")
        s.stop()
        self.assertEqual(self.order(s), ["db", "web", "db"])

    def test_instances_and_their_definition(self):
        s = self.supervisor(service("web", SLEEP, 'requires = {"db"}', "instances = 2")
                            + service("db", SLEEP, "instances = 2", LATER)
                            + service("one", SLEEP, 'requires = {"db@2"}'))
        for name in ("web@1", "web@2", "one", "db@1", "db@2"):
            s.wait_state(name, "running")
        s.ok("stop", "db@1")
        s.wait_state("web@1", "waiting")
        s.wait_state("web@2", "waiting")
        self.assertEqual(s.status("one")["state"], "running")

    def test_conflicts_end_each_other(self):
        s = self.supervisor(noting("blue", 'conflicts = {"green"}') + noting("green", LATER))
        s.wait_log("blue", "up")
        s.ok("start", "green")
        self.assertEqual(self.order(s), ["blue"])
        blue = s.status("blue")
        self.assertEqual((blue["state"], blue["desired"]), ("stopped", "down"))
        self.assertIn("'green'", blue["reason"])
        s.wait_log("green", "up")
        s.ok("start", "blue")
        self.assertEqual(self.order(s), ["blue", "green"])
        self.assertEqual(s.status("green")["state"], "stopped")

    def test_of_two_that_conflict_only_one_starts_by_itself(self):
        s = self.supervisor(service("blue", SLEEP) + service("green", SLEEP, 'conflicts = {"blue"}'))
        s.wait_state("blue", "running")
        green = s.wait_service("green", lambda r: "blue" in r["reason"], "green is told off")
        self.assertEqual(green["state"], "stopped")

    def test_pools_bound_what_runs_and_go_by_turns(self):
        names = [f"j{i}" for i in range(6)]
        s = self.supervisor('pool "jobs" { slots = 2 }\n'
                            + "".join(service(n, SLEEP, 'pool = "jobs"') for n in names))
        wait_until(lambda: [r["state"] for r in s.services().values()] ==
                   ["running"] * 2 + ["waiting"] * 4, "two of six run")
        self.assertIn("'jobs'", s.status("j2")["reason"])
        for i in range(4):
            s.ok("stop", names[i])
            s.wait_state(names[i + 2], "running")
            self.assertEqual([n for n, r in s.services().items() if r["state"] == "running"],
                             names[i + 1:i + 3])

    def test_all_of_it_outlives_the_engine(self):
        s = self.supervisor('pool "p" { slots = 1 }\n'
                            + service("app", SLEEP, 'requires = {"web"}')
                            + service("web", SLEEP, 'requires = {"db"}') + service("db", SLEEP)
                            + service("one", SLEEP, 'pool = "p"') + service("two", SLEEP, 'pool = "p"'))
        s.wait_state("app", "running")
        s.ok("stop", "db")
        before = s.services()
        s.kill_engine()
        wait_until(s.answers, "the next engine answers")
        after = s.services()
        for name, row in before.items():
            self.assertEqual([after[name][k] for k in ("state", "desired", "pid", "reason")],
                             [row[k] for k in ("state", "desired", "pid", "reason")])
        s.ok("start", "db")
        s.wait_state("app", "running")
        s.ok("stop", "one")
        s.wait_state("two", "running")

    def test_links_change_while_services_run(self):
        s = self.supervisor(service("web", SLEEP) + service("db", SLEEP))
        web = s.wait_state("web", "running")["pid"]
        s.write_config(service("web", SLEEP, 'requires = {"db"}') + service("db", SLEEP))
        s.ok("apply")
        self.assertEqual(s.status("web")["pid"], web)
        s.ok("stop", "db")
        s.wait_state("web", "waiting")
        s.write_config(service("web", SLEEP) + service("db", SLEEP))
        s.ok("apply")
        s.wait_state("web", "running")
        self.assertEqual(s.status("db")["state"], "stopped")

    def test_circles_and_unknown_names_are_refused(self):
        s = self.supervisor("")
        for config, words in (
                (service("a", SLEEP, 'requires = {"b"}') + service("b", SLEEP, 'after = {"c"}')
                 + service("c", SLEEP, 'before = {}', 'wants = {"a"}'), ["'a'", "'b'", "'c'"]),
                (service("a", SLEEP, 'wants = {"nobody"}'), ["nobody"]),
                (service("a", SLEEP, 'pool = "nothing"'), ["nothing"])):
            s.write_config(config)
            code, _, err = s.ctl("apply")
            self.assertEqual(code, 1, err)
            for word in words:
                self.assertIn(word, err)
        self.assertEqual(s.services(), {})


if __name__ == "__main__":
    harness.main()
