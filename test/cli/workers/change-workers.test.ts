/** What one worker is asked for over HTTP is changed in all of them, before the caller is answered. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { numberedAnswer, numberedModel, writeNumbered, writeVersion } from '../../server/numbered-project.ts';
import { childrenOf } from '../../soak/process-usage.ts';
import { start } from '../process.ts';
import type { Running } from '../process.ts';

const SMALL = 10;
/** With two workers, that all of these reach one of them by chance happens once in 30 million runs. */
const CONNECTIONS = 25;

let dir: string;
let running: Running;
let url: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-change-'));
  for (const version of [1, 2]) await writeVersion(dir, version, SMALL);
  await mkdir(join(dir, 'free/1'), { recursive: true });
  await writeFile(join(dir, 'free/1/model.onnx'), numberedModel(0, SMALL));
  await writeNumbered(dir, 1);
  running = start(['serve', '--project', dir, '--port', '0', '--workers', '2', '--watch', '0s']);
  const [, port] = await running.printed(/"port":(\d+),"msg":"listening"/);
  url = `http://127.0.0.1:${port}`;
}, 60_000);

afterAll(async () => {
  running.child.kill('SIGTERM');
  await running.finished;
  await rm(dir, { recursive: true });
});

async function post(path: string, body: object = {}): Promise<{ status: number; text: string }> {
  // A connection of its own, for whichever worker the system gives it to.
  const agent = new Agent({ keepAlive: false });
  const headers = { 'content-type': 'application/json' };
  const asked = request(url + path, { method: 'POST', headers, agent });
  asked.end(JSON.stringify(body));
  const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, text };
}

async function answers(path: string, body: object): Promise<Set<string>> {
  const found = new Set<string>();
  for (let i = 0; i < CONNECTIONS; i++) {
    const { status, text } = await post(path, body);
    const { predictions } = JSON.parse(text) as { predictions?: { y: number }[] };
    found.add(`${status} ${predictions?.[0]?.y ?? ''}`.trim());
  }
  return found;
}

describe('several workers', () => {
  const predicted = async (): Promise<Set<string>> =>
    answers('/v1/endpoints/m/predict', { rows: [{ a: 0 }] });
  const inferred = async (): Promise<Set<string>> =>
    answers('/v2/models/free/infer', {
      inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [1] }],
    });

  it('serve the project that one of them was told to reload', async () => {
    expect(await predicted()).toEqual(new Set([`200 ${numberedAnswer(1)}`]));
    await writeNumbered(dir, 2);
    expect(await post('/v1/project/reload')).toEqual({ status: 200, text: '{}' });
    expect(await predicted()).toEqual(new Set([`200 ${numberedAnswer(2)}`]));
  });

  it('unload what one of them was told to, also one that starts later, and load it again', async () => {
    expect((await post('/v2/repository/models/free/unload')).status).toBe(200);
    expect([...(await inferred())]).toEqual(['404']);
    const workers = childrenOf(running.child.pid as number);
    process.kill(workers[0] as number, 'SIGKILL');
    await vi.waitFor(
      () =>
        expect(childrenOf(running.child.pid as number).filter((pid) => !workers.includes(pid))).toHaveLength(
          1,
        ),
      { timeout: 20_000 },
    );
    await running.printed(/"msg":"worker ready"[^]*"msg":"worker ready"[^]*"msg":"worker ready"/);
    expect([...(await inferred())]).toEqual(['404']);
  }, 60_000);

  it('load what they were told to while one of them starts', async () => {
    process.kill(childrenOf(running.child.pid as number)[0] as number, 'SIGKILL');
    await vi.waitFor(async () => expect((await post('/v2/repository/models/free/load')).status).toBe(200), {
      timeout: 20_000,
    });
    await running.printed(/(?:"msg":"worker ready"[^]*){4}/);
    await vi.waitFor(async () => expect([...(await inferred())]).toEqual(['200']), { timeout: 20_000 });
  }, 60_000);
});
