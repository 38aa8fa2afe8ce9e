/** All simulations at any size, as claims: what is promised, and what was found. The tests run them at one size. */
import { MISMATCH_P } from '../../src/experiments/sample-ratio.ts';
import { uniformityTest } from '../../src/stats/kolmogorov-smirnov.ts';
import { BEST, clickRates, FLOOR_PERCENT, runBandit, valueOfArm } from './bandit.ts';
import { binomialRange } from './binomial-range.ts';
import { brokenCandidates, goodCandidate, runCanary } from './canary.ts';
import { runExperiments } from './experiments.ts';
import type { Finished } from './experiments.ts';
import { runPair } from './interference.ts';
import { endP, lift, liftPlan, sameModelPlan, wasEverClaimed } from './known-truths.ts';
import { runWithLosses } from './lost-exposures.ts';

export interface Claim {
  readonly what: string;
  readonly promised: string;
  readonly found: string;
  readonly fits: boolean;
}

export interface Scale {
  readonly experiments: number;
  /** Of an experiment without a difference. */
  readonly people: number;
}

type OnDone = (done: number, total: number) => void;

export interface Simulation {
  readonly name: string;
  run(scale: Scale, onDone: OnDone): Promise<Claim[]>;
}

export const simulations: readonly Simulation[] = [
  { name: 'the same model twice', run: runSameModel },
  { name: 'a better variant', run: runLift },
  { name: 'lost exposures', run: runLosses },
  { name: 'two experiments at once', run: runPairs },
  { name: 'canaries', run: runCanaries },
  { name: 'a bandit', run: runArms },
];

const SPREAD_P_MIN = 0.001;
const BANDIT_ERRORS_MAX = 4;

async function runSameModel({ experiments, people }: Scale, onDone: OnDone): Promise<Claim[]> {
  const onExperiment = (done: number): void => onDone(done, experiments);
  const finished = await runExperiments(sameModelPlan({ experiments, people, onExperiment }));
  const alarms = finished.filter(({ report }) => report.sampleRatio.isMismatch).length;
  return [
    ...['clicked', 'spent'].flatMap((metric) => [
      evenlySpread(`p values of ${metric}`, finished, (each) => endP(each.report, metric)),
      atMost(
        `ever called different by ${metric}`,
        finished.filter(({ report }) => wasEverClaimed(report, metric)).length,
        { n: experiments, chance: 0.05 },
      ),
    ]),
    evenlySpread('p values of the sample ratio', finished, ({ report }) => report.sampleRatio.p),
    atMost('alarms of the sample ratio', alarms, { n: experiments, chance: MISMATCH_P }),
  ];
}

function evenlySpread(what: string, finished: readonly Finished[], pOf: (each: Finished) => number): Claim {
  const { p } = uniformityTest(finished.map(pOf));
  const found = `Kolmogorov-Smirnov p ${p.toPrecision(3)}`;
  return { what, promised: 'evenly spread', found, fits: p > SPREAD_P_MIN };
}

function atMost(
  what: string,
  count: number,
  { n, chance }: { readonly n: number; readonly chance: number },
): Claim {
  const promised = `at most ${100 * chance} %`;
  return { what, promised, found: shareText(count, n), fits: count <= binomialRange(n, chance).most };
}

function shareText(count: number, n: number): string {
  return `${((100 * count) / n).toFixed(1)} % (${count} of ${n})`;
}

async function runLift({ experiments }: Scale, onDone: OnDone): Promise<Claim[]> {
  const onExperiment = (done: number): void => onDone(done, experiments);
  const plan = liftPlan({ experiments, onExperiment });
  const finished = await runExperiments(plan);
  const found = finished.filter(({ report }) => endP(report, 'clicked') <= lift.alpha).length;
  const { least, most } = binomialRange(experiments, lift.power);
  const { baseline, difference, power } = lift;
  return [
    {
      what: `${baseline} -> ${baseline + difference} found with ${plan.people} people`,
      promised: `about ${100 * power} %`,
      found: shareText(found, experiments),
      fits: found >= least && found <= most,
    },
  ];
}

async function runLosses(): Promise<Claim[]> {
  const { whole, lossy } = await runWithLosses('losses', 5000, 0.2);
  return [
    {
      what: 'sample ratio, nothing lost',
      promised: `p at least ${MISMATCH_P}`,
      found: `p ${whole.sampleRatio.p.toPrecision(3)}`,
      fits: !whole.sampleRatio.isMismatch,
    },
    {
      what: 'sample ratio, 12 % of one variant lost',
      promised: `p below ${MISMATCH_P}`,
      found: `p ${lossy.sampleRatio.p.toPrecision(3)}`,
      fits: lossy.sampleRatio.isMismatch,
    },
  ];
}

async function runPairs(_scale: Scale, onDone: OnDone): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (const interaction of [0.25, 0]) {
    const { report } = await runPair({
      seed: interaction > 0 ? 'mixed' : 'apart',
      people: 1600,
      interaction,
    });
    const p = report.collisions[0]?.interactions[0]?.correctedP ?? Number.NaN;
    claims.push({
      what: `interaction of ${interaction} with another experiment`,
      promised: interaction > 0 ? 'p below 0.01' : 'p above 0.05',
      found: `p ${p.toPrecision(3)}`,
      fits: interaction > 0 ? p < 0.01 : p > 0.05,
    });
    onDone(claims.length, 2);
  }
  return claims;
}

async function runCanaries(_scale: Scale, onDone: OnDone): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (const { label, ...plan } of [...brokenCandidates, { label: 'nothing', ...goodCandidate }]) {
    const wanted = label === 'nothing' ? 'promoted' : 'rolled_back';
    const { phase, requests, candidateRequests, seconds, afterVerdict } = await runCanary(plan);
    const total = `${requests} requests, ${candidateRequests} of them to the candidate, ${seconds.toFixed(1)} s`;
    const after = `${afterVerdict.requests} requests and ${afterVerdict.seconds.toFixed(1)} s after the verdict`;
    claims.push({
      what: `candidate with ${label} wrong`,
      promised: wanted === 'promoted' ? wanted : `${wanted} within 2 s of the verdict`,
      found: `${phase}: ${total}${wanted === 'promoted' ? '' : `; ${after}`}`,
      fits: phase === wanted && afterVerdict.seconds <= 2,
    });
    onDone(claims.length, brokenCandidates.length + 1);
  }
  return claims;
}

async function runArms(): Promise<Claim[]> {
  const { lastShares, predictions, requests } = await runBandit({
    seed: 'bandit',
    rounds: { least: 60, most: 600 },
  });
  const best = lastShares[BEST] ?? 0;
  const arms = Object.entries(clickRates).map(([arm, rate]): Claim => {
    const { value, standardError } = valueOfArm(predictions, arm);
    const share = lastShares[arm] ?? 0;
    return {
      what: `click rate of ${arm}, from the log`,
      promised: `about ${rate}`,
      found: `${value.toFixed(4)} +- ${standardError.toFixed(4)}, ${(100 * share).toFixed(1)} % of the traffic`,
      fits: Math.abs(value - rate) < BANDIT_ERRORS_MAX * standardError && share >= FLOOR_PERCENT / 100,
    };
  });
  return [
    {
      what: 'traffic of the best arm',
      promised: 'more than 50 %',
      found: `${(100 * best).toFixed(1)} % after ${requests} requests`,
      fits: best > 0.5,
    },
    ...arms,
  ];
}
