/**
 * The rows of a model's inputs, for training: made by the code that serves predictions (plan, gathering and judging of
 * entity rows, generated function), up to the run of the model, which may not exist yet.
 */
import { access } from 'node:fs/promises';
import type { RowSource } from '../features/online-store.ts';
import type { Batcher } from '../inference/batcher.ts';
import { openSession } from '../inference/session.ts';
import type { ElementType, TensorData, TensorSpec } from '../inference/session.ts';
import { createBuffer } from '../inference/tensor-buffer.ts';
import type { Endpoint, FeatureView, Mistake, ModelVersion, Project } from '../project/project.ts';
import type { Scalar, Value } from '../project/value.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { compileTransforms } from '../transforms/compile.ts';
import { slotCount } from '../transforms/slots.ts';
import { compileInputs } from './compile-variant.ts';
import type { CompiledVariant } from './compile-variant.ts';
import { nothingLeftOut } from './left-out.ts';
import { createPlan } from './plan.ts';
import type { Plan } from './plan.ts';
import { Prediction } from './prediction.ts';
import { plainRoute } from './route.ts';

/** A cell of a table; null = missing. */
export type Cell = Scalar | null;

/** The inputs of a model version for requests of an endpoint, compiled. */
export interface TrainingInputs {
  readonly compiled: CompiledVariant;
  readonly elementTypes: readonly ElementType[];
  /** The views that the inputs read, each once. */
  readonly views: readonly FeatureView[];
  /** One per slot, all inputs together: the expression, `expression[i]` of a vector, or `input[slot]` where that is not one slot's alone. */
  readonly columns: readonly string[];
}

export type TrainingCompilation =
  | { readonly inputs: TrainingInputs; readonly mistakes: readonly [] }
  | { readonly inputs: undefined; readonly mistakes: readonly Mistake[] };

/**
 * The types of the tensors are those of model.onnx where it is there, else float32. How wide its inputs are does not
 * matter: whoever needs a table is about to train another model.
 * @throws MillraceError INVALID_MODEL if model.onnx is there and cannot be read
 */
export async function compileTrainingInputs(
  project: Project,
  endpoint: Endpoint,
  version: ModelVersion,
): Promise<TrainingCompilation> {
  const known = await knownInputs(version);
  const specs = version.inputs.map(({ name }): TensorSpec => ({
    name,
    elementType: known.find((spec) => spec.name === name)?.elementType ?? 'float32',
    shape: [undefined, undefined],
  }));
  const { inputs, mistakes } = compileInputs(project, endpoint, version, specs, nothingLeftOut);
  if (mistakes.length > 0) return { inputs: undefined, mistakes };
  const transforms = compileTransforms(inputs);
  const named = specs.map(({ name }, i) => ({ name, width: transforms.widths[i] as number }));
  const texts = version.inputs.flatMap(({ expressions }, i) =>
    expressions.flatMap(({ text }, e) => {
      const type = inputs[i]?.expressions[e]?.type;
      if (type?.length === undefined) return [text];
      return Array.from({ length: slotCount(type) }, (_, element) => `${text}[${element}]`);
    }),
  );
  const slots = named.flatMap(({ name, width }) => Array.from({ length: width }, (_, s) => `${name}[${s}]`));
  return {
    inputs: {
      compiled: {
        transforms,
        inputs: named,
        readsProtected: false,
        answer: [],
        fetch: [],
        outputWidthsMin: [],
      },
      elementTypes: specs.map(({ elementType }) => elementType),
      views: [...new Set(transforms.reads.map(({ view }) => view))],
      columns: new Set(texts).size === texts.length ? texts : slots,
    },
    mistakes: [],
  };
}

async function knownInputs({ onnxPath }: ModelVersion): Promise<readonly TensorSpec[]> {
  const isThere = await access(onnxPath).then(
    () => true,
    () => false,
  );
  if (!isThere) return [];
  const session = await openSession(onnxPath);
  await session.release();
  return session.inputs;
}

export interface TrainingRows {
  /** One cell per column, for a request as of a time that it names. */
  row(request: readonly Value[], asOfMs: number): Promise<readonly Cell[]>;
}

export function createTrainingRows(
  { compiled, elementTypes }: TrainingInputs,
  endpoint: Endpoint,
  version: ModelVersion,
  parts: { readonly source: RowSource; readonly metrics: Metrics },
): TrainingRows {
  const [variant] = endpoint.variants;
  if (variant === undefined) throw new Error(`endpoint ${endpoint.name} has no variant`);
  const tensors = elementTypes.map((type, i) => createBuffer(type, compiled.inputs[i]?.width ?? 0));
  let onFilled: (() => void) | undefined;
  const batcher = fillingBatcher(tensors, () => onFilled?.());
  const plan: Plan = createPlan(endpoint, { ...variant, model: version }, compiled, { ...parts, batcher });
  return {
    row: async (request, asOfMs) =>
      new Promise((resolve, reject) => {
        onFilled = () => resolve(tensors.flatMap((data, i) => cellsOf(data, elementTypes[i] as ElementType)));
        const sink = { requestId: '', isDone: false, answer: () => {}, fail: reject };
        new Prediction(plainRoute(plan), { rows: [request], asOfMs, trace: false }, asOfMs, sink).start();
      }),
  };
}

/** Takes one row at a time, and runs nothing. */
function fillingBatcher(tensors: readonly TensorData[], onFilled: () => void): Batcher {
  return {
    rowsMax: Infinity,
    queueRows: 0,
    runMs: 0,
    submit(caller) {
      caller.fill(tensors, 0, 0);
      onFilled();
    },
    waitMs: () => 0,
    drain: async () => {},
    close: async () => {},
  };
}

function cellsOf(data: TensorData, elementType: ElementType): Cell[] {
  if (elementType === 'bool') return Array.from(data as Uint8Array, (value) => value === 1);
  if (elementType === 'float32') return Array.from(data as Float32Array, shortestFloat32);
  return Array.from<Cell, Cell>(data, (value) => (Number.isNaN(value) ? null : value));
}

const FLOAT32_DIGITS_MIN = 6;
const FLOAT32_DIGITS_MAX = 9;

/** The number with the fewest digits that is this float32 once rounded; null for NaN, which is a missing value. */
function shortestFloat32(value: number): number | null {
  if (Number.isNaN(value)) return null;
  for (let digits = FLOAT32_DIGITS_MIN; digits <= FLOAT32_DIGITS_MAX; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
