/** A process that takes the write lock of the LMDB environment in a folder, says so, and keeps it until it is killed. */
import { writeSync } from 'node:fs';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';

const [path = ''] = process.argv.slice(2);
const environment = await openLmdbEnvironment({ path });
await environment.transaction(() => {
  writeSync(1, 'held\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
