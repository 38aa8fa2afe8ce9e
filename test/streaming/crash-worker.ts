/**
 * A process of its own for crash tests, so that it can be killed: appends the batches whose numbers it reads, one a
 * line, applies what is in the log beside others that do the same, and prints the number of each batch that is durable.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/clock.ts';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openEventStreaming } from '../../src/streaming/event-streaming.ts';
import { openLmdbEvents } from '../../src/streaming/open-lmdb-events.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { batchOf } from './crash-events.ts';
import { flightProject, writeOf } from './flight-stream.ts';

const [path = ''] = process.argv.slice(2);
const environment = await openLmdbEnvironment({ path });
const store = await openLmdbStore({ environment, views: [] });
const { log, routing } = await openEventStreaming(
  await openLmdbEvents(environment, { project: flightProject, clock: systemClock }),
  {
    project: flightProject,
    store,
    metrics: createMetrics(),
    clock: systemClock,
    logger: createLog('error'),
  },
);
for await (const line of createInterface({ input: process.stdin })) {
  await log.append(batchOf(Number(line)).map((event) => writeOf(event, routing)));
  // Synchronous: what is acknowledged has left the process before it can be killed.
  writeSync(1, `${line}\n`);
}
