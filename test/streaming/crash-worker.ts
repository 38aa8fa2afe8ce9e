/**
 * A process of its own for crash tests, so that it can be killed. It opens a place and says `ready`; then it appends the
 * batches whose numbers it reads, one a line, and prints the number of each that is durable. Beside others that do the
 * same, it applies what is in the log.
 *
 *   crash-worker.ts ADDRESS EVENTS
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { batchOf } from './crash-events.ts';
import { writeOf } from './flight-stream.ts';
import { openPlace } from './open-place.ts';

const [address = '', events = ''] = process.argv.slice(2);
const { log, routing } = await openPlace(address);
// Synchronous: what is acknowledged has left the process before it can be killed.
writeSync(1, 'ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  await log.append(batchOf(Number(line), Number(events)).map((event) => writeOf(event, routing)));
  writeSync(1, `${line}\n`);
}
