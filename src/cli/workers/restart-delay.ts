/** When a worker that ended by itself is started again: at once the first time, then later and later. */

const FIRST_DELAY_MS = 100;
const DELAY_MS_MAX = 30_000;
/** A worker that served this long was sound: what ends it then is a new failure, not the last one again. */
const SOUND_MS = 60_000;

/** @param failures ends in a row, this one included */
export function restartDelayMs(failures: number): number {
  return Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** (failures - 1));
}

/** @param servedMs how long the worker that ended had been ready */
export function failuresInRow(before: number, servedMs: number): number {
  return servedMs >= SOUND_MS ? 1 : before + 1;
}
