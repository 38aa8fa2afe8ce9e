import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFeastKeyFormat } from '../../../src/features/redis/feast/feast-key.ts';
import type { FeastJoinKey } from '../../../src/features/redis/feast/feast-key.ts';
import { murmur3 } from '../../../src/features/redis/feast/murmur3.ts';

/** The bytes of a key in hex. */
function keyOf(
  joinKeys: readonly FeastJoinKey[],
  values: readonly (string | number | bigint)[],
  { project = '', version = 3 }: { readonly project?: string; readonly version?: 2 | 3 } = {},
): string | undefined {
  const name = createFeastKeyFormat(joinKeys, project, version).encode(values);
  return name === undefined ? undefined : Buffer.from(name, 'latin1').toString('hex');
}

/** Hex where quoted text stands for its bytes, and blanks for nothing. */
function bytes(text: string): string {
  return text
    .replaceAll(/"([^"]*)"/g, (_, plain: string) => Buffer.from(plain).toString('hex'))
    .replaceAll(' ', '');
}

const driver: FeastJoinKey[] = [{ name: 'driver_id', type: 'INT64' }];
const entity: FeastJoinKey[] = [{ name: 'entity', type: 'INT32' }];

describe('the name of an entity key in Feast', () => {
  it('is written in version 3 with the count of join keys and the lengths of names', () => {
    expect(keyOf(entity, [1], { project: 'test' })).toBe(
      bytes('01000000 02000000 06000000 "entity" 03000000 04000000 01000000 "test"'),
    );
    expect(keyOf(driver, [1001])).toBe(
      bytes('01000000 02000000 09000000 "driver_id" 04000000 08000000 e903000000000000'),
    );
  });

  it('is written in version 2 without them', () => {
    expect(keyOf(entity, [1], { project: 'test', version: 2 })).toBe(
      bytes('02000000 "entity" 03000000 04000000 01000000 "test"'),
    );
    expect(keyOf(driver, [1001], { version: 2 })).toBe(
      bytes('02000000 "driver_id" 04000000 08000000 e903000000000000'),
    );
  });

  it('takes join keys sorted by name, and values with them', () => {
    const keys: FeastJoinKey[] = [
      { name: 'user', type: 'STRING' },
      { name: 'Zone', type: 'INT32' },
      { name: 'item', type: 'INT64' },
    ];
    const zone = '03000000 04000000 feffffff';
    const item = '04000000 08000000 ffffffffffffffff';
    const user = '02000000 05000000 "Åsa" 21';
    expect(keyOf(keys, ['Åsa!', -2, -1], { project: 'é' })).toBe(
      bytes(
        `03000000 02000000 04000000 "Zone" 02000000 04000000 "item" 02000000 04000000 "user" ${zone} ${item} ${user} c3a9`,
      ),
    );
    expect(keyOf(keys, ['Åsa!', -2, -1], { version: 2 })).toBe(
      bytes(`02000000 "Zone" 02000000 "item" 02000000 "user" ${zone} ${item} ${user}`),
    );
  });

  it('writes any integer of 64 bits as its complement', () => {
    const int64 = fc.oneof(
      fc.maxSafeInteger(),
      fc.integer(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    );
    fc.assert(
      fc.property(int64, (value) => {
        const expected = Buffer.alloc(8);
        expected.writeBigInt64LE(BigInt(value));
        expect(keyOf(driver, [value])?.slice(-16)).toBe(expected.toString('hex'));
      }),
    );
  });

  it('does not exist for an integer that is too large for Int32', () => {
    expect(keyOf(entity, [-(2 ** 31)])).toBe(
      bytes('01000000 02000000 06000000 "entity" 03000000 04000000 00000080'),
    );
    expect(keyOf(entity, [2 ** 31])).toBeUndefined();
    expect(keyOf(entity, [-(2 ** 31) - 1])).toBeUndefined();
    expect(keyOf(entity, [2n ** 53n])).toBeUndefined();
  });

  it.each([2, 3] as const)('begins with the prefix in version %i', (version) => {
    const format = createFeastKeyFormat(
      [
        { name: 'b', type: 'INT64' },
        { name: 'a', type: 'STRING' },
      ],
      'test',
      version,
    );
    fc.assert(
      fc.property(fc.integer(), fc.string(), (b, a) => {
        expect(format.encode([b, a])?.startsWith(format.prefix)).toBe(true);
      }),
    );
    expect(format.prefix.endsWith('b\u0002\0\0\0')).toBe(true);
  });
});

describe('murmur3', () => {
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['hello', 0, 0x248bfa47],
    ['hello, world', 0, 0x149bbb7f],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
  ])('of "%s" with seed %i is %i', (text, seed, hash) => {
    expect(murmur3(Buffer.from(text), seed)).toBe(hash);
  });
});
