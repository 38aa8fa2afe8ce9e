/**
 * What a model of some 25 ms a run does to a fast one in the same server, and how it bears more load than it can
 * answer. Requests are sent on a schedule from this process; times count from the scheduled time.
 *
 *     npx tsx bench/heavy.ts     # about a minute, after npm run build
 */
import { markdownTable } from '../loadtest/peers/markdown-table.ts';
import { heavyProject, quantile, sendLoad } from './heavy-project.ts';
import type { Outcome } from './heavy-project.ts';

const DURATION_MS = 4000;
const FAST_PER_SECOND = 400;
const HEAVY_PER_SECOND = 60;
const RATES = [80, 160, 240, 320, 480, 640];
const batching = { rows_max: 4 };

async function neighbours(execution: string, heavyPerSecond: number): Promise<string[]> {
  const made = await heavyProject({ execution, workers: 1, batching });
  const serving = await made.open();
  const load = { durationMs: DURATION_MS };
  const heavyLoad =
    heavyPerSecond === 0
      ? undefined
      : sendLoad(serving, { ...load, endpoint: 'heavy', perSecond: heavyPerSecond });
  const fast = await sendLoad(serving, { ...load, endpoint: 'fast', perSecond: FAST_PER_SECOND });
  const heavy = await heavyLoad;
  await serving.close();
  await made.remove();
  const name = heavyPerSecond === 0 ? 'no heavy load' : execution;
  return [name, ...msOf(fast.answersMs), ...(heavy === undefined ? ['', ''] : msOf(heavy.answersMs))];
}

async function overload(perSecond: number): Promise<string[]> {
  const made = await heavyProject({ execution: 'worker', workers: 1, batching });
  const serving = await made.open();
  const outcome = await sendLoad(serving, { endpoint: 'heavy', perSecond, durationMs: DURATION_MS });
  await serving.close();
  await made.remove();
  const refusedMs = outcome.errorsMs.get('OVERLOADED');
  return [
    String(perSecond),
    (outcome.answersMs.length / (DURATION_MS / 1000)).toFixed(0),
    ...msOf(outcome.answersMs),
    String(countOf(outcome, (code) => code === 'OVERLOADED')),
    refusedMs === undefined ? '' : quantile(refusedMs, 0.99).toFixed(1),
    String(countOf(outcome, (code) => code !== 'OVERLOADED')),
  ];
}

function msOf(times: readonly number[]): string[] {
  return [0.5, 0.99].map((share) => quantile(times, share).toFixed(1));
}

function countOf({ errorsMs }: Outcome, isCounted: (code: string) => boolean): number {
  return [...errorsMs].reduce((sum, [code, times]) => sum + (isCounted(code) ? times.length : 0), 0);
}

const places = [
  await neighbours('worker', 0),
  await neighbours('inline', HEAVY_PER_SECOND),
  await neighbours('worker', HEAVY_PER_SECOND),
];
const rates: string[][] = [];
for (const rate of RATES) rates.push(await overload(rate));
console.log(markdownTable(['heavy model', 'fast p50 ms', 'p99 ms', 'heavy p50 ms', 'p99 ms'], places, 4));
console.log(
  markdownTable(
    ['requests/s', 'answered/s', 'p50 ms', 'p99 ms', 'refused', 'refused p99 ms', 'other errors'],
    rates,
    6,
  ),
);
