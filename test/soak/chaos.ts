/** What is done to the servers of a soak, one thing after the other, in an order that a seed gives. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { RedisServer } from '../redis/redis-server.ts';
import { childrenOf } from './process-usage.ts';
import { post } from './soak-load.ts';
import type { Tally, Target } from './soak-load.ts';
import { FREE_MODEL, LAST_VERSION, addVersion, pin } from './soak-project.ts';

export interface ChaosParts {
  readonly lasting: Target;
  readonly group: Target;
  readonly groupPid: number;
  readonly redis: RedisServer;
  readonly folders: { readonly lasting: string; readonly group: string };
  readonly tally: Tally;
}

export interface Chaos {
  /** Changes that had to succeed and did not. */
  readonly faults: readonly string[];
  /** Does the next thing, and waits a little. */
  next(): Promise<void>;
  /** Leaves the lasting server with the models that it began with, so that what it holds can be compared. */
  settle(): Promise<void>;
  done(): Record<string, number>;
}

const REST_MS = 1500;
const REDIS_AWAY_MS = 500;
const RETRIES = 20;
/** No divisor of the number of actions, so that each comes up in a round. */
const STEP = 3;

type Action = (turn: number) => Promise<boolean>;

export function createChaos(parts: ChaosParts): Chaos {
  const faults: string[] = [];
  const counts: Record<string, number> = {};
  const actions = actionsOf(parts);
  const names = Object.keys(actions);
  let turn = 0;
  return {
    faults,
    done: () => ({ ...counts }),
    async next() {
      // Every action comes up in each round, in another order each time.
      const round = Math.floor(turn / names.length);
      const name = names[(turn * STEP + round) % names.length] as string;
      turn++;
      const isDone = await (actions[name] as Action)(turn);
      counts[name] = (counts[name] ?? 0) + 1;
      if (!isDone) faults.push(`${name} did not succeed (turn ${turn})`);
      await wait(REST_MS);
    },
    async settle() {
      await actions['remove a version']?.(turn);
      if ((await actions['load a model']?.(turn)) !== true)
        faults.push('the model could not be loaded again');
    },
  };
}

function actionsOf(parts: ChaosParts): Record<string, Action> {
  const { lasting, group, groupPid, redis, folders, tally } = parts;
  const call = async (target: Target, path: string, body: unknown = {}): Promise<boolean> =>
    patiently(async () => (await post(target, path, body, tally)) !== undefined);
  const reload =
    (target: Target, folder: string): Action =>
    async (turn) => {
      await pin(folder, 1 + (turn % LAST_VERSION));
      return call(target, '/v1/project/reload');
    };
  return {
    'reload the lasting server': reload(lasting, folders.lasting),
    'reload the workers': reload(group, folders.group),
    'restart the workers one by one': async () => process.kill(groupPid, 'SIGHUP'),
    'kill a worker': async () => {
      const [worker] = childrenOf(groupPid);
      return worker === undefined || process.kill(worker, 'SIGKILL');
    },
    'restart Redis': async () => {
      await redis.kill();
      await wait(REDIS_AWAY_MS);
      await redis.restart();
      return true;
    },
    'add a version': async () => {
      await addVersion(folders.lasting, LAST_VERSION + 1);
      return true;
    },
    'remove a version': async () => {
      await rm(join(folders.lasting, 'm', String(LAST_VERSION + 1)), { recursive: true, force: true });
      return true;
    },
    'unload a model': async () => call(lasting, `/v2/repository/models/${FREE_MODEL}/unload`),
    'load a model': async () => call(lasting, `/v2/repository/models/${FREE_MODEL}/load`),
    'change a rollout': async (turn) =>
      patiently(async () => changeRollout(turn % 2 === 0 ? lasting : group, turn, tally)),
  };
}

async function changeRollout(target: Target, turn: number, tally: Tally): Promise<boolean> {
  const path = '/v1/endpoints/split/rollout';
  const current = await fetch(target.url + path).catch(() => undefined);
  if (current?.ok !== true) return false;
  const { version } = (await current.json()) as { version: number };
  const share = 10 + (turn % 8) * 10;
  const weights = { one: share, two: 100 - share };
  const rollout = { serve: 'one', experiment: { name: 'split', weights } };
  const changed = await fetch(target.url + path, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ version, rollout }),
  }).catch(() => undefined);
  if (changed !== undefined && changed.status === 422) tally.wrong.push(await changed.text());
  return changed?.ok ?? false;
}

/** Redis may be away, and a worker may be the one that was killed. */
async function patiently(attempt: () => Promise<boolean>): Promise<boolean> {
  for (let retry = 0; retry < RETRIES; retry++) {
    if (await attempt()) return true;
    await wait(REST_MS / 2);
  }
  return false;
}
