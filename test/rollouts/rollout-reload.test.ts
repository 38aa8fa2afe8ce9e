/** What is known of a rollout stays known when the project is served anew. */
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { decodeSamples } from '../../src/rollouts/decode-samples.ts';
import { openLmdbRolloutStore } from '../../src/rollouts/lmdb-rollout-store.ts';
import { mergeSamples } from '../../src/rollouts/merge-samples.ts';
import type { EndpointSamples } from '../../src/rollouts/samples.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { call } from '../e2e/demo-server.ts';
import { openSocket } from '../server/socket-client.ts';
import { startRolloutServer, writeRolloutProject } from './rollout-server.ts';
import type { RolloutProjectOptions, RolloutServer } from './rollout-server.ts';

const SWAPS = 20;
const bandit = { bandit: { arms: ['plain', 'plus'], algorithm: 'thompson', interval: '1h' } };
const half = { experiment: { weights: { plain: 50, plus: 50 } } };
const variants = ['plain', 'plus'];
let running: RolloutServer | undefined;

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function start(options: RolloutProjectOptions): Promise<RolloutServer> {
  return (running = await startRolloutServer(options));
}

async function reload(server: Server): Promise<void> {
  const { status, text } = await call(server, '/v1/project/reload', { method: 'POST' });
  expect([status, text]).toEqual([200, '{}']);
}

async function predict(server: Server, user: string): Promise<string> {
  const body = JSON.stringify({ rows: [{ a: 1, user }] });
  const { status, json } = await call(server, '/v1/endpoints/m/predict', { body });
  expect(status).toBe(200);
  return json['request_id'] as string;
}

async function reward(server: Server, requestIds: readonly string[]): Promise<void> {
  const feedback = requestIds.map((request_id) => ({ request_id, reward: 1 }));
  const { status } = await call(server, '/v1/feedback', { body: JSON.stringify(feedback) });
  expect(status).toBe(202);
}

interface Kept {
  readonly records: number;
  readonly answered: number;
  readonly rewards: number;
}

/** What all processes have told the store of what is in effect. */
async function readKept({ dir }: RolloutServer): Promise<Kept> {
  const environment = await openLmdbEnvironment({ path: join(dir, 'data') });
  const metrics = createMetrics();
  const log = createLog('silent');
  const store = openLmdbRolloutStore({ environment, clock: systemClock, metrics, log });
  try {
    const texts = await store.samples('m', store.get('m')?.samplesVersion ?? -1);
    const { arms } = mergeSamples(texts.flatMap((text) => decodeSamples(text) ?? []));
    return { records: texts.length, answered: sumOf(arms, 'answered'), rewards: rewardsOf(arms) };
  } finally {
    await store.close();
    await environment.close();
  }
}

type Arms = EndpointSamples['arms'];

function sumOf(arms: Arms, field: 'answered' | 'failed'): number {
  return Object.values(arms).reduce((sum, arm) => sum + (arm?.[field] ?? 0), 0);
}

function rewardsOf(arms: Arms): number {
  return Object.values(arms).reduce((sum, arm) => sum + (arm?.feedback.reward?.moments.n ?? 0), 0);
}

describe('a rollout whose project is reloaded', () => {
  it('counts feedback on what was answered before, also when nothing is asked after', async () => {
    const started = await start({ variants, rollout: bandit });
    const ids: string[] = [];
    for (let i = 0; i < 10; i++) ids.push(await predict(started.server, `u${i}`));
    await reload(started.server);
    await reward(started.server, ids);
    await vi.waitFor(async () => {
      expect(await readKept(started)).toEqual({ records: 1, answered: 10, rewards: 10 });
    }, 10_000);
  });

  it(`has one record of each process after ${SWAPS} reloads, in which each answer and reward counts once`, async () => {
    const started = await start({ variants, rollout: bandit });
    const other = await started.another();
    await predict(other, 'other');
    let answered = 1;
    let last: string[] = [];
    for (let swap = 0; swap < SWAPS; swap++) {
      // Answers while the definitions change; their rewards come when other definitions are there.
      const asked = Promise.all(Array.from({ length: 5 }, async (_, i) => predict(started.server, `u${i}`)));
      await Promise.all([asked, reload(started.server), last.length > 0 && reward(started.server, last)]);
      last = await asked;
      answered += last.length;
    }
    await reward(started.server, last);
    await vi.waitFor(async () => {
      expect(await readKept(started)).toEqual({ records: 2, answered, rewards: answered - 1 });
    }, 10_000);
  });

  it('counts on where its data is opened anew', async () => {
    const started = await start({ variants, rollout: bandit });
    const id = await predict(started.server, 'u');
    const sections = { events: { sold: { fields: { user: 'string' } } } };
    await writeRolloutProject(started.dir, { variants, rollout: bandit, sections });
    await reload(started.server);
    await predict(started.server, 'v');
    await reward(started.server, [id]);
    await vi.waitFor(async () => {
      expect(await readKept(started)).toEqual({ records: 1, answered: 2, rewards: 1 });
    }, 10_000);
  });
});

describe('a socket that was opened before its project is reloaded', () => {
  it.each([
    ['header', { header: 'x-session' }, { 'x-session': 's1' }],
    ['cookie', { cookie: 'sid' }, { cookie: 'a=1; sid=s1' }],
  ])(
    'keeps the unit that its %s says, for an endpoint that needs it only now',
    async (_name, unit, headers) => {
      const started = await start({ variants: ['plain'], unit });
      const socket = await openSocket(started.server, { headers });
      const variantOf = async (id: number): Promise<unknown> => {
        socket.send(JSON.stringify({ id, endpoint: 'm', rows: [{ a: 1 }] }));
        return (await socket.received(id))[id - 1];
      };
      expect(await variantOf(1)).toMatchObject({ id: 1 });
      await writeRolloutProject(started.dir, { variants, unit, rollout: half });
      await reload(started.server);
      const { json } = await call(started.server, '/v1/endpoints/m/predict', {
        body: JSON.stringify({ rows: [{ a: 1 }] }),
        headers,
      });
      // Without a unit each of them would be given either at random.
      for (let id = 2; id <= 21; id++)
        expect(await variantOf(id)).toMatchObject({ id, variant: json['variant'] });
      socket.socket.close();
    },
  );

  it('may not choose a variant without the key, for an endpoint that has several only now', async () => {
    const started = await start({ variants: ['plain'] });
    const socket = await openSocket(started.server, { headers: { 'x-millrace-variant': 'm=plus' } });
    socket.send(JSON.stringify({ id: 1, endpoint: 'm', rows: [{ a: 1 }] }));
    expect((await socket.received(1))[0]).toMatchObject({ id: 1, predictions: [{}] });
    await writeRolloutProject(started.dir, { variants, rollout: half });
    await reload(started.server);
    socket.send(JSON.stringify({ id: 2, endpoint: 'm', rows: [{ a: 1 }] }));
    expect((await socket.received(2))[1]).toMatchObject({ id: 2, code: 'FORCING_REFUSED' });
    socket.socket.close();
  });
});
