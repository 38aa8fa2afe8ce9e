/** Entities and feature views, put together from a checked project file. */
import { buildAggregation, isComputed } from './build-aggregation.ts';
import { buildStream } from './build-stream.ts';
import type { DataType } from './data-type.ts';
import { formatPath } from './path.ts';
import type { Path } from './path.ts';
import type { Entity, EventType, Feature, FeatureView, Stream } from './project.ts';
import type { FeatureSpec, FeatureViewSpec, ProjectSpec } from './project-schema.ts';
import type { Report } from './report.ts';
import { isIncomplete } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';
import { Refusal, decodeValue } from './value.ts';

/** An entity with a mistake is left out as a whole: half of its join keys would be another entity. */
export function buildEntities(spec: ProjectSpec, source: SourceFile, report: Report): Map<string, Entity> {
  const entities = new Map<string, Entity>();
  for (const [name, { keys }] of Object.entries(spec.entities)) {
    if (report.isTouched(source, ['entities', name])) continue;
    entities.set(name, { name, keys: Object.entries(keys).map(([key, type]) => ({ name: key, type })) });
  }
  return entities;
}

export interface ViewGround {
  readonly entities: ReadonlyMap<string, Entity>;
  readonly eventTypes: ReadonlyMap<string, EventType>;
}

const TIMESTAMP_FIELD = 'event_timestamp';

/** A feature view keeps the features that are sound; without its entity, or its stream, it is left out. */
export function buildFeatureViews(
  spec: ProjectSpec,
  ground: ViewGround,
  source: SourceFile,
  report: Report,
): Map<string, FeatureView> {
  const { entities } = ground;
  const views = new Map<string, FeatureView>();
  for (const [name, view] of Object.entries(spec.feature_views)) {
    const entity = entities.get(view.entity);
    if (entity !== undefined) {
      const built = buildView(name, view, entity, ground, { source, report });
      if (built !== undefined) views.set(name, built);
    } else if (isIncomplete(report.incomplete, formatPath(['entities', view.entity]))) {
      report.markIncomplete(formatPath(['feature_views', name]));
    } else {
      const suggestion = suggestName(view.entity, entities.keys(), 'entities');
      report.add(
        source,
        ['feature_views', name, 'entity'],
        `there is no entity "${view.entity}"`,
        suggestion,
      );
    }
  }
  return views;
}

interface Reporting {
  readonly source: SourceFile;
  readonly report: Report;
}

function buildView(
  name: string,
  spec: FeatureViewSpec,
  entity: Entity,
  { eventTypes }: ViewGround,
  reporting: Reporting,
): FeatureView | undefined {
  const { source, report } = reporting;
  const path = ['feature_views', name];
  const timestampField = spec.timestamp_field ?? TIMESTAMP_FIELD;
  const isStreamed = Object.hasOwn(spec, 'stream') || report.isTouched(source, [...path, 'stream']);
  if (entity.keys.some((key) => key.name === timestampField)) {
    const message = `"${timestampField}" is a join key of ${entity.name}, and one column cannot be both`;
    report.add(source, [...path, 'timestamp_field'], message);
  }
  if (isStreamed) refuseOfLoaded(spec, path, reporting);
  const stream =
    spec.stream === undefined
      ? undefined
      : buildStream(spec.stream, path, entity, eventTypes, source, report);
  if (isStreamed && stream === undefined) {
    report.markIncomplete(formatPath(path));
    return undefined;
  }
  const features: Feature[] = [];
  for (const [featureName, featureSpec] of Object.entries(spec.features)) {
    const featurePath = [...path, 'features', featureName];
    const isProtected = featureSpec.protected === true;
    for (const feature of buildFeatures(featureName, featureSpec, featurePath, stream, reporting)) {
      const index = features.length;
      const clash =
        columnClash(feature.name, timestampField, entity) ?? rankClash(feature.name, featureName, features);
      if (clash === undefined) features.push({ ...feature, ...(isProtected && { isProtected }), index });
      else report.add(source, featurePath, clash);
    }
  }
  const { ttl: ttlMs, on_unavailable: onUnavailable } = spec;
  const view = { name, entity, ttlMs, timestampField, onUnavailable, features };
  return stream === undefined ? view : { ...view, stream };
}

/** What only rows have that are loaded or pushed. */
function refuseOfLoaded(spec: FeatureViewSpec, path: Path, { source, report }: Reporting): void {
  const streamed = 'has no meaning in a view with a stream';
  if (spec.ttl !== undefined)
    report.add(source, [...path, 'ttl'], `${streamed}: the window of each feature says what is too old`);
  if (spec.timestamp_field !== undefined)
    report.add(source, [...path, 'timestamp_field'], `${streamed}: its rows are not loaded or pushed`);
}

type Unplaced = Omit<Feature, 'index'>;

/** The features that one key of the file makes: none if it has a mistake, several if it asks for several ranks. */
function buildFeatures(
  name: string,
  spec: FeatureSpec,
  path: Path,
  stream: Stream | undefined,
  reporting: Reporting,
): Unplaced[] {
  const { source, report } = reporting;
  if (stream === undefined) {
    const type = loadedType(spec, path, reporting);
    const standIn = type && decodeDefault(type, spec, path, reporting);
    return type === undefined || standIn instanceof Refusal ? [] : [{ name, type, default: standIn }];
  }
  if (spec.type !== undefined) {
    const suggestion = 'write it like { count: true, window: 1h } or { mean: FIELD, window: 3h }';
    const message = 'has a type, but this view has a stream: its features are computed from events';
    report.add(source, path, message, suggestion);
    return [];
  }
  const built = buildAggregation(spec, path, stream.event, source, report);
  const standIn = built && decodeDefault(built.type, spec, path, reporting);
  if (built === undefined || standIn instanceof Refusal) return [];
  const { type, aggregation } = built;
  const { count } = aggregation;
  return Array.from({ length: count }, (_, i): Unplaced => ({
    name: count === 1 ? name : `${name}_${i + 1}`,
    type,
    default: standIn,
    aggregation: { ...aggregation, rank: i + 1 },
  }));
}

function loadedType(spec: FeatureSpec, path: Path, { source, report }: Reporting): DataType | undefined {
  if (isComputed(spec)) {
    const message = 'is computed from events, but this view has no stream';
    report.add(source, path, message, 'give the view a stream, or the feature a type');
    return undefined;
  }
  if (spec.type === undefined && !report.isTouched(source, path))
    report.add(source, [...path, 'type'], 'is missing');
  return spec.type;
}

/** A large integer in a file is a bigint, which is right for int64; a float takes it as a number. */
function withoutBigints(type: DataType, input: unknown): unknown {
  if (type.scalar === 'int64') return input;
  if (Array.isArray(input)) return input.map((element: unknown) => withoutBigints(type, element));
  return typeof input === 'bigint' ? Number(input) : input;
}

function decodeDefault(
  type: DataType,
  spec: FeatureSpec,
  path: Path,
  { source, report }: Reporting,
): Feature['default'] | Refusal {
  if (!Object.hasOwn(spec, 'default')) return undefined;
  const value = decodeValue(type, withoutBigints(type, spec.default));
  if (value instanceof Refusal) report.add(source, [...path, 'default'], value.reason);
  return value;
}

/** A feature of several ranks has names that another feature may have too. */
function rankClash(name: string, writtenName: string, features: readonly Feature[]): string | undefined {
  if (!features.some((feature) => feature.name === name)) return undefined;
  return name === writtenName
    ? `is the name of one of several values of a feature above`
    : `makes a feature ${name}, and there is one above`;
}

/** In a loaded file or a push, join keys, features and event time are columns side by side. */
function columnClash(feature: string, timestampField: string, entity: Entity): string | undefined {
  if (feature === timestampField) return 'has the name of the timestamp field, and one column cannot be both';
  if (!entity.keys.some((key) => key.name === feature)) return undefined;
  return `has the name of a join key of ${entity.name}, and one column cannot be both`;
}
