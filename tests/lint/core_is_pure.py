"""core calls nothing outside itself but memory and string functions.

Arguments: the archives of core, base and conf. Of base and conf it may use only what makes no
system call and reads no clock.
"""

import re
import subprocess
import sys

import lint

LIBC = re.compile(r"(mem\w+|stpcpy|str(?!error|signal|ftime|ptime|coll|xfrm)\w+|v?snprintf|qsort|bsearch"
                  r"|malloc|calloc|realloc|reallocarray|free"
                  r"|__(mem\w+|stpcpy|str\w+|v?snprintf)_chk|__stack_chk_fail|__assert_fail)")
BUILD = re.compile(r"(_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|gcov|llvm)_\w+)")
OWN = re.compile(r"(heap|list|signal|spec|usec(?!_now))_\w+")


def symbols(archive, *options):
    done = subprocess.run(["nm", "-P", *options, archive], capture_output=True, text=True, check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[0] for row in rows if len(row) > 1}


def main():
    core, base, conf = sys.argv[1:]
    defined = symbols(core, "--defined-only", "-g")
    borrowed = {s for a in (base, conf) for s in symbols(a, "--defined-only", "-g")
                if OWN.fullmatch(s)}
    if not any(s.startswith("core_") for s in defined):
        sys.exit(f"{core}: no core_ functions; is this the right archive?")
    wrong = {s for s in symbols(core, "-u") - defined - borrowed
             if not LIBC.fullmatch(s) and not BUILD.fullmatch(s)}
    lint.finish([f"core calls {s}" for s in sorted(wrong)])


if __name__ == "__main__":
    main()
