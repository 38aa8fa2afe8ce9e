/**
 * Progress of long work on standard error: a bar on a terminal, else a line now and then. Work that is done sooner
 * than the first line is due prints nothing.
 */
import { SingleBar } from 'cli-progress';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';

export interface Progress {
  /**
   * @param done of `total`, in whatever is counted: bytes, rows, steps
   * @param note what stands behind the percentage: `12,000 rows`
   */
  update(done: number, total: number, note: string): void;
  /** Takes the bar away. */
  stop(): void;
}

/** Where progress is shown; `process.stderr` is one. */
export interface ProgressStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

const LINE_INTERVAL_MS = 5000;

/** @param label what is going on: `loading airports.csv` */
export function createProgress(
  label: string,
  stream: ProgressStream = process.stderr,
  clock: Clock = systemClock,
): Progress {
  return stream.isTTY === true ? createBar(label, stream) : createLines(label, stream, clock);
}

function createBar(label: string, stream: ProgressStream): Progress {
  const bar = new SingleBar({
    stream,
    format: '{label} [{bar}] {percentage} %  {note}',
    barsize: 10,
    clearOnComplete: true,
    // The bar changes no setting of the terminal that an interrupt could leave behind.
    linewrap: true,
    hideCursor: false,
  });
  let isStarted = false;
  return {
    update(done, total, note) {
      if (!isStarted) bar.start(total, 0, { label, note });
      isStarted = true;
      bar.setTotal(total);
      bar.update(done, { note });
    },
    stop: () => bar.stop(),
  };
}

function createLines(label: string, stream: ProgressStream, clock: Clock): Progress {
  let lineMs = clock.nowMs();
  return {
    update(done, total, note) {
      const nowMs = clock.nowMs();
      if (nowMs - lineMs < LINE_INTERVAL_MS) return;
      lineMs = nowMs;
      const percentage = total > 0 ? Math.floor((100 * done) / total) : 100;
      stream.write(`${label}: ${percentage} %, ${note}\n`);
    },
    stop() {},
  };
}
