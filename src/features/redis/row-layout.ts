/**
 * How rows lie in Redis: all rows of one entity key in one hash. Two layouts: Millrace's own (packed-layout.ts) and
 * Feast's (feast-layout.ts). redis-store.ts joins one of them with a connection.
 */
import type { Entity, FeatureView } from '../../project/project.ts';
import type { HashCommands } from '../../redis/hash-commands.ts';
import type { EntityKey, Row, RowWrite, WriteOutcome } from '../online-store.ts';

export interface RowLayout {
  /** How the characters of a hash's name become bytes: latin1 = one byte each. */
  readonly encoding: 'utf8' | 'latin1';
  /** The names of all hashes begin with one of these, and no prefix begins with another. */
  readonly prefixes: readonly string[];
  /** Of all that is read and written, as in an ACL rule of Redis. */
  readonly keyPattern: string;

  /**
   * Reads what it needs to know, and adds what is missing if it may. Called at the start, and again when `decode` has
   * given undefined.
   */
  prepare?(redis: HashCommands): Promise<void>;

  /** Name of the hash with all rows of an entity key. */
  hashOf(entity: Entity, key: EntityKey): string;

  /** The fields to ask for, to decode a view's row from. */
  fieldsOf(view: FeatureView): readonly (string | Buffer)[];

  /**
   * The view's row from the values of its fields.
   * @param values replies to `fieldsOf`, from index `at` on; null = there is no such field
   * @returns null = there is no row; undefined = it was written under a schema that is not known here yet
   * @throws Error if the bytes are not a row
   */
  decode(view: FeatureView, values: readonly (Buffer | null)[], at: number): Row | null | undefined;

  /** Lua for a write of one hash (KEYS[1]), with the arguments of `writeArgs` of each of its rows in turn. */
  readonly writeScript: string;
  /** Copies: they stay valid. */
  writeArgs(write: RowWrite): readonly (string | Buffer)[];
  /** Of the script's reply, one per row, in order. */
  outcomes(reply: unknown): WriteOutcome[];
}
