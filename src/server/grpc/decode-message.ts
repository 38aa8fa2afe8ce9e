/**
 * Messages are decoded once their caller is admitted, and only where they have few fields: an empty tensor takes two
 * bytes of a message, and some hundred in memory.
 */
import { MillraceError } from '../../errors.ts';

/**
 * A message that is decoded when it is asked for.
 * @throws MillraceError INVALID_REQUEST
 */
export type UndecodedMessage<Message> = () => Message;

/** Of one message with its tensors and parameters, and of the dimensions of those. Elements are not counted. */
const FIELDS_MAX = 10_000;

/** Which fields of a message are messages, and how those are made. Fields of numbers count each number. */
interface Layout {
  readonly [field: number]: Layout | 'numbers';
}

const parameterEntry: Layout = { 2: {} };
const layouts: Readonly<Record<string, Layout>> = {
  ModelInfer: { 4: parameterEntry, 5: { 3: 'numbers', 4: parameterEntry }, 6: { 2: parameterEntry } },
  RepositoryModelLoad: { 3: parameterEntry },
  RepositoryModelUnload: { 3: parameterEntry },
};

/** @param method its name in the service */
export function undecodedMessage<Message>(
  method: string,
  decode: (bytes: Buffer) => Message,
): (bytes: Buffer) => UndecodedMessage<Message> {
  const layout = layouts[method] ?? {};
  return (bytes) => () => {
    const fields = countFields(bytes, layout, FIELDS_MAX);
    if (fields > FIELDS_MAX) {
      const sentence = `The message of ${method} has more than ${FIELDS_MAX} fields; send fewer inputs, outputs and parameters.`;
      throw new MillraceError('INVALID_REQUEST', sentence);
    }
    if (Number.isNaN(fields)) throw noMessage(method);
    try {
      return decode(bytes);
    } catch (error) {
      throw noMessage(method, error);
    }
  };
}

function noMessage(method: string, cause?: unknown): MillraceError {
  const sentence = `The bytes are no message of ${method}; send one as schema/open-inference.proto says.`;
  return new MillraceError('INVALID_REQUEST', sentence, { cause });
}

/** @returns a number above `max` as soon as there are more, NaN = the bytes are no message */
function countFields(bytes: Uint8Array, layout: Layout, max: number): number {
  let count = 0;
  for (let at = 0; at < bytes.length && count <= max;) {
    count++;
    const tag = readVarint(bytes, at);
    const kind = tag.value % 8;
    if (kind === LENGTH_DELIMITED) {
      const length = readVarint(bytes, tag.end);
      const end = length.end + length.value;
      if (!(end <= bytes.length)) return Number.NaN;
      const content = layout[Math.floor(tag.value / 8)];
      if (content !== undefined) {
        const inside = bytes.subarray(length.end, end);
        count += content === 'numbers' ? countVarints(inside) : countFields(inside, content, max - count);
      }
      at = end;
    } else {
      at = kind === VARINT ? readVarint(bytes, tag.end).end : tag.end + (fixedBytes[kind] ?? Number.NaN);
      if (!(at <= bytes.length)) return Number.NaN;
    }
  }
  return count;
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const fixedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

interface Varint {
  readonly value: number;
  /** Behind it; NaN = it has no end. */
  readonly end: number;
}

/** Its value is right as far as tags and lengths go. */
function readVarint(bytes: Uint8Array, start: number): Varint {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[start + i];
    if (byte === undefined) break;
    value += (byte % 128) * 2 ** (7 * i);
    if (byte < 128) return { value, end: start + i + 1 };
  }
  return { value: Number.NaN, end: Number.NaN };
}

function countVarints(bytes: Uint8Array): number {
  return bytes.reduce((count, byte) => (byte < 128 ? count + 1 : count), 0);
}
