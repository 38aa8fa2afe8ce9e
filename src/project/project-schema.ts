/**
 * The shape of millrace.yaml and model.yaml: one schema for the validation and for the published JSON Schema
 * (scripts/write-schema.ts). What one key says about another is checked where the project is put together.
 *
 * The `…Spec` types are the checked files: names as in the file, texts such as durations and types already parsed.
 */
import { z } from 'zod';
import { parseByteSize } from './byte-size.ts';
import type { DataType } from './data-type.ts';
import { parseDataType } from './data-type.ts';
import { parseDuration } from './duration.ts';
import { namePattern } from './model-reference.ts';
import type { Value } from './value.ts';
import { Refusal, decodeValue } from './value.ts';

export interface EntitySpec {
  readonly keys: Readonly<Record<string, 'string' | 'int64'>>;
}

export interface FeatureSpec {
  readonly type: DataType;
  readonly default: Exclude<Value, null> | undefined;
}

export interface FeatureViewSpec {
  readonly entity: string;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
  readonly timestamp_field: string;
  readonly features: Readonly<Record<string, FeatureSpec>>;
}

export interface RequestFieldSpec {
  readonly type: DataType;
  readonly optional: boolean;
}

export interface EndpointSpec {
  readonly request: Readonly<Record<string, RequestFieldSpec>>;
  readonly unit?: string | undefined;
  readonly variants: Readonly<
    Record<string, { readonly model: string; readonly weight?: number | undefined }>
  >;
}

/** Durations in milliseconds, sizes in bytes. */
export interface LimitsSpec {
  readonly body_bytes_max: number;
  readonly body_timeout: number;
  readonly rows_max: number;
  readonly timeout: number;
  readonly in_flight_max: number;
  readonly drain_timeout: number;
  readonly memory_bytes_max: number;
  readonly ws_sockets_max: number;
  readonly ws_in_flight_max: number;
  readonly ws_buffer_bytes_max: number;
  readonly ws_idle_timeout: number;
}

export interface ProjectSpec {
  readonly project: string;
  readonly entities: Readonly<Record<string, EntitySpec>>;
  readonly feature_views: Readonly<Record<string, FeatureViewSpec>>;
  readonly endpoints: Readonly<Record<string, EndpointSpec>>;
  readonly limits: LimitsSpec;
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
  readonly warmup?: boolean | undefined;
}

const identifierPattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const LIMIT_TIMEOUT_MS_MAX = 86_400_000;
const BODY_BYTES_MAX = 1024 ** 3;
const MEMORY_BYTES_MAX = 1024 ** 4;
// What uWebSockets.js takes.
const WS_IDLE_MS_MIN = 8000;
const WS_IDLE_MS_MAX = 960_000;

/** Names that expressions use must read as identifiers. */
const identifier = z
  .string()
  .regex(
    identifierPattern,
    'is not a valid name: use letters, digits and "_", and start with a letter or "_"',
  );

const name = z
  .string()
  .regex(namePattern, 'is not a valid name: use letters, digits, "_", "-" and ".", and start with a letter');

const reservedBindings: ReadonlySet<string> = new Set(['request', 'as_of', 'true', 'false', 'null', 'this']);

function parseOutput(text: string): OutputSpec | string {
  const match = /^([^[].*?)(?:\[(\d{1,9})\])?$/.exec(text);
  if (match?.[1] === undefined)
    return 'must name an output of the model, like probabilities or probabilities[1]';
  return { tensor: match[1], column: match[2] === undefined ? undefined : Number(match[2]) };
}

function parseRequestField(text: string): { readonly field: string } | string {
  const field = /^request\.(.+)$/.exec(text)?.[1];
  if (field !== undefined && identifierPattern.test(field)) return { field };
  return `"${text}" does not name a request field; write it like request.user_id`;
}

/** Text with a parser that returns the value, or a sentence on what is wrong with the text. */
function parsed<T>(parse: (text: string) => T | string): z.ZodType<T, string> {
  return z.string().transform((text, context): T => {
    const result = parse(text);
    if (typeof result !== 'string') return result;
    context.addIssue({ code: 'custom', message: result });
    return z.NEVER;
  });
}

function notEmpty<T extends z.ZodType<Record<string, unknown>>>(mapping: T, entry: string): T {
  return mapping
    .refine((entries) => Object.keys(entries).length > 0, { error: `needs at least one ${entry}` })
    .meta({ minProperties: 1 });
}

const dataType = parsed(parseDataType).meta({
  description: 'A type: float32, float64, int64, string, bool, timestamp, or a vector such as float32[64].',
  pattern: '^(float32|float64|int64|string|bool|timestamp|(float32|float64|int64)\\[[0-9]+\\])$',
  examples: ['float64', 'string', 'float32[64]'],
});

const duration = parsed(parseDuration).meta({
  pattern: '^[0-9]+(ms|s|m|h|d)$',
  examples: ['30s', '500ms', '5m', '1h', '30d'],
});

const timeout = duration.refine((durationMs) => durationMs <= LIMIT_TIMEOUT_MS_MAX, {
  error: 'must be at most 1d',
});

const byteSize = z.union([z.int(), parsed(parseByteSize).meta({ pattern: '^[0-9]+([bB]|[kKmMgG][bB])$' })]);
const bodySize = byteSize.pipe(z.int().min(1).max(BODY_BYTES_MAX));
const memorySize = byteSize.pipe(z.int().min(0).max(MEMORY_BYTES_MAX));

const entity = z.strictObject({
  keys: notEmpty(
    z.record(
      identifier,
      z.enum(['string', 'int64'], { error: 'must be string or int64: join keys have no other type' }),
    ),
    'join key',
  ).describe('The join keys that identify one entity, in order, with their type: string or int64.'),
});

const feature = z
  .union([
    dataType,
    z.strictObject({
      type: dataType,
      default: z
        .unknown()
        .optional()
        .describe(
          'Stands in for a value that is null, not found or older than the ttl, when a model is served.',
        ),
    }),
  ])
  .transform((spec, context): FeatureSpec => {
    if ('scalar' in spec) return { type: spec, default: undefined };
    if (!('default' in spec)) return { type: spec.type, default: undefined };
    const value = decodeValue(spec.type, withoutBigints(spec.type, spec.default));
    if (!(value instanceof Refusal)) return { type: spec.type, default: value };
    context.addIssue({ code: 'custom', message: value.reason, path: ['default'] });
    return z.NEVER;
  });

/** A large integer in a file is a bigint, which is right for int64; a float takes it as a number. */
function withoutBigints(type: DataType, input: unknown): unknown {
  if (type.scalar === 'int64') return input;
  if (Array.isArray(input)) return input.map((element: unknown) => withoutBigints(type, element));
  return typeof input === 'bigint' ? Number(input) : input;
}

const featureView = z.strictObject({
  entity: z.string().describe('The entity that the features describe.'),
  ttl: duration
    .optional()
    .describe('How long after its event time a row is served, like 30d. Without it, for ever.'),
  timestamp_field: z
    .string()
    .min(1, 'must not be empty')
    .default('event_timestamp')
    .describe('The column of loaded files and pushes that holds the event time.'),
  features: notEmpty(z.record(identifier, feature), 'feature').describe(
    'The features by name: a type, or a type with a default.',
  ),
});

const requestField = z
  .union([
    dataType,
    z.strictObject({
      type: dataType,
      optional: z.boolean().default(false).describe('Whether a request may leave the field out.'),
    }),
  ])
  .transform((spec): RequestFieldSpec => ('scalar' in spec ? { type: spec, optional: false } : spec));

const variant = z.strictObject({
  model: z.string().meta({
    description: 'The model version that answers, like flight-delay@1.',
    pattern: '^[A-Za-z][A-Za-z0-9_.-]*@[0-9]+$',
    examples: ['flight-delay@1'],
  }),
  weight: z.number().min(0).optional().describe('The share of the traffic, relative to the other variants.'),
});

const endpoint = z.strictObject({
  request: z
    .record(identifier, requestField)
    .describe('The fields of a request by name: a type, or a type with optional: true.'),
  unit: z.string().optional().describe('The request field that decides which variant answers.'),
  variants: notEmpty(z.record(name, variant), 'variant').describe(
    'What may answer, by name. Exactly one variant until traffic can be split.',
  ),
});

const limits = z.strictObject({
  body_bytes_max: bodySize.prefault('1mb').describe('The largest body: bytes, or 512kb, 1mb.'),
  body_timeout: timeout.prefault('10s').describe('Time for a body to arrive once its headers are there.'),
  rows_max: z.int().min(1).max(100_000).default(1000).describe('The most rows of one call.'),
  timeout: timeout.prefault('1s').describe('Time for an answer once the body is there.'),
  in_flight_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('The most requests that wait for an answer at once; more get OVERLOADED.'),
  drain_timeout: timeout.prefault('10s').describe('Time that SIGTERM leaves the requests in flight.'),
  memory_bytes_max: memorySize
    .prefault('256mb')
    .describe('Memory for feature rows that were read lately, about: bytes, or 512mb; 0 = none.'),
  ws_sockets_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1000)
    .describe('The most open WebSockets; more are refused with OVERLOADED.'),
  ws_in_flight_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1000)
    .describe('The most requests of one WebSocket, or of one message, that wait for an answer at once.'),
  ws_buffer_bytes_max: bodySize
    .prefault('4mb')
    .describe('Answers that a WebSocket may leave unread: bytes, or 4mb. With more it is closed (4008).'),
  ws_idle_timeout: duration
    .refine((ms) => ms >= WS_IDLE_MS_MIN && ms <= WS_IDLE_MS_MAX, { error: 'must be from 8s to 16m' })
    .prefault('60s')
    .describe('Time after which a WebSocket that answers no ping is closed.'),
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
    feature_views: z
      .record(identifier, featureView)
      .prefault({})
      .describe('Groups of features of one entity that are loaded and stored together, by name.'),
    endpoints: z.record(name, endpoint).prefault({}).describe('What callers ask for predictions, by name.'),
    limits: limits.prefault({}).describe('Bounds on what one call, and all of them, may take.'),
    $schema: schemaKey,
  })
  .meta({
    title: 'Millrace project',
    description: 'The project file of Millrace: entities, feature views, endpoints and limits.',
  });

const binding = z.strictObject({
  entity: z.string().describe('The entity, as in the project file.'),
  keys: notEmpty(
    z.record(
      z.string(),
      parsed(parseRequestField)
        .transform(({ field }) => field)
        .meta({ pattern: '^request\\.[A-Za-z_][A-Za-z0-9_]*$', examples: ['request.user_id'] }),
    ),
    'join key',
  ).describe('For each join key of the entity the request field that holds it, like request.user_id.'),
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
