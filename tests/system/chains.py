"""What has to hold of the journal, whatever was killed: nothing is missing, and nothing is twice."""

import json


def read(s, *args):
    """Its events, by supctl."""
    return [json.loads(line) for line in s.ok("--json", "events", *args).splitlines()]


def check_numbers(test, events):
    seqs = [e["seq"] for e in events]
    test.assertEqual(list(range(seqs[0], seqs[0] + len(seqs))), seqs, "no gap, nothing twice")


def check_changes(test, events):
    """
    Each change once: it begins where the one before it has ended; each end and start once. Returns
    the last states, and (type, service, generation) of starts and ends.
    """
    state, seen = {}, set()
    for e in events:
        name = e["service"]
        if e["type"] == "state":
            test.assertEqual(state.get(name, "stopped"), e["previous"], e)
            test.assertNotEqual(e["previous"], e["state"], e)
            state[name] = e["state"]
        elif e["type"] == "removed":
            state.pop(name)
        elif e["type"] in ("start", "exit"):
            key = (e["type"], name, e["generation"])
            test.assertNotIn(key, seen)
            seen.add(key)
    return state, seen
