/** A bandit over arms whose click rates are known, while people come and tell what they did. */
import { setTimeout as pause } from 'node:timers/promises';
import { joinPredictions, readExposures } from '../../src/events/joined-predictions.ts';
import type { Exposure, JoinedPrediction } from '../../src/events/joined-predictions.ts';
import type { ExperimentReport } from '../../src/experiments/report.ts';
import { offPolicyEstimates } from '../../src/stats/off-policy.ts';
import type { PolicyValue } from '../../src/stats/off-policy.ts';
import { happens, peopleOf } from './population.ts';
import { createWorld, reportOn } from './world.ts';
import type { World } from './world.ts';

export const clickRates: Readonly<Record<string, number>> = { plain: 0.05, good: 0.08, best: 0.12 };
export const BEST = 'best';
export const FLOOR_PERCENT = 5;

const section = {
  bandit: {
    name: 'ads',
    arms: Object.keys(clickRates),
    reward: 'click',
    floor: FLOOR_PERCENT,
    interval: '1s',
  },
};

/** Of one version of the rollout, by arm. */
export type Shares = Readonly<Record<string, number>>;

export interface BanditFinding {
  readonly requests: number;
  readonly sharesOf: ReadonlyMap<number, Shares>;
  readonly lastShares: Shares;
  readonly exposures: readonly Exposure[];
  readonly predictions: readonly JoinedPrediction[];
  readonly report: ExperimentReport;
}

export interface BanditRun {
  readonly seed: string;
  /** People come at least so often, and until the best arm has most of the traffic, and at most so often. */
  readonly rounds: { readonly least: number; readonly most: number };
}

const PEOPLE_A_ROUND = 100;
const ROUND_MS = 100;
const MOST = 0.6;

export async function runBandit({ seed, rounds }: BanditRun): Promise<BanditFinding> {
  const options = { variants: ['plain'], twins: { good: 'plain', best: 'plain' }, rollout: section };
  const world = await createWorld(options);
  try {
    const people = peopleOf(seed, rounds.most * PEOPLE_A_ROUND);
    let requests = 0;
    let sharesOf = await sharesByVersion(world);
    for (let round = 0; round < rounds.most; round++) {
      const group = people.slice(round * PEOPLE_A_ROUND, (round + 1) * PEOPLE_A_ROUND);
      const came = world.visit(group, (person, variant) => ({
        click: happens(person.draw('click'), clickRates[variant] as number),
      }));
      // A thousand people a second.
      await Promise.all([came, pause(ROUND_MS)]);
      requests += group.length;
      if (round + 1 < rounds.least) continue;
      sharesOf = await sharesByVersion(world);
      if ((lastOf(sharesOf)[BEST] ?? 0) >= MOST) break;
    }
    await world.close();
    return { requests, sharesOf, lastShares: lastOf(sharesOf), ...(await readLog(world)) };
  } finally {
    await world.remove();
  }
}

async function sharesByVersion({ traffic }: World): Promise<Map<number, Shares>> {
  const { json } = await traffic.call('GET', '/v1/endpoints/m/rollout/audit?count=200');
  const entries = json['entries'] as { readonly version: number; readonly shares: Shares }[];
  return new Map(entries.map(({ version, shares }) => [version, shares]));
}

function lastOf(sharesOf: ReadonlyMap<number, Shares>): Shares {
  return sharesOf.get(Math.max(...sharesOf.keys())) ?? {};
}

async function readLog(world: World): Promise<Pick<BanditFinding, 'exposures' | 'predictions' | 'report'>> {
  return world.withLog(async (log) => {
    const exposures: Exposure[] = [];
    for await (const exposure of readExposures(log)) exposures.push(exposure);
    const predictions: JoinedPrediction[] = [];
    for await (const record of joinPredictions(log))
      if (record.kind === 'prediction') predictions.push(record);
    return { exposures, predictions, report: await reportOn(log, world.definition(section)) };
  });
}

/** What an arm would earn if it had all of the traffic, with its error. */
export function valueOfArm(predictions: readonly JoinedPrediction[], arm: string): PolicyValue {
  return offPolicyEstimates(
    predictions.map(({ variant, propensity, feedback, assignment, requestId }) => ({
      reward: feedback.some(({ click }) => click === true) ? 1 : 0,
      propensity,
      targetChance: variant === arm ? 1 : 0,
      expectedReward: 0,
      expectedOfTarget: 0,
      unit: assignment?.unit ?? requestId,
    })),
  ).snips;
}
