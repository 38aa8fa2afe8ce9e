import { describe, expect, it } from 'vitest';
import { encodeEntityKey } from '../../../src/features/entity-key.ts';
import type { Row } from '../../../src/features/online-store.ts';
import { encodeFeastTime } from '../../../src/features/redis/feast/feast-time.ts';
import { createFeastLayout } from '../../../src/features/redis/feast-layout.ts';
import type { RowLayout } from '../../../src/features/redis/row-layout.ts';
import type { FeastSettings, FeatureView } from '../../../src/project/project.ts';
import type { Value } from '../../../src/project/value.ts';
import { entityOf, viewOf } from '../sample-project.ts';

const driver = entityOf('driver', { driver_id: 'int64' });
const place = entityOf('place', { zone: 'string', city: 'int64' });
const view1 = viewOf('feature_view_1', driver, {
  feature_10: 'float64',
  feature_11: 'int64',
  feature_12: 'string',
});
const settings: FeastSettings = {
  isDeclared: true,
  project: 'test',
  entityKeyVersion: 3,
  keyTypes: new Map(),
};

function layoutOf(views: readonly FeatureView[], more: Partial<FeastSettings> = {}): RowLayout {
  return createFeastLayout({ ...settings, ...more }, views);
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

/** What one feature of the type is read as. */
function read(type: string, bytes: string): Value | undefined {
  const view = viewOf('v', driver, { f: type });
  return layoutOf([view]).decode(view, [encodeFeastTime(5), hex(bytes)], 0)?.[1];
}

describe('the fields of a view', () => {
  it("are its event time and the hashes of its features' names", () => {
    const [time, ...features] = layoutOf([view1]).fieldsOf(view1);
    expect(time).toBe('_ts:feature_view_1');
    expect(features.map((field) => (field as Buffer).toString('hex'))).toEqual([
      '266d5f39',
      'c3379abf',
      '7772b564',
    ]);
  });

  it('are refused if two features of an entity would share one', () => {
    // Found by trying names: both have the same hash.
    const both = viewOf('stats', driver, { f5728: 'float64', f9010: 'float64' });
    expect(() => layoutOf([both])).toThrow(
      expect.objectContaining({
        code: 'INVALID_PROJECT',
        message:
          'In Feast\'s layout the features "stats:f5728" and "stats:f9010" share one field of Redis; rename one of them.',
      }),
    );
  });

  it('may be equal in views of different entities', () => {
    const one = viewOf('stats', driver, { f5728: 'float64' });
    const other = { ...viewOf('stats', place, { f9010: 'float64' }) };
    expect(() => layoutOf([one, other])).not.toThrow();
  });
});

describe('the hash of an entity key', () => {
  it('has the name that Feast gives it', () => {
    const name = layoutOf([view1]).hashOf(driver, encodeEntityKey(driver, [1001]));
    expect(Buffer.from(name, 'latin1').toString('hex')).toBe(
      hex('01000000 02000000 09000000').toString('hex') +
        Buffer.from('driver_id').toString('hex') +
        hex('04000000 08000000 e903000000000000').toString('hex') +
        Buffer.from('test').toString('hex'),
    );
  });

  it('takes join keys in the order of Feast, and integers as Int32 where the project says so', () => {
    const view = viewOf('v', place, { f: 'float64' });
    const layout = layoutOf([view], { entityKeyVersion: 2, keyTypes: new Map([['city', 'int32']]) });
    const name = layout.hashOf(place, encodeEntityKey(place, ['a', 7]));
    expect(name).toBe('\x02\0\0\0city\x02\0\0\0zone\x03\0\0\0\x04\0\0\0\x07\0\0\0\x02\0\0\0\x01\0\0\0atest');
  });

  it('is one that is never there for a key that is too large for Int32, and nothing is written under it', () => {
    const layout = layoutOf([view1], { keyTypes: new Map([['driver_id', 'int32']]) });
    const key = encodeEntityKey(driver, [2 ** 31]);
    expect(layout.hashOf(driver, key)).toContain('\x08\0\0\0');
    expect(() => layout.writeArgs({ view: view1, key, row: [1, 1, 1, 'a'] })).toThrow(
      expect.objectContaining({
        code: 'INVALID_REQUEST',
        message: 'A join key that is Int32 in Feast is out of its range: driver_id 2147483648.',
      }),
    );
  });

  it('begins with a prefix of the layout, of which none begins with another', () => {
    const shorter = entityOf('shorter', { city: 'string' });
    const longer = entityOf('longer', { city: 'string', zone: 'string' });
    const views = [driver, place, shorter, longer].map((entity) =>
      viewOf(entity.name, entity, { f: 'int64' }),
    );
    for (const entityKeyVersion of [2, 3] as const) {
      const layout = layoutOf(views, { entityKeyVersion });
      const { prefixes } = layout;
      expect(prefixes).toHaveLength(entityKeyVersion === 2 ? 2 : 4);
      for (const prefix of prefixes) expect(prefixes.filter((of) => of.startsWith(prefix))).toEqual([prefix]);
      for (const { entity } of views) {
        const key = encodeEntityKey(
          entity,
          entity.keys.map(({ type }) => (type === 'string' ? 'é' : -1)),
        );
        const begins = prefixes.filter((prefix) => layout.hashOf(entity, key).startsWith(prefix));
        expect(begins).toHaveLength(1);
      }
    }
  });

  it('does not exist for an entity without join keys', () => {
    expect(() => layoutOf([viewOf('totals', entityOf('overall', {}), { f: 'int64' })])).toThrow(
      `The entity "overall" has no join keys, and Feast's layout has no place for its features`,
    );
  });

  it('is refused if it would belong to two entities', () => {
    const twin = entityOf('twin', { city: 'int64', zone: 'string' });
    const views = [viewOf('a', place, { f: 'int64' }), viewOf('b', twin, { f: 'int64' })];
    expect(() => layoutOf(views)).toThrow(
      'the entities "place" and "twin" share their keys (city: int64, zone: string); make one entity of them.',
    );
  });
});

describe('a row', () => {
  it('is read from the values of its fields, wherever they begin', () => {
    const values = [null, encodeFeastTime(1500), hex('29 000000000000f83f'), hex('20 e907'), hex('12 01 61')];
    expect(layoutOf([view1]).decode(view1, values, 1)).toEqual([1500, 1.5, 1001, 'a']);
  });

  it('is not there without an event time, whatever features are there', () => {
    expect(layoutOf([view1]).decode(view1, [null, hex('29 000000000000f83f'), null, null], 0)).toBeNull();
  });

  it('tells features that were never written from those that are null', () => {
    const values = [encodeFeastTime(0), null, Buffer.alloc(0), null];
    expect(layoutOf([view1]).decode(view1, values, 0)).toEqual([0, null, null, null, [0, 2]]);
    expect(layoutOf([view1]).decode(view1, [hex(''), hex(''), hex('980100'), hex('')], 0)).toEqual([
      0,
      null,
      null,
      null,
    ]);
  });

  it('is written as the event time and every feature', () => {
    const row: Row = [1500, 1.5, 1001, null];
    const [count, ...pairs] = layoutOf([view1]).writeArgs({ view: view1, key: '1', row });
    expect(count).toBe('8');
    expect(pairs.map((part) => (typeof part === 'string' ? part : part.toString('hex')))).toEqual([
      '_ts:feature_view_1',
      '08011080cab5ee01',
      '266d5f39',
      '29000000000000f83f',
      'c3379abf',
      '20e907',
      '7772b564',
      '',
    ]);
  });
});

describe('a feature', () => {
  it.each([
    ['float64', '35 f5696d3f', Buffer.from('f5696d3f', 'hex').readFloatLE()],
    ['float32', '29 9a9999999999b93f', Math.fround(0.1)],
    ['float64', '18 07', 7],
    ['float64', '20 8180808080808010', 2 ** 53],
    ['float32', '20 01', 1],
    ['int64', '18 ffffffffffffffffff01', -1],
    ['int64', '20 8180808080808010', 2n ** 53n + 1n],
    ['string', '0a 03 616263', 'YWJj'],
    ['bool', '38 01', true],
    ['timestamp', '40 8ce2f8d403', 983_445_772_000],
    ['float32[2]', '7a 12 0a 10 9a9999999999b93f 000000000000f83f', [Math.fround(0.1), 1.5]],
    ['float64[1]', '72 03 0a 01 05', [5]],
    ['int64[2]', '6a 04 0a 02 01 02', [1, 2]],
  ])('of type %s is read from %s', (type, bytes, value) => {
    expect(read(type, bytes)).toStrictEqual(value);
  });

  it.each([
    ['float64', '29 000000000000f07f'],
    ['float64', '29 000000000000f8ff'],
    ['float32', '29 a0c8eb85f3cce17f'],
    ['float32[1]', '8201 06 0a 04 0000c07f'],
    ['timestamp', '40 ffffffffffffffff7f'],
  ])('of type %s is null if it is no finite number or date: %s', (type, bytes) => {
    expect(read(type, bytes)).toBeNull();
  });

  it.each([
    ['float64', '12 01 61', 'has STRING, not float64'],
    ['int64', '29 000000000000f83f', 'has DOUBLE, not int64'],
    ['timestamp', '20 01', 'has INT64, not timestamp'],
    ['bool', '20 01', 'has INT64, not bool'],
    ['float32', '8201 06 0a 04 0000c03f', 'has FLOAT_LIST of 1, not float32'],
    ['float32[2]', '8201 06 0a 04 0000c03f', 'has FLOAT_LIST of 1, not float32[2]'],
    ['float32[2]', '35 0000c03f', 'has FLOAT, not float32[2]'],
    ['float64', '29 00', 'end inside a value'],
  ])('of type %s is refused from %s', (type, bytes, why) => {
    expect(() => read(type, bytes)).toThrow(why);
    expect(() => read(type, bytes)).toThrow('In Redis, the feature "v:f"');
  });
});
