/** Generated traffic against several models at once: whatever the mix, each caller gets its own rows and no others. */
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { createBatcher } from '../../src/inference/batcher.ts';
import type { Batcher, OutputData, TensorData } from '../../src/inference/batcher.ts';
import { createExitGuard } from '../../src/inference/exit-guard.ts';
import { openSession } from '../../src/inference/session.ts';
import type { ModelSession } from '../../src/inference/session.ts';
import { openWorkerSession } from '../../src/inference/worker-session.ts';
import { modelPath } from './model-case.ts';
import { RecordingCaller } from './recording-caller.ts';
import type { InputRow, OutputRow } from './recording-caller.ts';

/** One model of the traffic: rows that tell the caller and the row, and what must come back for them. */
interface Lane {
  readonly file: string;
  readonly widths: readonly number[];
  input(caller: number, row: number): InputRow;
  output(caller: number, row: number): OutputRow;
}

const lanes: readonly Lane[] = [
  {
    file: 'identity_float32.onnx',
    widths: [2],
    input: (caller, row) => [[caller, row]],
    output: (caller, row) => [[caller, row]],
  },
  {
    file: 'identity_string.onnx',
    widths: [2],
    input: (caller, row) => [[`caller ${caller}`, `row ${row}`]],
    output: (caller, row) => [[`caller ${caller}`, `row ${row}`]],
  },
  {
    file: 'gather.onnx',
    widths: [1, 2],
    input: (caller, row) => [[BigInt((caller + row) % 10)], [caller, row]],
    output: (caller, row) => [[((caller + row) % 10) * 10], [caller, row]],
  },
];
const GATHER = 2;

type Fault = 'none' | 'rejected' | 'fill' | 'answer';

interface Step {
  readonly lane: number;
  readonly rows: number;
  readonly fault: Fault;
  /** Whether the event loop turns after this submission. */
  readonly pause: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  lane: fc.nat(lanes.length - 1),
  rows: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 6, max: 40 })),
  fault: fc.oneof(
    { weight: 5, arbitrary: fc.constant<Fault>('none') },
    { weight: 1, arbitrary: fc.constantFrom<Fault>('rejected', 'fill', 'answer') },
  ),
  pause: fc.boolean(),
});

class Client extends RecordingCaller {
  readonly id: number;
  readonly step: Step;

  constructor(id: number, { lane, rows, fault, pause }: Step) {
    super(Array.from({ length: rows }, (_, row) => (lanes[lane] as Lane).input(id, row)));
    this.id = id;
    this.step = { lane, rows, pause, fault: fault === 'rejected' && lane !== GATHER ? 'none' : fault };
  }

  override fill(tensors: readonly TensorData[], at: number, row: number): void {
    const last = row === this.step.rows - 1;
    if (this.step.fault === 'fill' && last) throw new RangeError(`client ${this.id}`);
    super.fill(tensors, at, row);
    if (this.step.fault === 'rejected' && last) (tensors[0] as BigInt64Array)[at] = 99n;
  }

  override answer(outputs: readonly OutputData[], at: number, row: number, count: number): void {
    if (this.step.fault === 'answer') throw new TypeError(`client ${this.id}`);
    super.answer(outputs, at, row, count);
  }

  /** What came back for each row: its outputs, the code of its error, or nothing. */
  found(): (OutputRow | string | undefined)[] {
    return this.settled.map((outcome) => (outcome instanceof MillraceError ? outcome.code : outcome));
  }

  expected(): (OutputRow | string | undefined)[] {
    const { lane, rows, fault } = this.step;
    // The model rejects a slice as a whole; rows of the same caller in other batches are answered.
    const rejected = this.slices.find(({ row, count }) => row + count === rows);
    return this.rows.map((_, row) => {
      if (fault === 'fill') return undefined;
      if (fault === 'answer') return 'INTERNAL';
      if (fault === 'rejected' && row >= (rejected?.row ?? 0)) return 'MODEL_FAILED';
      return (lanes[lane] as Lane).output(this.id, row);
    });
  }
}

type Place = 'the event loop' | 'worker threads';

const sessions: Record<Place, ModelSession[]> = { 'the event loop': [], 'worker threads': [] };
beforeAll(async () => {
  const exitGuard = createExitGuard();
  for (const { file } of lanes) {
    sessions['the event loop'].push(await openSession(modelPath(file)));
    sessions['worker threads'].push(await openWorkerSession(modelPath(file), { threads: 2, exitGuard }));
  }
});
afterAll(() =>
  Promise.all(Object.values(sessions).flatMap((opened) => opened.map((each) => each.release()))),
);

async function drive(batchers: readonly Batcher[], steps: readonly Step[]): Promise<Client[]> {
  const clients = steps.map((each, id) => new Client(id, each));
  for (const client of clients) {
    try {
      (batchers[client.step.lane] as Batcher).submit(client, client.step.rows);
    } catch (error) {
      // Only its own fault comes back to the submitter.
      if (client.step.fault !== 'fill' || String(error) !== `RangeError: client ${client.id}`) throw error;
    }
    if (client.step.pause) await turn();
  }
  await Promise.all(batchers.map((batcher) => batcher.close()));
  return clients;
}

const options = [
  { rowsMax: 1, delayMsMax: 0 },
  { rowsMax: 3, delayMsMax: 0 },
  { rowsMax: 7, delayMsMax: 1 },
  { rowsMax: 256, delayMsMax: 0 },
  { rowsMax: 256, delayMsMax: 2 },
];

describe.each([
  { place: 'the event loop', numRuns: 60 },
  { place: 'worker threads', numRuns: 20 },
] as const)('models on $place', ({ place, numRuns }) => {
  it.each(options)(
    'give each caller its own rows: $rowsMax rows a batch, $delayMsMax ms delay',
    async (batching) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
          const runRows: number[] = [];
          const batchers = sessions[place].map((session, lane) => {
            const { widths } = lanes[lane] as Lane;
            return createBatcher(session, { ...batching, widths, onRun: (rows) => runRows.push(rows) });
          });
          const clients = await drive(batchers, steps);
          expect(clients.map((client) => client.found())).toEqual(clients.map((client) => client.expected()));
          expect(Math.max(0, ...runRows)).toBeLessThanOrEqual(batching.rowsMax);
        }),
        { numRuns },
      );
    },
  );
});
