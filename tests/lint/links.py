"""What the programs link. Arguments: supervisord, supctl, and supctl's verbs."""

import re
import subprocess
import sys

import lint


def needed(program):
    done = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True)
    return set(re.findall(r"\(NEEDED\).*\[(.+?)\]", done.stdout))


# A sanitizer's runtime brings libraries of its own.
RUNTIMES = re.compile(r"lib(asan|ubsan|tsan|clang_rt|m|dl|rt|pthread|gcc_s|resolv)\b.*")


def beside_libc(program):
    libraries = needed(program)
    if any(re.match(r"lib(asan|ubsan|tsan|clang_rt)", l) for l in libraries):
        libraries = {l for l in libraries if not RUNTIMES.match(l)}
    # What dlopen() is in before glibc 2.34.
    return {l for l in libraries if not l.startswith(("libc.so", "libc.musl", "ld-", "libdl."))}


def main():
    supervisord, supctl, module = sys.argv[1:]
    problems = []
    for program in (supervisord, supctl):
        if not needed(program):
            problems.append(f"{program} links nothing at all?")
        problems += [f"{program} links {l}; only libc is allowed"
                     for l in sorted(beside_libc(program))]
    if any("systemd" in l for l in needed(module)):
        problems.append("supctl links libsystemd, which makes every start slower")
    lint.finish(problems)


if __name__ == "__main__":
    main()
