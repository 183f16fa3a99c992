"""doc/troubleshooting.md and the source have the same messages, but for those that the
document calls "(the server's own)".

Prints what either lacks.  Run in the root of the project; "--list" prints what is
found in the source.
"""

import glob
import re
import sys

DOCUMENT = "doc/troubleshooting.md"

# Functions that are given a message, and as which argument.
PLACES = {"errmsg": 0, "errmsg_internal": 0, "errmsg_plural": 0, "cdr_fail": 2,
          "cdr_session_fail": 2, "cdr_warnings_set": 3, "cdr_no_event": 1,
          "cdr_upkeep_failed": 0}

LITERAL = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(LITERAL + r"|'(?:[^'\\]|\\.)'|[(){},]")
NUMBER = r"(?:U?INT64_FORMAT|PRI[ud]64)"


def arguments(text, begin):
    """The arguments of a call whose bracket opens just before begin."""
    found, depth, start = [], 0, begin
    for token in TOKEN.finditer(text, begin):
        mark = token.group()
        if mark in "({":
            depth += 1
        elif mark in ")}" and depth > 0:
            depth -= 1
        elif mark in ")}":
            return found + [text[start:token.start()]]
        elif mark == "," and depth == 0:
            found.append(text[start:token.start()])
            start = token.end()
    return found


def texts(argument):
    """Its texts, each put together from the literals that stand side by side."""
    for run in re.findall(r"(?:(?:%s|%s)\s*)+" % (LITERAL, NUMBER), argument):
        parts = re.findall("%s|%s" % (LITERAL, NUMBER), run)
        # PRIu64 and its like come after a "%" of their own
        yield "".join(part[1:-1] if part[0] == '"' else
                      "s" if part[:3] == "PRI" else "%s" for part in parts)


def shown(text):
    """The text as the document has it: "..." for what differs."""
    text = text.replace('\\"', '"').replace("\\n", " ")
    text = re.sub(r": %m$", "", text)
    text = re.sub(r"%[-+.\d*]*(?:ll?|z)?[a-zA-Z]?", "...", text)
    return re.sub(r"\.{4,}", "...", text).strip()


def of_c(name):
    text = re.sub(r"/\*.*?\*/", "", open(name, encoding="utf-8").read(), flags=re.S)
    for call in re.finditer(r"\b(%s)\(" % "|".join(PLACES), text):
        given = arguments(text, call.end())
        place = PLACES[call.group(1)]
        for found in texts(given[place]) if place < len(given) else ():
            if call.group(1) == "cdr_upkeep_failed":
                found = "could not %s: ..." % found
            yield shown(found)
    # and those that stand in a reason or in what a worker tells, with no call around
    for said in re.finditer(r"(?:->|\.)message = (?=%s)" % LITERAL, text):
        yield shown(next(texts(arguments(text, said.end())[0])))


def of_sql(name):
    text = re.sub(r"^\s*--.*$", "", open(name, encoding="utf-8").read(), flags=re.M)
    for raised, said in re.findall(
            r"\bRAISE (?:EXCEPTION |WARNING |NOTICE |LOG )?'((?:[^']|'')*)'"
            r"|\bMESSAGE = (?:format\()?'((?:[^']|'')*)'", text):
        yield shown((raised or said).replace("''", "'"))


def main():
    document = re.sub(r"\s+", " ", open(DOCUMENT, encoding="utf-8").read())
    rows = re.findall(r"^\| (`.*?) \|", open(DOCUMENT, encoding="utf-8").read(), re.M)
    rows = [row for row in rows if not row.endswith("(the server's own)")]
    found, everything, bad = 0, "", False
    for name in sorted(glob.glob("src/*/*.[ch]") + glob.glob("src/**/*.sql", recursive=True)):
        for text in of_sql(name) if name.endswith(".sql") else of_c(name):
            if not re.search(r"[a-z]{3}", text.replace("could not", "")):
                continue
            found += 1
            everything += text + "\n"
            if "--list" in sys.argv:
                print(name, text)
            elif "`%s`" % text not in document:
                print("%s lacks `%s` of %s" % (DOCUMENT, text, name))
                bad = True
        everything += "\n".join(texts(open(name, encoding="utf-8").read())).replace('\\"', '"')
    for row in rows:
        for text in re.findall(r"`([^`]*)`", row):
            part = max(text.split("..."), key=len)
            if part not in everything:
                print("%s has `%s`, which no source has" % (DOCUMENT, text))
                bad = True
    if found < 200 or len(rows) < 100:
        print("hardly any message was found: %d, in %d rows" % (found, len(rows)))
        bad = True
    sys.exit(bad)


main()
