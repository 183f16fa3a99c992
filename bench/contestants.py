"""Who is compared, and how each is run and timed.

The same rules for all:  the queue is filled, and both servers are at rest,
before anybody starts.  The clock runs from the first commit to the last, and
counts the events committed between them, so that nobody's start is timed.
Afterwards the tables are compared with what the service has stored for the
same events: whoever merges wrongly is not measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from calls import Event, write_messages
from copy_limit import SQL, Load, Loader, prepare_load
from forms import Form
from servers import (BATCH, DATABASE, QUEUE, ROOT, BenchError, Cpu, Servers,
                     read_process, wait_until)

DAYS_AT_ONCE = 1000  # as many as one call makes
RIVALS_DATABASE = "rivals"  # of all that are not the service
CONSUMERS = ROOT / "tmp/bench/consumers"  # where bench/prepare puts them
SYSTEM_PYTHON = "/usr/bin/python3"  # the one that has Debian's packages
LONGEST_RUN_SECONDS = 600
MAPPINGS_MAX = 32  # that can be in force

# What people read, without what each merge needs.
DIGEST_OF_CALLS = (
    "SELECT md5(string_agg(ROW(call_id, status, disposition, direction,"
    " caller_number, callee_number, start_time, answer_time, end_time,"
    " duration_seconds, billable_seconds, hangup_cause, hangup_source,"
    " tenant_id, user_id, contact_id, recording_url, event_count,"
    " first_event_time, last_event_time)::text, chr(10) ORDER BY call_id))"
    " FROM calls")
# without received_at, recorded_at and salt, which no two runs share
DIGEST_OF_LOG = (
    "SELECT md5(string_agg(md5((event_time, event_id, call_id, event_type,"
    " trace_id, tenant_id, routing_key, time_source,"
    " payload::text, body)::text), ''"
    " ORDER BY call_id, event_id)) FROM call_events")

# What all forms of the same events must agree on: all but the identities,
# which are those of the bytes, and the bytes.
FACTS_OF_CALLS = (
    "SELECT md5(string_agg((to_jsonb(c) - 'merge_state')::text,"
    " chr(10) ORDER BY call_id)) FROM calls AS c")
FACTS_OF_LOG = (
    "SELECT md5(string_agg(md5((event_time, call_id, event_type, trace_id,"
    " tenant_id, routing_key)::text), ''"
    " ORDER BY call_id, event_time, event_type)) FROM call_events")


class Messages:
    """Events, and the file that publishes them.

    same_as are the same events in native JSON, where form is another;
    published, what is sent where some are sent more than once; is_old tells
    those of long ago.
    """

    # pylint: disable-next=too-many-arguments,too-many-positional-arguments
    def __init__(self, events: list[Event], path: Path,
                 same_as: Messages | None = None, form: Form | None = None,
                 published: list[Event] | None = None,
                 is_old: bool = False):
        self.events = events
        self.form = form
        self.is_old = is_old
        self.repetitions = len(published) - len(events) if published else 0
        self.path = path
        self.same_as = same_as
        self.body_bytes = sum(len(event.body) for event in events)
        self.digests: tuple[str, str] | None = None  # set by the service
        self.facts: tuple[str, str] | None = None  # at the same time
        self._loads: dict[tuple[int, str], Load] = {}
        write_messages(path, published or events)

    def __len__(self) -> int:
        return len(self.events)

    def load(self, size: int, merging: str) -> Load:
        """The events as COPY sends them; made once."""
        if (size, merging) not in self._loads:
            self._loads[size, merging] = prepare_load(self.events, size,
                                                      merging)
        return self._loads[size, merging]


@dataclass(frozen=True)
class Measured:
    """What one run took: times in microseconds of CPU, for all its events."""

    events: int
    seconds: float
    consumer_cpu: int
    backend_cpu: int
    postgres_cpu: int
    broker_cpu: int
    wal_bytes: int
    disk_bytes_per_event: float
    batch: float  # events in a transaction, on average

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds

    def per_event(self, amount: float) -> float:
        """An amount, divided by the number of events."""
        return amount / self.events

    @property
    def all_cpu(self) -> int:
        """The CPU time of all processes."""
        return (self.consumer_cpu + self.backend_cpu + self.postgres_cpu
                + self.broker_cpu)


def add_partitions(servers: Servers, database: str,
                   events: list[Event]) -> None:
    """Makes the partitions that the events need."""
    times = [event.time for event in events]
    servers.sql(f"SELECT cdr_create_partitions('{min(times)}',"
                f" '{max(times)}')", database)


def make_rivals_tables(servers: Servers, events: list[Event]) -> None:
    """The database of all that are not the service: its log, their calls."""
    servers.create_database(RIVALS_DATABASE)
    add_partitions(servers, RIVALS_DATABASE, events)
    servers.sql("DROP EXTENSION cdr_service", RIVALS_DATABASE)
    servers.sql("DROP TABLE calls", RIVALS_DATABASE)
    servers.sql((SQL / "calls.sql").read_text(encoding="utf-8"),
                RIVALS_DATABASE)


def check_tables(servers: Servers, database: str, messages: Messages) -> None:
    """Compares the tables with what the service stored for these messages."""
    stored = servers.value("SELECT count(*) FROM call_events", database)
    if stored != len(messages):
        raise BenchError(f"{stored} events are stored, of {len(messages)}")
    digests = (servers.value(DIGEST_OF_CALLS, database),
               servers.value(DIGEST_OF_LOG, database))
    if messages.digests is None:
        messages.digests = digests
        messages.facts = (servers.value(FACTS_OF_CALLS, database),
                          servers.value(FACTS_OF_LOG, database))
        if messages.same_as and messages.facts != messages.same_as.facts:
            raise BenchError("the forms of the same events do not agree")
    if digests[0] != messages.digests[0]:
        raise BenchError("calls differs from what the service stored")
    if digests[1] != messages.digests[1]:
        raise BenchError("call_events differs from what the service stored")


class Contestant(ABC):
    """One line of the table."""

    def __init__(self, key: str, title: str, queue: str, batch: int,
                 messages: Messages):
        self.key = key
        self.title = title
        self.queue = queue  # its type; "" without a queue
        self.batch = batch
        self.messages = messages

    @property
    def label(self) -> str:
        """The title, and what else tells it from others."""
        on_queue = f", {self.queue} queue" if self.queue else ""
        return f"{self.title}{on_queue}, batches of {self.batch}"

    @abstractmethod
    def run(self, servers: Servers) -> Measured:
        """Runs once."""

    def disk_per_event(self, servers: Servers, database: str) -> float:
        """Disk space of the tables, after a run."""
        return servers.disk_bytes(database) / len(self.messages)


class Service(Contestant):
    """The extension."""

    def __init__(self, queue: str, messages: Messages, *, workers: int = 1,
                 batch: int = BATCH, mappings: int = 0,
                 counted: bool = True, evidence: bool = False):
        plural = "s" if workers > 1 else ""
        form = f", {messages.form.title}" if messages.form else ""
        suffix = f"/{messages.form.key}" if messages.form else ""
        if messages.repetitions:
            share = round(100 * messages.repetitions / len(messages))
            form += f", {share} % repetitions"
            suffix += f"/repeats_{share}"
        if messages.is_old:
            form += ", events of long ago"
            suffix += "/old"
        if mappings:
            form += f", {mappings} mappings in force"
            suffix += f"/mappings_{mappings}"
        if not counted:
            form += ", without the rollup"
            suffix += "/uncounted"
        if evidence:
            form += ", with evidence"
            suffix += "/evidence"
        super().__init__(f"service/{queue}/{workers}/{batch}{suffix}",
                         f"service, {workers} worker{plural}{form}", queue,
                         batch, messages)
        self.workers = workers
        self.mappings = mappings
        self.counted = counted
        self.evidence = evidence

    def run(self, servers: Servers) -> Measured:
        """Fills the queue while the service is paused, and lets it go."""
        servers.start_service(self.workers, self.batch, self.queue,
                              paused=True,
                              evidence="on" if self.evidence else "off")
        servers.sql("SELECT cdr_create_evidence_tables()")
        servers.sql("TRUNCATE call_events, calls, cdr_unsealed, cdr_seals,"
                    " cdr_log, cdr_checkpoints")
        self.enable_mappings(servers)
        # (the triggers, too, which the last one may have disabled)
        servers.sql("SELECT cdr_rebuild_rollup()")
        if not self.counted:
            servers.sql("ALTER TABLE calls DISABLE TRIGGER ALL")
        servers.publish(self.messages.path)
        servers.settle()
        servers.sql("SELECT cdr_resume()")

        first = wait_until(lambda: self.progress(servers, 1), "a first commit")
        cpu, wal = servers.cpu(), servers.wal_lsn()
        last = wait_until(lambda: self.progress(servers, self.deliveries),
                          "the last commit", LONGEST_RUN_SECONDS, poll=0.05)
        cpu, wal = servers.cpu() - cpu, servers.wal_lsn() - wal

        self.check(servers)
        self.seal(servers)
        return Measured(last.stored - first.stored,
                        (last.committed - first.committed).total_seconds(),
                        cpu.worker, 0, cpu.postgres_other, cpu.broker, wal,
                        self.disk_per_event(servers, DATABASE),
                        last.stored / last.batches)

    def seal(self, servers: Servers) -> None:
        """Makes seals of what waits for them, and looks whether all fits."""
        while servers.value("SELECT cdr_seal()"):
            pass
        # what passes through that table is not kept
        servers.sql("VACUUM FULL cdr_unsealed")
        problems = servers.value("SELECT count(*) FROM cdr_verify_evidence()")
        if problems and self.evidence:
            raise BenchError(f"cdr_verify_evidence() found {problems}")
        if servers.value("SELECT count(*) > 0 FROM cdr_seals") != self.evidence:
            raise BenchError("there are seals where there should be none, or"
                             " none")

    def enable_mappings(self, servers: Servers) -> None:
        """Has in force what the messages need, and presets up to a number."""
        servers.sql("DELETE FROM cdr_mappings")
        if self.messages.form and self.messages.form.mapping:
            definition = json.dumps(self.messages.form.mapping)
            servers.sql("INSERT INTO cdr_mappings (name, definition)"
                        f" VALUES ('form', '{definition}')")
        # those of rows of files match everything
        presets = sorted(path.stem for path
                         in (ROOT / "share/mappings").glob("*.json")
                         if not path.stem.startswith("csv_"))
        for number in range(self.mappings):
            preset = presets[number % len(presets)]
            servers.sql("INSERT INTO cdr_mappings (name, definition)"
                        f" SELECT 'preset {number}',"
                        f" cdr_mapping_preset('{preset}')")

    @property
    def deliveries(self) -> int:
        """Messages, repetitions included."""
        return len(self.messages) + self.messages.repetitions

    @staticmethod
    def progress(servers: Servers, least: int) -> Any:
        """How far the workers are; None before so many are stored."""
        row = Progress(*servers.sql(
            "SELECT sum(recorded + duplicates)::int, sum(batches)::int,"
            " max(last_commit_time)"
            " FROM cdr_status()")[0])
        return row if row.stored >= least else None

    def check(self, servers: Servers) -> None:
        """Raises unless everything was recorded once, and merged rightly."""
        counts = servers.sql(
            "SELECT sum(recorded)::int, sum(duplicates)::int,"
            " sum(dead_letters)::int FROM cdr_status()")[0]
        if counts != (len(self.messages), self.messages.repetitions, 0):
            raise BenchError(f"recorded, repeated and dead are {counts}, of"
                             f" {len(self.messages)} events")
        wrong = servers.value("SELECT count(*) FROM cdr_verify_calls()")
        if wrong:
            raise BenchError(f"cdr_verify_calls() found {wrong} calls")
        wrong = servers.value("SELECT count(*) FROM cdr_verify_rollup()")
        if wrong and self.counted:
            raise BenchError(f"cdr_verify_rollup() found {wrong} counts")
        check_tables(servers, DATABASE, self.messages)


@dataclass(frozen=True)
class Progress:
    """How far the service is, and when it came there."""

    stored: int  # recorded, or found recorded
    batches: int
    committed: Any


class Copy(Contestant):
    """COPY of rows that are encoded already: the limit."""

    TITLES = {"events": "COPY and merge", "calls": "COPY, merged beforehand",
              "nothing": "COPY alone, no merge"}

    def __init__(self, merging: str, messages: Messages, *,
                 batch: int = BATCH):
        super().__init__(f"copy/{merging}/{batch}", self.TITLES[merging], "",
                         batch, messages)
        self.merging = merging

    def run(self, servers: Servers) -> Measured:
        """Sends it all over one connection."""
        load = self.messages.load(self.batch, self.merging)
        servers.pause()
        servers.sql("TRUNCATE call_events, calls", RIVALS_DATABASE)
        loader = Loader(servers.dsn(RIVALS_DATABASE))
        servers.settle()
        before = []

        def cost() -> tuple[Cpu, int]:
            return servers.cpu([loader.backend_pid]), servers.wal_lsn()

        spent = loader.send(load, lambda: before.append(cost()))
        (cpu_before, wal_before), (cpu_after, wal_after) = before[0], cost()
        cpu, wal = cpu_after - cpu_before, wal_after - wal_before
        loader.close()

        if self.merging != "nothing":
            check_tables(servers, RIVALS_DATABASE, self.messages)
        return Measured(spent.events, spent.seconds, spent.client_cpu,
                        cpu.worker, cpu.postgres_other, cpu.broker, wal,
                        self.disk_per_event(servers, RIVALS_DATABASE),
                        self.batch)


class Partitions(Contestant):
    """Repetitions, by SQL, in a log of so many partitions."""

    ROUNDS = 25

    def __init__(self, count: int, messages: Messages):
        super().__init__(f"partitions/{count}",
                         f"repetitions among {count} partitions", "", BATCH,
                         messages)
        self.count = count
        self.database = f"partitions_{count}"
        self.is_made = False

    def run(self, servers: Servers) -> Measured:
        """Records one batch again and again."""
        if not self.is_made:
            self.make(servers)
        cpu, wal = servers.cpu([]), servers.wal_lsn()
        began, own = time.monotonic(), self.backend_cpu(servers)
        for _ in range(self.ROUNDS):
            if self.ingest(servers) != 0:
                raise BenchError("a repetition was taken for a new event")
        seconds = time.monotonic() - began
        own = self.backend_cpu(servers) - own
        cpu, wal = servers.cpu([]) - cpu, servers.wal_lsn() - wal
        return Measured(self.ROUNDS * BATCH, seconds, 0, own,
                        cpu.postgres_other, cpu.broker, wal, 0.0, BATCH)

    def make(self, servers: Servers) -> None:
        """The database, its partitions and the events, once."""
        servers.create_database(self.database)
        servers.sql("SET cdr_service.partition_interval = 'day'",
                    self.database)
        last = max(event.time for event in self.messages.events)
        for past in range(0, self.count, DAYS_AT_ONCE):
            days = min(DAYS_AT_ONCE, self.count - past)
            newest = last - timedelta(days=past)
            oldest = newest - timedelta(days=days - 1)
            servers.sql(f"SELECT cdr_create_partitions('{oldest}',"
                        f" '{newest}')", self.database)
        self.ingest(servers)
        self.is_made = True

    def ingest(self, servers: Servers) -> int:
        """How many events of the batch were new."""
        bodies = ", ".join(
            "'" + event.body.decode().replace("'", "''") + "'"
            for event in self.messages.events[:BATCH])
        return int(servers.value(
            f"SELECT cdr_ingest_events(ARRAY[{bodies}]::json[])",
            self.database))

    def backend_cpu(self, servers: Servers) -> int:
        """CPU time of the session so far."""
        process = read_process(servers.value("SELECT pg_backend_pid()",
                                             self.database))
        return process.cpu if process else 0


class Consumer(Contestant):
    """A program that consumes from the queue and writes to the database."""

    def __init__(self, key: str, title: str, command: list[str], queue: str,
                 messages: Messages, *, batch: int = BATCH):
        super().__init__(key, title, queue, batch, messages)
        self.command = command

    def run(self, servers: Servers) -> Measured:
        """Runs the program until it has committed everything."""
        servers.pause()
        servers.make_queue(self.queue)
        servers.sql("TRUNCATE call_events, calls", RIVALS_DATABASE)
        servers.publish(self.messages.path)
        servers.settle()

        with self.started(servers) as process:
            first = read_report(process)
            cpu, wal = servers.cpu([]), servers.wal_lsn()
            last = read_report(process)
            cpu, wal = servers.cpu([]) - cpu, servers.wal_lsn() - wal

        check_tables(servers, RIVALS_DATABASE, self.messages)
        return Measured(last["events"] - first["events"],
                        last["seconds"] - first["seconds"],
                        last["cpu"] - first["cpu"], 0, cpu.postgres_other,
                        cpu.broker, wal,
                        self.disk_per_event(servers, RIVALS_DATABASE),
                        self.batch)

    @contextmanager
    def started(self, servers: Servers) -> Iterator[subprocess.Popen]:
        """The running program; at the end of the block it ends by itself."""
        environment = {**os.environ, **servers.environment(RIVALS_DATABASE),
                       "QUEUE": QUEUE, "BENCH_SQL": str(SQL)}
        with subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True,
                              env=environment, cwd=CONSUMERS) as process:
            watchdog = threading.Timer(LONGEST_RUN_SECONDS, process.kill)
            watchdog.start()
            try:
                yield process
                process.wait()
            finally:
                watchdog.cancel()
                process.kill()
        if process.returncode != 0:
            raise BenchError(f"{self.title} ended with {process.returncode}")


def read_report(process: subprocess.Popen) -> dict[str, Any]:
    """The next line that a consumer prints about itself."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise BenchError("a consumer ended early")
    return json.loads(line)


class Noop(Contestant):
    """Takes messages and acknowledges them: the limit of the broker."""

    def __init__(self, queue: str, messages: Messages, *, batch: int = BATCH):
        super().__init__(f"noop/{queue}", "consumer that does nothing", queue,
                         batch, messages)

    def run(self, servers: Servers) -> Measured:
        """Times `cdr_amqp drain`, which does it all from its start."""
        servers.pause()
        servers.make_queue(self.queue)
        servers.publish(self.messages.path)
        servers.settle()
        count = len(self.messages)
        before = servers.cpu([])
        own = children_cpu()
        printed = servers.amqp("drain", QUEUE, str(count), "--prefetch",
                               str(2 * self.batch), "--ack-every",
                               str(self.batch))
        own = children_cpu() - own
        cpu = servers.cpu([]) - before
        return Measured(count, float(printed.split()[0]), own, 0,
                        cpu.postgres_other, cpu.broker, 0, 0.0, self.batch)


def children_cpu() -> int:
    """Microseconds of CPU time of the programs that were run to their end."""
    times = os.times()
    return int((times.children_user + times.children_system) * 1_000_000)


def node(script: str, *arguments: str) -> list[str]:
    """The command for a consumer of Node."""
    return ["node", f"{script}.mjs", *arguments]


# pylint: disable-next=too-many-arguments,too-many-positional-arguments
def all_contestants(every: Messages, forms: list[Messages],
                    in_order: Messages, few: Messages, old: Messages,
                    repeated: list[Messages],
                    partitions: list[int]) -> list[Contestant]:
    """All of them, in the order of a round.

    Those whose ratio is told stand next to each other, and what needs a
    restart stands at the beginning.  Whoever is slow gets few events.
    """
    def per_event(mode: str) -> Consumer:
        return Consumer(f"per_event/{mode}", f"Node, an event each, {mode}",
                        node("per_event", str(len(few)), mode), "quorum", few,
                        batch=1)

    def batched(queue: str, messages: Messages) -> Consumer:
        order = ", calls in order" if messages is in_order else ""
        suffix = "/in_order" if messages is in_order else ""
        return Consumer(f"node_batched/{queue}{suffix}",
                        f"Node, batched{order}",
                        node("batched", str(len(messages)), str(BATCH)), queue,
                        messages)

    return [
        Service("classic", every, workers=4),
        Service("quorum", every, workers=4),
        Service("classic", every, workers=2),
        Service("quorum", every, workers=2),
        *(Service("quorum", messages) for messages in forms),
        Service("quorum", every, mappings=MAPPINGS_MAX),
        Service("quorum", old),
        *(Service("quorum", messages) for messages in repeated),
        Service("quorum", every, counted=False),
        Service("quorum", every, evidence=True),
        Service("quorum", every),
        Copy("events", every),
        Copy("calls", every),
        Copy("nothing", every),
        batched("quorum", every),
        Consumer("python_copy/quorum", "Python, batched, with COPY",
                 [SYSTEM_PYTHON, "batched_copy.py", str(len(every)),
                  str(BATCH)],
                 "quorum", every),
        per_event("prepared"),
        per_event("plain"),
        Service("quorum", few, batch=1),
        Service("quorum", every, batch=50),
        Service("quorum", every, batch=500),
        Service("quorum", every, batch=5000),
        Noop("quorum", every),
        Service("classic", every),
        Noop("classic", every),
        batched("classic", every),
        batched("quorum", in_order),
        *(Partitions(count, every) for count in partitions),
    ]
