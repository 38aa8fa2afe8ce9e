/** Features that are computed from events: what of a checked project file goes together, and the type that comes out. */
import type { DataType } from './data-type.ts';
import { formatDataType } from './data-type.ts';
import { reportUnknownField } from './build-stream.ts';
import type { AggregationSpec } from './event-schema.ts';
import type { Path } from './path.ts';
import type { AggregateName, Aggregation, EventField, EventType } from './project.ts';
import { aggregateNames } from './project.ts';
import type { Report } from './report.ts';
import { locate } from './report.ts';
import type { SourceFile } from './source-file.ts';

/** How one feature of the file is computed; it may be several features, one per rank. */
export interface BuiltAggregation {
  readonly type: DataType;
  /** Without the rank, of which there are `count`. */
  readonly aggregation: Omit<Aggregation, 'rank'>;
}

/** Which aggregates a parameter belongs to. */
const parameterOwners = {
  n: ['first', 'last'],
  k: ['top_k'],
  q: ['quantile'],
} as const satisfies Readonly<Record<string, readonly AggregateName[]>>;
const parameters = ['n', 'k', 'q'] as const;

const int64: DataType = { scalar: 'int64', length: undefined };
const float64: DataType = { scalar: 'float64', length: undefined };
const numeric: ReadonlySet<string> = new Set(['float32', 'float64', 'int64', 'bool']);
const ordered: ReadonlySet<string> = new Set(['float32', 'float64', 'int64', 'timestamp']);

const LIKE = 'write it like { count: true, window: 1h } or { mean: FIELD, window: 3h }';

/** The names of the aggregates that a feature asks for: one, if it is sound. */
function namedAggregates(spec: AggregationSpec): AggregateName[] {
  return aggregateNames.filter((name) => spec[name] !== undefined);
}

/** Whether a feature says anything that only a computed one can. */
export function isComputed(spec: AggregationSpec): boolean {
  const keys = [...aggregateNames, ...parameters, 'window', 'where'] as const;
  return keys.some((key) => spec[key] !== undefined);
}

/** Undefined when it has a mistake, which is reported. */
export function buildAggregation(
  spec: AggregationSpec,
  path: Path,
  event: EventType,
  source: SourceFile,
  report: Report,
): BuiltAggregation | undefined {
  const [name, ...others] = namedAggregates(spec);
  // What is wrong with a value was left out with it: consequences are not mistakes.
  const isSound = !report.isTouched(source, path);
  if (name === undefined) {
    const names = aggregateNames.join(', ');
    if (isSound) report.add(source, path, `needs one of ${names}`, LIKE);
    return undefined;
  }
  if (others.length > 0) {
    report.add(source, path, `asks for ${[name, ...others].join(' and ')}: a feature is one of them`);
    return undefined;
  }
  checkParameters(spec, name, path, source, report);
  const field = name === 'count' ? undefined : fieldOf(spec, name, path, event, source, report);
  if (spec.window === undefined && isSound)
    report.add(source, path, 'needs a window, over which events count', 'write it like window: 3h');
  if (spec.window === undefined || report.isTouched(source, path)) return undefined;
  if (name !== 'count' && field === undefined) return undefined;
  const where =
    spec.where === undefined ? undefined : { text: spec.where, location: locate(source, [...path, 'where']) };
  return {
    type: resultType(name, field),
    aggregation: {
      name,
      field,
      where,
      windowMs: spec.window,
      count: spec.n ?? spec.k ?? 1,
      quantile: spec.q,
    },
  };
}

function checkParameters(
  spec: AggregationSpec,
  name: AggregateName,
  path: Path,
  source: SourceFile,
  report: Report,
): void {
  for (const parameter of parameters) {
    const owners: readonly AggregateName[] = parameterOwners[parameter];
    if (spec[parameter] === undefined || owners.includes(name)) continue;
    report.add(source, [...path, parameter], `belongs to ${owners.join(' and ')}, not to ${name}`);
  }
  if (name === 'quantile' && spec.q === undefined && !report.isTouched(source, [...path, 'q']))
    report.add(source, path, 'needs q, which says which quantile', 'write it like q: 0.9');
}

function fieldOf(
  spec: AggregationSpec,
  name: AggregateName,
  path: Path,
  event: EventType,
  source: SourceFile,
  report: Report,
): EventField | undefined {
  const fieldName = String(spec[name]);
  const fieldPath = [...path, name];
  const field = event.fields.find((candidate) => candidate.name === fieldName);
  if (field === undefined) {
    reportUnknownField(fieldName, fieldPath, event, source, report);
    return undefined;
  }
  const wanted = wantedField(name);
  if (field.type.length === undefined && (wanted === undefined || wanted.scalars.has(field.type.scalar)))
    return field;
  const type = formatDataType(field.type);
  report.add(source, fieldPath, `names ${fieldName}, which is ${type}: ${name} takes ${takes(wanted)}`);
  return undefined;
}

interface WantedField {
  readonly scalars: ReadonlySet<string>;
  readonly called: string;
}

/** Undefined = any scalar. */
function wantedField(name: AggregateName): WantedField | undefined {
  switch (name) {
    case 'sum':
    case 'mean':
    case 'variance':
    case 'quantile':
      return { scalars: numeric, called: 'numbers and bool' };
    case 'min':
    case 'max':
      return { scalars: ordered, called: 'numbers and timestamps' };
    default:
      return undefined;
  }
}

function takes(wanted: WantedField | undefined): string {
  return wanted?.called ?? 'single values, not vectors';
}

function resultType(name: AggregateName, field: EventField | undefined): DataType {
  switch (name) {
    case 'count':
    case 'count_distinct':
      return int64;
    case 'sum':
    case 'mean':
    case 'variance':
    case 'quantile':
      return float64;
    default:
      return (field as EventField).type;
  }
}
