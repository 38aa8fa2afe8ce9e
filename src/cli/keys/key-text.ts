/** Keys in words, as a table, and as JSON: their digests are in none of them. */
import type { KeyRecord } from '../../access/key-records.ts';
import type { MadeKey } from '../../access/make-key.ts';
import type { JsonObject } from '../../project/json-text.ts';
import { defaultHost, defaultPort } from '../../server/server-options.ts';
import { formatTable } from '../table.ts';

const BASE = `http://${defaultHost}:${defaultPort}`;

export function keyJson({ id, name, scopes, createdMs, expiresMs, rate }: KeyRecord): JsonObject {
  return {
    id,
    name,
    scopes,
    created: timeText(createdMs),
    expires: expiresMs === undefined ? null : timeText(expiresMs),
    rate: rate === undefined ? null : { per_second: rate.perSecond, burst: rate.burst },
  };
}

export function keyTable(records: readonly KeyRecord[], nowMs: number): string {
  const head = ['id', 'name', 'scopes', 'created', 'expires', 'rate'];
  const lines = records.map((record) => {
    const { id, name, scopes, createdMs, expiresMs, rate } = record;
    const expires = expiresMs === undefined ? 'never' : timeText(expiresMs);
    return [
      id,
      name,
      scopes.join(','),
      timeText(createdMs),
      expiresMs !== undefined && expiresMs <= nowMs ? `expired ${expires}` : expires,
      rate === undefined ? 'any' : `${rate.perSecond}/s, burst ${rate.burst}`,
    ];
  });
  return formatTable([head, ...lines]);
}

/** What is shown once, and how to use it. */
export function madeKeyText({ text, record }: MadeKey, file: string): string {
  const { id, name, scopes, expiresMs } = record;
  const until = expiresMs === undefined ? '' : `, until ${timeText(expiresMs)}`;
  return `${text}

This is the key "${name}" (${id}) for ${scopes.join(', ')}${until}. It is shown only now.
Servers that use ${file} take it within a second. Send it with each call:

  curl -H 'Authorization: Bearer ${text}' ${exampleOf(record)}

Commands of millrace that call a server take it from --key or MILLRACE_KEY.
`;
}

function exampleOf({ scopes }: KeyRecord): string {
  if (scopes.includes('predict'))
    return `-H 'Content-Type: application/json' -d @request.json ${BASE}/v1/endpoints/<endpoint>/predict`;
  if (scopes.includes('features:read'))
    return `-H 'Content-Type: application/json' -d @request.json ${BASE}/get-online-features`;
  if (scopes.includes('features:write'))
    return `-H 'Content-Type: application/json' -d @rows.json ${BASE}/push`;
  if (scopes.includes('events:write'))
    return `-H 'Content-Type: application/json' -d @event.json ${BASE}/v1/events`;
  return scopes.includes('metrics:read') ? `${BASE}/metrics` : `${BASE}/v1/rollouts`;
}

/** To the second: nobody needs a key's milliseconds. */
function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, 'Z');
}
