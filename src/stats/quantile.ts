/** The value below which a share `q` (0 to 1) of sorted values lies: the nearest-rank quantile. */
export function quantileOfSorted(sorted: readonly number[], q: number): number {
  const rank = Math.ceil(q * sorted.length) - 1;
  return sorted[Math.min(Math.max(rank, 0), sorted.length - 1)] ?? Number.NaN;
}
