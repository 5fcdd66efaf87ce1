"""More services than the hard limit of open files has room for: those that fit run, the others say why
they don't, whoever asks is answered, and what is given back is used."""

import resource

import harness
from harness import SLEEP, service, wait_until

FILES, SERVICES = 150, 120  # of which the launcher needs some 95 for itself, and one for each
LACK = "Too many open files"


class Descriptors(harness.SystemTest):
    def limited(self, config, n_files, **kw):
        s = self.supervisor(config, start=False)
        # To look for leaks takes descriptors as well.
        s.env["ASAN_OPTIONS"] = s.env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        s.preexec = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, n_files))
        s.start(**kw)
        return s

    @staticmethod
    def names(s, state):
        return [name for name, r in s.services().items() if r["state"] == state]

    def test_those_that_fit_run_and_the_others_say_why_not(self):
        s = self.limited(service("w", SLEEP, f"instances = {SERVICES}", 'restart = "always"',
                                 "restart-delay = 0ms", "restart-limit = 0"), FILES)
        wait_until(lambda: len(self.names(s, "running")) > 20 and
                   len(self.names(s, "running") + self.names(s, "backoff")) == SERVICES,
                   "as many run as can")
        waiting, running = self.names(s, "backoff"), self.names(s, "running")
        self.assertGreater(len(waiting), 10)
        self.assertIn(LACK, s.services()[waiting[0]]["reason"])
        # What is given back is used by others.
        s.ok("stop", *running[:10])
        wait_until(lambda: len(self.names(s, "backoff")) <= len(waiting) - 5, "others come up")
        # The next engine needs as many, and has what this one has had.
        kept = {name: s.services()[name]["pid"] for name in running[10:]}
        s.kill_engine()
        s.wait_engine()
        now = wait_until(s.services, "the next engine answers")
        self.assertEqual(kept, {name: now[name]["pid"] for name in kept})

    def test_too_few_to_begin_with_are_told(self):
        s = self.limited(service("web", SLEEP), 20, ready=False)
        self.assertEqual(1, s.process.wait(harness.DEADLINE))
        self.assertIn(LACK, s.stderr())


if __name__ == "__main__":
    harness.main()
