/**
 * The reads of the cache that are to be sent, and those that are under way. Misses of one turn of the event loop become
 * one read, each entity key once in it; whoever misses what is being read waits for that read, if it is still true.
 */
import type { FeatureView } from '../project/project.ts';
import type { Slot } from './cache-entry.ts';
import type { EntityKey, Row, RowKey } from './online-store.ts';
import type { RemoteStore, Shard } from './remote-store.ts';

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

/** Reads that go out together, at most: so Redis works on some while those before are decoded. */
const BATCH_FILLS = 64;

export class Fills {
  private readonly remote: RemoteStore;
  private readonly slotOf: (view: FeatureView) => Slot;
  private readonly taken: (fill: Fill) => void;
  /** The latest read of a key that is under way; those before it are in its chain. */
  private readonly inFlight = new Map<string, Fill>();
  private next: Batch | undefined;

  /** @param taken called when a read has come back, before whoever waits for it */
  constructor(remote: RemoteStore, slotOf: (view: FeatureView) => Slot, taken: (fill: Fill) => void) {
    this.remote = remote;
    this.slotOf = slotOf;
    this.taken = taken;
  }

  /** A change of this key was told: reads that are under way may have missed it. */
  outdate(name: string): void {
    for (let fill = this.inFlight.get(name); fill !== undefined; fill = fill.before) fill.isOutdated = true;
  }

  /** Neighbours in `keys` are often views of the same entity key. */
  for(keys: readonly RowKey[]): Fill[] {
    let last: Fill | undefined;
    const fills = keys.map(({ view, key }) => {
      const isSame = last?.key === key && last.views[0]?.entity === view.entity && last.batch === this.next;
      if (!isSame || last === undefined) return (last = this.one(view, key));
      addView(last, this.slotOf(view));
      return last;
    });
    // Not before: views of a key that was asked for already may come last.
    if (this.next !== undefined && this.next.fills.size >= BATCH_FILLS) this.send();
    return fills;
  }

  /** The read to wait for: one that is under way and still true, or one of the next batch. */
  private one(view: FeatureView, key: EntityKey): Fill {
    const name = this.remote.nameOf(view, key);
    const sent = this.inFlight.get(name);
    const isTrue =
      sent !== undefined && !sent.isOutdated && sent.epoch !== 0 && sent.epoch === sent.shard?.epoch;
    if (isTrue && sent.views.includes(view)) return sent;
    const fill = this.enqueue(name, key, sent);
    addView(fill, this.slotOf(view));
    return fill;
  }

  private enqueue(name: string, key: EntityKey, before: Fill | undefined): Fill {
    const known = this.next?.fills.get(name);
    if (known !== undefined) return known;
    if (this.next === undefined) {
      this.next = new Batch();
      setImmediate(this.send);
    }
    const batch = this.next;
    const fill: Fill = {
      name,
      key,
      views: [],
      places: [],
      batch,
      shard: undefined,
      epoch: 0,
      isOutdated: false,
      rows: undefined,
      isDone: false,
      before,
    };
    batch.fills.set(name, fill);
    return fill;
  }

  private readonly send = (): void => {
    const batch = this.next;
    this.next = undefined;
    if (batch !== undefined) void this.run(batch);
  };

  private async run(batch: Batch): Promise<void> {
    const fills = [...batch.fills.values()];
    for (const fill of fills) {
      fill.shard = this.remote.shardOf(fill.name);
      fill.epoch = fill.shard.epoch;
      this.inFlight.set(fill.name, fill);
    }
    const parts: Fill[][] = [];
    for (let from = 0; from < fills.length; from += BATCH_FILLS)
      parts.push(fills.slice(from, from + BATCH_FILLS));
    await Promise.all(parts.map(async (part) => this.fill(part)));
    batch.finish();
  }

  private async fill(fills: readonly Fill[]): Promise<void> {
    const results = await this.remote.read(fills);
    fills.forEach((fill, i) => {
      fill.rows = results[i];
      this.taken(fill);
      this.end(fill);
    });
  }

  /** Leaves in the chain of reads of a key only what is under way, so that a change reaches all of it. */
  private end(fill: Fill): void {
    fill.isDone = true;
    while (fill.before?.isDone === true) fill.before = fill.before.before;
    if (this.inFlight.get(fill.name) !== fill) return;
    if (fill.before === undefined) this.inFlight.delete(fill.name);
    else this.inFlight.set(fill.name, fill.before);
  }
}

function addView({ views, places }: Fill, { view, index }: Slot): void {
  places[index] ??= views.push(view) - 1;
}
