/** What a caller gives and gets who speaks of tensors and not of features, and whether that fits a model. */
import { MillraceError } from '../errors.ts';
import type { ErrorDetail } from '../errors.ts';
import type { ModelSession, TensorData, TensorSpec, TensorValue } from '../inference/session.ts';
import type { ElementType } from '../inference/session.ts';
import { createProblemList, shortName, shortShape } from '../project/problem-list.ts';
import type { ProblemList } from '../project/problem-list.ts';
import { suggestName } from '../project/suggestion.ts';
import type { RequestSpan } from '../telemetry/tracing.ts';
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
  /** The span of the request; undefined = none is recorded. */
  readonly span?: RequestSpan | undefined;
}

/** An inference in the model's own order. */
export interface CheckedInference {
  readonly tensors: readonly TensorValue[];
  /** Positions of the wanted outputs, each once. */
  readonly fetch: readonly number[];
  /** Where every input has the batch as its first dimension: the rows. */
  readonly rows: number | undefined;
}

/** @throws MillraceError INVALID_REQUEST, with a detail for each mistake as far as a list of problems goes */
export function checkInference(session: ModelSession, { inputs, outputs }: RawInference): CheckedInference {
  const problems = createProblemList();
  const given = new Map<string, RawTensor>();
  for (const [i, input] of inputs.entries()) {
    if (problems.isFull()) break;
    const at = `inputs[${i}]`;
    const spec = session.inputs.find(({ name }) => name === input.name);
    if (spec === undefined) addUnknown(problems, `${at}.name`, 'input', input.name, session.inputs);
    else if (given.has(input.name)) problems.add(`${at}.name`, alreadyThere(input.name));
    else addMismatch(problems, at, input, spec);
    given.set(input.name, input);
  }
  for (const spec of session.inputs) {
    if (!given.has(spec.name)) problems.add('inputs', `lacks "${spec.name}" (${typeText(spec)})`);
  }
  const fetch = fetchOf(session, outputs, problems);
  if (problems.details.length > 0) throw invalidRequest(problems.details);
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

function addMismatch(
  problems: ProblemList,
  at: string,
  { elementType, shape, data }: RawTensor,
  spec: TensorSpec,
): void {
  if (elementType !== spec.elementType) {
    const message = `is ${datatypes[elementType]}, and the model takes ${datatypes[spec.elementType]}`;
    return problems.add(`${at}.datatype`, message);
  }
  const fits =
    shape.length === spec.shape.length &&
    shape.every((dim, d) => isDim(dim) && (spec.shape[d] === undefined || spec.shape[d] === dim));
  if (!fits) {
    const message = `is ${shortShape(shape)}, and the model takes [${shapeText(spec)}]`;
    return problems.add(`${at}.shape`, message);
  }
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (count === data.length) return;
  problems.add(`${at}.data`, `has ${data.length} elements, and the shape ${shortShape(shape)} has ${count}`);
}

function isDim(dim: number): boolean {
  return Number.isSafeInteger(dim) && dim >= 0;
}

function fetchOf(
  session: ModelSession,
  wanted: RawInference['outputs'],
  problems: ProblemList,
): readonly number[] {
  if (wanted === undefined) return session.outputs.map((_, output) => output);
  const fetch = new Set<number>();
  for (const [i, name] of wanted.entries()) {
    if (problems.isFull()) break;
    const path = `outputs[${i}].name`;
    const output = session.outputs.findIndex((spec) => spec.name === name);
    const refused = session.refusedOutputs.find((each) => each.name === name);
    if (refused !== undefined)
      problems.add(path, `names an output that cannot be served: ${refused.message}`);
    else if (output === -1) addUnknown(problems, path, 'output', name, session.outputs);
    else if (fetch.has(output)) problems.add(path, alreadyThere(name));
    fetch.add(output);
  }
  return [...fetch];
}

function alreadyThere(name: string): string {
  return `names "${name}", which is there already`;
}

function addUnknown(
  problems: ProblemList,
  path: string,
  kind: 'input' | 'output',
  name: string,
  specs: readonly TensorSpec[],
): void {
  const names = specs.map((spec) => spec.name);
  const hint = suggestName(name, names, `its ${kind}s`);
  problems.add(path, `names "${shortName(name)}", which is no ${kind} of the model; ${hint}`);
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
