/** What the cache keeps: an entry for each entity key. */
import type { FeatureView } from '../project/project.ts';
import type { Counter } from '../telemetry/metrics.ts';
import type { EntityKey, Row } from './online-store.ts';
import type { Shard } from './remote-store.ts';
import { entryBytes, rowBytes } from './row-bytes.ts';

/** What is known of a view: its place in the entries of its entity, and its counts. */
export interface Slot {
  readonly view: FeatureView;
  readonly index: number;
  readonly counts: Readonly<Record<'hit' | 'miss' | 'stale' | 'unavailable', Counter>>;
}

export class Entry {
  readonly slots: readonly Slot[];
  readonly key: EntityKey;
  readonly shard: Shard;
  /** 0 = a change of it was told. */
  epoch: number;
  /** By the index of the slot; undefined = not read. */
  readonly rows: (Row | null | undefined)[] = [];
  readAtMs = 0;
  isRefreshing = false;
  /** Of views that have not been read since the key changed: good enough while the store is away. */
  private readonly former: { readonly row: Row | null; readonly readAtMs: number }[] = [];

  /** @param before what was known of the key until now */
  constructor(slots: readonly Slot[], key: EntityKey, shard: Shard, epoch: number, before?: Entry) {
    this.slots = slots;
    this.key = key;
    this.shard = shard;
    this.epoch = epoch;
    for (const { index } of slots) {
      const row = before?.lastRow(index);
      if (row !== undefined) this.former[index] = { row, readAtMs: before?.lastReadAtMs(index) ?? 0 };
    }
  }

  /** The latest that is known, whether it is true or not. */
  lastRow(index: number): Row | null | undefined {
    const row = this.rows[index];
    return row === undefined ? this.former[index]?.row : row;
  }

  lastReadAtMs(index: number): number {
    return this.rows[index] === undefined ? (this.former[index]?.readAtMs ?? this.readAtMs) : this.readAtMs;
  }

  get isCurrent(): boolean {
    return this.epoch !== 0 && this.epoch === this.shard.epoch;
  }

  get isAbsent(): boolean {
    return this.rows.every((row) => row === null || row === undefined);
  }

  get views(): FeatureView[] {
    return this.slots.filter(({ index }) => this.rows[index] !== undefined).map(({ view }) => view);
  }

  /** Memory that it takes under this name, about. */
  bytes(name: string): number {
    let bytes = entryBytes(name);
    for (const { index } of this.slots) {
      const row = this.lastRow(index);
      if (row !== null && row !== undefined) bytes += rowBytes(row);
    }
    return bytes;
  }
}
