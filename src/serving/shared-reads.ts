/** The rows of a shadow: those that the primary has read are taken from it, so that both see the very same ones. */
import type { EntityKey, Row, RowSource } from '../features/online-store.ts';
import type { Value } from '../project/value.ts';
import type { PlanRead } from './plan.ts';

type Rows = readonly (readonly Row[])[];

export interface SharedReads {
  /** Beside a primary with these reads. */
  of(primary: readonly PlanRead[]): OwnReads;
}

export interface OwnReads {
  /** Whether the primary has read everything. */
  readonly isComplete: boolean;
  /** By row and read of the shadow, from those of the primary; only if they are complete. */
  take(primaryRows: Rows): Rows;
  /**
   * Reads what the primary has not, in one go, for the same moment.
   * @throws MillraceError KEY_TOO_LONG, STORE_FAILED
   */
  read(
    requestRows: readonly (readonly Value[])[],
    primaryRows: Rows,
    asOfMs: number,
    isHistorical: boolean,
  ): Promise<Rows>;
}

export function createSharedReads(reads: readonly PlanRead[], source: RowSource): SharedReads {
  const known = new Map<readonly PlanRead[], OwnReads>();
  return {
    of(primary) {
      const before = known.get(primary);
      if (before !== undefined) return before;
      const made = createOwnReads(reads, primary, source);
      known.set(primary, made);
      return made;
    },
  };
}

function createOwnReads(
  reads: readonly PlanRead[],
  primary: readonly PlanRead[],
  source: RowSource,
): OwnReads {
  const places = reads.map((read) => primary.findIndex((other) => isSameRead(read, other)));
  const missing = reads.flatMap((read, i) => (places[i] === -1 ? [{ read, i }] : []));
  const isSame = places.length === primary.length && places.every((place, i) => place === i);
  const take = (primaryRows: Rows): Rows =>
    isSame ? primaryRows : primaryRows.map((row) => places.map((place) => row[place] as Row));
  return {
    isComplete: missing.length === 0,
    take,
    async read(requestRows, primaryRows, asOfMs, isHistorical) {
      const wanted = missing.map(({ read, i }) => {
        const keys = requestRows.map((values) => read.key(values));
        const distinct = [...new Set(keys.filter((key): key is EntityKey => key !== undefined))];
        return { read, i, keys, distinct };
      });
      const asked = wanted.flatMap(({ read: { view }, distinct }) => distinct.map((key) => ({ view, key })));
      const found = await source.read(asked, asOfMs, isHistorical);
      const rows = take(primaryRows).map((row) => [...row]);
      let from = 0;
      for (const { read, i, keys, distinct } of wanted) {
        const first = from;
        from += distinct.length;
        const rowOf = new Map(distinct.map((key, k) => [key, found[first + k] ?? null]));
        for (const [r, key] of keys.entries()) {
          const row = key === undefined ? null : (rowOf.get(key) ?? null);
          const isPresent = read.status(row, asOfMs, isHistorical) === 'PRESENT';
          (rows[r] as Row[])[i] = isPresent ? (row as Row) : read.emptyRow;
        }
      }
      return rows;
    },
  };
}

/** Of one view, found by the same request fields. */
function isSameRead(one: PlanRead, other: PlanRead): boolean {
  return one.view === other.view && one.keyFields.join() === other.keyFields.join();
}
