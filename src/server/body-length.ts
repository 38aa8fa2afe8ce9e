/**
 * Whether a request says in one way only how long its body is. A server before this one that takes the other of two lengths
 * sees another end of the body, and what comes behind it would be answered as somebody else's request (request smuggling).
 *
 * uWebSockets.js refuses by itself a length that is no number, and a length beside a transfer encoding. It takes the first of
 * two lengths, a length without a value for none, and any transfer encoding for `chunked`: those connections are cut off here.
 * An answer would come too late: what has arrived behind the request is read before the connection is closed for it.
 *
 * Names of headers are looked through only where there may be a body; it takes 0.8 us for six of them.
 */
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import type { Metrics } from '../telemetry/metrics.ts';

type RequestHandler = (res: HttpResponse, req: HttpRequest) => void;

/** What routes are bound to. */
export type RouteApp = Record<
  'get' | 'head' | 'options' | 'post' | 'put' | 'any',
  (path: string, handler: RequestHandler) => void
>;

/** Routes that get no ambiguous request. */
export function guardRoutes(app: TemplatedApp, metrics: Metrics): RouteApp {
  const help = 'Connections that were cut off because of what they sent.';
  const labels = { reason: 'ambiguous_length' };
  const cutOffs = metrics.counter('millrace_cut_off_connections_total', help, labels);
  const guard =
    (handler: RequestHandler): RequestHandler =>
    (res, req) => {
      if (!isAmbiguous(req)) return handler(res, req);
      cutOffs.add(1);
      res.close();
    };
  return {
    get: (path, handler) => app.get(path, guard(handler)),
    head: (path, handler) => app.head(path, guard(handler)),
    options: (path, handler) => app.options(path, guard(handler)),
    post: (path, handler) => app.post(path, guard(handler)),
    put: (path, handler) => app.put(path, guard(handler)),
    any: (path, handler) => app.any(path, guard(handler)),
  };
}

/** Whether somebody else may see another end of its body. */
export function isAmbiguous(req: HttpRequest): boolean {
  const encoding = req.getHeader('transfer-encoding');
  if (encoding !== '' && encoding.toLowerCase() !== 'chunked') return true;
  const length = req.getHeader('content-length');
  const mayHaveBody = encoding !== '' || length !== '' || !isBodiless(req.getMethod());
  if (!mayHaveBody) return false;
  let count = 0;
  req.forEach((name) => {
    if (name === 'content-length' || name === 'transfer-encoding') count++;
  });
  return count > (encoding === '' && length === '' ? 0 : 1);
}

function isBodiless(method: string): boolean {
  return method === 'get' || method === 'head';
}
