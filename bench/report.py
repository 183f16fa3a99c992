"""What was measured, as a table for people and as figures for programs."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from contestants import MAPPINGS_MAX, Contestant, Measured
from forms import FORMS, Form
from servers import BATCH, Servers, run

SERVICE = f"service/quorum/1/{BATCH}"
MAPPINGS = f"{SERVICE}/mappings_{MAPPINGS_MAX}"
OLD_EVENTS = f"{SERVICE}/old"
UNCOUNTED = f"{SERVICE}/uncounted"
EVIDENCE = f"{SERVICE}/evidence"
REPEATS_2 = f"{SERVICE}/repeats_2"
REPEATS_20 = f"{SERVICE}/repeats_20"
FEW_PARTITIONS, MANY_PARTITIONS = "partitions/40", "partitions/4000"
TWO_WORKERS = f"service/quorum/2/{BATCH}"
COPY = f"copy/events/{BATCH}"
COPY_MERGED = f"copy/calls/{BATCH}"
COPY_ALONE = f"copy/nothing/{BATCH}"
PER_EVENT = "per_event/prepared"
NOOP = "noop/quorum"
BATCHED = ("node_batched/quorum", "python_copy/quorum")

Round = dict[str, Measured]  # by the contestants' keys


@dataclass(frozen=True)
class Ratio:
    """A ratio within a round, and what it is of."""

    name: str
    meaning: str
    value: Callable[[Round], float]


def rate(first: str, second: str) -> Callable[[Round], float]:
    """The ratio of two rates."""
    return lambda found: found[first].rate / found[second].rate


def cpu(measured: Measured, *parts: str) -> float:
    """CPU time for each event."""
    return measured.per_event(sum(getattr(measured, part) for part in parts))


def cpu_ratio(first: str, second: str, part: str) -> Callable[[Round], float]:
    """The ratio of the CPU times of a part."""
    return lambda found: cpu(found[first], part) / cpu(found[second], part)


def form_ratios(form: Form) -> list[Ratio]:
    """How a form compares with native JSON."""
    key = f"{SERVICE}/{form.key}"
    return [
        Ratio(f"{form.key}_vs_json",
              f"events/s, service, {form.title} / JSON", rate(key, SERVICE)),
        Ratio(f"{form.key}_cpu_vs_json",
              f"CPU of worker, {form.title} / JSON",
              cpu_ratio(key, SERVICE, "consumer_cpu")),
    ]


def machine(servers: Servers) -> dict[str, str]:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GB",
        "kernel": platform.release(),
        "postgresql": servers.value("SHOW server_version"),
        "rabbitmq": run("scripts/broker", "ctl", servers.broker_directory,
                        "version"),
        "node": run("node", "--version").lstrip("v"),
        "python": platform.python_version(),
    }


class Results:
    """All runs of all contestants."""

    def __init__(self, contestants: list[Contestant], body_bytes: float):
        self.contestants = contestants
        self.body_bytes = body_bytes  # of an event, on average
        self.runs: dict[str, list[Measured]] = {
            contestant.key: [] for contestant in contestants}

    def add(self, contestant: Contestant, measured: Measured) -> None:
        """Adds one run."""
        self.runs[contestant.key].append(measured)

    def median(self, key: str, value: Callable[[Measured], float]) -> float:
        """The median of something over a contestant's runs."""
        return statistics.median(map(value, self.runs[key]))

    def rounds(self) -> list[Round]:
        """The runs, round by round."""
        return [dict(zip(self.runs, measured))
                for measured in zip(*self.runs.values())]

    def best_batched(self) -> str:
        """The fastest batched consumer that was written by hand."""
        return max((key for key in BATCHED if key in self.runs),
                   key=lambda key: self.median(
                       key, lambda measured: measured.rate),
                   default=BATCHED[0])

    def ratios(self) -> list[Ratio]:
        """The ratios that matter, of those who ran."""
        return [ratio for ratio in self.all_ratios() if self.is_known(ratio)]

    def is_known(self, ratio: Ratio) -> bool:
        """Did both run that it is of?"""
        try:
            ratio.value(self.rounds()[0])
        except KeyError:
            return False
        return True

    def all_ratios(self) -> list[Ratio]:
        """The ratios that matter, whoever ran."""
        best = self.best_batched()
        titles = {contestant.key: contestant.title
                  for contestant in self.contestants}
        return [
            Ratio("service_vs_copy",
                  "events/s, service / COPY and merge", rate(SERVICE, COPY)),
            Ratio("service_cpu_vs_copy",
                  "CPU of worker / of COPY's backend, merge included",
                  lambda found: cpu(found[SERVICE], "consumer_cpu")
                  / cpu(found[COPY], "backend_cpu")),
            Ratio("service_vs_copy_premerged",
                  "events/s, service / COPY, merged beforehand",
                  rate(SERVICE, COPY_MERGED)),
            Ratio("service_vs_copy_only",
                  "events/s, service / COPY alone, no merge",
                  rate(SERVICE, COPY_ALONE)),
            Ratio("service_vs_noop",
                  "events/s, service / consumer that does nothing",
                  rate(SERVICE, NOOP)),
            Ratio("service_vs_batched",
                  f"events/s, service / {titles.get(best)}", rate(SERVICE, best)),
            Ratio("cpu_vs_batched",
                  f"CPU of all processes, service / {titles.get(best)}",
                  lambda found: cpu(found[SERVICE], "all_cpu")
                  / cpu(found[best], "all_cpu")),
            Ratio("service_vs_per_event",
                  f"events/s, service / {titles.get(PER_EVENT)}",
                  rate(SERVICE, PER_EVENT)),
            Ratio("two_workers_vs_one", "events/s, 2 workers / 1 worker",
                  rate(TWO_WORKERS, SERVICE)),
            *(ratio for form in FORMS for ratio in form_ratios(form)),
            Ratio("mappings_cpu",
                  f"CPU of worker, {MAPPINGS_MAX} mappings in force / none",
                  cpu_ratio(MAPPINGS, SERVICE, "consumer_cpu")),
            Ratio("disk_vs_body", "disk space / bytes of the bodies",
                  lambda found: found[SERVICE].disk_bytes_per_event
                  / self.body_bytes),
            Ratio("old_events", "events/s, of long ago / of yesterday",
                  rate(OLD_EVENTS, SERVICE)),
            Ratio("rollup_us", "CPU of worker, us an event, with - without the"
                  " rollup",
                  lambda found: cpu(found[SERVICE], "consumer_cpu")
                  - cpu(found[UNCOUNTED], "consumer_cpu")),
            Ratio("evidence_us", "CPU of worker, us an event, with - without"
                  " evidence",
                  lambda found: cpu(found[EVIDENCE], "consumer_cpu")
                  - cpu(found[SERVICE], "consumer_cpu")),
            Ratio("evidence_bytes", "disk space, bytes an event, with -"
                  " without evidence",
                  lambda found: found[EVIDENCE].disk_bytes_per_event
                  - found[SERVICE].disk_bytes_per_event),
            Ratio("evidence_wal", "WAL, bytes an event, with - without"
                  " evidence",
                  lambda found: found[EVIDENCE].per_event(
                      found[EVIDENCE].wal_bytes)
                  - found[SERVICE].per_event(found[SERVICE].wal_bytes)),
            Ratio("repeats_2", "deliveries/s, 2 % repetitions / none",
                  rate(REPEATS_2, SERVICE)),
            Ratio("repeats_20", "deliveries/s, 20 % repetitions / none",
                  rate(REPEATS_20, SERVICE)),
            Ratio("many_partitions",
                  "CPU of a repetition, 4000 partitions / 40",
                  lambda found: cpu(found[MANY_PARTITIONS], "backend_cpu")
                  / cpu(found[FEW_PARTITIONS], "backend_cpu")),
        ]

    def figures(self) -> dict[str, Any]:
        """Everything, for JSON."""
        rounds = self.rounds()
        ratios = self.ratios()
        return {
            "body_bytes_per_event": self.body_bytes,
            "ratios": {ratio.name: statistics.median(map(ratio.value, rounds))
                       for ratio in ratios},
            "ratio_details": {
                ratio.name: {
                    "meaning": ratio.meaning,
                    "rounds": [ratio.value(found) for found in rounds]}
                for ratio in ratios},
            "contestants": [
                {"key": contestant.key, "title": contestant.title,
                 "queue": contestant.queue or None, "batch": contestant.batch,
                 "events": len(contestant.messages),
                 "events_per_second": self.median(
                     contestant.key, lambda measured: measured.rate),
                 "runs": [{"events_per_second": measured.rate,
                           **asdict(measured)}
                          for measured in self.runs[contestant.key]]}
                for contestant in self.contestants],
        }

    # --- As text -----------------------------------------------------------

    HEADINGS = ("", "queue", "batch", "(mean)", "events/s", "(min", "max)",
                "consumer", "backend", "other", "broker", "all", "WAL", "disk")

    LEGEND = (
        "Rates: from the first commit to the last; of the consumer that does"
        " nothing, from its start.",
        "consumer to all: microseconds of CPU for each event.  consumer: the"
        " service's workers, or the program",
        "that consumes or copies.  backend: COPY's.  other: PostgreSQL's other"
        " processes, among them the backends",
        "of programs that consume.  broker: RabbitMQ.  WAL, disk: bytes for"
        " each event.  (mean): events in a transaction.",
    )

    def text(self, about: dict[str, str]) -> str:
        """The table, the ratios, and how to read them."""
        rows = [self.HEADINGS, *map(self.row, self.contestants)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join([row[0].ljust(widths[0]),
                            *(cell.rjust(width) for cell, width
                              in zip(row[1:], widths[1:]))])
                 for row in rows]
        count = len(self.rounds())
        return "\n".join([
            ", ".join(f"{name} {value}" for name, value in about.items()),
            f"{count} round{'s' if count > 1 else ''}; bodies of"
            f" {self.body_bytes:.0f} bytes on average; medians",
            "",
            *lines,
            "",
            *self.LEGEND,
            "",
            *self.ratio_lines(),
        ])

    def row(self, contestant: Contestant) -> tuple[str, ...]:
        """One line of the table."""
        def middle(value: Callable[[Measured], float], digits: int = 0) -> str:
            return f"{self.median(contestant.key, value):.{digits}f}"

        def middle_cpu(part: str) -> str:
            return middle(lambda measured: cpu(measured, part), 1)

        rates = [measured.rate for measured in self.runs[contestant.key]]
        return (
            contestant.title, contestant.queue or "-", str(contestant.batch),
            f"({middle(lambda measured: measured.batch)})",
            middle(lambda measured: measured.rate),
            f"({min(rates):.0f}", f"{max(rates):.0f})",
            *map(middle_cpu, ("consumer_cpu", "backend_cpu", "postgres_cpu",
                              "broker_cpu", "all_cpu")),
            middle(lambda measured: measured.per_event(measured.wal_bytes)),
            middle(lambda measured: measured.disk_bytes_per_event))

    def ratio_lines(self) -> list[str]:
        """The ratios: median, and each round's."""
        lines = []
        for ratio in self.ratios():
            values = [ratio.value(found) for found in self.rounds()]
            each = " ".join(f"{value:.2f}" for value in values)
            lines.append(f"{ratio.name:<30} {statistics.median(values):6.2f}"
                         f"   {ratio.meaning}   [{each}]")
        return lines
