/**
 * Whether a number can be summed with its like: of larger ones the squares are not numbers any more, so they count as
 * none.
 */
export function isAddable(value: number): boolean {
  return value >= -1e100 && value <= 1e100;
}
