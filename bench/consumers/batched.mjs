// A consumer that somebody took care to make fast: transactions of many
// events in multi-row statements, two of them under way at a time, while the
// events of the next one are collected.
//
// usage: node batched.mjs EVENTS BATCH

import amqp from 'amqplib';
import pg from 'pg';

import { mergeCalls } from './calls.mjs';
import { parseEvent } from './event.mjs';
import { Progress } from './progress.mjs';
import { INSERT_EVENTS, MERGE_CALLS, eventRow, toColumns } from './store.mjs';

const WRITERS = 2;
const LINGER_MS = 20; // how long a batch that is not full waits for more

const [expected, batchSize] = process.argv.slice(2).map(Number);
const progress = new Progress(expected);

const idle = Array.from({ length: WRITERS }, () => new pg.Client({ pipeline: true }));
await Promise.all(idle.map((client) => client.connect()));
const connection = await amqp.connect(process.env.AMQP_URI);
const channel = await connection.createChannel();

let collected = []; // [message, event], in the order of arrival
const underWay = []; // batches, in the order in which they were taken
let timer;

/** Drops events that repeat another; in the order of the unique index. */
function distinct(events) {
  const byId = new Map(events.map((event) => [event.id, event]));
  return [...byId.values()].sort((a, b) =>
    a.callId !== b.callId ? (a.callId < b.callId ? -1 : 1) : a.id < b.id ? -1 : 1,
  );
}

/** One transaction.  Writers lock in the same order, so they cannot deadlock. */
async function store(client, events) {
  const [, inserted] = await Promise.all([
    client.query('BEGIN'),
    client.query({
      name: 'insert',
      text: INSERT_EVENTS,
      values: toColumns(events.map(eventRow)),
      rowMode: 'array',
    }),
  ]);
  const fresh = new Set(inserted.rows.map(([id]) => id.replaceAll('-', '')));
  const merged = events.filter(({ id, callId }) => fresh.has(id) && callId !== '');
  await Promise.all([
    merged.length > 0 &&
      client.query({ name: 'merge', text: MERGE_CALLS, values: toColumns(mergeCalls(merged)) }),
    client.query('COMMIT'),
  ]);
}

/** Acknowledges what is committed, up to the first batch that is not. */
function acknowledge() {
  let last;
  while (underWay[0]?.isCommitted) last = underWay.shift().last;
  if (last !== undefined) channel.ack(last, true);
}

async function write() {
  const client = idle.pop();
  const taken = collected.splice(0, batchSize);
  const batch = { last: taken.at(-1)[0], isCommitted: false };
  underWay.push(batch);
  await store(client, distinct(taken.map(([, event]) => event)));
  batch.isCommitted = true;
  idle.push(client);
  acknowledge();
  if (progress.add(taken.length)) await close();
  else writeIfDue();
}

async function close() {
  await channel.close();
  await connection.close();
  await Promise.all(idle.map((client) => client.end()));
}

function writeIfDue() {
  clearTimeout(timer);
  if (idle.length === 0 || collected.length === 0) return;
  if (collected.length >= batchSize) write();
  else timer = setTimeout(write, LINGER_MS);
}

function collect(message) {
  try {
    collected.push([message, parseEvent(message)]);
  } catch {
    channel.reject(message, false);
    return;
  }
  writeIfDue();
}

await channel.prefetch(4 * batchSize);
await channel.consume(process.env.QUEUE, collect);
