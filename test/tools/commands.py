"""Each command of README.md and doc/ is run by a test, which test/documents names.

Prints a command that the list lacks, and a line of the list that no document has or
whose test is not there.  Run in the root of the project.
"""

import glob
import os
import re
import sys

STATEMENT = re.compile(r"(?:--|\\\w|WITH|SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|GRANT|REVOKE"
                       r"|SET|CALL|COPY|BEGIN|DROP|LISTEN)\b")
PROGRAM = re.compile(r"(?:(?:scripts|bench|debian/tests)/\S+|\.|[A-Z]+='?[^' ]*'? \S+|apt|apt-get|make|psql"
                     r"|pg_\w+|curl|rabbitmqctl|install|cp|su|openssl|amqp-publish|echo|cd|systemctl"
                     r"|createdb|dropdb|cdr-verify|cdr-anchor|VACUUM|python3|gpg|npm|chmod|chown|rm|mv)(?: |$)")


def commands(document):
    """How each command begins: "SQL", or the line."""
    with open(document, encoding="utf-8") as file:
        text = file.read()
    for paragraph in re.split(r"\n\n+", text):
        if not re.match(r" {4,}\S", paragraph):
            continue
        lines = [line.strip() for line in re.sub(r"\\\n", " ", paragraph).split("\n")]
        if STATEMENT.match(lines[0]):
            yield "SQL"
            continue
        for line in lines:
            if PROGRAM.match(line) and not re.match(r"[\w.]+ = ", line):
                yield line


def main():
    bad = False
    rows = []
    with open("test/documents", encoding="utf-8") as file:
        for line in file:
            if line.strip() and line[0] != "#":
                rows.append([part.strip() for part in line.split("|", 2)])
    used = set()
    found = 0
    for document in ["README.md"] + sorted(glob.glob("doc/*.md")):
        for command in commands(document):
            found += 1
            fits = [n for n, row in enumerate(rows)
                    if row[0] == document and command.startswith(row[1])]
            used.update(fits)
            if not fits:
                print("test/documents does not say who runs, in %s: %s" % (document, command))
                bad = True
    for number, (document, begin, test) in enumerate(rows):
        if number not in used:
            print("test/documents: %s has no command that begins like %s" % (document, begin))
            bad = True
        if test[0] == "-" and not re.match(r"- (?!the same)(\S+ ){4}", test):
            print("test/documents: why does nothing run, in %s: %s" % (document, begin))
            bad = True
        elif test[0] != "-" and not os.path.exists(test):
            print("test/documents: there is no %s" % test)
            bad = True
        elif not test.startswith(("- ", "scripts/", "debian/")):
            with open(test, encoding="utf-8") as file:
                text = file.read()
                if os.path.basename(document)[:-3] not in text and begin.split(" ")[0] not in text:
                    print("test/documents: %s names neither %s nor %s" % (test, document, begin))
                    bad = True
    print("%d commands" % found)
    sys.exit(bad or found < 200)


main()
