/**
 * Runs that nobody shares: of models whose inputs or outputs have no batch, and of rows that are wider or narrower than
 * those of others. They wait for each other, and what waits is bounded.
 */
import type { ModelSession, TensorValue } from '../inference/session.ts';
import type { RunObservers } from './batchers.ts';
import { overloaded } from './overloaded.ts';
import type { CheckedInference } from './raw-inference.ts';

export interface LoneRuns {
  /**
   * @returns one tensor for each output of `fetch`; undefined = nobody waited any more when its turn came
   * @throws MillraceError OVERLOADED if too many rows wait, and as `ModelSession.run`
   */
  run(inference: CheckedInference, isGone: () => boolean): Promise<readonly TensorValue[] | undefined>;
}

export function createLoneRuns(
  session: ModelSession,
  queueRowsMax: number,
  { onRun, onRefuse }: RunObservers,
): LoneRuns {
  const waiting: (() => void)[] = [];
  let running = 0;
  let queueRows = 0;
  const runsMax = Math.max(1, session.threads);

  const turn = async (rows: number): Promise<void> => {
    if (running < runsMax) {
      running++;
      return;
    }
    if (queueRows > 0 && queueRows + rows > queueRowsMax) {
      onRefuse('queue_full');
      throw overloaded();
    }
    queueRows += rows;
    await new Promise<void>((resolve) => waiting.push(resolve));
    queueRows -= rows;
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  };
  return {
    async run({ tensors, fetch, rows = 1 }, isGone) {
      const cameMs = performance.now();
      await turn(rows);
      try {
        if (isGone()) return undefined;
        const startedMs = performance.now();
        const results = await session.run(tensors, fetch);
        onRun(rows, performance.now() - startedMs, startedMs - cameMs);
        return results;
      } finally {
        leave();
      }
    },
  };
}
