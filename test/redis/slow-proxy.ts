/** A TCP proxy that holds up what it carries, each piece for a time of its own, without changing the order. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { Transform } from 'node:stream';

export interface SlowProxy {
  readonly url: string;
  /** Longest delay of a piece. */
  delayMs: number;
  /** Shortest delay of a piece. */
  delayMsMin: number;
  /** Ends a part of the connections, without a farewell. */
  cut(part: number): void;
  close(): void;
}

export async function startSlowProxy(targetPort: number, delayMs: number): Promise<SlowProxy> {
  const sockets = new Set<Socket>();
  const proxy = { delayMs, delayMsMin: 0 };
  const slow = (): Transform =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const { delayMs: max, delayMsMin: min } = proxy;
        setTimeout(() => done(null, chunk), min + Math.random() * (max - min));
      },
    });
  const server = createServer((socket) => {
    const target = connect(targetPort, '127.0.0.1');
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    pipeline(socket, slow(), target, () => socket.destroy());
    pipeline(target, slow(), socket, () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(proxy, {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut(part: number) {
      for (const socket of sockets) if (Math.random() < part) socket.destroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
}
