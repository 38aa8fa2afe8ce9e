/** Adds up, for each unit, its events: after its first exposure, and in the time before it that a metric asks for. */
import type { AcceptedEvent } from '../events/event.ts';
import type { EventLog } from '../events/event-log.ts';
import type { OnRead } from '../events/joined-predictions.ts';
import type { Metric, MetricSource } from '../project/rollout.ts';
import { PRE_SUM, PRE_WEIGHT, SUM, WEIGHT } from './unit-table.ts';
import type { ExposureFilter, UnitTable } from './unit-table.ts';

export interface EventSource {
  readonly log: EventLog;
  /** The name that the prediction log has for a unit: itself, or its hash where the field is hashed there. */
  readonly unitName: (text: string) => string;
}

export interface EventCounts {
  /** Of the types that metrics name. */
  readonly events: number;
  /** Of them, those of units of the experiment, in the time that counts. */
  readonly counted: number;
  /** Of the whole log. */
  readonly unreadable: number;
}

interface EventMetric {
  readonly index: number;
  readonly preMs: number | undefined;
  readonly source: Extract<MetricSource, { readonly kind: 'events' }>;
}

const READ_LIMITS = { recordsMax: 1024, bytesMax: 4 * 1024 * 1024 };

export function needsEvents(metrics: readonly Metric[]): boolean {
  return metrics.some(({ source }) => source.kind === 'events');
}

/** @throws MillraceError STORE_FAILED */
export async function readEvents(
  { log, unitName }: EventSource,
  metrics: readonly Metric[],
  filter: Pick<ExposureFilter, 'toMs'>,
  table: UnitTable,
  onRead: OnRead = () => {},
): Promise<EventCounts> {
  const wanted = metrics.flatMap(({ source, preMs }, index): EventMetric[] =>
    source.kind === 'events' ? [{ index, preMs, source }] : [],
  );
  const counts = { events: 0, counted: 0, unreadable: 0 };

  function take(event: AcceptedEvent): void {
    const own = wanted.filter(({ source }) => source.event.name === event.type.name);
    if (own.length === 0 || event.timeMs >= filter.toMs) return;
    counts.events++;
    const taken = own.filter((metric) => addEvent(metric, event));
    if (taken.length > 0) counts.counted++;
  }

  function addEvent({ index, preMs, source }: EventMetric, { timeMs, values }: AcceptedEvent): boolean {
    const named = values[source.unitField.index] ?? null;
    if (named === null || typeof named === 'object') return false;
    const unit = table.findFirst(unitName(String(named)));
    if (unit === undefined) return false;
    const isBefore = timeMs < unit.firstMs;
    if (isBefore && unit.firstMs - timeMs > (preMs ?? 0)) return false;
    const [sum, weight] = isBefore ? [PRE_SUM, PRE_WEIGHT] : [SUM, WEIGHT];
    const { aggregate } = source;
    if (aggregate === 'any') table.raiseToOne(unit, index, sum);
    else if (aggregate === 'count') table.add(unit, index, sum, 1);
    else table.add(unit, index, sum, Number(values[aggregate.sum.index] ?? 0));
    table.add(unit, index, weight, 1);
    return true;
  }

  const sizes = await log.sizes();
  const total = sizes.reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0);
  let done = 0;
  for (const [partition, { firstOffset, nextOffset }] of sizes.entries()) {
    for (let offset = firstOffset; offset < nextOffset;) {
      const read = await log.read(partition, offset, READ_LIMITS);
      for (const { event, isCopy } of read.records) {
        if (event === undefined) counts.unreadable++;
        else if (!isCopy) take(event);
      }
      // Nothing is left of what was there: it was dropped meanwhile.
      if (read.nextOffset === offset) break;
      onRead((done += Math.min(read.nextOffset, nextOffset) - offset), total);
      offset = read.nextOffset;
    }
  }
  return counts;
}
