import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { childrenOf } from '../../soak/process-usage.ts';
import { ask, startCaller } from './caller.ts';
import { callersOfBoth, flight, isRunning, metric, until, workerGroups } from './worker-group.ts';

/** Each test starts half a dozen processes, most of them one after the other. */
vi.setConfig({ testTimeout: 90_000 });

const groups = workerGroups();
const predicted = { route: 'predict', status: '200' };

describe('SIGHUP to several workers', () => {
  it('replaces each of them without a failed request, and totals go on', async () => {
    const group = await groups.serve();
    const { running, url, pids } = group;
    const old = await pids();
    const callers = await callersOfBoth(group, 4);
    const fresh = Array.from({ length: 4 }, () => startCaller(group.predictUrl, flight, false));
    const totals: number[] = [];
    let isDone = false;
    const scraping = (async () => {
      while (!isDone) {
        totals.push(metric((await ask(`${url}/metrics`)).text, 'millrace_requests_total', predicted));
        await pause(5);
      }
    })();
    running.child.kill('SIGHUP');
    await running.printed(/"msg":"reloaded"/);
    isDone = true;
    await scraping;
    const results = await Promise.all([...callers, ...fresh].map(async (caller) => caller.stop()));
    expect(results.flatMap(({ failures }) => failures)).toEqual([]);
    expect(old.filter(isRunning)).toEqual([]);
    expect(await pids()).toHaveLength(4);
    expect(totals).toEqual(totals.toSorted((a, b) => a - b));
    const answered = results.flatMap(({ answers }) => [...answers.values()]).reduce((a, b) => a + b);
    const { text } = await ask(`${url}/metrics`);
    expect(metric(text, 'millrace_requests_total', predicted)).toBe(answered);
    expect(metric(text, 'millrace_reloads_total', { outcome: 'done' })).toBe(1);
    expect(metric(text, 'millrace_worker_restarts_total')).toBe(0);
  });

  it('serves the project as it is now, and keeps to the old one while the new one has mistakes', async () => {
    const project = await groups.project();
    const { running, url } = await groups.serve(project);
    const file = join(project, 'millrace.yaml');
    const good = await readFile(file, 'utf8');
    await writeFile(file, good.replace('endpoints:', 'endpoint:'));
    running.child.kill('SIGHUP');
    await running.printed(/endpoint.*the reload failed/);
    const call = async (name: string): Promise<number> =>
      (await ask(`${url}/v1/endpoints/${name}/predict`, flight)).status;
    expect(await call('flight-delay')).toBe(200);
    expect(await call('renamed')).toBe(404);
    await writeFile(
      file,
      `${good}\n  renamed:\n    request: { flight_id: string, origin: string, destination: string, distance: float64, scheduled: timestamp }\n    variants: { only: { model: flight-delay@1 } }\n`,
    );
    running.child.kill('SIGHUP');
    await running.printed(/"msg":"reloaded"/);
    const statuses = await Promise.all(Array.from({ length: 10 }, async () => call('renamed')));
    expect(new Set(statuses)).toEqual(new Set([200]));
    const { text } = await ask(`${url}/metrics`);
    expect(metric(text, 'millrace_reloads_total', { outcome: 'failed' })).toBe(1);
  });

  it('gives up on a worker that does not become ready in time, and can be repeated', async () => {
    const hang = await groups.hangSwitch();
    const { running, url, pids } = await groups.serve(undefined, ['--start-timeout', '10s'], hang.env);
    const old = await pids();
    await hang.on();
    running.child.kill('SIGHUP');
    const isNew = (pid: number): boolean => !old.includes(pid);
    await until(() => childrenOf(running.child.pid as number).some(isNew));
    const starting = childrenOf(running.child.pid as number).find(isNew) as number;
    await running.printed(/was not ready after 10 s.*the reload failed/);
    expect(old.filter(isRunning)).toEqual(old);
    expect(isRunning(starting)).toBe(false);
    await hang.off();
    running.child.kill('SIGHUP');
    await running.printed(/"msg":"reloaded"/);
    expect((await ask(`${url}/v1/endpoints/flight-delay/predict`, flight)).status).toBe(200);
    expect(old.filter(isRunning)).toEqual([]);
  });
});
