import type { Counter, Metrics } from '../telemetry/metrics.ts';

/** What an applier counts. */
export interface ApplierCounts {
  readonly applied: Counter;
  readonly corrections: Counter;
  readonly deadLetters: Counter;
  readonly failures: Counter;
}

export function createApplierCounts(metrics: Metrics): ApplierCounts {
  const events = (outcome: string): Counter =>
    metrics.counter(
      'millrace_applied_events_total',
      'Events that were taken from the log, by what became of them.',
      {
        outcome,
      },
    );
  return {
    applied: events('applied'),
    corrections: events('too_late'),
    deadLetters: events('dead_letter'),
    failures: metrics.counter('millrace_apply_failures_total', 'Batches of events that are tried again.', {}),
  };
}
