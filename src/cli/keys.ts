/** `millrace keys`: the file of keys that servers follow while they run. */
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { changeKeyFile, readKeyFile } from '../access/key-file.ts';
import type { KeyRecord } from '../access/key-records.ts';
import { makeKey, rotateKey } from '../access/make-key.ts';
import type { MadeKey } from '../access/make-key.ts';
import type { RateLimit } from '../access/rate-limit.ts';
import type { Scope } from '../access/scope.ts';
import { scopes } from '../access/scope.ts';
import { MillraceError } from '../errors.ts';
import { formatDuration } from '../project/duration.ts';
import { jsonText } from '../project/json-text.ts';
import type { JsonObject } from '../project/json-text.ts';
import { shortName } from '../project/problem-list.ts';
import { descriptionNames } from '../project/read-description.ts';
import { addKeysOption, keysFileOf } from './access-options.ts';
import type { KeysPlace } from './access-options.ts';
import { durationArgument } from './duration-argument.ts';
import { burstArgument, nameArgument, rateArgument, scopesArgument } from './keys/key-arguments.ts';
import { keyJson, keyTable, madeKeyText } from './keys/key-text.ts';
import { addDataOption, addProjectOption } from './store-options.ts';

const GRACE_MS = 86_400_000;

interface KeysOptions extends KeysPlace {
  readonly json?: true;
}

interface CreateOptions extends KeysOptions {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expires?: number;
  readonly rate?: number;
  readonly burst?: number;
}

interface RotateOptions extends KeysOptions {
  readonly grace: number;
  readonly expires?: number;
}

export function keysCommand(): Command {
  return new Command('keys')
    .description('Make, list, replace and revoke the keys that callers of a server need.')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(rotateCommand())
    .addCommand(revokeCommand());
}

function addFile(command: Command): Command {
  return addDataOption(addProjectOption(addKeysOption(command))).option('--json', 'print JSON');
}

function createCommand(): Command {
  return addFile(new Command('create'))
    .description('Make a key and print it, this once.')
    .requiredOption('--name <name>', 'who holds it, for lists and logs', nameArgument)
    .requiredOption('--scopes <list>', `what it may do: all, or some of ${scopes.join(',')}`, scopesArgument)
    .option('--expires <duration>', 'how long it is valid, such as 90d (default: for ever)', durationArgument)
    .option('--rate <calls>', 'how many calls it may make, such as 100/s (default: any number)', rateArgument)
    .option('--burst <calls>', 'calls at once after a pause (default: those of a second)', burstArgument)
    .action(create);
}

async function create(options: CreateOptions): Promise<void> {
  await requireProject(options);
  const file = keysFileOf(options);
  const nowMs = Date.now();
  const made = makeKey({
    name: options.name,
    scopes: options.scopes,
    createdMs: nowMs,
    expiresMs: options.expires === undefined ? undefined : nowMs + options.expires,
    rate: rateOf(options),
  });
  await changeKeyFile(file, (records) => ({ records: [...records, made.record], result: undefined }));
  printMade(made, file, options);
}

/** A file that no server looks for keeps nobody out. */
async function requireProject({ project, data, keys = '' }: KeysOptions): Promise<void> {
  if (data !== undefined || keys !== '') return;
  const names = await readdir(project).catch((): string[] => []);
  const files = descriptionNames('millrace');
  if (files.some((name) => names.includes(name))) return;
  throw new MillraceError(
    'KEYS_FAILED',
    `${resolve(project)} is no project folder: it has no ${files[0]}. Name the folder with --project, or the file with --keys.`,
  );
}

function rateOf({ rate, burst }: CreateOptions): RateLimit | undefined {
  if (rate !== undefined) return { perSecond: rate, burst: burst ?? Math.max(1, Math.ceil(rate)) };
  if (burst === undefined) return undefined;
  throw new InvalidArgumentError('--burst goes with --rate.');
}

function listCommand(): Command {
  return addFile(new Command('list')).description('Show all keys, without their secrets.').action(list);
}

async function list(options: KeysOptions): Promise<void> {
  const file = keysFileOf(options);
  const records = await readKeyFile(file);
  if (records === undefined) throw noFile(file);
  if (options.json === true) printJson({ file, keys: records.map(keyJson) });
  else process.stdout.write(keyTable(records, Date.now()));
}

function rotateCommand(): Command {
  return addFile(new Command('rotate'))
    .description(
      'Make a key with the name, scopes and rate of another one, which then lives for a while only.',
    )
    .argument('<key>', 'id or name of the old key')
    .addOption(
      new Option('--grace <duration>', 'how long the old key is still valid')
        .argParser(durationArgument)
        .default(GRACE_MS, formatDuration(GRACE_MS)),
    )
    .option(
      '--expires <duration>',
      'how long the new key is valid (default: as long as the old one was made for)',
      durationArgument,
    )
    .action(rotate);
}

async function rotate(key: string, options: RotateOptions): Promise<void> {
  const file = keysFileOf(options);
  const nowMs = Date.now();
  const made = await changeKeyFile(file, (records) => {
    const live = records.filter(({ expiresMs }) => expiresMs === undefined || expiresMs > nowMs);
    const found = keyNamed(live, key, file);
    const rotated = rotateKey(found, nowMs, options.grace, options.expires);
    const others = records.map((record) => (record === found ? rotated.old : record));
    return { records: [...others, rotated.made.record], result: rotated.made };
  });
  printMade(made, file, options);
}

function revokeCommand(): Command {
  return addFile(new Command('revoke'))
    .description('Take keys out of the file: servers refuse them within a second.')
    .argument('<key...>', 'ids or names')
    .action(revoke);
}

async function revoke(keys: readonly string[], options: KeysOptions): Promise<void> {
  const file = keysFileOf(options);
  const revoked = await changeKeyFile(file, (records) => {
    const found = new Set(keys.map((key) => keyNamed(records, key, file)));
    return { records: records.filter((record) => !found.has(record)), result: [...found] };
  });
  if (options.json === true) printJson({ file, revoked: revoked.map(keyJson) });
  else for (const { id, name } of revoked) process.stdout.write(`revoked "${name}" (${id})\n`);
}

/** @throws MillraceError KEYS_FAILED for a name that no key has, or several */
function keyNamed(records: readonly KeyRecord[], key: string, file: string): KeyRecord {
  const found = records.filter(({ id, name }) => id === key || name === key);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const ids = found.map(({ id }) => id).join(', ');
  const sentence =
    only === undefined
      ? `There is no key "${shortName(key)}" in ${file}; "millrace keys list" shows those that are.`
      : `Several keys in ${file} are named "${key}": say which one by its id, of ${ids}.`;
  throw new MillraceError('KEYS_FAILED', sentence);
}

function noFile(file: string): MillraceError {
  return new MillraceError(
    'KEYS_FAILED',
    `There is no file of keys ${file}: "millrace keys create" makes one.`,
  );
}

function printMade(made: MadeKey, file: string, { json }: KeysOptions): void {
  if (json === true) printJson({ file, key: made.text, ...keyJson(made.record) });
  else process.stdout.write(madeKeyText(made, file));
}

function printJson(value: JsonObject): void {
  process.stdout.write(`${jsonText(value)}\n`);
}
