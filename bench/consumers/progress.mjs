// What the benchmark hears from a consumer: a line of JSON when it has first
// committed something, and another when all is committed.

function report(events) {
  const { user, system } = process.cpuUsage();
  const seconds = Number(process.hrtime.bigint()) / 1e9;
  process.stdout.write(`${JSON.stringify({ events, seconds, cpu: user + system })}\n`);
}

export class Progress {
  constructor(expected) {
    this.expected = expected;
    this.committed = 0;
  }

  /** Counts events that are committed; true once these were the last. */
  add(events) {
    const isFirst = this.committed === 0;
    this.committed += events;
    const isDone = this.committed >= this.expected;
    if (isFirst || isDone) report(this.committed);
    return isDone;
  }
}
