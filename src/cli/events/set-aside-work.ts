/** `millrace events … retry` and `drop`: some entries at a time, and what became of the numbers that were asked for. */
import { InvalidArgumentError } from 'commander';
import { numbersOf, numbersOfAll, retrySetAside } from '../../events/retry-set-aside.ts';
import type { EventLogs } from '../../events/set-aside-log.ts';
import { createProgress } from '../progress.ts';
import { withCommandLogs } from './open-command-logs.ts';
import type { LogOptions } from './open-command-logs.ts';
import { countOfKind } from './set-aside-kinds.ts';
import type { SetAsideKind } from './set-aside-kinds.ts';

export interface WorkOptions extends LogOptions {
  readonly all?: true;
  readonly json?: true;
}

/** What is asked for: a kind, and some of it by number, or all. */
interface Work {
  readonly kind: SetAsideKind;
  readonly numbers: readonly number[];
  readonly options: WorkOptions;
  /** `retrying`: what the progress says. */
  readonly doing: string;
}

const EXIT_FAILED = 1;
const NUMBERS_SHOWN = 20;

export async function retryEntries(
  kind: SetAsideKind,
  numbers: readonly number[],
  options: WorkOptions,
): Promise<void> {
  let retried = 0;
  const unreadable: number[] = [];
  const missing: number[] = [];
  await eachStep({ kind, numbers, options, doing: 'retrying' }, async (logs, step) => {
    const result = await retrySetAside(logs.log, kind.logOf(logs), step);
    retried += result.retried;
    unreadable.push(...result.unreadable);
    missing.push(...result.missing);
  });
  if (options.json === true) process.stdout.write(`${JSON.stringify({ retried, unreadable, missing })}\n`);
  else {
    const again = `${countOfKind(retried, kind)} put into the event log again.\n`;
    const next = retried > 0 ? `${kind.afterRetry}\n` : '';
    const stay = listed('Cannot be read, or of a type that the project does not have, and stay', unreadable);
    process.stdout.write(`${again}${next}${stay}${listed('Not there', missing)}`);
  }
  // Where all are asked for, some that can never be retried are no failure of the others.
  const isDone = options.all === true ? retried > 0 || unreadable.length === 0 : isEmpty(unreadable, missing);
  if (!isDone) process.exitCode = EXIT_FAILED;
}

export async function dropEntries(
  kind: SetAsideKind,
  numbers: readonly number[],
  options: WorkOptions,
): Promise<void> {
  let dropped = 0;
  const missing: number[] = [];
  await eachStep({ kind, numbers, options, doing: 'dropping' }, async (logs, step) => {
    const log = kind.logOf(logs);
    const there = new Set((await log.get(step)).map(({ number }) => number));
    if (options.all !== true) missing.push(...step.filter((number) => !there.has(number)));
    dropped += await log.remove(step);
  });
  if (options.json === true) process.stdout.write(`${JSON.stringify({ dropped, missing })}\n`);
  else process.stdout.write(`${countOfKind(dropped, kind)} dropped.\n${listed('Not there', missing)}`);
  if (missing.length > 0) process.exitCode = EXIT_FAILED;
}

async function eachStep(
  { kind, numbers, options, doing }: Work,
  work: (logs: EventLogs, step: readonly number[]) => Promise<void>,
): Promise<void> {
  const isAll = options.all === true;
  if (isAll && numbers.length > 0) throw new InvalidArgumentError('Give numbers or --all, not both.');
  if (!isAll && numbers.length === 0)
    throw new InvalidArgumentError('Give the numbers that `list` prints, or --all.');
  await withCommandLogs(options, 'write', async (logs) => {
    const log = kind.logOf(logs);
    const total = isAll ? await log.count() : new Set(numbers).size;
    const progress = createProgress(`${doing} ${kind.many}`);
    let done = 0;
    try {
      for await (const step of isAll ? numbersOfAll(log) : numbersOf(numbers)) {
        await work(logs, step);
        done += step.length;
        progress.update(done, total, countOfKind(done, kind));
      }
    } finally {
      progress.stop();
    }
  });
}

function isEmpty(...lists: readonly (readonly number[])[]): boolean {
  return lists.every(({ length }) => length === 0);
}

function listed(what: string, numbers: readonly number[]): string {
  if (numbers.length === 0) return '';
  const more = numbers.length > NUMBERS_SHOWN ? ` and ${numbers.length - NUMBERS_SHOWN} more` : '';
  return `${what}: ${numbers.slice(0, NUMBERS_SHOWN).join(', ')}${more}\n`;
}
