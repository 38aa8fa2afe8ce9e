/** Shadows in a server that answers: what callers see of them is nothing, whatever they do. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Server } from '../../src/server/server.ts';
import { start as startProcess } from '../cli/process.ts';
import { numberOf, startRolloutServer, writeRolloutProject } from '../rollouts/rollout-server.ts';
import type { RolloutServer } from '../rollouts/rollout-server.ts';
import { openSocket } from '../server/socket-client.ts';
import { call } from './demo-server.ts';

const PATH = '/v1/endpoints/m/rollout';
const PREDICT = '/v1/endpoints/m/predict';
let running: RolloutServer | undefined;

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function start(variants: readonly string[], rollout: object): Promise<Server> {
  running = await startRolloutServer({ variants, rollout });
  return running.server;
}

interface Answering {
  readonly url: string;
  readonly port: number;
}

async function ask(server: Answering, rows: readonly object[] = [{ a: 1 }]): Promise<unknown[]> {
  const { status, json } = await call(server as Server, PREDICT, { body: JSON.stringify({ rows }) });
  expect([status, json['variant']]).toEqual([200, 'plain']);
  return json['predictions'] as unknown[];
}

async function put(server: Answering, rollout: object): Promise<void> {
  const { json } = await call(server as Server, PATH);
  const body = JSON.stringify({ version: json['version'], rollout, by: 'ann', reason: 'test' });
  expect((await call(server as Server, PATH, { method: 'PUT', body })).status).toBe(200);
}

interface Seen {
  readonly requests: number;
  readonly rows: number;
  readonly errors: number;
  readonly shed: number;
}

async function seen(server: Answering, shadow: string): Promise<Seen> {
  const { json } = await call(server as Server, PATH);
  const { shadows } = json as { shadows?: Record<string, Seen> };
  return shadows?.[shadow] ?? { requests: 0, rows: 0, errors: 0, shed: 0 };
}

/** Asks until what is seen of a shadow is as wanted. */
async function until(
  server: Answering,
  shadow: string,
  isWanted: (seen: Seen) => boolean,
  rows?: readonly object[],
): Promise<Seen> {
  for (;;) {
    await ask(server, rows);
    const found = await seen(server, shadow);
    if (isWanted(found)) return found;
  }
}

const threadsOfProcess = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

describe('what is compared', () => {
  it('is every row of a small request, 128 of 1,000, and nothing of an empty one', async () => {
    const server = await start(['plain', 'plus'], { shadow: ['plus'] });
    await until(server, 'plus', ({ requests }) => requests > 0);
    const rows = Array.from({ length: 1000 }, (_, a) => ({ a }));
    const before = await seen(server, 'plus');
    for (let n = 0; n < 300; n++) expect(await ask(server, [])).toEqual([]);
    const after = await until(server, 'plus', ({ rows: count }) => count > before.rows + 128, rows);
    const many = Math.floor((after.rows - before.rows) / 128);
    expect(after.requests - before.requests).toBeLessThanOrEqual(many + 1);
    expect(after.errors).toBe(0);
  });

  it('is the share that is asked for', async () => {
    const server = await start(['plain', 'plus'], { shadow: [{ variant: 'plus', sample: 30 }] });
    await until(server, 'plus', ({ requests, shed }) => requests + shed > 0);
    const before = await seen(server, 'plus');
    const count = 1000;
    for (let n = 0; n < count; n++) await ask(server);
    const expected = 0.3 * count;
    const taken = ({ requests, errors, shed }: Seen): number => requests + errors + shed;
    const last = await until(server, 'plus', (now) => taken(now) - taken(before) > expected / 2);
    // Five standard deviations of a binomial; one request more for each look.
    expect(Math.abs(taken(last) - taken(before) - expected)).toBeLessThan(5 * Math.sqrt(expected * 0.7) + 50);
  });

  it('is not a variant with itself', async () => {
    const experiment = { weights: { plain: 50, plus: 50 } };
    const server = await start(['plain', 'plus'], { experiment, shadow: ['plus'] });
    const variants: Record<string, number> = {};
    let found = await seen(server, 'plus');
    for (let n = 0; n < 60 || found.requests + found.shed === 0; n++) {
      const body = JSON.stringify({ rows: [{ a: 1, user: `u${n}` }] });
      const { json } = await call(server, PREDICT, { body });
      variants[String(json['variant'])] = (variants[String(json['variant'])] ?? 0) + 1;
      found = await seen(server, 'plus');
    }
    expect(variants['plus']).toBeGreaterThan(0);
    expect(found.requests + found.shed).toBeLessThanOrEqual(variants['plain'] ?? 0);
  });

  it('is also what is asked over WebSocket', async () => {
    const server = await start(['plain', 'plus'], { shadow: ['plus'] });
    const socket = await openSocket(server);
    let found = await seen(server, 'plus');
    for (let id = 1; found.requests === 0; id++) {
      socket.send(JSON.stringify({ id, endpoint: 'm', rows: [{ a: 1 }] }));
      expect((await socket.received(id)).at(-1)).toMatchObject({ variant: 'plain' });
      found = await seen(server, 'plus');
    }
    expect(found.errors).toBe(0);
    socket.socket.close();
  });

  it('is nothing of a caller that hung up before the answer', async () => {
    const server = await start(['slow', 'plus'], { shadow: ['plus'] });
    for (let n = 0; n < 20; n++) {
      const left = request(`${server.url}${PREDICT}`, { method: 'POST' });
      left.on('error', () => undefined);
      left.end(JSON.stringify({ rows: [{ a: 1 }] }), () => left.destroy());
      await new Promise((resolve) => left.once('close', resolve));
    }
    let found = await seen(server, 'plus');
    while (found.requests === 0) {
      const { status } = await call(server, PREDICT, { body: JSON.stringify({ rows: [{ a: 1 }] }) });
      expect(status).toBe(200);
      found = await seen(server, 'plus');
    }
    expect(found.errors).toBe(0);
  });
});

describe('a shadow that cannot be loaded', () => {
  it.each([
    ['because its file is away', undefined],
    ['because its file is damaged', 'no model'],
  ])('%s counts as failed, until a change of the rollout finds it in order', async (_, content) => {
    const server = await start(['plain', 'plus'], {});
    const { dir } = running as RolloutServer;
    const path = join(dir, 'm', numberOf('plus'), 'model.onnx');
    await rm(path);
    if (content !== undefined) await writeFile(path, content);
    await put(server, { shadow: ['plus'] });
    const failed = await until(server, 'plus', ({ errors }) => errors >= 3);
    expect(failed.requests).toBe(0);
    await writeRolloutProject(dir, { variants: ['plain', 'plus'] });
    await put(server, { shadow: [{ variant: 'plus', sample: 100, threshold: 0.2 }] });
    await until(server, 'plus', ({ requests }) => requests > 3);
  });
});

it('shadows that come and go leave neither threads nor memory behind', async () => {
  const server = await start(['plain', 'plus', 'far', 'heavy'], {});
  await ask(server);
  const before = threadsOfProcess();
  const residentMb: number[] = [];
  for (let round = 0; round < 30; round++) {
    await put(server, { shadow: ['plus', 'far', 'heavy'].slice(0, 1 + (round % 3)) });
    await Promise.all(Array.from({ length: 20 }, async () => ask(server)));
    if (round % 4 === 0) await until(server, 'plus', ({ requests }) => requests > 0);
    await put(server, {});
    await ask(server);
    expect(threadsOfProcess()).toBeLessThanOrEqual(before + 3);
    residentMb.push(process.memoryUsage.rss() / 1024 ** 2);
  }
  while (threadsOfProcess() > before) await ask(server);
  // A round that kept its threads would keep some 10 MB for each.
  expect((residentMb[29] as number) - (residentMb[9] as number)).toBeLessThan(80);
}, 60_000);

describe('a server with a shadow that hangs', () => {
  it('answers, keeps one thread for it, and ends when it is told to', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-hanging-'));
    const shadow = ['endless', 'heavy'];
    await writeRolloutProject(dir, {
      variants: ['plain', 'endless', 'heavy'],
      rollout: { shadow },
      sections: { limits: { drain_timeout: '1s' } },
    });
    const server = startProcess(['serve', '--project', dir, '--data', join(dir, 'data'), '--port', '0']);
    try {
      const [, port = ''] = await server.printed(/"port":(\d+)/);
      await server.printed(/"msg":"ready"/);
      const at = { port: Number(port), url: `http://127.0.0.1:${port}` };
      await until(at, 'heavy', ({ requests }) => requests > 0);
      const threads = async (): Promise<number> =>
        (await readdir(`/proc/${server.child.pid}/task`).catch(() => [])).length;
      const before = await threads();
      for (let round = 0; round < 5; round++) {
        await put(at, {});
        await ask(at);
        await put(at, { shadow });
        await ask(at);
      }
      await until(at, 'heavy', ({ requests }) => requests > 0);
      // Threads of V8 itself come and go.
      expect(await threads()).toBeLessThanOrEqual(before + 3);
      server.child.kill('SIGTERM');
      const { signal, stdout } = await server.finished;
      expect(stdout).toContain('a shadow did not close in time');
      expect(stdout).toContain('"msg":"stopped"');
      // The one way out of a process with a thread that cannot be ended: see exit-guard.ts.
      expect(signal).toBe('SIGTERM');
    } finally {
      server.child.kill('SIGKILL');
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('ends by itself when a shadow is only slow', async () => {
    const server = await start(['plain', 'heavy'], { shadow: ['heavy'] });
    await until(server, 'heavy', ({ requests, shed }) => requests + shed > 0);
    await Promise.all(Array.from({ length: 50 }, async () => ask(server)));
    expect(await server.close()).toBe(true);
  });
});
