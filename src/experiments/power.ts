/**
 * How large an experiment has to be, before it starts. Units are those of one arm: of the smallest, where arms differ. With
 * more than one treatment alpha is divided between them.
 */
import { sequenceHalfWidth } from '../stats/confidence-sequence.ts';
import { normalCritical } from '../stats/normal-tail.ts';
import {
  detectableDifferenceOfMeans,
  detectableDifferenceOfProportions,
  sampleSizeOfMeans,
  sampleSizeOfProportions,
} from '../stats/sample-size.ts';
import type { ErrorRates } from '../stats/sample-size.ts';
import { designOf } from './compare-arms.ts';

export interface PowerQuestion {
  /** Of a unit; undefined = the metric is a share, and its spread follows from it. */
  readonly standardDeviation: number | undefined;
  /** The metric without the change. */
  readonly baseline: number;
  readonly arms: number;
  readonly alpha: number;
  /** How likely the effect is to be found, if it is there. */
  readonly power: number;
}

export interface UnitsPerArm {
  /** For one look, at the end. */
  readonly oneLook: number;
  /** With always valid intervals, which allow to look and to stop at any time. */
  readonly alwaysValid: number;
}

/** @param difference of the metric, not 0 */
export function unitsToFind(question: PowerQuestion, difference: number): UnitsPerArm {
  const { standardDeviation, baseline } = question;
  const rates = ratesOf(question);
  const oneLook =
    standardDeviation === undefined
      ? sampleSizeOfProportions(baseline, difference, rates)
      : sampleSizeOfMeans(standardDeviation ** 2, difference, rates);
  const deviation = standardDeviation ?? deviationOfShares(baseline, baseline + difference);
  return {
    oneLook: Math.ceil(oneLook),
    alwaysValid: alwaysValidUnits(deviation, Math.abs(difference), rates),
  };
}

/** The smallest rise that so many units an arm find at one look; NaN if they find none. */
export function smallestToFind(question: PowerQuestion, unitsPerArm: number): number {
  const { standardDeviation, baseline } = question;
  const rates = ratesOf(question);
  return standardDeviation === undefined
    ? detectableDifferenceOfProportions(baseline, unitsPerArm, rates)
    : detectableDifferenceOfMeans(standardDeviation ** 2, unitsPerArm, rates);
}

function ratesOf({ alpha, arms, power }: PowerQuestion): ErrorRates {
  return { alpha: alpha / (arms - 1), power };
}

/** By bisection: the interval, and what the estimate may fall short of, shrink as units grow. */
function alwaysValidUnits(deviation: number, difference: number, { alpha, power }: ErrorRates): number {
  const isEnough = (units: number): boolean => {
    // The variance that one unit of two equal arms contributes to their difference is four times its own.
    const width = sequenceHalfWidth(2 * deviation, 2 * units, designOf(alpha));
    return width + normalCritical(1 - power) * deviation * Math.sqrt(2 / units) <= difference;
  };
  let many = 2;
  while (!isEnough(many)) many *= 2;
  let few = many / 2;
  while (many - few > 1) {
    const middle = Math.floor((few + many) / 2);
    if (isEnough(middle)) many = middle;
    else few = middle;
  }
  return many;
}

function deviationOfShares(first: number, second: number): number {
  return Math.sqrt((first * (1 - first) + second * (1 - second)) / 2);
}
