/** The process of store-process.ts. Arguments: `lmdb` and a folder, or `redis`, an address and the name of a project. */
import { systemClock } from '../../src/clock.ts';
import type { RolloutStore } from '../../src/rollouts/rollout-store.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { changeNext } from './sample-change.ts';

const [kind, place = '', project = ''] = process.argv.slice(2);
const store = await (kind === 'lmdb' ? openLmdb() : openRedis());

// Only what is needed is loaded: the tests wait for it.
async function openRedis(): Promise<RolloutStore> {
  const { openRolloutsAt } = await import('./redis-rollouts.ts');
  return openRolloutsAt(place, project);
}

async function openLmdb(): Promise<RolloutStore> {
  const { openLmdbEnvironment } = await import('../../src/lmdb/lmdb-environment.ts');
  const { openLmdbRolloutStore } = await import('../../src/rollouts/lmdb-rollout-store.ts');
  const environment = await openLmdbEnvironment({ path: place });
  const parts = { clock: systemClock, metrics: createMetrics(), log: createLog('silent') };
  const opened = openLmdbRolloutStore({ environment, ...parts });
  const close = async (): Promise<void> => {
    await opened.close();
    await environment.close();
  };
  return { ...opened, close };
}

async function answer({ id, what }: { id: number; what: string }): Promise<void> {
  const look = (): number => store.get('flights')?.version ?? 0;
  const change = async (): Promise<number> => changeNext(store, 'flights', `process ${process.pid}`);
  process.send?.({ id, version: what === 'change' ? await change() : look() });
}

process.on('message', (message: { id: number; what: string }) => void answer(message));
process.on('disconnect', () => {
  void store.close().then(() => process.exit(0));
});
process.send?.({ id: -1, version: 0 });
