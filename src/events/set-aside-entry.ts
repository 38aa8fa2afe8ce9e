/**
 * An entry of a set-aside log as bytes:
 *
 *   u16 partition | float64 offset | float64 time | u32 length of the reason | reason | record
 */
import type { EventCodec } from './event-codec.ts';
import type { AcceptedEvent } from './event.ts';
import type { SetAside, SetAsideEntry } from './set-aside-log.ts';

const HEADER_BYTES = 22;

export function encodeSetAside({ partition, offset, reason, atMs, bytes }: SetAsideEntry): Buffer {
  const text = Buffer.from(reason);
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  let at = header.writeUInt16BE(partition, 0);
  at = header.writeDoubleBE(offset, at);
  at = header.writeDoubleBE(atMs, at);
  header.writeUInt32BE(text.length, at);
  return Buffer.concat([header, text, bytes]);
}

export function decodeSetAside(number: number, entry: Buffer, codec: Pick<EventCodec, 'decode'>): SetAside {
  const to = HEADER_BYTES + entry.readUInt32BE(HEADER_BYTES - 4);
  const bytes = entry.subarray(to);
  return {
    number,
    partition: entry.readUInt16BE(0),
    offset: entry.readDoubleBE(2),
    atMs: entry.readDoubleBE(10),
    reason: entry.toString('utf8', HEADER_BYTES, to),
    bytes,
    event: decodeEvent(bytes, codec),
  };
}

function decodeEvent(bytes: Buffer, codec: Pick<EventCodec, 'decode'>): AcceptedEvent | undefined {
  try {
    return codec.decode(bytes).event;
  } catch {
    return undefined;
  }
}
