import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { createBatcher } from '../../src/inference/batcher.ts';
import type { Batcher, BatcherOptions, OutputData, TensorData } from '../../src/inference/batcher.ts';
import { openSession } from '../../src/inference/session.ts';
import type { ModelSession } from '../../src/inference/session.ts';
import { modelPath } from './model-case.ts';
import { RecordingCaller } from './recording-caller.ts';
import type { InputRow } from './recording-caller.ts';

const sessions = new Map<string, ModelSession>();
beforeAll(async () => {
  const names = [
    'identity_float32',
    'identity_string',
    'gather',
    'mixed',
    'fixed_batch_1',
    'rank3',
    'symbolic_width',
  ];
  for (const name of [...names, 'ignores_batch', 'slow', 'heavy']) {
    sessions.set(name, await openSession(modelPath(`${name}.onnx`)));
  }
});
afterAll(() => Promise.all([...sessions.values()].map((session) => session.release())));

/** Rows of each run, in order. */
const runs: number[] = [];
afterEach(() => void runs.splice(0));

function batcherOf(name: string, widths: readonly number[], options: Partial<BatcherOptions> = {}): Batcher {
  const session = sessions.get(name) as ModelSession;
  return createBatcher(session, {
    rowsMax: 256,
    delayMsMax: 0,
    widths,
    onRun: (rows) => runs.push(rows),
    ...options,
  });
}

/** Rows for identity_float32 that tell the caller and the row. */
const pairs = (caller: number, count: number): InputRow[] =>
  Array.from({ length: count }, (_, row) => [[caller, row]]);

/** A row for gather: an index, and a tag that comes back. */
const lookup = (index: number, tag: number): InputRow => [[BigInt(index)], [tag, -tag]];

const codesOf = (caller: RecordingCaller): (string | unknown[][] | undefined)[] =>
  caller.settled.map((outcome) => (outcome instanceof MillraceError ? outcome.code : outcome));

describe('rows of one turn', () => {
  it('share a run, and each caller gets its own back', async () => {
    const batcher = batcherOf('identity_float32', [2]);
    const callers = [pairs(1, 2), pairs(2, 1), pairs(3, 4)].map((rows) => new RecordingCaller(rows));
    for (const caller of callers) batcher.submit(caller, caller.rows.length);
    await batcher.drain();
    expect(runs).toEqual([7]);
    for (const caller of callers) expect(caller.settled).toEqual(caller.rows);
  });

  it('run at the end of the turn without being asked', async () => {
    const batcher = batcherOf('identity_float32', [2]);
    const first = new RecordingCaller(pairs(1, 1));
    const second = new RecordingCaller(pairs(2, 1));
    batcher.submit(first, 1);
    await turn();
    batcher.submit(second, 1);
    await Promise.all([first.done, second.done]);
    expect(runs).toEqual([1, 1]);
  });

  it('are split into batches of at most rowsMax, several of them in flight in order', async () => {
    const batcher = batcherOf('identity_float32', [2], { rowsMax: 4 });
    const small = new RecordingCaller(pairs(1, 3));
    const large = new RecordingCaller(pairs(2, 10));
    batcher.submit(small, 3);
    batcher.submit(large, 10);
    await batcher.drain();
    expect(runs).toEqual([4, 4, 4, 1]);
    expect(small.settled).toEqual(small.rows);
    expect(large.settled).toEqual(large.rows);
    expect(large.slices).toEqual([
      { row: 0, count: 1 },
      { row: 1, count: 4 },
      { row: 5, count: 4 },
      { row: 9, count: 1 },
    ]);
  });

  it('leave the event loop its turns between runs that take long, and share one where they do not', async () => {
    const turnsOf = async (model: string, width: number, rowCount: number): Promise<number> => {
      const batcher = batcherOf(model, [width], { rowsMax: 1 });
      const caller = new RecordingCaller(Array.from({ length: rowCount }, () => [Array(width).fill(1)]));
      batcher.submit(caller, rowCount);
      let turns = 0;
      while (caller.settled.includes(undefined)) {
        turns++;
        await turn();
      }
      expect(runs.splice(0).length).toBe(rowCount);
      return turns;
    };
    expect(await turnsOf('heavy', 1, 4)).toBeGreaterThanOrEqual(4);
    expect(await turnsOf('identity_float32', 2, 40)).toBeLessThan(40);
  });

  it('are not run when nobody waits for them any more', async () => {
    const batcher = batcherOf('identity_float32', [2], { rowsMax: 2 });
    const [first, gone, waiting] = [2, 3, 2].map((rows, n) => new RecordingCaller(pairs(n, rows))) as [
      RecordingCaller,
      RecordingCaller,
      RecordingCaller,
    ];
    batcher.submit(first, 2);
    batcher.submit(gone, 3);
    batcher.submit(waiting, 2);
    gone.gone = true;
    await batcher.drain();
    expect(runs).toEqual([2, 1, 1]);
    expect(gone.settled).toEqual([undefined, undefined, undefined]);
    expect(waiting.settled).toEqual(waiting.rows);
  });

  it('may be none', async () => {
    const batcher = batcherOf('identity_float32', [2]);
    batcher.submit(new RecordingCaller([]), 0);
    await batcher.drain();
    expect(runs).toEqual([]);
  });

  it('of every element type and shape keep to their rows', async () => {
    const batcher = batcherOf('mixed', [3, 1, 1, 1, 2]);
    const rowsOf = (n: number): InputRow => [[n, n, n], [BigInt(n)], [`row ${n}`], [n % 2], [n, n + 0.5]];
    const callers = [[rowsOf(1), rowsOf(2)], [rowsOf(3)]].map((rows) => new RecordingCaller(rows));
    for (const caller of callers) batcher.submit(caller, caller.rows.length);
    await batcher.drain();
    expect(callers[0]?.settled).toEqual([
      [[3], [2n], ['row 1'], [0], [2, 3]],
      [[6], [3n], ['row 2'], [1], [4, 5]],
    ]);
    expect(callers[1]?.settled).toEqual([[[9], [4n], ['row 3'], [0], [6, 7]]]);
  });

  it('may have several dimensions', async () => {
    const batcher = batcherOf('rank3', [6]);
    const caller = new RecordingCaller([[[1, 2, 3, 10, 20, 30]], [[0, 0, 1, 0, 0, 2]]]);
    batcher.submit(caller, 2);
    await caller.done;
    expect(caller.settled).toEqual([[[6, 60]], [[1, 2]]]);
  });

  it('may be as wide as the transforms make them, where the model leaves it open', async () => {
    const batcher = batcherOf('symbolic_width', [3]);
    const caller = new RecordingCaller([[[1, 2, 3]], [[4, 5, 6]]]);
    batcher.submit(caller, 2);
    await caller.done;
    expect(caller.settled).toEqual([
      [[6], [2, 4, 6]],
      [[15], [8, 10, 12]],
    ]);
  });

  it('run one by one through a model that was exported with a batch of 1', async () => {
    const batcher = batcherOf('fixed_batch_1', [2]);
    const caller = new RecordingCaller(pairs(5, 3));
    batcher.submit(caller, 3);
    await caller.done;
    expect(runs).toEqual([1, 1, 1]);
    expect(caller.settled).toEqual(caller.rows);
  });
});

describe('a delay', () => {
  it('lets rows of later turns join the batch', async () => {
    const batcher = batcherOf('identity_float32', [2], { delayMsMax: 60_000, rowsMax: 3 });
    const callers = [1, 2, 3].map((n) => new RecordingCaller(pairs(n, 1)));
    for (const caller of callers) {
      batcher.submit(caller, 1);
      await turn();
    }
    await Promise.all(callers.map((caller) => caller.done));
    expect(runs).toEqual([3]);
  });

  it('ends by itself', async () => {
    const batcher = batcherOf('identity_float32', [2], { delayMsMax: 5 });
    const caller = new RecordingCaller(pairs(1, 2));
    batcher.submit(caller, 2);
    await turn();
    expect(runs).toEqual([]);
    await caller.done;
    expect(runs).toEqual([2]);
  });

  it('ends when the batch is full, and leaves no timer behind', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const timersBefore = timers();
    const batcher = batcherOf('identity_float32', [2], { delayMsMax: 60_000, rowsMax: 2 });
    const caller = new RecordingCaller(pairs(1, 2));
    batcher.submit(caller, 2);
    await caller.done;
    expect(runs).toEqual([2]);
    expect(timers()).toBe(timersBefore);
  });
});

describe('the tensors of a batch', () => {
  it('are used again, but not while a run reads them', async () => {
    const batcher = batcherOf('slow', [1], { rowsMax: 2 });
    const seen: TensorData[] = [];
    class Watching extends RecordingCaller {
      override fill(tensors: readonly TensorData[], at: number, row: number): void {
        seen.push(tensors[0] as TensorData);
        super.fill(tensors, at, row);
      }
    }
    const overlapping = new Watching([[[1]], [[2]], [[3]], [[4]]]);
    batcher.submit(overlapping, 4);
    await overlapping.done;
    const later = new Watching([[[5]]]);
    batcher.submit(later, 1);
    await later.done;
    expect(new Set(seen.slice(0, 4)).size).toBe(2);
    expect(seen.slice(0, 4)).toContain(seen[4]);
    expect(overlapping.settled).toEqual(overlapping.rows);
    expect(later.settled).toEqual(later.rows);
  });

  it('are not written by a caller that submits from its answer', async () => {
    const batcher = batcherOf('identity_float32', [2]);
    const follower = new RecordingCaller(pairs(9, 2));
    class Chaining extends RecordingCaller {
      override answer(outputs: readonly OutputData[], at: number, row: number, count: number): void {
        batcher.submit(follower, 2);
        super.answer(outputs, at, row, count);
      }
    }
    const chaining = new Chaining(pairs(1, 2));
    const neighbour = new RecordingCaller(pairs(2, 2));
    batcher.submit(chaining, 2);
    batcher.submit(neighbour, 2);
    await Promise.all([chaining.done, neighbour.done, follower.done]);
    for (const caller of [chaining, neighbour, follower]) expect(caller.settled).toEqual(caller.rows);
    expect(runs).toEqual([4, 2]);
  });
});

describe('a caller at fault', () => {
  it('fails alone when the model rejects its rows', async () => {
    const batcher = batcherOf('gather', [1, 2]);
    const innocent = Array.from(
      { length: 9 },
      (_, n) => new RecordingCaller([lookup(n, n), lookup(0, n + 100)]),
    );
    const guilty = new RecordingCaller([lookup(1, 50), lookup(99, 51)]);
    for (const caller of innocent.toSpliced(5, 0, guilty)) batcher.submit(caller, 2);
    await batcher.drain();
    expect(codesOf(guilty)).toEqual(['MODEL_FAILED', 'MODEL_FAILED']);
    innocent.forEach((caller, n) => {
      expect(caller.settled).toEqual([
        [[n * 10], [n, -n]],
        [[0], [n + 100, -n - 100]],
      ]);
    });
  });

  it('is left out when it throws while it fills, and the submitter gets the error', async () => {
    const batcher = batcherOf('identity_float32', [2], { rowsMax: 4 });
    class Throwing extends RecordingCaller {
      override fill(tensors: readonly TensorData[], at: number, row: number): void {
        if (row === 5) throw new RangeError('no such row');
        super.fill(tensors, at, row);
      }
    }
    const before = new RecordingCaller(pairs(1, 2));
    const throwing = new Throwing(pairs(2, 6));
    const after = new RecordingCaller(pairs(3, 2));
    batcher.submit(before, 2);
    expect(() => batcher.submit(throwing, 6)).toThrow(RangeError);
    batcher.submit(after, 2);
    await batcher.drain();
    expect(before.settled).toEqual(before.rows);
    expect(after.settled).toEqual(after.rows);
    expect(throwing.slices).toEqual([]);
  });

  it('leaves no empty run behind when it was the only one', async () => {
    const batcher = batcherOf('identity_float32', [2]);
    const caller = new RecordingCaller(pairs(1, 1));
    caller.fill = () => {
      throw new RangeError('no such row');
    };
    expect(() => batcher.submit(caller, 1)).toThrow(RangeError);
    await batcher.drain();
    expect(runs).toEqual([]);
  });

  it('gets INTERNAL when its answer throws, and the others their rows', async () => {
    const batcher = batcherOf('identity_float32', [2]);
    const throwing = new RecordingCaller(pairs(1, 1));
    throwing.answer = () => {
      throw new TypeError('not a number');
    };
    const after = new RecordingCaller(pairs(2, 1));
    batcher.submit(throwing, 1);
    batcher.submit(after, 1);
    await batcher.drain();
    expect(codesOf(throwing)).toEqual(['INTERNAL']);
    expect((throwing.settled[0] as unknown as MillraceError).cause).toBeInstanceOf(TypeError);
    expect(after.settled).toEqual(after.rows);
  });

  it('that throws from fail as well makes a warning, and the others get their rows', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const batcher = batcherOf('identity_float32', [2]);
    const broken = new RecordingCaller(pairs(1, 1));
    broken.answer = broken.fail = () => {
      throw new TypeError('not a number');
    };
    const after = new RecordingCaller(pairs(2, 1));
    batcher.submit(broken, 1);
    batcher.submit(after, 1);
    await batcher.drain();
    expect(after.settled).toEqual(after.rows);
    expect((await warned).message).toBe('not a number');
  });
});

describe('a model that breaks the batch contract', () => {
  it('fails every caller with INVALID_MODEL when an output has no row for each', async () => {
    const batcher = batcherOf('ignores_batch', [2]);
    const callers = [1, 2].map((n) => new RecordingCaller(pairs(n, 1)));
    for (const caller of callers) batcher.submit(caller, 1);
    await batcher.drain();
    for (const { settled } of callers) {
      const error = settled[0] as unknown as MillraceError;
      expect(error.code).toBe('INVALID_MODEL');
      expect(error.message).toContain(
        'the output "y" has the shape [1, 2] for a batch of 2, so it does not tell',
      );
    }
  });

  it('fails rather than give the column of a neighbour', async () => {
    const batcher = batcherOf('symbolic_width', [2], { outputWidthsMin: [0, 3] });
    const caller = new RecordingCaller([[[1, 2]], [[3, 4]]]);
    batcher.submit(caller, 2);
    await caller.done;
    const error = caller.settled[0] as unknown as MillraceError;
    expect(error.code).toBe('INVALID_MODEL');
    expect(error.message).toContain('the output "double" has 2 columns, and model.yaml takes [2] of it.');
  });

  it('is not made with widths that its inputs do not take', () => {
    expect(() => batcherOf('rank3', [5])).toThrow(
      'The input "x" [batch, 2, 3] takes 6 values per row, not 5.',
    );
  });
});

describe('close', () => {
  it('settles what was submitted and refuses the rest', async () => {
    const batcher = batcherOf('identity_float32', [2], { delayMsMax: 60_000 });
    const caller = new RecordingCaller(pairs(1, 3));
    batcher.submit(caller, 3);
    const closed = batcher.close();
    expect(() => batcher.submit(new RecordingCaller(pairs(2, 1)), 1)).toThrow(MillraceError);
    await closed;
    expect(caller.settled).toEqual(caller.rows);
  });

  it('of a batcher whose session was released first fails the callers with NOT_READY', async () => {
    const session = await openSession(modelPath('identity_float32.onnx'));
    const batcher = createBatcher(session, { rowsMax: 4, delayMsMax: 0, widths: [2] });
    const caller = new RecordingCaller(pairs(1, 1));
    batcher.submit(caller, 1);
    await session.release();
    await batcher.close();
    expect(codesOf(caller)).toEqual(['NOT_READY']);
  });
});

describe('onRun', () => {
  it('tells the rows and the time of each run', async () => {
    const onRun = vi.fn<(rows: number, durationMs: number) => void>();
    const batcher = batcherOf('slow', [1], { onRun });
    const caller = new RecordingCaller([[[1]], [[2]], [[3]]]);
    batcher.submit(caller, 3);
    await caller.done;
    const anyNumber: unknown = expect.any(Number);
    expect(onRun).toHaveBeenCalledExactlyOnceWith(3, anyNumber, anyNumber);
    expect(onRun.mock.calls[0]?.[1]).toBeGreaterThan(0.5);
  });
});
