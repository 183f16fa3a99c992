#!/usr/bin/env python3
"""Breaks files of evidence, and asks cdr-verify of each.

    fuzz_evidence.py CDR-VERIFY SEED-FILE [SECONDS]

Without seconds, what is systematic: cut off at each byte, each value replaced by odd ones,
values swapped.  With them, by chance, for that long.  Promises: it ends with 0, 1 or 2,
and with nothing else, within a second; and what it says is proved was in the seed, word
by word.  An input that breaks one is printed.
"""

import base64
import contextlib
import copy
import importlib.machinery
import importlib.util
import io
import json
import os
import random
import sys
import tempfile
import time

loader = importlib.machinery.SourceFileLoader("cdr_verify", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("cdr_verify", loader))
sys.dont_write_bytecode = True
loader.exec_module(module)
with open(sys.argv[2], "rb") as file:
    seed = file.read()
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0
original = json.loads(seed)
directory = tempfile.mkdtemp()
name = os.path.join(directory, "file")
note = original["anchors"][0]["checkpoint"].encode()
counts = {0: 0, 1: 0, 2: 0}

ODD = [
    None, True, "", "\x00", "\ud800", "x" * 70000, "=" * 44, "A" * 43 + "=", "\n\n", "infinity", "-infinity",
    "2026-02-31T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z BC", "999999-01-01T00:00:00Z",
    0, -1, 1, 2**31, 2**63, 10**400, [], {}, [[]], ["x"], [None], {"x": 1}, [1] * 1000,
]


# of an event, how it is proved
BESIDE = {"seal", "position", "proof", "unproved"}


def broken(data, what):
    print(f"broken promise: {what}")
    print(base64.b64encode(data).decode())
    sys.exit(1)


def facts(event):
    """What is said of an event, without how it is proved."""
    return json.dumps({k: v for k, v in event.items() if k not in BESIDE and v is not None}, sort_keys=True)


known = {facts(event) for event in original["events"]}


def judged(data, kept=None):
    with open(name, "wb") as out:
        out.write(data)
    sys.argv = ["cdr-verify", name]
    if kept is not None:
        with open(name + ".kept", "wb") as out:
            out.write(kept)
        sys.argv += ["--checkpoint", name + ".kept"]
    begun = time.process_time()
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = module.main()
    except BaseException as error:
        broken(data, f"{type(error).__name__}: {error}")
    if code not in counts:
        broken(data, f"it ends with {code}")
    if time.process_time() - begun > 1:
        broken(data[:10000], "it takes more than a second")
    counts[code] += 1
    if code == 0:
        events = json.loads(data)["events"]
        if not events or len({facts(event) for event in events}) != len(events):
            broken(data, "events are proved twice, or none is")
        if not {facts(event) for event in events} <= known:
            broken(data, "it proves what was not in the seed")
    return code


def places(thing, path=()):
    yield path, thing
    if isinstance(thing, dict):
        for key in thing:
            yield from places(thing[key], path + (key,))
    elif isinstance(thing, list):
        for index, value in enumerate(thing):
            yield from places(value, path + (index,))


def replaced(path, value):
    changed = copy.deepcopy(original)
    thing = changed
    if not path:
        return value
    for step in path[:-1]:
        thing = thing[step]
    thing[path[-1]] = value
    return changed


def written(thing):
    return json.dumps(thing).encode()


def systematic():
    for end in range(len(seed)):
        if judged(seed[:end]) == 0 and seed[end:].strip():
            broken(seed[:end], "a part of the file is enough")
    for end in range(len(note)):
        if judged(seed, note[:end]) == 0 and end < len(note) - 1:
            broken(note[:end], "a part of the checkpoint is enough")
    all_places = list(places(original))
    for path, value in all_places:
        for odd in ODD:
            judged(written(replaced(path, odd)))
        for _, other in random.sample(all_places, 5):
            judged(written(replaced(path, other)))
        if isinstance(value, (list, dict)) and value:
            judged(written(replaced(path, list(value) * 2 if isinstance(value, list) else {**value, "more": "x"})))
    for odd in (b"", b"[" * 200000, b'{"a":' * 200000, b"1" * 5000, b"\xff\xfe", b"null", b"\x00" * 1000, seed * 2, b"[" + b"[]," * 6000000 + b"[]]"):
        if judged(odd) != 2:
            broken(odd[:10000], "it is a file of evidence")


def by_chance(until):
    while time.monotonic() < until:
        if random.random() < 0.5:
            data = bytearray(seed)
            for _ in range(random.randint(1, 6)):
                at = random.randrange(len(data) + 1)
                length = random.randrange(60)
                kind = random.randrange(4)
                if kind == 0:
                    data[at : at + 1] = bytes([random.randrange(256)])
                elif kind == 1:
                    del data[at : at + length]
                elif kind == 2:
                    data[at:at] = data[(start := random.randrange(len(data) + 1)) : start + length]
                else:
                    data[at:at] = bytes(random.choice(b'[]{}",:0-9\\unul-') for _ in range(length % 9))
            judged(bytes(data), random.choice([None, None, note, bytes(data[:200])]))
        else:
            changed = original
            for _ in range(random.randint(1, 3)):
                paths = list(places(changed))
                path, _ = random.choice(paths)
                value = random.choice(ODD) if random.random() < 0.5 else copy.deepcopy(random.choice(paths)[1])
                if not path:
                    continue
                changed = copy.deepcopy(changed)
                thing = changed
                for step in path[:-1]:
                    thing = thing[step]
                thing[path[-1]] = value
            judged(written(changed), random.choice([None, note]))


random.seed(1)
if judged(seed) != 0 or judged(seed, note) != 0 or judged(seed, note.replace(b"\n", b"\r\n")) != 0:
    broken(seed, "the seed itself does not hold")
if seconds:
    seed_of_chance = random.SystemRandom().randrange(2**32)
    print(f"fuzz_evidence: seed {seed_of_chance}")
    random.seed(seed_of_chance)
    by_chance(time.monotonic() + seconds)
else:
    systematic()
for file in os.listdir(directory):
    os.unlink(os.path.join(directory, file))
os.rmdir(directory)
print(f"evidence: {sum(counts.values())} files judged" + ("" if seconds else " as promised"))
