#!/usr/bin/env python3
"""Changes a file of evidence in every place, and at random; asks cdr-verify of each.

    change_evidence.py CDR-VERIFY FILE [MEMBER]

With a member of the file, that is all that is changed.  Whatever is changed, the file proves no more; no file makes it end with anything but
0, 1 or 2.  What is not under a hash, and may be changed, is named here.
"""

import copy
import importlib.machinery
import importlib.util
import contextlib
import io
import json
import random
import sys

FREE = {"at", "login", "role", "reason", "database", "version", "origin", "unproved",
        "log", "log_index"}

loader = importlib.machinery.SourceFileLoader("cdr_verify", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("cdr_verify", loader))
sys.dont_write_bytecode = True
loader.exec_module(module)
name = sys.argv[2]
part = sys.argv[3] if len(sys.argv) > 3 else None
original = json.load(open(name, encoding="utf-8"))
original["events"] = original["events"][-3:]


def judged(data):
    with open("changed", "wb") as out:
        out.write(data)
    sys.argv = ["cdr-verify", "changed"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return module.main()


def places(thing, path=()):
    """Each value that is no container, and the way to it."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from places(value, path + (key,))
    elif isinstance(thing, list):
        for index, value in enumerate(thing):
            yield from places(value, path + (index,))
    else:
        yield path, thing


used = sorted({event["seal"] for event in original["events"]})
original["seals"] = [original["seals"][seal] for seal in used]
for event in original["events"]:
    event["seal"] = used.index(event["seal"])
assert judged(json.dumps(original).encode()) == 0, "the file holds"
counts = {}
for path, value in places(original):
    if path[-1] in FREE or part is not None and path[0] != part:
        continue
    others = ["", "x", 7, -1, [], {}, 10**40]
    if isinstance(value, str) and value:
        middle = len(value) // 2
        others += [value[:-1], value + "A", value[:middle] + ("B" if value[middle] != "B" else "C") + value[middle + 1:]]
    if value is not None:
        others.append(None)
    for other in others:
        if other == value:
            continue
        changed = copy.deepcopy(original)
        thing = changed
        for step in path[:-1]:
            thing = thing[step]
        thing[path[-1]] = other
        code = judged(json.dumps(changed).encode())
        if code not in (1, 2):
            print("unnoticed:", path, repr(other), code)
        counts[code] = counts.get(code, 0) + 1
if part is not None:
    print(f"changed values of {part}:", "found" if sum(counts.values()) == counts.get(1, 0) + counts.get(2, 0) else counts)
    sys.exit()
print("changed values:", "some" if min(counts.get(1, 0), counts.get(2, 0)) > 50 else counts, "found")

random.seed(1)
text = json.dumps(original).encode()
codes = set()
for _ in range(500):
    data = bytearray(text)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data))
        kind = random.randrange(3)
        if kind == 0:
            data[at] = random.randrange(256)
        elif kind == 1:
            del data[at:at + random.randrange(40)]
        else:
            data[at:at] = bytes(random.choice(b'[]{}",:0-9"\\x') for _ in range(random.randrange(9)))
    codes.add(judged(bytes(data)))
for odd in (b"", b"[", b"[" * 100000, b"1" * 10000, b"\xff", b"null", b'{"format":"cdr-evidence-v1"}', b"NaN", b'{"a":1,"a":2}'):
    code = judged(odd)
    if code != 2:
        print("odd file:", odd[:20], code)
print("changed bytes:", "0, 1 or 2" if codes <= {0, 1, 2} else codes)
