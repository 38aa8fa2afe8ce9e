import { InvalidArgumentError } from 'commander';

/** @throws InvalidArgumentError for anything but a whole number from 1 */
export function countArgument(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Write a whole number from 1.');
}
