/** What the cache keeps (an entry for each entity key), and the reads that fill it. */
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

  constructor(slots: readonly Slot[], key: EntityKey, shard: Shard, epoch: number) {
    this.slots = slots;
    this.key = key;
    this.shard = shard;
    this.epoch = epoch;
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
    for (const row of this.rows) if (row !== null && row !== undefined) bytes += rowBytes(row);
    return bytes;
  }
}

/** A read of one entity key. */
export interface Fill {
  readonly name: string;
  readonly key: EntityKey;
  readonly views: FeatureView[];
  /** Where a view stands in `views`, by the index of its slot. */
  readonly places: (number | undefined)[];
  readonly batch: Batch;
  shard: Shard | undefined;
  epoch: number;
  /** A change was told after it was sent. */
  isOutdated: boolean;
  /** After the read: in the order of the views, an Error for what is no row; undefined = could not be read. */
  rows: (Row | null | Error)[] | undefined;
  isDone: boolean;
  /** The read of the same key that was sent before this one, if that was still under way. */
  before: Fill | undefined;
}

/** The reads of one turn. */
export class Batch {
  readonly fills: Map<string, Fill> = new Map();
  readonly done: Promise<void>;
  finish!: () => void;

  constructor() {
    this.done = new Promise((resolve) => (this.finish = resolve));
  }
}
