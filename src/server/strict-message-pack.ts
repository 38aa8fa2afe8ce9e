/**
 * MessagePack as the server takes it: what JSON can say, and whole numbers of 64 bits. Binary data, extension types and
 * keys that are not strings have no meaning in a request. Refused as in JSON: invalid UTF-8, a field named twice,
 * nesting no request needs, and bytes behind the value.
 *
 * Invariant: a length is checked against the bytes that are left before anything is made of it, so a message cannot
 * take more memory than its own size allows (at most one empty object or a number for each byte).
 */
import { isUtf8 } from 'node:buffer';
import { MillraceError } from '../errors.ts';

const DEPTH_MAX = 16;

/**
 * Decodes one value that takes all the bytes. Whole numbers beyond 2^53 are bigints; all else is as JSON.parse makes it.
 * @throws MillraceError EMPTY_BODY, MALFORMED_MESSAGE_PACK, INVALID_ENCODING, DUPLICATE_FIELD, NESTED_TOO_DEEP
 */
export function parseStrictMessagePack(body: Buffer): unknown {
  if (body.length === 0) throw new MillraceError('EMPTY_BODY', 'The body is empty; send a MessagePack map.');
  const reader = new Reader(body);
  const value = reader.value(1);
  if (reader.at < body.length) throw malformed(`bytes follow the value at ${reader.at}`);
  return value;
}

class Reader {
  at = 0;
  private readonly body: Buffer;

  constructor(body: Buffer) {
    this.body = body;
  }

  value(depth: number): unknown {
    const type = this.take(1);
    const byte = this.body[type] as number;
    if (byte < 0x80) return byte;
    if (byte >= 0xe0) return byte - 0x100;
    if (byte < 0x90) return this.map(byte & 0x0f, depth);
    if (byte < 0xa0) return this.array(byte & 0x0f, depth);
    if (byte < 0xc0) return this.string(byte & 0x1f);
    switch (byte) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xdc:
        return this.array(this.body.readUInt16BE(this.take(2)), depth);
      case 0xdd:
        return this.array(this.body.readUInt32BE(this.take(4)), depth);
      case 0xde:
        return this.map(this.body.readUInt16BE(this.take(2)), depth);
      case 0xdf:
        return this.map(this.body.readUInt32BE(this.take(4)), depth);
      default:
        return isStringType(byte) ? this.string(this.stringLength(byte)) : this.number(byte, type);
    }
  }

  private number(byte: number, type: number): number | bigint {
    switch (byte) {
      case 0xca:
        return this.body.readFloatBE(this.take(4));
      case 0xcb:
        return this.body.readDoubleBE(this.take(8));
      case 0xcc:
        return this.body[this.take(1)] as number;
      case 0xcd:
        return this.body.readUInt16BE(this.take(2));
      case 0xce:
        return this.body.readUInt32BE(this.take(4));
      case 0xcf:
        return asNumber(this.body.readBigUInt64BE(this.take(8)));
      case 0xd0:
        return this.body.readInt8(this.take(1));
      case 0xd1:
        return this.body.readInt16BE(this.take(2));
      case 0xd2:
        return this.body.readInt32BE(this.take(4));
      case 0xd3:
        return asNumber(this.body.readBigInt64BE(this.take(8)));
      default:
        throw malformed(`the type 0x${byte.toString(16)} at ${type} has no meaning in a request`);
    }
  }

  private stringLength(byte: number): number {
    if (byte === 0xd9) return this.body[this.take(1)] as number;
    return byte === 0xda ? this.body.readUInt16BE(this.take(2)) : this.body.readUInt32BE(this.take(4));
  }

  private string(length: number): string {
    const from = this.take(length);
    const end = from + length;
    let at = from;
    while (at < end && (this.body[at] as number) < 0x80) at++;
    if (at === end) return this.body.toString('latin1', from, end);
    if (!isUtf8(this.body.subarray(at, end))) {
      throw new MillraceError(
        'INVALID_ENCODING',
        `The body has a string at ${from} that is not valid UTF-8.`,
      );
    }
    return this.body.toString('utf8', from, end);
  }

  private array(count: number, depth: number): unknown[] {
    this.enter(count, depth);
    const elements: unknown[] = [];
    for (let i = 0; i < count; i++) elements.push(this.value(depth + 1));
    return elements;
  }

  private map(count: number, depth: number): Record<string, unknown> {
    this.enter(2 * count, depth);
    const fields: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const name = this.name();
      if (Object.hasOwn(fields, name)) {
        throw new MillraceError(
          'DUPLICATE_FIELD',
          `The field ${JSON.stringify(name)} stands twice in one object.`,
        );
      }
      const value = this.value(depth + 1);
      if (name === '__proto__') defineField(fields, name, value);
      else fields[name] = value;
    }
    return fields;
  }

  private name(): string {
    const at = this.at;
    const byte = this.body[this.take(1)] as number;
    if (byte >= 0xa0 && byte < 0xc0) return this.string(byte & 0x1f);
    if (isStringType(byte)) return this.string(this.stringLength(byte));
    throw malformed(`the name of a field at ${at} is not a string`);
  }

  private enter(valueCount: number, depth: number): void {
    if (depth > DEPTH_MAX) {
      throw new MillraceError('NESTED_TOO_DEEP', `The body is nested more than ${DEPTH_MAX} levels deep.`);
    }
    // Every value takes at least one byte.
    if (valueCount > this.body.length - this.at) throw endsEarly(this.body.length);
  }

  /** Steps over this many bytes; returns where they begin. */
  private take(byteCount: number): number {
    const from = this.at;
    if (byteCount > this.body.length - from) throw endsEarly(this.body.length);
    this.at = from + byteCount;
    return from;
  }
}

/** An assignment would set the prototype. */
function defineField(fields: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(fields, name, { value, writable: true, enumerable: true, configurable: true });
}

function isStringType(byte: number): boolean {
  return byte >= 0xd9 && byte <= 0xdb;
}

function asNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function endsEarly(length: number): MillraceError {
  return malformed(`it ends within a value, at ${length}`);
}

function malformed(reason: string): MillraceError {
  return new MillraceError('MALFORMED_MESSAGE_PACK', `The body is not valid MessagePack: ${reason}.`);
}
