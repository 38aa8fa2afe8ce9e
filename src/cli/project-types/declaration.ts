/**
 * A project as an interface `Project`, in the form of `ProjectShape` of the client. It imports nothing, so it may lie
 * anywhere. The same project gives the same text.
 */
import type { DataType } from '../../project/data-type.ts';
import type { Endpoint, EventType, FeatureView } from '../../project/project.ts';
import type { AnswerFieldShape, AnswerShape, ProjectAnswers } from '../../serving/answer-shapes.ts';

/** Lines of the members of an object. */
type Members = readonly string[];

const INT64 = 'number | bigint | string';

/** What the server takes for a value. */
const scalarTypes: Readonly<Record<DataType['scalar'], string>> = {
  float32: 'number',
  float64: 'number',
  int64: INT64,
  string: 'string',
  bool: 'boolean',
  timestamp: 'string | number | Date',
};

/** What it answers; NaN and infinities are null. */
const answerTypes: Readonly<Record<AnswerFieldShape['type'], string>> = {
  float16: 'number | null',
  float32: 'number | null',
  float64: 'number | null',
  int8: 'number',
  int16: 'number',
  int32: 'number',
  int64: 'number | bigint',
  uint8: 'number',
  uint16: 'number',
  uint32: 'number',
  uint64: 'number | bigint',
  bool: 'boolean',
  string: 'string',
};

export function projectDeclaration({ project, answers }: ProjectAnswers): string {
  const { endpoints, eventTypes, featureViews } = project;
  const members = [
    ...section('endpoints', endpoints.values(), (endpoint) => endpointMembers(endpoint, answers)),
    ...section('events', eventTypes.values(), eventMembers),
    ...section('views', featureViews.values(), viewMembers),
  ];
  return [
    `// The project ${project.name}, written by \`millrace types\`: run it again when the project has changed.`,
    '',
    '/** For `createClient<Project>()` of millrace/client. */',
    'export interface Project {',
    ...indented(members),
    '}',
    '',
  ].join('\n');
}

function section<T extends { readonly name: string }>(
  name: string,
  entries: Iterable<T>,
  membersOf: (entry: T) => Members,
): Members {
  return object(
    name,
    [...entries].flatMap((entry) => object(entry.name, membersOf(entry))),
  );
}

function endpointMembers({ name, request, unit }: Endpoint, answers: ProjectAnswers['answers']): Members {
  const own = answers.filter(({ endpoint }) => endpoint === name);
  return [
    ...object('request', request.flatMap(fieldMember)),
    ...(unit?.kind === 'field' && own.length > 1 ? [`readonly unit: ${quoted(unit.name)};`] : []),
    ...object('variants', own.flatMap(variantMember)),
  ];
}

function variantMember({ variant, fields }: AnswerShape): Members {
  return object(
    variant,
    fields.map((field) => `readonly ${key(field.name)}: ${answerType(field)};`),
  );
}

function answerType({ type, width }: AnswerFieldShape): string {
  const scalar = answerTypes[type];
  const array = `readonly ${scalar.includes('|') ? `(${scalar})` : scalar}[]`;
  if (width === 1) return scalar;
  return width === undefined ? `${scalar} | ${array}` : array;
}

function eventMembers({ fields, timeField }: EventType): Members {
  return [
    ...object('fields', fields.flatMap(fieldMember)),
    ...(timeField === undefined ? [] : [`readonly timeField: ${quoted(timeField.name)};`]),
  ];
}

function viewMembers({ entity, features, timestampField, stream }: FeatureView): Members {
  const keys = entity.keys.map(({ name, type }) => `readonly ${key(name)}: ${scalarTypes[type]};`);
  return [
    ...object('keys', keys),
    ...object(
      'features',
      features.map(({ name, type }) => `readonly ${key(name)}: ${valueType(type)};`),
    ),
    ...(stream === undefined ? [`readonly timestampField: ${quoted(timestampField)};`] : []),
  ];
}

interface Field {
  readonly name: string;
  readonly type: DataType;
  readonly optional: boolean;
}

function fieldMember({ name, type, optional }: Field): Members {
  const value = valueType(type);
  return [`readonly ${key(name)}${optional ? `?: ${value} | null | undefined` : `: ${value}`};`];
}

function valueType({ scalar, length }: DataType): string {
  if (length === undefined) return scalarTypes[scalar];
  if (scalar === 'int64') return `readonly (${INT64})[] | BigInt64Array`;
  return 'readonly number[] | Float32Array | Float64Array';
}

function object(name: string, members: Members): Members {
  if (members.length === 0) return [`readonly ${key(name)}: {};`];
  return [`readonly ${key(name)}: {`, ...indented(members), '};'];
}

function indented(lines: Members): Members {
  return lines.map((line) => `  ${line}`);
}

/** Quoted where it is no identifier. */
function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name);
}

function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
