/**
 * The body of a predict call, checked against the endpoint's request fields and turned into flat rows:
 * `{"context"?: {…}, "rows": [{…}], "as_of"?: …, "trace"?: true}`. Fields of `context` are shared by all rows.
 * All mistakes are reported at once, up to a limit, each with its path.
 */
import { MillraceError } from '../errors.ts';
import { isRecord } from '../project/json-record.ts';
import type { JsonRecord } from '../project/json-record.ts';
import { createProblemList, shortName, tooManyRows } from '../project/problem-list.ts';
import type { ProblemList } from '../project/problem-list.ts';
import type { Endpoint, Limits, RequestField } from '../project/project.ts';
import { Refusal, decodeScalar, decodeValue } from '../project/value.ts';
import type { Value } from '../project/value.ts';

export interface PredictRequest {
  /** Per row the value of every request field, by its index. */
  readonly rows: readonly (readonly Value[])[];
  /** The time that ages and time functions count from; undefined = the server's clock. */
  readonly asOfMs: number | undefined;
  readonly trace: boolean;
}

const bodyFields = ['context', 'rows', 'as_of', 'trace'];

/** @throws MillraceError INVALID_REQUEST, TOO_MANY_ROWS */
export function decodePredictRequest(body: unknown, endpoint: Endpoint, limits: Limits): PredictRequest {
  if (!isRecord(body)) {
    throw new MillraceError('INVALID_REQUEST', 'The body must be a JSON object with `rows`.');
  }
  const problems = createProblemList();
  for (const name of Object.keys(body)) {
    if (!bodyFields.includes(name)) problems.addUnknown(shortName(name), name, bodyFields, 'fields');
  }
  const asOfMs = decodeAsOf(body['as_of'], problems);
  const trace = body['trace'] ?? false;
  if (typeof trace !== 'boolean') problems.add('trace', 'must be true or false');
  const context = body['context'];
  const shared: Value[] = new Array<Value>(endpoint.request.length).fill(null);
  const given: boolean[] = new Array<boolean>(endpoint.request.length).fill(false);
  if (isRecord(context)) decodeFields(context, endpoint.request, shared, given, 'context', problems);
  else if (context !== undefined && context !== null)
    problems.add('context', 'must be an object of request fields');
  const rows = decodeRows(body['rows'], endpoint.request, shared, given, limits, problems);
  problems.throwIfAny('INVALID_REQUEST', `The request does not fit the endpoint "${endpoint.name}"`);
  return { rows, asOfMs, trace: trace === true };
}

function decodeAsOf(input: unknown, problems: ProblemList): number | undefined {
  if (input === undefined || input === null) return undefined;
  const asOf = decodeScalar('timestamp', input);
  if (!(asOf instanceof Refusal)) return asOf as number;
  problems.add('as_of', asOf.reason);
  return undefined;
}

function decodeRows(
  input: unknown,
  fields: readonly RequestField[],
  shared: readonly Value[],
  inContext: readonly boolean[],
  limits: Limits,
  problems: ProblemList,
): Value[][] {
  if (!Array.isArray(input)) {
    problems.add(
      'rows',
      input === undefined ? 'is missing; give an array of objects' : 'must be an array of objects',
    );
    return [];
  }
  if (input.length > limits.rowsMax) throw tooManyRows(input.length, limits.rowsMax);
  const rows: Value[][] = [];
  for (let r = 0; r < input.length && !problems.isFull(); r++) {
    const row: unknown = input[r];
    const values = shared.slice();
    rows.push(values);
    if (isRecord(row)) decodeRow(row, fields, values, inContext, r, problems);
    else problems.add(`rows[${r}]`, 'must be an object of request fields');
  }
  return rows;
}

function decodeRow(
  row: JsonRecord,
  fields: readonly RequestField[],
  values: Value[],
  inContext: readonly boolean[],
  r: number,
  problems: ProblemList,
): void {
  let given = 0;
  for (let f = 0; f < fields.length; f++) {
    const field = fields[f] as RequestField;
    const input = ownField(row, field.name);
    if (input === undefined) {
      if (inContext[f] !== true && !field.optional) problems.add(`rows[${r}].${field.name}`, 'is missing');
      continue;
    }
    given++;
    if (inContext[f] === true) problems.add(`rows[${r}].${field.name}`, 'is given by `context` already');
    decodeField(input, field, values, () => `rows[${r}].${field.name}`, problems);
  }
  if (given !== countFields(row)) reportUnknown(row, fields, `rows[${r}]`, problems);
}

function decodeFields(
  record: JsonRecord,
  fields: readonly RequestField[],
  values: Value[],
  given: boolean[],
  path: string,
  problems: ProblemList,
): void {
  for (const field of fields) {
    const input = ownField(record, field.name);
    if (input === undefined) continue;
    given[field.index] = true;
    decodeField(input, field, values, () => `${path}.${field.name}`, problems);
  }
  reportUnknown(record, fields, path, problems);
}

function decodeField(
  input: unknown,
  field: RequestField,
  values: Value[],
  path: () => string,
  problems: ProblemList,
): void {
  if (input === null && field.optional) return;
  const value = decodeValue(field.type, input);
  if (value instanceof Refusal) problems.add(path(), value.reason);
  else values[field.index] = value;
}

function reportUnknown(
  record: JsonRecord,
  fields: readonly RequestField[],
  path: string,
  problems: ProblemList,
): void {
  const names = fields.map((field) => field.name);
  for (const name of Object.keys(record)) {
    if (!names.includes(name)) problems.addUnknown(`${path}.${shortName(name)}`, name, names, 'fields');
  }
}

/** JSON holds no functions: one that a lookup finds is inherited, such as `valueOf`, and the field is not there. */
function ownField(record: JsonRecord, name: string): unknown {
  const value = record[name];
  return typeof value === 'function' ? undefined : value;
}

function countFields(record: JsonRecord): number {
  let count = 0;
  for (const _ in record) count++;
  return count;
}
