import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { untilLogged } from '../../src/cli/demo/until-logged.ts';

/** The address of a server with these pages of metrics, one after the other; and how many were read. */
async function metricsServer(pages: readonly string[]): Promise<{ url: string; readCount: () => number }> {
  let count = 0;
  const server = createServer((_, reply) => reply.end(pages[count++]));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, readCount: () => count };
}

function page(written: number, dropped: number): string {
  return [
    '# TYPE millrace_prediction_log_written_total counter',
    `millrace_prediction_log_written_total{endpoint="delay"} ${written}`,
    'millrace_prediction_log_written_total{endpoint="other"} 1000',
    `millrace_prediction_log_dropped_total{endpoint="delay",reason="full"} ${dropped}`,
    'millrace_prediction_log_waiting 0',
  ].join('\n');
}

it('waits until all predictions of the endpoint are in the log, or will never be', async () => {
  const { url, readCount } = await metricsServer(['', page(7, 0), page(9, 0), page(9, 1), page(10, 1)]);
  await untilLogged(url, 'delay', 10);
  expect(readCount()).toBe(4);
});
