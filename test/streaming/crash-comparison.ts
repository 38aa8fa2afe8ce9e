/** What a place has after crashes, compared with what a plain scan over all events says. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AcceptedEvent } from '../../src/events/event.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import type { Row } from '../../src/features/online-store.ts';
import type { Aggregation, FeatureView } from '../../src/project/project.ts';
import type { Value } from '../../src/project/value.ts';
import { airports, flightViews } from './flight-stream.ts';
import type { EventStreaming } from '../../src/streaming/event-streaming.ts';
import { openPlace } from './open-place.ts';

export interface Comparison {
  /** Features of keys that were compared. */
  readonly cells: number;
  /** A sentence for each that is not what it should be. */
  readonly wrong: readonly string[];
  /** Events that are not in the log. */
  readonly missing: number;
  /** Events that are in the log more than once, copies for other partitions not counted. */
  readonly twice: number;
  readonly setAside: number;
}

const SETTLE_MS = 120_000;

/** Opens the place alone, lets it apply what is in the log, and compares. */
export async function compareWith(events: readonly AcceptedEvent[], address: string): Promise<Comparison> {
  const place = await openPlace(address);
  await settled(place);
  const ids = await idsInLog(place.log);
  const setAside = (await place.deadLetters.count()) + (await place.corrections.count());
  const rows = await compareRows(events, place);
  await place.close();
  const missing = events.filter(({ id }) => !ids.has(id)).length;
  const twice = [...ids.values()].filter((count) => count > 1).length;
  return { ...rows, missing, twice, setAside };
}

async function settled(place: EventStreaming): Promise<void> {
  const isOver = new AbortController();
  const tooLong = async (): Promise<void> => {
    await sleep(SETTLE_MS, undefined, { signal: isOver.signal });
    throw new Error(`what is in the log was not applied in ${SETTLE_MS} ms`);
  };
  await Promise.race([place.settle(), tooLong()]);
  isOver.abort();
}

async function idsInLog(log: EventLog): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  for (const [partition, { firstOffset, nextOffset }] of (await log.sizes()).entries()) {
    for (let from = firstOffset; from < nextOffset;) {
      const read = await log.read(partition, from, { recordsMax: 10_000, bytesMax: 1e9 });
      for (const { event, isCopy } of read.records)
        if (event !== undefined && !isCopy) ids.set(event.id, (ids.get(event.id) ?? 0) + 1);
      from = read.nextOffset;
    }
  }
  return ids;
}

/** Every feature of every key, as of the latest event. */
async function compareRows(
  events: readonly AcceptedEvent[],
  { source }: EventStreaming,
): Promise<Pick<Comparison, 'cells' | 'wrong'>> {
  const asOfMs = events.reduce((latest, { timeMs }) => Math.max(latest, timeMs), -Infinity);
  const wrong: string[] = [];
  let cells = 0;
  for (const view of Object.values(flightViews)) {
    const keyAt = view.stream?.keyFields[0]?.index;
    for (const key of keyAt === undefined ? [''] : airports) {
      const own = keyAt === undefined ? events : events.filter(({ values }) => values[keyAt] === key);
      const [row = null] = await source.read([{ view, key }], asOfMs, false);
      wrong.push(...wrongCells(view, own, asOfMs, row).map((cell) => `${key} ${cell}`));
      cells += view.features.length;
    }
  }
  return { cells, wrong };
}

/** From the longest windows to the shortest, as docs/streaming.md has them: the least length, and the tile's. */
const tileSizes = [
  [12 * 60 * 60_000, 60 * 60_000],
  [60 * 60_000, 5 * 60_000],
  [0, 60_000],
] as const;

function wrongCells(
  view: FeatureView,
  events: readonly AcceptedEvent[],
  asOfMs: number,
  row: Row | null,
): string[] {
  return view.features.flatMap(({ aggregation }, i) => {
    const { name, windowMs } = aggregation as Aggregation;
    const [, tileMs] = tileSizes.find(([leastMs]) => windowMs >= leastMs) as [number, number];
    const fromMs = Math.floor((asOfMs - windowMs) / tileMs) * tileMs;
    const inWindow = events.filter(({ timeMs }) => timeMs >= fromMs);
    const found = row?.[i + 1];
    const expected = expectedOf(aggregation as Aggregation, inWindow);
    if (expected.some((each) => isClose(each, found))) return [];
    return [`${view.name} ${name} of ${windowMs} ms: ${String(found)} instead of ${expected.join(' or ')}`];
  });
}

/** What may be answered: one value, but for several events at the latest time, whose order in the log decides. */
function expectedOf(
  { name, field, where }: Aggregation,
  events: readonly AcceptedEvent[],
): readonly (string | number)[] {
  if (name === 'last') {
    const latestMs = events.reduce((latest, { timeMs }) => Math.max(latest, timeMs), -Infinity);
    return events.filter(({ timeMs }) => timeMs === latestMs).map(({ values }) => values[1] as string);
  }
  const delays = events.map(({ values }) => values[2] as number | null);
  const late = delays.filter((delay) => delay !== null && delay > 15);
  if (name === 'count') return [where === undefined ? delays.length : late.length];
  if (field?.name !== 'delay') throw new Error(`nobody says what ${name} has to be`);
  // In tenths, which are whole numbers: no rounding.
  const tenths = delays.filter((delay) => delay !== null).map((delay) => Math.round(delay * 10));
  const sum = tenths.reduce((all, each) => all + each, 0) / 10;
  const max = tenths.reduce((most, each) => Math.max(most, each), -Infinity) / 10;
  return [{ sum, max, mean: sum / tenths.length }[name as 'sum' | 'max' | 'mean']];
}

function isClose(expected: string | number, found: Value | undefined): boolean {
  if (typeof expected === 'string' || typeof found !== 'number') return expected === found;
  return Math.abs(found - expected) <= 1e-9 * Math.max(1, Math.abs(expected));
}
