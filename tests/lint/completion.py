"""The completions of supervisord name the options that it has; supctl's know none by themselves."""

import re

import lint
from man import OPTION

SCRIPTS = "contrib/completion/"
# How each shell's script writes a long option.
FORMS = {
    "supervisord.bash": r"(?<=[ '])--([a-z-]+)(?=[ '])",
    "_supervisord": r"(?<=['{,)])--([a-z-]+)(?==?[\[}])",
    "supervisord.fish": r" -l ([a-z-]+)",
}


def main():
    known = set(OPTION.findall(lint.read("supervisord/engine/options.c")))
    problems = [] if known else ["supervisord/engine/options.c: no options found"]
    for name, form in FORMS.items():
        told = set(re.findall(form, lint.read(SCRIPTS + name)))
        problems += [f"{SCRIPTS}{name}: --{o} is missing" for o in sorted(known - told)]
        problems += [f"{SCRIPTS}{name}: --{o} does not exist" for o in sorted(told - known)]
    for name in ("supctl.bash", "_supctl", "supctl.fish"):
        if "__complete" not in lint.read(SCRIPTS + name):
            problems.append(f"{SCRIPTS}{name}: does not ask supctl")
    lint.finish(problems)


if __name__ == "__main__":
    main()
