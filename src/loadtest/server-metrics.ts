/** What the server's own metrics say of a measurement: the rows of its runs, and its memory. */
import { keyHeaders } from './caller.ts';
import type { Target } from './caller.ts';

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

export interface ServerMetrics {
  /** Undefined where the server has none: it need not be Millrace. */
  readonly batches: BatchCounters | undefined;
  /** Resident, over all its processes; null where it does not tell. */
  readonly memoryBytes: number | null;
}

// Nothing in them runs over the end of a line: that would take a time that grows with the square of the text.
const batchSample = /^millrace_batch_rows_(bucket|sum)\{([^}\n]*)\} (\S+)$/gm;
const memorySample = /^process_resident_memory_bytes(?:\{[^}\n]*\})? (\S+)$/gm;
const SCRAPE_TIMEOUT_MS = 5000;
/** More than any server's metrics; another server may answer without end. */
const SCRAPE_BYTES_MAX = 16 * 1024 * 1024;

/** Undefined where the server has no metrics, or none for this key. */
export async function scrapeServer(
  target: Pick<Target, 'address' | 'key'>,
): Promise<ServerMetrics | undefined> {
  try {
    const answer = await fetch(`${target.address.origin}/metrics`, {
      headers: keyHeaders(target),
      signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS),
    });
    if (!answer.ok || answer.body === null) return undefined;
    const text = await textUpTo(answer.body as ReadableStream<Uint8Array>, SCRAPE_BYTES_MAX);
    return text === undefined
      ? undefined
      : { batches: readBatchCounters(text), memoryBytes: readMemoryBytes(text) };
  } catch {
    return undefined;
  }
}

async function textUpTo(body: ReadableStream<Uint8Array>, bytesMax: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

export function readMemoryBytes(text: string): number | null {
  const samples = [...text.matchAll(memorySample)].map(([, value]) => Number(value));
  return samples.length === 0 ? null : samples.reduce((sum, bytes) => sum + bytes);
}

export function readBatchCounters(text: string): BatchCounters | undefined {
  const runsUpTo = new Map<number, number>();
  let rows = 0;
  for (const [, kind, labels = '', value] of text.matchAll(batchSample)) {
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
