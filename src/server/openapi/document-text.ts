/** What stands in front of the operations: how to call, the limits, the errors, and what is no operation. */
import { errorCatalogue } from '../../errors.ts';
import type { Subject } from './description.ts';

export function documentText({ project, isOpen }: Subject): string {
  const { bodyBytesMax, rowsMax, timeoutMs, inFlightMax, wsInFlightMax } = project.limits;
  const { eventsMax, eventBytesMax } = project.streaming;
  const access = isOpen
    ? 'This server has neither keys nor tokens now: everybody may do everything.'
    : 'Calls need a key or a token, as `Authorization: Bearer …` or `x-api-key: …`. Each operation names the scopes of which one is enough.';
  const codes = Object.entries(errorCatalogue).map(
    ([code, { status, meaning }]) => `- \`${code}\` (${status}): ${meaning}`,
  );
  return `What the project \`${project.name}\` serves. Each call is made as its operation says; HEAD works where GET does, and another method is answered with METHOD_NOT_ALLOWED.

${access}

## Limits

- a body: ${bodyBytesMax} bytes
- rows of a call: ${rowsMax}
- events of a call: ${eventsMax}, of ${eventBytesMax} bytes each
- time for an answer: ${timeoutMs} ms
- requests that wait for an answer: ${inFlightMax}

## WebSocket

\`/v1/ws\` takes the same predict calls, events and feedback over one connection, in text messages of JSON or binary ones of MessagePack. Each request has an \`id\`, which its answer has too: \`{"id": 1, "endpoint": "…", "rows": […]}\`, \`{"id": 2, "events": […]}\`, \`{"id": 3, "feedback": […]}\`. Answers come in any order; an error has the form of HTTP's. At most ${wsInFlightMax} requests may wait on one connection. A call without an upgrade is answered with UPGRADE_REQUIRED.

## Errors

Every error has a \`code\`:

${codes.join('\n')}
`;
}
