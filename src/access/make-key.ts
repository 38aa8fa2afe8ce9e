/** New keys, and new ones in the place of old ones. */
import type { KeyRecord } from './key-records.ts';
import { formatKeyText, newKeyText, secretDigest } from './key-text.ts';

export interface MadeKey {
  /** The key as its holder sends it: it is nowhere else, so it can be shown this once. */
  readonly text: string;
  readonly record: KeyRecord;
}

export interface RotatedKeys {
  readonly made: MadeKey;
  /** The old key, which still lives for a while. */
  readonly old: KeyRecord;
}

export function makeKey(parts: Omit<KeyRecord, 'id' | 'sha256'>): MadeKey {
  const text = newKeyText();
  const sha256 = secretDigest(text.secret).toString('hex');
  return { text: formatKeyText(text), record: { id: text.id, ...parts, sha256 } };
}

/**
 * A new key with the name, the scopes and the rate of an old one, whose holder has until the end of the grace to change.
 * @param lifeMs of the new key; undefined = as long as the old one was made for
 */
export function rotateKey(
  record: KeyRecord,
  nowMs: number,
  graceMs: number,
  lifeMs: number | undefined,
): RotatedKeys {
  const { name, scopes, rate, createdMs, expiresMs } = record;
  const life = lifeMs ?? (expiresMs === undefined ? undefined : expiresMs - createdMs);
  const made = makeKey({
    name,
    scopes,
    rate,
    createdMs: nowMs,
    expiresMs: life === undefined ? undefined : nowMs + life,
  });
  const endMs = nowMs + graceMs;
  return { made, old: { ...record, expiresMs: Math.min(expiresMs ?? endMs, endMs) } };
}
