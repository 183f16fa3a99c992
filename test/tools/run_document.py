"""Runs the statements of documents, in the order in which they stand there.

    test/tools/run_document.py DOCUMENT...

An indented paragraph that begins with a word of SQL, or a command of psql, is run by
psql, in one session for each document.  None may fail; and a result that is shown below
a statement has the columns that the statement returns.  (The values depend on the day.)
"""

import re
import subprocess
import sys

STATEMENT = re.compile(
    r"    (SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|GRANT|CALL|COPY|BEGIN|\\\w)")


def names(lines):
    """The columns of a result, as psql prints it: aligned, or expanded."""
    if len(lines) > 1 and re.match(r"[-+]+$", lines[1]):
        return [name.strip() for name in lines[0].split("|")]
    return [line.split("|")[0].strip() for line in lines if "|" in line]


def main():
    bad = False
    for document in sys.argv[1:]:
        paragraphs = re.split(r"\n\n+", open(document, encoding="utf-8").read())
        numbers = [n for n, text in enumerate(paragraphs)
                   if STATEMENT.match(text) and "CREATE EXTENSION" not in text]
        script = "\\pset footer off\n" + "".join(
            "\\echo @@@%d\n%s\n" % (n, re.sub(r"(?m)^    ", "", paragraphs[n]))
            for n in numbers)
        ran = subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", "-"],
                             input=script, capture_output=True, text=True, check=False)
        results = {int(n): [line.rstrip() for line in text.strip("\n").split("\n")
                            if not line.startswith("-[ RECORD")]
                   for n, text in re.findall(r"@@@(\d+)\n(.*?)(?=@@@|\Z)", ran.stdout, re.S)}
        print("%s: %d of %d statements were run" % (document, len(results), len(numbers)))
        if ran.returncode != 0 or not numbers or len(results) < len(numbers):
            print(ran.stderr)
            bad = True
        shown = 0
        for n in numbers:
            below = paragraphs[n + 1].split("\n") if n + 1 < len(paragraphs) else [""]
            if n + 1 in numbers or not re.match(r"    .*\|", below[0]) \
                    and not re.match(r"    +-+$", below[min(1, len(below) - 1)]):
                continue
            shown += 1
            there = names([line[4:].rstrip() for line in below])
            said = names(results.get(n, []))
            # what is empty may be left out of an expanded result
            if not there or any(name not in said for name in there):
                print("%s: not the columns of a result:\n%s\n%s" % (document, there, said))
                bad = True
        print("%s: %d results have the columns that are shown" % (document, shown))
    sys.exit(bad)


main()
