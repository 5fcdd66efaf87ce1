"""The man pages pass mandoc's lint, and say what the programs' tables say: no key, verb or option
is missing, and none is there that the programs don't know; and what a change of a key takes."""

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
# {"command", RESTART, …; {"log.file", .effect_of = …; {"limits.core", LIMIT, …; all others are LIVE
RULE = re.compile(r'^\t\{"([\w.-]+)", (\w+|\.effect_of)', re.M)
EFFECT = {"RESTART": "started again", ".effect_of": "depends", "LIMIT": "depends",
          "LIVE": "runs on", "REFUSED": "refused"}
# told by the names of variables, each of which is told to the service when it is started
VARIABLES = {"environment", "env-file"}
OPTION = re.compile(r'^\t\t\{"([\w-]+)", \w+_argument', re.M)
# Of supctl: {VERB_PEEK, "--peek"}; an entry of the table of verbs; and a text about one.
VERB_OPTION = re.compile(r'^\t\{(VERB_\w+), "--([\w-]+)"', re.M)
VERB_ENTRY = re.compile(r'^\t\{\n\t\t\.name = "([\w-]+)",\n(.*?)^\t\},$', re.M | re.S)
TEXT = re.compile(r'^static const char (\w+)\[\] =\n(.*?);$', re.M | re.S)


def keys():
    text = lint.read("conf/keys/schema.c")
    found = {section + key + alone + other for section, key, alone, other in KEY.findall(text)}
    entries = [line for line in text.split("\n") if re.match(r'\t([A-Z]+\("|\{")', line)]
    understood = len(KEY.findall(text)) + len(LATER.findall(text))
    if len(entries) != understood:
        lint.finish([f"conf/keys/schema.c: {len(entries)} entries, and {understood} that this test can read"])
    return found


def changes(page):
    """Which keys need what, by the page's list: {"started again": {keys}, "depends": {keys}}."""
    section = re.search(r"^\.Sh CHANGES$(.*?)^\.Sh ", lint.read(page), re.M | re.S).group(1)
    items = re.findall(r"^\.It Sy (.*)$\n((?:(?!\.It |\.El).*\n)*)", section, re.M)
    return {head: {word for line in first_sentence(body) for word in line.replace(",", " ").split()
                   if re.fullmatch(r"[\w.-]+[\w]", word)} for head, body in items}


def first_sentence(body):
    """The keys in .Ic lines of its first sentence; those after it explain."""
    for line in body.split("\n"):
        if line.startswith(".Ic "):
            yield line[4:].removesuffix(" .").removesuffix(" ;")
        if line.endswith("."):
            return


def compare_changes(page):
    """What a change of a key takes: the page's list against the rules in conf/diff/diff_rules.c."""
    text = lint.read("conf/diff/diff_rules.c")
    table = text[text.index("service_rules[] = {"):text.index("global_rules[] = {")]
    known = {}
    for key, word in RULE.findall(table):
        if word not in EFFECT:
            return [f"conf/diff/diff_rules.c: {key}: this test does not know {word}"]
        known.setdefault(EFFECT[word], set()).add(key)
    if len(RULE.findall(table)) < 60:
        return ["conf/diff/diff_rules.c: too few rules found in it; has its form changed?"]
    known["started again"] |= VARIABLES
    told = changes(page)
    return [f"{page}: under '{effect}', CHANGES {word} '{key}', unlike conf/diff/diff_rules.c"
            for effect in ("started again", "depends")
            for word, keys_of in (("lacks", known[effect] - told.get(effect, set())),
                                  ("has", told.get(effect, set()) - known[effect]))
            for key in sorted(keys_of)]


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


def head_of(page, verb):
    """The line that begins a verb's text, and the heads of the list of options in that."""
    found = re.search(rf"^\.It Cm {verb}\b(.*?)(?=^\.It Cm |\Z)", page, re.M | re.S)
    lines = found.group(1).split("\n") if found else [""]
    return " ".join([lines[0]] + [line for line in lines[1:] if line.startswith(".It Fl")])


def verb_options():
    """What each verb takes, its own help says and the page says: the same options."""
    table, page = lint.read("ctl/verbs.c"), lint.read("contrib/man/supctl.1")
    names = dict(VERB_OPTION.findall(lint.read("ctl/cli.c")))
    short = {"f": "follow", "n": "lines", "i": "ignore-case", "c": "config"}
    texts = dict(TEXT.findall(table))
    problems, n = [], 0
    for verb, entry in VERB_ENTRY.findall(table):
        given = re.search(r"\.options = ([^,]*)", entry)
        taken = {names[o] for o in re.findall(r"VERB_\w+", given.group(1))} if given else set()
        variable = re.search(r"\.details = (\w+)", entry)
        details = texts.get(variable.group(1), "") if variable else entry
        helped = set(re.findall(r'^\t+"  .*?--([\w-]+)', details, re.M))
        told = {short.get(o.lstrip("-"), o.lstrip("-"))
                for o in re.findall(r"\bFl (-?[\w-]+)", head_of(page, verb))}
        for where, options in (("ctl/verbs.c: the help of", helped),
                               ("contrib/man/supctl.1: the text of", told)):
            problems += [f"{where} '{verb}' lacks --{o}" for o in sorted(taken - options)]
            problems += [f"{where} '{verb}' has --{o}, which it does not take"
                         for o in sorted(options - taken)]
        n += 1
    if n != len(VERB.findall(table)) or not names:
        problems.append(f"ctl/verbs.c: {n} verbs can be read by this test")
    return problems


def main():
    problems = verb_options() + compare("contrib/man/supervisord.conf.5", "Ic", keys(), "conf/keys/schema.c")
    problems += compare_changes("contrib/man/supervisord.conf.5")
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
