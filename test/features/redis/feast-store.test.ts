import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import { encodeEntityKey } from '../../../src/features/entity-key.ts';
import { decodePush, getOnlineFeatures } from '../../../src/features/feast.ts';
import { encodeFeastTime } from '../../../src/features/redis/feast/feast-time.ts';
import type { FeatureView, Project } from '../../../src/project/project.ts';
import { contractViews, describeOnlineStore, reopenable } from '../../contract/online-store.ts';
import { entityOf, projectOf, viewOf } from '../sample-project.ts';
import { startRedis } from '../../redis/redis-server.ts';
import type { RedisServer } from '../../redis/redis-server.ts';
import { openStore, untilInMemory } from './store-of.ts';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis({ port: server.port, protocol: 2 });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

describe.each([
  ['Redis in the layout of Feast', 0],
  ['Redis in the layout of Feast with rows in memory', 1000],
])('%s', (name, entriesMax) => {
  const open = async (): Promise<CachedStore> =>
    openStore(server.url, contractViews, { layout: 'feast', entriesMax });

  describeOnlineStore(
    name,
    async () => {
      await redis.flushall();
      return reopenable(open);
    },
    { timestampStepMs: 1000 },
  );
});

const driver = entityOf('driver', { driver_id: 'int64' });
const stats = viewOf(
  'driver_stats',
  driver,
  { trips: 'int64', rating: 'float32', city: 'string' },
  { ttlMs: 60_000 },
);
const profile = viewOf('driver_profile', driver, { home: 'string' });
const project: Project = projectOf([stats, profile]);
const NOW = Date.UTC(2001, 2, 9, 14, 5);

/** What Feast's own writer sends for one view of driver 1001, of project `sample`. */
const key1001 = Buffer.concat([
  Buffer.from('010000000200000009000000', 'hex'),
  Buffer.from('driver_id'),
  Buffer.from('0400000008000000e903000000000000', 'hex'),
  Buffer.from('sample'),
]);
// The hashes were computed by another implementation of MurmurHash3.
const fields = { trips: '426aa434', rating: '87ccf096', city: 'd89d016b', home: 'c6c0b164' } as const;

function field(name: keyof typeof fields): Buffer {
  return Buffer.from(fields[name], 'hex');
}

async function hset(...pairs: readonly (string | Buffer)[]): Promise<void> {
  await redis.hset(key1001, ...pairs);
}

describe('a Redis that Feast has filled', () => {
  let store: CachedStore;
  beforeEach(async () => {
    await redis.flushall();
    store = await openStore(server.url, [stats, profile], { layout: 'feast' });
    return async () => store.close();
  });

  const query = async (features: readonly string[], drivers: readonly number[]): Promise<unknown> => {
    const { results } = await getOnlineFeatures(
      project,
      store,
      { features, entities: { driver_id: drivers } },
      NOW,
    );
    return results.slice(1).map(({ values, statuses }) => values.map((value, i) => [value, statuses[i]]));
  };

  it('is answered from, with the status of each feature', async () => {
    await hset('_ts:driver_stats', encodeFeastTime(NOW - 1000), field('trips'), Buffer.from('2007', 'hex'));
    await hset(field('rating'), '');
    expect(
      await query(
        ['driver_stats:trips', 'driver_stats:rating', 'driver_stats:city', 'driver_profile:home'],
        [1001, 1002],
      ),
    ).toEqual([
      [
        [7, 'PRESENT'],
        [null, 'NOT_FOUND'],
      ],
      [
        [null, 'NULL_VALUE'],
        [null, 'NOT_FOUND'],
      ],
      [
        [null, 'NOT_FOUND'],
        [null, 'NOT_FOUND'],
      ],
      [
        [null, 'NOT_FOUND'],
        [null, 'NOT_FOUND'],
      ],
    ]);
  });

  it('is held to the ttl of the view', async () => {
    await hset('_ts:driver_stats', encodeFeastTime(NOW - 60_001), field('trips'), Buffer.from('2007', 'hex'));
    expect(await query(['driver_stats:trips'], [1001])).toEqual([[[null, 'OUTSIDE_MAX_AGE']]]);
  });

  it('is read anew as soon as Feast has written', async () => {
    await hset('_ts:driver_stats', encodeFeastTime(NOW), field('trips'), Buffer.from('2007', 'hex'));
    const key = encodeEntityKey(driver, [1001]);
    await untilInMemory(store, [{ view: stats, key }]);
    expect(store.get(stats, key)?.[1]).toBe(7);
    await hset('_ts:driver_stats', encodeFeastTime(NOW), field('trips'), Buffer.from('2008', 'hex'));
    await expect.poll(() => store.get(stats, key)).toBeUndefined();
    expect(await query(['driver_stats:trips'], [1001])).toEqual([[[8, 'PRESENT']]]);
  });

  it('takes a push so that Feast finds it, and leaves other views and the expiry of the hash alone', async () => {
    await hset('_ts:driver_profile', encodeFeastTime(NOW), field('home'), Buffer.from('120161', 'hex'));
    await redis.expire(key1001, 1000);
    const body = {
      push_source_name: 'driver_stats',
      df: {
        driver_id: [1001],
        trips: [9],
        rating: [1.5],
        city: [null],
        event_timestamp: [NOW],
      },
    };
    expect(await store.write(decodePush(project, body, NOW))).toEqual(['written']);
    const stored = (await redis.callBuffer('HGETALL', key1001)) as Buffer[];
    const pairs = new Map<string, string>();
    for (let i = 0; i < stored.length; i += 2) {
      pairs.set((stored[i] as Buffer).toString('latin1'), (stored[i + 1] as Buffer).toString('hex'));
    }
    const name = (of: keyof typeof fields): string => field(of).toString('latin1');
    expect(pairs).toEqual(
      new Map([
        ['_ts:driver_profile', encodeFeastTime(NOW).toString('hex')],
        [name('home'), '120161'],
        ['_ts:driver_stats', encodeFeastTime(NOW).toString('hex')],
        [name('trips'), '2009'],
        [name('rating'), '350000c03f'],
        [name('city'), ''],
      ]),
    );
    expect(await redis.ttl(key1001)).toBeGreaterThan(0);
  });

  it('refuses a value of another type to whoever asks for it, and answers all others', async () => {
    await hset('_ts:driver_stats', encodeFeastTime(NOW), field('trips'), Buffer.from('120161', 'hex'));
    await hset('_ts:driver_profile', encodeFeastTime(NOW), field('home'), Buffer.from('120161', 'hex'));
    const [bad, good, other] = await Promise.allSettled([
      query(['driver_stats:trips'], [1001]),
      query(['driver_profile:home'], [1001]),
      query(['driver_stats:trips'], [1002]),
    ]);
    expect(bad).toMatchObject({
      reason: {
        code: 'STORE_FAILED',
        message:
          'In Redis, the feature "driver_stats:trips" has STRING, not int64; see docs/feast.md for types.',
      },
    });
    expect(good).toMatchObject({ value: [[['a', 'PRESENT']]] });
    expect(other).toMatchObject({ value: [[[null, 'NOT_FOUND']]] });
  });
});

describe('the event time of a row that Feast has written', () => {
  let store: CachedStore;
  beforeAll(async () => {
    store = await openStore(server.url, [stats, profile], { layout: 'feast' });
    return async () => store.close();
  });

  const push = async (view: FeatureView, eventTimeMs: number): Promise<string | undefined> => {
    const [outcome] = await store.write([{ view, key: '1001', row: [eventTimeMs, 'x'] }]);
    return outcome;
  };

  // Stored bytes; the first event time that is later or equal, in milliseconds.
  it.each([
    ['1970', '', 0],
    ['whole seconds', '08e907', 1_001_000],
    ['milliseconds', '0801 10c0843d', 1001],
    ['nanoseconds', '0801 1001', 1001],
    ['nanoseconds first', '10c0843d 0801', 1001],
    ['a moment before 1970', '08ffffffffffffffffff01 10c08faedc03', -1],
    ['long before 1970', '08c0c7edfcffffffffff01', -6_593_600_000],
    ['the first date', hexOf(-8.64e15), -8.64e15],
    ['just before the last date', hexOf(8.64e15 - 1), 8.64e15 - 1],
  ])('is compared exactly: %s', async (_, bytes, firstMs) => {
    const stored = Buffer.from(bytes.replaceAll(' ', ''), 'hex');
    const reset = async (): Promise<void> => hset('_ts:driver_profile', stored);
    await reset();
    // There is nothing earlier than the first date.
    const earlier = firstMs === -8.64e15 ? 'older' : await push(profile, firstMs - 1);
    expect(earlier).toBe('older');
    expect(await redis.hgetBuffer(key1001, '_ts:driver_profile')).toEqual(stored);
    expect(await push(profile, firstMs)).toBe('written');
    await reset();
    expect(await push(profile, firstMs + 1)).toBe('written');
  });

  it.each(['08', '0aff', '08ffffffffffffffffff02', 'ff'])(
    'does not matter if it is none: %s',
    async (bytes) => {
      await hset('_ts:driver_profile', Buffer.from(bytes, 'hex'));
      expect(await push(profile, -1)).toBe('written');
    },
  );

  it('and all features of the row are written at once, however many', async () => {
    const names = Array.from({ length: 3000 }, (__, i) => [`f_${i}`, 'int64'] as const);
    const wide = viewOf('wide', driver, Object.fromEntries(names));
    const wideStore = await openStore(server.url, [wide], { layout: 'feast' });
    const row = [NOW, ...names.map((__, i) => i)] as const;
    expect(await wideStore.write([{ view: wide, key: '5', row }])).toEqual(['written']);
    expect(await wideStore.read([{ view: wide, key: '5' }])).toEqual([row]);
    await wideStore.close();
  });
});

function hexOf(timeMs: number): string {
  return encodeFeastTime(timeMs).toString('hex');
}
