/**
 * The trace of one prediction, for `"trace": true`: each row's feature values with statuses and ages, the tensors
 * the model got, and where the time went. A prediction without a trace has none of this.
 */
import type { EntityKey, Row } from '../features/online-store.ts';
import type { RowStatus } from '../features/feature-status.ts';
import { ageMs, valueStatus } from '../features/feature-status.ts';
import type { TensorData } from '../inference/batcher.ts';
import type { Value } from '../project/value.ts';
import type { JsonObject, JsonValue } from '../project/json-text.ts';
import type { Plan, PlanRead } from './plan.ts';

export interface Trace {
  keepRow(row: number, read: number, key: EntityKey | undefined, found: Row | null, status: RowStatus): void;
  /** Copies row `at` of the batch's tensors. */
  keepInputs(row: number, tensors: readonly TensorData[], at: number): void;
  mark(step: 'gathered'): void;
  report(): JsonObject;
}

/** @param seesProtected whether the caller may see the values of protected features */
export function createTrace(plan: Plan, rowCount: number, asOfMs: number, seesProtected: boolean): Trace {
  const startedMs = performance.now();
  let gatheredMs = startedMs;
  // What is made of a protected value would often tell it.
  const hidesInputs = !seesProtected && plan.readsProtected;
  const rows = Array.from({ length: rowCount }, () => ({
    features: {} as Record<string, JsonObject>,
    inputs: {} as Record<string, JsonValue>,
  }));
  return {
    keepRow(row, index, key, found, status) {
      const read = plan.reads[index] as PlanRead;
      const features = rows[row]?.features ?? {};
      // A row from after `as_of` is there, but was not known then.
      const seen = status === 'NOT_FOUND' ? null : found;
      features[`${read.binding}.${read.view.name}`] = {
        key: key ?? null,
        status,
        event_time: seen === null ? null : new Date(seen[0]).toISOString(),
        age_ms: seen === null ? null : ageMs(seen, asOfMs),
        ...staleness(plan, read, key, found),
        values: tracedValues(read, found, status, seesProtected),
      };
    },
    keepInputs(row, tensors, at) {
      if (hidesInputs) return;
      plan.inputs.forEach((input, i) => {
        const from = at * input.width;
        const values = (tensors[i] as TensorData).slice(from, from + input.width);
        (rows[row] as { inputs: Record<string, JsonValue> }).inputs[input.name] = Array.from<
          JsonValue,
          JsonValue
        >(values, tracedSlot);
      });
    },
    mark() {
      gatheredMs = performance.now();
    },
    report: () => ({
      as_of: new Date(asOfMs).toISOString(),
      rows,
      ...(hidesInputs && { inputs_left_out: 'the model reads protected features' }),
      timings_ms: {
        gather: gatheredMs - startedMs,
        batch_and_run: performance.now() - gatheredMs,
      },
    }),
  };
}

/** Only where the store is away, and the row is what it was before. */
function staleness(
  { source }: Plan,
  { view }: PlanRead,
  key: EntityKey | undefined,
  found: Row | null,
): JsonObject {
  const staleMs = key === undefined ? 0 : source.staleMs(view, key, found);
  return staleMs === 0 ? {} : { stale_ms: Math.round(staleMs) };
}

/** JSON has no infinities; null would say NaN. */
function tracedSlot(value: JsonValue): JsonValue {
  return value === Infinity || value === -Infinity ? String(value) : value;
}

function tracedValues(
  read: PlanRead,
  found: Row | null,
  status: RowStatus,
  seesProtected: boolean,
): JsonObject {
  const values: Record<string, JsonValue> = {};
  for (const feature of read.view.features) {
    const value: Value = found === null || status !== 'PRESENT' ? null : (found[feature.index + 1] as Value);
    const isHidden = feature.isProtected === true && !seesProtected;
    const shown = isHidden ? 'protected' : value;
    values[feature.name] = { value: shown, status: valueStatus(read.view, feature, found, status) };
  }
  return values;
}
