/**
 * Applies the event log to the tiles. For each partition: where is it applied up to; what follows in the log; the tiles
 * of the entities in it; fold the events in; store all of that in one step (tile-store.ts). When another applier was
 * faster, what it changed is forgotten, and it is begun again from where that one is.
 *
 * - An event that is older than the latest one of its partition by more than the allowed lateness goes to the corrections,
 *   not into tiles.
 * - An event that cannot be applied goes to the dead letters, with its reason, in the step that moves the offset past it.
 *   Where a batch fails and the store is well, its events are tried one by one, so that only those that are to blame are
 *   set aside, and no event holds up those behind it.
 * - What fails with STORE_FAILED (a full disk) is tried again, ever more slowly, until it is stored.
 *
 * Batches are small, so that a prediction never waits for a long one: folding takes about 1 us an event and aggregate.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { EventLog, LogRead, LogRecord } from '../events/event-log.ts';
import type { AcceptedEvent } from '../events/event.ts';
import type { SetAsideEntry } from '../events/set-aside-log.ts';
import type { StoredTiles } from './stored-tiles.ts';
import type { StreamRouting } from './stream-routing.ts';
import { tiledName } from './tile-store.ts';
import type { Position, TileChange, TiledEntity, TileStore } from './tile-store.ts';
import type { TakenTiles, WindowedRows } from './windowed-rows.ts';
import type { ApplyReport } from './apply-report.ts';

export interface Applier {
  /** Applies what is in these partitions soon; the log calls it when something was appended. */
  wake(partitions: Iterable<number>): void;
  /** Resolves when all that is in the log now is applied. */
  settle(): Promise<void>;
  /** Waits for the batches that are under way. */
  close(): Promise<void>;
}

export interface ApplierParts {
  readonly log: EventLog;
  readonly store: TileStore;
  readonly stored: StoredTiles;
  readonly rows: WindowedRows;
  readonly routing: StreamRouting;
  readonly latenessMs: number;
  readonly report: ApplyReport;
  readonly clock: Clock;
}

/**
 * A full batch, which there is only while an applier catches up, holds up the event loop for about 5 ms. With 256 records
 * half as many events a second were applied.
 */
const READ_LIMITS = { recordsMax: 1024, bytesMax: 1024 * 1024 };
const ONE_RECORD = { ...READ_LIMITS, recordsMax: 1 };
/** What another process accepted, and did not live to apply. */
const LOOK_EVERY_MS = 1000;
const TOO_LATE = 'older than the latest event of its partition by over streaming.allowed_lateness';
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5000;

export function createApplier(parts: ApplierParts): Applier {
  const partitions = Array.from(
    { length: parts.log.partitionCount },
    (_, partition) => new PartitionApplier(parts, partition),
  );
  const lookAtAll = (): void => partitions.forEach((partition) => partition.wake());
  const timer = setInterval(lookAtAll, LOOK_EVERY_MS);
  timer.unref();
  lookAtAll();
  return {
    wake(woken) {
      for (const partition of woken) partitions[partition]?.wake();
    },
    async settle() {
      await Promise.all(partitions.map(async (partition) => partition.settle()));
    },
    async close() {
      clearInterval(timer);
      await Promise.all(partitions.map(async (partition) => partition.close()));
    },
  };
}

class PartitionApplier {
  private readonly parts: ApplierParts;
  private readonly partition: number;
  private running: Promise<void> | undefined;
  private isWoken = false;
  private isClosed = false;
  /** Offsets of events that failed, by the reason why. */
  private readonly poison = new Map<number, string>();
  /** Before this offset, events are tried one by one: one of them made a batch fail. */
  private oneByOneTo = 0;
  private failures = 0;
  /** Ends a pause. */
  private readonly closing = new AbortController();

  constructor(parts: ApplierParts, partition: number) {
    this.parts = parts;
    this.partition = partition;
  }

  wake(): void {
    this.isWoken = true;
    if (this.isClosed) return;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
      // Woken after the last look of that run.
      if (this.isWoken) this.wake();
    });
  }

  async settle(): Promise<void> {
    const end = (await this.parts.log.sizes())[this.partition]?.nextOffset ?? 0;
    while (!this.isClosed && (await this.parts.store.position(this.partition)).offset < end) {
      this.wake();
      await this.running;
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.closing.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    // In the next turn: whoever woke it may append more in this one.
    await new Promise(setImmediate);
    while (this.isWoken && !this.isClosed) {
      this.isWoken = false;
      try {
        while (!this.isClosed && (await this.step())) this.failures = 0;
      } catch (error) {
        await this.pauseAfter(error as Error);
      }
    }
  }

  private async pauseAfter(error: Error): Promise<void> {
    this.parts.report.failed(error, this.partition);
    const delayMs = Math.min(RETRY_MS_MIN * 2 ** this.failures++, RETRY_MS_MAX);
    this.isWoken = true;
    try {
      await sleep(delayMs, undefined, { signal: this.closing.signal });
    } catch {
      // It is closed.
    }
  }

  /** One batch; false = there is nothing to apply. */
  private async step(): Promise<boolean> {
    const { log, store } = this.parts;
    const from = await store.position(this.partition);
    const limits = from.offset < this.oneByOneTo ? ONE_RECORD : READ_LIMITS;
    const read = await log.read(this.partition, from.offset, limits);
    if (read.nextOffset === from.offset) return false;
    await this.apply(from, read);
    return true;
  }

  private async apply(from: Position, read: LogRead): Promise<void> {
    const { store, rows } = this.parts;
    const batch = new Batch(this.parts, this.partition, from, this.poison);
    let taken: readonly TakenTiles[] = [];
    let isStored = false;
    try {
      const result = await this.blaming(read, async () => {
        const { entities, routed } = batch.route(read);
        taken = await rows.take(entities);
        // What was folded is seen at once. So the tiles must be those of `from`: with what somebody else has applied
        // meanwhile they would have the same events twice, until the commit fails.
        const { offset } = await store.position(this.partition);
        if (offset !== from.offset) return undefined;
        return batch.fold(routed, taken) ? batch.result(taken) : undefined;
      });
      if (result !== undefined) isStored = await store.commit(result);
    } finally {
      rows.release(taken, isStored);
    }
    if (!isStored) return;
    this.poison.clear();
    batch.tell();
  }

  /** Where the work fails and the store is well, one of the events is to blame: undefined, and it is found out which. */
  private async blaming<T>({ records, nextOffset }: LogRead, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'STORE_FAILED') throw error;
      const [record] = records;
      if (record !== undefined && records.length === 1)
        this.poison.set(record.offset, (error as Error).message);
      else this.oneByOneTo = nextOffset;
      return undefined;
    }
  }
}

/** The entity tiles that an event goes into. */
type Route = readonly TiledEntity[];

class Batch {
  to: Position;
  private readonly parts: ApplierParts;
  private readonly partition: number;
  private readonly from: Position;
  private readonly poison: Map<number, string>;
  private readonly routes: Route[] = [];
  private readonly deadLetters: SetAsideEntry[] = [];
  private readonly corrections: SetAsideEntry[] = [];
  /** Of those that were folded in, when they had come in. */
  private readonly receivedMs: number[] = [];
  private foldedAtMs = 0;

  constructor(parts: ApplierParts, partition: number, from: Position, poison: Map<number, string>) {
    this.parts = parts;
    this.partition = partition;
    this.from = from;
    this.to = from;
    this.poison = poison;
  }

  /** The distinct entities whose tiles the events go into, and the events: as many as the store takes at once. */
  route(read: LogRead): { readonly entities: TiledEntity[]; readonly routed: LogRead } {
    const { routing, store } = this.parts;
    const { records } = read;
    const distinct = new Map<string, TiledEntity>();
    for (const [i, { event, offset }] of records.entries()) {
      if (distinct.size >= store.batchEntitiesMax)
        return {
          entities: [...distinct.values()],
          routed: { records: records.slice(0, i), nextOffset: offset },
        };
      const isDead = event === undefined || this.poison.has(offset);
      const route = isDead ? [] : routing.entitiesOf(event, this.partition);
      this.routes.push(route);
      for (const entity of route) distinct.set(tiledName(entity), entity);
    }
    return { entities: [...distinct.values()], routed: read };
  }

  /** False = an event failed, and is known as poison from now on: all that was folded must be forgotten. */
  fold({ records, nextOffset }: LogRead, taken: readonly TakenTiles[]): boolean {
    const tilesOf = new Map(taken.map((each) => [tiledName(each.entity), each]));
    let { maxTimeMs } = this.from;
    for (const [i, record] of records.entries()) {
      const { event, offset } = record;
      const reason = this.poison.get(offset) ?? record.problem;
      if (reason !== undefined) this.deadLetters.push(this.setAside(record, reason));
      else if (event === undefined) continue;
      else if (event.timeMs < maxTimeMs - this.parts.latenessMs)
        this.corrections.push(this.setAside(record, TOO_LATE));
      else {
        if (event.timeMs > maxTimeMs) maxTimeMs = event.timeMs;
        if (!this.foldOne(event, offset, this.routes[i] as Route, tilesOf)) return false;
      }
    }
    this.to = { offset: nextOffset, maxTimeMs };
    this.foldedAtMs = this.parts.clock.nowMs();
    return true;
  }

  result(taken: readonly TakenTiles[]): Parameters<TileStore['commit']>[0] {
    const { stored } = this.parts;
    const tiles = taken.flatMap(({ entity, plan, tiles: of }): TileChange[] => {
      const changed = of.takeChanged().map((sized): TileChange => ({
        entity,
        tileMs: plan.sizes[sized.size]?.tileMs ?? 0,
        startMs: sized.tile.startMs,
        bytes: stored.encode(plan, sized),
      }));
      const expired = of.dropExpired(this.to.maxTimeMs).map((sized): TileChange => ({
        entity,
        tileMs: plan.sizes[sized.size]?.tileMs ?? 0,
        startMs: sized.tile.startMs,
        bytes: undefined,
      }));
      return [...changed, ...expired];
    });
    const { partition, from, to, deadLetters, corrections } = this;
    return { partition, from, to, tiles, deadLetters, corrections };
  }

  tell(): void {
    const { receivedMs, foldedAtMs: atMs, deadLetters, corrections } = this;
    this.parts.report.applied({ receivedMs, atMs, deadLetters, corrections });
  }

  private foldOne(
    event: AcceptedEvent,
    offset: number,
    route: Route,
    tilesOf: ReadonlyMap<string, TakenTiles>,
  ): boolean {
    try {
      for (const entity of route)
        tilesOf.get(tiledName(entity))?.tiles.apply(event.values, event.timeMs, offset);
      this.receivedMs.push(event.receivedMs);
      return true;
    } catch (error) {
      this.poison.set(offset, (error as Error).message);
      return false;
    }
  }

  private setAside(record: LogRecord, reason: string): SetAsideEntry {
    const { offset, bytes } = record;
    return { partition: this.partition, offset, reason, atMs: this.parts.clock.nowMs(), bytes };
  }
}
