/** The model that bench/transforms.ts fills: its scope, its 32 slots as expressions and by hand, and rows to read. */
import { parseDataType } from '../src/project/data-type.ts';
import type { DataType } from '../src/project/data-type.ts';
import type { Entity, FeatureView, RequestField } from '../src/project/project.ts';
import type { Value } from '../src/project/value.ts';
import { checkExpression } from '../src/transforms/check.ts';
import type { Scope } from '../src/transforms/check.ts';
import type { CompiledTransforms, TransformRow } from '../src/transforms/compile.ts';
import { parseExpression } from '../src/transforms/parse.ts';
import type { TransformInput } from '../src/transforms/slots.ts';

export const WIDTH = 32;
const MS_PER_HOUR = 3_600_000;
const MS_PER_DAY = 24 * MS_PER_HOUR;

const carriers = ['AA', 'DL', 'UA', 'US', 'WN'];
const states = ['CA', 'IL', 'NY', 'TX'];

const expressions = [
  'cyclic(hour(request.scheduled), 24)',
  'cyclic(day_of_week(request.scheduled), 7)',
  'standardize(log1p(request.distance), 6.2917, 0.7841)',
  'request.distance > 1000 ? 1 : 0',
  'request.seats ?? 150',
  `onehot(request.carrier, ${JSON.stringify(carriers)})`,
  ...['origin', 'destination'].flatMap((binding) => [
    `clip(${binding}.delays.mean ?? 0, -30, 180)`,
    `${binding}.delays.late / ${binding}.delays.departures`,
    `log1p(${binding}.delays.per_day ?? 0)`,
    `${binding}.profile.latitude`,
    `${binding}.profile.longitude`,
  ]),
  `onehot(origin.profile.state, ${JSON.stringify(states)})`,
  '(origin.delays.mean ?? 0) - (destination.delays.mean ?? 0)',
  'days_between(as_of, request.scheduled)',
  'origin.profile.embedding ?? zeros(4)',
];

export function planInputs(): TransformInput[] {
  const scope = createScope();
  const typed = expressions.map((text) => checkExpression(parseExpression(text), scope));
  return [{ elementType: 'float32', expressions: typed }];
}

function createScope(): Scope {
  const profile = { state: 'string', latitude: 'float64', longitude: 'float64', embedding: 'float32[4]' };
  const delays = { mean: 'float64', late: 'int64', departures: 'int64', per_day: 'float64' };
  const views = new Map([
    ['profile', featureView('profile', profile)],
    ['delays', featureView('delays', delays)],
  ]);
  return {
    request: new Map([
      ['scheduled', requestField('scheduled', 0, 'timestamp', false)],
      ['distance', requestField('distance', 1, 'float64', true)],
      ['carrier', requestField('carrier', 2, 'string', false)],
      ['seats', requestField('seats', 3, 'int64', true)],
    ]),
    bindings: new Map([
      ['origin', views],
      ['destination', views],
    ]),
  };
}

const airport: Entity = { name: 'airport', keys: [{ name: 'iata', type: 'string' }] };

function featureView(name: string, features: Readonly<Record<string, string>>): FeatureView {
  return {
    name,
    entity: airport,
    ttlMs: undefined,
    timestampField: 'event_timestamp',
    onUnavailable: 'default',
    features: Object.entries(features).map(([feature, type], index) => ({
      name: feature,
      type: dataType(type),
      index,
      default: undefined,
    })),
  };
}

function requestField(name: string, index: number, type: string, optional: boolean): RequestField {
  return { name, index, type: dataType(type), optional };
}

function dataType(text: string): DataType {
  const type = parseDataType(text);
  if (typeof type === 'string') throw new Error(type);
  return type;
}

/** What one prediction reads; the rows are in the order in which the expressions first name them. */
export interface Sample {
  readonly request: readonly Value[];
  /** origin.delays, origin.profile, destination.delays, destination.profile */
  readonly rows: readonly TransformRow[];
  readonly asOfMs: number;
}

/** Samples with one value in ten missing; the same ones each time. */
export function createSamples(count: number): Sample[] {
  const random = createRandom(1);
  const maybe = (value: Value): Value => (random() < 0.1 ? null : value);
  const oneOf = (values: readonly string[]): string => values[Math.floor(random() * values.length)] as string;
  const whole = (below: number): number => Math.floor(random() * below);
  const asOfMs = Date.UTC(2001, 2, 9, 14, 5);
  const profile = (): TransformRow => [
    asOfMs,
    maybe(oneOf([...states, 'WA', 'CO'])),
    maybe(20 + random() * 30),
    maybe(-60 - random() * 60),
    maybe([random(), random(), random(), random()].map(Math.fround)),
  ];
  const delays = (): TransformRow => [
    asOfMs,
    maybe(random() * 60 - 10),
    maybe(whole(300)),
    maybe(whole(1000)),
    maybe(random() * 900),
  ];
  return Array.from({ length: count }, () => ({
    request: [
      asOfMs + whole(30 * MS_PER_DAY),
      maybe(random() * 3000),
      oneOf([...carriers, 'HP']),
      maybe(whole(300)),
    ],
    rows: [delays(), profile(), delays(), profile()],
    asOfMs,
  }));
}

/** Numbers from 0 to 1 that are the same on every run: Lehmer's generator with the factor 48271. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** The 32 slots as one would write them for speed: no objects, no names, each shared value computed once. */
export const fillByHand: CompiledTransforms['fill'] = (tensors, at, request, rows, asOfMs) => {
  const out = tensors[0] as Float32Array;
  const o = at * WIDTH;
  const scheduledMs = request[0] as number;
  const hourAngle = (2 * Math.PI * hourOf(scheduledMs)) / 24;
  out[o] = Math.sin(hourAngle);
  out[o + 1] = Math.cos(hourAngle);
  const dayAngle = (2 * Math.PI * dayOfWeek(scheduledMs)) / 7;
  out[o + 2] = Math.sin(dayAngle);
  out[o + 3] = Math.cos(dayAngle);
  const distance = floatOf(request[1]);
  out[o + 4] = ((distance > -1 ? Math.log1p(distance) : NaN) - 6.2917) / 0.7841;
  out[o + 5] = distance > 1000 ? 1 : 0;
  out[o + 6] = Number(request[3] ?? 150);
  const carrier = request[2];
  out[o + 7] = carrier === 'AA' ? 1 : 0;
  out[o + 8] = carrier === 'DL' ? 1 : 0;
  out[o + 9] = carrier === 'UA' ? 1 : 0;
  out[o + 10] = carrier === 'US' ? 1 : 0;
  out[o + 11] = carrier === 'WN' ? 1 : 0;
  const [originDelays, originProfile] = [rows[0] as TransformRow, rows[1] as TransformRow];
  const [destinationDelays, destinationProfile] = [rows[2] as TransformRow, rows[3] as TransformRow];
  fillAirport(out, o + 12, originDelays, originProfile);
  fillAirport(out, o + 17, destinationDelays, destinationProfile);
  const state = originProfile[1];
  out[o + 22] = state === 'CA' ? 1 : 0;
  out[o + 23] = state === 'IL' ? 1 : 0;
  out[o + 24] = state === 'NY' ? 1 : 0;
  out[o + 25] = state === 'TX' ? 1 : 0;
  out[o + 26] = floatOf(originDelays[1] ?? 0) - floatOf(destinationDelays[1] ?? 0);
  out[o + 27] = (scheduledMs - asOfMs) / MS_PER_DAY;
  const embedding = originProfile[4] as readonly number[] | null;
  for (let i = 0; i < 4; i++) out[o + 28 + i] = embedding === null ? 0 : (embedding[i] as number);
};

function fillAirport(out: Float32Array, at: number, delays: TransformRow, profile: TransformRow): void {
  out[at] = Math.min(Math.max(floatOf(delays[1] ?? 0), -30), 180);
  const late = floatOf(delays[2]);
  const departures = floatOf(delays[3]);
  out[at + 1] = departures === 0 ? NaN : late / departures;
  const perDay = floatOf(delays[4] ?? 0);
  out[at + 2] = perDay > -1 ? Math.log1p(perDay) : NaN;
  out[at + 3] = floatOf(profile[2]);
  out[at + 4] = floatOf(profile[3]);
}

/** A number of a row; NaN if it is missing. */
function floatOf(value: Value | undefined): number {
  if (typeof value === 'number') return value;
  return typeof value === 'bigint' ? Number(value) : NaN;
}

function hourOf(timestampMs: number): number {
  return floorModulo(Math.floor(timestampMs / MS_PER_HOUR), 24);
}

function dayOfWeek(timestampMs: number): number {
  return floorModulo(Math.floor(timestampMs / MS_PER_DAY) + 4, 7);
}

function floorModulo(value: number, modulus: number): number {
  return ((value % modulus) + modulus) % modulus;
}
