"""A batched consumer of Python: COPY into a temporary table, merge in SQL.

usage: batched_copy.py EVENTS BATCH
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path

import pika
import psycopg
from pika.adapters.blocking_connection import BlockingChannel

KINDS = {"call.started": 1, "call.answered": 2, "call.ended": 3,
         "user.identified.for_call": 4, "user.created.for_call": 4,
         "call.recording.available": 5}
HANGUP_SOURCES = {"normal_clearing_by_user": "user", "busy": "user",
                  "user_busy": "user", "terminated_by_request": "system",
                  "system_terminated": "system", "workflow_hangup": "system",
                  "network_failure": "network"}
WITHHELD = {"anonymous", "restricted", "unavailable", "private", "withheld",
            "unknown"}
EXTENSION_DIGITS = 6
IDENTITY = 2  # where it stands in a row of batch
NO_MESSAGE_ID = b"\xff\xff\xff\xff"  # in an identity, in place of its length

MAKE_BATCH = """CREATE TEMPORARY TABLE batch (
    event_time timestamptz, received_at timestamptz, event_id uuid,
    call_id text COLLATE "C", event_type text, trace_id text, tenant_id text,
    routing_key text, payload json, kind smallint, caller_number text,
    callee_number text, direction text, user_id text, contact_id bigint,
    hangup_cause text, hangup_source text, recording_url text
) ON COMMIT DELETE ROWS"""

DISPLAY_NAME = re.compile(r'^\s*"(?:[^"\\]|\\.)*"')
IN_BRACKETS = re.compile(r"<([^>]*)>")
SCHEME = re.compile(r"^(?:sips?|tel):", re.IGNORECASE)
END_OF_USER = re.compile(r"[@;?]")
SEPARATORS = re.compile(r"[-.() ]")
NUMBER = re.compile(r"\+?[\d*#]+")


def number_of(value: str | None) -> str | None:
    """The number in a SIP header value, or in a SIP or tel URI."""
    if not value:
        return None
    bare = DISPLAY_NAME.sub("", value)
    bracketed = IN_BRACKETS.search(bare)
    uri = (bracketed[1] if bracketed else bare).strip()
    user = END_OF_USER.split(SCHEME.sub("", uri), 1)[0]
    if user.lower() in WITHHELD:
        return "anonymous"
    digits = SEPARATORS.sub("", user)
    return (digits if NUMBER.fullmatch(digits) else user) or None


def side_of(number: str | None) -> str | None:
    """Whether a number is an extension, or outside."""
    if number == "anonymous":
        return "outside"
    if number is None or not NUMBER.fullmatch(number):
        return None
    if number[0] != "+" and len(number) <= EXTENSION_DIGITS:
        return "extension"
    return "outside"


def direction_of(caller: str | None, callee: str | None) -> str | None:
    """The direction of a call, by the length of its numbers."""
    return {("extension", "outside"): "outbound",
            ("extension", "extension"): "internal"}.get(
                (side_of(caller), side_of(callee)),
                "inbound" if side_of(caller) == "outside" else None)


def fields_of_kind(kind: int, content: dict, dialplan: dict) -> tuple:
    """The columns of batch after kind."""
    caller = callee = direction = user = contact = None
    cause = source = url = None
    if kind == 1:
        caller = number_of(content.get("fromUri"))
        callee = number_of(content.get("toUri"))
        direction = content.get("direction") or direction_of(caller, callee)
        user = (dialplan.get("matchedUser") or {}).get("id")
        contact = (dialplan.get("matchedContact") or {}).get("id")
    elif kind == 3:
        cause = content.get("reason")
        source = content.get("hangupSource") or HANGUP_SOURCES.get(cause)
    elif kind == 4:
        user = content.get("userId")
        contact = content.get("contactId")
    elif kind == 5:
        url = (content.get("recordingUri") or content.get("uri")
               or content.get("publicUrl"))
    return caller, callee, direction, user, contact or None, cause, source, url


def parse(routing_key: str, message_id: str | None, body: bytes) -> tuple:
    """A row of batch; raises ValueError if the body is not JSON."""
    content = json.loads(body)
    received = datetime.now(timezone.utc).isoformat()
    dialplan = content.get("dialplanResolution") or {}
    event_type = content.get("eventType") or routing_key
    kind = KINDS.get(event_type, 0)
    tenant = (content.get("tenantId")
              or (dialplan.get("matchedUser") or {}).get("tenantId")
              or dialplan.get("tenantId"))
    known = NO_MESSAGE_ID if message_id is None else (
        len(message_id.encode()).to_bytes(4, "big") + message_id.encode())
    identity = sha256(known + body).hexdigest()[:32]
    return (content.get("timestamp") or received, received, identity,
            content.get("callId"), event_type, content.get("traceId"),
            tenant, routing_key, body.decode(), kind,
            *fields_of_kind(kind, content, dialplan))


def copy_csv(rows: Iterable[tuple]) -> str:
    """Rows as COPY takes them as CSV; an empty value is NULL there."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


def merge_statement() -> str:
    """Inserts what is new of the batch, and merges exactly that."""
    sql = Path(os.environ["BENCH_SQL"])
    merge = (sql / "merge.sql").read_text(encoding="utf-8")
    winners = (sql / "winners.sql").read_text(encoding="utf-8")
    return ("WITH fresh AS (INSERT INTO call_events (event_time, received_at,"
            " event_id, call_id, event_type, trace_id, tenant_id, routing_key,"
            " payload) SELECT event_time, received_at, event_id,"
            " COALESCE(call_id, ''), event_type, trace_id, tenant_id,"
            " routing_key, payload FROM batch ORDER BY call_id, event_id"
            " ON CONFLICT DO NOTHING RETURNING event_id),"
            " events AS (SELECT batch.* FROM batch JOIN fresh USING (event_id)"
            " WHERE call_id IS NOT NULL) "
            + merge.replace(":source", winners))


def report(events: int) -> None:
    """Tells the benchmark how far this is."""
    print(json.dumps({"events": events, "seconds": time.monotonic(),
                      "cpu": time.process_time_ns() // 1000}), flush=True)


class Consumer:
    """Collects batches, and stores them."""

    def __init__(self, channel: BlockingChannel,
                 connection: psycopg.Connection, batch_size: int):
        self.channel = channel
        self.connection = connection
        self.batch_size = batch_size
        self.statement = merge_statement()
        self.rows: dict[str, tuple] = {}  # by identity
        self.received = 0
        self.last_tag = 0
        connection.execute(MAKE_BATCH)
        connection.commit()

    def run(self, expected: int) -> None:
        """Consumes until so many events are committed."""
        committed = 0
        # a batch that is not full waits no longer than this for more
        for method, properties, body in self.channel.consume(
                os.environ["QUEUE"], inactivity_timeout=0.02):
            if method is not None:
                self.take(method, properties, body)
            is_pause = method is None
            if self.received == self.batch_size or (is_pause and self.rows):
                is_first = committed == 0
                committed += self.store()
                if is_first or committed >= expected:
                    report(committed)
                if committed >= expected:
                    return

    def take(self, method: pika.spec.Basic.Deliver,
             properties: pika.spec.BasicProperties, body: bytes) -> None:
        """Adds a message to the batch."""
        try:
            row = parse(method.routing_key, properties.message_id, body)
        except ValueError:
            self.channel.basic_reject(method.delivery_tag, requeue=False)
            return
        self.rows[row[IDENTITY]] = row
        self.received += 1
        self.last_tag = method.delivery_tag

    def store(self) -> int:
        """Writes the batch and acknowledges it; returns its size."""
        with self.connection.cursor() as cursor:
            with cursor.copy("COPY batch FROM STDIN (FORMAT csv)") as copy:
                copy.write(copy_csv(self.rows.values()))
            cursor.execute(self.statement, prepare=True)
        self.connection.commit()
        self.channel.basic_ack(self.last_tag, multiple=True)
        stored, self.received = self.received, 0
        self.rows.clear()
        return stored


def main() -> None:
    """Consumes as many events as the command line says."""
    expected, batch_size = map(int, sys.argv[1:])
    broker = pika.BlockingConnection(
        pika.URLParameters(os.environ["AMQP_URI"]))
    channel = broker.channel()
    channel.basic_qos(prefetch_count=4 * batch_size)
    with psycopg.connect() as connection:
        Consumer(channel, connection, batch_size).run(expected)
    broker.close()


main()
