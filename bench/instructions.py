"""The instructions that events take, counted by callgrind.

Events are recorded by cdr_ingest_events() in a server of one process, so nothing
depends on time, and on what else the machine does.  What the first batch takes to
prepare is the same for few batches and for many: so two runs are made, and the
difference is divided by that of their events.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import psycopg

from calls import Event, make_events
from forms import FORMS, Form
from servers import BATCH, DATABASE, BenchError, run, with_library

FEW, MANY = 1, 3  # batches
JSON_FORMS = [form for form in FORMS if form.key in ("cloudevents", "mapped")]
FUNCTIONS = (r"cdr_(ingest_events|event_parse_json|record_events|calls_merge"
             r"|call_events_insert(_new)?|resent_(drop|refuse))")

COUNTED = """
cd "$1"
as_server valgrind -q --tool=callgrind --toggle-collect=cdr_ingest_events \\
	--callgrind-out-file="$1/counts" "$PG_BINDIR/postgres" --single \\
	-D "$1/data" "$2"
"""


class Cluster:
    """A PostgreSQL with the extension, from `with` to the end of its block."""

    def __init__(self, settings: list[str]) -> None:
        self.settings = ["shared_preload_libraries = 'cdr_service'",
                         "cdr_service.paused = on", "fsync = off",
                         "autovacuum = off", *settings]
        self.directory = Path()
        self.port = 0

    def __enter__(self) -> Cluster:
        self.directory = Path(with_library("make_server_dir cdr-bench"))
        self.port = int(with_library("free_port"))
        with_library('make_cluster "$1" "$2"', self.directory,
                     str(self.port), text="\n".join(self.settings) + "\n")
        with_library('start_cluster "$1"', self.directory)
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        with self.connect(DATABASE) as connection:
            connection.execute("CREATE EXTENSION cdr_service")
        return self

    def __exit__(self, *_: object) -> None:
        with_library('stop_cluster "$1" immediate || true', self.directory)
        run("rm", "-rf", self.directory)

    def connect(self, database: str) -> psycopg.Connection:
        """A connection, each of whose statements is a transaction."""
        return psycopg.connect(f"host={self.directory} port={self.port}"
                               f" user=postgres dbname={database}",
                               autocommit=True)

    def fill(self, events: list[Event], form: Form | None,
             options: argparse.Namespace) -> None:
        """Has the events in a table, and all else as it is asked for."""
        bodies = form.of(events) if form else events
        times = [event.time for event in events]
        with self.connect(DATABASE) as connection:
            connection.execute("SELECT cdr_create_partitions(%s, %s)",
                               (min(times), max(times)))
            connection.execute("CREATE TABLE input (n serial, body json)")
            with connection.cursor() as cursor, cursor.copy(
                    "COPY input (body) FROM STDIN") as copy:
                for event in bodies:
                    copy.write_row([event.body.decode()])
            if form and form.mapping:
                connection.execute("INSERT INTO cdr_mappings (name, definition)"
                                   " VALUES ('form', %s)",
                                   [json.dumps(form.mapping)])
            if options.uncounted:
                connection.execute("ALTER TABLE calls DISABLE TRIGGER ALL")
            if options.evidence:
                connection.execute("SELECT cdr_create_evidence_tables()")

    def count(self, batches: int) -> dict[str, int]:
        """Records so many batches, and forgets them; instructions."""
        with self.connect(DATABASE) as connection:
            connection.execute("TRUNCATE call_events, calls, timeless_events")
        with_library('stop_cluster "$1"', self.directory)
        told = with_library(COUNTED, self.directory, DATABASE, text="".join(
            "SELECT cdr_ingest_events(array_agg(body ORDER BY n)) AS recorded"
            f" FROM input WHERE (n - 1) / {BATCH} = {batch}\n"
            for batch in range(batches)))
        if told.count(f'recorded = "{BATCH}"') != batches:
            raise BenchError(f"not all was recorded: {told}")
        counts = read_counts(run("callgrind_annotate", "--inclusive=yes",
                                 "--threshold=100", "--auto=no",
                                 self.directory / "counts"))
        with_library('start_cluster "$1"', self.directory)
        return counts


def read_counts(text: str) -> dict[str, int]:
    """The instructions of each function."""
    counts: dict[str, int] = {}
    for line in text.splitlines():
        found = re.match(r"\s*([\d,]+) (?:\([ \d.]+%\)\s+)?\S*:(\w+)", line)
        if found:
            # the greatest is that of the function, others are what is inlined
            counts.setdefault(found[2], int(found[1].replace(",", "")))
    return counts


def main() -> None:
    """Prints instructions an event."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--form", choices=[form.key for form in JSON_FORMS])
    parser.add_argument("--uncounted", action="store_true")
    parser.add_argument("--evidence", action="store_true")
    parser.add_argument("--functions", default=FUNCTIONS)
    options = parser.parse_args()
    form = next((form for form in JSON_FORMS if form.key == options.form),
                None)
    settings = ["cdr_service.evidence = on"] if options.evidence else []
    with Cluster(settings) as cluster:
        cluster.fill(make_events(MANY * BATCH, 1), form, options)
        few = cluster.count(FEW)
        many = cluster.count(MANY)
    for name in sorted(many, key=lambda name: -many[name]):
        if re.fullmatch(options.functions, name):
            each = (many[name] - few.get(name, 0)) / ((MANY - FEW) * BATCH)
            print(f"{each:10.0f}  {name}")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench/instructions: {error}")
