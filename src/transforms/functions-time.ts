/** Functions of timestamps, in UTC. A missing timestamp gives a missing result. */
import type { FunctionSpec } from './functions.ts';

const MS_PER_MINUTE = 60_000;
const MS_PER_HOUR = 3_600_000;
const MS_PER_DAY = 86_400_000;

/** The remainder that is never negative, so that times before 1970 have the same hours as later ones. */
function floorModulo(value: number, modulus: number): number {
  return ((value % modulus) + modulus) % modulus;
}

interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/**
 * The date of a day number since 1970, without making a Date object. Howard Hinnant's civil_from_days,
 * http://howardhinnant.github.io/date_algorithms.html: eras of 400 years that begin on March 1st.
 */
function civilDate(timestampMs: number): CivilDate {
  const days = Math.floor(timestampMs / MS_PER_DAY) + 719_468;
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

function timePart(
  name: string,
  summary: string,
  examples: FunctionSpec['examples'],
  evaluate: (timestampMs: number) => number,
): FunctionSpec {
  return {
    name,
    signature: `${name}(t)`,
    summary: `${summary} The result is an int.`,
    examples,
    parameters: ['timestamp'],
    result: ([t]) => ({ base: 'int', length: undefined, nullable: t?.nullable ?? true }),
    evaluate,
  };
}

function timeBetween(name: string, unit: string, msPerUnit: number): FunctionSpec {
  return {
    name,
    signature: `${name}(from, to)`,
    summary: `The time from the first to the second in ${unit}, with fractions; negative if the second is earlier.`,
    examples: [[`${name}(as_of, as_of)`, 0]],
    parameters: ['timestamp', 'timestamp'],
    result: () => ({ base: 'float', length: undefined, nullable: true }),
    evaluate: (from: number, to: number) => (to - from) / msPerUnit,
    emit: ([from, to]) => `((${to} - ${from}) / ${msPerUnit})`,
  };
}

/** Examples are evaluated at this `as_of`: a Friday, 2001-03-09T14:05:00Z. */
export const exampleAsOfMs = 984_146_700_000;

export const timeFunctions: readonly FunctionSpec[] = [
  timePart('minute', 'Minute of the hour, 0 to 59.', [['minute(as_of)', 5]], (t) =>
    floorModulo(Math.floor(t / MS_PER_MINUTE), 60),
  ),
  timePart('hour', 'Hour of the day, 0 to 23.', [['hour(as_of)', 14]], (t) =>
    floorModulo(Math.floor(t / MS_PER_HOUR), 24),
  ),
  // Day 0, January 1st of 1970, was a Thursday.
  timePart('day_of_week', 'Day of the week: Sunday is 0, Saturday 6.', [['day_of_week(as_of)', 5]], (t) =>
    floorModulo(Math.floor(t / MS_PER_DAY) + 4, 7),
  ),
  timePart(
    'day_of_month',
    'Day of the month, 1 to 31.',
    [['day_of_month(as_of)', 9]],
    (t) => civilDate(t).day,
  ),
  timePart('month', 'Month, January is 1.', [['month(as_of)', 3]], (t) => civilDate(t).month),
  timePart('year', 'Year.', [['year(as_of)', 2001]], (t) => civilDate(t).year),
  timeBetween('seconds_between', 'seconds', 1000),
  timeBetween('days_between', 'days', MS_PER_DAY),
];
