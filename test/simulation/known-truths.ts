/** Populations with a known truth, and how reports on them are judged. */
import { unitsToFind } from '../../src/experiments/power.ts';
import type { ExperimentReport, MetricReport } from '../../src/experiments/report.ts';
import { TREATMENT } from './experiments.ts';
import type { ExperimentPlan } from './experiments.ts';
import { happens, normalOf } from './population.ts';

type Sized = Pick<ExperimentPlan, 'experiments' | 'onExperiment'> & { readonly people?: number };

const CLICKS_MAX = 0.6;

/**
 * Both arms have the same model. People come once or twice, each with a chance to click and a spending of their own: so
 * predictions of one person are alike, and a test that takes them as independent finds too much.
 */
export function sameModelPlan({ people = 320, ...sized }: Sized): ExperimentPlan {
  return {
    ...sized,
    seed: 'same',
    people,
    visitsMax: 2,
    groups: 16,
    metrics: { clicked: { feedback: 'click' }, spent: { feedback: 'reward' } },
    outcomeOf: (person, _variant, visit) => ({
      click: happens(person.draw('click', visit), CLICKS_MAX * person.inclination),
      reward: Math.exp(person.inclination + normalOf(person.draw('reward', visit)) / 2),
    }),
  };
}

export const lift = { baseline: 0.2, difference: 0.15, alpha: 0.05, power: 0.8 };

/** The treatment has more clicks; each arm has the people that are needed to find that with this power. */
export function liftPlan({ people, ...sized }: Sized): ExperimentPlan {
  const { baseline, difference, alpha, power } = lift;
  const question = { standardDeviation: undefined, baseline, arms: 2, alpha, power };
  const needed = 2 * unitsToFind(question, difference).oneLook;
  return {
    ...sized,
    seed: 'lift',
    people: people ?? needed,
    metrics: { clicked: { feedback: 'click' } },
    outcomeOf: (person, variant) => ({
      click: happens(person.draw('click'), variant === TREATMENT ? baseline + difference : baseline),
    }),
  };
}

export function metricOf({ metrics }: ExperimentReport, name: string): MetricReport {
  const found = metrics.find((metric) => metric.name === name);
  if (found === undefined) throw new Error(`the report has no metric ${name}`);
  return found;
}

/** Of the treatment, for one look at the end. */
export function endP(report: ExperimentReport, metric: string): number {
  return metricOf(report, metric).contrasts[0]?.fixed.p ?? Number.NaN;
}

/** Whoever looks at a report is told that there are too few units before. */
const UNITS_MIN = 100;

/** Whether the always valid interval left out 0 at any of the looks. */
export function wasEverClaimed(report: ExperimentReport, metric: string): boolean {
  const [intervals = []] = metricOf(report, metric).running;
  const isEnough = new Map(
    report.running.map(({ timeMs, units }) => [timeMs, units.every((count) => count >= UNITS_MIN)]),
  );
  return intervals.some(
    ({ timeMs, lower, upper }) => isEnough.get(timeMs) === true && (lower > 0 || upper < 0),
  );
}
