/** Predictions are logged a moment after they are answered: whoever reads the log at once would miss the last ones. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
const WAIT_MS_MAX = 5000;

/** Those that could not be logged will never be there. */
const ended = ['millrace_prediction_log_written_total', 'millrace_prediction_log_dropped_total'];

/**
 * Resolves when the server has logged so many predictions of an endpoint since its start. A report without some is better
 * than none, so it resolves after some seconds at the latest.
 */
export async function untilLogged(url: string, endpoint: string, count: number): Promise<void> {
  const lateMs = performance.now() + WAIT_MS_MAX;
  while ((await endedCount(url, endpoint)) < count && performance.now() < lateMs) await sleep(POLL_MS);
}

async function endedCount(url: string, endpoint: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return page
    .split('\n')
    .filter((line) => ended.some((name) => line.startsWith(`${name}{endpoint="${endpoint}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
