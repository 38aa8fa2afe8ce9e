/** The README's tour, command by command, as a reader would type it, and the answers that it promises. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const runFile = promisify(execFile);

let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-tour-'));
});

afterAll(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const { port } = holder.address() as AddressInfo;
  await new Promise((resolve) => holder.close(resolve));
  return port;
}

async function shell(script: string): Promise<string> {
  const { stdout } = await runFile('bash', ['-euo', 'pipefail', '-c', script], { cwd: root });
  return stdout;
}

it('works as the README says', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const port = await freePort();
  const steps = [...readme.matchAll(/```sh tour( serve)?\n(.*?)```/gs)].map(([, serve, text = '']) => ({
    serves: serve !== undefined,
    script: text.replaceAll('8080', String(port)).replaceAll('--data .millrace', `--data ${dataDir}`),
  }));
  const serveAt = steps.findIndex(({ serves }) => serves);
  const [before, after] = [steps.slice(0, serveAt), steps.slice(serveAt + 1)];
  const prepared: string[] = [];
  for (const { script } of before) prepared.push(await shell(script));
  const server = spawn('bash', ['-c', `exec ${steps[serveAt]?.script}`], {
    cwd: root,
    detached: true,
    stdio: 'pipe',
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.stdout.on('data', (chunk: Buffer) => chunk.includes('"msg":"ready"') && resolve());
      server.on('exit', () => reject(new Error('the server ended')));
    });
    const answers: string[] = [];
    for (const { script } of after) answers.push(await shell(script));
    expectTour(prepared, answers);
  } finally {
    process.kill(-(server.pid as number), 'SIGTERM');
  }
}, 60_000);

function expectTour(prepared: readonly string[], answers: readonly string[]): void {
  expect(prepared[0]).toContain('flight-delay@2');
  expect(prepared[1]).toMatch(/224/);
  const [predicted, ranked, pushed, traced, features, mistake, operations] = answers as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  expect(predictionsOf(predicted)).toEqual([{ delayed: expect.any(Number) as number }]);
  expect(predictionsOf(ranked)).toHaveLength(2);
  expect(pushed).toBe('');
  expect(traced).toContain('"departure_delay_mean":{"value":41.5,"status":"PRESENT"}');
  expect(predictionsOf(traced)[0]?.delayed).not.toBe(predictionsOf(predicted)[0]?.delayed);
  expect(features).toContain('"New York"');
  expect(features).toContain('NOT_FOUND');
  expect(JSON.parse(mistake)).toMatchObject({ code: 'INVALID_REQUEST' });
  for (const part of ['did you mean \\"origin\\"?', 'rows[0].distance', 'rows[0].scheduled']) {
    expect(mistake).toContain(part);
  }
  expect(operations).toContain('{"ready":true}');
  expect(operations).toContain(
    'millrace_requests_total{route="predict",endpoint="flight-delay",status="200"} 3',
  );
}

function predictionsOf(answer: string): { delayed: number }[] {
  return (JSON.parse(answer) as { predictions: { delayed: number }[] }).predictions;
}
