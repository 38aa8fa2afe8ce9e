/**
 * What a reader may make of a stored row at one moment. The store keeps event times; freshness is judged here, in one
 * place, by predictions and by get-online-features alike.
 *
 *   PRESENT          the value is there and fresh
 *   NULL_VALUE       the row is fresh, and the value in it is null
 *   NOT_FOUND        there is no row, or with an explicit `as_of` there was none yet at that time
 *   OUTSIDE_MAX_AGE  the row is older than the view's ttl; a row exactly as old as the ttl is still served
 *
 * Only with PRESENT is there a value to serve; with any other status it is missing. Without an explicit `as_of` the
 * moment is the server's clock, and a row from slightly ahead of it (clocks differ) is served with age 0.
 */
import type { FeatureView } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import type { Row } from './online-store.ts';

export type RowStatus = 'PRESENT' | 'NOT_FOUND' | 'OUTSIDE_MAX_AGE';

export type ValueStatus = RowStatus | 'NULL_VALUE';

/** @param explicitAsOf whether the request named `asOfMs`; false if it is the server's clock. */
export function rowStatus(
  view: FeatureView,
  row: Row | null,
  asOfMs: number,
  explicitAsOf: boolean,
): RowStatus {
  if (row === null) return 'NOT_FOUND';
  const eventTimeMs = row[0];
  if (explicitAsOf && eventTimeMs > asOfMs) return 'NOT_FOUND';
  if (view.ttlMs !== undefined && asOfMs - eventTimeMs > view.ttlMs) return 'OUTSIDE_MAX_AGE';
  return 'PRESENT';
}

/** @param status of the row that the value is in */
export function valueStatus(status: RowStatus, value: Value): ValueStatus {
  return status === 'PRESENT' && value === null ? 'NULL_VALUE' : status;
}

/** Age of a row, never below 0. */
export function ageMs(row: Row, asOfMs: number): number {
  return Math.max(0, asOfMs - row[0]);
}
