/** Two experiments at once, on two endpoints that the same people use. */
import type { ExperimentReport } from '../../src/experiments/report.ts';
import { CONTROL, TREATMENT } from './experiments.ts';
import { happens, peopleOf } from './population.ts';
import { createSteppedClock, createWorld, reportOn } from './world.ts';

export interface Pair {
  readonly seed: string;
  readonly people: number;
  /** How much more those click on the second who have the treatment of both. */
  readonly interaction: number;
  /** Whether a layer keeps the two apart. */
  readonly isLayered?: boolean;
}

export interface PairFinding {
  /** What the status of the second endpoint warns of, before anybody came. */
  readonly warnings: readonly string[];
  /** On the second, against the first. */
  readonly report: ExperimentReport;
}

const BASE = 0.3;
const LIFT = 0.1;

export async function runPair({ seed, people, interaction, isLayered = false }: Pair): Promise<PairFinding> {
  const sectionOf = (name: string, range: readonly number[]): object => ({
    experiment: {
      name,
      weights: { [CONTROL]: 50, [TREATMENT]: 50 },
      metrics: { clicked: { feedback: 'click' } },
      ...(isLayered && { layer: { name: 'page', range } }),
    },
  });
  const first = sectionOf('layout', [0, 50]);
  const second = sectionOf('price', [50, 100]);
  const options = {
    variants: [CONTROL],
    twins: { [TREATMENT]: CONTROL },
    rollout: first,
    others: { n: second },
  };
  const world = await createWorld(options, createSteppedClock());
  try {
    const warnings = (await world.status('n'))['warnings'] as string[];
    const all = peopleOf(seed, people);
    const layoutOf = new Map<string, string | undefined>();
    const seen = await world.visit(all, (person) => ({ click: happens(person.draw('m'), BASE) }));
    for (const { person, variant } of seen) layoutOf.set(person.name, variant);
    await world.visit(
      all,
      (person, variant) => {
        const isTreated = variant === TREATMENT;
        const isTreatedTwice = isTreated && layoutOf.get(person.name) === TREATMENT;
        const chance = BASE + (isTreated ? LIFT : 0) + (isTreatedTwice ? interaction : 0);
        return { click: happens(person.draw('n'), chance) };
      },
      'n',
    );
    await world.close();
    const others = [world.definition(first)];
    const report = await world.withLog(async (log) =>
      reportOn(log, world.definition(second, 'n'), { others, against: 'layout' }),
    );
    return { warnings, report };
  } finally {
    await world.remove();
  }
}
