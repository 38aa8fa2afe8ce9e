import { describe, expect, test } from 'vitest';
import { closestName, suggestName } from '../../src/project/suggestion.ts';

describe('closestName', () => {
  test('finds the name that differs by a slip of the hand', () => {
    expect(closestName('delay_men_3h', ['delay_max_24h', 'delay_mean_3h'])).toBe('delay_mean_3h');
  });

  test('takes upper and lower case as equal', () => {
    expect(closestName('IATA', ['icao', 'iata'])).toBe('iata');
  });

  test('prefers the first of two that are equally near', () => {
    expect(closestName('ac', ['ab', 'ad'])).toBe('ab');
  });

  test('has no guess for a name that is far from all', () => {
    expect(closestName('color', ['latitude', 'x'])).toBeUndefined();
    expect(closestName('a', ['b'])).toBeUndefined();
    expect(closestName('anything', [])).toBeUndefined();
  });

  test('has no guess for a very long name', () => {
    const name = 'n'.repeat(10_000);
    expect(closestName(name, [name.slice(1)])).toBeUndefined();
  });
});

describe('suggestName', () => {
  test('asks about a near name', () => {
    expect(suggestName('usr', ['user', 'shop'], 'entities')).toBe('did you mean "user"?');
  });

  test('lists what exists when nothing is near', () => {
    expect(suggestName('colour', ['user', 'shop'], 'entities')).toBe('entities are user, shop');
    expect(suggestName('colour', [], 'entities')).toBe('there are no entities');
  });

  test('shortens a long list', () => {
    const names = Array.from({ length: 50 }, (_, i) => `feature_${i}`);
    expect(suggestName('colour', names, 'features')).toMatch(/feature_19 and 30 more$/);
  });
});
