"""The man pages pass mandoc's lint, and say what the programs' tables say: no key, verb or option
is missing, and none is there that the programs don't know."""

import glob
import re
import shutil
import subprocess

import lint

# VALUE("stop.", "signal", …), SECTION("stop", …), {"include", "include", SCHEMA_CALL, …
KEY = re.compile(r'^\t(?:(?:VALUE|LIST)\("([\w.-]*)", "([\w-]+)"|SECTION\("([\w-]+)"'
                 r'|\{"([\w-]+)", "[\w.-]+", SCHEMA_(?!LATER))', re.M)
LATER = re.compile(r'^\tLATER\("([\w.-]*)", "([\w-]+)"\)', re.M)
VERB = re.compile(r'^\t\t\.name = "([\w-]+)"', re.M)
OPTION = re.compile(r'^\t\t\{"([\w-]+)", \w+_argument', re.M)


def keys():
    text = lint.read("conf/schema.c")
    found = {section + key + alone + other for section, key, alone, other in KEY.findall(text)}
    entries = [line for line in text.split("\n") if re.match(r'\t([A-Z]+\("|\{")', line)]
    understood = len(KEY.findall(text)) + len(LATER.findall(text))
    if len(entries) != understood:
        lint.finish([f"conf/schema.c: {len(entries)} entries, and {understood} that this test can read"])
    return found


def described(page, macro):
    """What stands in the heads of a page's lists, marked with that macro: .It Ic restart-delay."""
    heads = re.findall(r"^\.It (.*)$", lint.read(page), re.M)
    return {word for head in heads
            for word in re.findall(rf"(?:^|, ){macro} -?([\w.-]+)", head) if len(word) > 1}


def compare(page, macro, known, of):
    if not known:
        return [f"{of}: nothing found in it; has its form changed?"]
    told = described(page, macro)
    return ([f"{page}: does not describe '{word}' of {of}" for word in sorted(known - told)]
            + [f"{page}: describes '{word}', which {of} does not have"
               for word in sorted(told - known)])


def main():
    problems = compare("contrib/man/supervisord.conf.5", "Ic", keys(), "conf/schema.c")
    problems += compare("contrib/man/supctl.1", "Cm", set(VERB.findall(lint.read("ctl/verbs.c"))),
                        "ctl/verbs.c")
    options = set(OPTION.findall(lint.read("supervisord/engine/options.c")))
    problems += compare("contrib/man/supervisord.8", "Fl", options, "supervisord/engine/options.c")

    program = shutil.which("mandoc")
    pages = sorted(glob.glob("contrib/man/*.[1-9]", root_dir=lint.ROOT))
    if program:
        done = subprocess.run([program, "-T", "lint", "-W", "warning", *pages], cwd=lint.ROOT,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            problems.append(done.stdout + done.stderr)
    if not program and not problems:
        lint.skip("no mandoc; the tables were compared")
    lint.finish(problems)


if __name__ == "__main__":
    main()
