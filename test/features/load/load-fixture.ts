/** A folder, a store and views for the tests of loading. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeEntityKey } from '../../../src/features/entity-key.ts';
import type { LoadOptions, LoadSummary } from '../../../src/features/load/load-file.ts';
import { loadFile } from '../../../src/features/load/load-file.ts';
import type { Reject } from '../../../src/features/load/rejects-file.ts';
import { openLmdbStoreAlone } from '../../../src/features/lmdb-store.ts';
import type { OnlineStore, Row } from '../../../src/features/online-store.ts';
import { parseDataType } from '../../../src/project/data-type.ts';
import type { FeatureView, JoinKey } from '../../../src/project/project.ts';
import type { Scalar } from '../../../src/project/value.ts';

export function featureView(
  keys: readonly JoinKey[],
  features: Readonly<Record<string, string>>,
): FeatureView {
  return {
    name: 'profile',
    entity: { name: 'subject', keys },
    ttlMs: undefined,
    timestampField: 'event_timestamp',
    onUnavailable: 'default',
    features: Object.entries(features).map(([name, text], index) => {
      const type = parseDataType(text);
      if (typeof type === 'string') throw new Error(type);
      return { name, type, index, default: undefined };
    }),
  };
}

/** One key `iata`, a number and a text. */
export const airports: FeatureView = featureView([{ name: 'iata', type: 'string' }], {
  delay: 'float64',
  state: 'string',
});

export interface LoadBench {
  readonly dir: string;
  readonly store: OnlineStore;
  path(name: string): string;
  /** Writes a file and loads it; without options, the event time of all rows is `loadedAt`. */
  load(name: string, content: string | Uint8Array, options?: Partial<LoadOptions>): Promise<LoadSummary>;
  /** What the store has for a key. */
  row(...key: Scalar[]): Row | null | undefined;
  /** The rejects file of a loaded file. */
  rejects(name: string): Promise<Reject[]>;
  close(): Promise<void>;
}

export const loadedAt = Date.parse('2001-03-09T00:00:00Z');

export async function createLoadBench(view: FeatureView = airports): Promise<LoadBench> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-load-'));
  const store = await openLmdbStoreAlone({ path: join(dir, 'data'), views: [view] });
  const path = (name: string): string => join(dir, name);
  return {
    dir,
    store,
    path,
    async load(name, content, options = { eventTime: loadedAt }) {
      await writeFile(path(name), content);
      return loadFile({ file: path(name), view, store, ...options });
    },
    row: (...key) => store.get(view, encodeEntityKey(view.entity, key)),
    async rejects(name) {
      const text = await readFile(path(`${name}.rejects.ndjson`), 'utf8');
      return text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Reject);
    },
    async close() {
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
}
