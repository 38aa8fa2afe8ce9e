/**
 * Load over WebSocket from plain sockets: each keeps a number of requests in flight and sends the next one when one is
 * answered. Frames are made before; of an answer only the frame's head is read, and the last one in full at the end.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

export interface WebSocketLoad {
  readonly port: number;
  readonly path: string;
  /** Text messages are sent as text frames, bytes as binary ones. */
  readonly messages: readonly (string | Uint8Array)[];
  readonly sockets: number;
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly roundMs: number;
  /** Whether an answer is one to a prediction; each socket's last one is asked. */
  isAnswer(message: Buffer): boolean;
}

/**
 * Answers per second, after the warm-up.
 * @throws Error if a socket ends, or an answer is not one
 */
export async function webSocketRate(load: WebSocketLoad): Promise<number> {
  const frames = load.messages.map(clientFrame);
  const sockets: Socket[] = [];
  let answered = 0;
  const failed = new Promise<never>((_resolve, reject) => {
    for (let s = 0; s < load.sockets; s++) {
      const first = Math.floor((s * frames.length) / load.sockets);
      sockets.push(openSocket(load, frames, first, (count) => (answered += count), reject));
    }
  });
  try {
    await Promise.race([setTimeout(load.warmUpMs), failed]);
    const [before, startedMs] = [answered, performance.now()];
    await Promise.race([setTimeout(load.roundMs), failed]);
    return ((answered - before) / (performance.now() - startedMs)) * 1000;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

function openSocket(
  load: WebSocketLoad,
  frames: readonly Buffer[],
  first: number,
  onAnswers: (count: number) => void,
  onFailure: (error: Error) => void,
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
      if (!bytes.toString('latin1', 0, 12).endsWith('101')) return onFailure(new Error('no upgrade'));
      isOpen = true;
      bytes = bytes.subarray(end + 4);
      send(load.inFlight);
    }
    const { count, last, used } = countFrames(bytes);
    rest = bytes.subarray(used);
    if (count === 0) return;
    if (last === undefined || !load.isAnswer(last))
      return onFailure(new Error(`not an answer: ${last?.toString('latin1', 0, 200)}`));
    onAnswers(count);
    send(count);
  };
  socket.on('data', receive);
  socket.once('connect', () => socket.write(upgradeRequest(load)));
  socket.once('error', onFailure);
  socket.once('end', () => onFailure(new Error('the server closed a connection')));
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

/** Whole frames in these bytes: their number, the payload of the last, and the bytes that they take. */
function countFrames(bytes: Buffer): { count: number; last: Buffer | undefined; used: number } {
  let [count, used] = [0, 0];
  let last: Buffer | undefined;
  while (used + 2 <= bytes.length) {
    const short = (bytes[used + 1] as number) & 0x7f;
    const headBytes = short < 126 ? 2 : 4;
    if (short === 127) throw new Error('an answer of more than 64 KB');
    if (used + headBytes > bytes.length) break;
    const payloadBytes = short < 126 ? short : bytes.readUInt16BE(used + 2);
    const end = used + headBytes + payloadBytes;
    if (end > bytes.length) break;
    last = bytes.subarray(used + headBytes, end);
    used = end;
    count++;
  }
  return { count, last, used };
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
