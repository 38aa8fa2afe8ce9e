/**
 * What a reader may make of a stored row at one moment. The store keeps event times; freshness is judged here, in one
 * place, by predictions and by get-online-features alike.
 *
 *   PRESENT          the value is there and fresh
 *   NULL_VALUE       the row is fresh, and the value in it is null
 *   NOT_FOUND        there is no row, or with an explicit `as_of` there was none yet at that time; or the feature was
 *                    never written into the row
 *   OUTSIDE_MAX_AGE  the row is older than the view's ttl; a row exactly as old as the ttl is still served
 *
 * Only with PRESENT is there a value to serve; with any other status it is missing. Without an explicit `as_of` the
 * moment is the server's clock, and a row from slightly ahead of it (clocks differ) is served with age 0.
 */
import type { Feature, FeatureView } from '../project/project.ts';
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

/** @param status of the row, `rowStatus` */
export function valueStatus(
  view: FeatureView,
  { index }: Feature,
  row: Row | null,
  status: RowStatus,
): ValueStatus {
  if (status !== 'PRESENT' || row === null || (row[index + 1] ?? null) !== null) return status;
  const unwritten = row[view.features.length + 1] as readonly number[] | undefined;
  return unwritten?.includes(index) === true ? 'NOT_FOUND' : 'NULL_VALUE';
}

/** Age of a row, never below 0. */
export function ageMs(row: Row, asOfMs: number): number {
  return Math.max(0, asOfMs - row[0]);
}
