/** The demo's feature files, loaded once: a second start finds a note of what was loaded and leaves it. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadFile } from '../../features/load/load-file.ts';
import { openLmdbStore } from '../../features/lmdb-store.ts';
import type { Project } from '../../project/project.ts';
import { createProgress } from '../progress.ts';

const files = [
  { view: 'airport_profile', name: 'airports.csv' },
  { view: 'airport_delays', name: 'airport_delays.csv' },
] as const;

/** Loads what is not loaded yet, and says so in a line per file. */
export async function loadDemoData(project: Project, dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const notePath = join(dataDir, 'demo-data.json');
  const wanted = await fingerprints(project);
  if ((await readFile(notePath, 'utf8').catch(() => '')) === wanted) {
    process.stdout.write(`Feature data is loaded already (${dataDir}).\n`);
    return;
  }
  const store = await openLmdbStore({ path: dataDir, views: project.featureViews.values() });
  try {
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
  } finally {
    await store.close();
  }
  await writeFile(notePath, wanted);
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
