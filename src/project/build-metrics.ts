/** The metrics of an experiment, put together from its checked section. */
import type { Path } from './path.ts';
import type { EventField, EventType } from './project.ts';
import type { Report } from './report.ts';
import type { Metric, MetricSource } from './rollout.ts';
import type { MetricSpec } from './rollout-schema.ts';
import type { Place } from './source-file.ts';
import { suggestName } from './suggestion.ts';

interface MetricScope {
  readonly variants: ReadonlyMap<string, readonly string[] | undefined>;
  readonly eventTypes: ReadonlyMap<string, EventType>;
}

type Add = (at: Path, message: string, suggestion?: string) => void;
type EventsSpec = Extract<MetricSpec, { readonly event: string }>;

/** Metrics with a mistake are left out. */
export function buildMetrics(
  specs: Readonly<Record<string, MetricSpec>>,
  scope: MetricScope,
  place: Place,
  path: Path,
  report: Report,
): Metric[] {
  return Object.entries(specs).flatMap(([name, spec]): Metric[] => {
    const add: Add = (at, message, suggestion) =>
      report.add(place, [...path, name, ...at], message, suggestion);
    const source = sourceOf(spec, specs, scope, add);
    const preMs = 'pre' in spec ? spec.pre : undefined;
    return source === undefined ? [] : [{ name, source, goal: spec.goal, preMs }];
  });
}

function sourceOf(
  spec: MetricSpec,
  specs: Readonly<Record<string, MetricSpec>>,
  scope: MetricScope,
  add: Add,
): MetricSource | undefined {
  if ('feedback' in spec) return { kind: 'feedback', field: spec.feedback };
  if ('score' in spec) {
    const { score, output, against } = spec;
    const answered = [...scope.variants.values()];
    if (answered.every((fields) => fields !== undefined && !fields.includes(output))) {
      const fields = new Set(answered.flatMap((each) => each ?? []));
      add(['output'], `names "${output}", which no variant answers`, suggestName(output, fields, 'fields'));
    }
    return { kind: 'score', score, output, field: against };
  }
  if ('ratio' in spec) return ratioOf(spec.ratio, specs, add);
  return eventsOf(spec, scope, add);
}

function ratioOf(
  [numerator, denominator]: readonly [string, string],
  specs: Readonly<Record<string, MetricSpec>>,
  add: Add,
): MetricSource | undefined {
  for (const [i, name] of [numerator, denominator].entries()) {
    const of = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (of === undefined || 'ratio' in of) {
      const others = Object.keys(specs).filter((each) => !('ratio' in (specs[each] as MetricSpec)));
      add(
        ['ratio', i],
        `names "${name}", which is not a metric that sums up`,
        suggestName(name, others, 'metrics'),
      );
      return undefined;
    }
  }
  return { kind: 'ratio', numerator, denominator };
}

function eventsOf(spec: EventsSpec, { eventTypes }: MetricScope, add: Add): MetricSource | undefined {
  const event = eventTypes.get(spec.event);
  if (event === undefined) {
    add(['event'], `there is no event "${spec.event}"`, suggestName(spec.event, eventTypes.keys(), 'events'));
    return undefined;
  }
  const given = (['count', 'any', 'sum'] as const).filter((key) => spec[key] !== undefined);
  if (given.length !== 1) add([], 'needs one of count: true, any: true and sum: FIELD');
  const unitField = fieldOf(event, 'unit', spec.unit, add);
  const summed = spec.sum === undefined ? undefined : fieldOf(event, 'sum', spec.sum, add);
  if (unitField === undefined || (spec.sum !== undefined && summed === undefined)) return undefined;
  if (summed !== undefined) {
    const { scalar, length } = summed.type;
    const isNumber = scalar === 'float32' || scalar === 'float64' || scalar === 'int64';
    if (!isNumber || length !== undefined) add(['sum'], `names ${summed.name}, which is not a number`);
  }
  const aggregate = summed === undefined ? (spec.any === true ? 'any' : 'count') : { sum: summed };
  return { kind: 'events', event, unitField, aggregate };
}

function fieldOf(event: EventType, key: string, name: string, add: Add): EventField | undefined {
  const field = event.fields.find((each) => each.name === name);
  if (field !== undefined) return field;
  const known = event.fields.map((each) => each.name);
  add([key], `names "${name}", which is not a field of ${event.name}`, suggestName(name, known, 'fields'));
  return undefined;
}
