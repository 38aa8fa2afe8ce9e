/**
 * Compiles one (endpoint, variant): the expressions of its model version are typed against the endpoint's request
 * and the entities' views, checked slot by slot against the ONNX inputs, and turned into one function. Every mistake
 * is collected with its place in the project file; nothing of this is left for the first request.
 */
import { expectedInput, isFillable, refuseInput, resolveOutputs } from '../inference/model-repository.ts';
import type { FillableType, LoadedModel } from '../inference/model-repository.ts';
import type { TensorSpec } from '../inference/session.ts';
import type {
  Endpoint,
  FeatureView,
  Mistake,
  ModelInput,
  ModelVersion,
  Project,
  RequestField,
  SourceExpression,
} from '../project/project.ts';
import { suggestName } from '../project/suggestion.ts';
import { checkExpression } from '../transforms/check.ts';
import type { Scope } from '../transforms/check.ts';
import { compileTransforms, namesProtected } from '../transforms/compile.ts';
import type { CompiledTransforms } from '../transforms/compile.ts';
import { ExpressionError, UnknownNameError } from '../transforms/expression-error.ts';
import { parseExpression } from '../transforms/parse.ts';
import { requireSlot, slotCount } from '../transforms/slots.ts';
import type { TransformInput } from '../transforms/slots.ts';
import type { TypedExpression } from '../transforms/typed-expression.ts';
import type { LeftOut } from './left-out.ts';
import { codingOf } from './answer.ts';
import type { AnswerField } from './answer.ts';

export interface CompiledVariant {
  readonly transforms: CompiledTransforms;
  /** The model's inputs in its own order: `width` slots per row. */
  readonly inputs: readonly { readonly name: string; readonly width: number }[];
  /** Whether any expression names a protected feature. */
  readonly readsProtected: boolean;
  readonly answer: readonly AnswerField[];
  /** Positions of the outputs that the answer reads, each once. */
  readonly fetch: readonly number[];
  /** Columns per output that the answer reads at least. */
  readonly outputWidthsMin: readonly number[];
}

export type Compilation =
  | { readonly compiled: CompiledVariant; readonly mistakes: readonly [] }
  | { readonly compiled: undefined; readonly mistakes: readonly Mistake[] };

/**
 * @param endpoint undefined = no endpoint uses the version: all is checked that does not depend on a request
 * @param loaded the model version of a variant of this endpoint
 * @param leftOut names that were left out of the project for mistakes of their own
 */
export function compileVariant(
  project: Project,
  endpoint: Endpoint | undefined,
  loaded: LoadedModel,
  leftOut: LeftOut,
): Compilation {
  const { session, version } = loaded;
  const { inputs, mistakes, isExcused } = compileInputs(project, endpoint, version, session.inputs, leftOut);
  const outputs = resolveOutputs(version, session);
  mistakes.push(...outputs.mistakes);
  if (mistakes.length > 0 || isExcused || endpoint === undefined) return { compiled: undefined, mistakes };
  const transforms = compileTransforms(inputs);
  const answer = outputs.fields.map(({ field, output, column }) => ({
    name: field,
    output,
    column,
    coding: codingOf(session.outputs[output]?.elementType),
  }));
  const named = session.inputs.map(({ name }, i) => ({ name, width: transforms.widths[i] as number }));
  return {
    compiled: {
      transforms,
      inputs: named,
      readsProtected: namesProtected(inputs),
      answer,
      fetch: outputs.fetch,
      outputWidthsMin: outputs.widthsMin,
    },
    mistakes: [],
  };
}

export interface CompiledInputs {
  /** In the order of the specs; complete if there is no mistake and nothing is excused. */
  readonly inputs: readonly TransformInput[];
  readonly mistakes: Mistake[];
  /** An expression names something that was left out, so nothing can be compiled. */
  readonly isExcused: boolean;
}

/**
 * Types the expressions of a model version against the inputs that the model has, or is going to have.
 * @param endpoint as in `compileVariant`
 */
export function compileInputs(
  project: Project,
  endpoint: Endpoint | undefined,
  version: ModelVersion,
  specs: readonly TensorSpec[],
  leftOut: LeftOut,
): CompiledInputs {
  const mistakes: Mistake[] = [];
  const scope = scopeOf(project, endpoint?.request ?? [], version);
  const compile: CompileContext = {
    scope,
    leftOut,
    hasRequest: endpoint !== undefined,
    mistakes,
    isExcused: false,
  };
  for (const input of version.inputs) {
    const isKnown = specs.some(({ name }) => name === input.name);
    if (isKnown) continue;
    const names = specs.map(({ name }) => name);
    mistakes.push({
      ...input.location,
      message: `the model has no input "${input.name}"`,
      suggestion: suggestName(input.name, names, 'inputs'),
    });
  }
  const inputs = specs.flatMap((spec): TransformInput[] => {
    const input = version.inputs.find(({ name }) => name === spec.name);
    if (input !== undefined) return compileInput(input, spec, compile);
    const shape = spec.shape.map((dimension) => dimension ?? '?').join(', ');
    mistakes.push({
      ...version.location,
      path: 'inputs',
      message: `nothing fills the model's input "${spec.name}" (${spec.elementType}[${shape}])`,
    });
    return [];
  });
  return { inputs, mistakes, isExcused: compile.isExcused };
}

function scopeOf(project: Project, request: readonly RequestField[], version: ModelVersion): Scope {
  const views = [...project.featureViews.values()];
  const viewsOf = (entity: string): ReadonlyMap<string, FeatureView> =>
    new Map(views.filter((view) => view.entity.name === entity).map((view) => [view.name, view]));
  return {
    request: new Map(request.map((field) => [field.name, field])),
    bindings: new Map(version.bindings.map((binding) => [binding.name, viewsOf(binding.entity.name)])),
  };
}

interface CompileContext {
  readonly scope: Scope;
  readonly leftOut: LeftOut;
  readonly hasRequest: boolean;
  readonly mistakes: Mistake[];
  /** An expression names something that was left out, so nothing can be compiled. */
  isExcused: boolean;
}

function compileInput(input: ModelInput, spec: TensorSpec, context: CompileContext): TransformInput[] {
  const { elementType } = spec;
  if (!isFillable(elementType)) {
    context.mistakes.push({ ...input.location, message: refuseInput(spec) ?? '' });
    return [];
  }
  const expressions: TypedExpression[] = [];
  for (const source of input.expressions) {
    const typed = compileExpression(source, elementType, context);
    if (typed !== undefined) expressions.push(typed);
  }
  if (expressions.length === input.expressions.length) {
    const width = expressions.reduce((sum, { type }) => sum + slotCount(type), 0);
    const refusal = expectedInput(spec).refuseWidth(width);
    if (refusal !== undefined) context.mistakes.push({ ...input.location, message: refusal });
  }
  return [{ elementType, expressions }];
}

function compileExpression(
  source: SourceExpression,
  elementType: FillableType,
  context: CompileContext,
): TypedExpression | undefined {
  const { scope, leftOut, hasRequest, mistakes } = context;
  try {
    const typed = checkExpression(parseExpression(source.text), scope);
    requireSlot(elementType, typed.type, source.text);
    return typed;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const isUnknown = error instanceof UnknownNameError;
    if (isUnknown && (leftOut.has(error.wanted) || (!hasRequest && error.kind === 'request field'))) {
      context.isExcused = true;
      return undefined;
    }
    const { message, suggestion } = error;
    mistakes.push({ ...source.location, message, ...(suggestion === undefined ? {} : { suggestion }) });
    return undefined;
  }
}
