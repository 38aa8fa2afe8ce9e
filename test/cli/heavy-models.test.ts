/** Processes that are stopped while a model runs in a worker thread. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { heavyProject } from '../../bench/heavy-project.ts';
import { start } from './process.ts';
import type { Running } from './process.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

interface Served {
  readonly running: Running;
  readonly ask: () => Promise<Response>;
}

async function served(
  model: string,
  description: Readonly<Record<string, unknown>>,
  options: readonly string[] = [],
  limits = { timeout: '300ms', drain_timeout: '500ms' },
): Promise<Served> {
  const made = await heavyProject({ execution: 'worker', workers: 1, ...description }, { model, limits });
  cleanups.push(() => made.remove());
  const running = start(['serve', '--project', made.dir, '--port', '0', ...options]);
  const port = (await running.printed(/"port":(\d+)/))[1] as string;
  await running.printed(/"msg":"ready"/);
  const ask = async (): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/v1/endpoints/heavy/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ rows: [{ x: 1 }] }),
    });
  return { running, ask };
}

/** Nothing is refused because this machine is busy. */
const patient = { timeout: '10s', drain_timeout: '10s' };

describe('SIGTERM while a model runs in a worker thread', () => {
  it('lets the runs in flight be answered, and the process ends with 0', async () => {
    const { running, ask } = await served('heavy', { batching: { rows_max: 1 } }, [], patient);
    await ask();
    const asked = Array.from({ length: 4 }, ask);
    // When the first is answered, the others have come in as well, and wait for their runs.
    await Promise.race(asked);
    running.child.kill('SIGTERM');
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const { code, signal, stderr } = await running.finished;
    expect([code, signal, stderr]).toEqual([0, null, '']);
  });

  it('ends the process by the signal, not by an abort, if a run does not end within the drain limit', async () => {
    const { running, ask } = await served('endless', { warmup: false });
    expect((await ask()).status).toBe(504);
    running.child.kill('SIGTERM');
    const { code, signal, stdout, stderr } = await running.finished;
    expect([code, signal, stderr]).toEqual([null, 'SIGTERM', '']);
    expect(stdout).toContain('the store, a model or a shadow did not close in time');
  });

  it('makes the supervisor exit with 1 if a worker ends itself so, and it need not be killed', async ({
    skip,
  }) => {
    skip(process.platform !== 'linux', 'several workers need Linux');
    const { running, ask } = await served('endless', { warmup: false }, ['--workers', '2']);
    expect((await ask()).status).toBe(504);
    running.child.kill('SIGTERM');
    await running.printed(/"msg":"draining"/);
    const drainingMs = performance.now();
    const { code, signal, stdout, stderr } = await running.finished;
    expect([code, signal, stderr]).toEqual([1, null, '']);
    expect(stdout.match(/the store, a model or a shadow did not close in time/g)).toHaveLength(1);
    expect(stdout.match(/"code":null,"signal":"SIGTERM","msg":"a worker did not end well"/g)).toHaveLength(1);
    // A worker that does not end by itself is killed 5 s after its drain limit.
    expect(performance.now() - drainingMs).toBeLessThan(5000);
  });

  it('for the second time ends the process at once, with 1', async () => {
    const { running, ask } = await served('heavy', { batching: { rows_max: 1 } });
    const asked = Promise.allSettled(Array.from({ length: 8 }, ask));
    await pause(40);
    running.child.kill('SIGTERM');
    await running.printed(/"msg":"draining"/);
    running.child.kill('SIGTERM');
    const { code, signal, stderr } = await running.finished;
    expect([code, signal, stderr]).toEqual([1, null, '']);
    await asked;
  });
});

it('a request that the queue refuses is told when to retry', async () => {
  const { running, ask } = await served('heavy', { batching: { rows_max: 1 }, queue_rows_max: 2 });
  const replies = await Promise.all(Array.from({ length: 12 }, ask));
  const refused = replies.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  for (const reply of refused) {
    expect(reply.headers.get('retry-after')).toBe('1');
    expect(await reply.json()).toMatchObject({ code: 'OVERLOADED' });
  }
  running.child.kill('SIGTERM');
  expect((await running.finished).code).toBe(0);
});
