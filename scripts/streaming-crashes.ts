/**
 * `npm run crashes`: the long crash test of features from events. Several processes append and apply at one place and are
 * killed at random moments; then every window is compared with a scan over all events. With `--in dying-redis`, a Redis with
 * an append-only file is killed in turn with them. Exits with 1 if a single event or feature is wrong.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scriptOptions } from '../bench/script-options.ts';
import { createProgress } from '../src/cli/progress.ts';
import { compareWith } from '../test/streaming/crash-comparison.ts';
import { crashEvents } from '../test/streaming/crash-events.ts';
import { startRedis } from '../test/redis/redis-server.ts';
import { appendAndKill } from '../test/streaming/crash-run.ts';
import type { CrashRun } from '../test/streaming/crash-run.ts';

const EXIT_USAGE = 2;
const WRONG_SHOWN = 20;

const usage = `npm run crashes -- [--in lmdb|redis|dying-redis] [--events 300000] [--kills 40] [--processes 3]`;
const options = scriptOptions(usage, {
  in: { type: 'string', default: 'lmdb' },
  events: { type: 'string', default: '300000' },
  kills: { type: 'string', default: '40' },
  processes: { type: 'string', default: '3' },
});

function wholeNumber(name: Exclude<keyof typeof options, 'in'>, least: number): number {
  const text = options[name];
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= least && Number.isSafeInteger(number)) return number;
  console.error(`--${name} takes a whole number, at least ${least}, not "${text}"\n${usage}`);
  process.exit(EXIT_USAGE);
}

interface PlaceToCrash {
  readonly options: Pick<CrashRun, 'address' | 'killPlace'>;
  remove(): Promise<void>;
}

async function openPlaceToCrash(): Promise<PlaceToCrash> {
  if (options.in === 'lmdb') {
    const address = await mkdtemp(join(tmpdir(), 'millrace-crashes-'));
    return { options: { address }, remove: async () => rm(address, { recursive: true }) };
  }
  const server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  const address = server.url;
  const killPlace = async (): Promise<void> => {
    await server.kill();
    await server.restart();
  };
  return {
    options: options.in === 'redis' ? { address } : { address, killPlace },
    remove: async () => server.stop(),
  };
}

if (!['lmdb', 'redis', 'dying-redis'].includes(options.in)) {
  console.error(`--in takes lmdb, redis or dying-redis, not "${options.in}"\n${usage}`);
  process.exit(EXIT_USAGE);
}
const events = wholeNumber('events', 1);
const run = { events, kills: wholeNumber('kills', 0), processes: wholeNumber('processes', 1) };
const place = await openPlaceToCrash();
const progress = createProgress('crashes');
const startMs = performance.now();
try {
  const kills = await appendAndKill({
    ...run,
    ...place.options,
    onProgress: (done, total, killed) => progress.update(done, total, `${killed} processes killed`),
  });
  progress.stop();
  const { wrong, ...found } = await compareWith(crashEvents(events), place.options.address);
  const seconds = Math.round((performance.now() - startMs) / 1000);
  console.log(JSON.stringify({ in: options.in, events, seconds, kills, ...found, wrong: wrong.length }));
  for (const cell of wrong.slice(0, WRONG_SHOWN)) console.error(cell);
  const faults = found.missing + found.twice + found.setAside + wrong.length;
  process.exitCode = faults === 0 ? 0 : 1;
} catch (error) {
  progress.stop();
  console.error(`The run failed: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  await place.remove();
}
