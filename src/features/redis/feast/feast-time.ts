/**
 * The event time of a view's row in Feast: a google.protobuf.Timestamp, seconds and nanoseconds since 1970. A field
 * that is 0 is left out, so that 1970 itself is no bytes at all. The nanoseconds count forward, before 1970 too.
 */
import { MessageReader, tagBytes, varintBytes, wireTypes } from './protobuf.ts';

const SECONDS_FIELD = 1;
const NANOS_FIELD = 2;
const NANOS_PER_MS = 1e6;
// The range of ECMAScript's Date.
const TIME_MS_MAX = 8.64e15;

export function encodeFeastTime(timeMs: number): Buffer {
  const seconds = Math.floor(timeMs / 1000);
  const nanos = Math.floor((timeMs - seconds * 1000) * NANOS_PER_MS);
  const fields = [
    [SECONDS_FIELD, seconds],
    [NANOS_FIELD, nanos],
  ] as const;
  return Buffer.concat(
    fields.flatMap(([field, value]) =>
      value === 0 ? [] : [tagBytes(field, wireTypes.varint), varintBytes(value)],
    ),
  );
}

/**
 * In milliseconds; what is finer is dropped.
 * @throws Error if the bytes are no time
 */
export function decodeFeastTime(bytes: Buffer): number {
  const reader = new MessageReader(bytes);
  let seconds = 0;
  let nanos = 0;
  while (!reader.isAtEnd) {
    const tag = reader.uint32();
    if (tag === SECONDS_FIELD * 8) seconds = Number(reader.int64());
    else if (tag === NANOS_FIELD * 8) nanos = Number(reader.int64());
    else reader.skip(tag & 7);
  }
  const timeMs = seconds * 1000 + Math.floor(nanos / NANOS_PER_MS);
  if (Math.abs(timeMs) <= TIME_MS_MAX) return timeMs;
  throw new Error('an event time is outside the range of a date');
}
