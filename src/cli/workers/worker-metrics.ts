/**
 * The metrics of all workers as one. A total never goes backwards: what a worker that ended had counted is kept, and
 * a worker that does not answer stands in with what it last reported. So a scrape waits for no worker longer than
 * ANSWER_MS_MAX, and costs each of them one report.
 */
import { mergeFamilies, totalsOf } from '../../telemetry/merge-families.ts';
import type { MetricFamily } from '../../telemetry/merge-families.ts';
import { renderFamilies } from '../../telemetry/metrics.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface WorkerMetrics {
  /** The metrics of all in the Prometheus text format. Scrapes that come together share one answer. */
  collect(): Promise<string>;
  /** Keeps the totals of a worker that has ended. */
  keep(worker: WorkerProcess): void;
}

/** What the supervisor knows itself. */
export interface SupervisorCounts {
  /** Workers that wait to be started again. */
  readonly waiting: number;
  readonly restarts: number;
  readonly reloads: Readonly<Record<'done' | 'failed', number>>;
}

const ANSWER_MS_MAX = 500;

export function createWorkerMetrics(
  workers: ReadonlySet<WorkerProcess>,
  counts: () => SupervisorCounts,
): WorkerMetrics {
  let ended: MetricFamily[] = [];
  let collecting: Promise<string> | undefined;

  async function collect(): Promise<string> {
    const asked = [...workers].filter(({ state }) => state !== 'starting');
    const answers = await Promise.all(asked.map(async (worker) => worker.report('all', ANSWER_MS_MAX)));
    const silent = asked.filter((worker, i) => answers[i] === false && workers.has(worker));
    const reported = [...workers].map(({ families }) => families.values());
    return renderFamilies([
      ...mergeFamilies([...reported, ended]),
      ...supervisorFamilies(workers, silent, counts()),
    ]);
  }

  return {
    collect: async () => {
      collecting ??= collect().finally(() => (collecting = undefined));
      return collecting;
    },
    keep({ families }) {
      ended = mergeFamilies([ended, totalsOf(families.values())]);
    },
  };
}

function supervisorFamilies(
  workers: ReadonlySet<WorkerProcess>,
  silent: readonly WorkerProcess[],
  { waiting, restarts, reloads }: SupervisorCounts,
): MetricFamily[] {
  const states = { starting: 0, ready: 0, draining: 0, unresponsive: 0, waiting };
  for (const worker of workers) states[silent.includes(worker) ? 'unresponsive' : worker.state]++;
  return [
    {
      name: 'millrace_workers',
      help: 'Worker processes by state; "waiting" = ended, and to be started again.',
      type: 'gauge',
      aggregator: 'sum',
      values: Object.entries(states).map(([state, value]) => ({ labels: { state }, value })),
    },
    {
      name: 'millrace_worker_restarts_total',
      help: 'Workers that ended by themselves and were replaced.',
      type: 'counter',
      aggregator: 'sum',
      values: [{ labels: {}, value: restarts }],
    },
    {
      name: 'millrace_reloads_total',
      help: 'Rolling restarts; "failed" = the new project could not be served.',
      type: 'counter',
      aggregator: 'sum',
      values: Object.entries(reloads).map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
  ];
}
