/** An HTTP server in front of another one, as operators have it, with WebSockets. The test may answer in its place. */
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

export interface ReverseProxy {
  readonly url: string;
  /** True = it has dealt with the request, which does not go further. */
  intercept: (req: IncomingMessage, res: ServerResponse) => boolean;
  /** Method and path of all requests so far. */
  readonly seen: string[];
  close(): Promise<void>;
}

export async function startReverseProxy(targetPort: number): Promise<ReverseProxy> {
  const seen: string[] = [];
  const proxy = { seen, intercept: (_req: IncomingMessage, _res: ServerResponse): boolean => false };
  const server = createServer((req, res) => {
    seen.push(`${req.method} ${req.url}`);
    if (proxy.intercept(req, res)) return;
    const { method, url: path, headers } = req;
    const onward = request({ host: '127.0.0.1', port: targetPort, method, path, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    req.pipe(onward);
  });
  server.on('upgrade', (req, socket) => {
    const target = connect(targetPort, '127.0.0.1');
    const fields = Object.entries(req.headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
    target.write(`GET ${req.url} HTTP/1.1\r\n${fields.join('')}\r\n`);
    pipeline(socket, target, () => socket.destroy());
    pipeline(target, socket, () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(proxy, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
