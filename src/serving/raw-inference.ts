/** What a caller gives and gets who speaks of tensors and not of features, and whether that fits a model. */
import { MillraceError } from '../errors.ts';
import type { ErrorDetail } from '../errors.ts';
import type { ModelSession, TensorData, TensorSpec, TensorValue } from '../inference/session.ts';
import type { ElementType } from '../inference/session.ts';
import { suggestName } from '../project/suggestion.ts';
import { datatypes } from './datatype.ts';

export interface RawTensor {
  readonly name: string;
  readonly elementType: ElementType;
  readonly shape: readonly number[];
  /** Row-major. It must not change before the answer is there. */
  readonly data: TensorData;
}

export interface RawInference {
  readonly inputs: readonly RawTensor[];
  /** Names of the outputs that are wanted, in this order; undefined = all. */
  readonly outputs?: readonly string[] | undefined;
  /** Time for the answer, where it is shorter than that of the server. */
  readonly timeoutMs?: number | undefined;
  /** Whether nobody waits for the answer any more; default: never. */
  readonly isGone?: (() => boolean) | undefined;
}

/** An inference in the model's own order. */
export interface CheckedInference {
  readonly tensors: readonly TensorValue[];
  /** Positions of the wanted outputs, each once. */
  readonly fetch: readonly number[];
  /** Where every input has the batch as its first dimension: the rows. */
  readonly rows: number | undefined;
}

/** @throws MillraceError INVALID_REQUEST, with a detail for each mistake */
export function checkInference(session: ModelSession, { inputs, outputs }: RawInference): CheckedInference {
  const details: ErrorDetail[] = [];
  const given = new Map<string, RawTensor>();
  inputs.forEach((input, i) => {
    const at = `inputs[${i}]`;
    const spec = session.inputs.find(({ name }) => name === input.name);
    if (spec === undefined) details.push(unknownName(`${at}.name`, 'input', input.name, session.inputs));
    else if (given.has(input.name))
      details.push({ path: `${at}.name`, message: `names "${input.name}", which is there already` });
    else details.push(...mismatches(at, input, spec));
    given.set(input.name, input);
  });
  for (const spec of session.inputs) {
    if (given.has(spec.name)) continue;
    details.push({ path: 'inputs', message: `lacks "${spec.name}" (${typeText(spec)})` });
  }
  const fetch = fetchOf(session, outputs, details);
  if (details.length > 0) throw invalidRequest(details);
  const tensors = session.inputs.map(({ name }) => {
    const { data, shape } = given.get(name) as RawTensor;
    return { data, dims: shape };
  });
  return { tensors, fetch, rows: rowsOf(session, tensors) };
}

/** @param details at least one */
export function invalidRequest(details: readonly ErrorDetail[]): MillraceError {
  const [first, ...others] = details as [ErrorDetail, ...ErrorDetail[]];
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return new MillraceError('INVALID_REQUEST', `${first.path} ${first.message}${more}.`, { details });
}

function mismatches(at: string, { elementType, shape, data }: RawTensor, spec: TensorSpec): ErrorDetail[] {
  if (elementType !== spec.elementType) {
    const message = `is ${datatypes[elementType]}, and the model takes ${datatypes[spec.elementType]}`;
    return [{ path: `${at}.datatype`, message }];
  }
  const fits =
    shape.length === spec.shape.length &&
    shape.every((dim, d) => isDim(dim) && (spec.shape[d] === undefined || spec.shape[d] === dim));
  if (!fits) {
    const message = `is [${shape.join(', ')}], and the model takes [${shapeText(spec)}]`;
    return [{ path: `${at}.shape`, message }];
  }
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (count === data.length) return [];
  const message = `has ${data.length} elements, and the shape [${shape.join(', ')}] has ${count}`;
  return [{ path: `${at}.data`, message }];
}

function isDim(dim: number): boolean {
  return Number.isSafeInteger(dim) && dim >= 0;
}

function fetchOf(
  session: ModelSession,
  wanted: RawInference['outputs'],
  details: ErrorDetail[],
): readonly number[] {
  if (wanted === undefined) return session.outputs.map((_, output) => output);
  const fetch = new Set<number>();
  wanted.forEach((name, i) => {
    const path = `outputs[${i}].name`;
    const output = session.outputs.findIndex((spec) => spec.name === name);
    const refused = session.refusedOutputs.find((each) => each.name === name);
    if (refused !== undefined)
      details.push({ path, message: `names an output that cannot be served: ${refused.message}` });
    else if (output === -1) details.push(unknownName(path, 'output', name, session.outputs));
    else if (fetch.has(output)) details.push({ path, message: `names "${name}", which is there already` });
    fetch.add(output);
  });
  return [...fetch];
}

function unknownName(
  path: string,
  kind: 'input' | 'output',
  name: string,
  specs: readonly TensorSpec[],
): ErrorDetail {
  const names = specs.map((spec) => spec.name);
  const message = `names "${name}", which is no ${kind} of the model; ${suggestName(name, names, `its ${kind}s`)}`;
  return { path, message };
}

/** Undefined where an input has no batch, or another one than the others. */
function rowsOf({ inputs }: ModelSession, tensors: readonly TensorValue[]): number | undefined {
  if (inputs.some(({ shape }) => shape.length === 0 || shape[0] !== undefined)) return undefined;
  const rows = tensors[0]?.dims[0];
  return tensors.every(({ dims }) => dims[0] === rows) ? rows : undefined;
}

function typeText(spec: TensorSpec): string {
  return `${datatypes[spec.elementType]} [${shapeText(spec)}]`;
}

function shapeText({ shape }: TensorSpec): string {
  return shape.map((dim) => dim ?? -1).join(', ');
}
