/** Events that were set aside, as a table of at most 80 columns, and as JSON. */
import type { AcceptedEvent } from '../../events/event.ts';
import { originalId } from '../../events/retry-set-aside.ts';
import type { SetAside } from '../../events/set-aside-log.ts';
import type { JsonObject, JsonValue } from '../../project/json-text.ts';
import type { EventField } from '../../project/project.ts';
import type { Value } from '../../project/value.ts';
import { formatTable } from '../table.ts';

const WIDTH = 80;
const INDENT = '  ';
const TYPE_CHARS_MAX = 16;
/** Between two columns. */
const GAP = 2;
const ID_CHARS_MIN = 8;
const head = ['number', 'partition', 'offset', 'time', 'type', 'id'];

/** A reason stands above the entries that have it. */
export function setAsideTable(entries: readonly SetAside[]): string {
  const places = entries.map(({ number, partition, offset, event }) => [
    String(number),
    String(partition),
    String(offset),
    event === undefined ? '-' : timeText(event.timeMs),
    cut(event?.type.name ?? '-', TYPE_CHARS_MAX),
  ]);
  const widths = head
    .slice(0, -1)
    .map((title, c) => Math.max(title.length, ...places.map((row) => row[c]?.length ?? 0)));
  const taken = widths.reduce((sum, width) => sum + width + GAP, INDENT.length);
  const idChars = Math.max(ID_CHARS_MIN, WIDTH - taken);
  const rows = entries.map(({ event }, i) => [
    ...(places[i] ?? []),
    cut(event === undefined ? '-' : originalId(event.id), idChars),
  ]);
  const [title = '', ...lines] = formatTable([head, ...rows], INDENT).split('\n');
  const text = entries.map(({ reason }, i) => {
    const isNew = reason !== entries[i - 1]?.reason;
    return `${isNew ? `${cut(reason, WIDTH)}\n` : ''}${lines[i]}\n`;
  });
  return `${title}\n${text.join('')}`;
}

/** The event is as `POST /v1/events` takes it; where it cannot be read, its bytes are there instead. */
export function setAsideJson({
  number,
  partition,
  offset,
  reason,
  atMs,
  event,
  bytes,
}: SetAside): JsonObject {
  const place = { number, partition, offset, reason, set_aside_at: new Date(atMs).toISOString() };
  if (event === undefined) return { ...place, event: null, bytes: bytes.toString('base64') };
  return { ...place, event: eventJson(event) };
}

function eventJson({ id, type, timeMs, values }: AcceptedEvent): JsonObject {
  const fields = type.fields.map((field, i): [string, JsonValue] => [
    field.name,
    fieldJson(field, values[i] ?? null),
  ]);
  const time = type.timeField === undefined ? { time: new Date(timeMs).toISOString() } : {};
  return { type: type.name, id, ...time, fields: Object.fromEntries(fields) };
}

function fieldJson({ type }: EventField, value: Value): JsonValue {
  if (value === null) return null;
  if (type.scalar === 'timestamp' && type.length === undefined)
    return new Date(value as number).toISOString();
  if (Array.isArray(value)) return value.map(digits);
  return digits(value as Exclude<Value, null | readonly (number | bigint)[]>);
}

/** Beyond 2^53, whoever reads it as a number would lose digits. */
function digits(value: number | bigint | string | boolean): JsonValue {
  return typeof value === 'bigint' ? String(value) : value;
}

function timeText(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, -5)}Z`;
}

/** Callers choose ids: what would move the cursor of a terminal is not printed as it is. */
function cut(text: string, charsMax: number): string {
  const shown = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
  if (shown.length <= charsMax) return shown;
  // No half of a surrogate pair is left at the end.
  return `${shown.slice(0, charsMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
