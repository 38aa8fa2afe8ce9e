/**
 * Where rollouts are kept: their records, the log of changes, what units were given first, and what each process has
 * seen. In LMDB for the processes of one machine, in Redis for those of several.
 *
 * Invariants, which the contract suite holds every store to:
 *
 * - `change` replaces a record only if its version is the one expected, and writes the line of the audit log in the same
 *   transaction. Of two changes at once one wins, and no line is lost or there twice.
 * - A change that is acknowledged is durable, and the next `get` in any process of the same machine (LMDB) gives it. With
 *   Redis it is told to the other processes at once, within milliseconds; a process that cannot reach Redis keeps what
 *   it has, and `get` never waits and never throws for it.
 * - The audit log is only ever appended to.
 */
import type { AuditEntry, RolloutRecord } from './rollout-record.ts';

export interface RolloutStore {
  /** Changes when a record may have changed; asked once for each request, so it costs less than a microsecond. */
  revision(): number;
  /** From memory; undefined = there is none. */
  get(endpoint: string): RolloutRecord | undefined;
  /**
   * @param entry whose `after` is the record to keep; its version is `expectedVersion` + 1
   * @param expectedVersion 0 = there is none yet
   * @returns false if there is another version by now: nothing was changed
   * @throws MillraceError STORE_FAILED
   */
  change(expectedVersion: number, entry: AuditEntry): Promise<boolean>;
  /**
   * The latest changes of an endpoint, latest first.
   * @throws MillraceError STORE_FAILED
   */
  audit(endpoint: string, countMax: number): Promise<AuditEntry[]>;

  /**
   * The variant that a unit was given first, if that is not longer ago than the experiment keeps it.
   * @returns undefined = memory does not know: use `readSticky`
   */
  getSticky(key: StickyKey, nowMs: number): string | null | undefined;
  /** @throws MillraceError STORE_FAILED */
  readSticky(key: StickyKey, nowMs: number): Promise<string | null>;
  /**
   * Notes what a unit was given, unless it has been given something before that still holds. Behind the answer: it does
   * not wait and does not throw; what could not be kept is counted.
   */
  keepSticky(key: StickyKey, variant: string, expiresMs: number): void;

  /**
   * Replaces what a process has seen of an endpoint.
   * @param samples JSON
   * @throws MillraceError STORE_FAILED
   */
  putSamples(key: SamplesKey, samples: string): Promise<void>;
  /**
   * What all processes have seen since a version of the record; what is of earlier versions is dropped in time.
   * @throws MillraceError STORE_FAILED
   */
  samples(endpoint: string, samplesVersion: number): Promise<string[]>;

  /** Resolves when what is under way is done. */
  close(): Promise<void>;
}

export interface StickyKey {
  readonly experiment: string;
  /** GrowthBook's form, attribute and value: `user_id||42`. */
  readonly unit: string;
}

export interface SamplesKey {
  readonly endpoint: string;
  readonly samplesVersion: number;
  /** Of a process: no two have the same, ever. */
  readonly process: string;
}
