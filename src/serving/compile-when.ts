/** The condition of an experiment: which requests it wants, by their own fields. */
import type { ErrorDetail } from '../errors.ts';
import type { Endpoint, Mistake, SourceExpression } from '../project/project.ts';
import type { Rollout } from '../project/rollout.ts';
import { checkCondition } from '../transforms/check.ts';
import { compileRequestCondition } from '../transforms/compile.ts';
import type { RequestCondition } from '../transforms/compile.ts';
import { ExpressionError } from '../transforms/expression-error.ts';
import { parseExpression } from '../transforms/parse.ts';

/** @throws ExpressionError */
export function compileWhen({ text }: SourceExpression, { request }: Endpoint): RequestCondition {
  const fields = new Map(request.map((field) => [field.name, field]));
  return compileRequestCondition(
    checkCondition(parseExpression(text), { request: fields, bindings: new Map() }),
  );
}

/** What is wrong with the condition of a rollout, with its place in the project file, or in what a call sent. */
export function whenMistakes(endpoint: Endpoint, { policy }: Rollout): Mistake[] {
  if (policy.kind !== 'experiment' || policy.when === undefined) return [];
  try {
    compileWhen(policy.when, endpoint);
    return [];
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const { message, suggestion } = error;
    return [{ ...policy.when.location, message, ...(suggestion === undefined ? {} : { suggestion }) }];
  }
}

/** The same as details of an answer. */
export function checkWhen(endpoint: Endpoint, rollout: Rollout): ErrorDetail[] {
  return whenMistakes(endpoint, rollout).map(({ path, message, suggestion }) => ({
    path,
    message: suggestion === undefined ? message : `${message} (${suggestion})`,
  }));
}
