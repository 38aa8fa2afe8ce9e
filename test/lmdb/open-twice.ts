/** Opens an environment for the second time in a process that writes to it all the time, says so, and ends. */
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';

const OPENINGS = 50;

const [path = ''] = process.argv.slice(2);
const first = await openLmdbEnvironment({ path });
const database = first.byteKeys('numbers');
let isOver = false;
const writing = (async () => {
  for (let i = 0; !isOver; i++)
    await first.transaction(() => database?.put(Buffer.from([i % 256]), Buffer.from([i % 256])));
})();
for (let i = 0; i < OPENINGS; i++) {
  // In the middle of a commit.
  await new Promise((resolve) => setTimeout(resolve, i % 3));
  const second = await openLmdbEnvironment({ path });
  await second.transaction(() => second.textKeys('texts')?.put(`k${i}`, Buffer.from([i])));
  await second.close();
}
isOver = true;
await writing;
console.log(first.textKeys('texts')?.get(`k${OPENINGS - 1}`)?.[0]);
await first.close();
