/**
 * Features from events, in memory: how many events a second the tiles of an entity take in, and how many rows a second
 * are read while nothing changes, and after each event. Medians of rounds.
 *
 *     npx tsx bench/streaming.ts
 */
import { fileURLToPath } from 'node:url';
import { parseDataType } from '../src/project/data-type.ts';
import type { AggregateName, EventField, Feature, FeatureView } from '../src/project/project.ts';
import type { Value } from '../src/project/value.ts';
import { createEntityTiles } from '../src/streaming/entity-tiles.ts';
import type { EntityTiles } from '../src/streaming/entity-tiles.ts';
import { createTileCodec } from '../src/streaming/tile-codec.ts';
import { compileTilePlan } from '../src/streaming/tile-plan.ts';
import type { SizePlan, TilePlan } from '../src/streaming/tile-plan.ts';
import { tileStartOf } from '../src/streaming/tile.ts';
import type { Tile } from '../src/streaming/tile.ts';
import { median } from './median.ts';
import type { BenchRow } from './bench-row.ts';

const ROUNDS = 9;
const ROUND_MS = 150;
const ENTITIES = 1000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const startMs = 1_700_000_000_000;

const fields = ['user string', 'delay float64?', 'page string'].map((text, index): EventField => {
  const [name = '', type = ''] = text.split(' ');
  const parsed = parseDataType(type.replace('?', ''));
  if (typeof parsed === 'string') throw new Error(parsed);
  return { name, type: parsed, index, optional: type.endsWith('?') };
});

type Wanted = readonly [name: AggregateName, field: string | undefined];

const simple: readonly Wanted[] = [
  ['count', undefined],
  ['sum', 'delay'],
  ['mean', 'delay'],
  ['max', 'delay'],
];
const costly: readonly Wanted[] = [
  ['last', 'page'],
  ['count_distinct', 'page'],
  ['top_k', 'page'],
  ['quantile', 'delay'],
];

function viewOf(wanted: readonly Wanted[], windows: readonly number[]): FeatureView {
  const features = windows.flatMap((windowMs) => wanted.map((each) => ({ windowMs, each })));
  return {
    name: 'clicks',
    entity: { name: 'user', keys: [{ name: 'user', type: 'string' }] },
    ttlMs: undefined,
    timestampField: 'event_timestamp',
    onUnavailable: 'default',
    stream: {
      event: { name: 'click', fields, timeField: undefined },
      keyFields: fields.slice(0, 1),
      where: undefined,
    },
    features: features.map(({ windowMs, each: [name, fieldName] }, index): Feature => {
      const field = fields.find((candidate) => candidate.name === fieldName);
      const aggregation = { name, field, where: undefined, windowMs, count: 1, rank: 1, quantile: 0.9 };
      return {
        name: `f${index}`,
        type: field?.type ?? { scalar: 'int64', length: undefined },
        index,
        default: undefined,
        aggregation,
      };
    }),
  };
}

const oneWindow = [HOUR_MS];
const fiveWindows = [10 * MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS];

export async function benchStreaming(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const measure = (name: string, step: (index: number) => void): void => {
    rows.push({ name: `streaming: ${name}`, perSecond: rateOf(step) });
  };
  for (const [kind, wanted] of [
    ['simple', simple],
    ['costly', costly],
  ] as const) {
    const [one, five] = [viewOf(wanted, oneWindow), viewOf(wanted, fiveWindows)];
    measure(`events, 4 ${kind} aggregates, 1 window`, adder(one));
    measure(`events, 4 ${kind} aggregates, 5 windows`, adder(five));
    measure(`tiles of 4 ${kind} aggregates, read, changed and written`, rewriter(one));
    measure(`rows of 20 ${kind} features, unchanged`, reader(five, false));
    measure(`events and rows of 20 ${kind} features, by turns`, reader(five, true));
    await new Promise(setImmediate);
  }
  return rows;
}

function planOf(view: FeatureView): TilePlan {
  const { plan } = compileTilePlan(view, HOUR_MS);
  if (plan === undefined) throw new Error('the benchmark has a mistake in its view');
  return plan;
}

function entities(view: FeatureView): EntityTiles[] {
  const plan = planOf(view);
  return Array.from({ length: ENTITIES }, () => createEntityTiles(plan));
}

/** Few distinct events, made before: this measures the tiles, not the making of events. */
function sampleEvents(): readonly (readonly Value[])[] {
  return Array.from({ length: 512 }, (_, i): readonly Value[] => [
    `user-${i % ENTITIES}`,
    i % 17 === 0 ? null : (i * 7.25) % 300,
    `page-${(i * i) % 41}`,
  ]);
}

/** Events in the order of time, one entity after the other: 1000 events a second. */
function adder(view: FeatureView): (index: number) => void {
  const tiles = entities(view);
  const events = sampleEvents();
  return (index) => {
    tiles[index % ENTITIES]?.apply(events[index % 512] ?? [], startMs + index, index);
  };
}

/** What an event costs whose tile is not in memory, but for the store. */
function rewriter(view: FeatureView): (index: number) => void {
  const plan = planOf(view);
  const codec = createTileCodec();
  const events = sampleEvents();
  const size = plan.sizes[0] as SizePlan;
  const stored: Uint8Array[] = entities(view).map((tiles) => {
    for (let i = 0; i < 60; i++) tiles.apply(events[i] ?? [], startMs, i);
    return codec.encode(size, tiles.takeChanged()[0]?.tile as Tile);
  });
  const tileStartMs = tileStartOf(startMs, size.tileMs);
  return (index) => {
    const tiles = createEntityTiles(plan);
    tiles.put({ size: 0, tile: codec.decode(size, tileStartMs, stored[index % ENTITIES] as Uint8Array) });
    tiles.apply(events[index % 512] ?? [], startMs, index);
    stored[index % ENTITIES] = codec.encode(size, tiles.takeChanged()[0]?.tile as Tile);
  };
}

/** Entities that had an event every two hours for 30 days. */
function reader(view: FeatureView, isChanging: boolean): (index: number) => void {
  const tiles = entities(view).slice(0, 100);
  const events = sampleEvents();
  for (let i = 0; i < 360; i++) {
    for (const each of tiles) each.apply(events[i] ?? [], startMs - 2 * i * HOUR_MS, i);
  }
  return (index) => {
    const each = tiles[index % tiles.length];
    if (isChanging) each?.apply(events[index % 512] ?? [], startMs + (index & 1023), index);
    if (each?.read(startMs + 1024, false) === null) throw new Error('the benchmark reads no row');
  };
}

function rateOf(step: (index: number) => void): number {
  let index = 0;
  const rates = Array.from({ length: ROUNDS }, () => {
    const startedMs = performance.now();
    const first = index;
    while (performance.now() - startedMs < ROUND_MS) for (let i = 0; i < 500; i++) step(index++);
    return ((index - first) / (performance.now() - startedMs)) * 1000;
  });
  return median(rates);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, perSecond } of await benchStreaming()) {
    console.log(`${name.padEnd(66)} ${Math.round(perSecond).toLocaleString('en').padStart(11)}/s`);
  }
}
