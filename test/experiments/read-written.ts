/** The report on logs that a test has written. */
import { systemClock } from '../../src/clock.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import type { ExperimentDefinition } from '../../src/experiments/definition.ts';
import { readReport } from '../../src/experiments/read-report.ts';
import type { OnProgress, ReportOptions } from '../../src/experiments/read-report.ts';
import type { ExperimentReport } from '../../src/experiments/report.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { EventType } from '../../src/project/project.ts';
import type { Metric } from '../../src/project/rollout.ts';
import { openPredictionEvents } from '../../src/serving/open-prediction-log.ts';
import { PARTITIONS } from './written-logs.ts';

export interface ReadOptions extends Partial<ReportOptions> {
  /** Of the event log; none = there is no event log. */
  readonly eventTypes?: readonly EventType[];
  readonly unitName?: (text: string) => string;
  readonly onProgress?: OnProgress;
}

export async function readWritten(
  path: string,
  definition: ExperimentDefinition,
  { eventTypes = [], unitName = (text) => text, onProgress, ...options }: ReadOptions = {},
): Promise<ExperimentReport> {
  const environment = await openLmdbEnvironment({ path });
  const predictions = await openPredictionEvents(environment, PARTITIONS, systemClock);
  const types = new Map(eventTypes.map((type) => [type.name, type]));
  const log =
    types.size === 0
      ? undefined
      : await openLmdbEventLog({ environment, types, partitionCount: PARTITIONS, clock: systemClock });
  try {
    return await readReport(
      definition,
      { predictions, events: log === undefined ? undefined : { log, unitName } },
      {
        fromMs: -Infinity,
        toMs: Infinity,
        versions: undefined,
        withBots: false,
        others: [],
        against: undefined,
        ...options,
      },
      onProgress,
    );
  } finally {
    await log?.close();
    await predictions.close();
    await environment.close();
  }
}

export const labelMetric: Metric = {
  name: 'conversion',
  source: { kind: 'feedback', field: 'label' },
  goal: 'increase',
  preMs: undefined,
};

export function definitionWith(changes: Partial<ExperimentDefinition> = {}): ExperimentDefinition {
  return {
    kind: 'experiment',
    name: 'exp',
    endpoint: 'shop',
    unit: { kind: 'field', name: 'user', index: 0 },
    arms: [
      { variant: 'a', share: 0.5 },
      { variant: 'b', share: 0.5 },
    ],
    metrics: [labelMetric],
    alpha: 0.05,
    ...changes,
  };
}
