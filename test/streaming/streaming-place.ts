/** A folder in which features are made of events, and instances of what makes them, for tests that break something. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { openLmdbEventLogs } from '../../src/events/lmdb-event-logs.ts';
import type { LmdbEventLogs } from '../../src/events/lmdb-event-logs.ts';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { Project } from '../../src/project/project.ts';
import { openLmdbTileStore } from '../../src/streaming/lmdb-tile-store.ts';
import { openStreaming } from '../../src/streaming/open-streaming.ts';
import type { Streaming } from '../../src/streaming/open-streaming.ts';
import type { TileStore } from '../../src/streaming/tile-store.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { Metrics } from '../../src/telemetry/metrics.ts';

export interface Instance extends Streaming, LmdbEventLogs {
  readonly tiles: TileStore;
  readonly metrics: Metrics;
}

export interface StreamingPlace {
  readonly environment: LmdbEnvironment;
  /** @param around what stands between the streaming and the tiles: it may fail, or take its time */
  open(project: Project, around?: (tiles: TileStore) => TileStore): Promise<Instance>;
  remove(): Promise<void>;
}

export async function createStreamingPlace(): Promise<StreamingPlace> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-streaming-'));
  const environment = await openLmdbEnvironment({ path });
  const opened: Instance[] = [];
  return {
    environment,
    async open(project, around = (tiles) => tiles) {
      const logs = await openLmdbEventLogs(environment, project, systemClock);
      const { log } = logs;
      const tiles = around(openLmdbTileStore(environment, logs));
      const store = await openLmdbStore({ environment, views: [] });
      const metrics = createMetrics();
      const logger = createLog('silent');
      const made = await openStreaming({ project, store, log, tiles, metrics, clock: systemClock, logger });
      const instance = { ...made, ...logs, tiles, metrics };
      opened.push(instance);
      return instance;
    },
    async remove() {
      for (const instance of opened) {
        await instance.close();
        await instance.log.close();
      }
      await environment.close();
      await rm(path, { recursive: true });
    },
  };
}

/** The value of a line of the metrics. */
export async function metricOf(metrics: Metrics, line: string): Promise<number> {
  const text = (await metrics.render()).split('\n').find((each) => each.startsWith(`${line} `));
  return Number(text?.slice(line.length));
}
