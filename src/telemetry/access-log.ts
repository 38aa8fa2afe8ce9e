/**
 * A line for each request of a sample, and for those that were refused or failed. Lines are written in blocks and in the
 * background, where the log of the server writes each at once: that would hold up the event loop at every request.
 *
 * - Of what was refused or failed, and is not in the sample, at most UNSAMPLED_MAX lines a second are written: a flood
 *   must not fill the disk. What is left out is counted, and told once the second is over.
 * - A block holds whole lines and is no longer than a pipe takes in one piece, so lines of several writers stay whole.
 * - What nobody reads is kept up to WAITING_BYTES_MAX; then lines are lost, and counted.
 * - A process that is killed loses what is less than FLUSH_MS old.
 */
import { destination, pino } from 'pino';
import type { Log } from './log.ts';
import { isoTime } from './log.ts';
import type { Counter, Metrics } from './metrics.ts';
import type { SpanIds } from './tracing.ts';

export interface AccessLogOptions {
  /** Of all requests, the part that has a line, from 0 to 1. */
  readonly share: number;
  /** The file to append to; default: standard output. */
  readonly path?: string | undefined;
}

/** Undefined = does not apply, or is not known. */
export interface AccessLine extends Partial<SpanIds> {
  readonly method: string;
  readonly route: string;
  readonly endpoint: string | undefined;
  /** As over HTTP; 0 = the caller hung up. */
  readonly status: number;
  readonly duration_ms: number;
  readonly request_id: string;
  /** Of whoever called. */
  readonly key: string | undefined;
  readonly bytes_in: number | undefined;
  readonly bytes_out: number | undefined;
  readonly user_agent: string | undefined;
  readonly error: string | undefined;
}

export interface AccessLog {
  /** Whether the next request is in the sample. */
  samples(): boolean;
  write(line: AccessLine, isSampled: boolean): void;
  /** Resolves when all lines are written. */
  close(): Promise<void>;
}

const UNSAMPLED_MAX = 100;
const WINDOW_MS = 1000;
const FLUSH_MS = 1000;
/** What Linux writes into a pipe in one piece. */
const BLOCK_BYTES_MAX = 4096;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
const alwaysLogged: ReadonlySet<number> = new Set([401, 403, 429]);

/** @param log whose names and numbers of the process its lines bear */
export function createAccessLog({ share, path }: AccessLogOptions, log: Log, metrics: Metrics): AccessLog {
  const stream = destination({
    dest: path ?? 1,
    sync: false,
    minLength: BLOCK_BYTES_MAX / 2,
    maxWrite: BLOCK_BYTES_MAX,
    maxLength: WAITING_BYTES_MAX,
    periodicFlush: FLUSH_MS,
  });
  const lines = pino(
    {
      base: log.bindings(),
      level: 'info',
      formatters: { level: (label: string) => ({ level: label }) },
      timestamp: isoTime,
    },
    stream,
  );
  const count = (to: string): Counter =>
    metrics.counter('millrace_access_log_lines_total', 'Lines of the access log, by what became of them.', {
      to,
    });
  const counts = { written: count('written'), suppressed: count('suppressed'), lost: count('lost') };
  stream.on('drop', () => counts.lost.add(1));
  // Where nobody reads the output any more, the server goes on.
  stream.on('error', () => counts.lost.add(1));
  const limit = createLimit((suppressed) =>
    lines.warn({ suppressed }, 'lines of the access log were left out'),
  );
  return {
    samples: () => share >= 1 || Math.random() < share,
    write(line, isSampled) {
      if (!isSampled) {
        if (line.status < 500 && !alwaysLogged.has(line.status)) return;
        if (!limit.takes()) return counts.suppressed.add(1);
      }
      counts.written.add(1);
      lines.info(line, 'request');
    },
    close: async () => {
      limit.close();
      await new Promise<void>((resolve) => {
        stream.once('close', resolve).once('error', () => resolve());
        stream.end();
      });
    },
  };
}

interface Limit {
  takes(): boolean;
  close(): void;
}

/** @param tell how many were not taken, once their second is over */
function createLimit(tell: (suppressed: number) => void): Limit {
  let taken = 0;
  let suppressed = 0;
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (suppressed > 0) tell(suppressed);
    taken = 0;
    suppressed = 0;
  };
  return {
    takes() {
      timer ??= setTimeout(end, WINDOW_MS).unref();
      if (taken < UNSAMPLED_MAX) {
        taken++;
        return true;
      }
      suppressed++;
      return false;
    },
    close: end,
  };
}
