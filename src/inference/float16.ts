/**
 * Half precision: 1 bit sign, 5 bits exponent (biased by 15), 10 bits fraction. JavaScript of Node 20 has no type for
 * it, so tensors hold the bits.
 */

/** Above this, the nearest half is infinity. */
const OVERFLOW = 65_520;
const EXPONENT_MIN = -14;

export function float16ToNumber(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** (EXPONENT_MIN - 10);
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest half; of two, the even one. */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= OVERFLOW) return sign | 0x7c00;
  const exponent = Math.max(EXPONENT_MIN, Math.floor(Math.log2(magnitude)));
  const steps = roundToEven(magnitude / 2 ** (exponent - 10));
  // The leading 1 of a normal number, and what rounding carries, count the exponent up.
  return sign | (((exponent - EXPONENT_MIN) << 10) + steps);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
