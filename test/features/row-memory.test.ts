import { describe, expect, it } from 'vitest';
import type { Row } from '../../src/features/online-store.ts';
import { createRowChanges } from '../../src/features/row-changes.ts';
import type { RowChanges } from '../../src/features/row-changes.ts';
import { createRowMemory } from '../../src/features/row-memory.ts';

describe('rows in memory', () => {
  const row: Row = [1, 2, 'three', [4, 5]];

  it('are forgotten when they have changed, others are kept', () => {
    let changed: readonly string[] | undefined = [];
    const memory = createRowMemory(10_000, () => changed);
    memory.keep('a', row);
    memory.keep('b', row);
    changed = ['a', 'never kept'];
    memory.forgetChanged();
    expect(memory.get('a')).toBeUndefined();
    expect(memory.get('b')).toBe(row);
    changed = undefined;
    memory.forgetChanged();
    expect(memory.get('b')).toBeUndefined();
  });

  it('stay within the limit, and those that were used least lately go', () => {
    const memory = createRowMemory(10_000, () => []);
    for (let i = 0; i < 1000; i++) {
      memory.keep(`key-${i}`, row);
      expect(memory.get('key-0')).toBe(row);
    }
    const kept = Array.from({ length: 1000 }, (_, i) => memory.get(`key-${i}`)).filter(Boolean).length;
    expect(kept).toBeGreaterThan(10);
    expect(kept).toBeLessThan(50);
    memory.keep('large', [1, 'x'.repeat(10_000)]);
    expect(memory.get('large')).toBeUndefined();
  });

  it('count twice as much when they hold more than numbers, as they take twice the memory', () => {
    const numbers: Row = [1000, ...Array.from({ length: 32 }, (_, i) => i / 7)];
    const keptOf = (each: Row): number => {
      const memory = createRowMemory(1_000_000, () => []);
      for (let i = 0; i < 5000; i++) memory.keep(`key-${i}`, each);
      return Array.from({ length: 5000 }, (_, i) => memory.get(`key-${i}`)).filter(Boolean).length;
    };
    // 490 and 1,002 bytes a row were measured.
    expect(keptOf(numbers)).toBeGreaterThan(1900);
    expect(keptOf([...numbers, null])).toBeLessThan(1050);
    expect(keptOf([...numbers, 'a'])).toBeLessThan(1050);
  });
});

describe('the list of changed rows', () => {
  /** Two readers and a writer of one list, as three processes have it. */
  function share(): { writer: RowChanges; reader: RowChanges; other: RowChanges } {
    const stored = new Map<string, Buffer>();
    const records = {
      getBinaryFast: (key: string) => stored.get(key),
      put: (key: string, bytes: Buffer) => stored.set(key, bytes),
    };
    return {
      writer: createRowChanges(records),
      reader: createRowChanges(records),
      other: createRowChanges(records),
    };
  }

  it('tells each reader what changed since it last asked', () => {
    const { writer, reader, other } = share();
    expect(reader.take()).toEqual([]);
    writer.add(['a', 'b']);
    expect(reader.take()).toEqual(['a', 'b']);
    writer.add(['c']);
    expect(reader.take()).toEqual(['c']);
    expect(reader.take()).toEqual([]);
    expect(other.take()).toEqual(['a', 'b', 'c']);
  });

  it('says that anything may have changed when more calls were missed than it keeps', () => {
    const { writer, reader, other } = share();
    for (let i = 0; i < 1024; i++) writer.add([`k${i}`]);
    expect(reader.take()).toHaveLength(1024);
    writer.add(['one more']);
    expect(other.take()).toBeUndefined();
    expect(other.take()).toEqual([]);
    expect(reader.take()).toEqual(['one more']);
  });

  it('says so too after a write of very many rows, or of very long keys', () => {
    const { writer, reader } = share();
    writer.add(Array.from({ length: 5000 }, (_, i) => `k${i}`));
    expect(reader.take()).toBeUndefined();
    writer.add(Array.from({ length: 20 }, () => 'k'.repeat(1000)));
    expect(reader.take()).toBeUndefined();
  });
});
