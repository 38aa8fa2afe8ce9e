import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DemoServer } from '../e2e/demo-server.ts';
import { goodFlight, startDemoServer } from '../e2e/demo-server.ts';
import { start } from './process.ts';
import type { Finished } from './process.ts';
import { sharedProcess } from './shared-process.ts';

const run = sharedProcess();
const body = JSON.stringify({ rows: [goodFlight] });
const short = ['--duration', '500ms', '--warmup', '200ms'];
let demo: DemoServer;
let url: string;
let scratch: string;

beforeAll(async () => {
  demo = await startDemoServer();
  url = `http://127.0.0.1:${demo.server.port}`;
  scratch = await mkdtemp(join(tmpdir(), 'millrace-loadtest-cli-'));
});

afterAll(async () => {
  await demo.stop();
  await rm(scratch, { recursive: true, force: true });
});

async function loadTest(...args: string[]): Promise<Finished> {
  return run(['loadtest', '--url', url, ...short, ...args]);
}

describe('millrace loadtest', () => {
  it('prints a table, and writes JSON and HTML', async () => {
    const [json, html] = [join(scratch, 'new', 'a.json'), join(scratch, 'new', 'a.html')];
    const args = [
      '--endpoint',
      'flight-delay',
      '--body',
      body,
      '--rate',
      '100',
      '--duration',
      '1s',
      '--json',
      json,
      '--html',
      html,
    ];
    const { code, stdout, stderr } = await loadTest(...args);
    expect(stderr).toContain(`wrote ${json}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^flight-delay, latencies in ms\n {2}load .*p99\.9 .*\n {2}open 100\/s +\d/);
    const report = JSON.parse(await readFile(json, 'utf8')) as {
      scenarios: { measurements: { outcomes: { ok: number }; batch_rows: { runs: number } }[] }[];
    };
    const [measurement] = report.scenarios[0]?.measurements ?? [];
    expect(measurement?.outcomes.ok).toBeGreaterThan(60);
    expect(measurement?.batch_rows.runs).toBeGreaterThan(60);
    expect(await readFile(html, 'utf8')).toContain('flight-delay');
  });

  it('saturates with its own sockets and with autocannon, without latencies', async () => {
    const file = join(scratch, 'mixed.ndjson');
    await writeFile(file, ['flight-delay', 'flight-delay'].map(lineOf).join('\n'));
    const { code, stdout } = await loadTest('--bodies', file, '--saturate', '--connections', '8');
    expect(code).toBe(0);
    expect(stdout).toMatch(/closed +[\d,]+ +[\d,]+ +- +- +- +- +- +0 +0 /);
    expect(stdout).toMatch(/autocannon +[\d,]+ +[\d,]+ +- /);
  });

  it("tells the server's own error before it sends any load", async () => {
    const { code, stdout, stderr } = await loadTest(
      '--endpoint',
      'flight-delay',
      '--body',
      '{"rows":[{"no":1}]}',
    );
    expect(stderr).toMatch(/^millrace: the server does not answer .*: 400 INVALID_REQUEST: .*rows\[0\]/);
    expect([code, stdout]).toEqual([1, '']);
  });

  it('names the endpoint where the call goes over WebSocket', async () => {
    const args = ['--endpoint', 'flight-delay', '--protocol', 'ws', '--body', '{"rows":[{"no":1}]}'];
    const { code, stderr } = await loadTest(...args);
    expect(stderr).toMatch(
      /does not answer the endpoint "flight-delay" over WebSocket: 400 INVALID_REQUEST: /,
    );
    expect(code).toBe(1);
  });

  it('tells an endpoint that is not there', async () => {
    const { code, stderr } = await loadTest('--endpoint', 'no-such', '--body', body);
    expect(stderr).toContain('404 UNKNOWN_ENDPOINT');
    expect(code).toBe(1);
  });

  it('tells a server that is not there', async () => {
    const { code, stderr } = await run([
      'loadtest',
      '--url',
      'http://127.0.0.1:1',
      '--endpoint',
      'm',
      '--body',
      '{}',
    ]);
    expect(stderr).toBe(
      'millrace: cannot reach http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1; is the server running?\n',
    );
    expect(code).toBe(1);
  });

  it('does not load another machine unless it is told that it may', async () => {
    const { code, stderr } = await run([
      'loadtest',
      '--url',
      'http://192.0.2.1',
      '--endpoint',
      'm',
      '--body',
      '{}',
    ]);
    expect(stderr).toContain('http://192.0.2.1 (192.0.2.1) is not this machine');
    expect(stderr).toContain('--allow-remote');
    expect(code).toBe(1);
  });

  it.each([
    [['--endpoint', 'm'], 'no requests; give --bodies FILE'],
    [['--body', '{}', '--bodies', 'x'], 'cannot be used with option'],
    [['--body', '{}', '--path', '/p', '--protocol', 'ws'], '--path is for --protocol http'],
    [['--rate', '0', '--body', '{}'], 'Write requests per second'],
    [['--duration', '10', '--body', '{}'], '"10" is not a duration'],
    [['--connections', '0', '--body', '{}'], 'whole number from 1'],
    [['--body', '{"rows":'], '--body, line 1: not valid JSON'],
    [['--body', '{"rows":[]}'], '--body, line 1: no endpoint'],
    [['--body', '{}', '--url', 'localhost:8080'], 'is not a URL such as http://127.0.0.1:8080'],
    [['--body', '{}', '--url', 'https://127.0.0.1'], 'only http:// is supported'],
    [['--body', '{}', '--url', 'ws://127.0.0.1'], 'write http://, and --protocol ws'],
    [
      ['--body', '{}', '--url', 'http://127.0.0.1:1/v1?x'],
      'write http://127.0.0.1:1, and --endpoint or --path',
    ],
    [['--body', '{}', '--url', 'http://me:secret@127.0.0.1:1'], 'a name or password in the URL is not sent'],
    [['--body', '{}', '--saturate', '--pipelined', '8'], '--pipelined is for WebSocket'],
    [['--body', '{}', '--protocol', 'ws', '--pipelined', '8'], '--pipelined is for --saturate and --sweep'],
    [['--body', '{}', '--p99-max', '5ms'], '--p99-max is for --sweep'],
    [['--protocol', 'grpc', '--body', '{}'], 'Allowed choices are http, ws, ws-msgpack'],
  ])('refuses %j as wrong usage', async (args, message) => {
    const { code, stderr } = await loadTest(...args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('prints what it has when it is interrupted', async () => {
    const args = [
      '--endpoint',
      'flight-delay',
      '--body',
      body,
      '--rate',
      '50',
      '--duration',
      '1m',
      '--warmup',
      '100ms',
    ];
    const running = start(['loadtest', '--url', url, ...args]);
    const before = await received();
    // At 50 a second this is after the warm-up.
    while ((await received()) - before < 30) await new Promise((resolve) => setImmediate(resolve));
    running.child.kill('SIGINT');
    const { code, stdout } = await running.finished;
    expect(stdout).toMatch(/open 50\/s /);
    expect(stdout).toContain('stopped before it was through');
    expect(code).toBe(0);
  });

  it('says that nothing was measured when it is interrupted while it warms up', async () => {
    const html = join(scratch, 'nothing.html');
    const args = ['--endpoint', 'flight-delay', '--body', body, '--warmup', '1m', '--html', html];
    const before = await received();
    const running = start(['loadtest', '--url', url, ...args]);
    while ((await received()) - before < 3) await new Promise((resolve) => setImmediate(resolve));
    running.child.kill('SIGINT');
    const { code, stdout } = await running.finished;
    expect(stdout).toBe('flight-delay\n  nothing was measured\n\nstopped before it was through\n');
    expect(await readFile(html, 'utf8')).toContain('Nothing was measured.');
    expect(code).toBe(0);
  });
});

/** Rows that the server has had of the endpoint. */
async function received(): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const sum = /millrace_rows_total\{[^}]*endpoint="flight-delay"[^}]*\} (\d+)/.exec(text)?.[1];
  return Number(sum ?? 0);
}

function lineOf(endpoint: string): string {
  return JSON.stringify({ endpoint, rows: [goodFlight] });
}
