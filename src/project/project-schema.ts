/**
 * The shape of millrace.yaml and model.yaml: one schema for the validation and for the published JSON Schema
 * (scripts/write-schema.ts). What one key says about another is checked where the project is put together.
 *
 * The `…Spec` types are the checked files: names as in the file, texts such as durations and types already parsed.
 */
import { z } from 'zod';
import type { DataType } from './data-type.ts';
import { aggregationKeys, eventType, field, stream } from './event-schema.ts';
import type { AggregationSpec, EventTypeSpec, FieldSpec, StreamSpec } from './event-schema.ts';
import { predictionLog } from './prediction-log-schema.ts';
import type { PredictionLogSpec } from './prediction-log-schema.ts';
import { rolloutSchema, unitSchema } from './rollout-schema.ts';
import type { RolloutSpec, UnitSpec } from './rollout-schema.ts';
import { WORKERS_MAX, executions } from './execution.ts';
import type { Execution } from './execution.ts';
import { dataType, duration, identifier, identifierPattern, name, parsed } from './schema-values.ts';
import { LIMIT_TIMEOUT_MS_MAX, cache, feast, limits, streaming } from './settings-schema.ts';
import type { CacheSpec, FeastSpec, LimitsSpec, StreamingSpec } from './settings-schema.ts';

export interface EntitySpec {
  readonly keys: Readonly<Record<string, 'string' | 'int64'>>;
}

/** A feature has a type, or an aggregate; which of them depends on its view. */
export interface FeatureSpec extends AggregationSpec {
  readonly type?: DataType | undefined;
  /** As it stands in the file: what it must be may depend on the field that is aggregated. */
  readonly default?: unknown;
  readonly protected?: boolean | undefined;
}

export interface FeatureViewSpec {
  readonly entity: string;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
  readonly on_unavailable: 'default' | 'error';
  readonly timestamp_field?: string | undefined;
  readonly stream?: StreamSpec | undefined;
  readonly features: Readonly<Record<string, FeatureSpec>>;
}

export interface EndpointSpec {
  readonly request: Readonly<Record<string, FieldSpec>>;
  readonly unit?: UnitSpec | undefined;
  readonly variants: Readonly<Record<string, { readonly model: string }>>;
  readonly rollout: RolloutSpec;
  readonly log?: PredictionLogSpec | undefined;
}

/** Durations in milliseconds, sizes in bytes. */
export interface ProjectSpec {
  readonly project: string;
  readonly entities: Readonly<Record<string, EntitySpec>>;
  readonly events: Readonly<Record<string, EventTypeSpec>>;
  readonly feature_views: Readonly<Record<string, FeatureViewSpec>>;
  readonly endpoints: Readonly<Record<string, EndpointSpec>>;
  readonly limits: LimitsSpec;
  readonly streaming: StreamingSpec;
  readonly cache: CacheSpec;
  readonly feast?: FeastSpec | undefined;
}

export interface BindingSpec {
  readonly entity: string;
  /** Join key -> request field. */
  readonly keys: Readonly<Record<string, string>>;
}

export interface OutputSpec {
  readonly tensor: string;
  readonly column: number | undefined;
}

/** A model's or a version's own model.yaml: every key may be left to the other. */
export interface ModelSpec {
  readonly entities?: Readonly<Record<string, BindingSpec>> | undefined;
  readonly inputs?: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly outputs?: Readonly<Record<string, OutputSpec>> | undefined;
  readonly batching?: { readonly rows_max: number; readonly delay_ms_max: number } | undefined;
  readonly execution?: Execution | undefined;
  readonly workers?: number | undefined;
  readonly queue_rows_max?: number | undefined;
  readonly timeout_ms?: number | undefined;
  readonly warmup?: boolean | undefined;
}

const reservedBindings: ReadonlySet<string> = new Set(['request', 'as_of', 'true', 'false', 'null', 'this']);

function parseOutput(text: string): OutputSpec | string {
  const match = /^([^[].*?)(?:\[(\d{1,9})\])?$/.exec(text);
  if (match?.[1] === undefined)
    return 'must name an output of the model, like probabilities or probabilities[1]';
  return { tensor: match[1], column: match[2] === undefined ? undefined : Number(match[2]) };
}

function parseRequestField(text: string): { readonly field: string } | string {
  const named = /^request\.(.+)$/.exec(text)?.[1];
  if (named !== undefined && identifierPattern.test(named)) return { field: named };
  return `"${text}" does not name a request field; write it like request.user_id`;
}

function notEmpty<T extends z.ZodType<Record<string, unknown>>>(mapping: T, entry: string): T {
  return mapping
    .refine((entries) => Object.keys(entries).length > 0, { error: `needs at least one ${entry}` })
    .meta({ minProperties: 1 });
}

const entity = z.strictObject({
  keys: z
    .record(
      identifier,
      z.enum(['string', 'int64'], { error: 'must be string or int64: join keys have no other type' }),
    )
    .describe(
      'The join keys that identify one entity, in order, with their type: string or int64. {} = there is only one.',
    ),
});

const feature: z.ZodType<FeatureSpec> = z
  .union([
    dataType,
    z.strictObject({
      type: dataType.optional(),
      default: z
        .unknown()
        .optional()
        .describe(
          'Stands in for a value that is null, not found or older than the ttl, when a model is served.',
        ),
      protected: z
        .boolean('must be true or false')
        .optional()
        .describe(
          'Models may read it, and who has the scope features:protected: nobody else, nor does a log have it.',
        ),
      ...aggregationKeys,
    }),
  ])
  .transform((spec): FeatureSpec => ('scalar' in spec ? { type: spec } : spec));

const featureView = z.strictObject({
  entity: z.string().describe('The entity that the features describe.'),
  ttl: duration
    .optional()
    .describe('How long after its event time a row is served, like 30d. Without it, for ever.'),
  timestamp_field: z.string().min(1, 'must not be empty').optional().meta({
    default: 'event_timestamp',
    description: 'The column of loaded files and pushes that holds the event time.',
  }),
  on_unavailable: z
    .enum(['default', 'error'], { error: 'must be default or error' })
    .default('default')
    .describe('What a row is that is not in memory while Redis is away: missing, or an error.'),
  stream: stream
    .optional()
    .describe('The events that the features are computed from. Without it, rows are loaded or pushed.'),
  features: notEmpty(z.record(identifier, feature), 'feature').describe(
    'The features by name: a type, or a type with a default; with a stream, how each is computed.',
  ),
});

const variant = z.strictObject({
  model: z.string().meta({
    description:
      'The model version that answers, like flight-delay@1; flight-delay@latest is the newest that can be served.',
    pattern: '^[A-Za-z][A-Za-z0-9_.-]*@([0-9]+|latest)$',
    examples: ['flight-delay@1', 'flight-delay@latest'],
  }),
});

const endpoint = z.strictObject({
  request: z
    .record(identifier, field)
    .describe('The fields of a request by name: a type, or a type with optional: true.'),
  unit: unitSchema
    .optional()
    .describe(
      'What is bucketed between variants: a request field, or { header: NAME } or { cookie: NAME } of a session.',
    ),
  variants: notEmpty(z.record(name, variant), 'variant').describe('What may answer, by name.'),
  rollout: rolloutSchema
    .prefault({})
    .describe('How the traffic is split between the variants. Calls may change it while the server runs.'),
  log: predictionLog
    .optional()
    .describe(
      'Which predictions are logged. Without it all of them where the project has events, else none.',
    ),
});

/** JSON has no comments, so this key is how a JSON file tells an editor its schema. */
const schemaKey = z.string().optional().describe('Where an editor finds the JSON Schema of this file.');

/** millrace.yaml, millrace.yml or millrace.json. */
export const projectSchema: z.ZodType<ProjectSpec> = z
  .strictObject({
    project: name.describe('The name of the project.'),
    entities: z
      .record(identifier, entity)
      .prefault({})
      .describe('What features describe, by name: users, products, airports.'),
    events: z
      .record(name, eventType)
      .prefault({})
      .describe('What happens and is reported to the server, by name: clicks, orders, departures.'),
    feature_views: z
      .record(identifier, featureView)
      .prefault({})
      .describe('Groups of features of one entity that are loaded and stored together, by name.'),
    endpoints: z.record(name, endpoint).prefault({}).describe('What callers ask for predictions, by name.'),
    limits: limits.prefault({}).describe('Bounds on what one call, and all of them, may take.'),
    streaming: streaming.prefault({}).describe('How events are kept, and how features follow them.'),
    cache: cache.prefault({}).describe('How rows are kept in memory in front of Redis.'),
    feast: feast
      .optional()
      .describe(
        'How Feast writes its rows; with this section, even an empty one, rows in Redis are those of Feast.',
      ),
    $schema: schemaKey,
  })
  .meta({
    title: 'Millrace project',
    description: 'The project file of Millrace: entities, feature views, endpoints and limits.',
  });

const binding = z.strictObject({
  entity: z.string().describe('The entity, as in the project file.'),
  keys: z
    .record(
      z.string(),
      parsed(parseRequestField)
        .transform((reference) => reference.field)
        .meta({ pattern: '^request\\.[A-Za-z_][A-Za-z0-9_]*$', examples: ['request.user_id'] }),
    )
    .default({})
    .describe('For each join key of the entity the request field that holds it, like request.user_id.'),
});

const expression = z.string().min(1, 'must be an expression, not an empty string');

/** model.yaml, model.yml or model.json, of a model or of one version. */
export const modelSchema: z.ZodType<ModelSpec> = z
  .strictObject({
    entities: z
      .record(
        identifier.refine((text) => !reservedBindings.has(text), {
          error: 'is taken: expressions use this name for something else',
        }),
        binding,
      )
      .optional()
      .describe('How a request names the entities that the model needs, by the name that expressions use.'),
    inputs: notEmpty(
      z.record(
        z.string().min(1, 'an input needs a name'),
        z.union([expression, z.array(expression).min(1, 'needs at least one expression')]),
      ),
      'input',
    )
      .optional()
      .describe('For each input of the ONNX model the expressions that fill it, in order.'),
    outputs: notEmpty(
      z.record(
        name,
        parsed(parseOutput).meta({ description: 'An output: tensor, or tensor[3] for one column.' }),
      ),
      'output',
    )
      .optional()
      .describe(
        'The fields of an answer, with the ONNX output of each. Without it, every output under its own name.',
      ),
    batching: z
      .strictObject({
        rows_max: z.int().min(1).max(65_536).default(256).describe('The most rows of one run of the model.'),
        delay_ms_max: z
          .number()
          .min(0)
          .max(1000)
          .default(0)
          .describe(
            'How long an incomplete batch waits for more rows; 0 = until the end of the event-loop turn.',
          ),
      })
      .optional()
      .describe('How rows of several requests share one run of the model.'),
    execution: z.enum(executions, { error: 'must be auto, inline or worker' }).optional().meta({
      default: 'auto',
      description:
        'Where the model runs: inline on the event loop, worker in threads of its own, auto = as its size and the time of its runs say.',
    }),
    workers: z
      .int()
      .min(1)
      .max(WORKERS_MAX)
      .optional()
      .describe('Worker threads of the model; without it, one less than the machine has cores, at least 1.'),
    queue_rows_max: z.int().min(1).max(10_000_000).optional().meta({
      default: 65_536,
      description: 'The most rows that wait for the model while it is busy; more get OVERLOADED.',
    }),
    timeout_ms: z
      .number()
      .min(1)
      .max(LIMIT_TIMEOUT_MS_MAX)
      .optional()
      .describe('Time for the rows of a request to be run; without it, only limits.timeout holds.'),
    warmup: z
      .boolean()
      .optional()
      .meta({ default: true, description: 'Run the model once before the server says that it is ready.' }),
    $schema: schemaKey,
  })
  .meta({
    title: 'Millrace model',
    description: 'How requests and features fill the inputs of a model, and what it answers.',
  });
