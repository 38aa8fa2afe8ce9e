/** What charts have beside lines: areas, and axes that need no zero. */
import { describe, expect, it } from 'vitest';
import { createAxis } from '../../src/loadtest/axis.ts';
import { lineChart } from '../../src/loadtest/chart.ts';

describe('a fitted axis', () => {
  it('reaches from a tick below the values to one above, without a zero that is far away', () => {
    const axis = createAxis('fitted', [0.187, 0.226], 0, 100);
    expect(axis.ticks.at(0)).toBeCloseTo(0.18, 9);
    expect(axis.ticks.at(-1)).toBeCloseTo(0.23, 9);
    expect([axis.at(0.18), axis.at(0.23)]).toEqual([expect.closeTo(0, 6), expect.closeTo(100, 6)]);
    expect(createAxis('fitted', [-0.3, 0.1], 0, 100).ticks).toContain(0);
  });

  it('has a place for a single value, and for none', () => {
    for (const values of [[5], [0], [-3], []]) {
      const axis = createAxis('fitted', values, 0, 100);
      expect(axis.ticks.length).toBeGreaterThan(1);
      for (const value of values) expect(axis.at(value)).toSatisfy((at: number) => at >= 0 && at <= 100);
    }
  });
});

describe('a line chart', () => {
  it('makes room for a band, draws it behind the line, and tells of it', () => {
    const axis = { label: 'x', scale: 'fitted', format: String } as const;
    const series = [
      {
        name: 's',
        points: [
          { x: 0, y: 1 },
          { x: 1, y: 2 },
        ],
        band: [
          { x: 0, lower: -10, upper: 10 },
          { x: 1, lower: -5, upper: 5 },
        ],
      },
    ];
    const svg = lineChart({ title: 't', x: axis, y: axis, series });
    expect(svg.indexOf('class="area s0"')).toBeGreaterThan(0);
    expect(svg.indexOf('class="area s0"')).toBeLessThan(svg.indexOf('class="line s0"'));
    expect(svg).toContain('<title>s: 1 (-10 to 10) at 0</title>');
    expect(svg).toContain('>-10</text>');
  });
});
