/** Axes of the charts: where a value lies, and where the ticks are. */

export interface Axis {
  /** The value's place in pixels. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** fitted: linear, from about the smallest value to about the largest, without a zero that is far from both. */
export type AxisScale = 'linear' | 'log' | 'fitted';

const LINEAR_TICKS = 6;

/**
 * @param values all that must fit
 * @param fromPx where the smallest value lies, and `toPx` the largest; upside down for a vertical axis
 */
export function createAxis(scale: AxisScale, values: readonly number[], fromPx: number, toPx: number): Axis {
  if (scale === 'fitted') return fittedAxis(values, fromPx, toPx);
  return scale === 'log' ? logAxis(values, fromPx, toPx) : linearAxis(values, fromPx, toPx);
}

/** From zero, with steps of 1, 2 or 5 times a power of ten. */
function linearAxis(values: readonly number[], fromPx: number, toPx: number): Axis {
  const max = Math.max(...values, 0) || 1;
  const step = stepFor(max);
  const end = Math.ceil(max / step) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  return { ticks, at: (value) => fromPx + (value / end) * (toPx - fromPx) };
}

/** With steps as above; the ends are ticks. */
function fittedAxis(values: readonly number[], fromPx: number, toPx: number): Axis {
  const min = Math.min(...values);
  const max = Math.max(...values);
  if (!Number.isFinite(max - min)) return linearAxis([], fromPx, toPx);
  const step = stepFor(max - min || Math.abs(max) || 1);
  const first = Math.floor(min / step);
  const last = Math.max(Math.ceil(max / step), first + 1);
  return {
    ticks: Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step),
    at: (value) => fromPx + ((value / step - first) / (last - first)) * (toPx - fromPx),
  };
}

function stepFor(span: number): number {
  const rough = span / LINEAR_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
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
