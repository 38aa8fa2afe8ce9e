#!/usr/bin/env node
/** The command line. Exit codes: 0 done, 1 failed, 2 wrong usage. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { cacheCommand } from './cli/cache.ts';
import { checkCommand } from './cli/check.ts';
import { demoCommand } from './cli/demo.ts';
import { eventsCommand } from './cli/events.ts';
import { featuresCommand } from './cli/features.ts';
import { loadCommand } from './cli/load.ts';
import { loadTestCommand } from './cli/loadtest.ts';
import { predictionsCommand } from './cli/predictions.ts';
import { replayCommand } from './cli/replay.ts';
import { serveCommand } from './cli/serve.ts';
import { workerCommand } from './cli/workers/worker.ts';
import { MillraceError } from './errors.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('millrace')
    .description('A low-latency prediction server with the feature store inside.')
    .version(version)
    .showHelpAfterError('(--help shows the options)');
  const serving = [serveCommand(), checkCommand(), loadCommand(), featuresCommand(), cacheCommand()];
  const logs = [eventsCommand(), predictionsCommand(), replayCommand()];
  for (const command of [...serving, ...logs, loadTestCommand(), demoCommand()]) {
    for (const each of withSubcommands(command))
      each.exitOverride().showHelpAfterError('(--help shows the options)');
    program.addCommand(command);
  }
  program.addCommand(workerCommand(), { hidden: true });
  try {
    await program.exitOverride().parseAsync();
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** Prints the one sentence an operating error has, and the whole of anything that should not have happened. */
function exitCodeOf(error: unknown): number {
  // One that an option's own parser throws has been printed, and comes as another error.
  if (error instanceof InvalidArgumentError) process.stderr.write(`error: ${error.message}\n`);
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof MillraceError) process.stderr.write(`millrace: ${error.message}\n`);
  else console.error(error);
  return EXIT_FAILED;
}

await main();
