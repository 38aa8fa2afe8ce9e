/** The part of the Protocol Buffers encoding that Feast's messages use. A field is a tag, then its value. */

/** How a field's value is encoded; the lowest three bits of its tag. */
export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
export type WireType = (typeof wireTypes)[keyof typeof wireTypes];

// Seven groups of seven bits are exact in a number.
const NUMBER_GROUPS = 7;
const NUMBER_BITS = 49n;
const VARINT_BITS_MAX = 70n;

/** Reads the fields of one message in turn. Its methods throw an Error where the bytes are not what was asked for. */
export class MessageReader {
  private readonly bytes: Buffer;
  private readonly end: number;
  private at: number;

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  /** A signed integer of 64 bits: a number while it is safe, else a bigint. */
  int64(): number | bigint {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < NUMBER_GROUPS; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    return this.longInt64(BigInt(value));
  }

  /** A tag, a length. */
  uint32(): number {
    const value = this.int64();
    if (typeof value === 'number' && value >= 0 && value <= 0xffff_ffff) return value;
    throw new Error('a tag or a length is out of range');
  }

  double(): number {
    return this.bytes.readDoubleLE(this.advance(8));
  }

  float(): number {
    return this.bytes.readFloatLE(this.advance(4));
  }

  string(): string {
    const length = this.uint32();
    const start = this.advance(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  /** Not a copy. */
  blob(): Buffer {
    const length = this.uint32();
    const start = this.advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** A message, or a list of numbers, inside this one. */
  nested(): MessageReader {
    const length = this.uint32();
    const start = this.advance(length);
    return new MessageReader(this.bytes, start, start + length);
  }

  /** Passes over the value of a field that means nothing here. */
  skip(wireType: number): void {
    if (wireType === wireTypes.varint) this.int64();
    else if (wireType === wireTypes.fixed64) this.advance(8);
    else if (wireType === wireTypes.bytes) this.advance(this.uint32());
    else if (wireType === wireTypes.fixed32) this.advance(4);
    else throw new Error(`there is no wire type ${wireType}`);
  }

  private byte(): number {
    return this.bytes[this.advance(1)] as number;
  }

  /** Gives where it was. */
  private advance(byteCount: number): number {
    const start = this.at;
    if (byteCount > this.end - start) throw new Error('the bytes end inside a value');
    this.at = start + byteCount;
    return start;
  }

  private longInt64(low: bigint): number | bigint {
    let value = low;
    for (let shift = NUMBER_BITS; shift < VARINT_BITS_MAX; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return narrowed(BigInt.asIntN(64, value));
    }
    throw new Error('an integer has more than 64 bits');
  }
}

export function tagBytes(field: number, wireType: WireType): Buffer {
  return varintBytes(field * 8 + wireType);
}

/** A negative integer takes ten bytes: those of its 64-bit complement. */
export function varintBytes(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function narrowed(value: bigint): number | bigint {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
}
