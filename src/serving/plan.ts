/**
 * The plan of one (endpoint, variant): everything a prediction needs, worked out when the model is loaded: which
 * rows to read, the generated function that fills the model's tensors, and where the answer's fields come from.
 * Nothing is looked up by name afterwards.
 */
import { encodeEntityKey } from '../features/entity-key.ts';
import { rowStatus } from '../features/feature-status.ts';
import type { RowStatus } from '../features/feature-status.ts';
import type { EntityKey, Row, RowSource } from '../features/online-store.ts';
import type { Batcher } from '../inference/batcher.ts';
import type { Endpoint, EntityBinding, FeatureView, Variant } from '../project/project.ts';
import type { Scalar, Value } from '../project/value.ts';
import type { Counter, Metrics } from '../telemetry/metrics.ts';
import type { CompiledTransforms } from '../transforms/compile.ts';
import type { AnswerNames } from './answer.ts';
import type { CompiledVariant } from './compile-variant.ts';
import { createJsonAnswer } from './json-answer.ts';
import type { JsonAnswer } from './json-answer.ts';
import type { PlanLog, PredictionLog } from './prediction-log.ts';
import { createMessagePackAnswer } from './message-pack-answer.ts';
import type { MessagePackAnswer } from './message-pack-answer.ts';

/** One row that every request row needs: a view of an entity, found by request fields. */
export interface PlanRead {
  readonly binding: string;
  /** The request fields that hold its join keys. */
  readonly keyFields: readonly string[];
  readonly view: FeatureView;
  /** Stands in for a row that is missing or outside its max age. */
  readonly emptyRow: Row;
  readonly counts: Readonly<Record<RowStatus, Counter>>;
  /** The entity key of a request row; undefined if one of its (optional) fields is missing. */
  key(values: readonly Value[]): EntityKey | undefined;
  /** As `RowSource.get`. */
  get(key: EntityKey, asOfMs: number, isHistorical: boolean): Row | null | undefined;
  status(row: Row | null, asOfMs: number, explicitAsOf: boolean): RowStatus;
}

export interface Plan {
  readonly names: AnswerNames;
  readonly source: RowSource;
  readonly batcher: Batcher;
  readonly reads: readonly PlanRead[];
  /** Whether any of its expressions names a protected feature. */
  readonly readsProtected: boolean;
  /** The model's inputs, for the trace: `width` values per row. */
  readonly inputs: readonly { readonly name: string; readonly width: number }[];
  readonly transforms: CompiledTransforms;
  /** Positions of the model's outputs that its answer reads. */
  readonly fetch: readonly number[];
  /** The fields of its answer. */
  readonly answer: CompiledVariant['answer'];
  /** Writes its answers, in each encoding. */
  readonly jsonAnswer: JsonAnswer;
  readonly messagePackAnswer: MessagePackAnswer;
  readonly metrics: { readonly rows: Counter };
  /** Undefined = its predictions are not logged. */
  readonly log: PlanLog | undefined;
}

export interface PlanParts {
  readonly source: RowSource;
  readonly batcher: Batcher;
  readonly metrics: Metrics;
  readonly predictionLog?: PredictionLog | undefined;
}

/** Joins a compiled variant with the rows it reads and the batcher it runs in. */
export function createPlan(
  endpoint: Endpoint,
  variant: Variant,
  compiled: CompiledVariant,
  parts: PlanParts,
): Plan {
  const { model, version } = variant.model;
  const named = { endpoint: endpoint.name, model, version, variant: variant.name };
  const reads = compiled.transforms.reads.map(({ binding, view }) =>
    createRead(endpoint, bindingNamed(variant, binding), view, parts.source, parts.metrics),
  );
  return {
    names: named,
    source: parts.source,
    batcher: parts.batcher,
    reads,
    readsProtected: compiled.readsProtected,
    inputs: compiled.inputs,
    transforms: compiled.transforms,
    fetch: compiled.fetch,
    answer: compiled.answer,
    jsonAnswer: createJsonAnswer(named, compiled.answer),
    messagePackAnswer: createMessagePackAnswer(named, compiled.answer),
    metrics: { rows: parts.metrics.counter('millrace_rows_total', 'Rows that were asked for.', named) },
    log: parts.predictionLog?.forPlan(endpoint, variant, { answer: compiled.answer, reads }),
  };
}

function bindingNamed(variant: Variant, name: string): EntityBinding {
  const binding = variant.model.bindings.find((candidate) => candidate.name === name);
  if (binding === undefined) throw new Error(`the transforms read an unknown binding ${name}`);
  return binding;
}

function createRead(
  endpoint: Endpoint,
  binding: EntityBinding,
  view: FeatureView,
  source: RowSource,
  metrics: Metrics,
): PlanRead {
  const count = (status: RowStatus): Counter =>
    metrics.counter('millrace_feature_rows_total', 'Feature rows that predictions read, by status.', {
      view: view.name,
      status,
    });
  return {
    binding: binding.name,
    keyFields: binding.keyFields,
    view,
    emptyRow: [0, ...view.features.map(() => null)],
    counts: {
      PRESENT: count('PRESENT'),
      NOT_FOUND: count('NOT_FOUND'),
      OUTSIDE_MAX_AGE: count('OUTSIDE_MAX_AGE'),
    },
    key: keyReader(endpoint, binding),
    get: (key, asOfMs, isHistorical) => source.get(view, key, asOfMs, isHistorical),
    status: (row, asOfMs, explicitAsOf) => rowStatus(view, row, asOfMs, explicitAsOf),
  };
}

function keyReader(endpoint: Endpoint, binding: EntityBinding): PlanRead['key'] {
  const indexes = binding.keyFields.map((name) => {
    const field = endpoint.request.find((candidate) => candidate.name === name);
    if (field === undefined)
      throw new Error(`binding ${binding.name} needs an unknown request field ${name}`);
    return field.index;
  });
  return (values) => {
    const key = new Array<Scalar>(indexes.length);
    for (let i = 0; i < indexes.length; i++) {
      const value = values[indexes[i] as number] as Scalar | null;
      if (value === null) return undefined;
      key[i] = value;
    }
    return encodeEntityKey(binding.entity, key);
  };
}
