/**
 * Load over WebSocket from plain sockets: each keeps a number of requests in flight and sends the next one when one is
 * answered. Frames are made before; of an answer the frame's head is read, and whether it is one.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { answerRate } from './answer-rate.ts';
import type { SocketEvents } from './answer-rate.ts';

export interface WebSocketLoad {
  readonly port: number;
  readonly path: string;
  /** Text messages are sent as text frames, bytes as binary ones. */
  readonly messages: readonly (string | Uint8Array)[];
  readonly sockets: number;
  readonly inFlight: number;
  /** Whether a message is the answer to a prediction, and no error. */
  isAnswer(message: Buffer): boolean;
}

/**
 * Answers per second.
 * @throws Error if a socket ends, or an answer is not one
 */
export async function webSocketRate(load: WebSocketLoad, durationMs: number): Promise<number> {
  const frames = load.messages.map(clientFrame);
  return answerRate(durationMs, (events) =>
    Array.from({ length: load.sockets }, (_, s) => {
      const first = Math.floor((s * frames.length) / load.sockets);
      return openSocket(load, frames, first, events);
    }),
  );
}

function openSocket(
  load: WebSocketLoad,
  frames: readonly Buffer[],
  first: number,
  { answered, failed }: SocketEvents,
): Socket {
  let next = first;
  let isOpen = false;
  let rest: Buffer = Buffer.alloc(0);
  const socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
  const send = (count: number): void => {
    const batch: Buffer[] = [];
    for (let i = 0; i < count; i++) batch.push(frames[next++ % frames.length] as Buffer);
    socket.write(Buffer.concat(batch));
  };
  const receive = (chunk: Buffer): void => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!isOpen) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end === -1) return void (rest = bytes);
      if (!bytes.toString('latin1', 0, 12).endsWith('101')) return failed(new Error('no upgrade'));
      isOpen = true;
      bytes = bytes.subarray(end + 4);
      send(load.inFlight);
    }
    const { messages, used } = wholeFrames(bytes);
    rest = bytes.subarray(used);
    const wrong = messages.find((message) => !load.isAnswer(message));
    if (wrong !== undefined) return failed(new Error(`not an answer: ${wrong.toString('latin1', 0, 200)}`));
    if (messages.length === 0) return;
    answered(messages.length);
    send(messages.length);
  };
  socket.on('data', receive);
  socket.once('connect', () => socket.write(upgradeRequest(load)));
  socket.once('error', failed);
  socket.once('end', () => failed(new Error('the server closed a connection')));
  return socket;
}

function upgradeRequest({ port, path }: WebSocketLoad): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    '\r\n',
  ].join('\r\n');
}

/** The payloads of the whole frames in these bytes, and the bytes that the frames take. */
function wholeFrames(bytes: Buffer): { messages: Buffer[]; used: number } {
  let used = 0;
  const messages: Buffer[] = [];
  while (used + 2 <= bytes.length) {
    const short = (bytes[used + 1] as number) & 0x7f;
    const headBytes = short < 126 ? 2 : 4;
    if (short === 127) throw new Error('an answer of more than 64 KB');
    if (used + headBytes > bytes.length) break;
    const payloadBytes = short < 126 ? short : bytes.readUInt16BE(used + 2);
    const end = used + headBytes + payloadBytes;
    if (end > bytes.length) break;
    messages.push(bytes.subarray(used + headBytes, end));
    used = end;
  }
  return { messages, used };
}

/** A masked frame, as RFC 6455 (5.2) wants it of a client; a mask of zeros leaves the payload as it is. */
function clientFrame(message: string | Uint8Array): Buffer {
  const payload = Buffer.from(message as string);
  const opcode = typeof message === 'string' ? 0x81 : 0x82;
  const head = payload.length < 126 ? [opcode, 0x80 | payload.length] : longHead(opcode, payload.length);
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}

function longHead(opcode: number, bytes: number): number[] {
  if (bytes > 0xffff) throw new Error('a message of more than 64 KB');
  return [opcode, 0x80 | 126, bytes >> 8, bytes & 0xff];
}
