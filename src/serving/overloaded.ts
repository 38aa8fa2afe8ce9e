import { MillraceError } from '../errors.ts';

// One for all: under overload it is thrown a hundred thousand times a second, and its stack trace alone would cost
// more than an answer.
const refusal = new MillraceError('OVERLOADED', 'Too many requests are waiting for an answer; retry later.');

/** There is more to do than can be done in time. */
export function overloaded(): MillraceError {
  return refusal;
}
