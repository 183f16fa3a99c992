"""The comparison: what bench/run runs.

In each round every contestant runs once, so that all meet the machine in the
same moods; what is told are medians over the rounds, and ratios within them.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from fnmatch import fnmatchcase

from calls import (LONG_AGO, in_order_of_calls, make_events,
                   with_repetitions)
from contestants import (Contestant, Messages, Service, add_partitions,
                         all_contestants, make_rivals_tables)
from forms import FORMS
from report import Results, machine
from servers import DATABASE, SETTINGS, BenchError, Servers

EVENTS, ROUNDS = 80_000, 5
QUICK_EVENTS, QUICK_ROUNDS = 20_000, 1
REPETITIONS = (0.02, 0.2)  # shares of the events that are published twice
PARTITIONS = [40, 4000]  # not with --quick: minutes to make
FEW = 10  # who is slow gets a tenth of the events


def parse_arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measures cdr_service beside others.")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object, with all figures")
    parser.add_argument("--quick", action="store_true",
                        help="fewer events and rounds: some minutes")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help=f"default: {ROUNDS}")
    parser.add_argument("--events", type=int, metavar="N",
                        help=f"default: {EVENTS}")
    parser.add_argument("--seed", type=int, default=1, metavar="N",
                        help="other calls")
    parser.add_argument("--only", action="append", metavar="PATTERN",
                        help="only those whose key (as --json prints it) is"
                        " like that, such as 'copy/*'; may be given again")
    parser.add_argument("--apart", action="store_true",
                        help="the broker has a core of its own, and PostgreSQL"
                        " the others: what is slow because they share cores?")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (
        QUICK_ROUNDS if arguments.quick else ROUNDS)
    arguments.events = arguments.events or (
        QUICK_EVENTS if arguments.quick else EVENTS)
    if arguments.rounds < 1 or arguments.events < 10_000:
        parser.error("at least 1 round and 10000 events are needed")
    return arguments


def say(text: str) -> None:
    """Tells how far this is."""
    print(text, file=sys.stderr, flush=True)


def choose(contestants: list[Contestant],
           patterns: list[str] | None) -> list[Contestant]:
    """Those that are asked for."""
    chosen = [contestant for contestant in contestants
              if not patterns or any(fnmatchcase(contestant.key, pattern)
                                     for pattern in patterns)]
    if not chosen:
        keys = ", ".join(contestant.key for contestant in contestants)
        raise BenchError(f"nobody is like that; there are {keys}")
    return chosen


def make_contestants(servers: Servers, arguments: argparse.Namespace,
                     ) -> list[Contestant]:
    """The calls, published in several ways, and who is to cope with them."""
    events = make_events(arguments.events, arguments.seed)
    add_partitions(servers, DATABASE, events)
    make_rivals_tables(servers, events)
    every = Messages(events, servers.directory / "every")
    forms = [Messages(form.of(events), servers.directory / form.key,
                      same_as=every, form=form) for form in FORMS]
    in_order = Messages(in_order_of_calls(events),
                        servers.directory / "in_order")
    few = Messages(events[:len(events) // FEW], servers.directory / "few")
    old = Messages(make_events(arguments.events, arguments.seed, LONG_AGO),
                   servers.directory / "old", is_old=True)
    add_partitions(servers, DATABASE, old.events)
    repeated = [Messages(events, servers.directory / f"repeated_{share}",
                         published=with_repetitions(events, share,
                                                    arguments.seed))
                for share in REPETITIONS]
    chosen = choose(all_contestants(every, forms, in_order, few, old, repeated,
                                    [] if arguments.quick else PARTITIONS),
                    arguments.only)
    used = [contestant.messages for contestant in chosen]
    # what the others must come to; and the servers are warm then
    for messages in (every, *forms, in_order, few, old):
        if messages is not every and messages not in used:
            continue
        service = Service("quorum", messages)
        say(f"warming up: {service.label}")
        service.run(servers)
    for messages in repeated:
        messages.digests = every.digests
    return chosen


def run_rounds(servers: Servers, contestants: list[Contestant], rounds: int,
               body_bytes: float) -> Results:
    """Runs everybody in turn."""
    results = Results(contestants, body_bytes)
    for number in range(1, rounds + 1):
        for contestant in contestants:
            began = time.monotonic()
            measured = contestant.run(servers)
            results.add(contestant, measured)
            say(f"round {number} of {rounds}: {contestant.label}:"
                f" {measured.rate:.0f} events/s"
                f" ({time.monotonic() - began:.0f} s in all)")
    return results


def main() -> None:
    """Measures, and prints what came out."""
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    say("starting PostgreSQL and RabbitMQ")
    with Servers(apart=arguments.apart) as servers:
        contestants = make_contestants(servers, arguments)
        every = max((contestant.messages for contestant in contestants),
                    key=lambda messages: (len(messages), not messages.form))
        about = {"machine": machine(servers), "settings": SETTINGS,
                 "rounds": arguments.rounds, "apart": arguments.apart,
                 "events": len(every), "seed": arguments.seed}
        results = run_rounds(servers, contestants, arguments.rounds,
                             every.body_bytes / len(every))
    if arguments.json:
        print(json.dumps({**about, **results.figures()}, indent=2))
    else:
        print(results.text(about["machine"]))


try:
    main()
except BenchError as error:
    sys.exit(f"bench/run: {error}")
except KeyboardInterrupt:
    sys.exit(130)
