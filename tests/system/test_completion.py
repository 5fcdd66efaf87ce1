"""The completions of bash, zsh and fish, in the shells themselves and against a live supervisord."""

import contextlib
import fcntl
import os
import pty
import shlex
import shutil
import signal
import subprocess
import termios
import threading
import unittest

import harness
from harness import NOBODY, SLEEP, Timeout, program, service, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = f"{ROOT}/contrib/completion"
CONFIG = (service("web", SLEEP, 'instances = 3', 'groups = {"front"}')
          + service("db", SLEEP, "autostart = false"))


def needs(shell):
    return unittest.skipUnless(shutil.which(shell), f"no {shell}")


class Terminal:
    """An interactive shell. Ctrl-X Ctrl-Y has it write its line into a file, then clear it."""

    def __init__(self, command, rc, s, env):
        self.dir = s.dir
        self.text = ""
        self.master, slave = pty.openpty()
        # 80 x 24, as some shells ask before they list anything.
        fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x18\0\x50\0\0\0\0\0")
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=s.dir,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        with open(f"{self.dir}/rc", "w", encoding="utf-8") as f:
            f.write(f"{rc}\n: >{self.dir}/ready\n")
        self.send(f". {self.dir}/rc\n")
        wait_until(lambda: os.path.exists(f"{self.dir}/ready"), "the shell has read its commands")

    def read(self):
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 4096):
                self.text += data.decode(errors="replace").replace("\0", "")

    def send(self, text):
        os.write(self.master, text.encode())

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        os.close(self.master)

    def line_after(self, typed):
        """What the line has become after these keys."""
        path = f"{self.dir}/line"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        # The file is there once it is renamed, with all that is in it.
        self.send(typed + "\x18\x19")
        wait_until(lambda: os.path.exists(path), f"the shell tells its line after {typed!r}")
        with open(path, encoding="utf-8") as f:
            return f.read().removesuffix("\n")

    def wait_line(self, typed, expected):
        """Again and again: a busy machine may be slower than the patience of completion."""
        seen = set()
        try:
            wait_until(lambda: seen.add(line := self.line_after(typed + "\t")) or line == expected,
                       f"{typed!r} is completed to {expected!r}")
        except Timeout as error:
            raise Timeout(f"{error}; seen {seen}; the terminal: {self.text[-3000:]}") from None

    def wait_text(self, typed, *expected):
        """What the terminal shows after these keys and a TAB."""
        def shown():
            self.text = ""
            self.line_after(typed + "\t")
            return all(text in self.text for text in expected)
        try:
            wait_until(shown, f"{expected} on the terminal after {typed!r}")
        except Timeout as error:
            raise Timeout(f"{error}; the terminal: {self.text!r}") from None


class Completion(harness.SystemTest):
    def setUp(self):
        self.s = self.supervisor(CONFIG)
        for i in (1, 2, 3):
            self.s.wait_state(f"web@{i}", "running")
        path = ":".join(os.path.dirname(program(p)) for p in ("SUPCTL", "SUPERVISORD"))
        self.env = self.s.env | {"PATH": f"{path}:{os.environ['PATH']}", "HOME": self.s.dir,
                                 "SUPCTL_SOCKET": self.s.socket_path, "TERM": "vt100",
                                 "LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": self.s.dir,
                                 "XDG_DATA_HOME": self.s.dir}
        self.env.pop("LS_COLORS", None)

    def candidates(self, *words, env=None, **kw):
        """supctl __complete: candidate -> description, or None without one."""
        done = subprocess.run([self.s.supctl, "__complete", *words], capture_output=True, text=True,
                              env=self.env | (env or {}), timeout=60, check=False, **kw)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        pairs = (line.partition("\t") for line in done.stdout.splitlines())
        return {name: description if tab else None for name, tab, description in pairs}

    def wait_candidates(self, expected, *words, **kw):
        wait_until(lambda: self.candidates(*words, **kw) == expected,
                   f"{words} is completed by {expected}")

    def script(self, shell, text, env=None):
        """The lines that a shell prints, which must not complain."""
        done = subprocess.run([*shell, text], capture_output=True, text=True, timeout=60,
                              env=env or self.env, cwd=self.s.dir, check=False,
                              stdin=subprocess.DEVNULL)
        self.assertEqual("", done.stderr)
        return done.stdout.splitlines()

    def terminal(self, command, rc):
        terminal = Terminal(command, rc, self.s, self.env)
        self.addCleanup(terminal.close)
        return terminal

    # --- supctl itself

    def test_names_come_from_the_supervisord_that_was_typed(self):
        self.wait_candidates({"web@1": "running", "web@2": "running", "web@3": "running",
                              "db": "stopped", "web": "3 instances", "@front": "group"},
                             "-s", self.s.socket_path, "stop", "",
                             env={"SUPCTL_SOCKET": "/nonexistent/control"})
        self.wait_candidates({"@front": "group"}, "stop", "@")

    def test_candidates_follow_the_state_of_services(self):
        self.s.ok("stop", "web@2")
        self.wait_candidates({"web@2": "stopped"}, "start", "web@2")

    def test_without_a_supervisord_there_are_no_names_and_no_words(self):
        self.assertEqual({}, self.candidates("stop", "", env={"SUPCTL_SOCKET": "/nonexistent"}))
        self.s.stop()
        self.assertEqual({}, self.candidates("stop", ""))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_who_may_not_ask_gets_no_names_and_no_words(self):
        s = self.supervisor(CONFIG, start=False)
        s.copy_programs()
        s.start()
        done = subprocess.run([s.supctl, "__complete", "-s", s.socket_path, "stop", ""],
                              capture_output=True, text=True, timeout=60, user=NOBODY, check=False)
        self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))

    # --- bash

    def bash(self, pieces, word, env=None):
        """COMPREPLY for pieces as bash cuts them (a blank ends a word), word being what it
        replaces."""
        words = " ".join(shlex.quote(p.strip()) for p in pieces)
        return self.script(["bash", "-c"], f"""
            source {SCRIPTS}/supctl.bash
            COMP_WORDS=({words}) COMP_CWORD={len(pieces) - 1} COMP_LINE={shlex.quote(''.join(pieces))}
            COMP_POINT=${{#COMP_LINE}}
            _supctl supctl {shlex.quote(word)} previous
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """, env)

    def wait_bash(self, expected, pieces, word):
        wait_until(lambda: self.bash(pieces, word) == expected, f"bash completes {pieces}")

    @needs("bash")
    def test_bash_function_completes_words_that_bash_has_cut(self):
        self.wait_bash(["status", "start"], ["supctl ", "sta"], "sta")
        self.wait_bash(["db"], ["supctl ", "stop ", "d"], "d")
        # What bash replaces begins at the @, and behind a = or a : of its own.
        self.wait_bash(["@1", "@2", "@3"], ["supctl ", "stop ", "web", "@"], "@")
        self.wait_bash(["@3"], ["supctl ", "stop ", "web", "@", "1 ", "web", "@", "2 ", "web", "@"],
                       "@")
        self.wait_bash(["running"], ["supctl ", "wait ", "db ", "--for ", "r"], "r")
        self.wait_bash(["@front"], ["supctl ", "-s ", f"'{self.s.socket_path}' ", "stop ", "@",
                                    "fr"], "@fr")

    @needs("bash")
    def test_bash_function_offers_files_where_one_is_wanted(self):
        self.wait_bash(["run"], ["supctl ", "-s ", "ru"], "ru")
        self.wait_bash(["run"], ["supctl ", "--socket", "=", "ru"], "ru")

    @needs("bash")
    def test_bash_function_is_silent_without_supctl(self):
        os.symlink(shutil.which("bash"), f"{self.s.dir}/bash")
        self.assertEqual([""], self.bash(["supctl ", "sta"], "sta",
                                         env=self.env | {"PATH": self.s.dir}))

    @needs("bash")
    def test_bash_completes_on_a_terminal(self):
        t = self.terminal(["bash", "--norc", "--noprofile", "-i"], f"""
            source {SCRIPTS}/supctl.bash; source {SCRIPTS}/supervisord.bash
            tell() {{
                printf '%s\\n' "$READLINE_LINE" >line.new; mv line.new line
                READLINE_LINE= READLINE_POINT=0
            }}
            bind -x '"\\C-x\\C-y": tell'
            """)
        t.wait_line("supctl stat", "supctl status ")
        t.wait_line("supctl stop d", "supctl stop db ")
        t.wait_line("supctl stop @f", "supctl stop @front ")
        t.wait_line("supctl wait db --for run", "supctl wait db --for running ")
        t.wait_line("supctl stop web@1 web@2 web@", "supctl stop web@1 web@2 web@3 ")
        t.wait_line("supctl --socket=run/cont", "supctl --socket=run/control ")
        t.wait_line("supctl stXYZ\x1b[D\x1b[D\x1b[D\x08hu", "supctl shutdownXYZ")
        t.wait_line("supervisord --ch", "supervisord --check ")
        t.wait_line("supervisord -c supervisord.c", "supervisord -c supervisord.conf ")

    # --- zsh

    @needs("zsh")
    def test_zsh_completes_on_a_terminal(self):
        t = self.terminal(["zsh", "-f", "-i"], f"""
            fpath=({SCRIPTS} $fpath)
            autoload -Uz compinit; compinit -D -u
            tell() {{ print -r -- "$BUFFER" >line.new; mv line.new line; BUFFER= }}
            zle -N tell; bindkey '^X^Y' tell
            """)
        t.wait_line("supctl stat", "supctl status ")
        t.wait_line("supctl stop d", "supctl stop db ")
        t.wait_line("supctl stop @f", "supctl stop @front ")
        t.wait_line("supctl wait db --for run", "supctl wait db --for running ")
        t.wait_line("supctl stop web@1 web@2 web@", "supctl stop web@1 web@2 web@3 ")
        t.wait_line("supctl -s run/cont", "supctl -s run/control ")
        t.wait_line("supctl --socket=run/cont", "supctl --socket=run/control ")
        t.wait_line("supervisord --ch", "supervisord --check ")
        t.wait_line("supervisord -c supervisord.c", "supervisord -c supervisord.conf ")
        t.wait_text("supctl stop web", "web@2", "-- running", "-- 3 instances")

    # --- fish

    def fish(self, line):
        return self.script(["fish", "--no-config", "-c"], f"""
            source {SCRIPTS}/supctl.fish; source {SCRIPTS}/supervisord.fish
            complete -C {shlex.quote(line)}""")

    @needs("fish")
    def test_fish_completes(self):
        for line, expected in {
                "supctl sta": ["status\tshow the state of services", "start\tstart services"],
                "supctl stop d": ["db\tstopped"],
                "supctl stop @": ["@front\tgroup"],
                "supctl wait db --for st": ["stopped", "starting", "stopping"],
                "supctl stop web@1 web@2 ": ["web@3\trunning", "db\tstopped", "web\t3 instances",
                                             "@front\tgroup"],
                "supctl -s run/cont": ["run/control"],
                "supctl --socket=run/cont": ["--socket=run/control"],
                "supervisord --ch": ["--check\tonly check the configuration"],
                "supervisord -c supervisord.c": ["supervisord.conf"],
        }.items():
            wait_until(lambda l=line, e=expected: self.fish(l) == e, f"fish completes {line!r}")


if __name__ == "__main__":
    harness.main()
