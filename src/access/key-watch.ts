/**
 * The keyring of a file of keys, which follows the file: it is looked at every second, so keys are made, rotated and revoked
 * without a restart. A file that cannot be used any more keeps the keys that were in it, and is logged: a slip of an editor must
 * not lock out all callers, and neither it nor a deletion may open the server to everybody.
 */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { readKeyFile, statKeyFile } from './key-file.ts';
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
    log.info({ file, keys: records.length }, 'keys read');
  };
  const look = async (): Promise<void> => {
    const state = await stateOf(file);
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

function missing(file: string): MillraceError {
  const sentence = `There is no file of keys ${file}: make a key with "millrace keys create --keys ${file}".`;
  return new MillraceError('KEYS_FAILED', sentence);
}

function keptKeys(error: unknown): string {
  return `the keys that were read before are kept: ${(error as Error).message}`;
}
