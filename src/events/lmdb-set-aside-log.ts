/**
 * A set-aside log as a database of the LMDB environment: number (u48, big-endian) -> entry (set-aside-entry.ts). Under the
 * key of one zero byte, which sorts before all numbers, is its state: the next number and the count.
 */
import type { LmdbDatabase, LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { EventCodec } from './event-codec.ts';
import { decodeSetAside, encodeSetAside } from './set-aside-entry.ts';
import type { SetAside, SetAsideEntry, SetAsideLog, SetAsideName } from './set-aside-log.ts';

export interface LmdbSetAsideLog extends SetAsideLog {
  /** Inside a transaction of the environment. */
  add(entries: readonly SetAsideEntry[]): void;
}

const NUMBER_BYTES = 6;
const NUMBER_MAX = 2 ** 48 - 1;
const stateKey = Buffer.from([0]);

interface State {
  readonly next: number;
  readonly count: number;
}

/**
 * @param entriesMax beyond, the oldest are dropped; default: all are kept
 * @throws MillraceError STORE_FAILED
 */
export function openLmdbSetAsideLog(
  environment: LmdbEnvironment,
  name: SetAsideName,
  codec: EventCodec,
  entriesMax = Infinity,
): LmdbSetAsideLog {
  const opened = environment.byteKeys(name);
  if (opened === undefined) throw environment.failure(new Error('it holds no events yet'));
  const database: LmdbDatabase<Buffer> = opened;

  function reading<T>(read: () => T): T {
    try {
      environment.refresh();
      return read();
    } catch (error) {
      throw environment.failure(error);
    }
  }

  function find(number: number): SetAside[] {
    const bytes = database.get(numberKey(number));
    return bytes === undefined ? [] : [decodeSetAside(number, bytes, codec)];
  }

  return {
    name,

    add(entries) {
      if (entries.length === 0) return;
      const { next, count } = readState(database);
      entries.forEach((entry, i) => database.put(numberKey(next + i), encodeSetAside(entry)));
      const all = count + entries.length;
      const dropped = Math.max(0, all - entriesMax);
      if (dropped > 0) dropOldest(database, dropped);
      putState(database, { next: next + entries.length, count: all - dropped });
    },

    async count() {
      return reading(() => readState(database).count);
    },

    async list(fromNumber, limit) {
      const range = { start: numberKey(fromNumber), end: numberKey(NUMBER_MAX), limit };
      const found = reading(() => database.range(range));
      return found.map(({ key, value }) => decodeSetAside(key.readUIntBE(0, NUMBER_BYTES), value, codec));
    },

    async get(numbers) {
      return reading(() => numbers.flatMap(find));
    },

    async remove(numbers) {
      return environment.transaction(() => {
        const there = new Set(numbers.filter((n) => database.getBinaryFast(numberKey(n)) !== undefined));
        const { next, count } = readState(database);
        for (const number of there) database.remove(numberKey(number));
        if (there.size > 0) putState(database, { next, count: count - there.size });
        return there.size;
      });
    },
  };
}

function dropOldest(database: LmdbDatabase<Buffer>, count: number): void {
  const range = { start: numberKey(1), end: numberKey(NUMBER_MAX), limit: count };
  for (const { key } of database.range(range)) database.remove(key);
}

function numberKey(number: number): Buffer {
  const key = Buffer.allocUnsafe(NUMBER_BYTES);
  key.writeUIntBE(Math.min(Math.max(0, number), NUMBER_MAX), 0, NUMBER_BYTES);
  return key;
}

function readState(database: LmdbDatabase<Buffer>): State {
  const bytes = database.getBinaryFast(stateKey);
  // Numbers begin with 1, which is what people count from.
  if (bytes === undefined) return { next: 1, count: 0 };
  return { next: bytes.readDoubleBE(0), count: bytes.readDoubleBE(8) };
}

function putState(database: LmdbDatabase<Buffer>, { next, count }: State): void {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeDoubleBE(count, bytes.writeDoubleBE(next, 0));
  database.put(stateKey, bytes);
}
