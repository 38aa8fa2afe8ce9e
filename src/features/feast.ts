/**
 * Feast's HTTP API, the part without HTTP: POST /get-online-features here, the calls that write in feast-push.ts.
 *
 * Answers tell what is stored: a feature's declared default stands in for missing values in predictions only. Only a
 * PRESENT value is given; every other status comes with null. What differs from Feast's own server: the max age is
 * kept, a missing entity is NOT_FOUND, int64 keeps all digits, and a timestamp is written as RFC 3339.
 */
import type { Feature, FeatureView, Project } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import type { FeatureQuery } from './feast-query.ts';
import { decodeFeatureQuery } from './feast-query.ts';
import type { ValueStatus } from './feature-status.ts';
import { rowStatus, valueStatus } from './feature-status.ts';
import type { EntityKey, OnlineStore, Row } from './online-store.ts';

export { decodePush } from './feast-push.ts';

/** Column-major: one entry of `results` per name, one element of its arrays per row. */
export interface FeastResponse {
  readonly metadata: { readonly feature_names: readonly string[] };
  readonly results: readonly FeastColumn[];
}

export interface FeastColumn {
  /** int64 beyond 2^53 is a bigint, to be written as its digits. */
  readonly values: readonly Value[];
  readonly statuses: readonly ValueStatus[];
  /** RFC 3339; the epoch where there is no row, and for join keys. */
  readonly event_timestamps: readonly string[];
}

const EPOCH = '1970-01-01T00:00:00Z';

/**
 * @param body the parsed JSON
 * @param nowMs the server's clock, from which ages count
 * @throws MillraceError UNKNOWN_FEATURE, INVALID_REQUEST with details, TOO_MANY_ROWS, KEY_TOO_LONG, STORE_FAILED
 */
export async function getOnlineFeatures(
  project: Project,
  store: OnlineStore,
  body: unknown,
  nowMs: number,
): Promise<FeastResponse> {
  const query = decodeFeatureQuery(project, body);
  const rowsOfViews = await readRows(store, query);
  const names = [...query.joinKeys.keys()];
  const results = [...query.joinKeys.values()].map(joinKeyColumn);
  query.views.forEach(({ view, features }, i) => {
    const rows = rowsOfViews[i] as readonly (Row | null)[];
    const eventTimestamps = rows.map((row) => (row === null ? EPOCH : formatTime(row[0])));
    for (const { feature, name } of features) {
      names.push(name);
      results.push(featureColumn(view, feature, rows, nowMs, eventTimestamps));
    }
  });
  return { metadata: { feature_names: names }, results };
}

function joinKeyColumn(values: readonly Value[]): FeastColumn {
  return { values, statuses: values.map(() => 'PRESENT'), event_timestamps: values.map(() => EPOCH) };
}

function featureColumn(
  view: FeatureView,
  feature: Feature,
  rows: readonly (Row | null)[],
  nowMs: number,
  eventTimestamps: readonly string[],
): FeastColumn {
  const values: Value[] = [];
  const statuses: ValueStatus[] = [];
  for (const row of rows) {
    const ofRow = rowStatus(view, row, nowMs, false);
    const value = row === null || ofRow !== 'PRESENT' ? null : (row[feature.index + 1] ?? null);
    values.push(feature.type.scalar === 'timestamp' && value !== null ? formatTime(value as number) : value);
    statuses.push(valueStatus(view, feature, row, ofRow));
  }
  return { values, statuses, event_timestamps: eventTimestamps };
}

/** RFC 3339 with no fraction or with milliseconds. */
function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('.000Z', 'Z');
}

/** The rows of every view: from memory where the store has them there, the others in one read. */
async function readRows(store: OnlineStore, query: FeatureQuery): Promise<(Row | null)[][]> {
  const missed: { readonly view: FeatureView; readonly key: EntityKey; keep(row: Row | null): void }[] = [];
  const rowsOfViews = query.views.map(({ view }) => {
    const rows: (Row | null)[] = [];
    query.entityKeys.get(view.entity)?.forEach((key, i) => {
      const row = store.get(view, key);
      rows.push(row ?? null);
      if (row === undefined) missed.push({ view, key, keep: (read) => (rows[i] = read) });
    });
    return rows;
  });
  if (missed.length > 0) {
    const read = await store.read(missed);
    missed.forEach((miss, i) => miss.keep(read[i] ?? null));
  }
  return rowsOfViews;
}
