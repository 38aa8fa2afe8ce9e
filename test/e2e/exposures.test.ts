/** What is logged of who got which variant. */
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { Exposure } from '../../src/events/joined-predictions.ts';
import { predictionsOf, readJoinedIn } from '../events/read-joined.ts';
import { startRolloutServer } from '../rollouts/rollout-server.ts';
import type { RolloutServer } from '../rollouts/rollout-server.ts';
import { call } from './demo-server.ts';

let running: RolloutServer;
afterEach(async () => running.stop());

const rollout = (plain: number): object => ({
  experiment: { name: 'e', weights: { plain, plus: 100 - plain }, coverage: 50 },
});

async function ask(user: string, forwarded?: string): Promise<void> {
  const body = JSON.stringify({ rows: [{ a: 1, user }] });
  const headers = {
    'user-agent': 'python-requests/2.32',
    ...(forwarded !== undefined && { 'x-forwarded-user-agent': forwarded }),
  };
  await call(running.server, '/v1/endpoints/m/predict', { body, headers });
}

async function put(section: object): Promise<void> {
  const path = '/v1/endpoints/m/rollout';
  const { version } = (await call(running.server, path)).json;
  const body = JSON.stringify({ version, rollout: section });
  expect((await call(running.server, path, { method: 'PUT', body })).status).toBe(200);
}

async function exposures(): Promise<Exposure[]> {
  await running.server.close();
  const records = await readJoinedIn(join(running.dir, 'data'));
  return records.filter((record) => record.kind === 'exposure');
}

const googlebot = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
const users = Array.from({ length: 100 }, (_, i) => `u${i}`);

it('a unit is exposed once for each version of the rollout, control or not, however often it asks', async () => {
  running = await startRolloutServer({ variants: ['plain', 'plus'], rollout: rollout(50) });
  const other = await running.another();
  for (let round = 0; round < 3; round++) for (const user of users) await ask(user);
  const body = JSON.stringify({ rows: [{ a: 1, user: 'u1' }] });
  await call(other, '/v1/endpoints/m/predict', { body });
  await put(rollout(20));
  for (const user of users) await ask(user);
  await other.close();
  const found = await exposures();
  const first = found.filter(({ policyVersion }) => policyVersion === 1);
  expect(first.length).toBeGreaterThan(30);
  expect(first.length).toBeLessThan(70);
  expect(new Set(first.map(({ unit }) => unit)).size).toBe(first.length);
  expect(new Set(first.map(({ variant }) => variant))).toEqual(new Set(['plain', 'plus']));
  expect(first.every(({ propensity, how, isBot }) => propensity === 0.5 && how === 'hash' && !isBot)).toBe(
    true,
  );
  const second = found.filter(({ policyVersion }) => policyVersion === 2);
  expect(new Set(second.map(({ propensity }) => propensity))).toEqual(new Set([0.2, 0.8]));
  expect(new Set(second.map(({ unit }) => unit)).size).toBe(second.length);
});

it('who is not covered is not exposed; predictions say why a variant answered', async () => {
  running = await startRolloutServer({ variants: ['plain', 'plus'], rollout: rollout(50) });
  for (const user of users) await ask(user);
  await running.server.close();
  const records = await readJoinedIn(join(running.dir, 'data'));
  const predictions = predictionsOf(records);
  const exposed = new Set(records.flatMap((record) => (record.kind === 'exposure' ? [record.unit] : [])));
  expect(predictions).toHaveLength(users.length);
  for (const { assignment, propensity, rows } of predictions) {
    const user = String(rows[0]?.fields['user']);
    expect(assignment?.unit === user).toBe(exposed.has(user));
    expect(propensity).toBe(assignment === undefined ? 1 : 0.5);
  }
});

it('bots are marked, what has no unit is random, and a header or cookie is kept as a hash', async () => {
  const unit = { header: 'x-session' };
  running = await startRolloutServer({ variants: ['plain', 'plus'], rollout: rollout(50), unit });
  const body = JSON.stringify({ rows: [{ a: 1 }] });
  for (let i = 0; i < 40; i++) {
    const headers = {
      'x-session': `secret-${i}`,
      'user-agent': i < 20 ? googlebot : 'Mozilla/5.0 (X11; Linux)',
    };
    await call(running.server, '/v1/endpoints/m/predict', { body, headers });
    await call(running.server, '/v1/endpoints/m/predict', { body });
  }
  const found = await exposures();
  const [hashed, random] = (['hash', 'random'] as const).map((how) =>
    found.filter((each) => each.how === how),
  );
  expect(hashed?.some(({ isBot }) => isBot)).toBe(true);
  expect(hashed?.some(({ isBot }) => !isBot)).toBe(true);
  expect(hashed?.some(({ unit: text }) => text.includes('secret'))).toBe(false);
  expect(random?.length).toBeGreaterThan(8);
  expect(random?.every(({ unit: text, requestId }) => text === requestId)).toBe(true);
});

it('a server that asks for persons is no bot, unless it forwards the agent of one', async () => {
  running = await startRolloutServer({
    variants: ['plain', 'plus'],
    rollout: { experiment: { name: 'e', weights: { plain: 50, plus: 50 } } },
  });
  await ask('person');
  await ask('crawler', googlebot);
  const bots = new Map((await exposures()).map(({ unit, isBot }) => [unit, isBot]));
  expect(bots).toEqual(
    new Map([
      ['person', false],
      ['crawler', true],
    ]),
  );
});

it('rows of several units are one request of none', async () => {
  running = await startRolloutServer({
    variants: ['plain', 'plus'],
    rollout: { experiment: { name: 'e', weights: { plain: 50, plus: 50 } } },
  });
  const rows = [
    { a: 1, user: 'x' },
    { a: 2, user: 'y' },
  ];
  await call(running.server, '/v1/endpoints/m/predict', { body: JSON.stringify({ rows }) });
  const shared = { context: { user: 'z' }, rows: [{ a: 1 }, { a: 2 }] };
  await call(running.server, '/v1/endpoints/m/predict', { body: JSON.stringify(shared) });
  const found = await exposures();
  const units = new Map(found.map(({ how, unit }) => [how, unit]));
  expect(found).toHaveLength(2);
  expect(units.get('hash')).toBe('z');
  expect(['x', 'y', undefined]).not.toContain(units.get('random'));
});
