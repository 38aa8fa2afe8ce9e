/** The options that say where features are kept, for every command that reads or writes them. */
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { MillraceError } from '../errors.ts';
import type { OnlineStore } from '../features/online-store.ts';
import { openStore } from '../features/open-store.ts';
import type { StorePlace } from '../features/open-store.ts';
import { redisLayouts } from '../features/redis/redis-options.ts';
import type { RedisLayout } from '../features/redis/redis-options.ts';
import type { Project } from '../project/project.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';

export interface StoreOptions {
  readonly project: string;
  readonly data?: string;
  readonly redis?: string;
  readonly redisLayout?: RedisLayout;
}

/** Also how the address reaches worker processes: among their arguments, everybody could read the password. */
const REDIS_VARIABLE = 'MILLRACE_REDIS_URL';

/** Who may ask for a variant by header, see docs/rollouts.md. Not an option: arguments can be read by everybody. */
export function forceKey(): string | undefined {
  const key = process.env['MILLRACE_FORCE_KEY'];
  return key === '' ? undefined : key;
}

/** Who types a command would rather wait than be told that a row could not be read. */
const COMMAND_READ_TIMEOUT_MS = 5000;

export function addStoreOptions(command: Command): Command {
  return addRedisOptions(addDataOption(addProjectOption(command)));
}

export function addDataOption(command: Command): Command {
  return command.option(
    '--data <dir>',
    'the data folder of the embedded store (default: .millrace in the project folder)',
  );
}

export function addProjectOption(command: Command): Command {
  return command.option('--project <dir>', 'the project folder, with millrace.yaml', '.');
}

export function addRedisOptions(command: Command): Command {
  return addRedisOption(command).addOption(
    new Option(
      '--redis-layout <layout>',
      'how rows lie in Redis: as Millrace or as Feast writes them (default: feast if the project file has a section of that name, else millrace)',
    ).choices(redisLayouts),
  );
}

export function addRedisOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--redis <url>',
      'keep features and events in Redis instead: redis://host:6379, redis+unix:///path.sock, redis+cluster://a:7001,b:7002, redis+sentinel://a,b/name; rediss with TLS',
    ).env(REDIS_VARIABLE),
  );
}

/** @throws MillraceError STARTUP_FAILED for a layout without a Redis */
export function storePlace({ project, data, redis = '', redisLayout }: StoreOptions): StorePlace {
  if (redis === '' && redisLayout !== undefined) {
    const sentence = `--redis-layout says how rows lie in Redis: give its address with --redis or ${REDIS_VARIABLE}.`;
    throw new MillraceError('STARTUP_FAILED', sentence);
  }
  return {
    dataDir: data ?? join(project, '.millrace'),
    redis: redis === '' ? undefined : { url: redis, layout: redisLayout },
  };
}

/**
 * The store for a command that ends; what it has to say is in the errors it throws.
 * @throws MillraceError STORE_FAILED, STARTUP_FAILED
 */
export async function openCommandStore(project: Project, options: StoreOptions): Promise<OnlineStore> {
  const metrics = createMetrics();
  metrics.close();
  const cache = { ...project.cache, readTimeoutMs: COMMAND_READ_TIMEOUT_MS };
  return openStore({ ...project, cache }, storePlace(options), { metrics, log: createLog('silent') });
}

/** To whoever looks or makes a table, a row that could not be read is not one that is missing. */
export function failingOnUnavailable(project: Project): Project {
  const views = [...project.featureViews].map(
    ([name, view]) => [name, { ...view, onUnavailable: 'error' }] as const,
  );
  return { ...project, featureViews: new Map(views) };
}
