/** `millrace serve` on a project of purchases, for tests that post events and take something away from the server. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { start } from './process.ts';
import type { Running } from './process.ts';
import { ask } from './workers/caller.ts';
import type { Answer } from './workers/caller.ts';

const USERS = 5;
const project = `project: shop
entities:
  user: { keys: { user_id: int64 } }
  shop: { keys: {} }
events:
  purchase: { fields: { user_id: int64, price: float64, note: { type: string, optional: true } } }
feature_views:
  activity:
    entity: user
    stream: { event: purchase, keys: { user_id: user_id } }
    features:
      purchases_24h: { count: true, window: 24h }
      spent_24h: { sum: price, window: 24h }
  totals:
    entity: shop
    stream: { event: purchase, keys: {} }
    features:
      all_24h: { count: true, window: 24h }
`;

export interface Purchase {
  readonly type: 'purchase';
  readonly id: string;
  readonly fields: { readonly user_id: number; readonly price: number; readonly note?: string };
}

/** The events of one call. */
export function purchases(call: number, count: number, note?: string): Purchase[] {
  return Array.from({ length: count }, (_, i) => ({
    type: 'purchase',
    id: `${call}-${i}`,
    fields: { user_id: (call + i) % USERS, price: call + i, ...(note !== undefined && { note }) },
  }));
}

/** What `features` gives when these events are in. */
export function featuresOf(events: readonly Purchase[]): readonly (readonly number[])[] {
  const byUser = Array.from({ length: USERS }, (_, user) =>
    events.filter(({ fields }) => fields.user_id === user),
  );
  return [
    byUser.map(({ length }) => length),
    byUser.map((own) => own.reduce((sum, { fields }) => sum + fields.price, 0)),
    byUser.map(() => events.length),
  ];
}

export interface ShopServer {
  /** The one that was started last. */
  running(): Running;
  /** Starts one on the same data folder; resolves when it is ready. */
  serve(options?: readonly string[], env?: NodeJS.ProcessEnv): Promise<void>;
  post(events: readonly Purchase[]): Promise<Answer>;
  /** Status and body of `/v2/health/ready`. */
  health(): Promise<readonly [number, unknown]>;
  /** Of each user: purchases, what was spent, and how many purchases there are in all. */
  features(): Promise<unknown>;
  /** Of the events in the log; to be asked when no server runs. */
  idsInLog(): Promise<string[]>;
  readonly dataPath: string;
}

/** To be called once by a test file. The server, and what it has kept, goes after each test. */
export function shopServer(): ShopServer {
  let dir = '';
  let url = '';
  let running: Running | undefined;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-shop-'));
    await writeFile(join(dir, 'millrace.yaml'), project);
  });
  afterEach(async () => {
    running?.child.kill('SIGTERM');
    await running?.finished;
    await rm(dir, { recursive: true });
  });
  return {
    running() {
      if (running === undefined) throw new Error('no server was started');
      return running;
    },
    async serve(options = [], env = {}) {
      const args = ['serve', '--project', dir, '--data', join(dir, 'data'), '--port', '0', ...options];
      running = start(args, { env });
      const [, port] = await running.printed(/"port":(\d+),"msg":"listening"/);
      await running.printed(/"msg":"ready"/);
      url = `http://127.0.0.1:${port}`;
    },
    post: async (events) => ask(`${url}/v1/events`, events),
    async health() {
      const answer = await fetch(`${url}/v2/health/ready`);
      return [answer.status, await answer.json()];
    },
    async features() {
      const names = ['activity:purchases_24h', 'activity:spent_24h', 'totals:all_24h'];
      const entities = { user_id: Array.from({ length: USERS }, (_, user) => user) };
      const { text } = await ask(`${url}/get-online-features`, { features: names, entities });
      const { results } = JSON.parse(text) as { readonly results: readonly { values: unknown }[] };
      return results.slice(1).map(({ values }) => values);
    },
    idsInLog: async () => readIds(dir),
    get dataPath() {
      return join(dir, 'data');
    },
  };
}

async function readIds(dir: string): Promise<string[]> {
  const environment = await openLmdbEnvironment({ path: join(dir, 'data'), readOnly: true });
  const { eventTypes: types, streaming } = await loadProject(dir);
  const { partitions: partitionCount } = streaming;
  const log = await openLmdbEventLog({ environment, types, partitionCount, clock: systemClock });
  const ids: string[] = [];
  for (let partition = 0; partition < partitionCount; partition++) {
    const { records } = await log.read(partition, 0, { recordsMax: 1e9, bytesMax: 1e12 });
    for (const { event, isCopy } of records) if (event !== undefined && !isCopy) ids.push(event.id);
  }
  await environment.close();
  return ids;
}
