/** How figures are written. */
import { describe, expect, it } from 'vitest';
import {
  formatBounds,
  formatChance,
  formatP,
  formatPercent,
  formatSigned,
  formatValue,
} from '../../../src/cli/experiment/figures.ts';

describe('figures', () => {
  it.each([
    [formatValue(0.20314), '0.2031'],
    [formatValue(1240.4), '1,240'],
    [formatValue(0.0000123), '1.2e-5'],
    [formatValue(undefined), '-'],
    [formatSigned(0.05), '+0.05'],
    [formatSigned(-0.05), '-0.05'],
    [formatPercent(0.12345), '12.3 %'],
    [formatChance(0.99999), '> 99.9 %'],
    [formatP(1e-9), '< 0.0001'],
    [formatP(0.0456), '0.046'],
  ])('are written as %s', (text, expected) => {
    expect(text).toBe(expected);
  });

  it('of bounds have two digits of their width, and no zero that is none', () => {
    expect(formatBounds({ lower: -0.01234, upper: 0.04567 })).toBe('-0.012 to +0.046');
    expect(formatBounds({ lower: 0.0001, upper: 0.06 })).toBe('+0.0001 to +0.0600');
    expect(formatBounds({ lower: 4146.2, upper: 4415 }, false)).toBe('4,146 to 4,415');
    expect(formatBounds({ lower: -Infinity, upper: Infinity })).toBe('anything');
    expect(formatBounds({ lower: 1, upper: 1 })).toBe('+1.0000 to +1.0000');
    expect(formatBounds(undefined)).toBe('-');
  });
});
