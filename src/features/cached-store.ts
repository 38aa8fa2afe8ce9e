/**
 * The cache in front of a remote store: an online store that answers from memory what it has read before, and is told
 * of every change.
 *
 * - One entry per entity key, with the rows of the views that were asked for; null = there is no such row. Keys without
 *   any row have a part of the cache of their own, so that asking for what does not exist pushes out nothing that does.
 * - Misses of one turn of the event loop become one read, each entity key once in it. Whoever misses what is being read
 *   waits for that read.
 * - An entry is current while the epoch of its shard lasts (remote-store.ts) and no change of it was told. A read that
 *   is under way when a change is told, or whose epoch ends, is given to those who wait for it, but not kept. The `ttl`
 *   is a backstop only: an older entry is still given, while it is read anew behind it.
 * - An entry whose epoch has ended is read again. If the store is away, or does not answer, it is given as it is, up to
 *   `stale_max`, and counted as stale. What is not in memory then is missing, or an error, as its view says
 *   (`on_unavailable`).
 *
 * Rows are given out as they are kept, not copied: nobody may change one.
 */
import { LRUCache } from 'lru-cache';
import { MillraceError } from '../errors.ts';
import type { FeatureView } from '../project/project.ts';
import type { Counter, Metrics } from '../telemetry/metrics.ts';
import { Entry } from './cache-entry.ts';
import type { Slot } from './cache-entry.ts';
import { Fills } from './fills.ts';
import type { Batch, Fill } from './fills.ts';
import type {
  EntityKey,
  OnlineStore,
  Row,
  RowKey,
  RowWrite,
  StoreState,
  WriteOutcome,
} from './online-store.ts';
import type { RecentRows, RemoteStore, Shard } from './remote-store.ts';

export interface CachedStoreOptions {
  readonly views: Iterable<FeatureView>;
  /** Entity keys that are kept; 0 = none. */
  readonly entriesMax: number;
  /** Memory for rows, about; 0 = keep none. */
  readonly memoryBytesMax: number;
  readonly ttlMs: number;
  readonly staleMsMax: number;
  readonly metrics: Metrics;
}

export interface CachedStore extends OnlineStore {
  /** Entity keys in memory, those that were asked for last first. */
  recent(countMax: number): RecentRows;
}

/** Of the entries, those for keys without any row. */
const ABSENT_PART = 0.1;
/** How exact ages are: looking at the clock at each get would add a third to it. */
const CLOCK_STEP_MS = 50;

export function createCachedStore(remote: RemoteStore, options: CachedStoreOptions): CachedStore {
  return new MemoryFirst(remote, options);
}

class MemoryFirst implements CachedStore {
  private readonly remote: RemoteStore;
  private readonly options: CachedStoreOptions;
  private readonly slots = new Map<FeatureView, Slot>();
  private readonly slotsOfEntity = new Map<string, Slot[]>();
  private readonly present: LRUCache<string, Entry>;
  private readonly isKept: boolean;
  private readonly absent: LRUCache<string, Entry>;
  private readonly fills: Fills;
  /** Of the last get, unless it is in the cache no more: then no change would reach it. */
  private last: Entry | undefined;
  private nowMs = performance.now();
  private awaySinceMs: number | undefined;
  private readonly clock: NodeJS.Timeout;
  private readonly counts: Readonly<Record<'invalidation' | 'eviction', Counter>>;
  private closing: Promise<void> | undefined;

  constructor(remote: RemoteStore, options: CachedStoreOptions) {
    this.remote = remote;
    this.options = options;
    this.fills = new Fills(
      remote,
      (view) => this.slotOf(view),
      (fill) => this.take(fill),
    );
    const { metrics, entriesMax, memoryBytesMax } = options;
    for (const view of options.views) this.addSlot(view, metrics);
    this.counts = {
      invalidation: metrics.counter('millrace_cache_invalidations_total', 'Entries dropped by a change.', {}),
      eviction: metrics.counter('millrace_cache_evictions_total', 'Entries dropped for want of room.', {}),
    };
    const isKept = entriesMax > 0 && memoryBytesMax > 0;
    this.isKept = isKept;
    const cache = (part: number): LRUCache<string, Entry> =>
      new LRUCache({
        max: isKept ? Math.max(1, Math.floor(entriesMax * part)) : 1,
        maxSize: Math.max(1, Math.floor(memoryBytesMax * part)),
        sizeCalculation: (entry, name) => entry.bytes(name),
        dispose: (_entry, _name, why) => {
          this.last = undefined;
          if (why === 'evict') this.counts.eviction.add(1);
        },
      });
    this.present = cache(1 - ABSENT_PART);
    this.absent = cache(ABSENT_PART);
    metrics.gauge('millrace_cache_entries', 'Entity keys in memory.', () => [
      { labels: { rows: 'some' }, value: this.present.size },
      { labels: { rows: 'none' }, value: this.absent.size },
    ]);
    metrics.gauge('millrace_cache_bytes', 'Memory that they take, about.', () => [
      { labels: {}, value: this.present.calculatedSize + this.absent.calculatedSize },
    ]);
    this.clock = setInterval(() => this.tick(), CLOCK_STEP_MS);
    this.clock.unref();
    remote.onChange((names) => {
      for (const name of names) if (this.forget(name)) this.counts.invalidation.add(1);
    });
  }

  get(view: FeatureView, key: EntityKey): Row | null | undefined {
    const slot = this.slotOf(view);
    const entry = this.lastEntry(view, key);
    if (entry === undefined) return undefined;
    const row = entry.rows[slot.index];
    if (entry.isCurrent && row !== undefined) {
      const ageMs = this.nowMs - entry.readAtMs;
      if (ageMs > this.options.staleMsMax) return undefined;
      if (ageMs > this.options.ttlMs) this.refresh(entry);
      slot.counts.hit.add(1);
      return row;
    }
    const last = this.lastKnown(entry, slot);
    // Another server may have the rows by now, and answer.
    if (last === undefined || !this.remote.shardOf(this.remote.nameOf(view, key)).isAway) return undefined;
    slot.counts.stale.add(1);
    return last;
  }

  async read(keys: readonly RowKey[]): Promise<(Row | null)[]> {
    if (this.closing !== undefined) throw new Error('the store is closed');
    const fills = this.fills.for(keys);
    let last: Batch | undefined;
    for (const { batch } of fills) {
      if (batch !== last) await batch.done;
      last = batch;
    }
    return keys.map(({ view }, i) => this.rowOf(fills[i] as Fill, this.slotOf(view)));
  }

  async write(rows: readonly RowWrite[]): Promise<WriteOutcome[]> {
    let outcomes: WriteOutcome[] = [];
    try {
      outcomes = await this.remote.write(rows);
      return outcomes;
    } finally {
      // Also if it failed: it may have been written. The change is told too, but later.
      rows.forEach((write, i) => this.outdate(write, outcomes[i]));
    }
  }

  staleMs(view: FeatureView, key: EntityKey, row: Row | null): number {
    const entry = this.entryOf(this.remote.nameOf(view, key));
    const { index } = this.slotOf(view);
    if (entry === undefined || (entry.isCurrent && entry.rows[index] === row)) return 0;
    return entry.lastRow(index) === row ? performance.now() - entry.lastReadAtMs(index) : 0;
  }

  state(): StoreState {
    if (this.awaySinceMs === undefined) return 'answers';
    return performance.now() - this.awaySinceMs > this.options.staleMsMax ? 'away' : 'stale';
  }

  recent(countMax: number): RecentRows {
    const found: Record<string, { views: Set<string>; keys: EntityKey[] }> = {};
    let count = 0;
    for (const entry of this.present.values()) {
      if (++count > countMax) break;
      const { entity } = (entry.slots[0] as Slot).view;
      const of = (found[entity.name] ??= { views: new Set(), keys: [] });
      of.keys.push(entry.key);
      for (const { name } of entry.views) of.views.add(name);
    }
    return Object.fromEntries(
      Object.entries(found).map(([name, { views, keys }]) => [name, { views: [...views], keys }]),
    );
  }

  async close(): Promise<void> {
    clearInterval(this.clock);
    this.closing ??= this.remote.close();
    return this.closing;
  }

  private tick(): void {
    this.nowMs = performance.now();
    if (this.remote.isAway) this.awaySinceMs ??= this.nowMs;
    else this.awaySinceMs = undefined;
  }

  private addSlot(view: FeatureView, metrics: Metrics): void {
    const slots = this.slotsOfEntity.get(view.entity.name) ?? [];
    const count = (outcome: string): Counter =>
      metrics.counter('millrace_cache_rows_total', 'Rows that were asked for, by where they came from.', {
        view: view.name,
        outcome,
      });
    const slot: Slot = {
      view,
      index: slots.length,
      counts: {
        hit: count('hit'),
        miss: count('miss'),
        stale: count('stale'),
        unavailable: count('unavailable'),
      },
    };
    slots.push(slot);
    this.slotsOfEntity.set(view.entity.name, slots);
    this.slots.set(view, slot);
  }

  private slotOf(view: FeatureView): Slot {
    const slot = this.slots.get(view);
    if (slot === undefined) throw new Error(`feature view ${view.name} was not given to the cache`);
    return slot;
  }

  /** Views of one entity key are mostly asked for one after the other. */
  private lastEntry(view: FeatureView, key: EntityKey): Entry | undefined {
    if (this.last?.key === key && (this.last.slots[0] as Slot).view.entity === view.entity) return this.last;
    return (this.last = this.entryOf(this.remote.nameOf(view, key)));
  }

  private entryOf(name: string): Entry | undefined {
    return this.present.get(name) ?? this.absent.get(name);
  }

  /** What may be given while the store is away. */
  private lastKnown(entry: Entry, { index }: Slot): Row | null | undefined {
    const isTooOld = this.nowMs - entry.lastReadAtMs(index) > this.options.staleMsMax;
    return isTooOld ? undefined : entry.lastRow(index);
  }

  /**
   * What is known of this name is true no more; it is kept for as long as the store may be away. Gives whether
   * anything was known.
   */
  private forget(name: string): boolean {
    this.fills.outdate(name);
    const entry = this.present.peek(name) ?? this.absent.peek(name);
    if (entry === undefined || entry.epoch === 0) return false;
    entry.epoch = 0;
    return true;
  }

  /** After a write of this process: should the store go away now, then what was written is the best that is known. */
  private outdate({ view, key, row }: RowWrite, outcome: WriteOutcome | undefined): void {
    const name = this.remote.nameOf(view, key);
    this.forget(name);
    const entry = this.present.peek(name) ?? this.absent.peek(name);
    if (outcome !== 'written' || entry === undefined) return;
    const bytes = entry.bytes(name);
    entry.rows[this.slotOf(view).index] = row;
    // A push alone is no reason to keep an entry longer than those that were asked for since.
    if (entry.bytes(name) !== bytes) this.place(name, entry);
  }

  /** After a read, before whoever waits for it goes on. */
  private take(fill: Fill): void {
    this.nowMs = performance.now();
    const { shard, rows } = fill;
    if (rows === undefined || !this.isKept || fill.isOutdated || fill.epoch === 0 || shard === undefined)
      return;
    if (fill.epoch === shard.epoch) this.keep(fill, shard, rows);
  }

  private keep({ name, key, epoch, views }: Fill, shard: Shard, rows: readonly (Row | null | Error)[]): void {
    const known = this.entryOf(name);
    const isSame = known !== undefined && known.epoch === epoch && known.shard === shard;
    const slots = this.slotsOfEntity.get((views[0] as FeatureView).entity.name) as Slot[];
    const entry = isSame ? known : new Entry(slots, key, shard, epoch, known);
    views.forEach((view, i) => {
      const row = rows[i];
      entry.rows[this.slotOf(view).index] = row instanceof Error ? undefined : row;
    });
    entry.readAtMs = this.nowMs;
    entry.isRefreshing = false;
    this.place(name, entry);
  }

  /** The cache measures an entry only when it is new. */
  private place(name: string, entry: Entry): void {
    this.present.delete(name);
    this.absent.delete(name);
    (entry.isAbsent ? this.absent : this.present).set(name, entry);
  }

  private rowOf(fill: Fill, slot: Slot): Row | null {
    const row = fill.rows?.[fill.places[slot.index] as number];
    if (row instanceof Error) throw row;
    if (row !== undefined) {
      slot.counts.miss.add(1);
      return row;
    }
    const entry = this.entryOf(fill.name);
    const last = entry && this.lastKnown(entry, slot);
    if (last !== undefined) {
      slot.counts.stale.add(1);
      return last;
    }
    slot.counts.unavailable.add(1);
    if (slot.view.onUnavailable === 'default') return null;
    const sentence = `The online store could not be read, and the view "${slot.view.name}" asks for an error then; retry later.`;
    throw new MillraceError('STORE_FAILED', sentence, { retryAfterMs: 1000 });
  }

  private refresh(entry: Entry): void {
    if (entry.isRefreshing) return;
    entry.isRefreshing = true;
    const { views } = entry;
    const [fill] = this.fills.for(views.map((view) => ({ view, key: entry.key })));
    void fill?.batch.done.then(() => (entry.isRefreshing = false));
  }
}
