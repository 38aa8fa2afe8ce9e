/** Checks of arguments: a number that makes no sense is a RangeError that names it, never a NaN in a report. */

/** Ends included. */
export function requireRange(name: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new RangeError(`${name} must be from ${min} to ${max}, and is ${value}`);
}

/** Ends excluded, as for an error rate. */
export function requireBetween(name: string, value: number, min: number, max: number): void {
  if (value > min && value < max) return;
  throw new RangeError(`${name} must lie between ${min} and ${max}, and is ${value}`);
}

/** What can be counted: 0 or more. A fraction is allowed, for counts that are weighted. */
export function requireCount(name: string, value: number): void {
  if (value >= 0 && value < Infinity) return;
  throw new RangeError(`${name} must be 0 or more, and is ${value}`);
}

export function requirePositive(name: string, value: number): void {
  if (value > 0 && value < Infinity) return;
  throw new RangeError(`${name} must be more than 0, and is ${value}`);
}

export function requireFinite(name: string, value: number): void {
  if (!Number.isFinite(value)) throw new RangeError(`${name} must be a number, and is ${value}`);
}

/** Parts of a whole: none below 0, with the sum 1. */
export function requireShares(name: string, shares: readonly number[]): void {
  for (const share of shares) requireCount(name, share);
  const sum = shares.reduce((total, share) => total + share, 0);
  if (Math.abs(sum - 1) > 1e-6) throw new RangeError(`${name} must add up to 1, and add up to ${sum}`);
}

/** Two lists that belong together, element by element. */
export function requireSameLength(
  names: string,
  first: readonly unknown[],
  second: readonly unknown[],
): void {
  if (first.length === second.length) return;
  throw new RangeError(`${names} must be equally many, and are ${first.length} and ${second.length}`);
}
