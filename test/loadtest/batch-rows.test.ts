import { expect, it } from 'vitest';
import { batchRowsBetween, readBatchCounters } from '../../src/loadtest/batch-rows.ts';
import type { BatchCounters } from '../../src/loadtest/batch-rows.ts';
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
