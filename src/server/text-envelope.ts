/**
 * Reads the start of the usual JSON message straight from its bytes: `id`, then `endpoint`, with at most a blank behind
 * each colon and comma. The endpoint's own reader takes the rest. Anything else is undefined, and left to the strict
 * parser, which finds the same in it, or what is wrong.
 */
import type { PredictRequest } from '../serving/predict-request.ts';
import type { ServedEndpoint } from '../serving/serving.ts';
import { ID_LENGTH_MAX } from './socket-request.ts';

export interface UsualText {
  readonly id: string | number;
  readonly endpointName: string;
  readonly endpoint: ServedEndpoint;
  /** From the comma behind the endpoint's name. */
  readonly rest: Buffer;
}

interface NamedEndpoint {
  readonly endpointName: string;
  readonly endpoint: ServedEndpoint;
  readonly quoted: Buffer;
}

const idField = Buffer.from('{"id":');
const endpointField = Buffer.from('"endpoint":');
const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const DEL = 0x7f;
const SPACE = 0x20;
/** More digits may not be exact as the integer they are read into. */
const DIGITS_MAX = 15;

export class TextEnvelopeReader {
  private readonly endpoints: readonly NamedEndpoint[];
  private body: Buffer = Buffer.alloc(0);
  private at = 0;

  constructor(endpoints: ReadonlyMap<string, ServedEndpoint>) {
    this.endpoints = [...endpoints].map(([endpointName, endpoint]) => {
      return { endpointName, endpoint, quoted: Buffer.from(JSON.stringify(endpointName)) };
    });
  }

  read(body: Buffer): UsualText | undefined {
    this.body = body;
    this.at = 0;
    if (!this.take(idField)) return undefined;
    this.skipBlank();
    const id = body[this.at] === QUOTE ? this.readString() : this.readNumber();
    if (id === undefined || !this.takeComma() || !this.take(endpointField)) return undefined;
    this.skipBlank();
    const named = this.endpoints.find(({ quoted }) => this.take(quoted));
    if (named === undefined || body[this.at] !== COMMA) return undefined;
    const { endpointName, endpoint } = named;
    return { id, endpointName, endpoint, rest: body.subarray(this.at) };
  }

  private readNumber(): number | undefined {
    const { body } = this;
    const from = this.at;
    let value = 0;
    for (; this.at <= from + DIGITS_MAX; this.at++) {
      const byte = body[this.at] ?? 0;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + byte - ZERO;
    }
    const digits = this.at - from;
    const isUsual = digits > 0 && digits <= DIGITS_MAX && (digits === 1 || body[from] !== ZERO);
    return isUsual ? value : undefined;
  }

  /** A string in ASCII, without escapes. */
  private readString(): string | undefined {
    const { body } = this;
    const from = this.at + 1;
    for (let end = from; end <= from + ID_LENGTH_MAX; end++) {
      const byte = body[end] ?? 0;
      if (byte === QUOTE) {
        this.at = end + 1;
        return body.toString('latin1', from, end);
      }
      if (byte < SPACE || byte === BACKSLASH || byte >= DEL) return undefined;
    }
    return undefined;
  }

  private take(bytes: Buffer): boolean {
    const { body, at } = this;
    for (let i = 0; i < bytes.length; i++) if (body[at + i] !== bytes[i]) return false;
    this.at += bytes.length;
    return true;
  }

  private takeComma(): boolean {
    if (this.body[this.at] !== COMMA) return false;
    this.at++;
    this.skipBlank();
    return true;
  }

  private skipBlank(): void {
    if (this.body[this.at] === SPACE) this.at++;
  }
}

/** The request in the rest of a message; undefined if it is not of the usual form, and then the message is as it was. */
export function readTextRest({ rest, endpoint }: UsualText): PredictRequest | undefined {
  // With a brace in place of the comma, the rest is a body as it comes over HTTP.
  rest[0] = OPEN_BRACE;
  const request = endpoint.read(rest);
  if (request === undefined) rest[0] = COMMA;
  return request;
}
