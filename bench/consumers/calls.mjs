// From events to calls: of each kind of event one wins, the earliest or the
// latest by (time, identity).

function isBefore(a, b) {
  return a.time !== b.time ? a.time < b.time : a.id < b.id;
}

function earlier(a, b) {
  return a === undefined || isBefore(b, a) ? b : a;
}

function later(a, b) {
  return a === undefined || isBefore(a, b) ? b : a;
}

function add(call, event) {
  switch (event.kind) {
    case 'started':
    case 'answered':
    case 'ended':
      call[event.kind] = earlier(call[event.kind], event);
      break;
    case 'identified':
    case 'recorded':
      call[event.kind] = later(call[event.kind], event);
      break;
    default:
  }
  call.count += 1;
  call.first = earlier(call.first, event);
  call.last = later(call.last, event);
}

/** The values of calls, in the order of merge.sql. */
function callRow(call) {
  const { id, started, answered, ended, identified, recorded } = call;
  const who = identified ?? started;
  return [
    id,
    started?.timestamp,
    started?.id,
    started?.callerNumber,
    started?.calleeNumber,
    started?.direction,
    started?.tenantId,
    answered?.timestamp,
    ended?.timestamp,
    ended?.id,
    ended?.hangupCause,
    ended?.hangupSource,
    identified?.timestamp,
    identified?.id,
    identified?.tenantId,
    who?.userId,
    who?.contactId,
    recorded?.timestamp,
    recorded?.id,
    recorded?.recordingUrl,
    call.count,
    call.first.timestamp,
    call.last.timestamp,
  ];
}

/** One row for each call of these events, in the order of the call ids. */
export function mergeCalls(events) {
  const calls = new Map();
  for (const event of events) {
    let call = calls.get(event.callId);
    if (call === undefined) {
      call = { id: event.callId, count: 0 };
      calls.set(event.callId, call);
    }
    add(call, event);
  }
  return [...calls.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(callRow);
}
