/**
 * A process of its own for crash tests, so that it can be killed. It opens a place and says `ready`; then it appends the
 * batches whose numbers it reads, one a line, and prints the number of each that is durable. Beside others that do the
 * same, it applies what is in the log. Where the place itself is killed, it sends a batch again until it is durable.
 *
 *   crash-worker.ts ADDRESS EVENTS [dying]
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../src/errors.ts';
import { batchOf } from './crash-events.ts';
import { flightProject, writeOf } from './flight-stream.ts';
import { openPlace } from './open-place.ts';

const RETRY_MS = 20;

const [address = '', events = '', placeIs = 'steady'] = process.argv.slice(2);
const isDying = placeIs === 'dying';

/** A place that dies comes back. */
async function insist<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!isDying || !(error instanceof MillraceError)) throw error;
      await sleep(RETRY_MS);
    }
  }
}

const level = isDying ? 'silent' : 'error';
const { log, routing } = await insist(async () => openPlace(address, flightProject, level));
// Synchronous: what is acknowledged has left the process before it can be killed.
writeSync(1, 'ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const writes = batchOf(Number(line), Number(events)).map((event) => writeOf(event, routing));
  await insist(async () => log.append(writes));
  writeSync(1, `${line}\n`);
}
