/** Loads a CSV file in a process of its own: `load-in-process.ts FILE DATA_DIR`. Prints the number of rows written. */
import { loadFile } from '../../../src/features/load/load-file.ts';
import { openLmdbStoreAlone } from '../../../src/features/lmdb-store.ts';
import { airports } from './load-fixture.ts';

const [file, path] = process.argv.slice(2) as [string, string];
const store = await openLmdbStoreAlone({ path, views: [airports] });
const { written } = await loadFile({ file, view: airports, store, eventTime: 0 });
await store.close();
process.stdout.write(String(written));
