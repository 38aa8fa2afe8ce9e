/**
 * A process of its own for the tests of the event log, so that it can be killed, or run out of disk:
 *
 *   write DIR ROUND   appends for ever; `ROUND/n` of each acknowledged event is a line on standard output
 *   fill DIR          appends until it fails; says how on standard output
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/clock.ts';
import { MillraceError } from '../../src/errors.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import type { EventWrite } from '../../src/events/event-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { click, clickEvent } from './sample-events.ts';

const PARTITIONS = 4;
const BATCH = 20;
const CALLERS = 4;

const [command, path = '', round = '0'] = process.argv.slice(2);
const environment = await openLmdbEnvironment({ path });
const types = new Map([['click', click]]);
// Few ids stay in memory, so that the index of ids is written with every append.
const tailIdsMin = 100;
const log = await openLmdbEventLog({
  environment,
  types,
  partitionCount: PARTITIONS,
  clock: systemClock,
  tailIdsMin,
});
if (command === 'write') await Promise.all(Array.from({ length: CALLERS }, writeForever));
else await fill();

/** Every event goes into two partitions, and some are sent twice. */
async function writeForever(_: unknown, caller: number): Promise<void> {
  for (let n = caller * 1_000_000; ; n += BATCH) {
    const ids = Array.from({ length: BATCH }, (__, i) => `${round}/${n + (i % (BATCH - 1))}`);
    await log.append(ids.map(writeOf));
    // Synchronous: what is acknowledged has left the process before it can be killed.
    writeSync(1, `${ids.join('\n')}\n`);
  }
}

function writeOf(id: string): EventWrite {
  const partition = id.length % PARTITIONS;
  const page = 'x'.repeat(Number(id.split('/')[1]) % 700);
  return { event: clickEvent(id, page), partitions: [partition, (partition + 1) % PARTITIONS] };
}

async function fill(): Promise<void> {
  // The limit on the size of files, under which this runs, sends a signal that would end the process.
  process.on('SIGXFSZ', () => undefined);
  const outcomes: string[] = [];
  const refused: string[] = [];
  let appended = 0;
  for (let n = 0; outcomes.length === 0 && n < 1000; n++) {
    const calls = ['a', 'b'].map(async (caller) =>
      log.append([{ event: clickEvent(`${caller}/${n}`, 'x'.repeat(60_000)), partitions: [0] }]),
    );
    for (const [i, result] of (await Promise.allSettled(calls)).entries()) {
      if (result.status === 'fulfilled') appended++;
      else outcomes.push(describe(result.reason));
      if (result.status === 'rejected') refused.push(`${i === 0 ? 'a' : 'b'}/${n}`);
    }
  }
  const { records } = await log.read(0, 0, { recordsMax: 1e6, bytesMax: 1e9 });
  const again = await log.append([{ event: clickEvent('a/0'), partitions: [0] }]);
  const small = refused.map((id) => ({ event: clickEvent(id), partitions: [0] }));
  const later = await log.append(small);
  process.stdout.write(JSON.stringify({ outcomes, missing: appended - records.length, again, later }));
  await log.close();
  await environment.close();
}

function describe(error: unknown): string {
  return error instanceof MillraceError ? `${error.code} ${error.message}` : String(error);
}
