import { describe, expect, it } from 'vitest';
import { compileTilePlan } from '../../src/streaming/tile-plan.ts';
import { durationMs, eventOf, planOf, streamingView } from './sample-view.ts';
import type { FeatureGiven } from './sample-view.ts';

const event = eventOf({ user: 'string', delay: 'float64?', page: 'string', flag: 'bool?' });
const LATENESS_MS = durationMs('1h');

const feature = (
  name: FeatureGiven['name'],
  window: string,
  rest: Partial<FeatureGiven> = {},
): FeatureGiven => ({
  name,
  windowMs: durationMs(window),
  ...(name === 'count' ? {} : { field: 'delay' }),
  ...rest,
});

function partialCounts(features: readonly FeatureGiven[]): number[] {
  return planOf(streamingView(event, features)).sizes.map(({ partials }) => partials.length);
}

describe('tile sizes', () => {
  it.each([
    ['1ms', '1m'],
    ['59m', '1m'],
    ['1h', '5m'],
    ['719m', '5m'],
    ['12h', '1h'],
    ['287h', '1h'],
    ['12d', '1d'],
    ['365d', '1d'],
  ])('of a window of %s are %s', (window, size) => {
    const { sizes } = planOf(streamingView(event, [feature('count', window)]));
    expect(sizes.map(({ tileMs }) => tileMs)).toEqual([durationMs(size)]);
  });

  it('are kept for the longest window of the size, one tile and the lateness', () => {
    const features = ['10m', '59m', '24h', '7d'].map((window) => feature('count', window));
    const { sizes } = planOf(streamingView(event, features), LATENESS_MS);
    expect(sizes.map(({ horizonMs }) => horizonMs)).toEqual([
      durationMs('59m') + durationMs('1m') + LATENESS_MS,
      durationMs('7d') + durationMs('1h') + LATENESS_MS,
    ]);
  });
});

describe('features share a partial', () => {
  it.each<[string, FeatureGiven, FeatureGiven]>([
    ['in their window', feature('sum', '1h'), feature('sum', '3h')],
    ['between sum and mean', feature('sum', '1h'), feature('mean', '1h')],
    [
      'in the rank',
      feature('last', '1h', { count: 3, rank: 1 }),
      feature('last', '1h', { count: 3, rank: 3 }),
    ],
    [
      'in the quantile',
      feature('quantile', '1h', { quantile: 0.5 }),
      feature('quantile', '1h', { quantile: 0.9 }),
    ],
    [
      'in a k that needs no more counters',
      feature('top_k', '1h', { count: 3 }),
      feature('top_k', '1h', { count: 8 }),
    ],
  ])('that differ %s', (_difference, one, other) => {
    expect(partialCounts([one, other])).toEqual([1]);
  });
});

describe('features have partials of their own', () => {
  it.each<[string, FeatureGiven, FeatureGiven]>([
    ['in the aggregate', feature('min', '1h'), feature('max', '1h')],
    ['in the field', feature('last', '1h'), feature('last', '1h', { field: 'page' })],
    ['in the condition', feature('sum', '1h'), feature('sum', '1h', { where: 'delay > 0' })],
    ['in the n', feature('last', '1h', { count: 2 }), feature('last', '1h', { count: 3 })],
    ['in first and last', feature('first', '1h'), feature('last', '1h')],
    [
      'in a k that needs more counters',
      feature('top_k', '1h', { count: 3 }),
      feature('top_k', '1h', { count: 9 }),
    ],
  ])('that differ %s', (_difference, one, other) => {
    expect(partialCounts([one, other])).toEqual([2]);
  });

  it('of each tile size', () => {
    expect(partialCounts([feature('sum', '1h'), feature('sum', '24h')])).toEqual([1, 1]);
  });
});

describe('mistakes in conditions', () => {
  it('are told for each place, with what to write instead', () => {
    const view = streamingView(
      event,
      [
        feature('count', '1h', { where: 'dely > 15' }),
        feature('count', '1h', { where: 'delay' }),
        feature('count', '1h', { where: 'flag' }),
        feature('count', '3h', { where: 'dely > 15' }),
        feature('count', '1h', { where: 'delay > 15' }),
      ],
      'page = "a"',
    );
    const { plan, mistakes } = compileTilePlan(view, LATENESS_MS);
    expect(plan).toBeUndefined();
    expect(mistakes.map(({ path, message, suggestion }) => [path, message, suggestion])).toEqual([
      ['where', expect.stringContaining('"="'), 'compare with =='],
      ['features.f0.where', 'unknown event field "dely" (at character 1)', 'did you mean "delay"?'],
      ['features.f1.where', 'a condition must be a bool, and delay is float that may be missing', undefined],
      ['features.f2.where', 'a condition must not be missing, and flag may be', 'write (flag ?? false)'],
      ['features.f3.where', 'unknown event field "dely" (at character 1)', 'did you mean "delay"?'],
    ]);
    expect(mistakes[0]).toMatchObject({ file: 'millrace.yaml', line: 7 });
  });
});
