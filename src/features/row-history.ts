/**
 * Every row of feature files in memory, so that rows can be read as they were at a time in the past; an online store
 * has only the latest. For tables that are made from history, not for serving: it grows with the files.
 */
import type { FeatureView } from '../project/project.ts';
import type { EntityKey, OnlineStore, Row, RowWrite } from './online-store.ts';

export interface RowHistory extends Pick<OnlineStore, 'write'> {
  /** The latest row that is not later than `asOfMs`; null = there is none. */
  get(view: FeatureView, key: EntityKey, asOfMs: number): Row | null;
}

export function createRowHistory(): RowHistory {
  /** By event time. */
  const rowsOf = new Map<FeatureView, Map<EntityKey, Row[]>>();

  function add({ view, key, row }: RowWrite): void {
    let byKey = rowsOf.get(view);
    if (byKey === undefined) rowsOf.set(view, (byKey = new Map<EntityKey, Row[]>()));
    const rows = byKey.get(key);
    if (rows === undefined) byKey.set(key, [row]);
    else {
      const at = countUntil(rows, row[0]);
      const isCorrection = at > 0 && (rows[at - 1] as Row)[0] === row[0];
      rows.splice(isCorrection ? at - 1 : at, isCorrection ? 1 : 0, row);
    }
  }

  return {
    async write(writes) {
      for (const write of writes) add(write);
      return writes.map(() => 'written');
    },
    get(view, key, asOfMs) {
      const rows = rowsOf.get(view)?.get(key) ?? [];
      return rows[countUntil(rows, asOfMs) - 1] ?? null;
    },
  };
}

/** How many rows are not later than a time; files mostly hold them in the order of time. */
function countUntil(rows: readonly Row[], timeMs: number): number {
  let low = 0;
  let high = rows.length;
  if (high > 0 && (rows[high - 1] as Row)[0] <= timeMs) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle] as Row)[0] <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
