import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import type { Finished } from './process.ts';
import { sharedProcess } from './shared-process.ts';

const project = `project: shop
entities:
  user: { keys: { user_id: int64 } }
  pair: { keys: { user_id: int64, item: string } }
  overall: { keys: {} }
feature_views:
  activity: { entity: user, features: { clicks: int64, city: string, taste: "float32[3]", active: bool } }
  spend: { entity: user, ttl: 1h, features: { total: float64 } }
  seen: { entity: pair, features: { count: int64 } }
  totals: { entity: overall, features: { users: int64 } }
`;

const run = sharedProcess();
let dir: string;
let redis: RedisServer;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cli-features-'));
  await writeFile(join(dir, 'millrace.yaml'), project);
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
  await rm(dir, { recursive: true });
});

describe.each(['LMDB', 'Redis'])('millrace features on %s', (store) => {
  const features = async (...args: string[]): Promise<Finished> => {
    const place = store === 'Redis' ? ['--redis', redis.url] : [];
    return run(['features', ...args, '--project', dir, ...place]);
  };

  it('needs no key for an entity without join keys, and takes none', async () => {
    expect(await features('put', '--view', 'totals', 'users=12')).toMatchObject({ code: 0 });
    const { stdout } = await features('get', '--entity', 'overall');
    const lines = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(lines[0]).toEqual(['overall']);
    expect(lines[2]?.slice(0, 4)).toEqual(['totals', 'users', '12', 'PRESENT']);
    const { code, stderr } = await features('get', '--entity', 'overall', '7');
    expect(stderr).toContain('overall has no join keys: name no entity.');
    expect(code).toBe(2);
    expect((await features('get', '--entity', 'user')).stderr).toContain('Name at least one entity.');
  });

  it('puts a row and gets it, as a table or as JSON', async () => {
    const row = ['user_id=9007199254740993', 'clicks=7', 'city=New York', 'taste=[0.5,1,2]', 'active=true'];
    expect(await features('put', '--view', 'activity', ...row)).toMatchObject({
      code: 0,
      stdout: 'activity: written\n',
      stderr: '',
    });
    const old = ['--view', 'spend', '--event-time', '2020-01-01T00:00:00Z', '--json'];
    expect(await features('put', ...old, 'user_id=9007199254740993', 'total=null')).toMatchObject({
      stdout: '{"view":"spend","outcome":"written"}\n',
    });
    const { code, stdout } = await features('get', '--entity', 'user', '9007199254740993', '5');
    expect(code).toBe(0);
    const lines = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(lines[0]).toEqual(['user 9007199254740993']);
    expect(lines[1]).toEqual(['view', 'feature', 'value', 'status', 'event time', 'age']);
    expect(lines[2]?.slice(0, 4)).toEqual(['activity', 'clicks', '7', 'PRESENT']);
    expect(lines[3]?.slice(0, 4)).toEqual(['activity', 'city', 'New York', 'PRESENT']);
    expect(lines[4]?.slice(0, 4)).toEqual(['activity', 'taste', '[0.5, 1, 2]', 'PRESENT']);
    expect(lines[5]?.slice(0, 4)).toEqual(['activity', 'active', 'true', 'PRESENT']);
    expect(lines[6]?.slice(0, 4)).toEqual(['spend', 'total', 'OUTSIDE_MAX_AGE', '2020-01-01T00:00:00Z']);
    expect(lines[9]).toEqual(['activity', 'clicks', 'NOT_FOUND']);
    const json = await features(
      'get',
      '--entity',
      'user',
      '9007199254740993',
      '--view',
      'activity',
      '--json',
    );
    expect(json.stdout).toContain('"values":[9007199254740993]');
    expect(JSON.parse(json.stdout)).toMatchObject({
      metadata: {
        feature_names: [
          'user_id',
          'activity__clicks',
          'activity__city',
          'activity__taste',
          'activity__active',
        ],
      },
    });
  });

  it('says so when the stored row is later', async () => {
    const put = async (time: string): Promise<Finished> =>
      features('put', '--view', 'seen', 'user_id=1', 'item=a,b=c', 'count=1', '--event-time', time);
    await put('2024-01-02');
    expect((await put('2024-01-01')).stdout).toBe(
      'seen: not written, the stored row has a later event time\n',
    );
  });

  it('finds entities with several join keys', async () => {
    await features('put', '--view', 'seen', 'user_id=1', 'item=shoe', 'count=3');
    const { stdout } = await features('get', '--entity', 'pair', 'user_id=1,item=shoe');
    expect(stdout).toMatch(/seen {2}count +3 {2}PRESENT/);
  });
});

// What is wrong is found before a store is asked, so one store is enough.
describe('millrace features', () => {
  it.each([
    [['get', '--entity', 'usr', '1'], 1, 'There is no entity "usr"; did you mean "user"?'],
    [['get', '--entity', 'user', '1', '--view', 'seen'], 1, 'There is no feature view of user "seen"'],
    [['get', '--entity', 'pair', '1'], 2, 'is not name=value'],
    [['get', '--entity', 'pair', 'user_id=1'], 2, 'write user_id=…,item=…'],
    [['get', '--entity', 'user', 'x'], 1, 'does not fit the entity "user":\n  user_id: must be'],
    [['get', '--entity', 'user', '1', 'x'], 1, '  user_id of x: must be'],
    [
      ['put', '--view', 'spend', 'user_id=1', 'total=much'],
      1,
      'fit the feature view "spend":\n  total: must be a number',
    ],
    [
      ['put', '--view', 'spend', '--event-time', 'soon', 'user_id=1', 'total=1'],
      1,
      '--event-time: must be ISO 8601',
    ],
    [
      ['put', '--view', 'spend', 'user_id=1', 'totle=1'],
      1,
      '  totle: "totle" is unknown; columns are user_id, total',
    ],
    [['put', '--view', 'spend', 'user_id=1', 'user_id=2'], 2, '"user_id" stands twice'],
    [['put', '--view', 'spend', 'user_id=1'], 1, '  total: is missing'],
    [['get'], 2, "required option '--entity <name>' not specified"],
  ])('refuses %j', async (args, code, sentence) => {
    const finished = await run(['features', ...args, '--project', dir]);
    expect(finished.stderr).toContain(sentence);
    expect(finished.code).toBe(code);
  });
});

it('millrace features get tells a row that cannot be read from one that is missing', async () => {
  await redis.command('SET', 'mr:shop/user/77', 'not a hash');
  const get = ['features', 'get', '--project', dir, '--redis', redis.url, '--entity', 'user', '77'];
  expect(await run(get)).toMatchObject({
    code: 1,
    stdout: '',
    stderr:
      'millrace: Redis: the key "mr:shop/user/77" holds no hash; it cannot be a row. Rename or delete it.\n',
  });
});

it('a layout of Redis without a Redis is refused', async () => {
  const finished = await run([
    'features',
    'get',
    '--project',
    dir,
    '--redis-layout',
    'feast',
    '--entity',
    'user',
    '1',
  ]);
  expect(finished).toMatchObject({
    code: 1,
    stderr:
      'millrace: --redis-layout says how rows lie in Redis: give its address with --redis or MILLRACE_REDIS_URL.\n',
  });
});

it('a join key may be named, and rows are those of Feast where the project says so', async () => {
  const feast = await mkdtemp(join(tmpdir(), 'millrace-cli-feast-'));
  // Feast has no entity without join keys.
  const keyed = project.replace(/^ {2}(overall|totals):.*\n/gm, '');
  await writeFile(join(feast, 'millrace.yaml'), `${keyed}feast: {}\n`);
  const place = ['--project', feast, '--redis', redis.url];
  await run(['features', 'put', ...place, '--view', 'spend', 'user_id=31', 'total=2.5']);
  const hash = '\u0001\0\0\0\u0002\0\0\0\u0007\0\0\0user_id\u0004\0\0\0\b\0\0\0\u001f\0\0\0\0\0\0\0shop';
  expect(await redis.command('HEXISTS', hash, '_ts:spend')).toBe(1);
  const { stdout } = await run(['features', 'get', ...place, '--entity', 'user', 'user_id=31']);
  expect(stdout).toMatch(/spend +total +2\.5 +PRESENT/);
  await rm(feast, { recursive: true });
});

it('gets no features of events, and says so instead of not finding them', async () => {
  const events = await mkdtemp(join(tmpdir(), 'millrace-cli-events-'));
  const streamed = `events:
  purchase: { fields: { user: int64 } }
feature_views:
  bought: { entity: user, stream: { event: purchase, keys: { user_id: user } }, features: { n: { count: true, window: 1h } } }
`;
  await writeFile(join(events, 'millrace.yaml'), project.replace('feature_views:\n', streamed));
  const get = async (...args: string[]): Promise<Finished> =>
    run(['features', 'get', '--project', events, '--entity', 'user', '7', ...args]);
  const sentence =
    'bought of user is computed from events, and only a server reads it: ask POST /get-online-features.\n';
  const all = await get();
  expect(all).toMatchObject({ code: 0, stderr: `Left out: ${sentence}` });
  expect(all.stdout).toContain('activity  clicks');
  expect(all.stdout).not.toContain('bought');
  expect(await get('--view', 'bought')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: `millrace: ${sentence}`,
  });
  await rm(events, { recursive: true });
});

it('a mistake in the project is told once', async () => {
  const broken = await mkdtemp(join(tmpdir(), 'millrace-cli-broken-'));
  await writeFile(join(broken, 'millrace.yaml'), 'projct: shop\n');
  const { stderr } = await run(['features', 'get', '--project', broken, '--entity', 'user', '1']);
  expect(stderr.match(/projct/g)).toHaveLength(1);
  await rm(broken, { recursive: true });
});

describe('millrace cache warm', () => {
  it('says so when there is nothing to warm', async () => {
    const warm = ['cache', 'warm', '--project', dir, '--redis', redis.url, '--url', 'http://127.0.0.1:1'];
    expect(await run(warm)).toMatchObject({
      code: 0,
      stdout: 'nothing to warm: the list of rows that were asked for lately is empty\n',
    });
  });

  it.each([
    [['--url', 'localhost:8080'], 2, 'Write http://host:port.'],
    [['--url', 'http://127.0.0.1:1'], 1, 'give its address with --redis'],
  ])('refuses %j', async (args, code, sentence) => {
    const finished = await run(['cache', 'warm', '--project', dir, ...args]);
    expect(finished.stderr).toContain(sentence);
    expect(finished.code).toBe(code);
  });
});
