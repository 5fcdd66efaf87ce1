"""Dependencies point one way; who may include which library."""

import re
import sys

import lint

# The prefix of an include names the room; each room may include itself and these.
MAY_INCLUDE = {
    "base": set(),
    "wire": {"base"},
    "conf": {"base"},
    "core": {"base", "conf"},
    "launcher": {"base", "wire"},
    "engine": {"base", "wire", "conf", "core"},
    "ctl": {"base", "wire", "conf"},
}
LIBRARIES = {"confuse.h": "confuse", "jansson.h": "jansson", "pcre2.h": "pcre2",
             "pcre2posix.h": "pcre2", "systemd": "systemd"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)


def room_of(path):
    parts = path.split("/")
    if parts[0] == "supervisord" and len(parts) > 2:
        return parts[1]
    return parts[0] if parts[0] in ("conf", "ctl") else None


def path_of(include):
    return include if include.split("/")[0] in ("conf", "ctl") else "supervisord/" + include


def includes(path):
    """(own, system) includes of a file."""
    found = INCLUDE.findall(lint.read(path))
    return [own for own, _ in found if own], [system for _, system in found if system]


def library_of(system):
    return LIBRARIES.get(system.split("/")[0]) or LIBRARIES.get(system)


def wire_json_sources():
    """Which of wire's files may speak JSON, as its build file has it."""
    text = lint.read("supervisord/wire/meson.build")
    block = re.search(r"static_library\('wire_json'(.*?)\binclude_directories", text, re.S)
    return {f"supervisord/wire/{name}" for name in re.findall(r"'([\w.]+\.c)'", block.group(1))}


def reached(path, seen):
    """All libraries that a file includes, also through headers."""
    if path in seen:
        return set()
    seen.add(path)
    own, system = includes(path)
    found = {library_of(s) for s in system} - {None}
    for include in own:
        found |= reached(path_of(include), seen)
    return found


def check(path, known, problems):
    room = room_of(path)
    if room not in MAY_INCLUDE:
        problems.append(f"{path}: in no room that this test knows")
        return
    for include in includes(path)[0]:
        target = include.split("/")[0]
        if "/" not in include or path_of(include) not in known:
            problems.append(f'{path}: includes "{include}", which is no path from the root')
        elif target != room and target not in MAY_INCLUDE[room]:
            problems.append(f'{path}: {room} may not include "{include}"')


def check_libraries(path, may_json, problems):
    found = reached(path, set())
    direct = {library_of(s) for s in includes(path)[1]} - {None}
    room = room_of(path)
    if "confuse" in direct and not re.fullmatch(r"conf/text/parse\w*\.c", path):
        problems.append(f"{path}: only conf/text/parse.c includes confuse.h")
    if "jansson" in found and room not in ("engine", "ctl") and path not in may_json:
        problems.append(f"{path}: jansson is for wire_json, engine and ctl")
    if "systemd" in found and room != "engine":
        problems.append(f"{path}: libsystemd is for the engine")
    if "pcre2" in found and path not in ("conf/values/regex.c", "conf/values/matcher.c"):
        problems.append(f"{path}: only conf/values/regex.c and conf/values/matcher.c include pcre2.h")
    if room == "launcher" and found:
        problems.append(f"{path}: the launcher includes {', '.join(sorted(found))}")


def main():
    problems = []
    sources = [f for f in lint.files(".c", ".h") if room_of(f)]
    if not sources:
        sys.exit("no sources found")
    may_json = wire_json_sources()
    for path in sources:
        check(path, set(sources), problems)
    if not problems:  # else what is reached can't be followed
        for path in sources:
            check_libraries(path, may_json, problems)
        confuse = [f for f in sources if "confuse" in map(library_of, includes(f)[1])]
        if len(confuse) != 1:
            problems.append(f"one file includes confuse.h, not {len(confuse)}: {confuse}")
    lint.finish(problems)


if __name__ == "__main__":
    main()
