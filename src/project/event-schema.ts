/** The parts of millrace.yaml that speak of events: event types, streams, and features that are computed from events. */
import { z } from 'zod';
import type { DataType } from './data-type.ts';
import type { AggregateName } from './project.ts';
import { dataType, duration, identifier } from './schema-values.ts';

export interface FieldSpec {
  readonly type: DataType;
  readonly optional: boolean;
}

export interface EventTypeSpec {
  readonly time?: string | undefined;
  readonly fields: Readonly<Record<string, FieldSpec>>;
}

export interface StreamSpec {
  readonly event: string;
  /** Join key -> event field. */
  readonly keys: Readonly<Record<string, string>>;
  readonly where?: string | undefined;
}

/**
 * What a feature says about how it is computed: one of the aggregates, and its parameters. The file may hold any of
 * them for any feature; what goes together is checked where the view is known (build-aggregations.ts).
 */
export interface AggregationSpec extends Readonly<Partial<Record<AggregateName, string | true | undefined>>> {
  /** Milliseconds. */
  readonly window?: number | undefined;
  readonly where?: string | undefined;
  readonly n?: number | undefined;
  readonly k?: number | undefined;
  readonly q?: number | undefined;
}

const VALUES_MAX = 100;
const WINDOW_MS_MIN = 60_000;
const WINDOW_MS_MAX = 366 * 86_400_000;

const condition = z.string().min(1, 'must be an expression, not an empty string');

/** `name: type`, or `name: { type, optional }`. */
export const field: z.ZodType<FieldSpec> = z
  .union([
    dataType,
    z.strictObject({
      type: dataType,
      optional: z.boolean().default(false).describe('Whether it may be left out.'),
    }),
  ])
  .transform((spec): FieldSpec => ('scalar' in spec ? { type: spec, optional: false } : spec));

export const eventType: z.ZodType<EventTypeSpec> = z.strictObject({
  time: z
    .string()
    .optional()
    .describe(
      'The timestamp field that says when it happened. Without it, the event says it beside its fields.',
    ),
  fields: z
    .record(identifier, field)
    .describe('The fields of an event by name: a type, or a type with optional: true.'),
});

export const stream: z.ZodType<StreamSpec> = z.strictObject({
  event: z.string().describe('The event type that the features are computed from.'),
  keys: z
    .record(z.string(), z.string())
    .default({})
    .describe('For each join key of the entity the event field that holds it, like iata: origin.'),
  where: condition.optional().describe('Only events for which this holds count, like "delay > 15".'),
});

const of = (what: string): z.ZodOptional<z.ZodString> =>
  z.string().min(1, 'must name a field').optional().describe(what);

/** The keys of a feature that is computed from events. */
export const aggregationKeys = {
  count: z
    .literal(true, { error: 'must be true: it counts events, and takes no field' })
    .optional()
    .describe('true: the number of events.'),
  sum: of('The field whose sum it is.'),
  mean: of('The field whose mean it is.'),
  min: of('The field whose smallest value it is.'),
  max: of('The field whose largest value it is.'),
  variance: of('The field whose population variance it is.'),
  first: of('The field whose earliest value it is.'),
  last: of('The field whose latest value it is.'),
  count_distinct: of('The field whose distinct values are counted.'),
  top_k: of('The field whose most frequent value it is.'),
  quantile: of('The field whose quantile it is.'),
  window: duration
    .refine((ms) => ms >= WINDOW_MS_MIN && ms <= WINDOW_MS_MAX, { error: 'must be from 1m to 366d' })
    .optional()
    .describe('How far back events count, like 3h.'),
  where: condition.optional().describe('Only events for which this holds count, like "delay > 15".'),
  n: z
    .int()
    .min(1)
    .max(VALUES_MAX)
    .optional()
    .describe('Of first and last: how many values; more than 1 makes features NAME_1 to NAME_n.'),
  k: z
    .int()
    .min(1)
    .max(VALUES_MAX)
    .optional()
    .describe('Of top_k: how many values; more than 1 makes features NAME_1 to NAME_k.'),
  q: z.number().min(0).max(1).optional().describe('Of quantile: which one, from 0 to 1.'),
} as const;
