/** `millrace events`: what to do with events that could not be applied, or that came too late. */
import { Command } from 'commander';
import type { SetAsideLog } from '../events/set-aside-log.ts';
import { jsonText } from '../project/json-text.ts';
import { countArgument } from './count-argument.ts';
import { withCommandLogs } from './events/open-command-logs.ts';
import type { LogOptions } from './events/open-command-logs.ts';
import { countOfKind, setAsideKinds } from './events/set-aside-kinds.ts';
import type { SetAsideKind } from './events/set-aside-kinds.ts';
import { setAsideJson, setAsideTable } from './events/set-aside-table.ts';
import { dropEntries, retryEntries } from './events/set-aside-work.ts';
import type { WorkOptions } from './events/set-aside-work.ts';
import { addDataOption, addProjectOption, addRedisOption } from './store-options.ts';

/** At once in memory. */
const LINES_AT_ONCE = 200;
const TABLE_ENTRIES = 50;

export function eventsCommand(): Command {
  const command = new Command('events').description('Events that could not be applied, or came too late.');
  for (const kind of setAsideKinds) command.addCommand(kindCommand(kind));
  return command;
}

function kindCommand(kind: SetAsideKind): Command {
  const list = new Command('list')
    .description(`Print the ${kind.many}, the oldest first.`)
    .option('--from <number>', 'the first number that is printed', countArgument, 1)
    .option(
      '--limit <count>',
      `how many are printed at most (default: ${TABLE_ENTRIES}, with --json all)`,
      countArgument,
    )
    .option('--json', 'print a line of JSON for each, with the whole event')
    .action(async (options: ListOptions) => printList(kind, options));
  const retry = new Command('retry')
    .description(`Put ${kind.many} into the event log again, from which servers apply them.`)
    .action(async (numbers: readonly number[], options: WorkOptions) => retryEntries(kind, numbers, options));
  const drop = new Command('drop')
    .description(`Remove ${kind.many} for good.`)
    .action(async (numbers: readonly number[], options: WorkOptions) => dropEntries(kind, numbers, options));
  for (const each of [retry, drop])
    each
      .argument('[number...]', 'the numbers that `list` prints', collectNumbers)
      .option('--all', 'all that are there')
      .option('--json', 'print the result as JSON');
  const command = new Command(kind.command).description(kind.description);
  for (const each of [list, retry, drop])
    command.addCommand(addRedisOption(addDataOption(addProjectOption(each))));
  return command;
}

function collectNumbers(text: string, previous: readonly number[] = []): number[] {
  return [...previous, countArgument(text)];
}

interface ListOptions extends LogOptions {
  readonly from: number;
  readonly limit?: number;
  readonly json?: true;
}

async function printList(kind: SetAsideKind, options: ListOptions): Promise<void> {
  const { from, limit, json } = options;
  await withCommandLogs(options, 'read', async (logs) => {
    const log = kind.logOf(logs);
    if (json === true) await printLines(log, from, limit ?? Infinity);
    else process.stdout.write(await tableText(kind, log, from, limit ?? TABLE_ENTRIES));
  });
}

async function printLines(log: SetAsideLog, fromNumber: number, limit: number): Promise<void> {
  let left = limit;
  for (let from = fromNumber; left > 0;) {
    const entries = await log.list(from, Math.min(left, LINES_AT_ONCE));
    const last = entries.at(-1);
    if (last === undefined) return;
    process.stdout.write(entries.map((entry) => `${jsonText(setAsideJson(entry))}\n`).join(''));
    left -= entries.length;
    from = last.number + 1;
  }
}

async function tableText(
  kind: SetAsideKind,
  log: SetAsideLog,
  fromNumber: number,
  limit: number,
): Promise<string> {
  // One more tells whether there are more.
  const entries = await log.list(fromNumber, limit + 1);
  const count = await log.count();
  if (entries.length === 0)
    return count === 0 ? `${kind.none}\n` : `${countOfKind(count, kind)}, none from ${fromNumber} on.\n`;
  const next = entries[limit];
  const more = next === undefined ? '' : `, more with --from ${next.number}`;
  return `${setAsideTable(entries.slice(0, limit))}${countOfKind(count, kind)}${more}\n`;
}
