/** Keys and tokens as options of `millrace serve`, and keys with which commands call a server. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scopes } from '../../src/access/scope.ts';
import { startKeyedShop } from '../server/keyed-shop.ts';
import type { KeyedShop } from '../server/keyed-shop.ts';
import { start } from './process.ts';
import { sharedProcess } from './shared-process.ts';

const project = `project: shop
entities:
  user: { keys: { user_id: int64 } }
feature_views:
  profile: { entity: user, features: { city: string } }
`;

const run = sharedProcess();
let dir: string;
let shop: KeyedShop;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-serve-access-'));
  await writeFile(join(dir, 'millrace.yaml'), project);
  shop = await startKeyedShop();
});
afterAll(async () => {
  await shop.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('millrace serve', () => {
  const serve = ['serve', '--port', '0'];

  it.each([
    [['--host', '0.0.0.0'], /0\.0\.0\.0 can be reached .* "millrace keys create", or .* --insecure/],
    [['--host', '::'], /:: can be reached/],
    [['--keys', '/nowhere/keys.json'], /There is no file of keys \/nowhere\/keys\.json: make a key/],
    [['--jwt-issuer', 'x'], /Tokens need all three of --jwt-jwks, --jwt-issuer and --jwt-audience\./],
    [
      ['--jwt-jwks', 'http://login.example/keys', '--jwt-issuer', 'x', '--jwt-audience', 'y'],
      /The address of the JWKS must begin with https:\/\//,
    ],
  ])('does not start with %j', async (args, message) => {
    const { code, stderr } = await run([...serve, '--project', dir, ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  it('wants keys in all of its workers, on all addresses, from the file that keys create writes', async () => {
    const data = ['--project', dir, '--data', join(dir, 'data')];
    const made = await run([
      'keys',
      'create',
      '--name',
      'ops',
      '--scopes',
      'metrics:read',
      '--json',
      ...data,
    ]);
    const { key } = JSON.parse(made.stdout) as { key: string };
    const running = start([...serve, '--host', '0.0.0.0', '--workers', '2', ...data]);
    const [, port] = await running.printed(/"port":(\d+)/);
    await running.printed(/"msg":"ready"/);
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { ...headers, connection: 'close' } }))
        .status;
    const answers = async (headers: Record<string, string>): Promise<Set<number>> =>
      new Set(await Promise.all(Array.from({ length: 8 }, async () => statusOf(headers))));
    expect(await answers({})).toEqual(new Set([401]));
    expect(await answers({ authorization: `Bearer ${key}` })).toEqual(new Set([200]));
    running.child.kill('SIGTERM');
    expect((await running.finished).code).toBe(0);
  });
});

describe('commands that call a server with keys', () => {
  it('say what is missing, and take a key', async () => {
    const args = ['rollout', 'status', 'm', '--url', shop.server.url];
    const without = await run(args);
    expect([without.code, without.stderr]).toEqual([
      1,
      'millrace: This call needs a key or a token: send it as "Authorization: Bearer <key>".\n',
    ]);
    const { code, stdout } = await run([...args, '--key', await shop.key({ scopes })]);
    expect(code).toBe(0);
    expect(stdout).toContain('one');
  });

  it.each(['http', 'ws-msgpack'])(
    'load the server over %s, and keep the key out of the report',
    async (protocol) => {
      const key = await shop.key({ scopes: ['predict', 'metrics:read'] });
      const json = join(dir, 'report.json');
      const html = join(dir, 'report.html');
      const load = ['--rate', '20', '--duration', '300ms', '--warmup', '100ms', '--connections', '2'];
      const request = ['--endpoint', 'm', '--body', '{"rows":[{"user_id":1,"a":1}]}', '--protocol', protocol];
      const args = [
        'loadtest',
        '--url',
        shop.server.url,
        ...request,
        ...load,
        '--json',
        json,
        '--html',
        html,
      ];
      const { code, stdout } = await run([...args, '--key', key]);
      expect(code).toBe(0);
      const report = await readFile(json, 'utf8');
      expect(JSON.parse(report)).toMatchObject({
        scenarios: [{ measurements: [{ memory_bytes: expect.any(Number) }] }],
      });
      for (const text of [report, await readFile(html, 'utf8'), stdout]) expect(text).not.toContain(key);
      expect((await run([...args, `--key=${key.slice(0, -1)}x`])).code).toBe(1);
    },
  );
});
