/**
 * Reads the start of the usual MessagePack message straight from its bytes: `id`, then `endpoint`. The endpoint's own
 * reader takes the rest. Anything else is undefined, and left to the strict decoder, which finds the same in it, or
 * what is wrong.
 */
import { hasBytes, packedName } from '../serving/packed-request-reader.ts';
import type { PackedMessage } from '../serving/packed-request-reader.ts';
import type { ServedEndpoint } from '../serving/serving.ts';

export interface UsualMessage {
  readonly id: string | number;
  readonly endpointName: string;
  readonly endpoint: ServedEndpoint;
  /** For the endpoint's reader. */
  readonly rest: PackedMessage;
}

const MAP = 0x80;
const MAP_16 = 0xde;
const idName = packedName('id') as Buffer;
const endpointField = packedName('endpoint') as Buffer;
/** Fields that are read here. */
const OWN_FIELDS = 2;

interface NamedEndpoint {
  readonly endpointName: string;
  readonly endpoint: ServedEndpoint;
  /** The field `endpoint` with this name as its value. */
  readonly field: Buffer;
}

export class PackedEnvelopeReader {
  private readonly endpoints: readonly NamedEndpoint[];
  private body: Buffer = Buffer.alloc(0);
  private text = '';
  private at = 0;

  constructor(endpoints: ReadonlyMap<string, ServedEndpoint>) {
    this.endpoints = [...endpoints].flatMap(([endpointName, endpoint]) => {
      const name = packedName(endpointName);
      if (name === undefined) return [];
      return [{ endpointName, endpoint, field: Buffer.concat([endpointField, name]) }];
    });
  }

  read(body: Buffer): UsualMessage | undefined {
    // Some encoders always write the length of a map in 16 bits.
    const isLong = body[0] === MAP_16 && body[1] === 0;
    const headBytes = isLong ? 3 : 1;
    const fieldCount = (isLong ? (body[2] ?? 0) : (body[0] ?? 0) - MAP) - OWN_FIELDS;
    if (fieldCount < 1 || fieldCount > 2 || !hasBytes(body, headBytes, idName)) return undefined;
    this.body = body;
    this.text = body.toString('latin1');
    this.at = headBytes + idName.length;
    const id = this.readId();
    const named = id === undefined ? undefined : this.readEndpoint();
    if (id === undefined || named === undefined) return undefined;
    const rest = { body, text: this.text, at: this.at, fieldCount };
    return { id, endpointName: named.endpointName, endpoint: named.endpoint, rest };
  }

  private readId(): string | number | undefined {
    const { body } = this;
    const from = this.at + 1;
    const byte = body[this.at] ?? 0;
    if ((byte & 0xe0) === 0xa0) return this.readString(from, from + (byte & 0x1f));
    const byteCount = unsignedBytes(byte);
    if (byteCount === -1 || from + byteCount > body.length) return undefined;
    this.at = from + byteCount;
    return byteCount === 0 ? byte : body.readUIntBE(from, byteCount);
  }

  private readString(from: number, end: number): string | undefined {
    for (let i = from; i < end; i++) if ((this.body[i] ?? 0xff) > 0x7f) return undefined;
    this.at = end;
    return this.text.slice(from, end);
  }

  private readEndpoint(): NamedEndpoint | undefined {
    for (const named of this.endpoints) {
      if (!hasBytes(this.body, this.at, named.field)) continue;
      this.at += named.field.length;
      return named;
    }
    return undefined;
  }
}

/** Bytes behind the type byte of a whole number; -1 if it is none, is negative, or has 64 bits. */
function unsignedBytes(byte: number): number {
  if (byte < MAP) return 0;
  if (byte === 0xcc) return 1;
  if (byte === 0xcd) return 2;
  return byte === 0xce ? 4 : -1;
}
