/**
 * JSON as the server takes it: what `JSON.parse` takes, less what would be read differently by somebody else:
 * invalid UTF-8, a field named twice in one object, and nesting no request needs.
 *
 * Cost: one pass over the bytes besides JSON.parse's own. The pass counts the colons outside of strings, which is the
 * number of fields as written; it is compared with the fields that JSON.parse kept, so duplicates are found without a
 * parser of our own.
 */
import { isUtf8 } from 'node:buffer';
import { MillraceError } from '../errors.ts';

const DEPTH_MAX = 16;

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Parses a request body.
 * @throws MillraceError EMPTY_BODY, INVALID_ENCODING, NESTED_TOO_DEEP, MALFORMED_JSON, DUPLICATE_FIELD
 */
export function parseStrictJson(body: Buffer): unknown {
  if (body.length === 0) throw new MillraceError('EMPTY_BODY', 'The body is empty; send a JSON object.');
  const fieldsWritten = scan(body);
  if (!isUtf8(body)) throw new MillraceError('INVALID_ENCODING', 'The body is not valid UTF-8.');
  const text = body.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MillraceError(
      'MALFORMED_JSON',
      `The body is not valid JSON (${(error as SyntaxError).message}).`,
      {
        cause: error,
      },
    );
  }
  if (fieldsWritten > 0 && countFields(value) !== fieldsWritten) throw duplicateField(text);
  return value;
}

/** Returns the number of fields as written, and refuses deep nesting before any recursive code sees it. */
function scan(body: Buffer): number {
  let fields = 0;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === COLON) fields++;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > DEPTH_MAX) {
        throw new MillraceError('NESTED_TOO_DEEP', `The JSON is nested more than ${DEPTH_MAX} levels deep.`);
      }
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
  }
  return fields;
}

function countFields(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    // Long vectors and columns hold numbers; only objects and arrays can hold fields.
    for (const element of value) if (typeof element === 'object') count += countFields(element);
    return count;
  }
  for (const name of Object.keys(value)) {
    count += 1 + countFields((value as Record<string, unknown>)[name]);
  }
  return count;
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
