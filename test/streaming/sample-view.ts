/** Streaming views as the project reader makes them, written short. */
import { parseDataType } from '../../src/project/data-type.ts';
import { parseDuration } from '../../src/project/duration.ts';
import type {
  AggregateName,
  EventField,
  EventType,
  Feature,
  FeatureView,
  SourceExpression,
} from '../../src/project/project.ts';
import { compileTilePlan } from '../../src/streaming/tile-plan.ts';
import type { TilePlan } from '../../src/streaming/tile-plan.ts';
import { resultType } from './aggregate-fields.ts';

/** One feature: its aggregate, a field (none for a count), and the rest. */
export interface FeatureGiven {
  readonly name: AggregateName;
  readonly field?: string;
  readonly where?: string;
  readonly windowMs: number;
  /** The n of first and last, the k of top_k. */
  readonly count?: number;
  readonly rank?: number;
  readonly quantile?: number;
}

/** @param fields types by name; a `?` behind the type makes the field optional */
export function eventOf(fields: Readonly<Record<string, string>>): EventType {
  const eventFields = Object.entries(fields).map(([name, text], index): EventField => {
    const type = parseDataType(text.replace('?', ''));
    if (typeof type === 'string') throw new Error(type);
    return { name, type, index, optional: text.endsWith('?') };
  });
  return { name: 'sample', fields: eventFields, timeField: undefined };
}

export function streamingView(event: EventType, given: readonly FeatureGiven[], where?: string): FeatureView {
  const [keyField] = event.fields;
  if (keyField === undefined) throw new Error('an event has fields');
  return {
    name: 'sample',
    entity: { name: 'thing', keys: [{ name: 'id', type: 'string' }] },
    ttlMs: undefined,
    timestampField: 'event_timestamp',
    onUnavailable: 'default',
    stream: { event, keyFields: [keyField], where: sourceOf(where, 'where') },
    features: given.map((each, index) => featureOf(event, each, index)),
  };
}

function featureOf(event: EventType, given: FeatureGiven, index: number): Feature {
  const { name, where, windowMs, count = 1, rank = 1, quantile } = given;
  const field = event.fields.find((candidate) => candidate.name === given.field);
  if (given.field !== undefined && field === undefined) throw new Error(`there is no field ${given.field}`);
  return {
    name: `f${index}`,
    type: resultType(name, field),
    index,
    default: undefined,
    aggregation: {
      name,
      field,
      where: sourceOf(where, `features.f${index}.where`),
      windowMs,
      count,
      rank,
      quantile,
    },
  };
}

function sourceOf(text: string | undefined, path: string): SourceExpression | undefined {
  return text === undefined ? undefined : { text, location: { file: 'millrace.yaml', line: 7, path } };
}

export function planOf(view: FeatureView, latenessMs = 3_600_000): TilePlan {
  const { plan, mistakes } = compileTilePlan(view, latenessMs);
  if (plan === undefined) throw new Error(mistakes.map(({ message }) => message).join('; '));
  return plan;
}

export function durationMs(text: string): number {
  const parsed = parseDuration(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}
