"""No step of a supervisord with many services costs more than in proportion to their number.

What is measured is processor time: of launcher, engine and supctl; and of the services that have
ended, as a part of each start is done in the process that becomes the service. For eight times as
many services it may be 20 times as much, as caches have their limits and the machine is busy; what
grows with the square would be 64 times as much.
"""

import resource

import harness
from scale import KINDS, Steps

FEW, MANY = 250, 2000
MOST = 20
FLOOR = 0.005  # seconds: less than that is noise, and taken as that
HERTZ = 100


def seconds_of(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


class Scale(harness.SystemTest):
    def used(self, s):
        """Seconds so far: ours, and those of services that have ended."""
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours, services = reaped.ru_utime + reaped.ru_stime, 0
        if s.process:
            ours += seconds_of(s.pid) + seconds_of(s.wait_engine())
            services = sum(map(int, harness.stat_of(s.pid)[13:15])) / HERTZ
        return ours, services

    def costs(self, n, make, change):
        s = self.supervisor("", start=False)
        found = {}
        for name, what in Steps(s, n, make, change):
            before = self.used(s)
            what()
            found[name], found[name + ": services"] = (
                after - b for after, b in zip(self.used(s), before))
        s.stop()
        return found

    def check(self, make, change):
        few, many = (self.costs(n, make, change) for n in (FEW, MANY))
        for step, seconds in many.items():
            if seconds > 0:
                print(f"{step:30} {few[step]:7.3f} s {seconds:7.3f} s")
            with self.subTest(step):
                self.assertLess(seconds, MOST * max(few[step], FLOOR))

    def test_instances_of_one_service(self):
        self.check(*KINDS[0][1:])

    def test_services_of_one_configuration(self):
        self.check(*KINDS[1][1:])


if __name__ == "__main__":
    harness.main()
