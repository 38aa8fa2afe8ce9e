/**
 * JSON as Millrace takes it from callers: what `JSON.parse` takes, less what would be read differently by somebody else:
 * invalid UTF-8, a field named twice in one object, and nesting no request needs.
 *
 * Duplicates are found without a parser of our own, by counting: every field was written with a colon, and JSON.parse
 * keeps one field of each name. If all colons of the text are accounted for by the fields that were kept and by the
 * strings, no field was dropped. Escapes could hide a colon, so a text with a backslash, or with a colon too many, is
 * counted again byte by byte. The usual request costs two native searches and a walk over its values.
 */
import { isUtf8 } from 'node:buffer';
import { parse as parseLossless } from 'lossless-json';
import { MillraceError } from '../errors.ts';

const DEPTH_MAX = 16;

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/**
 * Parses a request body.
 * @throws MillraceError EMPTY_BODY, INVALID_ENCODING, NESTED_TOO_DEEP, MALFORMED_JSON, DUPLICATE_FIELD
 */
export function parseStrictJson(body: Buffer): unknown {
  if (body.length === 0) throw new MillraceError('EMPTY_BODY', 'The body is empty; send a JSON object.');
  if (!isUtf8(body)) throw new MillraceError('INVALID_ENCODING', 'The body is not valid UTF-8.');
  const text = body.toString('utf8');
  const value = parse(text);
  const kept = { fields: 0, colons: 0 };
  countKept(value, 1, kept);
  const isSettled = !text.includes('\\') && countColons(text) === kept.fields + kept.colons;
  if (!isSettled && countWritten(body) !== kept.fields) throw duplicateField(text);
  return value;
}

/** An integer of so many digits that a number might not hold it, outside of fractions; it may stand in a string. */
const longInteger = /(?<![\d.])\d{16,}(?![\d.eE])/;

/**
 * As `parseStrictJson`, but integers that a number cannot hold are bigints.
 * @throws as `parseStrictJson`
 */
export function parseStrictJsonWithBigints(body: Buffer): unknown {
  const value = parseStrictJson(body);
  const text = body.toString('utf8');
  if (!longInteger.test(text)) return value;
  return parseLossless(text, null, { parseNumber: exactNumber });
}

function exactNumber(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) || !/^-?\d+$/.test(text) ? number : BigInt(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MillraceError(
      'MALFORMED_JSON',
      `The body is not valid JSON (${(error as SyntaxError).message}).`,
      {
        cause: error,
      },
    );
  }
}

/** What JSON.parse kept: fields of all objects, and colons inside of names and strings. */
interface Kept {
  fields: number;
  colons: number;
}

function countKept(value: unknown, depth: number, kept: Kept): void {
  if (typeof value === 'string') kept.colons += countColons(value);
  if (typeof value !== 'object' || value === null) return;
  if (depth > DEPTH_MAX) {
    throw new MillraceError('NESTED_TOO_DEEP', `The JSON is nested more than ${DEPTH_MAX} levels deep.`);
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      // Long vectors and columns hold numbers; nothing in them can hold a colon.
      if (typeof value[i] !== 'number') countKept(value[i], depth + 1, kept);
    }
    return;
  }
  for (const name in value) {
    kept.fields++;
    kept.colons += countColons(name);
    countKept((value as Record<string, unknown>)[name], depth + 1, kept);
  }
}

function countColons(text: string): number {
  let count = 0;
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) count++;
  return count;
}

/** The number of fields as written: the colons outside of strings. The text is valid JSON. */
function countWritten(body: Buffer): number {
  let fields = 0;
  let inString = false;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (byte === QUOTE) inString = !inString;
    else if (inString && byte === BACKSLASH) i++;
    else if (!inString && byte === COLON) fields++;
  }
  return fields;
}

/** The slow path: finds the name that an object holds twice. The text is valid JSON. */
function duplicateField(text: string): MillraceError {
  const open: (Set<string> | null)[] = [];
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/gs;
  for (const match of text.matchAll(token)) {
    const found = match[0];
    if (found === '{') open.push(new Set());
    else if (found === '[') open.push(null);
    else if (found === '}' || found === ']') open.pop();
    else if (match[1] !== undefined) {
      const name = JSON.parse(found.slice(0, found.length - match[1].length)) as string;
      const names = open.at(-1);
      if (names?.has(name) === true) {
        return new MillraceError(
          'DUPLICATE_FIELD',
          `The field ${JSON.stringify(name)} stands twice in one object.`,
        );
      }
      names?.add(name);
    }
  }
  return new MillraceError('DUPLICATE_FIELD', 'A field stands twice in one object.');
}
