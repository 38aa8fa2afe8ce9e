/**
 * How long a run takes by itself, also in a process that is busy: models are loaded while others answer. The least of
 * several is told, for the others hold what else the machine did. A short run that was interrupted looks like a long one,
 * for as long as the turn of another process takes (up to ten milliseconds or so), so the runs go on until that could not
 * have been the reason.
 */
import type { ModelSession, TensorValue } from './session.ts';

const RUNS = 5;
const SPENT_MS_MAX = 25;
/** A first run that took less is made once more in any case. */
const ONCE_MORE_MS_MAX = 200;

/**
 * @param clock milliseconds from any time on
 * @returns milliseconds, of the fastest of five runs; of fewer where they take longer than 25 ms together
 */
export async function leastRunMs(
  session: ModelSession,
  inputs: readonly TensorValue[],
  fetch?: readonly number[],
  clock: () => number = () => performance.now(),
): Promise<number> {
  let leastMs = Infinity;
  let spentMs = 0;
  for (let i = 0; i < RUNS; i++) {
    if (spentMs > (i === 1 ? ONCE_MORE_MS_MAX : SPENT_MS_MAX)) break;
    const durationMs = await runMs(session, inputs, fetch, clock);
    leastMs = Math.min(leastMs, durationMs);
    spentMs += durationMs;
  }
  return leastMs;
}

async function runMs(
  session: ModelSession,
  inputs: readonly TensorValue[],
  fetch: readonly number[] | undefined,
  clock: () => number,
): Promise<number> {
  let startedMs = clock();
  // On the event loop the runtime defers a run to the end of the turn. What else is done in the turn is not its time.
  if (session.threads === 0) setImmediate(() => (startedMs = clock()));
  await session.run(inputs, fetch);
  return clock() - startedMs;
}
