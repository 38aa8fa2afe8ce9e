/** The mistakes of one request body, collected so that the caller hears of them all at once, up to a limit. */
import type { ErrorDetail } from '../errors.ts';
import { MillraceError } from '../errors.ts';
import { suggestName } from './suggestion.ts';

const PROBLEMS_MAX = 20;
const NAME_LENGTH_MAX = 100;

export interface ProblemList {
  readonly details: readonly ErrorDetail[];
  /** No more will be kept; further checks are a waste. */
  isFull(): boolean;
  /** @param message what is wrong with it, as the rest of a sentence that begins with the path */
  add(path: string, message: string): void;
  /** @param plural what the known names are: `columns` */
  addUnknown(path: string, name: string, known: Iterable<string>, plural: string): void;
  /** @throws MillraceError of this code, whose message begins with `context` */
  throwIfAny(code: 'INVALID_REQUEST' | 'UNKNOWN_FEATURE', context: string): void;
}

export function createProblemList(): ProblemList {
  const details: ErrorDetail[] = [];
  const isFull = (): boolean => details.length >= PROBLEMS_MAX;
  const add = (path: string, message: string): void => {
    if (!isFull()) details.push({ path, message });
  };
  return {
    details,
    isFull,
    add,
    addUnknown(path, name, known, plural) {
      if (!isFull()) add(path, `"${shortName(name)}" is unknown; ${suggestName(name, known, plural)}`);
    },
    throwIfAny(code, context) {
      const [first] = details;
      if (first === undefined) return;
      const more = details.length > 1 ? ` (and ${details.length - 1} more, see details)` : '';
      const sentence = `${context}: ${first.path} ${first.message}${more}`;
      throw new MillraceError(code, sentence.endsWith('?') ? sentence : `${sentence}.`, { details });
    },
  };
}

/** A name that a caller chose, cut to a length that can stand in a message. */
export function shortName(name: string): string {
  return name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX)}…` : name;
}

/** The dimensions of a tensor that a caller made, as a name is cut. */
export function shortShape(shape: readonly number[]): string {
  return `[${shortName(shape.join(', '))}]`;
}

/** The error for a body with more rows than `limits.rows_max`. */
export function tooManyRows(rowCount: number, rowsMax: number): MillraceError {
  const sentence = `The request has ${rowCount} rows; at most ${rowsMax} are allowed. Split it into several.`;
  return new MillraceError('TOO_MANY_ROWS', sentence);
}
