#!/usr/bin/python3
"""Plants faults in the core, one at a time, and has the simulation find them.

    tests/sim/mutate.py                 all of mutants.py; prints a table
    tests/sim/mutate.py --quick         a handful
    tests/sim/mutate.py NAME...         those whose names contain one of these

A fault that no history shows has survived: either it is no fault, which mutants.py then says with
a reason, or there is something that the simulated world never does, or never looks at. Only core
and simulation are compiled, in a temporary directory, by $CC or cc.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

import mutants

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CORE = os.path.join(ROOT, "supervisord", "core")
OTHERS = ["conf/share.c", "conf/spec.c", "conf/spec_names.c", "conf/values/strv.c",
          "supervisord/base/buf.c", "supervisord/base/cleanup.c", "supervisord/base/crc32c.c",
          "supervisord/base/parse.c", "supervisord/base/sys.c", "supervisord/base/usec.c"]
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g0", "-w", "-fno-strict-aliasing", "-I", ROOT,
         "-I", os.path.join(ROOT, "supervisord")]
FOUND = re.compile(r"'([a-z-]+)' does not hold")
HISTORIES = re.compile(r"^(\d+) histories", re.M)
HUNG_SECONDS = 600


def compile_file(source, target):
    command = [*os.environ.get("CC", "cc").split(), *FLAGS, "-c", source, "-o", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{source}: does not compile:\n{done.stderr}")


def link(objects, target):
    subprocess.run([*os.environ.get("CC", "cc").split(), *objects, "-o", target], check=True)


def object_of(directory, source):
    return os.path.join(directory, os.path.relpath(source, ROOT).replace("/", "_") + ".o")


def build_all(directory):
    """Objects of everything as it is; the core's by their file's name."""
    core = [os.path.join(CORE, f) for f in sorted(os.listdir(CORE)) if f.endswith(".c")]
    sim = [os.path.join(HERE, f) for f in sorted(os.listdir(HERE)) if f.endswith(".c")]
    rest = sim + [os.path.join(ROOT, f) for f in OTHERS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda s: compile_file(s, object_of(directory, s)), core + rest))
    return ({os.path.basename(s): object_of(directory, s) for s in core},
            [object_of(directory, s) for s in rest])


def plant(mutant):
    """(name of the file, its text with the fault in it)."""
    name, before, after = mutant
    found = []
    for file in sorted(f for f in os.listdir(CORE) if f.endswith(".c")):
        with open(os.path.join(CORE, file), encoding="utf-8") as f:
            text = f.read()
        found += [(file, text.replace(before, after))] * text.count(before)
    if len(found) != 1:
        sys.exit(f"'{name}': what it replaces is {len(found)} times in the core, not once")
    return found[0]


def build_mutant(directory, number, mutant, core, rest):
    """The simulation with one fault in it."""
    file, text = plant(mutant)
    source = os.path.join(directory, f"{number}_{file}")
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    compile_file(source, source + ".o")
    program = os.path.join(directory, f"sim_{number}")
    objects = [source + ".o" if name == file else path for name, path in core.items()]
    link(objects + rest, program)
    return program


def hunt(program, histories, corpus):
    """(who has caught it or None, after how many histories, what was printed)."""
    command = [program, "--seeds", f"1-{histories}", *([] if corpus else ["--no-shrink"])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=HUNG_SECONDS)
    except subprocess.TimeoutExpired:
        return "hangs", 0, ""
    found, n = FOUND.search(done.stdout), HISTORIES.search(done.stdout)
    if done.returncode == 0:
        return replay(program), histories, ""
    return found.group(1) if found else "crashes", int(n.group(1)) if n else 0, done.stdout


def replay(program):
    """Who catches it in a history that was kept: some take millions of random ones."""
    done = subprocess.run([program, "--replay", os.path.join(HERE, "corpus")],
                          capture_output=True, text=True, check=False, timeout=HUNG_SECONDS)
    found = FOUND.search(done.stdout)
    return f"{found.group(1)} (corpus)" if found else None


def keep(corpus, name, output):
    """The shortest history that shows the fault, for the corpus."""
    lines = output.splitlines()
    begin = next((i for i, line in enumerate(lines) if line.startswith("# shrunk")), None)
    if begin is None:
        return
    history = lines[begin + 1:begin + 3]  # the invariant; the run as it went is left out
    history += [line for line in lines if not line.startswith("#")
                and not HISTORIES.match(line) and not FOUND.search(line)]
    path = os.path.join(corpus, re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ".txt")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join([f"# {name}", *history]) + "\n")


def choose(arguments):
    if arguments.quick:
        return [m for m in mutants.MUTANTS if m[0] in mutants.QUICK]
    return [m for m in mutants.MUTANTS
            if not arguments.names or any(n in m[0] for n in arguments.names)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--histories", type=int, default=20000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--corpus", help="keep the shortest history of each fault there")
    arguments = parser.parse_args()
    chosen = choose(arguments)
    if not chosen:
        sys.exit("no such fault")
    survived = []
    with tempfile.TemporaryDirectory() as directory:
        core, rest = build_all(directory)

        def run(numbered):
            number, mutant = numbered
            program = build_mutant(directory, number, mutant, core, rest)
            return mutant, hunt(program, arguments.histories, arguments.corpus)

        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            for mutant, (by, n, output) in pool.map(run, enumerate(chosen)):
                reason = mutants.SURVIVORS.get(mutant[0])
                verdict = by or ("survives: " + reason if reason else "SURVIVED")
                print(f"{mutant[0]:<52} {verdict:<28} {n:>7}", flush=True)
                if arguments.corpus and by:
                    keep(arguments.corpus, mutant[0], output)
                if not by and not reason or by and reason:
                    survived.append(mutant[0])
    print(f"{len(chosen)} faults, {len(chosen) - len(survived)} as expected")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
