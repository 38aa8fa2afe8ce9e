/** `millrace serve` that is killed while events come in: what it acknowledged is there after the next start, once. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { start } from './process.ts';
import type { Running } from './process.ts';
import { ask } from './workers/caller.ts';

const USERS = 5;
const BATCH = 20;
const SENDERS = 4;

const project = `project: shop
entities:
  user: { keys: { user_id: int64 } }
  shop: { keys: {} }
events:
  purchase: { fields: { user_id: int64, price: float64 } }
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

let dir: string;
let running: Running | undefined;
let url = '';
let senders: Senders | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-serve-crash-'));
  await writeFile(join(dir, 'millrace.yaml'), project);
});
afterEach(async () => {
  senders?.abandon();
  running?.child.kill('SIGTERM');
  await running?.finished;
  await rm(dir, { recursive: true });
});

async function serve(options: readonly string[]): Promise<void> {
  const args = ['serve', '--project', dir, '--data', join(dir, 'data'), '--port', '0', ...options];
  const server = start(args);
  running = server;
  const [, port] = await server.printed(/"port":(\d+),"msg":"listening"/);
  await server.printed(/"msg":"ready"/);
  url = `http://127.0.0.1:${port}`;
}

interface Purchase {
  readonly type: 'purchase';
  readonly id: string;
  readonly fields: { readonly user_id: number; readonly price: number };
}

function purchases(batch: number): Purchase[] {
  return Array.from({ length: BATCH }, (_, i) => ({
    type: 'purchase',
    id: `${batch}-${i}`,
    fields: { user_id: (batch + i) % USERS, price: batch + i },
  }));
}

/** Sends the batch until it is acknowledged, as a client does that does not know what became of it. */
async function send(batch: number, isAbandoned: () => boolean): Promise<void> {
  const body = purchases(batch);
  for (let tries = 0; !isAbandoned(); tries++) {
    // A server that is killed takes the connection with it; one that starts refuses it, or says that it is not ready.
    const answer = await ask(`${url}/v1/events`, body).catch(() => undefined);
    if (answer?.status === 202) {
      const { events } = JSON.parse(answer.text) as { readonly events: readonly { status: string }[] };
      const outcomes = new Set(events.map(({ status }) => status));
      // All of a call are in the log, or none.
      if (outcomes.size === 1 && (outcomes.has('accepted') || (outcomes.has('duplicate') && tries > 0)))
        return;
    }
    if (answer !== undefined && answer.status !== 503)
      throw new Error(`batch ${batch} after ${tries} tries: ${answer.status} ${answer.text}`);
    await sleep(20);
  }
}

interface Senders {
  readonly acknowledged: number;
  /** @returns how many batches were sent; all of them are acknowledged */
  stop(): Promise<number>;
  /** Leaves them as they are. */
  abandon(): void;
}

function startSenders(): Senders {
  let [next, acknowledged, isStopped, isAbandoned] = [0, 0, false, false];
  const sendAll = async (): Promise<void> => {
    while (!isStopped) {
      await send(next++, () => isAbandoned);
      acknowledged++;
    }
  };
  const all = Promise.all(Array.from({ length: SENDERS }, sendAll));
  return {
    get acknowledged() {
      return acknowledged;
    },
    async stop() {
      isStopped = true;
      await all;
      return next;
    },
    abandon() {
      isStopped = true;
      isAbandoned = true;
    },
  };
}

async function features(): Promise<unknown> {
  const names = ['activity:purchases_24h', 'activity:spent_24h', 'totals:all_24h'];
  const users = Array.from({ length: USERS }, (_, user) => user);
  const { text } = await ask(`${url}/get-online-features`, { features: names, entities: { user_id: users } });
  const { results } = JSON.parse(text) as { readonly results: readonly { values: unknown }[] };
  return results.slice(1).map(({ values }) => values);
}

function expectedFeatures(all: readonly Purchase[]): unknown {
  const byUser = Array.from({ length: USERS }, (_, user) =>
    all.filter(({ fields }) => fields.user_id === user),
  );
  return [
    byUser.map(({ length }) => length),
    byUser.map((own) => own.reduce((sum, { fields }) => sum + fields.price, 0)),
    byUser.map(() => all.length),
  ];
}

async function idsInLog(): Promise<string[]> {
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

/** Kills the server, and starts it again at once. */
async function killServer(options: readonly string[]): Promise<void> {
  running?.child.kill('SIGKILL');
  if ((await running?.finished)?.signal !== 'SIGKILL') throw new Error('the server was not killed');
  await serve(options);
}

/** Kills the youngest worker, and waits for the one that the server starts in its place. */
async function killWorker(): Promise<void> {
  const [output = ''] = (await running?.printed(/^[^]*$/)) ?? [];
  const pids = [...output.matchAll(/"pid":(\d+).*"msg":"worker ready"/g)].map(([, pid]) => Number(pid));
  process.kill(pids.at(-1) as number, 'SIGKILL');
  await running?.printed(new RegExp(`("msg":"worker ready"[^]*){${pids.length + 1}}`));
}

const twoWorkers = ['--workers', '2'];

describe.each<[string, readonly string[], number, (options: readonly string[]) => Promise<void>]>([
  ['a server', [], 5, killServer],
  ['a server with two workers', twoWorkers, 3, killServer],
  ['one of two workers', twoWorkers, 3, killWorker],
])('%s that is killed', (_, options, kills, kill) => {
  beforeEach(({ skip }) => {
    skip(options.length > 0 && process.platform !== 'linux', 'several workers need Linux');
  });

  it('has kept every event that was acknowledged, once', { timeout: 120_000 }, async () => {
    await serve(options);
    senders = startSenders();
    for (let i = 0; i < kills; i++) {
      const { acknowledged } = senders;
      await expect.poll(() => senders?.acknowledged, { timeout: 20_000 }).toBeGreaterThan(acknowledged);
      await sleep(Math.random() * 500);
      await kill(options);
    }
    const all = Array.from({ length: await senders.stop() }, (__, batch) => purchases(batch)).flat();
    await expect.poll(features, { timeout: 20_000 }).toEqual(expectedFeatures(all));
    running?.child.kill('SIGTERM');
    expect((await running?.finished)?.code).toBe(0);
    expect((await idsInLog()).toSorted()).toEqual(all.map(({ id }) => id).toSorted());
  });
});
