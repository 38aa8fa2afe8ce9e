/** Axes of the charts: where a value lies, and where the ticks are. */

export interface Axis {
  /** The value's place in pixels. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

export type AxisScale = 'linear' | 'log';

const LINEAR_TICKS = 6;

/**
 * @param values all that must fit
 * @param fromPx where the smallest value lies, and `toPx` the largest; upside down for a vertical axis
 */
export function createAxis(scale: AxisScale, values: readonly number[], fromPx: number, toPx: number): Axis {
  return scale === 'log' ? logAxis(values, fromPx, toPx) : linearAxis(values, fromPx, toPx);
}

/** From zero, with steps of 1, 2 or 5 times a power of ten. */
function linearAxis(values: readonly number[], fromPx: number, toPx: number): Axis {
  const max = Math.max(...values, 0) || 1;
  const rough = max / LINEAR_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const end = Math.ceil(max / step) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  return { ticks, at: (value) => fromPx + (value / end) * (toPx - fromPx) };
}

/** Ticks at 1, 2 and 5 of each power of ten; at the powers alone where there are many. */
function logAxis(values: readonly number[], fromPx: number, toPx: number): Axis {
  const positive = values.filter((value) => value > 0);
  const min = Math.min(...positive, Infinity);
  if (min === Infinity) return logAxis([1, 10], fromPx, toPx);
  const first = Math.floor(Math.log10(min));
  const last = Math.ceil(Math.log10(Math.max(...positive) * 1.001));
  const factors = last - first > 3 ? [1] : [1, 2, 5];
  const all = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i)).flatMap((power) =>
    factors.map((factor) => factor * power),
  );
  const from = all.findLast((tick) => tick <= min) ?? min;
  const to = all.find((tick) => tick >= Math.max(...positive)) ?? Math.max(...positive);
  const span = Math.log(to / from) || 1;
  return {
    ticks: all.filter((tick) => tick >= from && tick <= to),
    at: (value) => fromPx + (Math.log(Math.max(value, from) / from) / span) * (toPx - fromPx),
  };
}
