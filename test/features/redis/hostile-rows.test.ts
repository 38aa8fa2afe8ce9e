/** What somebody else has put where rows are. */
import { Redis } from 'ioredis';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import { rowSchema, schemaFingerprint } from '../../../src/records/row-schema.ts';
import { entityOf, viewOf } from '../sample-project.ts';
import { startRedis } from '../../redis/redis-server.ts';
import type { RedisServer } from '../../redis/redis-server.ts';
import { openStore } from './store-of.ts';

const thing = entityOf('thing', { id: 'string' });
const view = viewOf('things', thing, { x: 'float64', at: 'timestamp', name: 'string', taste: 'float32[2]' });
const id = schemaFingerprint(rowSchema(view.features));
const packr = new Packr({ useRecords: false });
const good = [1000, 1.5, 2000, 'a', [1, 2]] as const;

let server: RedisServer;
let redis: Redis;
let store: CachedStore;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis({ port: server.port, protocol: 2 });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  await redis.flushall();
  store = await openStore(server.url, [view]);
  return async () => store.close();
});

const put = async (bytes: Buffer): Promise<unknown> => redis.hset('mr:sample/thing/a', 'things', bytes);
const read = async (): Promise<unknown> => (await store.read([{ view, key: 'a' }]))[0];

describe('a row that is none', () => {
  it.each<[string, readonly unknown[]]>([
    ['an event time that is no date', [1e300, ...good.slice(1)]],
    ['an event time that is no number', [NaN, ...good.slice(1)]],
    ['too few values', good.slice(0, 4)],
    ['too many values', [...good, 5]],
    ['a text for a number', [1000, 'x', ...good.slice(2)]],
    ['a timestamp that is no date', [1000, 1.5, 1e300, 'a', [1, 2]]],
    ['a map for a text', [1000, 1.5, 2000, { a: 1 }, [1, 2]]],
    ['a vector of another length', [1000, 1.5, 2000, 'a', [1]]],
    ['a vector of vectors', [1000, 1.5, 2000, 'a', [[1], [2]]]],
  ])('with %s fails who asks for it, and is replaced by the next write', async (_, values) => {
    await put(packr.pack([...values, id]));
    await expect(read()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    if (values[0] === 1000) await redis.del('mr:sample/thing/a');
    expect(await store.write([{ view, key: 'a', row: [...good] }])).toEqual(['written']);
    expect(await read()).toEqual(good);
  });

  it.each(['', '95', 'ff', 'ffffffff', '95cb00', '95ca', 'dc', 'dd0000'])(
    'of the bytes "%s" is replaced by the next write, however old',
    async (hex) => {
      await put(Buffer.from(hex, 'hex'));
      expect(await store.write([{ view, key: 'a', row: [-5, 1.5, 2000, 'a', [1, 2]] }])).toEqual(['written']);
      expect(await read()).toEqual([-5, 1.5, 2000, 'a', [1, 2]]);
    },
  );

  it('for its key holds no hash says so, and is not given from memory', async () => {
    await store.write([{ view, key: 'a', row: [...good] }]);
    await read();
    await redis.set('mr:sample/thing/a', 'text');
    await expect.poll(() => store.get(view, 'a')).toBeUndefined();
    await expect(read()).rejects.toThrow('the key "mr:sample/thing/a" holds no hash');
  });
});

describe('a list of schemas that is none', () => {
  it.each(['{bad', '{}', 'null', '[null]', '[5]', '[[null]]', '[[["x","no type"]]]'])(
    'stops the start with what to type: %s',
    async (text) => {
      await redis.hset('mr:sample:schemas', 'things', text);
      await expect(openStore(server.url, [view])).rejects.toMatchObject({
        code: 'STORE_FAILED',
        message: expect.stringContaining('HDEL mr:sample:schemas things') as string,
      });
    },
  );

  it('is not read again for each row of a schema that is in no list', async () => {
    await put(packr.pack([...good, 12_345]));
    const calls = async (): Promise<number> =>
      Number(/cmdstat_hgetall:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
    const before = await calls();
    for (let i = 0; i < 20; i++) expect(await read()).toBeNull();
    expect((await calls()) - before).toBe(1);
  });
});
