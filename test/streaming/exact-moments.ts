/** Sum, mean and variance of doubles without rounding: every double is a whole number of 2^-1074. */

const SCALE_BITS = 1074;
const FRACTION_BITS = 52n;
const BITS_KEPT = 80;

function scaled(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, Math.abs(value));
  const word = bits.getBigUint64(0);
  const exponent = word >> FRACTION_BITS;
  const fraction = word & ((1n << FRACTION_BITS) - 1n);
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << FRACTION_BITS)) << (exponent - 1n);
  return value < 0 ? -magnitude : magnitude;
}

/** numerator / denominator * 2^-bits as a double. */
function rounded(numerator: bigint, denominator: bigint, bits: number): number {
  if (numerator < 0n) return -rounded(-numerator, denominator, bits);
  const shift = BITS_KEPT + denominator.toString(2).length - numerator.toString(2).length;
  const quotient =
    shift > 0 ? (numerator << BigInt(shift)) / denominator : numerator / (denominator << BigInt(-shift));
  // In two steps: 2^-(shift + bits) alone may be too small for a double.
  const half = Math.trunc((shift + bits) / 2);
  return Number(quotient) * 2 ** -half * 2 ** -(shift + bits - half);
}

function total(values: readonly bigint[]): bigint {
  return values.reduce((sum, value) => sum + value, 0n);
}

export function exactSum(values: readonly number[]): number {
  return rounded(total(values.map(scaled)), 1n, SCALE_BITS);
}

export function exactMean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return rounded(total(values.map(scaled)), BigInt(values.length), SCALE_BITS);
}

/** Of the population. */
export function exactVariance(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const units = values.map(scaled);
  const count = BigInt(units.length);
  const squares = total(units.map((unit) => unit * unit));
  return rounded(count * squares - total(units) ** 2n, count * count, 2 * SCALE_BITS);
}
