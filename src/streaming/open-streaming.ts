/**
 * Joins what makes features out of events: the log, the tiles, the rows that are read from them, and the applier between
 * them. Rows of views without a stream come from the online store.
 */
import type { Clock } from '../clock.ts';
import type { EventLog } from '../events/event-log.ts';
import type { OnlineStore, Row, RowKey, RowSource } from '../features/online-store.ts';
import type { FeatureView, Mistake, Project } from '../project/project.ts';
import { invalidProject } from '../project/report.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createApplier } from './applier.ts';
import { createApplyReport } from './apply-report.ts';
import { startHousekeeping } from './housekeeping.ts';
import { createStoredTiles } from './stored-tiles.ts';
import { createStreamRouting } from './stream-routing.ts';
import type { StreamRouting } from './stream-routing.ts';
import { compileTilePlan } from './tile-plan.ts';
import type { TilePlan } from './tile-plan.ts';
import type { TileStore } from './tile-store.ts';
import { createWindowedRows } from './windowed-rows.ts';
import type { WindowedRows } from './windowed-rows.ts';

export interface Streaming {
  /** What predictions read. */
  readonly source: RowSource;
  readonly routing: StreamRouting;
  /** Resolves when all that is in the log now is in the features. */
  settle(): Promise<void>;
  /** Drops events and tiles that are old now, as it is done once a minute. */
  tidy(): Promise<void>;
  /** Waits for the batches that are under way. The log and the stores stay open: they are their owner's. */
  close(): Promise<void>;
}

export interface StreamingParts {
  readonly project: Project;
  readonly store: OnlineStore;
  readonly log: EventLog;
  readonly tiles: TileStore;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
}

/** @throws MillraceError INVALID_PROJECT for conditions that are none, STORE_FAILED */
export async function openStreaming(parts: StreamingParts): Promise<Streaming> {
  const { project, store, log, tiles, metrics, clock, logger } = parts;
  const { allowedLatenessMs: latenessMs } = project.streaming;
  const plans = compilePlans(project);
  const stored = await createStoredTiles(plans.values(), tiles);
  const routing = createStreamRouting(project.featureViews.values(), log.partitionCount);
  const rows = createWindowedRows({
    plans,
    store: tiles,
    stored,
    partitionCount: log.partitionCount,
    partitionOf: (view, key) => routing.partitionOf(view, key),
    memoryBytesMax: project.limits.memoryBytesMax,
    staleMsMax: project.cache.staleMsMax,
  });
  const report = createApplyReport(metrics, clock, logger);
  const applier = createApplier({
    log,
    store: tiles,
    stored,
    rows,
    routing,
    latenessMs,
    report,
    clock,
  });
  const housekeeping = startHousekeeping({
    log,
    tiles,
    plans,
    routing,
    settings: project.streaming,
    metrics,
    clock,
    logger,
  });
  const stopListening = log.onAppend((partitions) => applier.wake(partitions));
  return {
    source: joinedSource(store, rows),
    routing,
    settle: async () => applier.settle(),
    tidy: async () => housekeeping.tidy(),
    async close() {
      stopListening();
      await housekeeping.close();
      await applier.close();
    },
  };
}

/** @throws MillraceError INVALID_PROJECT with every mistake */
function compilePlans({ featureViews, streaming }: Project): Map<FeatureView, TilePlan> {
  // Tiles expire by the latest event, which may be that far ahead of the clock by which they are read.
  const keptMs = Math.max(streaming.allowedLatenessMs, streaming.futureMsMax);
  const plans = new Map<FeatureView, TilePlan>();
  const mistakes: Mistake[] = [];
  for (const view of featureViews.values()) {
    if (view.stream === undefined) continue;
    const compiled = compileTilePlan(view, keptMs);
    mistakes.push(...compiled.mistakes);
    if (compiled.plan !== undefined) plans.set(view, compiled.plan);
  }
  if (mistakes.length > 0) throw invalidProject(mistakes);
  return plans;
}

function isStored({ view }: RowKey): boolean {
  return view.stream === undefined;
}

function joinedSource(store: OnlineStore, rows: WindowedRows): RowSource {
  return {
    get: (view, key, asOfMs, isHistorical) =>
      view.stream === undefined ? store.get(view, key) : rows.get(view, key, asOfMs, isHistorical),
    async read(keys, asOfMs, isHistorical) {
      const [plain, windowed] = await Promise.all([
        store.read(keys.filter(isStored)),
        rows.read(
          keys.filter((key) => !isStored(key)),
          asOfMs,
          isHistorical,
        ),
      ]);
      const [fromStore, fromRows] = [plain.values(), windowed.values()];
      return keys.map((key) => (isStored(key) ? fromStore : fromRows).next().value as Row | null);
    },
    staleMs: (view, key, row) =>
      view.stream === undefined ? store.staleMs(view, key, row) : rows.staleMs(row),
  };
}
