"""What lies where: the top level, and no file that has outgrown its room."""

import os
import re

import lint

TOP = re.compile(r"supervisord|ctl|conf|tests|contrib|meson\.build|meson_options\.txt|README\.md"
                 r"|LICENSE|\..*")
MAX_LINES = 600


def main():
    paths = lint.files()
    problems = [f"{name}: does not belong at the top level"
                for name in sorted({p.split("/")[0] for p in paths}) if not TOP.fullmatch(name)]
    for path in lint.files(".c", ".h"):
        lines = lint.read(path).count("\n")
        if lines > MAX_LINES and not path.startswith("tests/"):
            problems.append(f"{path}: {lines} lines, more than {MAX_LINES}")
        if os.path.splitext(path)[1] == ".c" and not lint.read(path).startswith("/*"):
            problems.append(f"{path}: does not open with a comment on the idea")
    lint.finish(problems)


if __name__ == "__main__":
    main()
