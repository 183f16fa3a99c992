"""The same events in every form of the wire that the service reads.

Each is made of the native JSON of 2026 that `calls.py` writes, so that the same
calls must come out, whatever they travelled as.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from calls import Event

sys.path.append(str(Path(__file__).resolve().parent.parent / "test/tools"))

# pylint: disable-next=wrong-import-position
from protobuf import EVENTS, encode_event

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SOURCE = "/bench/gateway"  # of the CloudEvents

# Reads what in_foreign() writes; as a platform's mapping would, it takes most
# values from members of members, translates some, and has several rules.
MAPPING = {
    "match": {"where": {"platform": "bench"}},
    "event": {"type": "/event/name",
              "time": {"from": "/event/at", "as": "unix_us"},
              "call_id": "/channel/call", "trace_id": "/channel/trace",
              "tenant_id": "/account/tenant"},
    "call": [
        {"set": "started", "when": {"/event/name": "call.started"},
         "caller_number": "/party/from", "callee_number": "/party/to",
         "user_id": "/party/user", "contact_id": "/party/contact"},
        {"set": "answered", "when": {"/event/name": "call.answered"}},
        {"set": "ended", "when": {"/event/name": "call.ended"},
         "hangup_cause": "/channel/cause",
         "hangup_source": "/channel/side"},
        {"set": "identified",
         "when": {"/event/name": ["user.identified.for_call",
                                  "user.created.for_call"]},
         "user_id": "/party/user",
         "contact_id": {"from": "/party/contact", "none": ["0"]}},
        {"set": "recording",
         "when": {"/event/name": "call.recording.available"},
         "recording_url": "/channel/recording"},
    ],
}


@dataclass(frozen=True)
class Form:
    """How events travel, and the mapping that they need, if any."""

    key: str
    title: str
    convert: Callable[[int, Event], Event]
    mapping: dict[str, Any] | None = None

    def of(self, events: Iterable[Event]) -> list[Event]:
        """The same events in this form."""
        return [self.convert(place, event)
                for place, event in enumerate(events)]


def packed(event: Event, body: bytes, properties: str) -> Event:
    """The event in bytes that are no text."""
    return replace(event, body=body, properties=properties, is_binary=True)


def in_protobuf(_: int, event: Event) -> Event:
    """One of the platform's Protobuf messages."""
    return packed(event, encode_event(protobuf_fields(event)), "")


def protobuf_fields(event: Event) -> dict[str, Any]:
    """The fields of an event in Protobuf, out of its body in JSON.

    mediaInfo of call.ended is lost, for that message has no such field.
    """
    fields = json.loads(event.body)
    fields["timestamp"] = microseconds(event) * 1000
    if event.type not in EVENTS:
        common = {name: fields.pop(name)
                  for name in ("eventType", "traceId", "timestamp")}
        return {**common, "payloadJson": fields}
    if event.type == "call.ended":
        del fields["mediaInfo"]
    elif "userId" in fields:
        fields["user"] = {"id": fields.pop("userId"),
                          "tenantId": fields.pop("tenantId")}
        fields["contact"] = {"id": fields.pop("contactId")}
    return fields


def microseconds(event: Event) -> int:
    """The event's time, since 1970."""
    return (event.time - EPOCH) // timedelta(microseconds=1)


def in_structured_cloudevent(place: int, event: Event) -> Event:
    """A CloudEvent, all of it in the body."""
    body = json.dumps(
        {"specversion": "1.0", "id": str(place), "source": SOURCE,
         "type": event.type,
         "time": event.time.isoformat(timespec="microseconds"),
         "datacontenttype": "application/json",
         "data": json.loads(event.body)},
        ensure_ascii=False, separators=(",", ":")).encode()
    return replace(event, body=body,
                   properties="content-type=application/cloudevents+json")


def in_binary_cloudevent(place: int, event: Event) -> Event:
    """A CloudEvent, whose attributes are headers."""
    attributes = {"specversion": "1.0", "id": f"e{place}", "source": SOURCE,
                  "type": event.type,
                  "time": event.time.isoformat(timespec="microseconds")}
    return replace(event, properties=";".join(
        ["content-type=application/json",
         *(f"header:cloudEvents:{name}={value}"
           for name, value in attributes.items())]))


def in_gzip(_: int, event: Event) -> Event:
    """Compressed."""
    return packed(event, gzip.compress(event.body, mtime=0),
                  "content-encoding=gzip")


def in_amqp10(_: int, event: Event) -> Event:
    """A value, text, of a publisher that speaks AMQP 1.0."""
    return packed(event, b"\x00\x53\x77\xb1"
                  + len(event.body).to_bytes(4, "big") + event.body,
                  "type=amqp-1.0")


def in_foreign(_: int, event: Event) -> Event:
    """The JSON of a platform that is read by a mapping."""
    dialplan = json.loads(event.body).get("dialplanResolution", {})
    contact = json.loads(event.body).get(
        "contactId", dialplan.get("matchedContact", {}).get("id"))
    content = {"platform": "bench",
               "event": {"name": event.type, "at": microseconds(event)},
               "channel": {"call": event.call_id, "trace": event.trace_id,
                           "cause": event.hangup_cause,
                           "side": event.hangup_source,
                           "recording": event.recording_url,
                           "codec": "PCMA", "node": "bench-1"},
               "account": {"tenant": event.tenant_id, "realm": "sip.invalid"},
               "party": {"from": event.caller_number,
                         "to": event.callee_number,
                         "user": event.user_id, "contact": contact}}
    return replace(event, body=json.dumps(
        content, ensure_ascii=False, separators=(",", ":")).encode())


FORMS = [
    Form("protobuf", "Protobuf", in_protobuf),
    Form("cloudevents", "CloudEvents", in_structured_cloudevent),
    Form("cloudevents_binary", "CloudEvents, binary", in_binary_cloudevent),
    Form("gzip", "gzip", in_gzip),
    Form("amqp10", "AMQP 1.0", in_amqp10),
    Form("mapped", "by a mapping", in_foreign, MAPPING),
]
