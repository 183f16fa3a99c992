// What the two consumers of Node have in common on the side of PostgreSQL.

import { readFileSync } from 'node:fs';

const EVENT_COLUMNS = [
  ['event_time', 'timestamptz'],
  ['received_at', 'timestamptz'],
  ['event_id', 'uuid'],
  ['call_id', 'text'],
  ['event_type', 'text'],
  ['trace_id', 'text'],
  ['tenant_id', 'text'],
  ['routing_key', 'text'],
  ['payload', 'json'],
];

// of calls, in the order of merge.sql
const CALL_TYPES = [
  'text',
  'timestamptz', 'uuid', 'text', 'text', 'text', 'text',
  'timestamptz',
  'timestamptz', 'uuid', 'text', 'text',
  'timestamptz', 'uuid', 'text',
  'text', 'bigint',
  'timestamptz', 'uuid', 'text',
  'bigint', 'timestamptz', 'timestamptz',
];

const EVENT_TYPES = EVENT_COLUMNS.map(([, type]) => type);
const EVENT_NAMES = EVENT_COLUMNS.map(([name]) => name).join(', ');

/** "$first::type, ..." with a suffix to each type. */
function parameters(types, first = 1, suffix = '') {
  return types.map((type, i) => `$${first + i}::${type}${suffix}`).join(', ');
}

function mergeStatement(source) {
  const path = new URL(`file://${process.env.BENCH_SQL}/merge.sql`);
  return readFileSync(path, 'utf8').replace(':source', () => source);
}

/** Inserts one event and, if it was new, merges it into its call. */
export const STORE_ONE =
  `WITH fresh AS (INSERT INTO call_events (${EVENT_NAMES})
    VALUES (${parameters(EVENT_TYPES)}) ON CONFLICT DO NOTHING RETURNING 1) ` +
  mergeStatement(`SELECT ${parameters(CALL_TYPES, EVENT_TYPES.length + 1)} FROM fresh WHERE $4 <> ''`);

/** Inserts events out of arrays; returns the identities of those that were new. */
export const INSERT_EVENTS =
  `INSERT INTO call_events (${EVENT_NAMES})
   SELECT * FROM unnest(${parameters(EVENT_TYPES, 1, '[]')})
   ON CONFLICT DO NOTHING RETURNING event_id`;

/** Merges calls out of arrays. */
export const MERGE_CALLS = mergeStatement(
  `SELECT * FROM unnest(${parameters(CALL_TYPES, 1, '[]')})`,
);

/** The values of call_events. */
export function eventRow(event) {
  return [
    event.timestamp,
    event.receivedAt,
    event.id,
    event.callId,
    event.type,
    event.traceId,
    event.tenantId,
    event.routingKey,
    event.payload,
  ];
}

/** One array for each column. */
export function toColumns(rows) {
  return rows[0].map((_, column) => rows.map((row) => row[column]));
}
