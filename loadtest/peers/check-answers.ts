/** That all peers answer the same, before anything is measured. */
import { Packr, unpack } from 'msgpackr';
import { WebSocket } from 'ws';
import type { Body } from '../shape.ts';
import { USERS, manyRowBody, oneRowBody } from '../shape.ts';
import type { Peer, PeerProcess } from './peer-process.ts';

interface Reply {
  readonly predictions?: readonly { readonly score: number }[];
}

type Ask = (body: Body) => Promise<Reply>;

const SCORE_DIFFERENCE_MAX = 1e-5;
const packr = new Packr({ useRecords: false });
const bodies: readonly Body[] = [
  ...[0, 1, 17, USERS - 1].map((user) => oneRowBody(user)),
  ...[0, USERS - 1].map((user) => manyRowBody(user)),
];

/**
 * Asks for one row and for many, over HTTP and, where the peer has it, over WebSocket, and compares the scores with
 * what another peer has answered.
 * @param known scores of each body, which the first peer fills in
 * @throws Error if an answer has no scores, or one differs by more than 1e-5
 */
export async function checkAnswers(
  peer: Peer,
  { port }: PeerProcess,
  known: Map<string, readonly number[]>,
  hasWebSocket = false,
): Promise<void> {
  await compare(peer, 'HTTP', (body) => askOverHttp(`http://127.0.0.1:${port}${peer.path}`, body), known);
  if (!hasWebSocket) return;
  for (const format of ['json', 'msgpack'] as const)
    await compare(peer, `WebSocket ${format}`, (body) => askOverWebSocket(port, format, body), known);
}

async function compare(
  peer: Peer,
  way: string,
  ask: Ask,
  known: Map<string, readonly number[]>,
): Promise<void> {
  for (const body of bodies) {
    const key = JSON.stringify(body);
    const { predictions = [] } = await ask(body);
    const scores = predictions.map(({ score }) => score);
    const expected = known.get(key) ?? scores;
    const isSame =
      scores.length === (body['rows'] as unknown[]).length &&
      scores.length === expected.length &&
      scores.every((score, i) => Math.abs(score - (expected[i] as number)) <= SCORE_DIFFERENCE_MAX);
    if (!isSame)
      throw new Error(
        `${peer.name} answers ${String(scores)} to ${key} over ${way}, another peer ${String(expected)}`,
      );
    known.set(key, scores);
  }
}

async function askOverHttp(url: string, body: Body): Promise<Reply> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Reply;
}

async function askOverWebSocket(port: number, format: 'json' | 'msgpack', body: Body): Promise<Reply> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`);
  const request = { id: 1, endpoint: 'm', ...body };
  try {
    return await new Promise<Reply>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', (code) => reject(new Error(`closed with ${code}`)));
      socket.on('message', (data, isBinary) =>
        resolve((isBinary ? unpack(data as Buffer) : JSON.parse((data as Buffer).toString())) as Reply),
      );
      socket.on('open', () => socket.send(format === 'json' ? JSON.stringify(request) : packr.pack(request)));
    });
  } finally {
    socket.terminate();
  }
}
