/**
 * A process of its own for the tests of the event log in Redis: appends for ever, and sends again what failed, as a
 * careful caller does. Each acknowledged batch is a line of ids on standard output, ids of a producer ascending.
 *
 *   URL PROJECT NAME
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { MillraceError } from '../../src/errors.ts';
import type { EventWrite } from '../../src/events/event-log.ts';
import { openLogAt } from './redis-log-place.ts';
import { clickEvent } from './sample-events.ts';

const PARTITIONS = 4;
const BATCH = 20;
const PRODUCERS = 3;
const RETRY_MS = 5;

const [url = '', project = '', name = ''] = process.argv.slice(2);
const log = await openLogAt(url, project);
await Promise.all(Array.from({ length: PRODUCERS }, produceForever));

async function produceForever(_: unknown, producer: number): Promise<void> {
  for (let n = 0; ; n += BATCH) {
    const ids = Array.from({ length: BATCH }, (__, i) => `${name}.${producer}/${n + i}`);
    await appendSurely(ids.map(writeOf));
    writeSync(1, `${ids.join(' ')}\n`);
  }
}

/** Into two partitions; each producer into every partition. */
function writeOf(id: string): EventWrite {
  const n = Number(id.split('/')[1]);
  const partition = n % PARTITIONS;
  return {
    event: clickEvent(id, 'x'.repeat(n % 700)),
    partitions: [partition, (partition + 1) % PARTITIONS],
  };
}

async function appendSurely(writes: readonly EventWrite[]): Promise<void> {
  for (;;) {
    try {
      await log.append(writes);
      return;
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'STORE_FAILED') throw error;
      await pause(RETRY_MS);
    }
  }
}
