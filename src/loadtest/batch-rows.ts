/** How many rows the server put into each run of a model, from its metrics before and after. */
import type { Address } from './address.ts';

/** Runs by their number of rows. */
export interface BatchRows {
  readonly runs: number;
  readonly rowsMean: number;
  /** Runs with at most `rowsMax` rows, and more than the bucket before. */
  readonly buckets: readonly { readonly rowsMax: number; readonly runs: number }[];
}

/** Sums over endpoints and models: the cumulated runs by bound, and all rows. */
export interface BatchCounters {
  readonly rows: number;
  readonly runsUpTo: ReadonlyMap<number, number>;
}

const sample = /^millrace_batch_rows_(bucket|sum)\{([^}]*)\} (\S+)$/gm;
const SCRAPE_TIMEOUT_MS = 5000;

/** Undefined where the server has no such metrics: it need not be Millrace. */
export async function scrapeBatchRows({ origin }: Address): Promise<BatchCounters | undefined> {
  try {
    const answer = await fetch(`${origin}/metrics`, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) });
    return answer.ok ? readBatchCounters(await answer.text()) : undefined;
  } catch {
    return undefined;
  }
}

export function readBatchCounters(text: string): BatchCounters | undefined {
  const runsUpTo = new Map<number, number>();
  let rows = 0;
  for (const [, kind, labels = '', value] of text.matchAll(sample)) {
    const bound = /\ble="([^"]+)"/.exec(labels)?.[1];
    if (kind === 'sum') rows += Number(value);
    else if (bound !== undefined) {
      const rowsMax = bound === '+Inf' ? Infinity : Number(bound);
      runsUpTo.set(rowsMax, (runsUpTo.get(rowsMax) ?? 0) + Number(value));
    }
  }
  return runsUpTo.size === 0 ? undefined : { rows, runsUpTo };
}

export function batchRowsBetween(before: BatchCounters, after: BatchCounters): BatchRows {
  const bounds = [...after.runsUpTo.keys()].toSorted((a, b) => a - b);
  const runsUpTo = bounds.map(
    (bound) => (after.runsUpTo.get(bound) ?? 0) - (before.runsUpTo.get(bound) ?? 0),
  );
  const runs = runsUpTo.at(-1) ?? 0;
  return {
    runs,
    rowsMean: runs === 0 ? 0 : (after.rows - before.rows) / runs,
    buckets: bounds.map((rowsMax, b) => ({
      rowsMax,
      runs: (runsUpTo[b] as number) - (runsUpTo[b - 1] ?? 0),
    })),
  };
}
