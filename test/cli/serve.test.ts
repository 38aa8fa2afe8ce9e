import { cp, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoDir, goodFlight } from '../e2e/demo-server.ts';
import { start } from './process.ts';
import type { Finished, Running } from './process.ts';
import { sharedProcess } from './shared-process.ts';

const run = sharedProcess();
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-serve-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

async function serving(...args: string[]): Promise<{ running: Running; url: string }> {
  const data = await mkdtemp(join(scratch, 'data-'));
  const running = start(['serve', '--project', demoDir, '--data', data, '--port', '0', ...args]);
  const port = (await running.printed(/"port":(\d+)/))[1] as string;
  await running.printed(/"msg":"ready"/);
  return { running, url: `http://127.0.0.1:${port}` };
}

async function connectTo(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

function expectOneSentence({ code, stderr }: Finished, pattern: RegExp): void {
  expect(stderr).toMatch(pattern);
  expect(stderr).toMatch(/^millrace: /);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(code).toBe(1);
}

describe('millrace serve', () => {
  it('serves, and ends with 0 on SIGTERM', async () => {
    const { running, url } = await serving();
    const reply = await fetch(`${url}/v1/endpoints/flight-delay/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ rows: [goodFlight] }),
    });
    expect(reply.status).toBe(200);
    running.child.kill('SIGTERM');
    const end = await running.finished;
    expect([end.code, end.stderr]).toEqual([0, '']);
    for (const line of end.stdout.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');
  });

  it('finishes the request in flight before it ends', async () => {
    const { running, url } = await serving();
    const body = JSON.stringify({ rows: [goodFlight] });
    const sent = request(`${url}/v1/endpoints/flight-delay/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': body.length },
    });
    const answered = new Promise<number>((resolve, reject) => {
      sent.on('response', (res) => {
        res.resume();
        res.on('end', () => resolve(res.statusCode ?? 0));
      });
      sent.on('error', reject);
    });
    await new Promise((resolve) => sent.write(body.slice(0, 10), resolve));
    // The server has the headers once it reports the request as open.
    const open = async (): Promise<boolean> => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return text.includes('millrace_in_flight_requests 2');
    };
    while (!(await open())) await new Promise((resolve) => setTimeout(resolve, 5));
    running.child.kill('SIGTERM');
    await running.printed(/"msg":"draining"/);
    await expect(connectTo(url)).rejects.toThrow('ECONNREFUSED');
    sent.end(body.slice(10));
    expect(await answered).toBe(200);
    expect((await running.finished).code).toBe(0);
  });
});

describe('a start that must fail', () => {
  it('names the port that is in use', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    const { port } = holder.address() as AddressInfo;
    const end = await run([
      'serve',
      '--project',
      demoDir,
      '--data',
      join(scratch, 'd1'),
      '--port',
      String(port),
    ]);
    holder.close();
    expectOneSentence(end, new RegExp(`cannot listen on 127.0.0.1:${port}: the port is in use`));
  });

  it('names a data folder that is a file', async () => {
    const file = join(scratch, 'a-file');
    await writeFile(file, 'x');
    const end = await run(['serve', '--project', demoDir, '--data', file, '--port', '0']);
    expectOneSentence(end, /a-file/);
  });

  it('names a corrupt model and a missing version', async () => {
    const project = join(scratch, 'broken');
    await cp(demoDir, project, { recursive: true, filter: (path) => !/train|\.millrace/.test(path) });
    await truncate(join(project, 'flight-delay/2/model.onnx'), 100);
    const corrupt = await run(['serve', '--project', project, '--data', join(scratch, 'd2'), '--port', '0']);
    expectOneSentence(corrupt, /flight-delay\/2\/model\.onnx/);
    await rm(join(project, 'flight-delay/2'), { recursive: true });
    const missing = await run(['serve', '--project', project, '--data', join(scratch, 'd2'), '--port', '0']);
    expectOneSentence(missing, /the model flight-delay has no version 2 \(versions are 1, 3\)/);
  });

  it('names the project file that is not there', async () => {
    const end = await run(['serve', '--project', join(scratch, 'nowhere'), '--port', '0']);
    expectOneSentence(end, /nowhere/);
  });

  it('answers wrong usage with exit code 2 and help with 0', async () => {
    expect((await run(['serve', '--port', 'http'])).code).toBe(2);
    expect((await run(['frobnicate'])).code).toBe(2);
    const help = await run(['serve', '--help']);
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('--data')]);
  });
});
