/**
 * What sharing runs gains: requests of one row through the 32-64-32-1 network, with 1, 64 and 256 of them waiting at
 * once. Each request is either a run by itself, or goes through the batcher. Medians of interleaved rounds.
 *
 *     npx tsx bench/inference.ts
 */
import { fileURLToPath } from 'node:url';
import type { BatchCaller, Batcher, OutputData, TensorData } from '../src/inference/batcher.ts';
import { createBatcher } from '../src/inference/batcher.ts';
import { openSession } from '../src/inference/session.ts';
import type { ModelSession } from '../src/inference/session.ts';
import { median } from './median.ts';

export interface InferenceBenchRow {
  readonly name: string;
  /** Requests that wait at once. */
  readonly concurrency: number;
  readonly rowsPerSecond: number;
}

const WIDTH = 32;
const ROUNDS = 9;
const ROUND_MS = 150;
const CONCURRENCIES = [1, 64, 256];

type Round = (concurrency: number) => Promise<number>;

export async function benchInference(): Promise<InferenceBenchRow[]> {
  const path = fileURLToPath(new URL('../test/cases/models/mlp.onnx', import.meta.url));
  const session = await openSession(path);
  const batcher = createBatcher(session, { rowsMax: 256, delayMsMax: 0, widths: [WIDTH] });
  const contenders: Record<string, Round> = {
    'a run per request': (concurrency) => roundOfRuns(session, concurrency),
    'shared runs': (concurrency) => roundOfBatches(batcher, concurrency),
  };
  const results: InferenceBenchRow[] = [];
  for (const concurrency of CONCURRENCIES) {
    const rates = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, run] of Object.entries(contenders)) rates.get(name)?.push(await run(concurrency));
    }
    for (const [name, found] of rates) results.push({ name, concurrency, rowsPerSecond: median(found) });
  }
  await batcher.close();
  await session.release();
  return results;
}

const features = Float32Array.from({ length: WIDTH }, (_, i) => i / WIDTH);

/** Rows per second of requests that run alone; each sends the next when it is answered. */
async function roundOfRuns(session: ModelSession, concurrency: number): Promise<number> {
  const startedMs = performance.now();
  const endMs = startedMs + ROUND_MS;
  let rows = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const [score] = await session.run([{ data: Float32Array.from(features), dims: [1, WIDTH] }]);
      rows += score?.data.length ?? 0;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  return (rows / (performance.now() - startedMs)) * 1000;
}

/** The same through the batcher. */
async function roundOfBatches(batcher: Batcher, concurrency: number): Promise<number> {
  const startedMs = performance.now();
  const endMs = startedMs + ROUND_MS;
  const clients = Array.from({ length: concurrency }, () => new Client(batcher, endMs));
  await Promise.all(clients.map((client) => client.done));
  const rows = clients.reduce((sum, client) => sum + client.rows, 0);
  return (rows / (performance.now() - startedMs)) * 1000;
}

class Client implements BatchCaller {
  rows = 0;
  readonly done: Promise<void>;
  private readonly batcher: Batcher;
  private readonly endMs: number;
  private resolve: () => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;

  constructor(batcher: Batcher, endMs: number) {
    this.batcher = batcher;
    this.endMs = endMs;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    batcher.submit(this, 1);
  }

  fill(tensors: readonly TensorData[], at: number): void {
    (tensors[0] as Float32Array).set(features, at * WIDTH);
  }

  answer(_outputs: readonly OutputData[], _at: number, _row: number, count: number): void {
    this.rows += count;
    if (performance.now() < this.endMs) this.batcher.submit(this, 1);
    else this.resolve();
  }

  isGone(): boolean {
    return false;
  }

  fail(error: Error): void {
    this.reject(error);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, concurrency, rowsPerSecond } of await benchInference()) {
    const rate = Math.round(rowsPerSecond).toLocaleString('en');
    console.log(`${String(concurrency).padStart(4)} waiting  ${name.padEnd(18)} ${rate.padStart(11)} rows/s`);
  }
}
