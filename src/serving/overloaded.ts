import { MillraceError } from '../errors.ts';

/** There is more to do than can be done in time. */
export function overloaded(): MillraceError {
  return new MillraceError('OVERLOADED', 'Too many requests are waiting for an answer; retry later.');
}
