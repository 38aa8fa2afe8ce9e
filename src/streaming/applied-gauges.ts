/** What the metrics say of how far the event log is applied, and how large it is; looked up now and then. */
import type { Clock } from '../clock.ts';
import type { EventLog, PartitionSize } from '../events/event-log.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Position, TileStore } from './tile-store.ts';

export interface AppliedParts {
  readonly log: EventLog;
  readonly tiles: TileStore;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
}

export interface AppliedGauges {
  /** @throws MillraceError STORE_FAILED */
  look(): Promise<void>;
}

/** All processes look at the same log, so the metrics of several are those of the one that is furthest behind. */
const ACROSS = 'max';

export function createAppliedGauges(parts: AppliedParts): AppliedGauges {
  const { log, metrics, clock, logger } = parts;
  let unapplied = 0;
  let bytes = 0;
  let lagMs = 0;
  let positions: readonly Position[] = [];
  /** What was true before the store went away says nothing: there are no values then. */
  let isKnown = false;
  const gauge = (name: string, help: string, value: () => number): void =>
    metrics.gauge(name, help, () => (isKnown ? [{ labels: {}, value: value() }] : []), ACROSS);
  gauge('millrace_events_unapplied', 'Events in the log that are in no feature yet.', () => unapplied);
  gauge(
    'millrace_apply_lag_seconds',
    'How long the oldest event that is in no feature yet has been in the log.',
    () => lagMs / 1000,
  );
  gauge('millrace_event_log_bytes', 'Size of the events in the log.', () => bytes);
  metrics.gauge(
    'millrace_event_watermark_seconds',
    'Time of the latest event that is applied, in seconds since 1970, by partition of the log.',
    () =>
      positions.flatMap(({ maxTimeMs }, partition) =>
        isKnown && Number.isFinite(maxTimeMs)
          ? [{ labels: { partition: String(partition) }, value: maxTimeMs / 1000 }]
          : [],
      ),
    ACROSS,
  );
  const ends: number[] = [];
  const tellLoss = (sizes: readonly PartitionSize[]): void => {
    const lost = sizes.flatMap(({ nextOffset }, p) => (nextOffset < (ends[p] ?? 0) ? [p] : []));
    sizes.forEach(({ nextOffset }, p) => (ends[p] = nextOffset));
    if (lost.length === 0) return;
    const sentence =
      'the event log is shorter than it was: its store has lost events, and the features of them';
    logger.error({ partitions: lost }, sentence);
  };
  const look = async (): Promise<void> => {
    const sizes = await log.sizes();
    tellLoss(sizes);
    const found = await allPositions(parts);
    const behind = sizes.map(({ nextOffset }, p) => Math.max(0, nextOffset - (found[p]?.offset ?? 0)));
    const waiting = behind.map(async (count, p) => {
      const appendedMs = count > 0 ? await log.appendedAt(p, found[p]?.offset ?? 0) : undefined;
      return appendedMs === undefined ? 0 : clock.nowMs() - appendedMs;
    });
    lagMs = Math.max(0, ...(await Promise.all(waiting)));
    unapplied = behind.reduce((sum, count) => sum + count, 0);
    bytes = sizes.reduce((sum, size) => sum + size.bytes, 0);
    positions = found;
  };
  return {
    async look() {
      try {
        await look();
        isKnown = true;
      } catch (error) {
        isKnown = false;
        throw error;
      }
    },
  };
}

/** By partition. */
export async function allPositions({ log, tiles }: Pick<AppliedParts, 'log' | 'tiles'>): Promise<Position[]> {
  return Promise.all(
    Array.from({ length: log.partitionCount }, async (_, partition) => tiles.position(partition)),
  );
}
