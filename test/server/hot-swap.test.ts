import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'node:http';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { numberedAnswer, writeNumbered, writeVersion } from './numbered-project.ts';
import { socketUrl } from './socket-client.ts';

const SWAPS = 100;
const VERSIONS = 5;
/** Of what 100 definitions would leave behind, each with a megabyte of weights. */
const GROWTH_BYTES_MAX = 50 * 1024 * 1024;

interface Seen {
  answers: number;
  readonly versions: Set<number>;
  readonly wrong: string[];
}

let dir: string;
let server: Server;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-swap-'));
  for (let version = 1; version <= VERSIONS; version++) await writeVersion(dir, version);
  await writeNumbered(dir, 1);
  const options = { dataDir: join(dir, '.data'), port: 0, log: createLog('silent') };
  server = await createServer(await loadProject(dir), options);
});

afterAll(async () => {
  await server.close();
  await rm(dir, { recursive: true });
});

describe('a project that is reloaded under load', () => {
  it(`fails no request in ${SWAPS} swaps, answers none by halves, and leaves no memory behind`, async () => {
    const seen: Seen = { answers: 0, versions: new Set(), wrong: [] };
    const load = startLoad(server, seen);
    await swapMany(1, 20);
    const beforeBytes = residentBytes();
    await swapMany(21, SWAPS);
    const growthBytes = residentBytes() - beforeBytes;
    await load.stop();
    expect(seen.wrong).toEqual([]);
    expect(seen.versions).toEqual(new Set([1, 2, 3, 4, 5]));
    expect(seen.answers).toBeGreaterThan(SWAPS);
    expect(growthBytes).toBeLessThan(GROWTH_BYTES_MAX);
  }, 120_000);
});

/** After each swap has been answered, the very next request is answered by what was asked for. */
async function swapMany(from: number, to: number): Promise<void> {
  for (let swap = from; swap <= to; swap++) {
    const version = 1 + (swap % VERSIONS);
    await writeNumbered(dir, version);
    const reloaded = await fetch(`${server.url}/v1/project/reload`, { method: 'POST' });
    expect([reloaded.status, await reloaded.text()]).toEqual([200, '{}']);
    const answer = await predictOnce();
    expect(answer).toEqual({ version: String(version), y: numberedAnswer(version) });
  }
}

async function predictOnce(): Promise<{ version: string; y: number }> {
  const response = await fetch(`${server.url}/v1/endpoints/m/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"rows":[{"a":0}]}',
  });
  const { version, predictions } = (await response.json()) as Answer;
  return { version, y: predictions[0]?.y ?? NaN };
}

interface Answer {
  readonly version: string;
  readonly predictions: readonly { readonly y: number }[];
}

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

function note(seen: Seen, status: number, text: string): void {
  const counts = seen;
  counts.answers++;
  const { version, predictions } = (status === 200 ? JSON.parse(text) : { predictions: [] }) as Answer;
  const expected = numberedAnswer(Number(version));
  const isRight = status === 200 && predictions.length === 3 && predictions.every(({ y }) => y === expected);
  if (isRight) seen.versions.add(Number(version));
  else seen.wrong.push(`${status} ${text}`);
}

const BODY = '{"rows":[{"a":0},{"a":0},{"a":0}]}';

/** Callers over HTTP that ask as fast as they are answered, and one over WebSocket. */
function startLoad({ url, ...rest }: Server, seen: Seen): { stop(): Promise<void> } {
  let isStopped = false;
  const agent = new Agent({ keepAlive: true });
  const callers = Array.from({ length: 6 }, async () => {
    while (!isStopped) await postOnce(url, agent, seen);
  });
  const overSocket = async (): Promise<void> => {
    const socket = new WebSocket(socketUrl({ url, ...rest }));
    await once(socket, 'open');
    for (let id = 1; !isStopped; id++) {
      socket.send(JSON.stringify({ id, endpoint: 'm', ...(JSON.parse(BODY) as object) }));
      const [data] = (await once(socket, 'message')) as [Buffer];
      const text = data.toString();
      note(seen, text.includes('"error"') ? 500 : 200, text);
    }
    socket.close();
  };
  const all = Promise.all([...callers, overSocket()]);
  return {
    async stop() {
      isStopped = true;
      await all;
      agent.destroy();
    },
  };
}

async function postOnce(url: string, agent: Agent, seen: Seen): Promise<void> {
  const asked = request(`${url}/v1/endpoints/m/predict`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json' },
  });
  asked.end(BODY);
  const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  note(seen, response.statusCode, Buffer.concat(chunks).toString());
}
