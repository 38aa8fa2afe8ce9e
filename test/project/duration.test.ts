import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/project/duration.ts';

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const unit = fc.constantFrom(...(Object.keys(unitMs) as (keyof typeof unitMs)[]));

describe('parseDuration', () => {
  test('multiplies the number by its unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 36_500 }), unit, (count, name) => {
        expect(parseDuration(`${count}${name}`)).toBe(count * unitMs[name]);
      }),
    );
  });

  test('answers any text with a positive whole number of milliseconds or a sentence', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.+-]{0,18}(ms|s|m|h|d|w|)$/));
    fc.assert(
      fc.property(text, (input) => {
        const parsed = parseDuration(input);
        expect(typeof parsed === 'number' ? Number.isSafeInteger(parsed) && parsed > 0 : parsed !== '').toBe(
          true,
        );
      }),
    );
  });

  test.each(['', '5', 's', '-5s', '1.5h', '5 s', '5S', '1w', '1h30m', ' 5s', '5s\n', '٥s'])(
    'refuses %j',
    (text) => {
      expect(parseDuration(text)).toMatch(/is not a duration/);
    },
  );

  test('refuses zero, and more than a hundred years', () => {
    expect(parseDuration('0s')).toBe('must be longer than zero');
    expect(parseDuration('36501d')).toBe('must be at most 36500d');
  });
});

test('formatDuration writes what parseDuration reads, in the largest unit that fits', () => {
  for (const text of ['1ms', '1500ms', '90s', '5m', '36h', '30d']) {
    expect(formatDuration(parseDuration(text) as number)).toBe(text);
  }
  expect(formatDuration(parseDuration('120s') as number)).toBe('2m');
});
