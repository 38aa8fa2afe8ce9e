/** The list of rows that were asked for lately, as text that others may have written: what is no part of it is left out. */
import { isRecord } from '../project/json-record.ts';
import { ENTITY_KEY_BYTES_MAX } from './entity-key.ts';
import type { RecentRows } from './remote-store.ts';

/** @param keysMax of all entities together */
export function parseRecent(text: string, keysMax: number): RecentRows {
  const list = parse(text);
  const recent: Record<string, RecentRows[string]> = {};
  let room = keysMax;
  for (const [entity, part] of Object.entries(isRecord(list) ? list : {})) {
    if (!isRecord(part) || !Array.isArray(part['views']) || !Array.isArray(part['keys'])) continue;
    const views = part['views'].filter((view): view is string => typeof view === 'string');
    const keys = part['keys'].slice(0, room).filter(isKey);
    room -= keys.length;
    recent[entity] = { views, keys };
  }
  return recent;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isKey(key: unknown): key is string {
  return typeof key === 'string' && key.length <= ENTITY_KEY_BYTES_MAX;
}
