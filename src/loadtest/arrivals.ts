/**
 * When requests are meant to be sent. The schedule is made without a look at the server: that is what makes an
 * open-loop test open. With the same seed it is the same schedule.
 */

import { seededRandom } from '../stats/seeded-random.ts';

export const arrivalKinds = ['constant', 'poisson'] as const;
/** Evenly spaced, or with the random gaps of many callers who know nothing of each other. */
export type ArrivalKind = (typeof arrivalKinds)[number];

/** Each call gives the next intended time, in microseconds since the start. Never ends, never goes back. */
export type Arrivals = () => number;

export function createArrivals(kind: ArrivalKind, ratePerSecond: number, seed: number): Arrivals {
  const gapUs = 1e6 / ratePerSecond;
  if (kind === 'constant') {
    let count = 0;
    // Multiplied, not summed: the error of a sum grows with the length of the run.
    return () => count++ * gapUs;
  }
  const random = seededRandom(seed);
  let timeUs = 0;
  return () => {
    timeUs -= Math.log(1 - random()) * gapUs;
    return timeUs;
  };
}
