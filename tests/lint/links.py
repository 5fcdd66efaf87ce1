"""What the programs link. Arguments: supervisord, supervisord-engine and supctl."""

import re
import subprocess
import sys

import lint


def needed(program):
    done = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True)
    return set(re.findall(r"\(NEEDED\).*\[(.+?)\]", done.stdout))


def main():
    supervisord, engine, supctl = sys.argv[1:]
    libraries = needed(supervisord)
    problems = []
    if not libraries:
        problems.append(f"{supervisord} links nothing at all?")
    # A sanitizer's runtime brings libraries of its own.
    runtimes = re.compile(r"lib(asan|ubsan|tsan|clang_rt|m|dl|rt|pthread|gcc_s|resolv)\b.*")
    if any(re.match(r"lib(asan|ubsan|tsan|clang_rt)", l) for l in libraries):
        libraries = {l for l in libraries if not runtimes.match(l)}
    extra = {l for l in libraries if not l.startswith(("libc.so", "libc.musl", "ld-"))}
    problems += [f"supervisord links {l}; only libc is allowed" for l in sorted(extra)]
    problems += [f"{program} links libsystemd, which costs it time and memory at every start"
                 for program in (engine, supctl) if any("systemd" in l for l in needed(program))]
    lint.finish(problems)


if __name__ == "__main__":
    main()
