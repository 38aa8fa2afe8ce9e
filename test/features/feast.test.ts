import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FeastResponse } from '../../src/features/feast.ts';
import { decodePush, getOnlineFeatures } from '../../src/features/feast.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type { OnlineStore, Row, WriteOutcome } from '../../src/features/online-store.ts';
import { departures, NOW, project } from './feast-project.ts';
import { refusal } from './refusal.ts';
import { entityOf, projectOf, viewOf } from './sample-project.ts';

const EPOCH = '1970-01-01T00:00:00Z';

let path: string;
let store: OnlineStore;
beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'millrace-feast-'));
  store = await openLmdbStoreAlone({ path, views: project.featureViews.values() });
});
afterEach(async () => {
  await store.close();
  rmSync(path, { recursive: true });
});

const push = (body: unknown): Promise<WriteOutcome[]> => store.write(decodePush(project, body, NOW));
const query = (body: unknown, nowMs = NOW): Promise<FeastResponse> =>
  getOnlineFeatures(project, store, body, nowMs);

async function pushDepartures(): Promise<void> {
  await push({
    push_source_name: 'departures',
    df: {
      iata: ['JFK', 'LAX'],
      delay_mean: [12.5, null],
      flights: [7, '9007199254740993'],
      event_timestamp: ['2001-03-09T14:04:30Z', '2001-03-09T14:04:59.250Z'],
    },
    to: 'online',
  });
}

describe('an entity without join keys', () => {
  const totals = viewOf('totals', entityOf('overall', {}), { flights: 'int64' });
  const all = projectOf([totals, departures]);

  it('has one row, pushed and asked for without a key', async () => {
    const alone = await openLmdbStoreAlone({ path: join(path, 'alone'), views: [totals, departures] });
    const df = { flights: [12], event_timestamp: ['2001-03-09T14:05:00Z'] };
    await alone.write(decodePush(all, { push_source_name: 'totals', df }, NOW));
    const features = ['totals:flights'];
    const answer = await getOnlineFeatures(all, alone, { features, entities: {} }, NOW);
    expect(answer.metadata.feature_names).toEqual(['flights']);
    expect(answer.results).toEqual([
      { values: [12], statuses: ['PRESENT'], event_timestamps: ['2001-03-09T14:05:00Z'] },
    ]);
    const both = await getOnlineFeatures(
      all,
      alone,
      { features: ['departures:delay_mean', ...features], entities: { iata: ['JFK', 'LAX'] } },
      NOW,
    );
    expect(both.results.map(({ values }) => values)).toEqual([
      ['JFK', 'LAX'],
      [null, null],
      [12, 12],
    ]);
    await alone.close();
  });
});

describe('get-online-features', () => {
  it('answers in columns: join keys first, then features grouped by view in the order asked', async () => {
    await pushDepartures();
    await push({
      push_source_name: 'airport_profile',
      df: { iata: ['JFK'], state: ['NY'], flights: [1], opened: ['1948-07-01'], embedding: [[0.5, 1]] },
    });
    const answer = await query({
      features: [
        'departures:delay_mean',
        'airport_profile:state',
        'departures:flights',
        'airport_profile:embedding',
      ],
      entities: { iata: ['LAX', 'XXX', 'JFK'] },
      feature_service: null,
      full_feature_names: false,
    });
    const departureTimes = ['2001-03-09T14:04:59.250Z', EPOCH, '2001-03-09T14:04:30Z'];
    const profileTimes = [EPOCH, EPOCH, '2001-03-09T14:05:00Z'];
    expect(answer).toEqual({
      metadata: { feature_names: ['iata', 'delay_mean', 'flights', 'state', 'embedding'] },
      results: [
        {
          values: ['LAX', 'XXX', 'JFK'],
          statuses: ['PRESENT', 'PRESENT', 'PRESENT'],
          event_timestamps: [EPOCH, EPOCH, EPOCH],
        },
        {
          values: [null, null, 12.5],
          statuses: ['NULL_VALUE', 'NOT_FOUND', 'PRESENT'],
          event_timestamps: departureTimes,
        },
        {
          values: [9_007_199_254_740_993n, null, 7],
          statuses: ['PRESENT', 'NOT_FOUND', 'PRESENT'],
          event_timestamps: departureTimes,
        },
        {
          values: [null, null, 'NY'],
          statuses: ['NOT_FOUND', 'NOT_FOUND', 'PRESENT'],
          event_timestamps: profileTimes,
        },
        {
          values: [null, null, [0.5, 1]],
          statuses: ['NOT_FOUND', 'NOT_FOUND', 'PRESENT'],
          event_timestamps: profileTimes,
        },
      ],
    });
  });

  it('gives null and the event time for a row outside its max age', async () => {
    await pushDepartures();
    const answer = await query(
      { features: ['departures:delay_mean'], entities: { iata: ['JFK', 'LAX'] } },
      NOW + 30_001,
    );
    expect(answer.results[1]).toEqual({
      values: [null, null],
      statuses: ['OUTSIDE_MAX_AGE', 'NULL_VALUE'],
      event_timestamps: ['2001-03-09T14:04:30Z', '2001-03-09T14:04:59.250Z'],
    });
  });

  it('writes timestamps as RFC 3339', async () => {
    const opened = ['1948-07-01T12:00:00.5+02:00', null];
    const nulls = [null, null];
    await push({
      push_source_name: 'airport_profile',
      df: { iata: ['JFK', 'LAX'], state: nulls, flights: nulls, opened, embedding: nulls },
    });
    const answer = await query({ features: ['airport_profile:opened'], entities: { iata: ['JFK', 'LAX'] } });
    expect(answer.results[1]?.values).toEqual(['1948-07-01T10:00:00.500Z', null]);
  });

  it('names features after their view with full_feature_names', async () => {
    const answer = await query({
      features: ['departures:flights', 'airport_profile:flights'],
      entities: { iata: [] },
      full_feature_names: true,
    });
    expect(answer.metadata.feature_names).toEqual([
      'iata',
      'departures__flights',
      'airport_profile__flights',
    ]);
    expect(answer.results).toEqual(Array(3).fill({ values: [], statuses: [], event_timestamps: [] }));
  });

  it('answers for views of several entities when all join keys are given', async () => {
    await pushDepartures();
    await push({ push_source_name: 'bookings', df: { user_id: ['9007199254740993', 2], count: [3, 4] } });
    await push({ push_source_name: 'visits', df: { user_id: [2], iata: ['LAX'], seen: [true] } });
    const answer = await query({
      features: ['bookings:count', 'departures:delay_mean', 'visits:seen'],
      entities: { user_id: ['9007199254740993', 2], iata: ['JFK', 'LAX'] },
    });
    expect(answer.metadata.feature_names).toEqual(['user_id', 'iata', 'count', 'delay_mean', 'seen']);
    expect(answer.results.map(({ values }) => values)).toEqual([
      [9_007_199_254_740_993n, 2],
      ['JFK', 'LAX'],
      [3, 4],
      [12.5, null],
      [null, true],
    ]);
  });

  it('reads what memory does not have in one call', async () => {
    await pushDepartures();
    await push({ push_source_name: 'bookings', df: { user_id: [2], count: [4] } });
    const calls: number[] = [];
    const remote: OnlineStore = {
      ...store,
      get: (view, key) => (view === departures && key === 'JFK' ? store.get(view, key) : undefined),
      read: (keys) => {
        calls.push(keys.length);
        return store.read(keys);
      },
    };
    const body = {
      features: ['departures:flights', 'bookings:count'],
      entities: { iata: ['LAX', 'JFK'], user_id: [1, 2] },
    };
    const answer = await getOnlineFeatures(project, remote, body, NOW);
    expect(answer).toEqual(await query(body));
    expect(calls).toEqual([3]);
  });

  it('answers 404 with a guess for what the project does not have', async () => {
    const features = ['departures:delay_men', 'departure:flights', 'departures:flights'];
    await expect(query({ features, entities: { iata: ['JFK'] } })).rejects.toMatchObject({
      code: 'UNKNOWN_FEATURE',
      status: 404,
      details: [
        { path: 'features[0]', message: '"delay_men" is unknown; did you mean "delay_mean"?' },
        { path: 'features[1]', message: '"departure" is unknown; did you mean "departures"?' },
      ],
    });
  });

  it.each<[string, unknown, string[]]>([
    ['features that are no list', { features: 'departures:flights', entities: {} }, ['features']],
    ['no features', { entities: { iata: ['JFK'] } }, ['features']],
    [
      'features that name no view',
      { features: ['flights', 3, 'a:b:c', null], entities: { iata: [] } },
      ['features[0]', 'features[1]', 'features[2]', 'features[3]'],
    ],
    [
      'a feature service',
      { features: ['departures:flights'], entities: { iata: [] }, feature_service: 'all' },
      ['feature_service'],
    ],
    ['unknown fields', { features: ['departures:flights'], entities: { iata: [] }, as_of: 3 }, ['as_of']],
    [
      'a flag that is no flag',
      { features: ['departures:flights'], entities: { iata: [] }, full_feature_names: 1 },
      ['full_feature_names'],
    ],
    [
      'a missing join key',
      { features: ['departures:flights', 'bookings:count'], entities: { iata: ['JFK'] } },
      ['entities.user_id'],
    ],
    ['no entities', { features: ['departures:flights'] }, ['entities', 'entities.iata']],
    [
      'entities that are a list',
      { features: ['departures:flights'], entities: ['JFK'] },
      ['entities', 'entities.iata'],
    ],
    [
      'a column that is no list',
      { features: ['departures:flights'], entities: { iata: 'JFK' } },
      ['entities.iata'],
    ],
    [
      'join keys that are not needed',
      { features: ['departures:flights'], entities: { iata: ['JFK'], __proto__x: [1] } },
      ['entities.__proto__x'],
    ],
    [
      'keys of wrong types',
      {
        features: ['departures:flights', 'bookings:count'],
        entities: { iata: ['JFK', null], user_id: [1.5, true] },
      },
      ['entities.iata[1]', 'entities.user_id[0]', 'entities.user_id[1]'],
    ],
    [
      'columns of different lengths',
      { features: ['departures:flights', 'bookings:count'], entities: { iata: ['JFK'], user_id: [1, 2] } },
      ['entities.user_id'],
    ],
    [
      'one column twice',
      {
        features: ['departures:flights', 'airport_profile:flights', 'departures:flights'],
        entities: { iata: [] },
      },
      ['features[1]', 'features[2]'],
    ],
  ])('refuses %s, with the path', async (_, body, paths) => {
    const refused = await refusal(() => query(body));
    expect(refused.code).toBe('INVALID_REQUEST');
    expect(refused.details?.map(({ path: at }) => at)).toEqual(paths);
  });

  it.each([[null], ['x'], [[]], [3]])('refuses a body that is %j', async (body) => {
    await expect(query(body)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('refuses more rows than the limit', async () => {
    const refused = query({
      features: ['departures:flights'],
      entities: { iata: ['1', '2', '3', '4', '5'] },
    });
    await expect(refused).rejects.toMatchObject({ code: 'TOO_MANY_ROWS' });
  });

  it('refuses keys that are too long', async () => {
    const refused = query({ features: ['departures:flights'], entities: { iata: ['x'.repeat(2000)] } });
    await expect(refused).rejects.toMatchObject({ code: 'KEY_TOO_LONG' });
  });

  it('names at most 20 problems', async () => {
    const refused = await refusal(() =>
      query({ features: Array(1000).fill(3), entities: { iata: ['JFK'] } }),
    );
    expect(refused.details).toHaveLength(20);
    expect(refused.message).toContain('(and 19 more, see details)');
  });
});

it('refuses an answer that would be too large, however small the question', async () => {
  const long = viewOf('long', entityOf('thing', { id: 'string' }), { text: 'string' });
  const row: Row = [1000, 'x'.repeat(65_536)];
  const source: OnlineStore = { ...store, get: () => row };
  const ask = async (count: number): Promise<FeastResponse> => {
    const entities = { id: Array.from({ length: count }, () => 'a') };
    return getOnlineFeatures(
      projectOf([long], { rowsMax: 2000 }),
      source,
      { features: ['long:text'], entities },
      NOW,
    );
  };
  expect((await ask(1000)).results).toHaveLength(2);
  await expect(ask(1100)).rejects.toMatchObject({
    code: 'TOO_MANY_ROWS',
    message: 'The answer would be larger than 64 MB. Ask for fewer rows or features in one call.',
  });
});
