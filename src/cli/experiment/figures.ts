/** How the figures of an experiment are written, in tables and in the report. */

const DIGITS = 4;
const DECIMALS_MAX = 9;

/** Four digits that mean something: `0.2031`, `12.35`, `1,240`; a dash for what is not known. */
export function formatValue(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (!Number.isFinite(value)) return value > 0 ? 'any' : '-any';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size < 1e-4) return value.toExponential(1);
  return String(Number(value.toPrecision(DIGITS)));
}

/** With its sign, for differences. */
export function formatSigned(value: number | undefined): string {
  const text = formatValue(value);
  return value !== undefined && value > 0 ? `+${text}` : text;
}

/** `12.5 %` */
export function formatPercent(share: number | undefined): string {
  if (share === undefined || Number.isNaN(share)) return '-';
  if (!Number.isFinite(share)) return share > 0 ? 'any' : '-any';
  const percent = 100 * share;
  const digits = Math.abs(percent) >= 10 ? 1 : 2;
  return `${Number(percent.toFixed(digits)).toLocaleString('en-US')} %`;
}

export function formatSignedPercent(share: number | undefined): string {
  const text = formatPercent(share);
  return share !== undefined && share > 0 ? `+${text}` : text;
}

/** A chance that is all but certain is not. */
export function formatChance(chance: number | undefined): string {
  if (chance === undefined) return '-';
  if (chance > 0.999) return '> 99.9 %';
  return chance < 0.001 ? '< 0.1 %' : formatPercent(chance);
}

export function formatP(p: number | undefined): string {
  if (p === undefined) return '-';
  if (p < 0.0001) return '< 0.0001';
  return String(Number(p.toPrecision(2)));
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** Two digits of the width are enough; more where a bound would be 0 that is not. */
export function formatBounds(
  interval: { readonly lower: number; readonly upper: number } | undefined,
  isSigned = true,
): string {
  if (interval === undefined) return '-';
  const { lower, upper } = interval;
  if (!Number.isFinite(lower) && !Number.isFinite(upper)) return 'anything';
  const width = upper - lower;
  let decimals = width > 0 ? Math.max(0, 1 - Math.floor(Math.log10(width))) : DIGITS;
  const hasFalseZero = (): boolean =>
    [lower, upper].some((bound) => bound !== 0 && Number(bound.toFixed(decimals)) === 0);
  while (decimals < DECIMALS_MAX && hasFalseZero()) decimals++;
  const bound = (value: number): string => {
    const text = value.toLocaleString('en-US', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    return isSigned && value > 0 ? `+${text}` : text;
  };
  return `${bound(lower)} to ${bound(upper)}`;
}

/** `2026-03-09 14:05 UTC` */
export function formatTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
