#!/usr/bin/python3
"""Calls with values that break files, and whether files have them as they were.

    exports.py make COUNT               rows of calls, as COPY reads them
    exports.py COUNT KIND FILE ZONE FROM TO ...
                                        compares files with them, cell by cell

The kind of a file is csv, json or safe; FROM and TO are - for all calls.  Times are worked out by Python's own zones.  With "safe", an apostrophe is to stand in
front of what may be a formula.
"""

import csv
import json
import random
import sys
import unicodedata
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

COLUMNS = ("call_id status disposition direction caller_number callee_number trunk "
           "tenant_id user_id contact_id start_time ring_time answer_time end_time "
           "hangup_cause hangup_source sip_status recording_url anomalies event_count "
           "first_event_time last_event_time").split()
EXPORTED = ("call_id status disposition direction caller_number callee_number trunk "
            "tenant_id user_id contact_id attempt_time start_time ring_time answer_time "
            "end_time duration_seconds billable_seconds talk_seconds hangup_cause "
            "hangup_source sip_status recording_url anomalies event_count "
            "first_event_time last_event_time").split()
GUARDED = ("call_id direction caller_number callee_number trunk tenant_id user_id "
           "hangup_cause hangup_source recording_url").split()

# what begins a formula, and what may stand before it
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212\u02d7"
BEFORE = ["", " ", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u202e", "'", '"', "''", " \u200f'"]
WORDS = ["+4930123456", "1001", "anonymous", "", "a", "\\.", "\\N", "NULL", "null", '"', "''", "a,b", "a;b",
         'say "no"', "two\nlines", "two\r\nlines", "\n", "\r", "\ttab", "tab\tin", "x\x01y", "\x7f", "\\",
         "\\n", " blank ", "\u05d0\u05d1 \u202eRTL\u202c", "\U0001f4de", "e\u0301", "\ufeffbom", "</script>",
         '"><script>alert(1)</script>', "{\"a\": 1}", "1e5", "007", "2026-03-01", "TRUE", "\u2028", "%s",
         "=1+1", "-", "@SUM(A1)", "+", "'=1", "''", "cmd|' /C calc'!A0", "=cmd|' /C calc'!A0", "x" * 3000]


def calls(count):
    """The same calls, whenever it is asked."""
    chance = random.Random(14)
    utc = timezone.utc

    def word():
        if chance.random() < 0.2:
            return None
        if chance.random() < 0.3:
            return chance.choice(BEFORE) + chance.choice(SIGNS) + chance.choice(["", "1+1", "49301", "x"])
        return chance.choice(WORDS)

    def moment(base, most):
        return base + timedelta(microseconds=chance.randrange(most * 1000000))

    for number in range(count):
        # some in the nights when clocks change
        base = chance.choice([datetime(2026, 3, 29, 0, 30, tzinfo=utc), datetime(2026, 10, 25, 0, 0, tzinfo=utc),
                              datetime(2026, 6, 1, tzinfo=utc), datetime(1900, 1, 1, tzinfo=utc)])
        start = moment(base, 10000) if chance.random() < 0.9 else None
        answer = moment(start or base, 60) if chance.random() < 0.6 else None
        end = moment(answer or start or base, 4000) if chance.random() < 0.9 or not (start or answer) else None
        first = start or answer or end
        yield {
            "call_id": f"{number}{word() or ''}", "status": "COMPLETED",
            "disposition": "ANSWERED" if answer else chance.choice(["BUSY", "FAILED", None]),
            "direction": word(), "caller_number": word(), "callee_number": word(), "trunk": word(),
            "tenant_id": word(), "user_id": word(),
            "contact_id": chance.choice([None, 0, -1, 2**63 - 1, -2**63, 9007199254740993]),
            "start_time": start, "ring_time": moment(start, 5) if start and chance.random() < 0.5 else None,
            "answer_time": answer, "end_time": end, "hangup_cause": word(), "hangup_source": word(),
            "sip_status": chance.choice([None, 200, 486]), "recording_url": word(),
            "anomalies": chance.choice([None, ["clock"], ["clock", "no start"]]), "event_count": number + 1,
            "first_event_time": first, "last_event_time": end or first,
        }


def copied(value):
    """A value as COPY reads it."""
    if value is None:
        return "\\N"
    if isinstance(value, list):
        return "{" + ",".join(f'"{v}"' for v in value) + "}"
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    for char, name in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(char, name)
    return text


def seconds(begin, end):
    """Microseconds between two times, or None."""
    return None if begin is None or end is None or end < begin else (end - begin) // timedelta(microseconds=1)


def exported(call, zone):
    """What is to stand in a file, by column: text or None."""
    def told(value):
        if isinstance(value, datetime):
            local = value.astimezone(ZoneInfo(zone))
            return local.isoformat(timespec="microseconds")
        if isinstance(value, list):
            return ",".join(value)
        return None if value is None else str(value)

    row = {name: told(call[name]) for name in COLUMNS}
    talk = seconds(call["answer_time"], call["end_time"])
    length = seconds(call["start_time"], call["end_time"])
    row["attempt_time"] = told(call["start_time"] or call["answer_time"] or call["end_time"])
    row["talk_seconds"] = None if talk is None else f"{talk // 1000000}.{talk % 1000000:06}"
    row["duration_seconds"] = None if length is None else str(length // 1000000)
    row["billable_seconds"] = (None if call["end_time"] is None
                               else str((talk or 0) // 1000000 if call["disposition"] == "ANSWERED" else 0))
    return row


def may_be_formula(text):
    """By Unicode's own names and categories, rather than by a list of characters."""
    if text[:1] in "\t\r\n" and text:
        return True
    for char in text:
        if char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Zs", "Pi", "Pf") or char in "\"'`\u00b4":
            continue
        folded = unicodedata.normalize("NFKC", char)
        return folded in "=+-@" or unicodedata.name(char, "") in ("MINUS SIGN", "MODIFIER LETTER MINUS SIGN")
    return False


def compare(all_calls, kind, rows, names, zone, begin, end):
    """Says how many rows and cells are as they were, and which are not."""
    def attempt(row):
        return datetime.fromisoformat(row["attempt_time"]).astimezone(timezone.utc)

    expected = sorted((exported(call, zone) for call in all_calls), key=lambda r: (attempt(r), r["call_id"].encode()))
    if begin != "-":
        begin, end = (datetime.fromisoformat(t).replace(tzinfo=ZoneInfo(zone)) for t in (begin, end))
        expected = [row for row in expected if begin <= attempt(row) < end]
    wrong = guarded = 0
    if list(names) != EXPORTED:
        print("columns differ:", names)
    for row, right in zip(rows, expected):
        for name in EXPORTED:
            found, told = row[name], right[name]
            if kind == "safe" and name in GUARDED and told is not None and may_be_formula(told):
                guarded += 1
                told = "'" + told
            # Python's reader of CSV knows no difference between nothing and no text
            if found != told if kind == "json" else (found or None) != (told or None):
                wrong += 1
                if wrong < 4:
                    print(name, ascii(found), "instead of", ascii(told))
    print(f"{len(rows)} rows of {len(expected)}, {wrong} cells wrong"
          + (f", {guarded} guarded" if kind == "safe" else ""))


def read(kind, path):
    """The rows of a file, and the names of its columns."""
    with open(path, encoding="utf-8", newline="") as file:
        if kind == "json":
            # a line is an object, whatever its texts hold
            rows = [json.loads(line) for line in file.read().split("\n")[:-1]]
            return rows, rows[0].keys()
        reader = csv.DictReader(file, strict=True)
        return list(reader), reader.fieldnames


def main():
    if sys.argv[1] == "make":
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        for call in calls(int(sys.argv[2])):
            print("\t".join(copied(call[name]) for name in COLUMNS))
        return
    all_calls = list(calls(int(sys.argv[1])))
    arguments = sys.argv[2:]
    while arguments:
        kind, path, zone, begin, end = arguments[:5]
        compare(all_calls, kind, *read(kind, path), zone, begin, end)
        arguments = arguments[5:]


main()
