import { InvalidArgumentError } from 'commander';
import { decodeScalar, Refusal } from '../project/value.ts';

/**
 * Milliseconds of an option such as `2001-03-09T14:05:00Z`.
 * @throws InvalidArgumentError
 */
export function timeArgument(text: string): number {
  const time = decodeScalar('timestamp', text);
  if (time instanceof Refusal)
    throw new InvalidArgumentError('Write ISO 8601, such as 2001-03-09T14:05:00Z.');
  return time as number;
}
