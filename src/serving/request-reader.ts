/**
 * Reads the usual predict body straight from its bytes: the fields that the endpoint names, in ASCII, without escapes.
 * It never judges a request. What it does not take at once, it leaves to the strict parser and the checks of
 * predict-request.ts, which find the same request in it, or say what is wrong.
 *
 * Invariant: whatever `read` returns is what parseStrictJson and decodePredictRequest make of the same bytes.
 *
 * Cost: about a third of parsing and checking with JSON.parse (Node 20): no object is made for the body or for a row,
 * only the row's array of values. Reading from a DataView, or finding the end of a string with `indexOf`, is slower.
 */
import type { Endpoint, Limits, RequestField } from '../project/project.ts';
import { Refusal, decodeValue } from '../project/value.ts';
import type { Value } from '../project/value.ts';
import type { PredictRequest } from './predict-request.ts';

/** The request in the bytes, or undefined if they are not of the usual form. */
export type RequestReader = (body: Buffer) => PredictRequest | undefined;

/** Fields that were given are kept as the bits of one small integer. */
const FIELDS_MAX = 30;
/** More digits may not be exact as the integer they are read into. */
const DIGITS_MAX = 15;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
const DEL = 0x7f;

/** Stands for anything that is left to the strict parser. */
const unusual: unique symbol = Symbol('unusual');

/** Makes the reader of one endpoint; one with very many fields is always left to the strict parser. */
export function createRequestReader(endpoint: Endpoint, limits: Limits): RequestReader {
  const { request } = endpoint;
  if (request.length > FIELDS_MAX || request.some(({ name }) => !isPlainAscii(name))) return () => undefined;
  const reader = new BodyReader(request, limits.rowsMax);
  return (body) => reader.read(body);
}

function isPlainAscii(name: string): boolean {
  return /^[\w-]+$/.test(name);
}

const contextName = Buffer.from('context"');
const rowsName = Buffer.from('rows"');

class BodyReader {
  private readonly fields: readonly RequestField[];
  /** The names with their closing quote: a name that only begins like a field is another one. */
  private readonly names: readonly Buffer[];
  private readonly noValues: readonly Value[];
  private readonly required: number;
  private readonly rowsMax: number;
  private body: Buffer = Buffer.alloc(0);
  /** The body as text, of which strings are cut: one call of the runtime instead of one for each. */
  private text = '';
  private at = 0;
  /** Bits of the fields that `context` gave, and of those that the object at hand has. */
  private inContext = 0;
  private given = 0;

  constructor(fields: readonly RequestField[], rowsMax: number) {
    this.fields = fields;
    this.names = fields.map(({ name }) => Buffer.from(`${name}"`));
    this.noValues = fields.map(() => null);
    this.required = fields.reduce((bits, { optional }, f) => (optional ? bits : bits | (1 << f)), 0);
    this.rowsMax = rowsMax;
  }

  read(body: Buffer): PredictRequest | undefined {
    this.body = body;
    this.text = body.toString('latin1');
    this.at = 0;
    this.inContext = 0;
    if (!this.take(OPEN_BRACE)) return undefined;
    let shared = this.noValues;
    if (this.takeName(contextName)) {
      const values = this.noValues.slice();
      if (!this.take(COLON) || !this.readFields(values) || !this.take(COMMA)) return undefined;
      shared = values;
      this.inContext = this.given;
    }
    if (!this.takeName(rowsName) || !this.take(COLON)) return undefined;
    const rows = this.readRows(shared);
    if (rows === undefined || !this.take(CLOSE_BRACE) || !this.isAtEnd()) return undefined;
    return { rows, asOfMs: undefined, trace: false };
  }

  private readRows(shared: readonly Value[]): Value[][] | undefined {
    if (!this.take(OPEN_BRACKET)) return undefined;
    const rows: Value[][] = [];
    if (this.take(CLOSE_BRACKET)) return rows;
    do {
      const values = shared.slice();
      if (rows.length === this.rowsMax || !this.readFields(values)) return undefined;
      if ((this.given & this.inContext) !== 0) return undefined;
      if (((this.given | this.inContext) & this.required) !== this.required) return undefined;
      rows.push(values);
    } while (this.take(COMMA));
    return this.take(CLOSE_BRACKET) ? rows : undefined;
  }

  /** Reads one object of request fields. */
  private readFields(values: Value[]): boolean {
    this.given = 0;
    if (!this.take(OPEN_BRACE)) return false;
    if (this.take(CLOSE_BRACE)) return true;
    // Callers write the fields in the same order each time, most of them in that of the project file.
    let next = 0;
    do {
      const f = this.takeFieldName(next);
      if (f === -1 || (this.given & (1 << f)) !== 0 || !this.take(COLON)) return false;
      this.given |= 1 << f;
      const field = this.fields[f] as RequestField;
      const input = this.readValue();
      if (input === unusual) return false;
      if (input !== null) {
        const value = decodeValue(field.type, input);
        if (value instanceof Refusal) return false;
        values[f] = value;
      } else if (!field.optional) return false;
      next = f + 1;
    } while (this.take(COMMA));
    return this.take(CLOSE_BRACE);
  }

  private takeFieldName(first: number): number {
    const { names } = this;
    for (let f = first; f < names.length; f++) if (this.takeName(names[f] as Buffer)) return f;
    for (let f = 0; f < first; f++) if (this.takeName(names[f] as Buffer)) return f;
    return -1;
  }

  /** Whether a string with exactly this name stands here; if so, steps behind it. */
  private takeName(name: Buffer): boolean {
    const { body } = this;
    const from = this.skipSpace();
    if (body[from] !== QUOTE) return false;
    for (let i = 0; i < name.length; i++) if (body[from + 1 + i] !== name[i]) return false;
    this.at = from + 1 + name.length;
    return true;
  }

  private readValue(): unknown {
    const from = this.skipSpace();
    const byte = this.body[from] ?? 0;
    if (byte === QUOTE) return this.readString(from + 1);
    if (byte === OPEN_BRACKET) return this.readNumbers();
    if (byte === MINUS || isDigit(byte)) return this.readNumber(from);
    return this.readWord(from);
  }

  private readString(from: number): string | typeof unusual {
    const { body } = this;
    let end = from;
    let byte = body[end] ?? 0;
    while (byte !== QUOTE) {
      if (byte < SPACE || byte >= DEL || byte === BACKSLASH) return unusual;
      byte = body[++end] ?? 0;
    }
    this.at = end + 1;
    return this.text.slice(from, end);
  }

  /** An array of numbers: a vector. */
  private readNumbers(): number[] | typeof unusual {
    this.at++;
    const numbers: number[] = [];
    if (this.take(CLOSE_BRACKET)) return numbers;
    do {
      const number = this.readNumber(this.skipSpace());
      if (number === unusual) return unusual;
      numbers.push(number);
    } while (this.take(COMMA));
    return this.take(CLOSE_BRACKET) ? numbers : unusual;
  }

  /** Integers are read here; the digits behind a point, or an exponent, are left to the runtime's own reading. */
  private readNumber(from: number): number | typeof unusual {
    const { body } = this;
    const isNegative = body[from] === MINUS;
    const first = isNegative ? from + 1 : from;
    let end = first;
    let magnitude = 0;
    while (isDigit(body[end] ?? 0)) magnitude = magnitude * 10 + (body[end++] as number) - ZERO;
    const digits = end - first;
    // JSON has no leading zeros, and no number without a digit.
    if (digits === 0 || digits > DIGITS_MAX || (digits > 1 && body[first] === ZERO)) return unusual;
    const behind = body[end] ?? 0;
    if (behind === DOT || (behind | SPACE) === 0x65) return this.readFraction(from);
    this.at = end;
    return isNegative ? -magnitude : magnitude;
  }

  private readFraction(from: number): number | typeof unusual {
    const { body } = this;
    let end = from;
    while (isNumberByte(body[end] ?? 0)) end++;
    const text = body.toString('latin1', from, end);
    if (!jsonNumber.test(text)) return unusual;
    this.at = end;
    return Number(text);
  }

  private readWord(from: number): boolean | null | typeof unusual {
    for (const [word, value] of words) {
      let i = 0;
      while (i < word.length && this.body[from + i] === word[i]) i++;
      if (i < word.length) continue;
      this.at = from + i;
      return value;
    }
    return unusual;
  }

  private take(byte: number): boolean {
    const at = this.skipSpace();
    if (this.body[at] !== byte) return false;
    this.at = at + 1;
    return true;
  }

  private isAtEnd(): boolean {
    return this.skipSpace() >= this.body.length;
  }

  private skipSpace(): number {
    const { body } = this;
    let byte = body[this.at] ?? 0;
    while (byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = body[++this.at] ?? 0;
    return this.at;
  }
}

const words: readonly (readonly [Buffer, boolean | null])[] = [
  [Buffer.from('true'), true],
  [Buffer.from('false'), false],
  [Buffer.from('null'), null],
];
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i;

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

function isNumberByte(byte: number): boolean {
  return isDigit(byte) || byte === DOT || byte === MINUS || byte === 0x2b || (byte | SPACE) === 0x65;
}
