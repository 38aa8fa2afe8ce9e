/**
 * Writes MessagePack into one buffer that is used again and again. It grows to what it has to hold, and forgets a
 * size that only a rare answer needed.
 *
 * Values keep what they are: a whole number takes the shortest integer, a fraction is float64, and what comes out of
 * a float32 tensor stays float32. Whole numbers beyond 32 bits are float64, too, unless they come out of an int64
 * tensor: decoders of JavaScript make BigInts of 64-bit integers, and would not know an `id` again. What JSON does not have is written as JSON answers write it: NaN and infinities as nil.
 */
import type { JsonObject, JsonValue } from '../project/json-text.ts';

const INT32_MIN = -0x8000_0000;
const UINT32_MAX = 0xffff_ffff;
const INT64_MAX = 2n ** 63n - 1n;
const FIRST_BYTES = 65_536;
/** A larger buffer is given back once it is empty. */
const KEPT_BYTES_MAX = 1_048_576;
/** Longer strings are written by the runtime; a call of it costs as much as this many characters. */
const SHORT_CHARS_MAX = 32;
/** The largest head: a type byte and eight bytes. */
const HEAD_BYTES = 9;

export class MessagePackWriter {
  bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  length = 0;
  /** The bytes of a float, in the order of this machine. */
  private readonly float64 = new Float64Array(1);
  private readonly float64Bytes = new Uint8Array(this.float64.buffer);
  private readonly float32 = new Float32Array(1);
  private readonly float32Bytes = new Uint8Array(this.float32.buffer);

  /** Empties the buffer. What was taken from it may be overwritten from now on. */
  clear(): void {
    this.length = 0;
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = Buffer.allocUnsafe(FIRST_BYTES);
  }

  /** A value that was encoded before. */
  raw(encoded: Uint8Array): void {
    this.reserve(encoded.length);
    this.bytes.set(encoded, this.length);
    this.length += encoded.length;
  }

  /** Text by itself, without a head: for messages that are not MessagePack. */
  text(text: string): void {
    this.reserve(3 * text.length);
    this.length += this.bytes.write(text, this.length, 'utf8');
  }

  mapHead(fields: number): void {
    this.head(fields, 0x80, 15, 0xde);
  }

  arrayHead(elements: number): void {
    this.head(elements, 0x90, 15, 0xdc);
  }

  nil(): void {
    this.byte(0xc0);
  }

  boolean(value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2);
  }

  number(value: number): void {
    if (value >= INT32_MIN && value <= UINT32_MAX && Number.isInteger(value)) this.integer(value);
    else this.double(value);
  }

  double(value: number): void {
    if (!Number.isFinite(value)) return this.nil();
    this.float64[0] = value;
    this.reserve(HEAD_BYTES);
    this.bytes[this.length] = 0xcb;
    for (let i = 0; i < 8; i++) this.bytes[this.length + 8 - i] = this.float64Bytes[i] as number;
    this.length += 9;
  }

  /** @param value a value of a Float32Array */
  single(value: number): void {
    if (!Number.isFinite(value)) return this.nil();
    this.float32[0] = value;
    this.reserve(HEAD_BYTES);
    this.bytes[this.length] = 0xca;
    for (let i = 0; i < 4; i++) this.bytes[this.length + 4 - i] = this.float32Bytes[i] as number;
    this.length += 5;
  }

  /** @param value within the range of int64 or uint64 */
  bigint(value: bigint): void {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return this.integer(number);
    this.reserve(HEAD_BYTES);
    if (value > INT64_MAX) {
      this.bytes[this.length] = 0xcf;
      this.length = this.bytes.writeBigUInt64BE(value, this.length + 1);
    } else {
      this.bytes[this.length] = 0xd3;
      this.length = this.bytes.writeBigInt64BE(value, this.length + 1);
    }
  }

  string(text: string): void {
    if (text.length > SHORT_CHARS_MAX || !this.shortAscii(text)) this.anyString(text);
  }

  /** Fields that are undefined are left out. */
  value(value: JsonValue): void {
    switch (typeof value) {
      case 'number':
        return this.number(value);
      case 'bigint':
        return this.bigint(value);
      case 'boolean':
        return this.boolean(value);
      case 'string':
        return this.string(value);
      case 'undefined':
        return this.nil();
      case 'object':
        break;
    }
    if (value === null) return this.nil();
    if (Array.isArray(value)) {
      this.arrayHead(value.length);
      for (const element of value as readonly JsonValue[]) this.value(element);
      return;
    }
    const fields = Object.entries(value as JsonObject).filter(([, field]) => field !== undefined);
    this.mapHead(fields.length);
    for (const [name, field] of fields) {
      this.string(name);
      this.value(field);
    }
  }

  private byte(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  private integer(value: number): void {
    this.reserve(HEAD_BYTES);
    const { bytes, length } = this;
    if (value >= -32 && value <= 127) {
      bytes[length] = value & 0xff;
      this.length += 1;
    } else if (value >= 0 && value <= UINT32_MAX) {
      bytes[length] = 0xce;
      this.length = bytes.writeUInt32BE(value, length + 1);
    } else if (value < 0 && value >= INT32_MIN) {
      bytes[length] = 0xd2;
      this.length = bytes.writeInt32BE(value, length + 1);
    } else {
      bytes[length] = 0xd3;
      this.length = bytes.writeBigInt64BE(BigInt(value), length + 1);
    }
  }

  /** False, and nothing is written, if the text is not ASCII. */
  private shortAscii(text: string): boolean {
    const count = text.length;
    this.reserve(count + HEAD_BYTES);
    const { bytes, length } = this;
    const headBytes = count < 32 ? 1 : 2;
    for (let i = 0; i < count; i++) {
      const char = text.charCodeAt(i);
      if (char > 0x7f) return false;
      bytes[length + headBytes + i] = char;
    }
    if (headBytes === 1) {
      bytes[length] = 0xa0 | count;
    } else {
      bytes[length] = 0xd9;
      bytes[length + 1] = count;
    }
    this.length = length + headBytes + count;
    return true;
  }

  private anyString(text: string): void {
    const byteCount = Buffer.byteLength(text);
    if (byteCount >= 32 && byteCount <= 0xff) {
      this.byte(0xd9);
      this.byte(byteCount);
    } else this.head(byteCount, 0xa0, 31, 0xda);
    this.reserve(byteCount);
    this.length += this.bytes.write(text, this.length, 'utf8');
  }

  /** A length: in the type byte if it fits, else behind it in 16 bits, or behind the next type in 32. */
  private head(count: number, short: number, shortMax: number, long: number): void {
    this.reserve(HEAD_BYTES);
    const { bytes, length } = this;
    if (count <= shortMax) {
      bytes[length] = short | count;
      this.length += 1;
    } else if (count <= 0xffff) {
      bytes[length] = long;
      this.length = bytes.writeUInt16BE(count, length + 1);
    } else {
      bytes[length] = long + 1;
      this.length = bytes.writeUInt32BE(count, length + 1);
    }
  }

  private reserve(byteCount: number): void {
    const needed = this.length + byteCount;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}
