/**
 * A value of a feature in Feast: the message `feast.types.Value`, in which one field is set. A list is a message of its
 * own with the repeated field 1, whose numbers stand packed or one by one. Fields that are not known are passed over,
 * the last known one counts, and no field at all is null: so Feast writes it. A field of its own for null is read too.
 *
 *   field   1 bytes  2 string  3 int32  4 int64  5 double  6 float  7 bool  8 unix timestamp, in seconds
 *   lists   11 … 18, in the same order;  19 null
 */
import { MessageReader, tagBytes, varintBytes, wireTypes } from './protobuf.ts';
import type { WireType } from './protobuf.ts';

export const feastTypes = [
  'BYTES',
  'STRING',
  'INT32',
  'INT64',
  'DOUBLE',
  'FLOAT',
  'BOOL',
  'UNIX_TIMESTAMP',
] as const;
export type FeastType = (typeof feastTypes)[number];

/** BYTES: Buffer; an integer beyond 2^53: bigint. */
export type FeastScalar = number | bigint | string | boolean | Buffer;

export interface FeastValue {
  /** Of the value, or of each element of a list. */
  readonly type: FeastType;
  readonly value: FeastScalar | readonly FeastScalar[];
}

/** What there is to know of a type: how a value of it follows a tag. */
interface Encoding {
  readonly wireType: WireType;
  read(reader: MessageReader): FeastScalar;
  write(value: FeastScalar): Buffer;
}

const varint: Encoding = {
  wireType: wireTypes.varint,
  read: (reader) => reader.int64(),
  write: (value) => varintBytes(value as number | bigint),
};

const encodings: Readonly<Record<FeastType, Encoding>> = {
  BYTES: {
    wireType: wireTypes.bytes,
    read: (reader) => reader.blob(),
    write: (value) => withLength(value as Buffer),
  },
  STRING: {
    wireType: wireTypes.bytes,
    read: (reader) => reader.string(),
    write: (value) => withLength(Buffer.from(value as string)),
  },
  INT32: varint,
  INT64: varint,
  DOUBLE: { wireType: wireTypes.fixed64, read: (reader) => reader.double(), write: doubleBytes },
  FLOAT: { wireType: wireTypes.fixed32, read: (reader) => reader.float(), write: floatBytes },
  BOOL: {
    wireType: wireTypes.varint,
    read: (reader) => reader.int64() !== 0,
    write: (value) => varintBytes(Number(value)),
  },
  UNIX_TIMESTAMP: varint,
};

const LIST_FIELDS_FROM = 10;
const NULL_FIELD = 19;
const ELEMENT_FIELD = 1;

/** @throws Error if the bytes are not such a message */
export function decodeFeastValue(bytes: Buffer): FeastValue | null {
  const reader = new MessageReader(bytes);
  let found: FeastValue | null = null;
  while (!reader.isAtEnd) {
    const tag = reader.uint32();
    const [field, wireType] = [tag >>> 3, tag & 7];
    const type = feastTypes[field - 1];
    const elementType = feastTypes[field - LIST_FIELDS_FROM - 1];
    if (type !== undefined && wireType === encodings[type].wireType) {
      found = { type, value: encodings[type].read(reader) };
    } else if (elementType !== undefined && wireType === wireTypes.bytes) {
      found = { type: elementType, value: readList(encodings[elementType], reader.nested()) };
    } else {
      reader.skip(wireType);
      if (field === NULL_FIELD) found = null;
    }
  }
  return found;
}

/** Null is no bytes, as Feast writes it. */
export function encodeFeastValue(feast: FeastValue | null): Buffer {
  if (feast === null) return Buffer.alloc(0);
  const { type, value } = feast;
  const encoding = encodings[type];
  const field = feastTypes.indexOf(type) + 1;
  if (!isList(value)) return Buffer.concat([tagBytes(field, encoding.wireType), encoding.write(value)]);
  return Buffer.concat([
    tagBytes(field + LIST_FIELDS_FROM, wireTypes.bytes),
    withLength(listBytes(encoding, value)),
  ]);
}

function isList(value: FeastScalar | readonly FeastScalar[]): value is readonly FeastScalar[] {
  return Array.isArray(value);
}

function readList(encoding: Encoding, reader: MessageReader): FeastScalar[] {
  const elements: FeastScalar[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.uint32();
    if (tag === ELEMENT_FIELD * 8 + encoding.wireType) {
      elements.push(encoding.read(reader));
    } else if (tag === ELEMENT_FIELD * 8 + wireTypes.bytes) {
      const packed = reader.nested();
      while (!packed.isAtEnd) elements.push(encoding.read(packed));
    } else reader.skip(tag & 7);
  }
  return elements;
}

function listBytes(encoding: Encoding, elements: readonly FeastScalar[]): Buffer {
  const tag = tagBytes(ELEMENT_FIELD, wireTypes.bytes);
  if (encoding.wireType === wireTypes.bytes)
    return Buffer.concat(elements.flatMap((element) => [tag, encoding.write(element)]));
  if (elements.length === 0) return Buffer.alloc(0);
  return Buffer.concat([tag, withLength(Buffer.concat(elements.map((element) => encoding.write(element))))]);
}

function withLength(bytes: Buffer): Buffer {
  return Buffer.concat([varintBytes(bytes.length), bytes]);
}

function doubleBytes(value: FeastScalar): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value as number);
  return bytes;
}

function floatBytes(value: FeastScalar): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value as number);
  return bytes;
}
