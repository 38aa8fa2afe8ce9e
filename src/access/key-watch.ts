/**
 * The keyring of a file of keys, which follows the file: it is looked at every second, so keys are made, rotated and revoked
 * without a restart. A file that cannot be used any more keeps the keys that were in it, and is logged: a slip of an editor must
 * not lock out all callers, and neither it nor a deletion may open the server to everybody. A file that is optional leaves a
 * marker beside it when it was read: processes that start later know by it that a missing file means no keys, not no need of them.
 */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { closedMarkerOf, isMarkedClosed, markClosed, readKeyFile, statKeyFile } from './key-file.ts';
import { createKeyring } from './keyring.ts';
import type { Keyring } from './keyring.ts';

export interface KeyWatch {
  readonly keyring: Pick<Keyring, 'authenticate' | 'size'>;
  /** There is a file of keys, or there was one: from then on a call needs a key, also when the file holds none. */
  readonly hasKeys: boolean;
  /** Looks at the file now. Resolves when what it holds counts; never rejects. */
  reload(): Promise<void>;
  close(): void;
}

export interface KeyWatchOptions {
  readonly file: string;
  /** A file that is not there yet is no mistake: there are no keys until it is. */
  readonly isOptional: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** The part of each rate that this process gives out: of N processes, 1/N. */
  readonly share: number;
  readonly intervalMs?: number;
}

const INTERVAL_MS = 1000;
/** What tells one state of a file from another; a file that is renamed over another has another inode. */
const MISSING = 'missing';

/** @throws MillraceError KEYS_FAILED when the file has mistakes, or must be there and is not */
export async function watchKeyFile(options: KeyWatchOptions): Promise<KeyWatch> {
  const { file, isOptional, clock, log, share, intervalMs = INTERVAL_MS } = options;
  const keyring = createKeyring(clock, share);
  let seen = MISSING;
  /** The state that was last complained of. */
  let told: string | undefined;
  let hasKeys = false;
  let looking: Promise<void> | undefined;

  /** The state is from before it is read: what is written in between has another one, and is read the next time. */
  const read = async (state: string): Promise<void> => {
    const records = await readKeyFile(file);
    if (records === undefined) throw missing(file);
    keyring.replace(records);
    hasKeys = true;
    seen = state;
    if (isOptional) await leaveMarker(file, log);
    log.info({ file, keys: records.length }, 'keys read');
  };
  /** There is no file; whether there was one is asked as long as this server lets everybody in. */
  const closeIfMarked = async (): Promise<void> => {
    if (hasKeys || !(await isClosed(file))) return;
    hasKeys = true;
    log.warn({ file }, noKeysLeft(file));
  };
  const look = async (): Promise<void> => {
    const state = await stateOf(file);
    if (state === MISSING) await closeIfMarked();
    if (state === seen) {
      told = undefined;
      return;
    }
    try {
      await read(state);
      told = undefined;
    } catch (error) {
      // It is tried again every second, and said once for each state of the file.
      if (state !== told) log.error({ file, keys: keyring.size }, keptKeys(error));
      told = state;
    }
  };
  const startLook = async (): Promise<void> => (looking ??= look().finally(() => (looking = undefined)));

  const state = await stateOf(file);
  if (state !== MISSING || !isOptional) await read(state);
  else await closeIfMarked();
  const timer = setInterval(() => void startLook(), intervalMs);
  timer.unref();
  return {
    keyring,
    get hasKeys() {
      return hasKeys;
    },
    async reload() {
      // A look that is under way may have read the file before it was changed.
      await looking;
      await startLook();
    },
    close: () => clearInterval(timer),
  };
}

async function stateOf(file: string): Promise<string> {
  try {
    const found = await statKeyFile(file);
    return found === undefined ? MISSING : `${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`;
  } catch (error) {
    return String(error);
  }
}

/** A folder that cannot be looked into may hold the marker. */
async function isClosed(file: string): Promise<boolean> {
  return isMarkedClosed(file).catch(() => true);
}

/** Where nothing can be written, the file of keys can hardly be deleted either. */
async function leaveMarker(file: string, log: Log): Promise<void> {
  try {
    await markClosed(file);
  } catch (error) {
    log.warn({ file }, `a server that starts without this file would be open: ${(error as Error).message}`);
  }
}

function noKeysLeft(file: string): string {
  const marker = closedMarkerOf(file);
  return `there were keys, and their file is gone: nobody is let in. Make a key with "millrace keys create", or, to let everybody in again, delete ${marker} and start anew`;
}

function missing(file: string): MillraceError {
  const sentence = `There is no file of keys ${file}: make a key with "millrace keys create --keys ${file}".`;
  return new MillraceError('KEYS_FAILED', sentence);
}

function keptKeys(error: unknown): string {
  return `the keys that were read before are kept: ${(error as Error).message}`;
}
