/**
 * Who has changed what: a line of JSON for each write, appended to a file. Lines are gathered for up to 100 ms and appended
 * whole in one call, so several processes may append to one file, and nothing is waited for: a call never fails for its audit.
 * What cannot be written is kept within a bound and tried again (then some lines may stand there twice); what is beyond it is counted, and logged.
 *
 * The lines are with the system when `append` of the file has returned, and survive the end of the process; they are not
 * synced, so a machine that loses its power loses the last seconds.
 *
 * A file that has grown is renamed to `audit.<time>.<process>.ndjson`. The name is new, so that of two processes that do it at
 * once neither takes the other's lines away.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { JsonObject } from '../project/json-text.ts';
import { jsonText } from '../project/json-text.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Principal } from './access.ts';

export interface AuditEntry {
  readonly requestId: string;
  /** Undefined = the server is open, and the caller showed nothing. */
  readonly principal: Pick<Principal, 'id' | 'name'> | undefined;
  /** The name of the call, as in metrics. */
  readonly action: string;
  /** What was changed: an endpoint, a feature view, a model. */
  readonly target?: string | undefined;
  /** As it was answered. */
  readonly status: number;
  /** Of a call that failed. */
  readonly code?: string | undefined;
  /** Counts, versions: never values of features. */
  readonly details?: JsonObject | undefined;
}

export interface AuditLog {
  record(entry: AuditEntry): void;
  /** Writes what is still to be written. */
  close(): Promise<void>;
}

export interface AuditLogOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** From this size on the file is put aside, and a new one begun. */
  readonly fileBytesMax?: number;
}

const AUDIT_FILE_MODE = 0o600;
const GATHER_MS = 100;
const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** Files that were put aside; the oldest beyond them are deleted. */
const FILES_KEPT = 5;
const asidePattern = /\.\d{4}-\d\d-\d\dT[\d-]+Z\.\d+\.\w+$/;
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { file, clock, log, metrics, fileBytesMax = FILE_BYTES_MAX } = options;
  const written = metrics.counter('millrace_audit_lines_total', 'Lines of the audit log.', { to: 'written' });
  const lost = metrics.counter('millrace_audit_lines_total', 'Lines of the audit log.', { to: 'lost' });
  const appender = createAppender(file, fileBytesMax, clock);
  let lines: string[] = [];
  let waitingBytes = 0;
  let isFailing = false;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> = Promise.resolve();

  const flush = async (): Promise<void> => {
    timer = undefined;
    if (lines.length === 0) return;
    const taken = lines;
    const takenBytes = waitingBytes;
    lines = [];
    waitingBytes = 0;
    try {
      await appender.append(taken.join(''));
      written.add(taken.length);
      isFailing = false;
    } catch (error) {
      if (!isFailing)
        log.error({ file, err: error }, 'the audit log cannot be written; its lines are kept for now');
      isFailing = true;
      lines = [...taken, ...lines];
      waitingBytes += takenBytes;
      schedule();
    }
  };
  const schedule = (): void => {
    timer ??= setTimeout(() => {
      flushing = flushing.then(flush);
    }, GATHER_MS);
  };

  return {
    record(entry) {
      const line = lineOf(entry, clock.nowMs());
      if (waitingBytes + line.length > WAITING_BYTES_MAX) {
        lost.add(1);
        return;
      }
      lines.push(line);
      waitingBytes += line.length;
      schedule();
    },
    async close() {
      clearTimeout(timer);
      await flushing.then(flush);
      clearTimeout(timer);
      if (lines.length > 0) {
        lost.add(lines.length);
        log.error({ file, lines: lines.length }, 'lines of the audit log were lost');
      }
      await appender.close();
    },
  };
}

function lineOf(entry: AuditEntry, timeMs: number): string {
  const { requestId, principal, action, target, status, code, details } = entry;
  const line = {
    time: new Date(timeMs).toISOString(),
    request_id: requestId,
    principal: principal === undefined ? null : { id: principal.id, name: principal.name },
    action,
    target,
    status,
    code,
    details,
  };
  return `${jsonText(line)}\n`;
}

interface Appender {
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

function createAppender(file: string, fileBytesMax: number, clock: Clock): Appender {
  let handle: FileHandle | undefined;
  /** A write that failed may have left half of a line. */
  let isBroken = false;

  const close = async (): Promise<void> => {
    const closing = handle;
    handle = undefined;
    await closing?.close();
  };
  /** The file that has the name now: another process may have put aside the one that is open. */
  const current = async (): Promise<FileHandle> => {
    if (handle !== undefined) {
      const own = await handle.stat();
      const named = await stat(file).catch(() => undefined);
      const isCurrent = named?.ino === own.ino && named.dev === own.dev;
      if (isCurrent && own.size < fileBytesMax) return handle;
      await close();
      if (isCurrent) await putAside(file, clock.nowMs());
    }
    await mkdir(dirname(file), { recursive: true });
    return (handle = await open(file, 'a', AUDIT_FILE_MODE));
  };
  return {
    async append(text) {
      const to = await current();
      const bytes = Buffer.from(isBroken ? `\n${text}` : text);
      isBroken = true;
      // One call of the system, which no other process can write into the middle of.
      const { bytesWritten } = await to.write(bytes);
      if (bytesWritten < bytes.length) throw new Error('the disk took a part of the lines only');
      isBroken = false;
    },
    close,
  };
}

async function putAside(file: string, nowMs: number): Promise<void> {
  const folder = dirname(file);
  const ending = extname(file);
  const start = basename(file, ending);
  const time = new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-');
  await rename(file, join(folder, `${start}.${time}.${process.pid}${ending}`));
  const isAside = (name: string): boolean =>
    name.startsWith(`${start}.`) && name.endsWith(ending) && asidePattern.test(name);
  // The time is the first part of the name in which they differ.
  const aside = (await readdir(folder)).filter(isAside).sort();
  const old = aside.slice(0, Math.max(0, aside.length - FILES_KEPT));
  await Promise.all(old.map(async (name) => rm(join(folder, name), { force: true })));
}
