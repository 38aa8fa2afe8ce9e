/**
 * A streaming feature view, compiled: which partial states its tiles hold, how long tiles are kept, which events count,
 * and where the value of each feature comes from. Features that differ only in their window share a partial per tile
 * size.
 */
import type {
  Aggregation,
  EventType,
  Feature,
  FeatureView,
  Mistake,
  SourceExpression,
  Stream,
} from '../project/project.ts';
import type { Value } from '../project/value.ts';
import { checkCondition } from '../transforms/check.ts';
import { compileCondition } from '../transforms/compile.ts';
import type { EventCondition } from '../transforms/compile.ts';
import { ExpressionError } from '../transforms/expression-error.ts';
import { parseExpression } from '../transforms/parse.ts';
import type { Wanted } from './aggregates/aggregate.ts';
import { aggregateOf } from './aggregates/aggregate-of.ts';
import type { AnyAggregate } from './aggregates/aggregate-of.ts';
import { tileMsOf } from './tile.ts';

export interface PartialPlan {
  /** Says what the state means, so that tiles written under another plan are read by name. */
  readonly key: string;
  readonly aggregate: AnyAggregate;
  /** Index of the event field; undefined = the events are counted. */
  readonly field: number | undefined;
  /** Index in `TilePlan.conditions`; undefined = every event counts. */
  readonly condition: number | undefined;
}

export interface WindowPlan {
  readonly windowMs: number;
  /** Indexes of the size's partials that features of this window read. */
  readonly partials: readonly number[];
}

export interface SizePlan {
  readonly tileMs: number;
  /** How long a tile is kept after its start. */
  readonly horizonMs: number;
  readonly partials: readonly PartialPlan[];
  /** By length, the shortest first. */
  readonly windows: readonly WindowPlan[];
}

export interface FeaturePlan {
  readonly size: number;
  /** Index in the windows of the size. */
  readonly window: number;
  /** Index in the partials of the size. */
  readonly partial: number;
  /** Gives the answer from the partial's state. */
  readonly aggregate: AnyAggregate;
  readonly wanted: Wanted;
  /** The answer where no event is in the window. */
  readonly emptyValue: Value;
}

export interface TilePlan {
  readonly view: FeatureView;
  readonly stream: Stream;
  /** Undefined = every event of the type counts. */
  readonly accepts: EventCondition | undefined;
  /** The distinct conditions of the features. */
  readonly conditions: readonly EventCondition[];
  /** The smallest tiles first. */
  readonly sizes: readonly SizePlan[];
  /** By index of the feature. */
  readonly features: readonly FeaturePlan[];
}

export type PlanCompilation =
  | { readonly plan: TilePlan; readonly mistakes: readonly [] }
  | { readonly plan: undefined; readonly mistakes: readonly Mistake[] };

/**
 * @param view a view with a stream, whose features all have an aggregation
 * @param latenessMs how much later than the latest event an event may come and still change its tile
 */
export function compileTilePlan(view: FeatureView, latenessMs: number): PlanCompilation {
  const { stream } = view;
  if (stream === undefined) throw new Error(`the view ${view.name} has no stream`);
  const mistakes: Mistake[] = [];
  const compile = (source: SourceExpression): EventCondition | undefined =>
    compileSource(source, stream.event, mistakes);
  const accepts = stream.where === undefined ? undefined : compile(stream.where);
  const sources = view.features.map(aggregationOf).flatMap(({ where }) => where ?? []);
  const texts = [...new Set(sources.map(({ text }) => text))];
  // A condition that two features share is compiled, and its mistake reported, for each place, but kept once.
  const compiled = sources.map((source) => ({ text: source.text, condition: compile(source) }));
  if (mistakes.length > 0) return { plan: undefined, mistakes };
  const conditions = texts.map(
    (text) => compiled.find((each) => each.text === text)?.condition as EventCondition,
  );
  const sizes = planSizes(view, texts, latenessMs);
  const features = view.features.map((feature) => planFeature(feature, sizes, texts));
  return { plan: { view, stream, accepts, conditions, sizes, features }, mistakes: [] };
}

function compileSource(
  source: SourceExpression,
  event: EventType,
  mistakes: Mistake[],
): EventCondition | undefined {
  try {
    const fields = new Map(event.fields.map((field) => [field.name, field]));
    return compileCondition(checkCondition(parseExpression(source.text), { event: fields }));
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const { message, suggestion } = error;
    mistakes.push({ ...source.location, message, ...(suggestion === undefined ? {} : { suggestion }) });
    return undefined;
  }
}

function planSizes(view: FeatureView, texts: readonly string[], latenessMs: number): SizePlan[] {
  const aggregations = view.features.map(aggregationOf);
  const tileSizes = [...new Set(aggregations.map(({ windowMs }) => tileMsOf(windowMs)))];
  return tileSizes
    .toSorted((a, b) => a - b)
    .map((tileMs) => {
      const own = aggregations.filter(({ windowMs }) => tileMsOf(windowMs) === tileMs);
      const partials = [...new Map(own.map((each) => [partialKey(each), planPartial(each, texts)])).values()];
      const windows = [...new Set(own.map(({ windowMs }) => windowMs))].toSorted((a, b) => a - b);
      const longestMs = windows.at(-1) ?? 0;
      return {
        tileMs,
        horizonMs: longestMs + tileMs + latenessMs,
        partials,
        windows: windows.map((windowMs) => ({ windowMs, partials: partialsOf(windowMs, own, partials) })),
      };
    });
}

function partialsOf(
  windowMs: number,
  aggregations: readonly Aggregation[],
  partials: readonly PartialPlan[],
): number[] {
  const keys = new Set(aggregations.filter((each) => each.windowMs === windowMs).map(partialKey));
  return partials.flatMap(({ key }, index) => (keys.has(key) ? [index] : []));
}

function planPartial(aggregation: Aggregation, texts: readonly string[]): PartialPlan {
  return {
    key: partialKey(aggregation),
    aggregate: aggregateOf(aggregation),
    field: aggregation.field?.index,
    condition: aggregation.where === undefined ? undefined : texts.indexOf(aggregation.where.text),
  };
}

function partialKey(aggregation: Aggregation): string {
  const { field, where } = aggregation;
  const of = field === undefined ? null : [field.name, field.type.scalar];
  return JSON.stringify([aggregateOf(aggregation).form, of, where?.text ?? null]);
}

function planFeature(feature: Feature, sizes: readonly SizePlan[], texts: readonly string[]): FeaturePlan {
  const aggregation = aggregationOf(feature);
  const { windowMs, rank, quantile = 0 } = aggregation;
  const size = sizes.findIndex(({ tileMs }) => tileMs === tileMsOf(windowMs));
  const { windows, partials } = sizes[size] as SizePlan;
  const { aggregate, key } = planPartial(aggregation, texts);
  const wanted = { rank, quantile };
  return {
    size,
    window: windows.findIndex((window) => window.windowMs === windowMs),
    partial: partials.findIndex((partial) => partial.key === key),
    aggregate,
    wanted,
    emptyValue: aggregate.result(aggregate.create(), wanted),
  };
}

function aggregationOf({ name, aggregation }: Feature): Aggregation {
  if (aggregation === undefined) throw new Error(`the feature ${name} of a stream has no aggregation`);
  return aggregation;
}
