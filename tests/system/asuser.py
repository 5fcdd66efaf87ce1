"""Functions of a test, run in children with other ids.

A child says that it is in place, goes on until it is told to stop, and tells what it found as
JSON. It ends with the test, whatever becomes of either.
"""

import contextlib
import json
import os
import select
import signal
import sys
import traceback
import warnings

import harness

ROOT = os.geteuid() == 0


class Control:
    """The child's side: what the function is given."""

    def __init__(self, stop, out):
        self.stop_fd = stop
        self.out = out

    def armed(self):
        """The attack is under way: what is measured may begin."""
        self.out.write("armed\n")
        self.out.flush()

    def stopped(self, seconds=0.0):
        """Whether it is to end; waits so long at most for that."""
        return bool(select.select([self.stop_fd], [], [], seconds)[0])


class Child:
    """function(control) in a child with these ids; None: as who we are."""

    def __init__(self, function, uid=None, gid=None, groups=()):
        stop_read, self.stop_fd = os.pipe()
        out_read, out_write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.stop_fd)
            os.close(out_read)
            self.run(function, uid, gid, groups, stop_read, out_write)
        os.close(stop_read)
        os.close(out_write)
        self.out = os.fdopen(out_read, encoding="utf-8")

    @staticmethod
    def run(function, uid, gid, groups, stop_read, out_write):
        status = 1
        try:
            if uid is not None:
                os.setgroups(list(groups))
                gid = uid if gid is None else gid
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
            harness.LIBC.prctl(harness.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            warnings.simplefilter("ignore", ResourceWarning)  # connections end with the child
            with os.fdopen(out_write, "w", encoding="utf-8") as out:
                result = function(Control(stop_read, out))
                out.write(json.dumps({"result": result}) + "\n")
            status = 0
        except BaseException:  # pylint: disable=broad-exception-caught
            traceback.print_exc()
        finally:
            os._exit(status)

    def line(self, deadline):
        """The next line that the child wrote; "" at its end."""
        if not select.select([self.out], [], [], deadline)[0]:
            raise harness.Timeout(f"the child has said nothing for {deadline:g} s")
        return self.out.readline()

    def wait_armed(self, deadline=harness.DEADLINE):
        if self.line(deadline) != "armed\n":
            raise AssertionError("the attack has failed to begin")

    def stop(self):
        # A byte, not the end of the pipe: other children have it, too.
        if self.stop_fd >= 0:
            with contextlib.suppress(BrokenPipeError):
                os.write(self.stop_fd, b"x")
            os.close(self.stop_fd)
            self.stop_fd = -1

    def result(self, deadline=harness.DEADLINE):
        """Tells it to stop, and returns what the function has returned."""
        self.stop()
        line = self.line(deadline)
        while line == "armed\n":
            line = self.line(deadline)
        if not line:
            raise AssertionError("the child has failed")
        return json.loads(line)["result"]

    def end(self):
        """Whatever it is doing. To be called once, always."""
        self.stop()
        self.out.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
