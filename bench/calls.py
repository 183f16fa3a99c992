"""The calls of the benchmark: events as the platform would publish them.

Everything follows from a seed.  Calls arrive at random, are talked for two
minutes on average, and overlap: some hundred are under way at any time, so
that the events of one call reach the queue far apart.  Each event knows its
body, and also the values that a consumer should find in it.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

# Yesterday: what is older than the last two partitions is looked at again, for
# it may have been retired.
FIRST_TIME = datetime.now(timezone.utc).replace(
    hour=8, minute=0, second=0, microsecond=0) - timedelta(days=1)
LONG_AGO = FIRST_TIME - timedelta(days=200)
CALLS_PER_SECOND = 2.5
LEAST_TALK_SECONDS = 10.0
MEAN_TALK_SECONDS = 110.0  # beyond the least
LONGEST_REPETITION = 30_000  # messages
LONGEST_DELAY_SECONDS = 2.0  # from an event's own time to its arrival
NO_MESSAGE_ID = b"\xff\xff\xff\xff"  # in an identity, in place of its length

TENANTS = [f"tenant-{name}" for name in (
    "atlas", "borealis", "cygnus", "draco", "eridanus", "fornax", "gemini",
    "hydra", "indus", "lyra", "mensa", "norma")]
NAMES = ("Ayşe Yılmaz", "Mehmet Demir", "Anna Weber", "John Carter",
         "Zeynep Kaya", "Front desk")

# How calls end: the reason as published, and who that says has hung up.
ANSWERED_ENDS = (("normal_clearing_by_user", "user"),
                 ("normal_clearing", None),
                 ("terminated_by_request", "system"),
                 ("workflow_hangup", "system"),
                 ("network_failure", "network"))
ANSWERED_WEIGHTS = (60, 25, 8, 5, 2)
UNANSWERED_ENDS = (("user_busy", "user"), ("busy", "user"),
                   ("terminated_by_request", "system"),
                   ("failure", None), ("no_answer", None))
UNANSWERED_WEIGHTS = (25, 10, 25, 10, 30)


@dataclass(slots=True)
class Event:
    """An event, and what is in it."""

    type: str
    time: datetime
    call_id: str
    trace_id: str
    tenant_id: str | None = None
    caller_number: str | None = None
    callee_number: str | None = None
    direction: str | None = None
    user_id: str | None = None
    contact_id: int | None = None
    hangup_cause: str | None = None
    hangup_source: str | None = None
    recording_url: str | None = None
    body: bytes = b""
    event_id: bytes = b""  # its identity
    properties: str = ""  # as `cdr_amqp publish` takes them
    is_binary: bool = False  # the body, which is no text then

    def write_body(self, fields: dict) -> None:
        """Sets the body: what all events have, and the fields of this one."""
        content = {"eventType": self.type, "traceId": self.trace_id,
                   "callId": self.call_id, **fields,
                   "timestamp": self.time.isoformat(timespec="microseconds")}
        self.body = json.dumps(content, ensure_ascii=False,
                               separators=(",", ":")).encode()
        self.event_id = sha256(NO_MESSAGE_ID + self.body).digest()[:16]


class Call:
    """One call: makes its events, in the order in which they happen."""

    def __init__(self, chance: random.Random, began: datetime):
        self.chance = chance
        self.began = began
        self.call_id = (f"{chance.getrandbits(64):016x}"
                        f"@gw{chance.randrange(1, 5)}.example.net")
        self.trace_id = f"{chance.getrandbits(32):08x}"
        self.tenant = chance.choice(TENANTS)
        self.user = f"{chance.getrandbits(128):032x}"
        self.contact = chance.randrange(1, 10**6)
        port = chance.randrange(16384, 32768)
        self.media = {"callerRtpAddr": f"10.20.0.14:{port}",
                      "serverRtpPort": chance.randrange(10000, 16000)}

    def event(self, event_type: str, seconds: float, fields: dict,
              **values: Any) -> Event:
        """An event of this call, so many seconds after its start."""
        made = Event(event_type, self.began + timedelta(seconds=seconds),
                     self.call_id, self.trace_id, **values)
        made.write_body(fields)
        return made

    def events(self) -> Iterator[Event]:
        """Four to seven events."""
        chance = self.chance
        yield self.started()
        yield self.identified()
        ring = chance.uniform(2, 25)
        if chance.random() < 0.85:
            yield self.event("call.answered", ring, {})
            # a failure of the network that comes sooner may be of a branch
            talk = LEAST_TALK_SECONDS + chance.expovariate(
                1 / MEAN_TALK_SECONDS)
            ends = chance.choices(ANSWERED_ENDS, ANSWERED_WEIGHTS)[0]
            for _ in range(chance.choice((1, 1, 2))):
                yield self.other(ring + talk * chance.random())
            yield self.ended(ring + talk, *ends)
            if chance.random() < 0.3:
                yield self.recorded(ring + talk + chance.uniform(1, 10))
        else:
            ends = chance.choices(UNANSWERED_ENDS, UNANSWERED_WEIGHTS)[0]
            yield self.other(ring * chance.random())
            yield self.ended(ring, *ends)

    def started(self) -> Event:
        """call.started, of a call from outside, to outside or inside."""
        chance = self.chance
        tag = f"{chance.getrandbits(32):08x}"
        extension = str(chance.randrange(1000, 2000))
        outside = f"+90555{chance.randrange(10**7):07d}"
        kind = chance.choices(("inbound", "outbound", "internal", "withheld"),
                              (68, 20, 10, 2))[0]
        if kind == "withheld":
            caller, callee = "anonymous", "+902124548590"
            source = '"Anonymous" <sip:anonymous@anonymous.invalid>'
        elif kind == "inbound":
            caller, callee = outside, "+902124548590"
            source = (f'"{chance.choice(NAMES)}" '
                      f"<sip:{caller}@10.20.0.14:5060>;tag={tag}")
        else:
            caller = extension
            callee = (outside if kind == "outbound"
                      else str(chance.randrange(2000, 3000)))
            source = f"<sip:{caller}@sentiric>;tag={tag}"
        dialplan = {"dialplanId": "DP_WELCOME", "tenantId": self.tenant,
                    "action": {"action": "START_AI_CONVERSATION"}}
        user = contact = None
        if chance.random() < 0.3:
            user, contact = self.user, self.contact
            dialplan["matchedUser"] = {"id": user, "tenantId": self.tenant}
            dialplan["matchedContact"] = {"id": contact}
        return self.event(
            "call.started", 0.0,
            {"fromUri": source, "toUri": f"<sip:{callee}@sentiric>",
             "mediaInfo": self.media, "dialplanResolution": dialplan},
            tenant_id=self.tenant, caller_number=caller, callee_number=callee,
            direction="inbound" if kind == "withheld" else kind,
            user_id=user, contact_id=contact)

    def identified(self) -> Event:
        """user.identified.for_call, or for somebody new user.created."""
        created = self.chance.random() < 0.1
        contact = 0 if self.chance.random() < 0.1 else self.contact
        return self.event(
            "user.created.for_call" if created else "user.identified.for_call",
            self.chance.uniform(0.1, 1.5),
            {"userId": self.user, "contactId": contact,
             "tenantId": self.tenant},
            tenant_id=self.tenant, user_id=self.user,
            contact_id=contact or None)

    def ended(self, seconds: float, cause: str, source: str | None) -> Event:
        """call.ended."""
        return self.event("call.ended", seconds,
                          {"reason": cause, "mediaInfo": self.media},
                          hangup_cause=cause, hangup_source=source)

    def recorded(self, seconds: float) -> Event:
        """call.recording.available."""
        url = f"s3://recordings/{self.began:%Y/%m/%d}/{self.call_id}.wav"
        return self.event("call.recording.available", seconds,
                          {"recordingUri": url}, recording_url=url)

    def other(self, seconds: float) -> Event:
        """An event that is logged and counted, and shapes no call."""
        if self.chance.random() < 0.5:
            return self.event("call.media.playback.finished", seconds,
                              {"mediaUri": "audio/tr/system/welcome.wav",
                               "reason": "completed"})
        shift = round(self.chance.uniform(-1, 1), 2)
        return self.event("acoustic.mood.shifted", seconds,
                          {"previousMood": "analytical", "currentMood": "calm",
                           "arousalShift": shift})


def make_events(count: int, seed: int,
                began: datetime = FIRST_TIME) -> list[Event]:
    """So many events of calls that overlap, in the order of arrival."""
    chance = random.Random(seed)
    arrivals: list[tuple[datetime, int, Event]] = []
    while len(arrivals) < count:
        began += timedelta(seconds=chance.expovariate(CALLS_PER_SECOND))
        for event in Call(chance, began).events():
            delay = chance.uniform(0, LONGEST_DELAY_SECONDS)
            arrivals.append((event.time + timedelta(seconds=delay),
                             len(arrivals), event))
    arrivals.sort()
    return [event for _, _, event in arrivals[:count]]


def with_repetitions(events: list[Event], share: float,
                     seed: int) -> list[Event]:
    """The same events, a share of them published again a little later.

    "A little" is up to some tens of thousands of messages: as a producer does
    that tries again, or that has been restarted.
    """
    chance = random.Random(seed)
    arrivals = [(float(place), event) for place, event in enumerate(events)]
    for place in chance.sample(range(len(events)), int(len(events) * share)):
        again = place + chance.uniform(1, LONGEST_REPETITION)
        arrivals.append((again, events[place]))
    arrivals.sort(key=lambda arrival: arrival[0])
    return [event for _, event in arrivals]


def in_order_of_calls(events: Iterable[Event]) -> list[Event]:
    """The same events, all of a call next to each other."""
    by_call: dict[str, list[Event]] = {}
    for event in events:
        by_call.setdefault(event.call_id, []).append(event)
    return [event for of_call in by_call.values() for event in of_call]


def write_messages(path: Path, events: Iterable[Event]) -> None:
    """Writes the events as lines for `cdr_amqp publish`."""
    with open(path, "wb") as file:
        for event in events:
            body = event.body
            if event.is_binary:
                body = b"base64:" + base64.b64encode(body)
            file.write(b"\t".join((event.type.encode(),
                                   event.properties.encode(), body)) + b"\n")
