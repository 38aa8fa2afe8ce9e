/**
 * Checks a file against its schema: each way in which it does not fit becomes one mistake in plain words, and the
 * largest part that does fit comes back, so that the rest of the project can be checked in the same pass.
 *
 * That part is found by deleting what the mistakes point at and parsing again, until nothing is left to complain
 * about. Each round deletes a value, so the rounds end.
 */
import { z } from 'zod';
import type { Path } from './path.ts';
import type { Report } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';

type Issue = z.core.$ZodIssue;
type Mapping = Record<string | number, unknown>;

const SHOWN_LENGTH_MAX = 40;

/** One complaint about one value, out of the nested ones that zod makes of unions. */
interface Complaint {
  readonly path: Path;
  readonly message: string;
  readonly suggestion?: string | undefined;
}

/**
 * The part of a file that fits the schema, or undefined when nothing of it does. Adds the mistakes to the report.
 * A required key at the top that is missing or wrong takes its value from `standIns`.
 */
export function checkShape<T>(
  schema: z.ZodType<T>,
  source: SourceFile,
  report: Report,
  standIns: Readonly<Record<string, unknown>> = {},
): T | undefined {
  const data = structuredClone(source.data);
  for (;;) {
    const result = schema.safeParse(data);
    if (result.success) return result.data;
    const complaints = result.error.issues.flatMap((issue) => toComplaints(schema, issue, [], data));
    for (const { path, message, suggestion } of complaints) {
      // What was deleted is missing, and what held it may be empty: consequences, not mistakes.
      if (!report.isTouched(source, path)) report.add(source, path, message, suggestion);
    }
    const paths = complaints.map(({ path }) => path);
    if (!deleteAll(data, paths, standIns)) return undefined;
  }
}

/** Deletes the value at each path; false when that would be the whole file. */
function deleteAll(data: Mapping, paths: readonly Path[], standIns: Mapping): boolean {
  const deleted: Path[] = [];
  for (const path of paths) {
    if (deleted.some((gone) => gone.every((segment, i) => segment === path[i]))) continue;
    const target = deletable(data, path);
    const key = target.at(-1) ?? path[0];
    if (key === undefined || (target.length === 0 && !Object.hasOwn(standIns, key))) return false;
    const holder = target.slice(0, -1).reduce<Mapping>((node, segment) => node[segment] as Mapping, data);
    if (target.length <= 1 && Object.hasOwn(standIns, key)) holder[key] = standIns[key];
    else delete holder[key];
    deleted.push(target.length === 0 ? [key] : target);
  }
  return true;
}

/**
 * The longest part of a path that can be deleted: what is missing cannot, so that its holder goes; and a list goes as
 * a whole, because its items would change their places.
 */
function deletable(data: Mapping, path: Path): Path {
  let node: unknown = data;
  let length = 0;
  while (length < path.length && isMapping(node) && Object.hasOwn(node, path[length] as string)) {
    node = node[path[length] as string];
    length++;
  }
  return path.slice(0, length);
}

function toComplaints(schema: z.ZodType, issue: Issue, prefix: Path, data: unknown): Complaint[] {
  const path: Path = [...prefix, ...(issue.path as (string | number)[])];
  const input = valueAt(data, path);
  if (input === null) return [{ path, message: 'is empty: give it a value, or remove it' }];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: 'is not a known key',
        suggestion: suggestName(key, known, 'keys here'),
      }));
    }
    case 'invalid_key':
      return [{ path, message: issue.issues[0]?.message ?? issue.message }];
    case 'invalid_union': {
      // None of the alternatives has what the key says that tells them apart.
      if (issue.errors.length === 0) return [{ path, message: issue.message }];
      // The alternative that is of the right kind says what is wrong inside; without one, the kinds are listed.
      const alternative = issue.errors.find((errors) => !errors.some(isAboutKind));
      if (alternative !== undefined)
        return alternative.flatMap((inner) => toComplaints(schema, inner, path, data));
      const kinds = issue.errors.flat().filter(isAboutKind);
      const expected = kinds.map((kind) => kind.expected);
      return [{ path, message: kindSentence(expected, input) }];
    }
    case 'invalid_type': {
      const isText = issue.expected === 'string' && input !== undefined;
      const suggestion = isText ? textHint(schema, path, input) : undefined;
      return [{ path, message: kindSentence([issue.expected], input), suggestion }];
    }
    case 'too_small':
    case 'too_big':
      return [{ path, message: boundSentence(issue) }];
    default:
      return [{ path, message: issue.message }];
  }
}

function isAboutKind(issue: Issue): issue is z.core.$ZodIssueInvalidType {
  return issue.code === 'invalid_type' && issue.path.length === 0;
}

const kindNames: Readonly<Record<string, string>> = {
  string: 'a string',
  int: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
};

function kindSentence(expected: readonly string[], input: unknown): string {
  if (input === undefined) return 'is missing';
  const wanted = expected.map((kind) => kindNames[kind] ?? kind);
  return `must be ${wanted.join(' or ')}, not ${kindOf(input)}`;
}

function kindOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list';
  if (isMapping(input)) return 'a mapping';
  if (typeof input !== 'string') return String(input);
  return input.length > SHOWN_LENGTH_MAX ? 'a string' : `"${input}"`;
}

/** What to write in place of a value that should be text: `- a ? b : c` without quotes is a mapping to YAML. */
function textHint(schema: z.ZodType, path: Path, input: unknown): string | undefined {
  if (isMapping(input)) return 'text that holds ": " or starts with "{" needs quotes';
  const examples = layers(schemaAt(schema, path)).flatMap((layer) => layer.meta()?.['examples'] ?? []);
  const example = examples.find((candidate) => typeof candidate === 'string');
  return example === undefined ? undefined : `write it like ${example}`;
}

function boundSentence(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  if (issue.origin !== 'number' && issue.origin !== 'int') return issue.message;
  return issue.code === 'too_small'
    ? `must be at least ${issue.minimum}`
    : `must be at most ${issue.maximum}`;
}

/** The keys that the schema knows for the mapping at a path. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  const object = layers(schemaAt(schema, path)).at(-1);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function schemaAt(schema: z.ZodType, path: Path): z.ZodType | undefined {
  return path.reduce<z.ZodType | undefined>((outer, segment) => {
    const inner = layers(outer).at(-1);
    if (inner instanceof z.ZodObject) return (inner.shape as Record<string, z.ZodType>)[segment];
    return inner instanceof z.ZodRecord ? (inner.valueType as z.ZodType) : undefined;
  }, schema);
}

/** A schema, and what is inside it when it is optional, has a default, is transformed, or may be a mapping. */
function layers(schema: z.ZodType | undefined): z.ZodType[] {
  if (schema === undefined) return [];
  return [schema, ...layers(innerOf(schema) as z.ZodType | undefined)];
}

function innerOf(schema: z.ZodType): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault) return schema.unwrap();
  if (schema instanceof z.ZodPipe) return schema.in;
  if (!(schema instanceof z.ZodUnion)) return undefined;
  return schema.options.find((option) => option instanceof z.ZodObject);
}

function valueAt(data: unknown, path: Path): unknown {
  return path.reduce((node, segment) => (node as Mapping | null | undefined)?.[segment], data);
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
