/** `millrace cache warm`: has a running server read what was asked for lately, so that it is in its memory. */
import { Command, InvalidArgumentError } from 'commander';
import { MillraceError } from '../errors.ts';
import { decodeEntityKey } from '../features/entity-key.ts';
import { openRedis } from '../features/redis/open-redis.ts';
import type { RecentRows } from '../features/remote-store.ts';
import { RECENT_KEYS_MAX } from '../features/warm-cache.ts';
import type { Project } from '../project/project.ts';
import { loadProject } from '../project/read-project.ts';
import { jsonText } from '../project/json-text.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { addKeyOption, keyHeaders } from './access-options.ts';
import { createProgress } from './progress.ts';
import { addProjectOption, addRedisOptions, storePlace } from './store-options.ts';
import type { StoreOptions } from './store-options.ts';

interface WarmOptions extends StoreOptions {
  readonly url: URL;
  readonly key?: string;
  readonly json?: true;
}

export function cacheCommand(): Command {
  const warm = new Command('warm').description(
    'Have a running server read the rows that were asked for lately at one of the servers of the project. A server that starts does so by itself.',
  );
  addKeyOption(addRedisOptions(addProjectOption(warm)))
    .requiredOption('--url <url>', 'the server to warm: http://host:8080', parseUrl)
    .option('--json', 'print the summary as JSON')
    .action(warmServer);
  return new Command('cache').description('Feature rows in the memory of servers.').addCommand(warm);
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw new InvalidArgumentError('Write http://host:port.');
}

/** Of an answer that is an error, in the message. */
const ANSWER_CHARS_MAX = 200;

/** One call of get-online-features. */
interface WarmCall {
  readonly features: readonly string[];
  readonly entities: Readonly<Record<string, readonly (string | number | bigint)[]>>;
  readonly keyCount: number;
}

async function warmServer(options: WarmOptions): Promise<void> {
  const project = await loadProject(options.project);
  const calls = callsFor(project, await recentRows(project, options));
  const total = calls.reduce((sum, { keyCount }) => sum + keyCount, 0);
  const progress = createProgress('warming');
  let done = 0;
  try {
    for (const call of calls) {
      await send(options, call);
      done += call.keyCount;
      progress.update(done, total, `${done} entities`);
    }
  } finally {
    progress.stop();
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify({ entities: done })}\n`);
  else process.stdout.write(`${summary(done)}\n`);
}

function summary(entities: number): string {
  if (entities === 0) return 'nothing to warm: the list of rows that were asked for lately is empty';
  return `${entities} ${entities === 1 ? 'entity is' : 'entities are'} in memory`;
}

async function recentRows(project: Project, options: StoreOptions): Promise<RecentRows> {
  const { redis } = storePlace(options);
  if (redis === undefined) {
    const sentence = 'The list of recent rows is in Redis: give its address with --redis.';
    throw new MillraceError('STARTUP_FAILED', sentence);
  }
  const metrics = createMetrics();
  metrics.close();
  const remote = await openRedis(project, redis, metrics, createLog('silent'));
  try {
    return await remote.recent(RECENT_KEYS_MAX);
  } finally {
    await remote.close();
  }
}

/** What the project no longer has is left out. */
function callsFor(project: Project, recent: RecentRows): WarmCall[] {
  const { rowsMax } = project.limits;
  return Object.entries(recent).flatMap(([name, { views, keys }]) => {
    const entity = project.entities.get(name);
    const features = views.flatMap((view) => {
      const known = project.featureViews.get(view)?.features ?? [];
      // One is enough to have the row read; a protected one would need a scope of its own.
      const one = known.find(({ isProtected }) => isProtected !== true) ?? known[0];
      return one === undefined ? [] : [`${view}:${one.name}`];
    });
    if (entity === undefined || features.length === 0) return [];
    const calls: WarmCall[] = [];
    for (let from = 0; from < keys.length; from += rowsMax) {
      const some = keys.slice(from, from + rowsMax).map((key) => decodeEntityKey(entity, key));
      const columns = entity.keys.map(({ name: key }, i) => [key, some.map((values) => values[i])]);
      const entities = Object.fromEntries(columns) as WarmCall['entities'];
      calls.push({ features, entities, keyCount: some.length });
    }
    return calls;
  });
}

/** @throws MillraceError STARTUP_FAILED if the server cannot be asked */
async function send({ url, key }: WarmOptions, { features, entities }: WarmCall): Promise<void> {
  let reason: string;
  try {
    const response = await fetch(new URL('/get-online-features', url), {
      method: 'POST',
      headers: { ...keyHeaders(key), 'content-type': 'application/json' },
      // Features of several views may have one name.
      body: jsonText({ features, entities, full_feature_names: true }),
    });
    const text = await response.text();
    if (response.ok) return;
    const isKeyMissing = response.status === 401 || response.status === 403;
    reason = isKeyMissing
      ? 'it wants a key with the scope features:read (--key or MILLRACE_KEY)'
      : `it answered ${response.status} ${text.slice(0, ANSWER_CHARS_MAX)}`.trimEnd();
  } catch (error) {
    const { cause, message } = error as Error;
    reason = cause instanceof Error ? cause.message : message;
  }
  throw new MillraceError('STARTUP_FAILED', `The server at ${url.origin} cannot be asked: ${reason}.`);
}
