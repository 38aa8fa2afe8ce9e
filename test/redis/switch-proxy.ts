/** A TCP proxy as a virtual IP is one: each connection leads to the server that is behind it at that moment. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { pipeline } from 'node:stream';

export interface SwitchProxy {
  readonly url: string;
  /** Ports that the next connections lead to, in turn; the last stays. None = they are taken, and lead nowhere. */
  targets: readonly number[];
  /** Connections that were taken so far. */
  readonly count: number;
  /** Ends all connections. */
  cut(): void;
  close(): void;
}

export async function startSwitchProxy(targets: readonly number[]): Promise<SwitchProxy> {
  const sockets = new Set<Socket>();
  const proxy = { targets, count: 0 };
  const server = createServer((socket) => {
    sockets.add(socket);
    proxy.count++;
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    const [port, ...more] = proxy.targets;
    if (more.length > 0) proxy.targets = more;
    if (port === undefined) {
      socket.resume();
      return;
    }
    const target = connect(port, '127.0.0.1');
    pipeline(socket, target, () => socket.destroy());
    pipeline(target, socket, () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return Object.assign(proxy, {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    close() {
      cut();
      server.close();
    },
  });
}
