/** The section `rollout` as a call or the store has it: checked as in the project file. */
import { MillraceError } from '../errors.ts';
import { buildRollout } from '../project/build-rollout.ts';
import { answersOf } from '../project/build-endpoints.ts';
import { checkShape } from '../project/check-shape.ts';
import { isRecord } from '../project/json-record.ts';
import type { Endpoint, EventType } from '../project/project.ts';
import { createReport } from '../project/report.ts';
import type { Rollout } from '../project/rollout.ts';
import { rolloutSchema } from '../project/rollout-schema.ts';

/** @throws MillraceError INVALID_ROLLOUT with every mistake */
export function decodeRollout(
  section: unknown,
  endpoint: Endpoint,
  eventTypes: ReadonlyMap<string, EventType>,
): Rollout {
  if (!isRecord(section))
    throw invalidRollout(endpoint.name, [{ path: 'rollout', message: 'must be an object' }]);
  const report = createReport();
  const source = { file: 'rollout', part: undefined, data: section, lineOf: () => 1 };
  const spec = checkShape(rolloutSchema, source, report);
  const { name, request, variants, log } = endpoint;
  const isLogged = log.sample > 0;
  const scope = { endpoint: name, request, variants: answersOf(variants), eventTypes, isLogged };
  const rollout = spec && buildRollout(spec, scope, source, [], report);
  const mistakes = report.mistakes();
  if (rollout !== undefined && mistakes.length === 0) return rollout;
  const details = mistakes.map(({ path, message, suggestion }) => ({
    path: path === '' ? 'rollout' : path,
    message: suggestion === undefined ? message : `${message} (${suggestion})`,
  }));
  throw invalidRollout(name, details);
}

export function invalidRollout(
  endpoint: string,
  details: readonly { readonly path: string; readonly message: string }[],
): MillraceError {
  const [first] = details;
  const rest = details.length > 1 ? `, and ${details.length - 1} more` : '';
  const sentence = `The rollout does not fit the endpoint "${endpoint}": ${first?.path} ${first?.message}${rest}.`;
  return new MillraceError('INVALID_ROLLOUT', sentence, { details });
}
