"""Publishes events at a steady pace, each stamped with the time it leaves."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from calls import Event
from servers import EXCHANGE, ROOT, BenchError, Servers

# Events of one tick leave together: at high rates, waking up for each would
# take more of the machine than publishing does.
TICK_SECONDS = 0.002


def restamped(event: Event, moment: datetime) -> bytes:
    """The body of an event, as if it had happened at that moment.

    Other bytes are another event, so no two stamps make duplicates.
    """
    head = event.body.rpartition(b'"timestamp":')[0]
    stamp = moment.isoformat(timespec="microseconds")
    return head + f'"timestamp":"{stamp}"}}'.encode()


class PacedPublisher:
    """Feeds `cdr_amqp publish`, which sends each line as soon as it comes.

    It publishes from the beginning of its `with` block to the end, or until
    there are no more events.  The stamp is set before the line goes to the
    program, so the way through the pipe counts as latency.
    """

    def __init__(self, servers: Servers, events: Iterable[Event], rate: int):
        self.rate = rate
        self.sent = 0
        self.seconds = 0.0
        self._servers = servers
        self._events = iter(events)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> PacedPublisher:
        # pylint: disable-next=consider-using-with  # __exit__ waits for it
        self._process = subprocess.Popen(
            [str(ROOT / "test/tools/cdr_amqp"), "--uri",
             self._servers.amqp_uri, "publish", "--exchange", EXCHANGE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self._thread.start()
        return self

    def __exit__(self, failure: type[BaseException] | None,
                 *_: object) -> None:
        self._stop.set()
        self.wait()
        printed, complaint = self._process.communicate()
        if failure is None and printed != b"published %d\n" % self.sent:
            raise BenchError(
                f"cdr_amqp did not publish {self.sent} events: "
                + (complaint or printed).decode().strip())

    def wait(self) -> None:
        """Waits until the last event has left."""
        self._thread.join()

    @property
    def achieved_rate(self) -> float:
        """Events per second, as they left."""
        return self.sent / self.seconds

    def _feed(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        began = time.monotonic()
        try:
            for tick in self._ticks():
                due = began + self.sent / self.rate
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    break
                pipe.write(b"".join(map(line, tick)))
                pipe.flush()
                self.sent += len(tick)
        except BrokenPipeError:
            pass  # __exit__ tells why the program has ended
        self.seconds = time.monotonic() - began

    def _ticks(self) -> Iterator[list[Event]]:
        size = max(1, round(self.rate * TICK_SECONDS))
        while tick := list(itertools.islice(self._events, size)):
            yield tick


def line(event: Event) -> bytes:
    """An event that happens now, for `cdr_amqp publish`."""
    body = restamped(event, datetime.now(timezone.utc))
    return event.type.encode() + b"\t\t" + body + b"\n"
