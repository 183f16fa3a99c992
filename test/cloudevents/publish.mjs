// Publishes CloudEvents as the official SDK makes them, in each of its bindings
// that has headers, and in structured mode.
//
// usage: node publish.mjs URI EXCHANGE
//
// Each event is published twice, the second time with another traceparent.

import amqp from 'amqplib';
import { CloudEvent, HTTP, Kafka, MQTT } from 'cloudevents';

const [uri, exchange] = process.argv.slice(2);
const source = '/sip/edge1';
const call = 'sdk@192.0.2.20';

// CallEndedEvent with the call id and the reason alone
const ended = Buffer.concat([
  Buffer.from([0x1a, call.length]), Buffer.from(call),
  Buffer.from([0x2a, 4]), Buffer.from('busy')]);

const events = [
  [HTTP.binary, 'call.started', '2026-03-08T20:00:00.118Z',
    { data: { callId: call, fromUri: 'sip:+12025550123@192.0.2.20', toUri: 'sip:1001@example.org' } }],
  [HTTP.structured, 'org.example.call.ringing', '2026-03-08T20:00:01Z', { data: { callId: call } }],
  [Kafka.binary, 'user.identified.for_call', '2026-03-08T20:00:02Z', { data: { userId: 'u-1' }, callid: call }],
  [MQTT.structured, 'com.example.any', '2026-03-08T20:00:03Z', { data: 'text', subject: call }],
  [HTTP.structured, 'call.ended', '2026-03-08T20:00:09Z',
    { data: new Uint8Array(ended), datacontenttype: 'application/protobuf' }],
];

// What a binding makes, as AMQP has it: its content type is a property.
function message({ headers, body, value, payload, PUBLISH }) {
  const all = { ...headers };
  const contentType = all['content-type'] ?? PUBLISH?.['Content Type'];
  delete all['content-type'];
  const bytes = body ?? value ?? payload;
  return {
    bytes: Buffer.from(typeof bytes === 'object' && !ArrayBuffer.isView(bytes) ? JSON.stringify(bytes) : bytes),
    options: { contentType, headers: all, persistent: true },
  };
}

const connection = await amqp.connect(uri);
const channel = await connection.createConfirmChannel();
for (const [number, [binding, type, time, more]] of events.entries()) {
  for (const digit of ['1', '2']) {
    const event = new CloudEvent({
      id: `sdk-${number + 1}`, source, type, time,
      traceparent: `00-${digit.repeat(32)}-00f067aa0ba902b7-01`, ...more });
    const { bytes, options } = message(binding(event));
    if (process.env.SHOW) console.log(options, bytes.toString());
    channel.publish(exchange, '', bytes, options);
  }
}
await channel.waitForConfirms();
await connection.close();
