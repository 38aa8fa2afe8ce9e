/** Which field of an event holds which field of a request, where events stand for the requests that came before them. */
import { MillraceError } from '../errors.ts';
import { formatDataType } from '../project/data-type.ts';
import type { DataType } from '../project/data-type.ts';
import type { Endpoint, EventField, EventType, RequestField } from '../project/project.ts';
import { suggestName } from '../project/suggestion.ts';

/** The event field that a request field is taken from; undefined = it is optional, and the event has none. */
export type RequestSource = EventField | undefined;

/**
 * @param renamed by the name of a request field: the event field that holds it, where the names differ
 * @returns one per request field, in the endpoint's order
 * @throws MillraceError REPLAY_FAILED
 */
export function requestSources(
  endpoint: Endpoint,
  type: EventType,
  renamed: ReadonlyMap<string, string>,
): RequestSource[] {
  const names = endpoint.request.map(({ name }) => name);
  for (const name of renamed.keys()) {
    if (names.includes(name)) continue;
    const suggestion = suggestName(name, names, 'request fields');
    throw failure(
      `--request ${name}: endpoint "${endpoint.name}" has no request field "${name}"; ${suggestion}`,
    );
  }
  return endpoint.request.map((field) => sourceOf(field, endpoint, type, renamed.get(field.name)));
}

function sourceOf(
  field: RequestField,
  endpoint: Endpoint,
  type: EventType,
  renamed: string | undefined,
): RequestSource {
  const wanted = renamed ?? field.name;
  const source = type.fields.find(({ name }) => name === wanted);
  if (source === undefined) {
    if (renamed === undefined && field.optional) return undefined;
    const fields = type.fields.map(({ name }) => name);
    const suggestion = suggestName(wanted, fields, 'fields');
    throw failure(
      `requests of "${endpoint.name}" need "${field.name}", and "${type.name}" events have no field "${wanted}": say --request ${field.name}=FIELD; ${suggestion}`,
    );
  }
  if (isTaken(source.type, field.type)) return source;
  const [has, needs] = [formatDataType(source.type), formatDataType(field.type)];
  throw failure(
    `the request field "${field.name}" of "${endpoint.name}" is ${needs}, and the event field "${wanted}" is ${has}`,
  );
}

const numbers: readonly string[] = ['float32', 'float64', 'int64'];

/** What becomes of a number that does not fit is seen when it comes. */
function isTaken(from: DataType, to: DataType): boolean {
  if (from.length !== to.length) return false;
  return from.scalar === to.scalar || (numbers.includes(from.scalar) && numbers.includes(to.scalar));
}

function failure(sentence: string): MillraceError {
  return new MillraceError('REPLAY_FAILED', sentence);
}
