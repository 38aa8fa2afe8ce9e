/** Feast's calls, with the views and features of the project. */
import type { JsonObject } from '../../project/json-text.ts';
import type { DataType } from '../../project/data-type.ts';
import type { FeatureView, JoinKey, Project } from '../../project/project.ts';
import { json } from './description.ts';
import type { AnswerDescription, Descriptions, RouteDescription } from './description.ts';
import {
  anyOf,
  array,
  constant,
  described,
  moment,
  nullable,
  object,
  oneOfNames,
  text,
  truth,
} from './json-schema.ts';
import type { Schema } from './json-schema.ts';
import { valueStatus } from './trace-schema.ts';
import { exampleTime, exampleValue, timestampSchema, valueSchema } from './value-schema.ts';

const EXAMPLE_FEATURES = 3;

export const featureDescriptions: Descriptions = {
  'post /get-online-features': ({ project }) => [describeRead(project)],
  'post /push': ({ project }) => [describePush(project, 'push_source_name')],
  'post /write-to-online-store': ({ project }) => [describePush(project, 'feature_view_name')],
};

function describeRead(project: Project): RouteDescription {
  const hidden = [...project.featureViews.values()].flatMap(({ name, features }) =>
    features
      .filter(({ isProtected }) => isProtected === true)
      .map((feature) => `\`${name}:${feature.name}\``),
  );
  return {
    tag: 'Features',
    summary: 'Read features',
    description: [
      'By column: join keys first, then features. It tells what is stored; defaults of the project file stand in for what is missing in predictions only.',
      hidden.length === 0
        ? ''
        : `To read ${hidden.join(', ')} takes the scope \`features:protected\` as well.`,
    ].join(' '),
    request: { content: json(readSchema(project), readExample(project)) },
    answers: { 200: { description: 'A column for each name.', content: json(columnsSchema) } },
    errors: ['TOO_MANY_ROWS', 'KEY_TOO_LONG', 'UNKNOWN_FEATURE', 'NOT_READY', 'STORE_FAILED'],
  };
}

function keyType({ type }: JoinKey): DataType {
  return { scalar: type, length: undefined };
}

function readSchema({ featureViews, limits }: Project): Schema {
  const views = [...featureViews.values()];
  const names = views.flatMap(({ name, features }) => features.map((feature) => `${name}:${feature.name}`));
  const keys = new Map<string, Schema[]>();
  for (const { entity } of views)
    for (const key of entity.keys)
      keys.set(key.name, [...(keys.get(key.name) ?? []), valueSchema(keyType(key))]);
  const columns = [...keys].map(([name, types]) => [name, array(anyOf(types), { maxItems: limits.rowsMax })]);
  return object(
    {
      features: array(names.length === 0 ? text : oneOfNames(names), { minItems: 1 }),
      entities: described(
        object(Object.fromEntries(columns) as Record<string, Schema>, []),
        'The join keys of what is asked for, one value per row.',
      ),
      full_feature_names: described(nullable(truth), 'Names are `view__feature`, not `feature`.'),
      feature_service: { type: 'null' },
    },
    ['features', 'entities'],
  );
}

function readExample({ featureViews }: Project): JsonObject | undefined {
  const view = [...featureViews.values()].find(({ features }) =>
    features.some(({ isProtected }) => isProtected !== true),
  );
  if (view === undefined) return undefined;
  return {
    features: view.features
      .filter(({ isProtected }) => isProtected !== true)
      .slice(0, EXAMPLE_FEATURES)
      .map(({ name }) => `${view.name}:${name}`),
    entities: Object.fromEntries(
      view.entity.keys.map((key) => [key.name, [exampleValue(keyType(key), key.name)]]),
    ),
  };
}

const columnsSchema = object({
  metadata: object({ feature_names: array(text) }),
  results: array(
    object({
      values: described(array({}), 'null where the status is not PRESENT.'),
      statuses: array(valueStatus),
      event_timestamps: array(moment),
    }),
    { description: 'In the order of `feature_names`.' },
  ),
});

const pushed: AnswerDescription = { description: 'Every row is durable. The body is empty.' };

function describePush(project: Project, naming: 'push_source_name' | 'feature_view_name'): RouteDescription {
  const views = [...project.featureViews.values()].filter(({ stream }) => stream === undefined);
  const [first] = views;
  return {
    tag: 'Features',
    summary: naming === 'push_source_name' ? 'Push rows' : 'Write rows',
    description: [
      'All rows are written or none; with Redis, all rows of one entity. A row never replaces one with a later event time.',
      first === undefined ? 'No view of this project takes rows: all are computed from events.' : '',
    ].join(' '),
    request: {
      content: json(
        first === undefined
          ? { type: 'object' }
          : anyOf(views.map((view) => pushSchema(view, project, naming))),
        first && { [naming]: first.name, df: pushExample(first) },
      ),
    },
    answers: { 200: pushed },
    errors: ['TOO_MANY_ROWS', 'KEY_TOO_LONG', 'UNKNOWN_FEATURE', 'NOT_READY', 'STORE_FAILED'],
  };
}

function pushSchema(view: FeatureView, { limits }: Project, naming: string): Schema {
  const { name, entity, features, timestampField } = view;
  const column = (values: Schema): Schema => array(values, { maxItems: limits.rowsMax });
  const keys = entity.keys.map((key): [string, Schema] => [key.name, column(valueSchema(keyType(key)))]);
  const values = features.map((feature): [string, Schema] => [
    feature.name,
    column(valueSchema(feature.type, true)),
  ]);
  const df = object(
    Object.fromEntries([
      ...keys,
      ...values,
      [timestampField, described(column(timestampSchema), 'The event times; without it they are now.')],
    ]) as Record<string, Schema>,
    [...keys, ...values].map(([title]) => title),
  );
  return {
    title: name,
    ...object(
      {
        [naming]: constant(name),
        df: described(df, 'One value per row in each column.'),
        to: constant('online'),
        allow_registry_cache: described({}, 'Is ignored.'),
        transform_on_write: described({}, 'Is ignored.'),
      },
      [naming, 'df'],
    ),
  };
}

function pushExample({ entity, features, timestampField }: FeatureView): JsonObject {
  const keys = entity.keys.map((key) => [key.name, [exampleValue(keyType(key), key.name)]]);
  const values = features.map(({ name, type }) => [name, [exampleValue(type, name)]]);
  return Object.fromEntries([...keys, ...values, [timestampField, [exampleTime]]]) as JsonObject;
}
