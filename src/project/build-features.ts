/** Entities and feature views, put together from a checked project file. */
import { formatPath } from './path.ts';
import type { Entity, Feature, FeatureView } from './project.ts';
import type { FeatureViewSpec, ProjectSpec } from './project-schema.ts';
import type { Report } from './report.ts';
import { isIncomplete } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';

/** An entity with a mistake is left out as a whole: half of its join keys would be another entity. */
export function buildEntities(spec: ProjectSpec, source: SourceFile, report: Report): Map<string, Entity> {
  const entities = new Map<string, Entity>();
  for (const [name, { keys }] of Object.entries(spec.entities)) {
    if (report.isTouched(source, ['entities', name])) continue;
    entities.set(name, { name, keys: Object.entries(keys).map(([key, type]) => ({ name: key, type })) });
  }
  return entities;
}

/** A feature view keeps the features that are sound; without its entity it is left out. */
export function buildFeatureViews(
  spec: ProjectSpec,
  entities: ReadonlyMap<string, Entity>,
  source: SourceFile,
  report: Report,
): Map<string, FeatureView> {
  const views = new Map<string, FeatureView>();
  for (const [name, view] of Object.entries(spec.feature_views)) {
    const entity = entities.get(view.entity);
    if (entity !== undefined) {
      views.set(name, buildView(name, view, entity, source, report));
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

function buildView(
  name: string,
  spec: FeatureViewSpec,
  entity: Entity,
  source: SourceFile,
  report: Report,
): FeatureView {
  const features: Feature[] = [];
  for (const [feature, { type, default: standIn }] of Object.entries(spec.features)) {
    const clash = columnClash(feature, spec.timestamp_field, entity);
    if (clash === undefined) features.push({ name: feature, type, index: features.length, default: standIn });
    else report.add(source, ['feature_views', name, 'features', feature], clash);
  }
  if (entity.keys.some((key) => key.name === spec.timestamp_field)) {
    const message = `"${spec.timestamp_field}" is a join key of ${entity.name}, and one column cannot be both`;
    report.add(source, ['feature_views', name, 'timestamp_field'], message);
  }
  return {
    name,
    entity,
    ttlMs: spec.ttl,
    timestampField: spec.timestamp_field,
    onUnavailable: spec.on_unavailable,
    features,
  };
}

/** In a loaded file or a push, join keys, features and event time are columns side by side. */
function columnClash(feature: string, timestampField: string, entity: Entity): string | undefined {
  if (feature === timestampField) return 'has the name of the timestamp field, and one column cannot be both';
  if (!entity.keys.some((key) => key.name === feature)) return undefined;
  return `has the name of a join key of ${entity.name}, and one column cannot be both`;
}
