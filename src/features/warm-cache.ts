/**
 * Keeps the list of rows that were asked for lately in the remote store, where any server finds it, and reads them into
 * the cache of one that starts, before it is ready: so a restart does not send all its callers to Redis at once.
 */
import type { FeatureView } from '../project/project.ts';
import type { Log } from '../telemetry/log.ts';
import type { CachedStore } from './cached-store.ts';
import type { RowKey } from './online-store.ts';
import type { RecentRows, RemoteStore } from './remote-store.ts';

/** Entity keys of the list. */
export const RECENT_KEYS_MAX = 20_000;
const READ_AT_ONCE = 500;
const WARM_MS_MAX = 10_000;
const KEEP_EVERY_MS = 60_000;

/** Reads the rows of the list; resolves with how many. What cannot be read in time is left out. */
export async function warmCache(
  store: CachedStore,
  recent: RecentRows,
  views: Iterable<FeatureView>,
): Promise<number> {
  const rows = rowKeys(recent, [...views]);
  const endMs = performance.now() + WARM_MS_MAX;
  let count = 0;
  while (count < rows.length && performance.now() < endMs) {
    const some = rows.slice(count, count + READ_AT_ONCE);
    // One that cannot be read is a matter of who asks for it.
    await store.read(some).catch(() => undefined);
    count += some.length;
  }
  return count;
}

/** Rows of views that there are no more are left out. */
function rowKeys(recent: RecentRows, views: readonly FeatureView[]): RowKey[] {
  return Object.entries(recent).flatMap(([entity, { views: names, keys }]) => {
    const wanted = views.filter((view) => view.entity.name === entity && names.includes(view.name));
    return keys.flatMap((key) => wanted.map((view): RowKey => ({ view, key })));
  });
}

/** Own keys first, then those of other servers, while there is room: an idle server leaves theirs alone. */
function mergeRecent(own: RecentRows, others: RecentRows): RecentRows {
  let room = RECENT_KEYS_MAX - Object.values(own).reduce((sum, { keys }) => sum + keys.length, 0);
  const merged: Record<string, RecentRows[string]> = { ...own };
  for (const [entity, { views, keys }] of Object.entries(others)) {
    const mine = own[entity] ?? { views: [], keys: [] };
    const known = new Set(mine.keys);
    const more = keys.filter((key) => !known.has(key)).slice(0, room);
    room -= more.length;
    merged[entity] = { views: [...new Set([...mine.views, ...views])], keys: [...mine.keys, ...more] };
  }
  return merged;
}

/** Writes the list now and then. Gives a function that writes it for the last time. */
export function keepRecentRows(store: CachedStore, remote: RemoteStore, log: Log): () => Promise<void> {
  const keep = async (): Promise<void> => {
    const own = store.recent(RECENT_KEYS_MAX);
    if (Object.keys(own).length === 0) return;
    try {
      await remote.keepRecent(mergeRecent(own, await remote.recent(RECENT_KEYS_MAX)));
    } catch (error) {
      // Nothing but the next start's speed depends on it, and some users may not write.
      log.debug({ err: error }, 'the list of recent rows could not be written');
    }
  };
  const timer = setInterval(() => void keep(), KEEP_EVERY_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await keep();
  };
}
