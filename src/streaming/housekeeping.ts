/**
 * What a stream needs besides its events: once a minute old events are dropped from the log, but none that is not
 * applied, and tiles that no window reaches any more from the store, some each time; once a second it is counted how
 * far the appliers are behind. Each step is small, so that neither the event loop nor other writers wait for it.
 */
import type { Clock } from '../clock.ts';
import type { EventLog } from '../events/event-log.ts';
import type { FeatureView, StreamingSettings } from '../project/project.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { allPositions, createAppliedGauges } from './applied-gauges.ts';
import type { StreamRouting } from './stream-routing.ts';
import type { TilePlan } from './tile-plan.ts';
import { tileStartOf } from './tile.ts';
import type { Position, SweptTile, TileStore } from './tile-store.ts';

export interface HousekeepingParts {
  readonly log: EventLog;
  readonly tiles: TileStore;
  readonly plans: ReadonlyMap<FeatureView, TilePlan>;
  readonly routing: StreamRouting;
  readonly settings: StreamingSettings;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
}

export interface Housekeeping {
  /** Drops what is old now. */
  tidy(): Promise<void>;
  /** Waits for the step that is under way. */
  close(): Promise<void>;
}

const TIDY_MS = 60_000;
const LOOK_MS = 1000;
const SWEEP_TILES = 2000;
/** Of one minute; the next one goes on where it ended. Else a store behind a network would do nothing but this. */
const SWEEP_STEPS_MAX = 100;

export function startHousekeeping(parts: HousekeepingParts): Housekeeping {
  const { logger } = parts;
  let isClosed = false;
  const gauges = createAppliedGauges(parts);
  const tidy = async (): Promise<void> => {
    await trim(parts);
    await sweep(parts, () => isClosed);
  };
  let working: Promise<void> = Promise.resolve();
  /** Of the work that failed the last time; its next failures are not logged. */
  const failing = new Set<string>();
  const inTurn = (work: () => Promise<void>, what: string): void => {
    working = working
      .then(work)
      .then(() => void failing.delete(what))
      .catch((error: unknown) => {
        if (isClosed || failing.has(what)) return;
        failing.add(what);
        logger.error({ err: error }, `${what}; it is tried again`);
      });
  };
  const look = (): void => inTurn(async () => gauges.look(), 'what is not applied could not be counted');
  // A server that starts with much to apply says so at once.
  look();
  const timers = [
    setInterval(look, LOOK_MS),
    setInterval(() => inTurn(tidy, 'old events and tiles could not be dropped'), TIDY_MS),
  ];
  for (const timer of timers) timer.unref();
  return {
    tidy,
    async close() {
      isClosed = true;
      for (const timer of timers) clearInterval(timer);
      await working;
    },
  };
}

async function trim(parts: HousekeepingParts): Promise<void> {
  const { log, settings, clock } = parts;
  const positions = await allPositions(parts);
  await log.trim({
    appendedBeforeMs: clock.nowMs() - settings.retentionMs,
    bytesMax: settings.retentionBytesMax,
    keepFrom: positions.map(({ offset }) => offset),
  });
}

async function sweep(parts: HousekeepingParts, isClosed: () => boolean): Promise<void> {
  const positions = await allPositions(parts);
  const isExpired = expiry(parts, positions);
  for (let step = 0; step < SWEEP_STEPS_MAX && !isClosed(); step++)
    if ((await parts.tiles.sweep(SWEEP_TILES, isExpired)).isDone) return;
}

/** Tiles of a view that has left the project stay: it may come back. */
function expiry(
  { plans, routing }: HousekeepingParts,
  positions: readonly Position[],
): (tile: SweptTile) => boolean {
  const planOf = new Map([...plans].map(([view, plan]) => [view.name, { view, plan }]));
  return ({ view: name, key, tileMs, startMs }) => {
    const known = planOf.get(name);
    const size = known?.plan.sizes.find((each) => each.tileMs === tileMs);
    if (known === undefined || size === undefined) return false;
    const { maxTimeMs } = positions[routing.partitionOf(known.view, key)] as Position;
    return startMs < tileStartOf(maxTimeMs - size.horizonMs, tileMs);
  };
}
