/**
 * What units were given first, in the LMDB environment: database `rollout_sticky`, name (sticky-name.ts) -> when it
 * expires (f64, big-endian), then the variant in UTF-8. About 100 bytes of the file for each unit.
 *
 * What has expired is treated as if it were not there. It is dropped in steps, each from where the last one ended: a
 * step a minute, and more of them at once while a tenth of what is looked at has expired. So the database holds little
 * more than what is alive, and neither the event loop nor other writers wait long.
 */
import type { Clock } from '../clock.ts';
import type { LmdbDatabase, LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { Assignment, Assignments } from './sticky-queue.ts';

export interface LmdbSticky {
  /** In the view of the data that the environment has. */
  get(name: string, nowMs: number): string | null;
  /**
   * Keeps what is not there yet.
   * @throws MillraceError STORE_FAILED
   */
  put(batch: Assignments): Promise<void>;
  /**
   * Drops what has expired, of the next `entriesMax` entries.
   * @throws MillraceError STORE_FAILED
   */
  sweep(entriesMax: number): Promise<SweepStep>;
}

export interface SweepStep {
  readonly looked: number;
  readonly dropped: number;
  /** It has come to the end; the next step begins anew. */
  readonly isDone: boolean;
}

const SWEEP_ENTRIES_MAX = 1000;
/** Of one minute. */
const SWEEP_STEPS_MAX = 60;
/** Behind all names: each begins with a letter. */
const END_NAME = '~';
const VARIANT_AT = 8;

export function openLmdbSticky(
  environment: LmdbEnvironment,
  database: LmdbDatabase<string>,
  clock: Clock,
): LmdbSticky {
  let sweptTo = '';

  const holds = (name: string, nowMs: number): boolean => {
    const bytes = database.getBinaryFast(name);
    return bytes !== undefined && isAlive(bytes, nowMs);
  };

  return {
    get(name, nowMs) {
      const bytes = database.getBinaryFast(name);
      if (bytes === undefined || !isAlive(bytes, nowMs)) return null;
      return bytes.toString('utf8', VARIANT_AT, bytes.length);
    },

    async put(batch) {
      const encoded = Array.from(batch, ([name, assignment]) => ({ name, bytes: encode(assignment) }));
      await environment.transaction(() => {
        const nowMs = clock.nowMs();
        const missing = encoded.filter(({ name }) => !holds(name, nowMs));
        for (const { name, bytes } of missing) database.put(name, bytes);
      });
    },

    async sweep(entriesMax) {
      environment.refresh();
      const entries = database.range({ start: sweptTo, end: END_NAME, limit: entriesMax });
      const nowMs = clock.nowMs();
      const expired = entries.filter(({ value }) => !isAlive(value, nowMs)).map(({ key }) => key);
      if (expired.length > 0) {
        await environment.transaction(() => {
          // One that was given anew meanwhile stays.
          const dead = expired.filter((name) => !holds(name, nowMs));
          for (const name of dead) database.remove(name);
        });
      }
      const isDone = entries.length < entriesMax;
      sweptTo = isDone ? '' : `${entries.at(-1)?.key}\0`;
      return { looked: entries.length, dropped: expired.length, isDone };
    },
  };
}

/** What is done once a minute. */
export async function sweepExpired(sticky: LmdbSticky, isClosed: () => boolean): Promise<void> {
  for (let n = 0; n < SWEEP_STEPS_MAX && !isClosed(); n++) {
    const { looked, dropped, isDone } = await sticky.sweep(SWEEP_ENTRIES_MAX);
    if (isDone || dropped < looked / 10) return;
  }
}

function isAlive(bytes: Buffer, nowMs: number): boolean {
  return bytes.readDoubleBE(0) > nowMs;
}

function encode({ variant, expiresMs }: Assignment): Buffer {
  const bytes = Buffer.allocUnsafe(VARIANT_AT + Buffer.byteLength(variant));
  bytes.write(variant, bytes.writeDoubleBE(expiresMs, 0));
  return bytes;
}
