"""Events of the platform as Protobuf, for the demo and the benchmark.

An event is a dict whose keys are named as Protobuf's own JSON names them, with
its timestamp as nanoseconds since 1970.  Types without a message of their own
are GenericEvents, whose payloadJson is a dict, too.
"""

from __future__ import annotations

import json
import struct
from typing import Any

Fields = dict[str, int]  # the numbers of a message's fields, ascending

EVENTS: dict[str, Fields] = {
    "call.started": {
        "eventType": 1, "traceId": 2, "callId": 3, "fromUri": 4, "toUri": 5,
        "timestamp": 6, "dialplanResolution": 7, "mediaInfo": 8},
    "call.ended": {
        "eventType": 1, "traceId": 2, "callId": 3, "timestamp": 4,
        "reason": 5},
    "call.recording.available": {
        "eventType": 1, "traceId": 2, "callId": 3, "timestamp": 4,
        "recordingUri": 5, "publicUrl": 6},
    "user.identified.for_call": {
        "eventType": 1, "traceId": 2, "callId": 3, "timestamp": 4, "user": 5,
        "contact": 6},
    "acoustic.mood.shifted": {
        "eventType": 1, "traceId": 2, "callId": 3, "timestamp": 4,
        "previousMood": 5, "currentMood": 6, "arousalShift": 7,
        "valenceShift": 8, "speakerId": 9, "speakerVec": 10},
}
EVENTS["user.created.for_call"] = EVENTS["user.identified.for_call"]
GENERIC_EVENT: Fields = {
    "eventType": 1, "traceId": 2, "timestamp": 3, "tenantId": 4,
    "payloadJson": 5}

USER: Fields = {"id": 1, "name": 2, "tenantId": 3, "userType": 4}
CONTACT: Fields = {"id": 1, "userId": 2, "contactType": 3, "contactValue": 4,
                   "isPrimary": 5}
# What stands within events: a field of one name is the same message everywhere.
MESSAGES: dict[str, Fields] = {
    "timestamp": {"seconds": 1, "nanos": 2},
    "dialplanResolution": {"dialplanId": 1, "tenantId": 2, "action": 3,
                           "matchedUser": 4, "matchedContact": 5},
    "action": {"action": 1, "type": 2},
    "matchedUser": USER, "matchedContact": CONTACT,
    "user": USER, "contact": CONTACT,
    "mediaInfo": {"callerRtpAddr": 1, "serverRtpPort": 2},
}

VARINT, LENGTH, FIXED32 = 0, 2, 5  # wire types


def encode_event(event: dict[str, Any]) -> bytes:
    """The body of an event; its eventType says which message it is."""
    seconds, nanos = divmod(event["timestamp"], 1_000_000_000)
    event = {**event, "timestamp": {"seconds": seconds, "nanos": nanos}}
    if "payloadJson" in event:
        event["payloadJson"] = compact_json(event["payloadJson"])
    return encode(EVENTS.get(event["eventType"], GENERIC_EVENT), event)


def compact_json(value: Any) -> str:
    """JSON without white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encode(fields: Fields, message: dict[str, Any]) -> bytes:
    """A message, its fields in the order of their numbers, as libraries do."""
    if not message.keys() <= fields.keys():
        raise KeyError(f"no fields {sorted(message.keys() - fields.keys())}")
    return b"".join(encode_field(number, name, message[name])
                    for name, number in fields.items() if name in message)


def encode_field(number: int, name: str, value: Any) -> bytes:
    """One field; what has its default value is left out."""
    if isinstance(value, dict):
        return delimited(number, encode(MESSAGES[name], value))
    if not value:
        return b""
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | FIXED32) + struct.pack("<f", value)
    if isinstance(value, list):
        return delimited(number, struct.pack(f"<{len(value)}f", *value))
    return delimited(number, value.encode())


def delimited(number: int, content: bytes) -> bytes:
    """A field of so many bytes."""
    return varint(number << 3 | LENGTH) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers take ten bytes."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
