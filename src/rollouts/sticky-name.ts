/**
 * Under which name is kept what a unit was given: `<experiment>/=<unit>`. Names of experiments have no slash, so no two
 * of them share a name. A unit that is long, or has no UTF-8 of its own, stands there by its hash, behind another sign.
 */
import { createHash } from 'node:crypto';
import type { StickyKey } from './rollout-store.ts';

/** With the name of an experiment before it, well below what LMDB takes as a key. */
const UNIT_BYTES_MAX = 512;

export function stickyName({ experiment, unit }: StickyKey): string {
  return isPlain(unit) ? `${experiment}/=${unit}` : `${experiment}/#${hashOf(unit)}`;
}

function isPlain(unit: string): boolean {
  if (unit.length > UNIT_BYTES_MAX || !unit.isWellFormed()) return false;
  // A character takes three bytes at most.
  return 3 * unit.length <= UNIT_BYTES_MAX || Buffer.byteLength(unit) <= UNIT_BYTES_MAX;
}

/** UTF-16, because half of a surrogate pair would be any other half in UTF-8. */
function hashOf(unit: string): string {
  return createHash('sha256').update(unit, 'utf16le').digest('base64url');
}
