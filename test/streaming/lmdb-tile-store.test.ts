import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { openLmdbSetAsideLog } from '../../src/events/lmdb-set-aside-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openLmdbTileStore } from '../../src/streaming/lmdb-tile-store.ts';
import { describeTileStore } from '../contract/tile-store.ts';
import { flightProject } from './flight-stream.ts';

describeTileStore('LMDB', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millrace-tiles-'));
  let environment = await openLmdbEnvironment({ path });
  return {
    async open() {
      const types = flightProject.eventTypes;
      const log = await openLmdbEventLog({ environment, types, partitionCount: 4, clock: systemClock });
      const deadLetters = openLmdbSetAsideLog(environment, 'dead_letters', log.codec);
      const corrections = openLmdbSetAsideLog(environment, 'corrections', log.codec);
      return {
        tiles: openLmdbTileStore(environment, { deadLetters, corrections }),
        deadLetters,
        corrections,
      };
    },
    async restart() {
      await environment.close();
      environment = await openLmdbEnvironment({ path });
    },
    async remove() {
      await environment.close();
      rmSync(path, { recursive: true });
    },
  };
});
