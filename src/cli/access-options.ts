/** The options that say where keys are kept, and with which key a command calls a server. */
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';

const KEYS_VARIABLE = 'MILLRACE_KEYS';
const KEY_VARIABLE = 'MILLRACE_KEY';

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

/** Arguments can be read by everybody on the machine, which the help says. */
export function addKeyOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--key <key>',
      'the key to call the server with; other users of this machine can read options, not the environment',
    ).env(KEY_VARIABLE),
  );
}

/** The header of a call with a key; none without one. */
export function keyHeaders(key: string | undefined): Readonly<Record<string, string>> {
  return key === undefined || key === '' ? {} : { authorization: `Bearer ${key}` };
}
