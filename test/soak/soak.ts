/**
 * A soak: one server that is never restarted, and one of several processes that are, both on one Redis, under load of all
 * kinds. Meanwhile projects are reloaded, models come and go, rollouts change, workers are killed and restarted, and so is
 * Redis. At the end nothing that was acknowledged is lost, nothing was answered wrongly, and nothing has grown.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { start } from '../cli/process.ts';
import type { Running } from '../cli/process.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { createChaos } from './chaos.ts';
import { INSPECTABLE, childrenOf, inspect } from './process-usage.ts';
import type { Inspected, Usage } from './process-usage.ts';
import { createTally, post, startSoakLoad } from './soak-load.ts';
import type { Tally, Target } from './soak-load.ts';
import { writeSoakProject } from './soak-project.ts';

export interface SoakOptions {
  readonly seconds: number;
  readonly onProgress?: ((done: number, total: number, doing: string) => void) | undefined;
}

export interface SoakResult {
  readonly predictions: number;
  readonly events: number;
  readonly pushes: number;
  /** What was done to the servers, and how often. */
  readonly done: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  /** Everything that must not be; empty = all is as it should be. */
  readonly faults: readonly string[];
  /** Of the server that was not restarted, when all was quiet: after the warm-up, and at the end. */
  readonly usage: readonly [Usage, Usage];
}

const GROWTH_MAX = 1.05;
const WORKERS = 2;
/** Sockets that a connection pool opens or closes by itself. */
const DESCRIPTOR_SLACK = 3;
const QUIET_MS = 2000;
const SETTLE_MS = 30_000;
const SECOND_MS = 1000;

interface Served {
  readonly target: Target;
  readonly running: Running;
}

/** @returns what was seen; it throws only where the soak itself could not be made */
export async function runSoak({ seconds, onProgress }: SoakOptions): Promise<SoakResult> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-soak-'));
  const redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  const started: Running[] = [];
  try {
    const folders = { lasting: join(dir, 'lasting'), group: join(dir, 'group') };
    await Promise.all(Object.values(folders).map(writeSoakProject));
    const lasting = serve(folders.lasting, redis, [], INSPECTABLE);
    started.push(lasting);
    const inspected = await inspect(lasting.child);
    const group = serve(folders.group, redis, ['--workers', String(WORKERS)]);
    started.push(group);
    const served = { lasting: await ready('lasting', lasting), group: await ready('group', group) };
    return await soak({ ...served, inspected, redis, folders, seconds, onProgress });
  } finally {
    for (const { child } of started) child.kill('SIGKILL');
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function serve(project: string, { url }: RedisServer, more: readonly string[], env = {}): Running {
  const options = ['--project', project, '--redis', url, '--port', '0', '--watch', '250ms'];
  return start(['serve', ...options, ...more], { env });
}

async function ready(name: string, running: Running): Promise<Served> {
  const [, port] = await running.printed(/"port":(\d+),"msg":"listening"/);
  await running.printed(/"msg":"ready"/);
  return { running, target: { name, url: `http://127.0.0.1:${port}` } };
}

interface Soaking extends SoakOptions {
  readonly lasting: Served;
  readonly group: Served;
  readonly inspected: Inspected;
  readonly redis: RedisServer;
  readonly folders: { readonly lasting: string; readonly group: string };
}

async function soak(soaking: Soaking): Promise<SoakResult> {
  const { lasting, group, inspected, seconds, onProgress } = soaking;
  const tally = createTally();
  const chaos = createChaos({
    ...soaking,
    tally,
    groupPid: group.running.child.pid as number,
    lasting: lasting.target,
    group: group.target,
  });
  const targets = [lasting.target, group.target];
  const part = async (name: string, from: number, to: number): Promise<Usage> => {
    const load = startSoakLoad(targets, tally, name);
    const endMs = performance.now() + (to - from) * SECOND_MS;
    while (performance.now() < endMs) {
      const done = to - (endMs - performance.now()) / SECOND_MS;
      onProgress?.(Math.round(done), seconds, `${tally.predictions} predictions, ${tally.events} events`);
      await chaos.next();
    }
    await load.stop();
    await chaos.settle();
    await wait(QUIET_MS);
    return inspected.usage();
  };
  const warm = await part('warm-up', 0, seconds / 2);
  const end = await part('soak', seconds / 2, seconds);
  const faults = [
    ...tally.wrong,
    ...chaos.faults,
    ...unexplained(tally),
    ...(await lostEvents(targets, tally)),
    ...growth(warm, end),
    ...(await workerFaults(group)),
  ];
  const { predictions, events, pushes, failures } = tally;
  const failed = Object.fromEntries(failures);
  return { predictions, events, pushes, done: chaos.done(), failures: failed, faults, usage: [warm, end] };
}

/**
 * The server that lives on may refuse what needs Redis while that is away, and nothing else; the one whose workers are
 * killed may also lose the connections of those.
 */
const explained = [
  /^\w+ 503 STORE_FAILED$/,
  /^\w+ 504 DEADLINE_EXCEEDED$/,
  /^\w+ 429 OVERLOADED$/,
  /^group (UND_ERR_SOCKET|ECONNRESET|ECONNREFUSED|EPIPE|TypeError)$/,
];

function unexplained({ failures }: Tally): string[] {
  return [...failures]
    .filter(([reason]) => !explained.some((pattern) => pattern.test(reason)))
    .map(([reason, count]) => `${count} calls failed with ${reason}`);
}

/** What each server counts in the end, of each user: all events that were acknowledged, and each once. */
async function lostEvents(targets: readonly Target[], tally: Tally): Promise<string[]> {
  const users = [...tally.acknowledged.keys()];
  const expected = users.map((user) => tally.acknowledged.get(user));
  const endMs = performance.now() + SETTLE_MS;
  for (;;) {
    const faults: string[] = [];
    for (const target of targets) {
      const counted = await read(target, 'activity:purchases_24h', users, tally);
      const wrong = users.filter((_, i) => counted[i] !== expected[i]);
      for (const user of wrong)
        faults.push(
          `${target.name}: user ${user} has ${String(counted[users.indexOf(user)])} events, ` +
            `and ${tally.acknowledged.get(user)} were acknowledged`,
        );
      const pushed = [...tally.levels.keys()];
      const levels = await read(target, 'profile:level', pushed, tally);
      for (const [i, user] of pushed.entries())
        if (Number(levels[i]) < (tally.levels.get(user) ?? 0))
          faults.push(`${target.name}: the push of level ${tally.levels.get(user)} of ${user} is lost`);
    }
    if (faults.length === 0 || performance.now() > endMs) return faults;
    await wait(SECOND_MS);
  }
}

async function read(
  target: Target,
  feature: string,
  users: readonly number[],
  tally: Tally,
): Promise<readonly unknown[]> {
  if (users.length === 0) return [];
  const body = { features: [feature], entities: { user_id: users } };
  const answer = await post<{ results: { values: unknown[] }[] }>(
    target,
    '/get-online-features',
    body,
    tally,
  );
  return answer?.results[1]?.values ?? [];
}

function growth(warm: Usage, end: Usage): string[] {
  const faults: string[] = [];
  const ratio = end.ownBytes / warm.ownBytes;
  if (ratio > GROWTH_MAX)
    faults.push(`memory grew to ${ratio.toFixed(3)} times what it was after the warm-up`);
  if (end.descriptors > warm.descriptors + DESCRIPTOR_SLACK)
    faults.push(`${end.descriptors} descriptors are open, after ${warm.descriptors}`);
  return faults;
}

/** A worker that was replaced may still be draining, and one that was killed be starting. */
async function workerFaults({ running }: Served): Promise<string[]> {
  const endMs = performance.now() + SETTLE_MS;
  for (;;) {
    const count = childrenOf(running.child.pid as number).length;
    if (count === WORKERS) return [];
    if (performance.now() > endMs) return [`${count} workers are left of ${WORKERS}`];
    await wait(SECOND_MS);
  }
}
