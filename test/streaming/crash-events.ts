/** Events of crash tests, each made of its number alone, and what the views have to give for all of them. */
import type { AcceptedEvent } from '../../src/events/event.ts';
import type { Row } from '../../src/features/online-store.ts';
import type { Aggregation, FeatureView } from '../../src/project/project.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { airports, departure } from './flight-stream.ts';

export const BATCH_EVENTS = 250;
const DUPLICATES = 0.02;
const START_MS = Date.UTC(2001, 2, 6);
const SPACING_MS = 100;
const DISORDER_MS = 20 * 60_000;

export function crashEvent(n: number): AcceptedEvent {
  const random = seededRandom(n);
  const pick = (): string => airports[Math.floor(random() * airports.length)] as string;
  const values = [pick(), pick(), random() < 0.1 ? null : Math.round(random() * 900 - 100) / 10];
  const timeMs = START_MS + n * SPACING_MS - Math.floor(random() * DISORDER_MS);
  return { id: `crash-${n}`, type: departure, timeMs, receivedMs: START_MS, values };
}

/** The events of a batch; some of what came before is sent again. */
export function batchOf(batch: number): AcceptedEvent[] {
  const random = seededRandom(-batch - 1);
  const first = batch * BATCH_EVENTS;
  return Array.from({ length: BATCH_EVENTS }, (_, i) => first + i).flatMap((n) =>
    random() < DUPLICATES ? [crashEvent(n), crashEvent(Math.floor(random() * n))] : [crashEvent(n)],
  );
}

/** From the longest windows to the shortest, as docs/streaming.md has them: the least length, and the tile's. */
const tileSizes = [
  [12 * 60 * 60_000, 60 * 60_000],
  [60 * 60_000, 5 * 60_000],
  [0, 60_000],
] as const;

/** Features of a live row that differ from a scan over the entity's events; those of `last` depend on the order in the log. */
export function wrongCells(
  view: FeatureView,
  events: readonly AcceptedEvent[],
  asOfMs: number,
  row: Row | null,
): string[] {
  return view.features.flatMap(({ aggregation }, i) => {
    const { name, field, where, windowMs } = aggregation as Aggregation;
    if (name === 'last') return [];
    const [, tileMs] = tileSizes.find(([leastMs]) => windowMs >= leastMs) as [number, number];
    const fromMs = Math.floor((asOfMs - windowMs) / tileMs) * tileMs;
    let count = 0;
    let valueCount = 0;
    // In tenths, which are whole numbers: no rounding.
    let tenths = 0;
    let max = -Infinity;
    for (const { timeMs, values } of events) {
      if (timeMs < fromMs) continue;
      const delay = values[2] as number | null;
      if (where === undefined || (delay !== null && delay > 15)) count++;
      if (field === undefined || delay === null) continue;
      valueCount++;
      tenths += Math.round(delay * 10);
      max = Math.max(max, delay);
    }
    const sum = tenths / 10;
    const expected = { count, sum, mean: sum / valueCount, max }[name as 'count' | 'sum' | 'mean' | 'max'];
    const found = row?.[i + 1];
    const isRight =
      typeof found === 'number' && Math.abs(found - expected) <= 1e-9 * Math.max(1, Math.abs(expected));
    return isRight ? [] : [`${view.name} ${name} of ${windowMs} ms: ${String(found)} instead of ${expected}`];
  });
}
