// From a message to an event: JSON of the second dialect, which is what the
// benchmark publishes.

import { createHash } from 'node:crypto';

const KINDS = new Map([
  ['call.started', 'started'],
  ['call.answered', 'answered'],
  ['call.ended', 'ended'],
  ['user.identified.for_call', 'identified'],
  ['user.created.for_call', 'identified'],
  ['call.recording.available', 'recorded'],
]);

const HANGUP_SOURCES = new Map([
  ['normal_clearing_by_user', 'user'],
  ['busy', 'user'],
  ['user_busy', 'user'],
  ['terminated_by_request', 'system'],
  ['system_terminated', 'system'],
  ['workflow_hangup', 'system'],
  ['network_failure', 'network'],
]);

const EXTENSION_DIGITS = 6;

/**
 * The identity: 128 bits of SHA-256 over the message-id with its length (-1:
 * none) and the body, in hex.
 */
function identityOf(message) {
  const id = message.properties.messageId;
  const length = Buffer.alloc(4);
  length.writeInt32BE(id === undefined ? -1 : Buffer.byteLength(id));
  const hash = createHash('sha256').update(length);
  if (id) hash.update(id);
  return hash.update(message.content).digest('hex').slice(0, 32);
}

/** Microseconds since 1970 of an RFC 3339 time: exact, unlike a Date. */
function microseconds(time) {
  const [, seconds, fraction = '', zone] =
    /^(.{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  return Date.parse(seconds + zone) * 1000 + Math.round(Number(`0.${fraction}0`) * 1e6);
}

/** The number in a SIP header value, or in a SIP or tel URI. */
function numberOf(value) {
  if (!value) return null;
  const bare = value.replace(/^\s*"(?:[^"\\]|\\.)*"/, '');
  const uri = (/<([^>]*)>/.exec(bare)?.[1] ?? bare).trim();
  const user = uri.replace(/^(?:sips?|tel):/i, '').split(/[@;?]/, 1)[0];
  if (/^(?:anonymous|restricted|unavailable|private|withheld|unknown)$/i.test(user)) {
    return 'anonymous';
  }
  const digits = user.replace(/[-.() ]/g, '');
  return (/^\+?[\d*#]+$/.test(digits) ? digits : user) || null;
}

function isExtension(number) {
  return number !== null && /^[\d*#]+$/.test(number) && number.length <= EXTENSION_DIGITS;
}

function isOutside(number) {
  return number !== null && !isExtension(number) && /^(?:anonymous|\+?[\d*#]+)$/.test(number);
}

function directionOf(caller, callee) {
  if (isOutside(caller)) return 'inbound';
  if (isExtension(caller) && isOutside(callee)) return 'outbound';
  if (isExtension(caller) && isExtension(callee)) return 'internal';
  return null;
}

/** What only events of one kind have. */
function fieldsOfKind(kind, content) {
  switch (kind) {
    case 'started': {
      const callerNumber = numberOf(content.fromUri);
      const calleeNumber = numberOf(content.toUri);
      return {
        callerNumber,
        calleeNumber,
        direction: content.direction || directionOf(callerNumber, calleeNumber),
        userId: content.dialplanResolution?.matchedUser?.id || null,
        contactId: content.dialplanResolution?.matchedContact?.id || null,
      };
    }
    case 'identified':
      return { userId: content.userId || null, contactId: content.contactId || null };
    case 'ended':
      return {
        hangupCause: content.reason || null,
        hangupSource: content.hangupSource || HANGUP_SOURCES.get(content.reason) || null,
      };
    case 'recorded':
      return { recordingUrl: content.recordingUri || content.uri || content.publicUrl || null };
    default:
      return {};
  }
}

/** Parses a message; throws if it is not JSON. */
export function parseEvent(message) {
  const payload = message.content.toString();
  const content = JSON.parse(payload);
  const receivedAt = new Date().toISOString();
  const timestamp = content.timestamp || receivedAt;
  const type = content.eventType || message.fields.routingKey;
  const kind = KINDS.get(type);

  return {
    id: identityOf(message),
    timestamp,
    time: microseconds(timestamp),
    receivedAt,
    callId: content.callId || '',
    type,
    kind,
    traceId: content.traceId || null,
    tenantId:
      content.tenantId ||
      content.dialplanResolution?.matchedUser?.tenantId ||
      content.dialplanResolution?.tenantId ||
      null,
    routingKey: message.fields.routingKey,
    payload,
    ...fieldsOfKind(kind, content),
  };
}
