import { existsSync } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { ask, connectToEach, processOf, startCaller } from './caller.ts';
import { run, start } from '../process.ts';
import type { Finished } from '../process.ts';
import { sharedProcess } from '../shared-process.ts';
import { callersOfBoth, flight, isRunning, metric, until, workerGroups } from './worker-group.ts';

/** Each test starts several processes, most of them one after the other. */
vi.setConfig({ testTimeout: 90_000 });

const groups = workerGroups();
const runShared = sharedProcess();

const predicted = { route: 'predict', status: '200' };

describe('serve with several workers', () => {
  it('spreads connections over them, and tells the metrics of all at each', async () => {
    const { url, predictUrl } = await groups.shared();
    const before = (await ask(`${url}/metrics`)).text;
    const answers = await Promise.all(Array.from({ length: 40 }, async () => ask(predictUrl, flight)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map(processOf)).size).toBe(2);
    const agents = await connectToEach(url, 2);
    for (const agent of agents.values()) {
      const { text } = await ask(`${url}/metrics`, undefined, agent);
      for (const [name, labels] of [
        ['millrace_requests_total', predicted],
        ['millrace_request_duration_seconds_count', { route: 'predict' }],
        ['millrace_request_duration_seconds_bucket', { route: 'predict', le: '+Inf' }],
      ] as const)
        expect(metric(text, name, labels) - metric(before, name, labels), name).toBe(40);
      expect(metric(text, 'millrace_workers', { state: 'ready' })).toBe(2);
      expect(metric(text, 'process_resident_memory_bytes')).toBeGreaterThan(0);
      expect(text.match(/^# TYPE process_resident_memory_bytes /gm)).toHaveLength(1);
      agent.destroy();
    }
  });

  it('shows what was pushed to one worker to a reader of another at once', async () => {
    const { url, predictUrl } = await groups.shared();
    const [writer, reader] = [...(await connectToEach(url, 2)).values()];
    const noise = startCaller(predictUrl, flight, true);
    const stale: number[] = [];
    for (let latitude = 1; latitude <= 200; latitude++) {
      const df = {
        iata: ['JFK'],
        name: [null],
        city: [null],
        state: [null],
        latitude: [latitude],
        longitude: [0],
      };
      const pushed = { push_source_name: 'airport_profile', df, to: 'online' };
      expect((await ask(`${url}/push`, pushed, writer)).status).toBe(200);
      const body = { features: ['airport_profile:latitude'], entities: { iata: ['JFK'] } };
      const { text } = await ask(`${url}/get-online-features`, body, reader);
      const { results } = JSON.parse(text) as { results: { values: unknown[] }[] };
      if (!results.some(({ values }) => values[0] === latitude)) stale.push(latitude);
    }
    await noise.stop();
    writer?.destroy();
    reader?.destroy();
    expect(stale).toEqual([]);
  });
});

describe('a worker that ends by itself', () => {
  it('takes only its own connections with it, is replaced, and its counts stay', async () => {
    const group = await groups.shared();
    const { running, url, pids } = group;
    const callers = await callersOfBoth(group, 6);
    const before = (await ask(`${url}/metrics`)).text;
    const known = await pids();
    const victim = known.find(isRunning) as number;
    const processes = new Map(callers.map((caller) => [caller, caller.lastProcess]));
    process.kill(victim, 'SIGKILL');
    await running.printed(new RegExp(`"worker_pid":${victim},"code":null,"signal":"SIGKILL"`));
    await until(async () => (await pids()).length > known.length);
    const { text } = await ask(`${url}/metrics`);
    const results = await Promise.all(callers.map(async (caller) => caller.stop()));
    const added = (name: string, labels = {}): number =>
      metric(text, name, labels) - metric(before, name, labels);
    expect(added('millrace_worker_restarts_total')).toBe(1);
    expect(metric(text, 'millrace_workers', { state: 'ready' })).toBe(2);
    expect(added('millrace_requests_total', predicted)).toBeGreaterThanOrEqual(0);
    const failed = callers.filter(({ failureCount }) => failureCount > 0);
    expect(new Set(failed.map((caller) => processes.get(caller))).size).toBe(1);
    expect(failed.length).toBeLessThan(callers.length);
    // The next call goes to a worker that is there, or into the port of the dead one while the kernel closes it.
    expect(results.map(({ failures }) => failures.length).filter((count) => count > 2)).toEqual([]);
  });

  it('is replaced in the end, though a worker that is started for it hangs', async () => {
    const hang = await groups.hangSwitch();
    const { running, url, predictUrl, pids } = await groups.serve(
      undefined,
      ['--start-timeout', '5s'],
      hang.env,
    );
    await hang.on();
    process.kill((await pids())[0] as number, 'SIGKILL');
    await running.printed(/"msg":"worker 1 was not ready after 5 s \(--start-timeout\), and was killed"/);
    expect((await ask(predictUrl, flight)).status).toBe(200);
    await hang.off();
    await until(async () => (await pids()).length === 3);
    const ready = async (): Promise<number> =>
      metric((await ask(`${url}/metrics`)).text, 'millrace_workers', { state: 'ready' });
    await until(async () => (await ready()) === 2);
    expect((await pids()).filter(isRunning)).toHaveLength(2);
  });

  it('does not keep a scrape waiting while it hangs', async () => {
    const { url, predictUrl, pids } = await groups.shared();
    const agents = [...(await connectToEach(url, 2)).values()];
    for (const agent of agents) await ask(predictUrl, flight, agent);
    const before = await ask(`${url}/metrics`, undefined, agents[0]);
    const hung = (await pids()).find(isRunning) as number;
    process.kill(hung, 'SIGSTOP');
    // Only the connection to the other worker is answered.
    const { text } = await Promise.any(agents.map(async (agent) => ask(`${url}/metrics`, undefined, agent)));
    process.kill(hung, 'SIGCONT');
    for (const agent of agents) agent.destroy();
    expect(metric(text, 'millrace_workers', { state: 'unresponsive' })).toBe(1);
    const total = metric(before.text, 'millrace_requests_total', predicted);
    expect(total).toBeGreaterThanOrEqual(2);
    expect(metric(text, 'millrace_requests_total', predicted)).toBe(total);
  });
});

describe('stopping several workers', () => {
  it('finishes the requests in flight, and ends with 0', async () => {
    const group = await groups.serve();
    const { running, pids } = group;
    const callers = await callersOfBoth(group, 4);
    running.child.kill('SIGTERM');
    const end = await running.finished;
    await Promise.all(callers.map(async (caller) => caller.stop()));
    expect([end.code, end.stderr]).toEqual([0, '']);
    expect(end.stdout).toContain('"msg":"stopped"');
    expect((await pids()).filter(isRunning)).toEqual([]);
  });

  it('ends at once, with 0, while they start', async () => {
    const args = ['--project', await groups.project(), '--port', '0'];
    const running = start(['serve', '--workers', '2', ...args]);
    await running.printed(/"worker":1.*"msg":"worker ready"/);
    running.child.kill('SIGTERM');
    const end = await running.finished;
    expect([end.code, end.stderr]).toEqual([0, '']);
    expect(end.stdout).not.toContain('"msg":"ready"');
  });

  it('ends at once at a second signal', async () => {
    const { running, url } = await groups.serve();
    const { hostname, port } = new URL(url);
    const pending = connect(Number(port), hostname);
    pending.on('error', () => undefined);
    // A body that does not come keeps the server draining.
    pending.write(
      'POST /push HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
    );
    await until(async () => metric((await ask(`${url}/metrics`)).text, 'millrace_in_flight_requests') === 2);
    running.child.kill('SIGTERM');
    await running.printed(/"msg":"draining"/);
    running.child.kill('SIGTERM');
    // The workers write to the same pipe, so that it ends with the last of them.
    expect((await running.finished).code).toBe(1);
    pending.destroy();
  });

  it('ends the workers of a supervisor that is killed', async () => {
    const { running, url } = await groups.serve();
    running.child.kill('SIGKILL');
    expect((await running.finished).stdout.match(/"msg":"stopped"/g)).toHaveLength(2);
    await expect(ask(url)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('a start of several workers that must fail', () => {
  async function failing(...args: string[]): Promise<Finished> {
    const end = await run(['serve', '--workers', '2', ...args]);
    expect(end.code).toBe(1);
    expect(end.stderr).not.toMatch(/^\s+at /m);
    expect(end.stderr.match(/^millrace: /gm)).toHaveLength(1);
    return end;
  }

  it('names the port that is in use', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    const { port } = holder.address() as AddressInfo;
    const { stderr } = await failing('--project', await groups.project(), '--port', String(port));
    holder.close();
    expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}: the port is in use`);
  });

  it('names the port that other workers share', async () => {
    const { url } = await groups.shared();
    const { stderr } = await failing('--project', await groups.project(), '--port', new URL(url).port);
    expect(stderr).toContain('the port is in use');
  });

  it('tells a mistake of the project or of a model once', async () => {
    const project = await groups.project();
    await truncate(join(project, 'flight-delay/1/model.onnx'), 100);
    expect((await failing('--project', project, '--port', '0')).stderr).toMatch(/model\.onnx/);
    await writeFile(join(project, 'millrace.yaml'), 'project: 7\n');
    expect((await failing('--project', project, '--port', '0')).stderr).toMatch(/millrace\.yaml/);
  });

  it('says how a worker ended that did not become ready', async ({ skip }) => {
    skip(!existsSync('/proc/self/task'), 'no /proc on this machine, so a worker that starts cannot be found');
    const args = ['--project', await groups.project(), '--port', '0'];
    const running = start(['serve', '--workers', '2', ...args]);
    const children = `/proc/${running.child.pid}/task/${running.child.pid}/children`;
    const worker = async (): Promise<number> => Number((await readFile(children, 'utf8')).trim());
    await until(async () => (await worker()) > 0);
    process.kill(await worker(), 'SIGKILL');
    const end = await running.finished;
    expect([end.code, end.stderr]).toEqual([1, 'millrace: worker 1 ended by SIGKILL before it was ready\n']);
  });

  it('answers a count that is none with exit code 2', async () => {
    for (const count of ['0', 'two', '1.5', '1000'])
      expect((await runShared(['serve', '--workers', count])).code).toBe(2);
  });
});
