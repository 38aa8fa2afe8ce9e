#!/usr/bin/env node
/** The command line. Exit codes: 0 done, 1 failed, 2 wrong usage. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { MillraceError } from './errors.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const WORKER = 'worker';

/** In the order of the help. Each brings what it needs: to load all of it takes as long as most commands take. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./cli/serve.ts')).serveCommand(),
  check: async () => (await import('./cli/check.ts')).checkCommand(),
  types: async () => (await import('./cli/project-types.ts')).typesCommand(),
  keys: async () => (await import('./cli/keys.ts')).keysCommand(),
  load: async () => (await import('./cli/load.ts')).loadCommand(),
  features: async () => (await import('./cli/features.ts')).featuresCommand(),
  cache: async () => (await import('./cli/cache.ts')).cacheCommand(),
  events: async () => (await import('./cli/events.ts')).eventsCommand(),
  predictions: async () => (await import('./cli/predictions.ts')).predictionsCommand(),
  rollout: async () => (await import('./cli/rollout.ts')).rolloutCommand(),
  experiment: async () => (await import('./cli/experiment.ts')).experimentCommand(),
  replay: async () => (await import('./cli/replay.ts')).replayCommand(),
  loadtest: async () => (await import('./cli/loadtest.ts')).loadTestCommand(),
  demo: async () => (await import('./cli/demo.ts')).demoCommand(),
};

const worker = async (): Promise<Command> => (await import('./cli/workers/worker.ts')).workerCommand();

/** All of them, unless the one that is meant stands first, or none is meant. */
async function commandsFor(first = ''): Promise<Command[]> {
  if (first === WORKER || first === '--version' || first === '-V') return [];
  const own = Object.hasOwn(commands, first) ? [commands[first]] : Object.values(commands);
  return Promise.all(own.map(async (create) => (create as () => Promise<Command>)()));
}

async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('millrace')
    .description('A low-latency prediction server with the feature store inside.')
    .version(version)
    .showHelpAfterError('(--help shows the options)');
  for (const command of await commandsFor(process.argv[2])) {
    for (const each of withSubcommands(command))
      each.exitOverride().showHelpAfterError('(--help shows the options)');
    program.addCommand(command);
  }
  if (process.argv[2] === WORKER) program.addCommand(await worker(), { hidden: true });
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
