/** What the appliers of a process tell of their work, in the metrics and in the log. */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { SetAsideEntry } from '../events/set-aside-log.ts';
import type { Log } from '../telemetry/log.ts';
import { latencyBoundsSeconds } from '../telemetry/metrics.ts';
import type { Counter, Metrics } from '../telemetry/metrics.ts';

export interface AppliedEvents {
  /** When each of them had come in. */
  readonly receivedMs: readonly number[];
  /** When they were in the features. */
  readonly atMs: number;
  readonly deadLetters: readonly SetAsideEntry[];
  readonly corrections: readonly SetAsideEntry[];
}

export interface ApplyReport {
  /** A batch is stored. */
  applied(events: AppliedEvents): void;
  /** A batch is tried again. */
  failed(error: Error, partition: number): void;
}

/** Late events may come by the thousand. */
const TELL_LATE_MS = 60_000;

export function createApplyReport(metrics: Metrics, clock: Clock, logger: Log): ApplyReport {
  const events = (outcome: string): Counter =>
    metrics.counter(
      'millrace_applied_events_total',
      'Events that were taken from the log, by what became of them.',
      { outcome },
    );
  const applied = events('applied');
  const tooLate = events('too_late');
  const dead = events('dead_letter');
  const failures = metrics.counter(
    'millrace_apply_failures_total',
    'Batches of events that are tried again.',
    {},
  );
  const freshness = metrics.histogram(
    'millrace_event_freshness_seconds',
    'From the arrival of an event until it is in the features.',
    latencyBoundsSeconds,
    {},
  );
  let isAway = false;
  let lateToldMs = -Infinity;

  function tellDead([first]: readonly SetAsideEntry[], count: number): void {
    if (first === undefined) return;
    const { partition, offset, reason } = first;
    const fields = { partition, offset, reason, events: count };
    logger.warn(fields, 'events could not be applied and are dead letters now');
  }

  function tellLate([first]: readonly SetAsideEntry[], count: number): void {
    const nowMs = clock.nowMs();
    if (first === undefined || Math.abs(nowMs - lateToldMs) < TELL_LATE_MS) return;
    lateToldMs = nowMs;
    const { partition, offset } = first;
    const sentence = 'events came too late and are corrections now; this is told once a minute at most';
    logger.warn({ partition, offset, events: count }, sentence);
  }

  return {
    applied({ receivedMs, atMs, deadLetters, corrections }) {
      if (isAway) logger.info({}, 'events are applied again');
      isAway = false;
      applied.add(receivedMs.length);
      for (const each of receivedMs) freshness.observe(Math.max(0, atMs - each) / 1000);
      tooLate.add(corrections.length);
      dead.add(deadLetters.length);
      tellDead(deadLetters, deadLetters.length);
      tellLate(corrections, corrections.length);
    },

    failed(error, partition) {
      failures.add(1);
      const isStore = error instanceof MillraceError && error.code === 'STORE_FAILED';
      if (!isStore) {
        logger.error({ err: error, partition }, 'events could not be applied; it is tried again');
        return;
      }
      // All partitions fail at once, and again and again.
      if (!isAway)
        logger.warn({ cause: error.message }, 'events cannot be applied; it is tried again until they are');
      isAway = true;
    },
  };
}
