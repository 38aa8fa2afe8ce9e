import { requireRange } from './require-range.ts';

/** How many of n units did something. */
export interface Successes {
  readonly successes: number;
  readonly n: number;
}

export function requireSuccesses({ successes, n }: Successes): void {
  requireRange('n', n, 0, Number.MAX_VALUE);
  requireRange('successes', successes, 0, n);
}
