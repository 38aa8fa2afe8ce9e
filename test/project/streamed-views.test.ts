/** Events, streams and aggregates in the project file: what they become, and what is wrong with them. */
import { describe, expect, test } from 'vitest';
import type { FeatureView } from '../../src/project/project.ts';
import { mistakesIn, readFiles } from './project-folder.ts';

const sound = `project: flights
entities:
  airport: { keys: { iata: string } }
  overall: { keys: {} }
events:
  departure:
    time: scheduled
    fields:
      origin: string
      destination: string
      delay: { type: float64, optional: true }
      seats: int64
      scheduled: timestamp
      late: bool
  ping: { fields: {} }
feature_views:
  delays:
    entity: airport
    stream: { event: departure, keys: { iata: origin }, where: "delay > -60" }
    features:
      departures: { count: true, window: 1h, default: 0 }
      delay_mean: { mean: delay, window: 3h, where: "delay > 15" }
      recent: { last: delay, n: 2, window: 7d }
      to: { top_k: destination, k: 3, window: 7d, default: none }
      delay_90: { quantile: delay, q: 0.9, window: 24h }
      soonest: { min: scheduled, window: 30m }
      late_share: { mean: late, window: 1h }
      seats_max: { max: seats, window: 1h }
      places: { count_distinct: destination, window: 1h }
  pings:
    entity: overall
    stream: { event: ping }
    features: { n: { count: true, window: 1m } }
`;

async function viewOf(text: string, name: string): Promise<FeatureView | undefined> {
  const { project, mistakes } = await readFiles({ 'millrace.yaml': text });
  expect(mistakes).toEqual([]);
  return project.featureViews.get(name);
}

describe('a sound project with events', () => {
  test('has event types with their fields in order, and the field that is the time', async () => {
    const { project } = await readFiles({ 'millrace.yaml': sound });
    const departure = project.eventTypes.get('departure');
    expect(departure?.fields.map(({ name, index, optional }) => [name, index, optional])).toEqual([
      ['origin', 0, false],
      ['destination', 1, false],
      ['delay', 2, true],
      ['seats', 3, false],
      ['scheduled', 4, false],
      ['late', 5, false],
    ]);
    expect(departure?.timeField).toBe(departure?.fields[4]);
    expect(project.eventTypes.get('ping')).toEqual({ name: 'ping', fields: [], timeField: undefined });
  });

  test('has views with a stream, whose features know their aggregate, window and type', async () => {
    const view = await viewOf(sound, 'delays');
    expect(view?.stream?.event.name).toBe('departure');
    expect(view?.stream?.keyFields.map(({ name }) => name)).toEqual(['origin']);
    expect(view?.stream?.where).toMatchObject({
      text: 'delay > -60',
      location: { line: 19, path: 'feature_views.delays.stream.where' },
    });
    const features = new Map(view?.features.map((feature) => [feature.name, feature]));
    const typeOf = (name: string): string | undefined => features.get(name)?.type.scalar;
    expect(features.get('departures')).toMatchObject({
      index: 0,
      default: 0,
      type: { scalar: 'int64' },
      aggregation: { name: 'count', field: undefined, windowMs: 3_600_000, count: 1, rank: 1 },
    });
    expect(features.get('delay_mean')?.aggregation).toMatchObject({
      name: 'mean',
      field: { name: 'delay', index: 2 },
      where: {
        text: 'delay > 15',
        location: { line: 22, path: 'feature_views.delays.features.delay_mean.where' },
      },
    });
    expect(features.get('delay_90')?.aggregation?.quantile).toBe(0.9);
    expect(['soonest', 'late_share', 'seats_max', 'places', 'delay_90', 'to_1'].map(typeOf)).toEqual([
      'timestamp',
      'float64',
      'int64',
      'int64',
      'float64',
      'string',
    ]);
  });

  test('has a feature for each value that a feature of the file asks for', async () => {
    const view = await viewOf(sound, 'delays');
    const ranked = view?.features.filter(({ aggregation }) => (aggregation?.count ?? 1) > 1);
    expect(ranked?.map(({ name, index, aggregation }) => [name, index, aggregation?.rank])).toEqual([
      ['recent_1', 2, 1],
      ['recent_2', 3, 2],
      ['to_1', 4, 1],
      ['to_2', 5, 2],
      ['to_3', 6, 3],
    ]);
    expect(ranked?.map((feature) => feature.default)).toEqual([undefined, undefined, 'none', 'none', 'none']);
  });

  test('may have an entity without join keys, in a stream and in a model', async () => {
    const files = {
      'millrace.yaml': sound,
      'm/model.yaml': 'entities: { all: { entity: overall } }\ninputs: { x: all.pings.n }\n',
      'm/1/model.onnx': '',
    };
    const { project, mistakes } = await readFiles(files);
    expect(mistakes).toEqual([]);
    expect(project.featureViews.get('pings')?.stream?.keyFields).toEqual([]);
    expect(project.models.get('m')?.versions.get('1')?.bindings).toMatchObject([
      { name: 'all', keyFields: [] },
    ]);
  });

  test('says how events are kept, each with a default', async () => {
    const { project: defaults } = await readFiles({ 'millrace.yaml': 'project: p\n' });
    expect(defaults.streaming).toEqual({
      partitions: 8,
      allowedLatenessMs: 3_600_000,
      retentionMs: 7 * 86_400_000,
      retentionBytesMax: 10 * 1024 ** 3,
      setAsideMax: 100_000,
      futureMsMax: 300_000,
      eventsMax: 10_000,
      eventBytesMax: 65_536,
    });
    const streaming =
      '{ partitions: 2, allowed_lateness: 5m, retention: 1d, retention_bytes_max: 1mb, set_aside_max: 9, future_max: 1s, events_max: 5, event_bytes_max: 100 }';
    const { project, mistakes } = await readFiles({
      'millrace.yaml': `project: p\nstreaming: ${streaming}\n`,
    });
    expect(mistakes).toEqual([]);
    expect(project.streaming).toEqual({
      partitions: 2,
      allowedLatenessMs: 300_000,
      retentionMs: 86_400_000,
      retentionBytesMax: 1_048_576,
      setAsideMax: 9,
      futureMsMax: 1000,
      eventsMax: 5,
      eventBytesMax: 100,
    });
  });
});

const manyMistakes = `project: flights
entities:
  airport: { keys: { iata: string } }
  seat: { keys: { id: int64, row: string } }
events:
  departure:
    time: shceduled
    fields: { origin: string, scheduled: timestamp }
  arrival:
    time: origin
    fields: { origin: string }
  delay:
    time: at
    fields: { at: { type: timestamp, optional: true } }
  order: { time: at, fields: { at: timestmp } }
  flight:
    tme: scheduled
    fields: { origin: string, delay: float64, id: int64, v: 'float32[2]', scheduled: timestamp, bad: strin }
feature_views:
  a:
    entity: airport
    ttl: 1d
    timestamp_field: at
    stream: { event: flight, keys: { iata: origin } }
    features:
      typed: float64
      none: { window: 1h }
      two: { count: true, mean: delay, window: 1h }
      windowless: { count: true }
      short: { count: true, window: 1s }
      counted: { count: delay, window: 1h }
      unknown: { mean: dealy, window: 1h }
      worded: { sum: origin, window: 1h }
      early: { min: origin, window: 1h }
      vector: { last: v, window: 1h }
      ranked: { mean: delay, n: 3, window: 1h }
      quantile: { quantile: delay, window: 1h }
      beyond: { quantile: delay, q: 1.5, window: 1h }
      many: { top_k: origin, k: 1000, window: 1h }
      standin: { count: true, window: 1h, default: 1.5 }
      last_1: { count: true, window: 1h }
      last: { last: delay, n: 2, window: 1h }
      iata: { count: true, window: 1h }
      excused: { last: bad, window: 1h }
      misspelt: { cuont: true, window: 1h }
  b: { entity: airport, stream: { event: fligth }, features: { n: { count: true, window: 1h } } }
  c: { entity: airport, stream: { event: flight, keys: { itaa: origin } }, features: { n: { count: true, window: 1h } } }
  d: { entity: seat, stream: { event: flight, keys: { id: origin } }, features: { n: { count: true, window: 1h } } }
  e: { entity: seat, stream: { event: flight, keys: { id: idd, row: id } }, features: { n: { count: true, window: 1h } } }
  f: { entity: airport, stream: { event: departure, keys: {} }, features: { n: { count: true, window: 1h } } }
  g: { entity: airport, features: { n: { count: true, window: 1h }, m: {} } }
  h: { entity: airport, stream: {}, features: { n: { count: true, window: 1h } } }
streaming:
  partitions: 0
  allowed_lateness: 5 hours
  retention_bytes_max: 5kb
  retenion: 3d
`;

test('events, streams and aggregates with many mistakes have each of them, in order', async () => {
  const found = await mistakesIn({ 'millrace.yaml': manyMistakes });
  expect(found).toMatchInlineSnapshot(`
    [
      "millrace.yaml:7  events.departure.time  names "shceduled", which is not a field of the event (did you mean "scheduled"?)",
      "millrace.yaml:10  events.arrival.time  names origin, which is string: the time is a timestamp",
      "millrace.yaml:13  events.delay.time  names at, which is optional: without it nothing says when the event happened",
      "millrace.yaml:15  events.order.fields.at  "timestmp" is not a type; types are float32, float64, int64, string, bool, timestamp and vectors such as float32[64]",
      "millrace.yaml:17  events.flight.tme  is not a known key (did you mean "time"?)",
      "millrace.yaml:18  events.flight.fields.bad  "strin" is not a type; types are float32, float64, int64, string, bool, timestamp and vectors such as float32[64]",
      "millrace.yaml:22  feature_views.a.ttl  has no meaning in a view with a stream: the window of each feature says what is too old",
      "millrace.yaml:23  feature_views.a.timestamp_field  has no meaning in a view with a stream: its rows are not loaded or pushed",
      "millrace.yaml:26  feature_views.a.features.typed  has a type, but this view has a stream: its features are computed from events (write it like { count: true, window: 1h } or { mean: FIELD, window: 3h })",
      "millrace.yaml:27  feature_views.a.features.none  needs one of count, sum, mean, min, max, variance, first, last, count_distinct, top_k, quantile (write it like { count: true, window: 1h } or { mean: FIELD, window: 3h })",
      "millrace.yaml:28  feature_views.a.features.two  asks for count and mean: a feature is one of them",
      "millrace.yaml:29  feature_views.a.features.windowless  needs a window, over which events count (write it like window: 3h)",
      "millrace.yaml:30  feature_views.a.features.short.window  must be from 1m to 366d",
      "millrace.yaml:31  feature_views.a.features.counted.count  must be true: it counts events, and takes no field",
      "millrace.yaml:32  feature_views.a.features.unknown.mean  names "dealy", which is not a field of the event flight (fields are origin, delay, id, v, scheduled)",
      "millrace.yaml:33  feature_views.a.features.worded.sum  names origin, which is string: sum takes numbers and bool",
      "millrace.yaml:34  feature_views.a.features.early.min  names origin, which is string: min takes numbers and timestamps",
      "millrace.yaml:35  feature_views.a.features.vector.last  names v, which is float32[2]: last takes single values, not vectors",
      "millrace.yaml:36  feature_views.a.features.ranked.n  belongs to first and last, not to mean",
      "millrace.yaml:37  feature_views.a.features.quantile  needs q, which says which quantile (write it like q: 0.9)",
      "millrace.yaml:38  feature_views.a.features.beyond.q  must be at most 1",
      "millrace.yaml:39  feature_views.a.features.many.k  must be at most 100",
      "millrace.yaml:40  feature_views.a.features.standin.default  must be an integer, not 1.5",
      "millrace.yaml:42  feature_views.a.features.last  makes a feature last_1, and there is one above",
      "millrace.yaml:43  feature_views.a.features.iata  has the name of a join key of airport, and one column cannot be both",
      "millrace.yaml:45  feature_views.a.features.misspelt.cuont  is not a known key (keys here are type, default, protected, count, sum, mean, min, max, variance, first, last, count_distinct, top_k, quantile, window, where, n, k, q)",
      "millrace.yaml:46  feature_views.b.stream.event  there is no event "fligth" (did you mean "flight"?)",
      "millrace.yaml:47  feature_views.c.stream.keys.itaa  is not a join key of the entity airport (join keys are iata)",
      "millrace.yaml:48  feature_views.d.stream.keys  lacks the join key row of the entity seat (write it like keys: { row: FIELD })",
      "millrace.yaml:48  feature_views.d.stream.keys.id  names origin: the join key id is int64, and the field is string",
      "millrace.yaml:49  feature_views.e.stream.keys.id  names "idd", which is not a field of the event flight (did you mean "id"?)",
      "millrace.yaml:49  feature_views.e.stream.keys.row  names id: the join key row is string, and the field is int64",
      "millrace.yaml:51  feature_views.g.features.n  is computed from events, but this view has no stream (give the view a stream, or the feature a type)",
      "millrace.yaml:51  feature_views.g.features.m.type  is missing",
      "millrace.yaml:52  feature_views.h.stream.event  is missing",
      "millrace.yaml:54  streaming.partitions  must be at least 1",
      "millrace.yaml:55  streaming.allowed_lateness  "5 hours" is not a duration; write it like 500ms, 30s, 5m, 1h or 30d",
      "millrace.yaml:56  streaming.retention_bytes_max  must be at least 1048576",
      "millrace.yaml:57  streaming.retenion  is not a known key (did you mean "retention"?)",
    ]
  `);
});

describe('one mistake', () => {
  test.each<[string, string, string]>([
    ['an event type', 'scheduled: timestamp', 'scheduled: timestmp'],
    ['a field that is a key', 'origin: string', 'origin: strng'],
    ['a field that is aggregated', 'type: float64, optional: true', 'type: flaot64'],
    ['the events', 'events:', 'event:'],
    ['a stream', '{ event: departure', '{ evnt: departure'],
  ])('in %s has no others in its wake', async (_, right, wrong) => {
    const found = await mistakesIn({ 'millrace.yaml': sound.replace(right, wrong) });
    const causes = found.filter((line) => !line.endsWith('  is missing'));
    expect(causes).toHaveLength(1);
    expect(found.length - causes.length).toBeLessThanOrEqual(1);
  });
});
