/**
 * The body of Feast's calls that write rows: POST /push, `{"push_source_name", "df", "to"?}`, where the push source is
 * a feature view, and POST /write-to-online-store, `{"feature_view_name", "df"}`. `df` holds columns: the join keys,
 * every feature of the view (null = null value; a row is always whole), and the view's timestamp field, without which
 * the event time is now.
 */
import { MillraceError } from '../errors.ts';
import type { DataType } from '../project/data-type.ts';
import { isRecord } from '../project/json-record.ts';
import type { JsonRecord } from '../project/json-record.ts';
import type { FeatureView, Project } from '../project/project.ts';
import { suggestName } from '../project/suggestion.ts';
import type { Scalar, Value } from '../project/value.ts';
import { encodeEntityKey } from './entity-key.ts';
import { refuseEventTime } from './event-time.ts';
import type { Columns } from './feast-columns.ts';
import { decodeColumn, readColumns } from './feast-columns.ts';
import type { Row, RowWrite } from './online-store.ts';
import { refuseRows } from './refuse-rows.ts';
import type { ProblemList } from '../project/problem-list.ts';
import { createProblemList, shortName } from '../project/problem-list.ts';

// The last two are Feast's own: they say how its registry and its transformations take part, and mean nothing here.
const pushFields = [
  'push_source_name',
  'feature_view_name',
  'df',
  'to',
  'allow_registry_cache',
  'transform_on_write',
];
const timestampType: DataType = { scalar: 'timestamp', length: undefined };

/**
 * @param body the parsed JSON
 * @param nowMs event time of rows that bring none
 * @throws MillraceError UNKNOWN_FEATURE, INVALID_REQUEST with details, TOO_MANY_ROWS, KEY_TOO_LONG
 */
export function decodePush(project: Project, body: unknown, nowMs: number): RowWrite[] {
  if (!isRecord(body))
    throw new MillraceError('INVALID_REQUEST', 'The body must be a JSON object with `df`.');
  const view = pushedView(project, body);
  const problems = createProblemList();
  for (const name of Object.keys(body)) {
    if (!pushFields.includes(name)) problems.addUnknown(shortName(name), name, pushFields, 'fields');
  }
  checkTarget(body['to'], problems);
  const columns = readColumns(body['df'], 'df', project.limits.rowsMax, problems);
  const pushed = isRecord(body['df']) ? decodePushed(view, columns, nowMs, problems) : undefined;
  problems.throwIfAny('INVALID_REQUEST', `The push does not fit the feature view "${view.name}"`);
  return pushed === undefined ? [] : rowWrites(view, pushed);
}

/** Columns of one view, decoded. */
interface Pushed {
  readonly eventTimesMs: readonly number[];
  readonly keys: readonly (readonly Scalar[])[];
  readonly features: readonly (readonly Value[])[];
}

function decodePushed(view: FeatureView, columns: Columns, nowMs: number, problems: ProblemList): Pushed {
  const { timestampField, entity, features } = view;
  const known = [
    ...entity.keys.map((key) => key.name),
    ...features.map((feature) => feature.name),
    timestampField,
  ];
  for (const name of columns.byName.keys()) {
    if (!known.includes(name)) problems.addUnknown(`df.${shortName(name)}`, name, known, 'columns');
  }
  const keys = entity.keys.map(({ name, type }) =>
    decodeColumn(columns, { name, type: { scalar: type, length: undefined }, nullable: false }, problems),
  );
  entity.keys.forEach(({ name }, k) =>
    keys[k]?.forEach((value, i) => {
      if (value === '') problems.add(`df.${name}[${i}]`, 'must not be empty: it is a join key');
    }),
  );
  const timestamps = columns.byName.has(timestampField)
    ? decodeColumn(columns, { name: timestampField, type: timestampType, nullable: false }, problems)
    : new Array<number>(columns.rowCount).fill(nowMs);
  timestamps.forEach((eventTimeMs, i) => {
    const reason = typeof eventTimeMs === 'number' ? refuseEventTime(eventTimeMs, nowMs) : undefined;
    if (reason !== undefined) problems.add(`df.${timestampField}[${i}]`, reason);
  });
  return {
    // A key or an event time is null only where there is a problem, and then no row is built.
    keys: keys as Scalar[][],
    eventTimesMs: timestamps as number[],
    features: features.map(({ name, type }) =>
      decodeColumn(columns, { name, type, nullable: true }, problems),
    ),
  };
}

function rowWrites(view: FeatureView, { eventTimesMs, keys, features }: Pushed): RowWrite[] {
  return eventTimesMs.map((eventTimeMs, i) => {
    const row: Row = [eventTimeMs, ...features.map((values) => values[i] as Value)];
    const keyValues = keys.map((values) => values[i] as Scalar);
    return { view, key: encodeEntityKey(view.entity, keyValues), row };
  });
}

function pushedView(project: Project, body: JsonRecord): FeatureView {
  const { push_source_name: source, feature_view_name: viewName } = body;
  const name = source ?? viewName;
  if (typeof name !== 'string' || (source !== undefined && viewName !== undefined)) {
    const sentence = 'The body must name one feature view: in `push_source_name` or in `feature_view_name`.';
    throw new MillraceError('INVALID_REQUEST', sentence);
  }
  const view = project.featureViews.get(name);
  if (view?.stream !== undefined) throw new MillraceError('INVALID_REQUEST', refuseRows(view, view.stream));
  if (view !== undefined) return view;
  const suggestion = suggestName(name, project.featureViews.keys(), 'feature views');
  throw new MillraceError('UNKNOWN_FEATURE', `There is no feature view "${shortName(name)}"; ${suggestion}`);
}

function checkTarget(to: unknown, problems: ProblemList): void {
  if (to === undefined || to === 'online') return;
  const isOffline = to === 'offline' || to === 'online_and_offline';
  problems.add('to', isOffline ? 'must be "online": there is no offline store' : 'must be "online"');
}
