import { chiSquareTail } from './chi-square-tail.ts';
import { requireCount, requireSameLength } from './require-range.ts';

export interface ContingencyTest {
  readonly statistic: number;
  readonly degreesOfFreedom: number;
  readonly p: number;
  /** Strength of the dependence, from 0 to 1, whatever the number of units. */
  readonly cramersV: number;
}

/**
 * Pearson's chi-square test that rows and columns are independent, such as the arms of two experiments. Rows and
 * columns without any unit are left out; a table with fewer than two of either depends on nothing.
 *
 * @param table counts, by row and column
 */
export function contingencyTest(table: readonly (readonly number[])[]): ContingencyTest {
  const rows = table.map(sumOfCounts);
  const [header = []] = table;
  const columns = header.map((_, column) => sumOfCounts(table.map((row) => row[column] as number)));
  const total = sumOfCounts(rows);
  let statistic = 0;
  for (const [index, row] of table.entries()) {
    requireSameLength('columns of each row', header, row);
    for (const [column, count] of row.entries()) {
      const expected = ((rows[index] as number) * (columns[column] as number)) / total;
      if (expected > 0) statistic += (count - expected) ** 2 / expected;
    }
  }
  const spare = Math.min(filled(rows), filled(columns)) - 1;
  if (spare < 1) return { statistic: 0, degreesOfFreedom: 0, p: 1, cramersV: 0 };
  const degreesOfFreedom = (filled(rows) - 1) * (filled(columns) - 1);
  const p = chiSquareTail(statistic, degreesOfFreedom);
  return { statistic, degreesOfFreedom, p, cramersV: Math.min(Math.sqrt(statistic / (total * spare)), 1) };
}

function sumOfCounts(counts: readonly number[]): number {
  let sum = 0;
  for (const count of counts) {
    requireCount('count', count);
    sum += count;
  }
  return sum;
}

function filled(sums: readonly number[]): number {
  return sums.filter((sum) => sum > 0).length;
}
