/** How many threads a model has that has any, and what operators hear of them. */
import { availableParallelism } from 'node:os';
import type { ThreadPlan } from '../inference/session-pool.ts';
import type { ModelVersion } from '../project/project.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface ThreadPlanParts {
  readonly metrics: Metrics;
  readonly log: Log;
}

export function threadPlanOf(
  { model, version, workers }: ModelVersion,
  { metrics, log }: ThreadPlanParts,
): ThreadPlan {
  const labels = { model, version };
  const restarts = metrics.counter(
    'millrace_model_worker_restarts_total',
    'Worker threads of a model that ended by themselves and were replaced.',
    labels,
  );
  return {
    threads: workers ?? Math.max(1, availableParallelism() - 1),
    onRestart(reason, delayMs) {
      restarts.add(1);
      log.error(
        { ...labels, reason, delay_ms: delayMs },
        'a worker thread of the model ended; starting another',
      );
    },
  };
}
