// A consumer as it is usually written: one transaction for each event, ten of
// them under way at a time, each a single statement.
//
// usage: node per_event.mjs EVENTS prepared|plain

import amqp from 'amqplib';
import pg from 'pg';

import { mergeCalls } from './calls.mjs';
import { parseEvent } from './event.mjs';
import { Progress } from './progress.mjs';
import { STORE_ONE, eventRow } from './store.mjs';

const AT_A_TIME = 10;
const PREFETCH = 5 * AT_A_TIME; // so that none of the ten waits for the broker

const [expected, mode] = process.argv.slice(2);
const progress = new Progress(Number(expected));
const statement = mode === 'prepared' ? { name: 'store', text: STORE_ONE } : { text: STORE_ONE };

const pool = new pg.Pool({ max: AT_A_TIME });
const connection = await amqp.connect(process.env.AMQP_URI);
const channel = await connection.createChannel();

async function store(message) {
  let event;
  try {
    event = parseEvent(message);
  } catch {
    channel.reject(message, false);
    return;
  }
  const values = [...eventRow(event), ...mergeCalls([event])[0]];
  await pool.query({ ...statement, values });
  channel.ack(message);
  if (progress.add(1)) {
    await channel.close();
    await connection.close();
    await pool.end();
  }
}

await channel.prefetch(PREFETCH);
await channel.consume(process.env.QUEUE, store);
