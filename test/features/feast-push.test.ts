import { describe, expect, it } from 'vitest';
import { decodePush } from '../../src/features/feast.ts';
import { departures, NOW, project } from './feast-project.ts';
import { refusal } from './refusal.ts';
import { projectOf } from './sample-project.ts';

async function refusedPaths(body: unknown): Promise<string[] | undefined> {
  const { code, details } = await refusal(() => decodePush(project, body, NOW));
  expect(code).toBe('INVALID_REQUEST');
  return details?.map(({ path }) => path);
}

describe('push', () => {
  const df = { iata: ['JFK'], delay_mean: [1.5], flights: [3] };
  const valid = { push_source_name: 'departures', df };

  it('decodes rows of the view, with their event times', () => {
    const at = { ...df, event_timestamp: ['2001-03-09 14:05:00+01:00'] };
    expect(decodePush(project, { ...valid, df: at }, NOW)).toEqual([
      { view: departures, key: 'JFK', row: [NOW - 3_600_000, 1.5, 3] },
    ]);
  });

  it('takes now for the event time where there is no column of it', () => {
    expect(decodePush(project, valid, NOW)).toEqual([{ view: departures, key: 'JFK', row: [NOW, 1.5, 3] }]);
  });

  it('takes the body of write-to-online-store', () => {
    const body = { feature_view_name: 'departures', df, allow_registry_cache: true };
    expect(decodePush(project, body, NOW)).toEqual(decodePush(project, valid, NOW));
  });

  it('takes a null for a null value, in any feature', () => {
    const nulls = { iata: ['JFK'], delay_mean: [null], flights: [null] };
    expect(decodePush(project, { ...valid, df: nulls }, NOW)[0]?.row).toEqual([NOW, null, null]);
  });

  it('encodes composite keys in the order of the entity', () => {
    const body = { push_source_name: 'visits', df: { iata: ['JFK'], seen: [true], user_id: [12] } };
    expect(decodePush(project, body, NOW)[0]?.key).toBe('2:123:JFK');
  });

  it('takes no rows for nothing to do', () => {
    expect(decodePush(project, { ...valid, df: { iata: [], delay_mean: [], flights: [] } }, NOW)).toEqual([]);
  });

  it('refuses rows of a view that is computed from events', async () => {
    const event = { name: 'departure', fields: [], timeField: undefined };
    const streamed = { ...departures, stream: { event, keyFields: [], where: undefined } };
    const { code, message } = await refusal(() => decodePush(projectOf([streamed]), valid, NOW));
    expect(code).toBe('INVALID_REQUEST');
    expect(message).toBe(
      'The feature view "departures" is computed from "departure" events and takes no rows; send events instead.',
    );
  });

  it('answers 404 with a guess for an unknown view', () => {
    expect(() => decodePush(project, { push_source_name: 'departure', df }, NOW)).toThrow(
      expect.objectContaining({
        code: 'UNKNOWN_FEATURE',
        message: 'There is no feature view "departure"; did you mean "departures"?',
      }),
    );
  });

  it.each<[string, unknown, string[]]>([
    [
      'values of wrong types',
      { iata: ['JFK', 3], delay_mean: ['1', 2], flights: [1, 1.5] },
      ['df.iata[1]', 'df.delay_mean[0]', 'df.flights[1]'],
    ],
    [
      'a null key or event time',
      { iata: [null], delay_mean: [1], flights: [1], event_timestamp: [null] },
      ['df.iata[0]', 'df.event_timestamp[0]'],
    ],
    ['an empty join key', { iata: [''], delay_mean: [1], flights: [1] }, ['df.iata[0]']],
    [
      'columns of different lengths',
      { iata: ['JFK', 'LAX'], delay_mean: [1], flights: [1, 2] },
      ['df.delay_mean'],
    ],
    ['a missing join key and a missing feature', { flights: [1] }, ['df.iata', 'df.delay_mean']],
    ['unknown columns', { ...df, delay_men: [1], flightz: [1] }, ['df.delay_men', 'df.flightz']],
    ['columns of another entity', { user_id: [1], delay_mean: [1], flights: [1] }, ['df.user_id', 'df.iata']],
    ['rows instead of columns', [{ iata: 'JFK' }], ['df']],
    ['no df', undefined, ['df']],
  ])('refuses %s, with the path', async (_, frame, paths) => {
    expect(await refusedPaths({ ...valid, df: frame })).toEqual(paths);
  });

  it('refuses a field named like what every object inherits', async () => {
    const body = JSON.parse(
      '{"push_source_name":"departures","df":{"iata":["JFK"],"__proto__":[1],"constructor":[1]}}',
    );
    expect(await refusedPaths(body)).toEqual([
      'df.__proto__',
      'df.constructor',
      'df.delay_mean',
      'df.flights',
    ]);
  });

  it('refuses every target but online', () => {
    expect(decodePush(project, { ...valid, to: 'online' }, NOW)).toHaveLength(1);
    expect(() => decodePush(project, { ...valid, to: 'offline' }, NOW)).toThrow('there is no offline store');
    expect(() => decodePush(project, { ...valid, to: 'online_and_offline' }, NOW)).toThrow(
      'there is no offline store',
    );
    expect(() => decodePush(project, { ...valid, to: 3 }, NOW)).toThrow('to must be "online"');
  });

  it('refuses unknown fields', async () => {
    expect(await refusedPaths({ ...valid, dfs: {} })).toEqual(['dfs']);
  });

  it.each([
    [{ df }],
    [{ df, push_source_name: 3 }],
    [{ df, push_source_name: 'departures', feature_view_name: 'departures' }],
    [null],
    [[]],
  ])('refuses a body that does not name one view: %j', (body) => {
    expect(() => decodePush(project, body, NOW)).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST' }),
    );
  });

  it('refuses more rows than the limit', () => {
    const many = { iata: Array(5).fill('JFK'), delay_mean: Array(5).fill(1), flights: Array(5).fill(1) };
    expect(() => decodePush(project, { ...valid, df: many }, NOW)).toThrow(
      expect.objectContaining({ code: 'TOO_MANY_ROWS' }),
    );
  });
});
