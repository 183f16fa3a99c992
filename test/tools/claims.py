"""Each number that README.md and doc/ tell is proved, and test/claims says where.

Prints a number that the list lacks, a line of the list that no document has, and a proof
that is not there or says another number.  Run in the root of the project; "--list" prints
lines for what the list lacks, without their proofs.
"""

import functools
import glob
import os
import re
import sys

# A number that is part of a name, an SQLSTATE (the check of messages has these), a time or
# an address of an example, the number of a step or of a test, claims nothing.
NAMES = re.compile(
    r"\b(?:RFCs?|PostgreSQL|RabbitMQ|Debian|AMQP|TLS|SHA|UTF|Q|ISO|Python|HTTP|OpenSSL|Kamailio|Node"
    r"|FreeSWITCH|Asterisk|Grafana|Latin|Base|versions?|articles?|port|CloudEvents|Ed|protobuf-c"
    r"|librabbitmq|zlib|pg_partman|tests?|commit|[Ss]teps?|modes?|fields?|flag|status|August)"
    r"[\s.#-]?\d[\w.-]*(?:\(\d\))?(?:(?:,| to| and| or) \d[\d.]*\b(?! ?(?:[km]?s|%|[kMG]?B|[a-z]{3,})\b))*"
    r"|\b(?:0[\dABFLP]|2[1-8BDF]|3[89BDF]|4[0-4]|5[3-8]|F0|HV|P0|XX)(?:\d\d[\dA-Z]|P\d\d)\b"
    r"|\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d)?)?|\b\d?\d:\d\d(?::\d\d)?\b"
    r"|\+\d{6,}|\b\d+\.\d+\.[\d.]+|\w+@[\d.]+|\b[A-Za-z_]+\d[\w.]*|\w\(\d\)|\b0[0-7]{3}\b|^ *\d\d?\. ", re.M)
NUMBER = re.compile(
    r"(?<![\w.,-])\d+(?:,\d{3})*(?: \d{3})*(?:\.\d+)?"
    r"|(?<!\ball\s)(?<!\bthese\s)(?<!\bof\sthe\s)(?<!\bwhich\sof\s)\b(?:three|four|five|six|seven|eight|nine|ten|twelve|seventeen|twenty|thirty)\b(?! million)"
    r"|\b(?:half|two)(?=\s(?:an?\s)?(?:seconds?|minutes?|hours?|days|weeks|months|years|cores|heartbeats|times)\b)"
    r"|\b(?:a|one)(?=\s(?:second|minute|hour)\b(?! (?:hash|queue|round|server|protocol)))", re.I)
UNITS = {"ms": [1], "s": [1000], "second": [1000], "minute": [60000], "hour": [3600000], "day": [86400000],
         "kB": [1024, 1000], "KiB": [1024], "MB": [1 << 20, 1000000]}
WORDS = {"a": 1, "one": 1, "half": 0.5, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
         "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "seventeen": 17, "twenty": 20, "thirty": 30}


def read(name):
    with open(name, encoding="utf-8") as file:
        return file.read()


def sections(document):
    """Heading and text of each, without examples; links without what they lead to."""
    for part in re.split(r"^#+ ", read(document), flags=re.M):
        heading, _, text = part.partition("\n")
        text = re.sub(r"\]\([^)\s]*\)", "]", re.sub(r"^ {4,}\S.*$", "", text, flags=re.M))
        yield heading, text


def numbers(document, text):
    """Where each stands that claims something."""
    if document == "doc/reliability.md":    # it names tests by their numbers
        text = re.sub(r"\b\d{3}\b", lambda test: "`" * 3 if glob.glob("test/t/%s_*" % test.group()) else test.group(), text)
    masked = re.sub(r"`[^`]*`", lambda code: "`" * len(code.group()), text)
    masked = NAMES.sub(lambda name: "`" * len(name.group()), masked)
    return [found.span() for found in NUMBER.finditer(masked)]


def untested(text):
    """The rows of a table of faults that name no test, or one that is not there."""
    for row in re.findall(r"^\| [KT]?\d+\w? \|.*\|$", text, re.M):
        tests = re.findall(r"\b\d{3}\b|(?:sql|test)/[\w/.]+", row.rstrip("| ").rsplit("|", 1)[1])
        if not tests or not all(glob.glob("test/t/%s_*" % test) or glob.glob(test) or glob.glob(test + ".sql") for test in tests):
            yield row


def meanings(said):
    """What the numbers of a claim can be in the source, with any unit of it in any other."""
    units = {1} | {size for unit, sizes in UNITS.items() for size in sizes if re.search(r"\b%ss?\b" % unit, said)}
    for number in NUMBER.findall(said):
        value = WORDS.get(number.lower()) or float(re.sub("[ ,]", "", number))
        for unit in units:
            for size in (1, 1000, 60000, 3600000, 1024, 1 << 20, .001):
                yield round(value * unit / size, 3)


@functools.lru_cache(maxsize=None)
def constants():
    """What each #define of the source says, by its name and by its file and name."""
    texts = {"USECS_PER_SEC": "1000000", "USECS_PER_MINUTE": "60000000", "USECS_PER_HOUR": "3600000000"}
    for name in glob.glob("src/**/*.[ch]", recursive=True):
        for constant, text in re.findall(r"^#define (\w+)[ \t]+((?:.*\\\n)*.*)", read(name), re.M):
            text = re.sub(r"/\*.*?\*/|\\\n|\(\w+\) *(?=\w)|\(\(\w+\)\{|\}\)", " ", text, flags=re.S)
            texts[name + " " + constant] = text
            texts[constant] = None if constant in texts else text
    return texts


def values(text):
    """The numbers that a constant is, or those of a setting or of a line of the source."""
    for part in text.split(","):
        for _ in range(5):
            part = re.sub(r"\b[A-Z]\w+\b", lambda name: "(%s)" % (constants().get(name.group()) or "?"), part)
        if re.fullmatch(r"[\dxA-Fa-f\s.*+()<-]+", part):
            yield eval(part)


def of_setting(name):
    """Its default and its bounds."""
    source = read("src/base/guc.c")
    yield from values("".join(re.findall(r"^int\s+cdr_%s = (.*);" % name, source, re.M)))
    for bounds in re.findall(r'"cdr_service\.%s",[^{}]*&\w+,\s*([^,]+,[^,]+),' % name, source):
        yield from values(bounds)


def unproved(said, proof):
    """Why a proof is none, or nothing."""
    if proof.startswith("- "):      # no test can prove it, and it says why
        return None
    if re.fullmatch(r"\d{3}", proof):
        return None if glob.glob("test/t/%s_*.pl" % proof) else "there is no such test"
    known = None
    name, _, pattern = proof.partition(": ")
    if constants().get(proof) or re.fullmatch(r"[A-Z_\d]+( \* [A-Z_\d]+)+", proof):
        known = list(values(constants().get(proof, proof)))
    elif proof.startswith("setting "):
        known = list(of_setting(proof[8:]))
    elif not os.path.exists(name.split(" ")[0]):
        return "there is no such file or constant, or more than one"
    elif pattern:
        found = re.search(pattern, read(name))
        known = [float(number.replace(",", "")) for number in
                 re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", found.group())] if found else []
    if known is not None and not set(known) & set(meanings(said)):
        return "that is %s" % known
    return None


def covered_by(span, covered):
    return any(low <= span[0] and span[1] <= high for low, high in covered)


def main():
    rows, bad, count = [], False, 0
    for line in read("test/claims").split("\n"):
        if line and line[0] != "#":
            document, rest = line.split(" | ", 1)
            rows.append([part.strip() for part in (document, *rest.rsplit(" | ", 1))])
    used = set()
    for document in ["README.md"] + sorted(glob.glob("doc/*.md")):
        own = [n for n, row in enumerate(rows) if row[0] == document]
        for heading, text in sections(document):
            for row in untested(text) if document == "doc/reliability.md" else ():
                print("doc/reliability.md names no test, or one that is not there: %s" % row)
                bad = True
            spans = numbers(document, text)
            count += len(spans)
            whole = "# %s (%d)" % (heading, len(spans))
            covered = [(0, len(text)) for n in own
                       if rows[n][1] in (whole, "# %s (*)" % heading) and not used.add(n)]
            for n in own:
                words = r"\s+".join(map(re.escape, rows[n][1].split()))
                for found in re.finditer(words, text):
                    covered.append(found.span())
                    used.add(n)
            former = [n for n in own if n not in used and rows[n][1].startswith("# %s (" % heading)]
            if former and any(not covered_by(span, covered) for span in spans):
                print("test/claims: %s: \"%s\" is \"%s\" by now" % (document, rows[former[0]][1], whole))
                used.update(former)
                bad = True
                continue
            for begin, end in spans:
                if covered_by((begin, end), covered):
                    continue
                bad = True
                if "--list" in sys.argv:
                    around = re.search(r"(?:\S+\s+){0,3}$", text[:begin]).group() + text[begin:end] + \
                        re.match(r"\S*(?:\s+\S+){0,2}", text[end:]).group()
                    print("%s | %s | ?" % (document, " ".join(around.split())))
                else:
                    print("test/claims does not say where %s proves, under \"%s\": ...%s..." % (
                        document, whole, " ".join(text[max(begin - 40, 0):end + 20].split())))
    for n, (document, said, proof) in enumerate(rows):
        if n not in used:
            print("test/claims: %s does not say: %s" % (document, said))
            bad = True
        for each in proof.split("; "):
            if why := unproved(said, each):
                print("test/claims: %s: %s: %s: %s" % (document, said, each, why))
                bad = True
    print("%d numbers" % count)
    sys.exit(bad or count < 500)


main()
