/**
 * Load from plain sockets: each connection sends its next request when the last one is answered. It writes bytes that
 * were made before and reads no more of an answer than its status and length, so that one core of it keeps a bare
 * uWebSockets.js server busy. A general HTTP client does not, and then measures itself.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

export interface Load {
  readonly port: number;
  readonly path: string;
  readonly bodies: readonly string[];
  readonly connections: number;
  readonly warmUpMs: number;
  readonly roundMs: number;
}

const ANSWER_BYTES_MAX = 65_536;
const head = /^HTTP\/1\.1 200 .*?\r\ncontent-length: (\d+).*?\r\n\r\n/is;

/**
 * Requests per second that were answered with 200, after the warm-up.
 * @throws Error if any answer is another one, or a connection ends
 */
export async function requestRate(load: Load): Promise<number> {
  const requests = load.bodies.map((body) => requestBytes(load, body));
  const sockets: Socket[] = [];
  let answered = 0;
  const failed = new Promise<never>((_resolve, reject) => {
    for (let c = 0; c < load.connections; c++) {
      // Connections begin at different bodies, so that they do not ask for the same entity at once.
      const first = Math.floor((c * requests.length) / load.connections);
      sockets.push(openCaller(load.port, requests, first, () => answered++, reject));
    }
  });
  try {
    await Promise.race([setTimeout(load.warmUpMs), failed]);
    const [answeredBefore, startedMs] = [answered, performance.now()];
    await Promise.race([setTimeout(load.roundMs), failed]);
    return ((answered - answeredBefore) / (performance.now() - startedMs)) * 1000;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

function requestBytes({ port, path }: Load, body: string): Buffer {
  const lines = [
    `POST ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: keep-alive',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

function openCaller(
  port: number,
  requests: readonly Buffer[],
  first: number,
  onAnswer: () => void,
  onFailure: (error: Error) => void,
): Socket {
  let next = first;
  /** Bytes of the answer that have not come yet; 0 = the next bytes begin an answer. */
  let missing = 0;
  const send = (): void => {
    socket.write(requests[next++ % requests.length] as Buffer);
  };
  const receive = (bytes: number, buffer: Uint8Array): boolean => {
    try {
      missing = (missing === 0 ? answerBytes(buffer as Buffer, bytes) : missing) - bytes;
    } catch (error) {
      onFailure(error as Error);
      return false;
    }
    if (missing === 0) {
      onAnswer();
      send();
    }
    return true;
  };
  const onread = { buffer: Buffer.allocUnsafe(ANSWER_BYTES_MAX), callback: receive };
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread }, send);
  socket.once('error', onFailure);
  socket.once('end', () => onFailure(new Error('the server closed a connection')));
  return socket;
}

/** Length of the answer that begins in these bytes, its head included. */
function answerBytes(buffer: Buffer, bytes: number): number {
  const text = buffer.toString('latin1', 0, bytes);
  const match = head.exec(text);
  if (match === null) throw new Error(`not an answer with 200: ${text.slice(0, 300)}`);
  return match[0].length + Number(match[1]);
}
