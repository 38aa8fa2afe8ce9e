/**
 * Entity keys: the join key values of one entity as one string, under which every store keeps its rows.
 *
 * Invariant: within one entity, equal keys are equal strings and different keys are different strings, whatever
 * characters they hold. A single join key is its own text. Several are each written as `<length>:<text>`, so that no
 * character inside a value can be taken for a boundary: ("a", "b:c") is `1:a3:b:c`.
 *
 * Cost: nothing for a single string key; a number's text or a few concatenations otherwise. The bytes are counted
 * only for keys that are long enough to be in doubt.
 */
import { MillraceError } from '../errors.ts';
import type { Entity, JoinKey } from '../project/project.ts';
import type { Scalar } from '../project/value.ts';
import { canonicalInt64 } from '../project/value.ts';
import type { EntityKey } from './online-store.ts';

/** Most UTF-8 bytes of an encoded entity key. With the view's name it must fit into an LMDB key. */
export const ENTITY_KEY_BYTES_MAX = 1024;

// One UTF-16 code unit is at most three UTF-8 bytes, so a key of so few code units needs no count.
const UNITS_SURELY_FIT = Math.floor(ENTITY_KEY_BYTES_MAX / 3);

/**
 * The store key of one entity.
 * @param values one per join key, in the entity's order, as `decodeValue` returns them: string or int64.
 * @throws MillraceError KEY_TOO_LONG
 */
export function encodeEntityKey(entity: Entity, values: readonly Scalar[]): EntityKey {
  if (values.length !== entity.keys.length) {
    throw new Error(`entity ${entity.name} has ${entity.keys.length} join keys, got ${values.length} values`);
  }
  const key = values.length === 1 ? String(values[0]) : joinParts(values);
  checkEntityKeyLength(entity, key);
  return key;
}

/**
 * The values that `encodeEntityKey` made the key of.
 * @throws Error if it did not make this key
 */
export function decodeEntityKey(entity: Entity, key: EntityKey): Scalar[] {
  const [first] = entity.keys;
  if (first !== undefined && entity.keys.length === 1) return [decodePart(first, key)];
  let at = 0;
  const values = entity.keys.map((joinKey) => {
    const from = key.indexOf(':', at) + 1;
    const length = Number(key.slice(at, from - 1));
    at = from + length;
    if (from === 0 || !(at <= key.length)) throw new Error(`"${key}" is no key of entity ${entity.name}`);
    return decodePart(joinKey, key.slice(from, at));
  });
  if (at !== key.length) throw new Error(`"${key}" is no key of entity ${entity.name}`);
  return values;
}

/**
 * Refuses a key that no store keeps.
 * @throws MillraceError KEY_TOO_LONG
 */
export function checkEntityKeyLength(entity: Entity, key: EntityKey): void {
  if (key.length <= UNITS_SURELY_FIT) return;
  const bytes = Buffer.byteLength(key);
  if (bytes <= ENTITY_KEY_BYTES_MAX) return;
  const names = entity.keys.map((joinKey) => joinKey.name).join(', ');
  throw new MillraceError(
    'KEY_TOO_LONG',
    `The key of entity "${entity.name}" (${names}) has ${bytes} bytes; at most ${ENTITY_KEY_BYTES_MAX} are stored.`,
  );
}

// Any integer of so many characters is exact in a number.
const SAFE_DIGITS = 15;

function decodePart({ type }: JoinKey, text: string): Scalar {
  if (type === 'string') return text;
  return text.length <= SAFE_DIGITS ? Number(text) : canonicalInt64(BigInt(text));
}

function joinParts(values: readonly Scalar[]): string {
  let key = '';
  for (const value of values) {
    const part = String(value);
    key += `${part.length}:${part}`;
  }
  return key;
}
