import { describe, expect, it } from 'vitest';
import { createEntityTiles } from '../../src/streaming/entity-tiles.ts';
import { createTileCodec, storedColumns } from '../../src/streaming/tile-codec.ts';
import type { SizePlan } from '../../src/streaming/tile-plan.ts';
import type { Tile } from '../../src/streaming/tile.ts';
import { durationMs, eventOf, planOf, streamingView } from './sample-view.ts';
import type { FeatureGiven } from './sample-view.ts';

const event = eventOf({ user: 'string', delay: 'float64?', seen: 'int64' });
const windowMs = durationMs('1h');
const codec = createTileCodec();

const [count, sum, lastSeen]: readonly FeatureGiven[] = [
  { name: 'count', windowMs },
  { name: 'sum', field: 'delay', windowMs },
  { name: 'last', field: 'seen', windowMs, count: 2 },
] as const;

function sizeOf(features: readonly (FeatureGiven | undefined)[]): SizePlan {
  const given = features.filter((feature) => feature !== undefined);
  return planOf(streamingView(event, given)).sizes[0] as SizePlan;
}

function tileOf(features: readonly (FeatureGiven | undefined)[]): Tile {
  const given = features.filter((feature) => feature !== undefined);
  const tiles = createEntityTiles(planOf(streamingView(event, given)));
  tiles.apply(['a', 1.5, 2n ** 60n], 1000, 0);
  tiles.apply(['a', null, 7], 2000, 1);
  return tiles.takeChanged()[0]?.tile as Tile;
}

/** What a tile of some features gives, once it was read under a plan of others. */
function results(
  written: readonly (FeatureGiven | undefined)[],
  read: readonly (FeatureGiven | undefined)[],
): unknown[] {
  const [from, to] = [sizeOf(written), sizeOf(read)];
  const bytes = codec.encode(from, tileOf(written));
  const columns = storedColumns(
    to,
    from.partials.map(({ key }) => key),
  );
  const tile = codec.decode(to, 0, bytes, columns);
  return to.partials.map(({ aggregate }, i) => aggregate.result(tile.states[i], { rank: 1, quantile: 0 }));
}

describe('a stored tile', () => {
  it('comes back as it was', () => {
    const features = [count, sum, lastSeen];
    const tile = tileOf(features);
    expect(codec.decode(sizeOf(features), 0, codec.encode(sizeOf(features), tile))).toEqual({
      ...tile,
      isChanged: false,
    });
  });

  it('is small: simple aggregates take a few bytes', () => {
    expect(codec.encode(sizeOf([count, sum]), tileOf([count, sum])).length).toBeLessThan(30);
  });

  it('is read by what its states mean where features were moved, removed and added', () => {
    expect(results([count, sum], [sum, count])).toEqual([1.5, 2]);
    expect(results([count, sum], [sum])).toEqual([1.5]);
    expect(results([count], [lastSeen, count])).toEqual([null, 2]);
  });

  it('is refused where the bytes are something else', () => {
    expect(() => codec.decode(sizeOf([count]), 0, Uint8Array.of(0x01))).toThrow(
      'a stored tile is not an array',
    );
    expect(() => codec.decode(sizeOf([count]), 0, Uint8Array.of(0x90))).toThrow('a stored tile has no time');
  });
});
