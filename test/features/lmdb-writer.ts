/**
 * A process that writes to an LMDB store, for the tests that need a second one. Its jobs, by the first argument:
 *
 *   counters PATH OFFSET   writes event times OFFSET, OFFSET + 2, … under ten keys, with a schema of its own
 *   batches PATH           writes batches of ten rows until it is killed; prints the number of each one acknowledged
 *   fill PATH              writes until the disk is full, then one small row; prints what became of both
 *   open PATH              opens the store and prints the error
 */
import { writeSync } from 'node:fs';
import { MillraceError } from '../../src/errors.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type { OnlineStore, RowWrite } from '../../src/features/online-store.ts';
import { entityOf, viewOf } from './sample-project.ts';

const [job, path = '', offset = '0'] = process.argv.slice(2);
const entity = entityOf('entity', { id: 'string' });
const batches = viewOf('batches', entity, { batch: 'int64', text: 'string' });

if (job === 'counters') await writeCounters(Number(offset));
if (job === 'batches') await writeBatches();
if (job === 'fill') await fillDisk();
if (job === 'open') await openOnly();

async function writeCounters(first: number): Promise<void> {
  const counters = viewOf('counters', entity, { [`only_in_${first}`]: 'string', count: 'int64' });
  const store = await openLmdbStoreAlone({ path, views: [counters] });
  for (let time = first; time < 200; time += 2) {
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
    await store.write(keys.map((key): RowWrite => ({ view: counters, key, row: [time, 'x', time] })));
  }
  await store.close();
}

async function writeBatches(): Promise<void> {
  const store = await openLmdbStoreAlone({ path, views: [batches] });
  let next = Number(offset);
  const writeForever = async (): Promise<void> => {
    for (;;) {
      const batch = next++;
      const keys = Array.from({ length: 10 }, (_, i) => `${batch}/${i}`);
      await store.write(
        keys.map((key): RowWrite => ({ view: batches, key, row: [1, batch, 'x'.repeat(batch % 3000)] })),
      );
      // Synchronous: what is acknowledged has left the process before it can be killed.
      writeSync(1, `${batch}\n`);
    }
  };
  await Promise.all([writeForever(), writeForever(), writeForever()]);
}

async function fillDisk(): Promise<void> {
  // The limit on the size of files, under which this runs, sends a signal that would end the process.
  process.on('SIGXFSZ', () => undefined);
  const store = await openLmdbStoreAlone({ path, views: [batches] });
  const text = 'x'.repeat(100_000);
  let written = 0;
  let failed: unknown;
  while (failed === undefined && written < 1000) {
    const calls = [tryWrite(store, `${written}`, text), tryWrite(store, `${written}+`, text)];
    failed = (await Promise.all(calls)).find((error) => error !== undefined);
    if (failed === undefined) written++;
  }
  const isWhole =
    store.get(batches, `${written - 1}`)?.[2] === text && store.get(batches, `${written}`) === null;
  const later = await tryWrite(store, '0', 'small');
  await store.close();
  process.stdout.write(JSON.stringify({ failed, isWhole, later: later ?? 'written' }));
}

async function tryWrite(store: OnlineStore, key: string, text: string): Promise<unknown> {
  try {
    await store.write([{ view: batches, key, row: [1, 0, text] }]);
    return undefined;
  } catch (error) {
    return describe(error);
  }
}

async function openOnly(): Promise<void> {
  try {
    await openLmdbStoreAlone({ path, views: [batches] });
    process.stdout.write('opened');
  } catch (error) {
    process.stdout.write(JSON.stringify(describe(error)));
  }
}

function describe(error: unknown): unknown {
  return error instanceof MillraceError ? { code: error.code, message: error.message } : String(error);
}
