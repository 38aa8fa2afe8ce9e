/**
 * Many experiments with a known truth, each with people of its own, and what their reports say. Two of them share a
 * server and a log: with more, reading the log of all for each would take longest.
 */
import type { ExperimentReport } from '../../src/experiments/report.ts';
import { peopleOf } from './population.ts';
import type { Person } from './population.ts';
import { createSteppedClock, createWorld, reportOn } from './world.ts';
import type { OutcomeOf, World } from './world.ts';

export interface ExperimentPlan {
  /** Names and people begin with it. */
  readonly seed: string;
  readonly experiments: number;
  /** Of both arms together. */
  readonly people: number;
  readonly visitsMax?: number;
  /** They come in so many groups, one after the other, and the report is looked at after each. */
  readonly groups?: number;
  readonly outcomeOf: OutcomeOf;
  /** The metrics section. */
  readonly metrics: object;
  readonly onExperiment?: (done: number) => void;
}

export interface Finished {
  readonly report: ExperimentReport;
  readonly requests: number;
}

export const CONTROL = 'plain';
/** The same model and version. */
export const TREATMENT = 'twin';

const SHARED_BY = 2;
/** Servers at a time: while one waits for the disk, another one answers. */
const LANES = 3;
const GROUP_MS = 60_000;

export async function runExperiments(plan: ExperimentPlan): Promise<Finished[]> {
  const finished: Finished[] = [];
  let next = 0;
  let done = 0;
  const onDone = (): void => plan.onExperiment?.(++done);
  const lane = async (): Promise<void> => {
    while (next < plan.experiments) {
      const from = next;
      const count = Math.min(SHARED_BY, plan.experiments - from);
      next += count;
      for (const [i, each] of (await runTogether(plan, from, count, onDone)).entries())
        finished[from + i] = each;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return finished;
}

async function runTogether(
  plan: ExperimentPlan,
  from: number,
  count: number,
  onDone: () => void,
): Promise<Finished[]> {
  const clock = createSteppedClock();
  const world = await createWorld({ variants: [CONTROL], twins: { [TREATMENT]: CONTROL } }, clock);
  try {
    const names = Array.from({ length: count }, (_, i) => `${plan.seed}-${from + i}`);
    const requests: number[] = [];
    for (const name of names) {
      await world.put(sectionOf(plan, name));
      const people = peopleOf(name, plan.people, plan.visitsMax);
      for (const group of groupsOf(people, plan.groups ?? 1)) {
        clock.advance(GROUP_MS);
        await world.visit(group, plan.outcomeOf);
      }
      requests.push(people.reduce((sum, { visits }) => sum + visits, 0));
      onDone();
    }
    await world.close();
    return await reportsOn(world, plan, names, requests);
  } finally {
    await world.remove();
  }
}

async function reportsOn(
  world: World,
  plan: ExperimentPlan,
  names: readonly string[],
  requests: readonly number[],
): Promise<Finished[]> {
  return world.withLog(async (log) => {
    const finished: Finished[] = [];
    for (const [i, name] of names.entries()) {
      const report = await reportOn(log, world.definition(sectionOf(plan, name)), { against: name });
      finished.push({ report, requests: requests[i] as number });
    }
    return finished;
  });
}

function sectionOf({ metrics }: ExperimentPlan, name: string): object {
  return { experiment: { name, weights: { [CONTROL]: 50, [TREATMENT]: 50 }, metrics } };
}

function groupsOf(people: readonly Person[], count: number): Person[][] {
  const size = Math.ceil(people.length / count);
  return Array.from({ length: count }, (_, i) => people.slice(i * size, (i + 1) * size));
}
