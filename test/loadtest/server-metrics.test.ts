import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { resolveAddress } from '../../src/loadtest/address.ts';
import {
  batchRowsBetween,
  readBatchCounters,
  readMemoryBytes,
  scrapeServer,
} from '../../src/loadtest/server-metrics.ts';
import type { BatchCounters } from '../../src/loadtest/server-metrics.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

it('tells the runs between two scrapes by their rows, over all models', async () => {
  const metrics = createMetrics();
  const histogramOf = (model: string) =>
    metrics.histogram('millrace_batch_rows', 'Rows.', [1, 2, 4], { model, le_of: 'x' });
  const [a, b] = [histogramOf('a'), histogramOf('b')];
  for (const rows of [1, 3, 100]) a.observe(rows);
  const before = readBatchCounters(await metrics.render()) as BatchCounters;
  for (const rows of [1, 1, 2]) a.observe(rows);
  for (const rows of [4, 9]) b.observe(rows);
  const after = readBatchCounters(await metrics.render()) as BatchCounters;
  metrics.close();
  expect(batchRowsBetween(before, after)).toEqual({
    runs: 5,
    rowsMean: 17 / 5,
    buckets: [
      { rowsMax: 1, runs: 2 },
      { rowsMax: 2, runs: 1 },
      { rowsMax: 4, runs: 1 },
      { rowsMax: Infinity, runs: 1 },
    ],
  });
});

it('finds none in the metrics of another server', () => {
  expect(readBatchCounters('# HELP x\nx{le="1"} 4\n')).toBeUndefined();
});

it('reads lines that look like samples and are none in a time that grows no faster than they do', () => {
  const startedMs = performance.now();
  expect(readBatchCounters('millrace_batch_rows_sum{\n'.repeat(200_000))).toBeUndefined();
  expect(readMemoryBytes('process_resident_memory_bytes{\n'.repeat(200_000))).toBeNull();
  // Otherwise minutes.
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});

it('adds up the memory of all processes', () => {
  const text =
    'process_resident_memory_bytes{worker="1"} 150\nprocess_resident_memory_bytes{worker="2"} 2.5e2\n';
  expect(readMemoryBytes(text)).toBe(400);
  expect(readMemoryBytes('process_resident_memory_bytes 7\n')).toBe(7);
  expect(readMemoryBytes('')).toBeNull();
});

it('gives metrics without end up', async () => {
  let isEndless = false;
  let sentBytes = 0;
  const server = createServer((_request, response) => {
    response.write('process_resident_memory_bytes 7\n');
    if (!isEndless) return void response.end();
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, '#'))) sentBytes += 65_536;
    };
    response.on('drain', more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = await resolveAddress(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect(await scrapeServer({ address })).toEqual({ batches: undefined, memoryBytes: 7 });
  isEndless = true;
  expect(await scrapeServer({ address })).toBeUndefined();
  expect(sentBytes).toBeLessThan(64 * 1024 * 1024);
  server.closeAllConnections();
  server.close();
});
