/**
 * Which rows changed lately, kept beside the rows themselves, so that every process that keeps rows in memory can
 * forget those that another one has replaced. A write call adds one entry in its own transaction: rows and entry are
 * there together, or neither.
 *
 * Layout: `count` -> the number of entries ever made, as text; `<n modulo SLOTS>` -> JSON, the n-th entry. Older
 * entries are overwritten. Whoever has missed more than are kept, or meets an entry without keys (one of too many
 * rows), forgets everything.
 *
 * Cost: one read a turn of the event loop; one small record a write call.
 */

/** A sub-database with binary values. Inside a write transaction both calls act on it. */
export interface ChangeRecords {
  getBinaryFast(key: string): Buffer | undefined;
  put(key: string, bytes: Buffer): unknown;
}

export interface RowChanges {
  /** Adds the keys that a transaction writes; called inside of it. */
  add(keys: readonly string[]): void;
  /** The keys that changed since the last call; undefined = any may have. */
  take(): readonly string[] | undefined;
}

interface Entry {
  readonly n: number;
  readonly keys?: readonly string[];
  /** Who made it. */
  readonly by?: string;
}

const SLOTS = 1024;
const ENTRY_KEYS_MAX = 1024;
const ENTRY_CHARS_MAX = 16_384;
const none: readonly string[] = [];

/** @param by a name of its own for whoever adds and takes here, whose own changes are then not given back to it */
export function createRowChanges(records: ChangeRecords, by?: string): RowChanges {
  const count = (): number => {
    const bytes = records.getBinaryFast('count');
    return bytes === undefined ? 0 : Number(bytes.toString('latin1'));
  };
  let taken = count();
  return {
    add(keys) {
      const n = count();
      const chars = keys.reduce((sum, key) => sum + key.length, 0);
      const isSmall = keys.length <= ENTRY_KEYS_MAX && chars <= ENTRY_CHARS_MAX;
      const entry: Entry = { n, ...(isSmall && { keys }), ...(by !== undefined && { by }) };
      records.put(slotOf(n), Buffer.from(JSON.stringify(entry)));
      records.put('count', Buffer.from(String(n + 1)));
    },
    take() {
      const end = count();
      if (end === taken) return none;
      const first = taken;
      taken = end;
      if (end < first || end - first > SLOTS) return undefined;
      const changed: string[] = [];
      for (let n = first; n < end; n++) {
        const entry = readEntry(records, n);
        if (entry?.by !== undefined && entry.by === by) continue;
        if (entry?.keys === undefined) return undefined;
        changed.push(...entry.keys);
      }
      return changed;
    },
  };
}

function slotOf(n: number): string {
  return String(n % SLOTS);
}

/** Undefined if the slot holds another entry, which has overwritten it. */
function readEntry(records: ChangeRecords, n: number): Entry | undefined {
  const bytes = records.getBinaryFast(slotOf(n));
  if (bytes === undefined) return undefined;
  const entry = JSON.parse(bytes.toString()) as Entry;
  return entry.n === n ? entry : undefined;
}
