import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENTITY_KEY_BYTES_MAX, decodeEntityKey, encodeEntityKey } from '../../src/features/entity-key.ts';
import { entityOf } from './sample-project.ts';

const airport = entityOf('airport', { iata: 'string' });
const driver = entityOf('driver', { driver_id: 'int64' });
const pair = entityOf('pair', { user: 'string', item: 'string' });
const triple = entityOf('triple', { user: 'string', item: 'int64', place: 'string' });

const tricky = fc.string({
  unit: fc.constantFrom('\u0000', ':', '0', '1', '2', 'a', 'é', '🛫'),
  maxLength: 6,
});
const text = fc.oneof(tricky, fc.string({ unit: 'binary', maxLength: 20 }));
const int64 = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }));

describe('encodeEntityKey', () => {
  it('takes a single key as its own text', () => {
    expect(encodeEntityKey(airport, ['JFK'])).toBe('JFK');
    expect(encodeEntityKey(airport, [''])).toBe('');
    expect(encodeEntityKey(driver, [1001])).toBe('1001');
    expect(encodeEntityKey(driver, [-(2n ** 63n)])).toBe('-9223372036854775808');
  });

  it('is empty for an entity without join keys, and decodes to no values', () => {
    const overall = entityOf('overall', {});
    expect(encodeEntityKey(overall, [])).toBe('');
    expect(decodeEntityKey(overall, '')).toEqual([]);
    expect(() => decodeEntityKey(overall, 'a')).toThrow('"a" is no key of entity overall');
  });

  it('writes several keys with their lengths', () => {
    expect(encodeEntityKey(pair, ['a', 'b:c'])).toBe('1:a3:b:c');
    expect(encodeEntityKey(triple, ['', 12, '🛫'])).toBe('0:2:122:🛫');
  });

  it('gives different tuples different keys', () => {
    const tuples = fc.tuple(fc.tuple(text, text), fc.tuple(text, text));
    fc.assert(
      fc.property(tuples, ([a, b]) => {
        const areEqual = a[0] === b[0] && a[1] === b[1];
        expect(encodeEntityKey(pair, a) === encodeEntityKey(pair, b)).toBe(areEqual);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives different tuples different keys when one text is moved between two values', () => {
    fc.assert(
      fc.property(tricky, int64, fc.nat(6), fc.nat(6), (whole, item, i, j) => {
        const keyCutAt = (at: number): string =>
          encodeEntityKey(triple, [whole.slice(0, at), item, whole.slice(at)]);
        const areEqual = Math.min(i, whole.length) === Math.min(j, whole.length);
        expect(keyCutAt(i) === keyCutAt(j)).toBe(areEqual);
      }),
      { numRuns: 2000 },
    );
  });

  it('counts the limit in UTF-8 bytes of the whole key', () => {
    const longest = 'é'.repeat(ENTITY_KEY_BYTES_MAX / 2);
    expect(encodeEntityKey(airport, [longest])).toBe(longest);
    expect(encodeEntityKey(airport, ['a'.repeat(ENTITY_KEY_BYTES_MAX)])).toHaveLength(ENTITY_KEY_BYTES_MAX);
    // `1018:` and `0:` take seven bytes.
    expect(() => encodeEntityKey(pair, ['a'.repeat(1017), ''])).not.toThrow();
    expect(() => encodeEntityKey(pair, ['a'.repeat(1018), ''])).toThrow('has 1025 bytes');
  });

  it('refuses a key that is too long, and names the entity and both sizes', () => {
    expect(() => encodeEntityKey(airport, [`${'é'.repeat(512)}a`])).toThrow(
      expect.objectContaining({
        code: 'KEY_TOO_LONG',
        message: 'The key of entity "airport" (iata) has 1025 bytes; at most 1024 are stored.',
      }),
    );
  });

  it('refuses a wrong number of values', () => {
    expect(() => encodeEntityKey(pair, ['a'])).toThrow('has 2 join keys, got 1');
  });
});

describe('decodeEntityKey', () => {
  it('gives the values back that a key was made of', () => {
    const any64 = fc.oneof(int64, fc.constantFrom(0, -1, -(2n ** 63n), Number.MIN_SAFE_INTEGER));
    fc.assert(
      fc.property(text, any64, text, (user, item, place) => {
        expect(decodeEntityKey(triple, encodeEntityKey(triple, [user, item, place]))).toStrictEqual([
          user,
          item,
          place,
        ]);
        expect(decodeEntityKey(airport, encodeEntityKey(airport, [user]))).toStrictEqual([user]);
        expect(decodeEntityKey(driver, encodeEntityKey(driver, [item]))).toStrictEqual([item]);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['', 'a', '1:a', '1:a1', '1:a2:b', '1:a1:bc', '1:a1:b1:c'])(
    'refuses "%s" for two values',
    (key) => {
      expect(() => decodeEntityKey(pair, key)).toThrow('is no key of entity pair');
    },
  );
});
