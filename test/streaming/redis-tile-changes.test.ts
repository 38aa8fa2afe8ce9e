/** What is told of commits in Redis, whatever order replies come in, and when it is not known any more. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createTileChanges } from '../../src/streaming/redis-tile-changes.ts';
import type { CommitEntry, TileChanges } from '../../src/streaming/redis-tile-changes.ts';

let shard: { epoch: number };
let changes: TileChanges;
beforeEach(() => {
  shard = { epoch: 1 };
  changes = createTileChanges(() => shard);
  look(10);
});

function look(offset: number, commits: readonly CommitEntry[] = []): void {
  changes.end(changes.begin(0), offset, commits);
}

function commit(from: number, to: number, by = 'another'): CommitEntry {
  return { from, to, by, names: [`${from} to ${to}`] };
}

describe('in an epoch', () => {
  it('what others commit is told once, by name', () => {
    const epoch = changes.epochOf(0);
    expect(epoch).toBeGreaterThan(0);
    look(14, [commit(10, 12), commit(12, 14)]);
    expect(changes.take()).toEqual(['10 to 12', '12 to 14']);
    expect(changes.take()).toEqual([]);
    expect([changes.epochOf(0), changes.begin(0).seen]).toEqual([epoch, 14]);
  });

  it('what was committed here is not told, whether its own reply or a look is first', () => {
    const epoch = changes.epochOf(0);
    changes.applied(0, 10, 12);
    look(14, [commit(10, 12, changes.by), commit(12, 14, changes.by)]);
    changes.applied(0, 12, 14);
    expect(changes.take()).toEqual([]);
    expect([changes.epochOf(0), changes.begin(0).seen]).toEqual([epoch, 14]);
  });

  it('replies that are overtaken change nothing', () => {
    const epoch = changes.epochOf(0);
    const early = changes.begin(0);
    look(14, [commit(10, 14)]);
    changes.end(early, 12, [commit(10, 12)]);
    expect(changes.take()).toEqual(['10 to 14']);
    expect([changes.epochOf(0), changes.begin(0).seen]).toEqual([epoch, 14]);
  });

  it('a commit of which nobody knows what became is told as that of another', () => {
    const { by } = changes;
    changes.rename();
    look(12, [commit(10, 12, by)]);
    expect(changes.take()).toEqual(['10 to 12']);
  });
});

describe('an epoch ends', () => {
  it.each([
    ['where commits are missing at the beginning', [commit(12, 14)]],
    ['where one is missing between others', [commit(10, 11), commit(12, 14)]],
    ['where the last ones are missing', [commit(10, 12)]],
    ['where all are missing', []],
  ])('%s', (_where, commits) => {
    const epoch = changes.epochOf(0);
    look(14, commits);
    expect(changes.epochOf(0)).toBeGreaterThan(epoch);
    expect(changes.begin(0).seen).toBe(14);
  });

  it('with that of the server, and another begins with the first look in a new one', () => {
    const epoch = changes.epochOf(0);
    shard.epoch = 0;
    expect([changes.epochOf(0), changes.begin(0).seen]).toEqual([0, undefined]);
    look(14);
    expect(changes.epochOf(0)).toBe(0);
    const early = changes.begin(0);
    shard.epoch = 2;
    changes.end(early, 14, []);
    expect(changes.epochOf(0)).toBe(0);
    look(14);
    expect(changes.epochOf(0)).toBeGreaterThan(epoch);
  });

  it('where the partition has moved to another server', () => {
    const epoch = changes.epochOf(0);
    const early = changes.begin(0);
    shard = { epoch: 1 };
    changes.end(early, 10, []);
    expect(changes.epochOf(0)).toBe(0);
    look(10);
    expect(changes.epochOf(0)).toBeGreaterThan(epoch);
  });
});
