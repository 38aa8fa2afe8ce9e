/**
 * The body of Feast's POST /get-online-features: `{"features": ["view:feature"], "entities": {"key": [...]},
 * "full_feature_names"?: true}`, checked against the project. Views of several entities may be asked at once, if the
 * join keys of all are given. An entity without join keys has the same row in each row of the answer.
 */
import { MillraceError } from '../errors.ts';
import type { Entity, Feature, FeatureView, JoinKey, Project } from '../project/project.ts';
import type { Scalar, Value } from '../project/value.ts';
import { encodeEntityKey } from './entity-key.ts';
import type { Columns } from './feast-columns.ts';
import { decodeColumn, readColumns } from './feast-columns.ts';
import type { EntityKey } from './online-store.ts';
import { isRecord } from '../project/json-record.ts';
import type { JsonRecord } from '../project/json-record.ts';
import type { ProblemList } from '../project/problem-list.ts';
import { createProblemList, shortName } from '../project/problem-list.ts';

export interface FeatureQuery {
  /** In the order in which the query first names them. */
  readonly views: readonly QueriedView[];
  /** Values by name, in the order of the body. */
  readonly joinKeys: ReadonlyMap<string, readonly Value[]>;
  /** One key per row, for the entity of every view. */
  readonly entityKeys: ReadonlyMap<Entity, readonly EntityKey[]>;
}

export interface QueriedView {
  readonly view: FeatureView;
  /** In the order of the query. */
  readonly features: readonly QueriedFeature[];
}

export interface QueriedFeature {
  readonly feature: Feature;
  /** In the answer: the feature's name, or `view__feature` with `full_feature_names`. */
  readonly name: string;
}

const queryFields = ['features', 'entities', 'feature_service', 'full_feature_names'];

/** @throws MillraceError UNKNOWN_FEATURE, INVALID_REQUEST with details, TOO_MANY_ROWS, KEY_TOO_LONG */
export function decodeFeatureQuery(project: Project, body: unknown): FeatureQuery {
  if (!isRecord(body)) {
    throw new MillraceError(
      'INVALID_REQUEST',
      'The body must be a JSON object with `features` and `entities`.',
    );
  }
  const problems = createProblemList();
  checkFields(body, problems);
  const columns = readColumns(body['entities'], 'entities', project.limits.rowsMax, problems);
  const views = decodeFeatures(project, body, new Set(columns.byName.keys()), problems);
  const entities = new Set(views.map(({ view }) => view.entity));
  if (views.length > 0) checkColumns(columns, entities, problems);
  const keysOf = new Map([...entities].map((entity) => [entity, decodeKeys(entity, columns, problems)]));
  problems.throwIfAny('INVALID_REQUEST', 'The request does not fit the project');
  return { views, joinKeys: joinKeyValues(columns, keysOf), entityKeys: encodeKeys(columns, keysOf) };
}

function checkFields(body: JsonRecord, problems: ProblemList): void {
  for (const name of Object.keys(body)) {
    if (!queryFields.includes(name)) problems.addUnknown(shortName(name), name, queryFields, 'fields');
  }
  if ((body['feature_service'] ?? null) !== null) {
    problems.add('feature_service', 'is not supported; list the features in `features`');
  }
  if (typeof (body['full_feature_names'] ?? false) !== 'boolean') {
    problems.add('full_feature_names', 'must be true or false');
  }
}

/** @param names of the answer's columns, of which no two may be equal; holds the join keys, and gets the features */
function decodeFeatures(
  project: Project,
  body: JsonRecord,
  names: Set<string>,
  problems: ProblemList,
): QueriedView[] {
  const references: unknown = body['features'];
  if (!Array.isArray(references) || references.length === 0) {
    problems.add('features', 'must be an array of at least one "view:feature"');
    return [];
  }
  const unknown = createProblemList();
  const featuresOf = new Map<FeatureView, QueriedFeature[]>();
  for (let i = 0; i < references.length && !problems.isFull() && !unknown.isFull(); i++) {
    const path = `features[${i}]`;
    const found = findFeature(project, references[i], path, problems, unknown);
    if (found === undefined) continue;
    const { view, feature } = found;
    const name = body['full_feature_names'] === true ? `${view.name}__${feature.name}` : feature.name;
    if (names.has(name)) {
      problems.add(path, `makes a second column "${name}"; ask once, or set full_feature_names`);
    }
    names.add(name);
    const features = featuresOf.get(view);
    if (features === undefined) featuresOf.set(view, [{ feature, name }]);
    else features.push({ feature, name });
  }
  unknown.throwIfAny('UNKNOWN_FEATURE', 'The project has no such feature');
  return [...featuresOf].map(([view, features]) => ({ view, features }));
}

function findFeature(
  project: Project,
  reference: unknown,
  path: string,
  problems: ProblemList,
  unknown: ProblemList,
): { readonly view: FeatureView; readonly feature: Feature } | undefined {
  const [viewName, featureName, ...rest] = typeof reference === 'string' ? reference.split(':', 3) : [];
  if (viewName === undefined || featureName === undefined || rest.length > 0) {
    problems.add(path, 'must be a string "view:feature"');
    return undefined;
  }
  const view = project.featureViews.get(viewName);
  if (view === undefined) {
    unknown.addUnknown(path, viewName, project.featureViews.keys(), 'feature views');
    return undefined;
  }
  const feature = view.features.find((candidate) => candidate.name === featureName);
  if (feature !== undefined) return { view, feature };
  const known = view.features.map((candidate) => candidate.name);
  unknown.addUnknown(path, featureName, known, `features of ${view.name}`);
  return undefined;
}

function checkColumns(columns: Columns, entities: Iterable<Entity>, problems: ProblemList): void {
  const known = new Set([...entities].flatMap((entity) => entity.keys.map((key) => key.name)));
  for (const name of columns.byName.keys()) {
    if (!known.has(name)) problems.addUnknown(`entities.${shortName(name)}`, name, known, 'join keys');
  }
}

/** Per join key of the entity its values. Two entities may take the same column, even as different types. */
function decodeKeys(entity: Entity, columns: Columns, problems: ProblemList): Scalar[][] {
  const decode = ({ name, type }: JoinKey): Value[] =>
    decodeColumn(columns, { name, type: { scalar: type, length: undefined }, nullable: false }, problems);
  // A key is null only where there is a problem, and then the query is refused.
  return entity.keys.map((key) => decode(key) as Scalar[]);
}

type KeysOfEntities = ReadonlyMap<Entity, readonly (readonly Scalar[])[]>;

function joinKeyValues(columns: Columns, keysOf: KeysOfEntities): Map<string, readonly Value[]> {
  const values = new Map<string, readonly Value[]>();
  for (const name of columns.byName.keys()) {
    for (const [entity, keys] of keysOf) {
      const column = keys[entity.keys.findIndex((key) => key.name === name)];
      if (column !== undefined) values.set(name, column);
    }
  }
  return values;
}

function encodeKeys(columns: Columns, keysOf: KeysOfEntities): Map<Entity, EntityKey[]> {
  // Where no entity has join keys there is one row, and no column could say so.
  const isOneRow = columns.byName.size === 0 && keysOf.size > 0;
  const rows = Array.from({ length: isOneRow ? 1 : columns.rowCount }, (_, row) => row);
  const encodeAll = (entity: Entity, keys: readonly (readonly Scalar[])[]): EntityKey[] =>
    rows.map((row) =>
      encodeEntityKey(
        entity,
        keys.map((values) => values[row] as Scalar),
      ),
    );
  return new Map([...keysOf].map(([entity, keys]) => [entity, encodeAll(entity, keys)]));
}
