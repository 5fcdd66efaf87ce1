"""Every room opens with a README.md, and what a README.md names as a file of the tree is there."""

import os
import re

import lint

# Data, and folders that the README.md above them tells of.
WITHOUT = re.compile(r"\..*|(tests/fuzz/corpus|tests/sim/corpus|tests/unit)/.*|tests/(fuzz|sim)/corpus"
                     r"|contrib/systemd/user")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#[^)]*)?\)")
QUOTED = re.compile(r"`([^`\n]+)`")
# Outside of quotes, too: in drawings and lists.
SOURCE = re.compile(r"(?<![\w./*{}-])[\w.-][\w./-]*\.(?:c|h|py)\b(?![\w/=(])")
ENDINGS = (".c", ".h", ".py", ".md", ".build", ".conf", ".list", ".in", ".1", ".5", ".8")
WORD = re.compile(r"[\w.@+-]+(/[\w.@+-]+)*/?")
# A part in capitals stands for something: test_X.c, corpus/TARGET/.
PLACEHOLDER = re.compile(r"(?<![A-Za-z])(?!README|LICENSE)[A-Z]{1,12}(?![a-z])")
# Headers of libraries, and what a build makes.
ELSEWHERE = re.compile(r"(confuse|jansson|pcre2)\.h|build[\w-]*/.*")


def folders_of(paths):
    found = set()
    for path in paths:
        while path := os.path.dirname(path):
            found.add(path)
    return found


def bases(room):
    """Where a name in a room's README.md may begin: there, or anywhere above."""
    yield room
    while room:
        room = os.path.dirname(room)
        yield room
    yield "supervisord"  # as includes begin


def exists(name, room, paths, folders):
    name = os.path.normpath(name)
    if "/" not in name and any(p.startswith(room + "/" if room else "") and
                               os.path.basename(p) == name for p in paths):
        return True
    return any(os.path.normpath(os.path.join(base, name)) in places
               for base in bases(room) for places in (paths, folders))


def is_own(word, top, room, folders):
    """Whether a quoted word is meant as a file or folder of the tree."""
    if not WORD.fullmatch(word) or PLACEHOLDER.search(word) or ELSEWHERE.fullmatch(word):
        return False
    first = word.split("/")[0]
    known = first in top or any(os.path.join(base, first) in folders for base in bases(room))
    return word.endswith(ENDINGS + ("/",)) or "/" in word and known


def named(text, room, top, folders):
    """What a README.md names, as (name, whether it is a link)."""
    found = {(target, True) for target in LINK.findall(text)
             if target and not re.match(r"[a-z]+:", target)}
    for quoted in QUOTED.findall(text):
        found |= {(word, False) for word in quoted.split()}
    found |= {(word, False) for word in SOURCE.findall(text)}
    return {(name, link) for name, link in found if link or is_own(name, top, room, folders)}


def check_names(readme, paths, folders, problems):
    room = os.path.dirname(readme)
    top = {p.split("/")[0] for p in folders}
    for name, link in sorted(named(lint.read(readme), room, top, folders)):
        if link:
            target = os.path.normpath(os.path.join(room, name))
            if target not in paths and target not in folders:
                problems.append(f"{readme}: links to {name}, which isn't there")
        elif not exists(name, room, paths, folders):
            problems.append(f"{readme}: names {name}, which isn't there")


def main():
    paths = set(lint.files())
    folders = folders_of(paths)
    problems = [f"{room}: has no README.md" for room in sorted(folders)
                if not WITHOUT.fullmatch(room) and f"{room}/README.md" not in paths]
    readmes = sorted(p for p in paths if os.path.basename(p) == "README.md")
    if not readmes:
        problems.append("no README.md found")
    for readme in readmes:
        check_names(readme, paths, folders, problems)
    lint.finish(problems)


if __name__ == "__main__":
    main()
