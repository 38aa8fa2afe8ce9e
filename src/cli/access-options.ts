/** The options that say where keys are kept, and with which key a command calls a server. */
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';

const KEYS_VARIABLE = 'MILLRACE_KEYS';

export interface KeysPlace {
  readonly project: string;
  readonly data?: string;
  readonly keys?: string;
}

export function addKeysOption(command: Command): Command {
  return command.addOption(
    new Option('--keys <file>', 'the file of keys (default: keys.json in the data folder)').env(
      KEYS_VARIABLE,
    ),
  );
}

/** The file that is meant: named, or the one of the data folder. */
export function keysFileOf({ project, data, keys = '' }: KeysPlace): string {
  return keys === '' ? join(data ?? join(project, '.millrace'), 'keys.json') : keys;
}
