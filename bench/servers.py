"""A PostgreSQL with the extension and a RabbitMQ, for one measurement.

Both are started on free ports in a scratch directory by the functions of
scripts/lib.sh and by scripts/broker, and removed at the end.  This is also
where their costs are read: CPU time, write-ahead log, disk.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

ROOT = Path(__file__).resolve().parent.parent
EXCHANGE = "sentiric_events"
QUEUE = "sentiric.cdr_service.events"
DATABASE = "cdr"  # the one that the service writes to
BATCH = 2000  # events in a transaction, by default: the service's own default

# What a DBA would set for such a load on a machine of this size; fsync,
# synchronous_commit and full_page_writes stay on, as they are by default.
# Files of the log are kept for reuse, so that no run has to make them anew.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "max_worker_processes": "16",
}

MICROSECONDS_PER_TICK = 1_000_000 // os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 60
QUIET_SECONDS = 0.25
QUIET_SHARE = 0.05  # of one core


class BenchError(Exception):
    """What stops a measurement, in words for whoever runs it."""


@dataclass(frozen=True)
class Cpu:
    """Microseconds of CPU time, by who spent them."""

    worker: int
    postgres_other: int
    broker: int

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.worker - other.worker,
                   self.postgres_other - other.postgres_other,
                   self.broker - other.broker)

    @property
    def all(self) -> int:
        """The sum."""
        return self.worker + self.postgres_other + self.broker


@dataclass(frozen=True)
class Process:
    """What /proc says of a process; times in microseconds."""

    parent: int
    cpu: int
    cpu_of_ended_children: int


def read_process(pid: int) -> Process | None:
    """Reads /proc/PID; None if there is no such process any more."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8",
                                                   errors="replace")
        # in nanoseconds, but of the first thread alone
        scheduled = Path(f"/proc/{pid}/schedstat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # the command's name stands in brackets and may hold anything
    fields = text.rpartition(")")[2].split()
    user, system, user_ended, system_ended = map(int, fields[11:15])
    threads = int(fields[17])
    cpu = (int(scheduled.split()[0]) // 1000 if threads == 1
           else (user + system) * MICROSECONDS_PER_TICK)
    return Process(int(fields[1]), cpu,
                   (user_ended + system_ended) * MICROSECONDS_PER_TICK)


def children_of(parent: int) -> dict[int, Process]:
    """The processes that a process has started and that still run."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = read_process(int(name))
            if process is not None and process.parent == parent:
                found[int(name)] = process
    return found


def wait_until(condition: Callable[[], Any], what: str,
               seconds: float = PATIENCE_SECONDS,
               poll: float = POLL_SECONDS) -> Any:
    """Waits until the condition is true, and returns what it returned."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds} seconds in vain for {what}")
        time.sleep(poll)
    return result


def run(*command: str | Path, stdin: Any = subprocess.DEVNULL,
        text: str | None = None,
        environment: Mapping[str, str] | None = None) -> str:
    """Runs a command in the root of the project; returns what it printed."""
    source = {"stdin": stdin} if text is None else {"input": text}
    done = subprocess.run(command, cwd=ROOT, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, **(environment or {})}, **source)
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed: "
                         f"{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def with_library(script: str, *arguments: str | Path, text: str = "",
                 cores: Iterable[int] | None = None) -> str:
    """Runs a line of bash that calls functions of scripts/lib.sh.

    cores are those that it, and what it starts, may run on.
    """
    own = ["taskset", "--cpu-list", ",".join(map(str, cores))] if cores else []
    return run(*own, "bash", "-euc",
               f". scripts/lib.sh; find_pg_config; {script}",
               "bench", *arguments, text=text)


class Servers:
    """Both servers, from `with` to the end of its block.

    settings are of postgresql.conf, beside those of SETTINGS.  apart gives
    PostgreSQL cores that nothing else runs on: the broker, whatever publishes
    and this process have the last one, as if they were another machine.
    """

    def __init__(self, settings: Mapping[str, str | int] | None = None, *,
                 apart: bool = False):
        self.settings: dict[str, str | int] = {**SETTINGS, **(settings or {})}
        self._cores = sorted(os.sched_getaffinity(0))
        self._apart = apart
        if apart and len(self._cores) < 2:
            raise BenchError("to be apart takes two cores")
        self.directory = Path()
        self.port = 0
        self.amqp_uri = ""
        self._connections: dict[str, psycopg.Connection] = {}
        self._workers = 1
        self._service_settings: set[str] = set()

    def __enter__(self) -> Servers:
        run("make", "-s", "-C", "test/tools")
        self.directory = Path(with_library("make_server_dir cdr-bench"))
        if self._apart:
            os.sched_setaffinity(0, self._cores[-1:])
        try:
            self._start_broker()
            self._make_cluster()
            self._start_cluster()
            self.create_database(DATABASE)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _start_broker(self) -> None:
        run("scripts/broker", "start", self.broker_directory)
        self.amqp_uri = run("bash", "-euc", '. "$1/env"; echo "$AMQP_URI"',
                            "bench", self.broker_directory)
        self.amqp("declare-exchange", EXCHANGE, "topic")

    def _make_cluster(self) -> None:
        self.port = int(with_library("free_port"))
        settings: dict[str, str | int] = {
            **self.settings,
            "shared_preload_libraries": "cdr_service",
            "cdr_service.database": DATABASE,
            "cdr_service.amqp_uri": self.amqp_uri,
            "cdr_service.paused": "on",
        }
        with_library('make_cluster "$1" "$2"', self.directory, str(self.port),
                     text="".join(f"{name} = '{value}'\n"
                                  for name, value in settings.items()))

    def _end(self) -> None:
        self._disconnect()
        with_library('stop_cluster "$1" immediate || true', self.directory)
        run("scripts/broker", "stop", self.broker_directory)
        run("rm", "-rf", self.directory)

    # --- PostgreSQL --------------------------------------------------------

    def dsn(self, database: str = DATABASE) -> str:
        """How to connect to a database, for libpq."""
        return (f"host={self.directory} port={self.port} user=postgres "
                f"dbname={database}")

    def environment(self, database: str = DATABASE) -> dict[str, str]:
        """How to connect to both servers, for other programs."""
        return {"PGHOST": str(self.directory), "PGPORT": str(self.port),
                "PGUSER": "postgres", "PGDATABASE": database,
                "AMQP_URI": self.amqp_uri}

    def program(self, name: str) -> Path:
        """A program of PostgreSQL's, such as pgbench."""
        return Path(with_library('echo "$PG_BINDIR"')) / name

    def sql(self, query: str, database: str = DATABASE) -> list[tuple]:
        """Runs one statement, in a transaction of its own; returns its rows.

        Each database has one connection for this, whose CPU time counts as
        nobody's.
        """
        cursor = self._connection(database).execute(query)
        return cursor.fetchall() if cursor.description else []

    def value(self, query: str, database: str = DATABASE) -> Any:
        """The first column of the first row of a query."""
        return self.sql(query, database)[0][0]

    def create_database(self, name: str) -> None:
        """Makes a database that holds the extension."""
        self.sql(f"CREATE DATABASE {name}", "postgres")
        self.sql("CREATE EXTENSION cdr_service", name)

    def _start_cluster(self) -> None:
        """Starts PostgreSQL, on the cores that are its own."""
        with_library('start_cluster "$1"', self.directory,
                     cores=self._cores[:-1] if self._apart else None)

    def restart(self) -> None:
        """Restarts PostgreSQL."""
        self._disconnect()
        with_library('stop_cluster "$1"', self.directory)
        self._start_cluster()

    def _connection(self, database: str) -> psycopg.Connection:
        if database not in self._connections:
            self._connections[database] = psycopg.connect(
                self.dsn(database), autocommit=True)
        return self._connections[database]

    def _disconnect(self) -> None:
        while self._connections:
            self._connections.popitem()[1].close()

    # --- RabbitMQ ----------------------------------------------------------

    @property
    def broker_directory(self) -> Path:
        """Where scripts/broker finds the node."""
        return self.directory / "broker"

    def amqp(self, *arguments: str, stdin: Any = subprocess.DEVNULL) -> str:
        """Runs cdr_amqp; returns what it printed."""
        return run(ROOT / "test/tools/cdr_amqp", "--uri", self.amqp_uri,
                   *arguments, stdin=stdin)

    def publish(self, path: Path) -> None:
        """Publishes the lines of a file, until all are confirmed."""
        with open(path, "rb") as lines:
            self.amqp("publish", "--exchange", EXCHANGE, stdin=lines)

    def make_queue(self, queue_type: str) -> None:
        """Makes the queue anew, and empty; nobody may be consuming."""
        self.amqp("delete-queue", QUEUE)
        self.amqp("declare-queue", QUEUE, f"x-queue-type={queue_type}")
        self.amqp("bind", QUEUE, EXCHANGE, "#")

    # --- The service -------------------------------------------------------

    def start_service(self, workers: int = 1, batch_size: int = BATCH,
                      queue_type: str = "quorum", *, paused: bool = False,
                      **settings: str | int) -> None:
        """Starts the service on a new queue, or, paused, leaves it ready.

        Further settings are those of cdr_service, without that prefix; what
        the last start has set and this one does not is reset.
        """
        self.pause()
        self.make_queue(queue_type)
        settings = {"workers": workers, "batch_size": batch_size,
                    "queue_type": queue_type,
                    "prefetch": max(1000, 2 * batch_size), **settings}
        for name in self._service_settings - settings.keys():
            self.sql(f"ALTER SYSTEM RESET cdr_service.{name}")
        for name, value in settings.items():
            self.sql(f"ALTER SYSTEM SET cdr_service.{name} = '{value}'")
        self._service_settings = set(settings)
        if workers != self._workers:
            self.restart()
            self._workers = workers
            self._wait_for_states("paused")
        self.sql("SELECT pg_reload_conf()")
        self.sql("SELECT cdr_stats_reset()")
        if not paused:
            self.resume()

    def pause(self) -> None:
        """Makes the workers finish their batch, and waits until they have."""
        self.sql("SELECT cdr_pause()")
        self._wait_for_states("paused")

    def resume(self) -> None:
        """Ends a pause, and waits until all workers consume."""
        self.sql("SELECT cdr_resume()")
        self._wait_for_states("consuming", "storing")

    def status(self) -> list[dict[str, Any]]:
        """cdr_status(): one row for each worker."""
        with self._connection(DATABASE).cursor(row_factory=dict_row) as cursor:
            return cursor.execute("SELECT * FROM cdr_status()").fetchall()

    def _wait_for_states(self, *states: str) -> None:
        wait_until(
            lambda: all(row["state"] in states for row in self.status()),
            f"the workers to be {' or '.join(states)}")

    # --- What it costs -----------------------------------------------------

    def worker_pids(self) -> list[int]:
        """The processes of the service."""
        return [pid for pid, in self.sql(
            "SELECT pid FROM pg_stat_activity"
            " WHERE backend_type = 'cdr_service worker'")]

    def cpu(self, workers: Iterable[int] | None = None) -> Cpu:
        """CPU time so far; what two snapshots differ in was spent between.

        workers names the processes of PostgreSQL that count as "worker";
        without it they are those of the service.  One that ends between two
        snapshots counts as "postgres_other" in the second.
        """
        apart = set(self.worker_pids() if workers is None else workers)
        postmaster, children = self._postgres_processes()
        ours = {connection.info.backend_pid
                for connection in self._connections.values()}
        others = children.keys() - apart - ours
        return Cpu(
            sum(children[pid].cpu for pid in children.keys() & apart),
            sum(children[pid].cpu for pid in others)
            + postmaster.cpu + postmaster.cpu_of_ended_children,
            self._broker_cpu())

    def _postgres_processes(self) -> tuple[Process, dict[int, Process]]:
        """The postmaster and its children, at a moment when none ended."""
        lines = (self.directory / "data/postmaster.pid").read_text()
        pid = int(lines.split()[0])
        while True:
            before = read_process(pid)
            children = children_of(pid)
            after = read_process(pid)
            if before is None or after is None:
                raise BenchError("PostgreSQL is not running")
            if before.cpu_of_ended_children == after.cpu_of_ended_children:
                return after, children

    def _broker_cpu(self) -> int:
        pid = int((self.broker_directory / "node.pid").read_text())
        node = read_process(pid)
        if node is None:
            raise BenchError("RabbitMQ is not running")
        return node.cpu

    def wal_lsn(self) -> int:
        """The position in the write-ahead log, in bytes."""
        return int(self.value(
            "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    def disk_bytes(self, database: str = DATABASE) -> int:
        """Bytes that calls, call_events and evidence take, with all indexes."""
        return int(self.value(
            "SELECT pg_total_relation_size('calls')"
            " + sum(pg_total_relation_size(relid))"
            " + (SELECT COALESCE(sum(pg_total_relation_size(to_regclass(t))), 0)"
            "    FROM unnest('{cdr_unsealed,cdr_seals,cdr_log,cdr_checkpoints}'"
            "::text[]) AS t)"
            " FROM pg_partition_tree('call_events') WHERE isleaf", database))

    def settle(self) -> None:
        """Waits until both servers have done what was left to do.

        PostgreSQL writes what is in memory; the broker may be busy with a
        queue that was just filled.
        """
        self.sql("CHECKPOINT")
        wait_until(self._is_quiet, "the servers to come to rest")

    def _is_quiet(self) -> bool:
        before = self.cpu()
        time.sleep(QUIET_SECONDS)
        spent = (self.cpu() - before).all
        return spent <= QUIET_SHARE * QUIET_SECONDS * 1_000_000
