/** The demo's file of airports, loaded into its store. */
import { loadFile } from '../../features/load/load-file.ts';
import { openLmdbStoreAlone } from '../../features/lmdb-store.ts';
import type { Project } from '../../project/project.ts';
import { createProgress } from '../progress.ts';
import { demoFile } from './flights.ts';

const VIEW = 'airport_profile';
const FILE = 'airports.csv';

/** @throws MillraceError LOAD_FAILED, STORE_FAILED */
export async function loadAirports(project: Project, dataDir: string): Promise<void> {
  const view = project.featureViews.get(VIEW);
  if (view === undefined) throw new Error(`the demo project has no view ${VIEW}`);
  const store = await openLmdbStoreAlone({ path: dataDir, views: project.featureViews.values() });
  const progress = createProgress(`loading ${FILE}`);
  try {
    const { written, rows } = await loadFile({
      file: demoFile(project, FILE),
      view,
      store,
      onProgress: (done, total, count) => progress.update(done, total, `${count} rows`),
    });
    process.stdout.write(`Loaded ${FILE} into ${VIEW}: ${written} of ${rows} rows written.\n`);
  } finally {
    progress.stop();
    await store.close();
  }
}
