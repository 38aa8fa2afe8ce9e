import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../project/duration.ts';

/**
 * Milliseconds of an option such as `30s`.
 * @throws InvalidArgumentError with what is wrong
 */
export function durationArgument(text: string): number {
  const durationMs = parseDuration(text);
  if (typeof durationMs === 'number') return durationMs;
  throw new InvalidArgumentError(`${durationMs.startsWith('must') ? 'It ' : ''}${durationMs}.`);
}

/** As `durationArgument`; nought stands for never. */
export function intervalArgument(text: string): number {
  return /^0(ms|s|m|h|d)?$/.test(text) ? 0 : durationArgument(text);
}
