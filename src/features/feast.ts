/**
 * Feast's HTTP API, the part without HTTP: POST /get-online-features here, the calls that write in feast-push.ts.
 *
 * Answers tell what is stored: a feature's declared default stands in for missing values in predictions only. Only a
 * PRESENT value is given; every other status comes with null. What differs from Feast's own server: the max age is
 * kept, a missing entity is NOT_FOUND, int64 keeps all digits, and a timestamp is written as RFC 3339.
 */
import { MillraceError } from '../errors.ts';
import type { Feature, FeatureView, Project } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import type { FeatureQuery } from './feast-query.ts';
import { decodeFeatureQuery } from './feast-query.ts';
import type { RowStatus, ValueStatus } from './feature-status.ts';
import { rowStatus, valueStatus } from './feature-status.ts';
import type { EntityKey, Row, RowSource } from './online-store.ts';

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
/** A small body can name large values often: the answer is one text, made at once. */
const ANSWER_CHARS_MAX = 64 * 2 ** 20;
const CELL_CHARS = 60;

/**
 * @param body the parsed JSON
 * @param nowMs the server's clock, from which ages count
 * @param seesProtected whether the caller may read protected features
 * @throws MillraceError FORBIDDEN, UNKNOWN_FEATURE, INVALID_REQUEST with details, TOO_MANY_ROWS, KEY_TOO_LONG, STORE_FAILED
 */
export async function getOnlineFeatures(
  project: Project,
  source: RowSource,
  body: unknown,
  nowMs: number,
  seesProtected = false,
): Promise<FeastResponse> {
  const query = decodeFeatureQuery(project, body);
  if (!seesProtected) refuseProtected(query);
  const rowsOfViews = await readRows(source, query, nowMs);
  const names = [...query.joinKeys.keys()];
  const results = [...query.joinKeys.values()].map(joinKeyColumn);
  let chars = 0;
  query.views.forEach(({ view, features }, i) => {
    const shared = judgeRows(view, rowsOfViews[i] as readonly (Row | null)[], nowMs);
    for (const { feature, name } of features) {
      names.push(name);
      const column = featureColumn(view, feature, shared);
      chars += columnChars(feature, column.values);
      if (chars > ANSWER_CHARS_MAX) throw tooLarge();
      results.push(column);
    }
  });
  return { metadata: { feature_names: names }, results };
}

/** Before anything is read: how long that takes would tell, too. */
function refuseProtected({ views }: FeatureQuery): void {
  const names = views.flatMap(({ view, features }) =>
    features.flatMap(({ feature }) => (feature.isProtected === true ? `${view.name}:${feature.name}` : [])),
  );
  if (names.length === 0) return;
  const which = names.length === 1 ? `The feature ${names[0]} is` : `The features ${names.join(', ')} are`;
  const sentence = `${which} protected: reading takes the scope "features:protected".`;
  throw new MillraceError('FORBIDDEN', sentence);
}

function joinKeyColumn(values: readonly Value[]): FeastColumn {
  return { values, statuses: values.map(() => 'PRESENT'), event_timestamps: values.map(() => EPOCH) };
}

/** About: what a number, a status and a time take is the same for all. */
function columnChars({ type }: Feature, values: readonly Value[]): number {
  let chars = values.length * CELL_CHARS * (type.length ?? 1);
  if (type.scalar === 'string') for (const value of values) chars += (value as string | null)?.length ?? 0;
  return chars;
}

function tooLarge(): MillraceError {
  return new MillraceError(
    'TOO_MANY_ROWS',
    `The answer would be larger than ${ANSWER_CHARS_MAX / 2 ** 20} MB. Ask for fewer rows or features in one call.`,
  );
}

/** What all columns of a view have together. */
interface JudgedRows {
  readonly rows: readonly (Row | null)[];
  /** Of the rows. */
  readonly statuses: readonly RowStatus[];
  readonly eventTimestamps: readonly string[];
}

function judgeRows(view: FeatureView, rows: readonly (Row | null)[], nowMs: number): JudgedRows {
  return {
    rows,
    statuses: rows.map((row) => rowStatus(view, row, nowMs, false)),
    eventTimestamps: rows.map((row) => (row === null ? EPOCH : formatTime(row[0]))),
  };
}

function featureColumn(
  view: FeatureView,
  feature: Feature,
  { rows, statuses, eventTimestamps }: JudgedRows,
): FeastColumn {
  const at = feature.index + 1;
  const stored = rows.map((row, i): Value =>
    row === null || statuses[i] !== 'PRESENT' ? null : (row[at] ?? null),
  );
  const values = feature.type.scalar === 'timestamp' ? stored.map(timestampValue) : stored;
  // A row that is not present has no values, so without a null the statuses of the rows are those of the values.
  const valueStatuses = stored.includes(null)
    ? rows.map((row, i) => valueStatus(view, feature, row, statuses[i] as RowStatus))
    : statuses;
  return { values, statuses: valueStatuses, event_timestamps: eventTimestamps };
}

function timestampValue(value: Value): Value {
  return value === null ? null : formatTime(value as number);
}

/** RFC 3339 with no fraction or with milliseconds. */
function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('.000Z', 'Z');
}

/**
 * The rows of every view: from memory where the store has them there, the others in one read. One entity key after the
 * other, with all its views: so the store finds each key once, and reads it once.
 */
async function readRows(source: RowSource, query: FeatureQuery, nowMs: number): Promise<(Row | null)[][]> {
  const missed: { readonly view: FeatureView; readonly key: EntityKey; keep(row: Row | null): void }[] = [];
  const rowsOfViews = query.views.map((): (Row | null)[] => []);
  for (const [entity, keys] of query.entityKeys) {
    const columns = query.views.flatMap(({ view }, i) =>
      view.entity === entity ? [{ view, rows: rowsOfViews[i] as (Row | null)[] }] : [],
    );
    keys.forEach((key, i) => {
      for (const { view, rows } of columns) {
        const row = source.get(view, key, nowMs, false);
        rows.push(row ?? null);
        if (row === undefined) missed.push({ view, key, keep: (read) => (rows[i] = read) });
      }
    });
  }
  if (missed.length > 0) {
    const read = await source.read(missed, nowMs, false);
    missed.forEach((miss, i) => miss.keep(read[i] ?? null));
  }
  return rowsOfViews;
}
