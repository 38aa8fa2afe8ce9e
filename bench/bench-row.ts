/** One line of a benchmark's result. */
export interface BenchRow {
  readonly name: string;
  readonly perSecond: number;
  /** The row that this one is measured against. */
  readonly ratioTo?: string;
  /** Median of the rounds' own ratios: `perSecond` of this row by that of the other. */
  readonly ratio?: number;
  /** Least and greatest ratio of a round. */
  readonly ratioSpread?: readonly [number, number];
  /** What the ratio must reach: `>= 10`. */
  readonly target?: string;
}
