/** The demo's feature files, loaded once: a second start finds a note of what was loaded and leaves it. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../../errors.ts';
import { loadFile } from '../../features/load/load-file.ts';
import { openLmdbStoreAlone } from '../../features/lmdb-store.ts';
import type { OnlineStore } from '../../features/online-store.ts';
import type { Project } from '../../project/project.ts';
import { createProgress } from '../progress.ts';

const files = [{ view: 'airport_profile', name: 'airports.csv' }] as const;

/** Loads what is not loaded yet, and says so in a line per file. */
export async function loadDemoData(project: Project, dataDir: string): Promise<void> {
  const notePath = join(dataDir, 'demo-data.json');
  const wanted = await fingerprints(project);
  const store = await openLmdbStoreAlone({ path: dataDir, views: project.featureViews.values() });
  try {
    const note = await readFile(notePath, 'utf8').catch(() => '');
    if (note === wanted && holdsRows(project, store)) {
      process.stdout.write(`Feature data is loaded already (${dataDir}).\n`);
      return;
    }
    for (const { view: viewName, name } of files) {
      const view = project.featureViews.get(viewName);
      if (view === undefined) throw new Error(`the demo project has no view ${viewName}`);
      const progress = createProgress(`loading ${name}`);
      const { written, rows } = await loadFile({
        file: demoFile(project, name),
        view,
        store,
        onProgress: (done, total, count) => progress.update(done, total, `${count} rows`),
      });
      progress.stop();
      process.stdout.write(`Loaded ${name} into ${viewName}: ${written} of ${rows} rows written.\n`);
    }
    await writeFile(notePath, wanted).catch((cause: unknown) => {
      throw new MillraceError(
        'LOAD_FAILED',
        `${notePath} cannot be written; name another folder with --data DIR.`,
        {
          cause,
        },
      );
    });
  } finally {
    await store.close();
  }
}

/** The note alone proves nothing: the store's files beside it may have been removed. */
function holdsRows(project: Project, store: OnlineStore): boolean {
  return files.every(({ view: viewName }) => {
    const view = project.featureViews.get(viewName);
    return view !== undefined && store.get(view, 'JFK') !== null;
  });
}

export function demoFile(project: Project, name: string): string {
  return join(project.dir, 'data', name);
}

async function fingerprints(project: Project): Promise<string> {
  const hashes = files.map(async ({ name }) => {
    const content = await readFile(demoFile(project, name));
    return [name, createHash('sha256').update(content).digest('hex')] as const;
  });
  return JSON.stringify(Object.fromEntries(await Promise.all(hashes)));
}
