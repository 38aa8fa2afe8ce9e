/**
 * Rows of the views that are not computed from events: from files, as they were at the time of the request, or from the
 * store, which knows only the latest. It counts what it finds, because a table without them looks like any other.
 */
import { loadFile } from '../../features/load/load-file.ts';
import type { OnlineStore, Row, RowSource } from '../../features/online-store.ts';
import { createRowHistory } from '../../features/row-history.ts';
import type { FeatureView, Project } from '../../project/project.ts';
import { suggestName } from '../../project/suggestion.ts';
import { createProgress } from '../progress.ts';
import { openCommandStore } from '../store-options.ts';
import type { StoreOptions } from '../store-options.ts';
import { failure } from './replay-setup.ts';

export interface LoadedRows {
  readonly source: RowSource;
  /** Views of which no row was found. */
  unfound(): readonly FeatureView[];
  close(): Promise<void>;
}

/**
 * @param views those that are read
 * @param files by the name of a view; the store is opened for the others, if there are any
 * @throws MillraceError REPLAY_FAILED, LOAD_FAILED, STORE_FAILED, STARTUP_FAILED
 */
export async function openLoadedRows(
  project: Project,
  views: readonly FeatureView[],
  files: ReadonlyMap<string, string>,
  options: StoreOptions,
): Promise<LoadedRows> {
  const loaded = views.filter(({ stream }) => stream === undefined);
  const history = createRowHistory();
  for (const [name, file] of files) await loadInto(history, loaded, name, file);
  const found = new Set<FeatureView>();
  const noted = <T extends Row | null | undefined>(view: FeatureView, row: T): T => {
    if (row !== null && row !== undefined) found.add(view);
    return row;
  };
  const isStored = loaded.some(({ name }) => !files.has(name));
  const store = isStored ? await openCommandStore(project, options) : undefined;
  return {
    source: {
      get: (view, key, asOfMs) =>
        noted(view, files.has(view.name) ? history.get(view, key, asOfMs) : store?.get(view, key)),
      async read(keys) {
        const rows = await (store as OnlineStore).read(keys);
        return rows.map((row, i) => noted(keys[i]?.view as FeatureView, row));
      },
      staleMs: () => 0,
    },
    unfound: () => loaded.filter((view) => !found.has(view)),
    close: async () => store?.close(),
  };
}

async function loadInto(
  history: ReturnType<typeof createRowHistory>,
  views: readonly FeatureView[],
  name: string,
  file: string,
): Promise<void> {
  const view = views.find((each) => each.name === name);
  if (view === undefined) {
    const names = views.map((each) => each.name);
    const known = names.length === 0 ? 'it reads none' : suggestName(name, names, 'loaded views');
    throw failure(`--rows ${name}: the model reads no loaded view "${name}"; ${known}`);
  }
  const progress = createProgress(`loading ${file}`);
  try {
    const onProgress = (done: number, total: number, rows: number): void =>
      progress.update(done, total, `${rows.toLocaleString('en-US')} rows`);
    const { firstReject, counts, rejectsPath } = await loadFile({ file, view, store: history, onProgress });
    if (firstReject === undefined) return;
    const [first] = firstReject.reasons;
    const place = `${file}, ${counts} ${firstReject.line}`;
    throw failure(
      `${place}: ${first?.column ?? 'the row'} ${first?.reason}; ${rejectsPath} has all such rows`,
    );
  } finally {
    progress.stop();
  }
}
