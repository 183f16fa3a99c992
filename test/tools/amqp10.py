#!/usr/bin/env python3
"""Publishes as an AMQP 1.0 client does: by Qpid Proton, which encodes all of it.

usage: amqp10.py PORT VHOST EXCHANGE v1|v2

(v1: addresses as RabbitMQ 3 has them, v2: as 4 has.)  Messages come from standard
input, as JSON, one a line, with all or some of

    key, content_type, content_encoding, subject, ttl (seconds), durable,
    created (seconds since 1970)
    id          a value
    headers     application properties, by name
    annotations message annotations, by name
    body        a list of sections: ["data" | "value" | "sequence", value]

A value is what it is in JSON, or {"TYPE": value}: binary (base64), uuid, ulong,
ubyte, timestamp (milliseconds), symbol.  The program ends with an error unless
the broker has accepted every message.
"""

import base64
import json
import sys
import urllib.parse
import uuid

from proton import Message, symbol, timestamp, ubyte, ulong
from proton.utils import BlockingConnection

TYPES = {
    "binary": base64.b64decode,
    "uuid": uuid.UUID,
    "ulong": ulong,
    "ubyte": ubyte,
    "timestamp": timestamp,
    "symbol": symbol,
}

# What Proton puts before the body of a message that has nothing else.
BEFORE_BODY = Message().encode()


def value(given):
    if isinstance(given, dict):
        for name in TYPES:
            if list(given) == [name]:
                return TYPES[name](given[name])
        return {key: value(item) for key, item in given.items()}
    if isinstance(given, list):
        return [value(item) for item in given]
    return given


def section(kind, given):
    body = value(given)
    if kind == "data" and isinstance(body, str):
        body = body.encode()
    message = Message(body=body)
    # in a section of its own kind, where the type of the body has one
    message.inferred = kind != "value"
    return message.encode()[len(BEFORE_BODY):]


class Encoded:
    """A message that may have several sections, which a Message has not."""

    def __init__(self, given):
        message = Message(
            content_type=given.get("content_type"),
            content_encoding=given.get("content_encoding"),
            subject=given.get("subject"),
            durable=given.get("durable", True),
            properties=value(given.get("headers", {})),
        )
        if "id" in given:
            message.id = value(given["id"])
        if "created" in given:
            message.creation_time = given["created"]
        if "ttl" in given:
            message.ttl = given["ttl"]
        if "annotations" in given:
            message.annotations = {
                symbol(name): value(item)
                for name, item in given["annotations"].items()
            }
        self.data = message.encode() + b"".join(
            section(*part) for part in given["body"]
        )

    def send(self, sender, tag=None):
        delivery = sender.delivery(tag or sender.delivery_tag())
        sender.stream(self.data)
        sender.advance()
        return delivery


def main(port, vhost, exchange, addresses):
    connection = BlockingConnection(
        f"amqp://guest:guest@127.0.0.1:{port}",
        timeout=60,
        virtual_host=f"vhost:{vhost}",
        allowed_mechs="PLAIN",
    )
    senders = {}
    for line in sys.stdin:
        given = json.loads(line)
        key = given.get("key", "")
        if key not in senders:
            if addresses == "v1":
                address = f"/exchange/{exchange}/{key}"
            else:
                quoted = urllib.parse.quote(key, safe="")
                address = f"/exchanges/{exchange}/{quoted}"
            senders[key] = connection.create_sender(address)
        senders[key].send(Encoded(given))
    connection.close()


main(*sys.argv[1:])
