"""COPY, the limit: the fastest way that PostgreSQL takes rows from outside.

One connection copies the rows of a batch into call_events and merges them
into calls, with everything parsed, encoded and sorted before the clock
starts, at the level of libpq, in three round trips a transaction.  What it
leaves out is what the service has to do: receive, parse, recognise what came
before, acknowledge.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from operator import attrgetter
from os import urandom
from pathlib import Path
from typing import Any

from psycopg import pq
from psycopg.pq.abc import PGresult

from calls import FIRST_TIME, Event

SQL = Path(__file__).resolve().parent / "sql"
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
NULL = struct.pack("!i", -1)

KINDS = {"call.started": 1, "call.answered": 2, "call.ended": 3,
         "user.identified.for_call": 4, "user.created.for_call": 4,
         "call.recording.available": 5}


# --- Values in PostgreSQL's binary form ------------------------------------

def text(value: str) -> bytes:
    """A text."""
    return value.encode()


def int2(value: int) -> bytes:
    """A smallint."""
    return struct.pack("!h", value)


def int8(value: int) -> bytes:
    """A bigint."""
    return struct.pack("!q", value)


def timestamptz(value: datetime) -> bytes:
    """A timestamp with time zone."""
    return int8((value - POSTGRES_EPOCH) // timedelta(microseconds=1))


def unchanged(value: bytes) -> bytes:
    """A uuid, or json: bytes that are in their form already."""
    return value


@dataclass(frozen=True)
class Type:
    """A type: its name, its number and that of its array, how to encode it."""

    name: str
    oid: int
    array_oid: int
    encode: Callable[[Any], bytes]

    def field(self, value: Any) -> bytes:
        """A value, or NULL for None, with its length before it."""
        if value is None:
            return NULL
        encoded = self.encode(value)
        return struct.pack("!i", len(encoded)) + encoded

    def array(self, values: Sequence[Any]) -> bytes:
        """An array of one dimension, which counts from 1."""
        header = struct.pack("!iiiii", 1, 1, self.oid, len(values), 1)
        return header + b"".join(map(self.field, values))


TEXT = Type("text", 25, 1009, text)
INT2 = Type("int2", 21, 1005, int2)
INT8 = Type("int8", 20, 1016, int8)
TIME = Type("timestamptz", 1184, 1185, timestamptz)
UUID = Type("uuid", 2950, 2951, unchanged)
JSON = Type("json", 114, 199, unchanged)
BYTEA = Type("bytea", 17, 1001, unchanged)
CHAR = Type('"char"', 18, 1002, unchanged)


@dataclass(frozen=True)
class Column:
    """A column that is filled, and where its values come from."""

    name: str
    type: Type
    value: Callable[[Any], Any]


def attributes(data_type: Type, *names: str) -> list[Column]:
    """Columns that are named as an attribute of what fills them."""
    return [Column(name, data_type, attrgetter(name)) for name in names]


# Of call_events, for COPY.
LOG = [Column("event_time", TIME, lambda event: event.time),
       Column("received_at", TIME, lambda event: FIRST_TIME),
       Column("recorded_at", TIME, lambda event: FIRST_TIME),
       *attributes(UUID, "event_id"),
       *attributes(TEXT, "call_id"),
       Column("event_type", TEXT, lambda event: event.type),
       *attributes(TEXT, "trace_id", "tenant_id"),
       Column("routing_key", TEXT, lambda event: event.type),
       Column("time_source", CHAR, lambda event: b"b"),
       # what the publisher of these events does not say, as the service
       Column("message_id", BYTEA, lambda event: None),
       Column("content_type", TEXT, lambda event: None),
       Column("headers", JSON, lambda event: None),
       Column("salt", UUID, lambda event: urandom(16)),
       Column("payload", JSON, lambda event: event.body)]

# Of the events that winners.sql merges.
EVENTS = [*attributes(TEXT, "call_id"),
          Column("event_time", TIME, lambda event: event.time),
          *attributes(UUID, "event_id"),
          Column("kind", INT2, lambda event: KINDS.get(event.type, 0)),
          *attributes(TEXT, "caller_number", "callee_number", "direction",
                      "tenant_id", "user_id"),
          *attributes(INT8, "contact_id"),
          *attributes(TEXT, "hangup_cause", "hangup_source", "recording_url")]


@dataclass(slots=True)
class MergedCall:
    """What the events of a batch make of one call: the winner of each kind."""

    call_id: str
    started: Event | None
    answer_time: datetime | None
    ended: Event | None
    identified: Event | None
    recorded: Event | None
    event_count: int
    first_event_time: datetime
    last_event_time: datetime

    @property
    def who(self) -> Event | None:
        """The event that says who the user is."""
        return self.identified or self.started


def value_of_winner(winner: str, name: str, call: MergedCall) -> Any:
    """An attribute of a winning event, None if no event has won."""
    return getattr(getattr(call, winner), name, None)


def of_winner(winner: str, data_type: Type, *names: str) -> list[Column]:
    """Columns that are attributes of a winning event, NULL without one."""
    return [Column(name, data_type, partial(value_of_winner, winner, name))
            for name in names]


# Of calls, in the order of merge.sql.
CALLS = [*attributes(TEXT, "call_id"),
         *of_winner("started", TIME, "time"),
         *of_winner("started", UUID, "event_id"),
         *of_winner("started", TEXT, "caller_number", "callee_number",
                    "direction", "tenant_id"),
         *attributes(TIME, "answer_time"),
         *of_winner("ended", TIME, "time"),
         *of_winner("ended", UUID, "event_id"),
         *of_winner("ended", TEXT, "hangup_cause", "hangup_source"),
         *of_winner("identified", TIME, "time"),
         *of_winner("identified", UUID, "event_id"),
         *of_winner("identified", TEXT, "tenant_id"),
         *of_winner("who", TEXT, "user_id"),
         *of_winner("who", INT8, "contact_id"),
         *of_winner("recorded", TIME, "time"),
         *of_winner("recorded", UUID, "event_id"),
         *of_winner("recorded", TEXT, "recording_url"),
         *attributes(INT8, "event_count"),
         *attributes(TIME, "first_event_time", "last_event_time")]


def moment(event: Event) -> tuple[datetime, bytes]:
    """What decides between two events of a kind."""
    return event.time, event.event_id


def merge(events: Iterable[Event]) -> list[MergedCall]:
    """The calls of a batch, in the order of their ids."""
    by_call: dict[str, list[Event]] = {}
    for event in events:
        by_call.setdefault(event.call_id, []).append(event)
    return [merge_call(call_id, by_call[call_id])
            for call_id in sorted(by_call)]


def merge_call(call_id: str, events: list[Event]) -> MergedCall:
    """One call, out of its events of a batch."""
    kinds: dict[int, list[Event]] = {}
    for event in events:
        kinds.setdefault(KINDS.get(event.type, 0), []).append(event)
    times = [event.time for event in events]
    answered = [event.time for event in kinds.get(2, [])]
    return MergedCall(call_id, earliest(kinds.get(1)),
                      min(answered, default=None), earliest(kinds.get(3)),
                      latest(kinds.get(4)), latest(kinds.get(5)),
                      len(events), min(times), max(times))


def earliest(events: list[Event] | None) -> Event | None:
    """The one that wins where the first does."""
    return min(events, key=moment) if events else None


def latest(events: list[Event] | None) -> Event | None:
    """The one that wins where the last does."""
    return max(events, key=moment) if events else None


# --- What is sent ----------------------------------------------------------

def copy_data(events: Iterable[Event]) -> bytes:
    """Rows of call_events as COPY takes them."""
    parts = [b"PGCOPY\n\xff\r\n\0", struct.pack("!ii", 0, 0)]
    for event in events:
        parts.append(struct.pack("!h", len(LOG)))
        parts.extend(column.type.field(column.value(event)) for column in LOG)
    parts.append(struct.pack("!h", -1))
    return b"".join(parts)


def arrays(columns: Sequence[Column], rows: Sequence[Any]) -> list[bytes]:
    """Parameters for a statement that unnests them."""
    return [column.type.array([column.value(row) for row in rows])
            for column in columns]


def unnest(columns: Sequence[Column]) -> str:
    """The call that takes such parameters apart."""
    parameters = (f"${number}::{column.type.name}[]"
                  for number, column in enumerate(columns, 1))
    return f"unnest({', '.join(parameters)})"


def read_sql(name: str) -> str:
    """A statement of bench/sql."""
    return (SQL / name).read_text(encoding="utf-8")


def merge_statement(source: str) -> str:
    """The statement that merges the rows of a query."""
    return read_sql("merge.sql").replace(":source", source)


def merge_of_events() -> str:
    """The statement that merges raw events."""
    names = ", ".join(column.name for column in EVENTS)
    chosen = ", ".join('call_id COLLATE "C" AS call_id'
                       if column.name == "call_id" else column.name
                       for column in EVENTS)
    return (f"WITH events AS (SELECT {chosen} FROM {unnest(EVENTS)}"
            f" AS events({names})) "
            + merge_statement(read_sql("winners.sql")))


def merge_of_calls() -> str:
    """The statement that merges what is one row for each call already."""
    return merge_statement(f"SELECT * FROM {unnest(CALLS)}")


@dataclass(frozen=True)
class Batch:
    """One transaction: rows to copy, parameters of the merge."""

    size: int
    rows: bytes
    parameters: list[bytes]


@dataclass(frozen=True)
class Load:
    """All that one run sends; without a statement, nothing is merged."""

    statement: str | None
    columns: Sequence[Column]
    batches: list[Batch]


def prepare_load(events: Sequence[Event], size: int, merging: str) -> Load:
    """Encodes events in batches; merging is "events", "calls" or "nothing".

    Each batch is in the order of the keys, which spares the indexes.
    """
    batches = [sorted(events[start:start + size],
                      key=lambda event: (event.call_id, event.event_id))
               for start in range(0, len(events), size)]
    if merging == "nothing":
        return Load(None, [], [Batch(len(batch), copy_data(batch), [])
                               for batch in batches])
    if merging == "events":
        return Load(merge_of_events(), EVENTS, [
            Batch(len(batch), copy_data(batch), arrays(EVENTS, batch))
            for batch in batches])
    return Load(merge_of_calls(), CALLS, [
        Batch(len(batch), copy_data(batch), arrays(CALLS, merge(batch)))
        for batch in batches])


# --- Sending it ------------------------------------------------------------

@dataclass(frozen=True)
class Spent:
    """From the first commit to the last."""

    events: int
    seconds: float
    client_cpu: int  # microseconds


class Loader:
    """The one connection."""

    BEGIN = (f"BEGIN; COPY call_events ({', '.join(c.name for c in LOG)})"
             " FROM STDIN (FORMAT binary)").encode()

    def __init__(self, dsn: str):
        self.connection = pq.PGconn.connect(dsn.encode())
        # the plan does not depend on the parameters: plan once
        self.execute(b"SET plan_cache_mode = force_generic_plan")

    @property
    def backend_pid(self) -> int:
        """The process of the server that does the work."""
        return self.connection.backend_pid

    def close(self) -> None:
        """Ends the connection."""
        self.connection.finish()

    def execute(self, statement: bytes) -> None:
        """Runs a statement without parameters."""
        self.check(self.connection.exec_(statement))

    @staticmethod
    def check(result: PGresult | None) -> None:
        """Raises what the server had to say if a statement failed."""
        if result is not None and result.status not in (
                pq.ExecStatus.COMMAND_OK, pq.ExecStatus.COPY_IN):
            raise RuntimeError(result.error_message.decode())

    def send(self, load: Load, at_first_commit: Callable[[], None]) -> Spent:
        """Sends everything; the clock starts after the first transaction."""
        if load.statement is not None:
            self.check(self.connection.prepare(
                b"merge", load.statement.encode(),
                [column.type.array_oid for column in load.columns]))
        first, *others = load.batches
        self.send_batch(first)
        at_first_commit()
        cpu = time.process_time_ns()
        began = time.monotonic()
        for batch in others:
            self.send_batch(batch)
        return Spent(sum(batch.size for batch in others),
                     time.monotonic() - began,
                     (time.process_time_ns() - cpu) // 1000)

    def send_batch(self, batch: Batch) -> None:
        """One transaction."""
        self.execute(self.BEGIN)
        self.connection.put_copy_data(batch.rows)
        self.connection.put_copy_end()
        self.check(self.connection.get_result())
        self.check(self.connection.get_result())
        if batch.parameters:
            formats = [pq.Format.BINARY] * len(batch.parameters)
            self.check(self.connection.exec_prepared(
                b"merge", batch.parameters, formats))
        self.execute(b"COMMIT")
