/** `millrace serve` that is killed while events come in: what it acknowledged is there after the next start, once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { featuresOf, purchases, shopServer } from './shop-server.ts';

const CALL_EVENTS = 20;
const SENDERS = 4;

const server = shopServer();
let senders: Senders | undefined;
afterEach(() => senders?.abandon());

/** Sends the events until they are acknowledged, as a client does that does not know what became of them. */
async function send(call: number, isAbandoned: () => boolean): Promise<void> {
  const events = purchases(call, CALL_EVENTS);
  for (let tries = 0; !isAbandoned(); tries++) {
    // A server that is killed takes the connection with it; one that starts refuses it, or says that it is not ready.
    const answer = await server.post(events).catch(() => undefined);
    if (answer?.status === 202) {
      const { events: told } = JSON.parse(answer.text) as { readonly events: readonly { status: string }[] };
      const outcomes = new Set(told.map(({ status }) => status));
      // All of a call are in the log, or none.
      if (outcomes.size === 1 && (outcomes.has('accepted') || (outcomes.has('duplicate') && tries > 0)))
        return;
    }
    if (answer !== undefined && answer.status !== 503)
      throw new Error(`call ${call} after ${tries} tries: ${answer.status} ${answer.text}`);
    await sleep(20);
  }
}

interface Senders {
  readonly acknowledged: number;
  /** @returns how many calls were made; all of them are acknowledged */
  stop(): Promise<number>;
  /** Leaves them as they are. */
  abandon(): void;
}

function startSenders(): Senders {
  let [next, acknowledged, isStopped, isAbandoned] = [0, 0, false, false];
  const sendAll = async (): Promise<void> => {
    while (!isStopped) {
      await send(next++, () => isAbandoned);
      acknowledged++;
    }
  };
  const all = Promise.all(Array.from({ length: SENDERS }, sendAll));
  return {
    get acknowledged() {
      return acknowledged;
    },
    async stop() {
      isStopped = true;
      await all;
      return next;
    },
    abandon() {
      isStopped = true;
      isAbandoned = true;
    },
  };
}

/** Kills the server, and starts it again at once. */
async function killServer(options: readonly string[]): Promise<void> {
  const { child, finished } = server.running();
  child.kill('SIGKILL');
  if ((await finished).signal !== 'SIGKILL') throw new Error('the server was not killed');
  await server.serve(options);
}

/** Kills the youngest worker, and waits for the one that the server starts in its place. */
async function killWorker(): Promise<void> {
  const [output] = await server.running().printed(/^[^]*$/);
  const pids = [...output.matchAll(/"pid":(\d+).*"msg":"worker ready"/g)].map(([, pid]) => Number(pid));
  process.kill(pids.at(-1) as number, 'SIGKILL');
  await server.running().printed(new RegExp(`("msg":"worker ready"[^]*){${pids.length + 1}}`));
}

const twoWorkers = ['--workers', '2'];

describe.each<[string, readonly string[], number, (options: readonly string[]) => Promise<void>]>([
  ['a server', [], 2, killServer],
  ['one of two workers', twoWorkers, 2, killWorker],
])('%s that is killed', (_, options, kills, kill) => {
  beforeEach(({ skip }) => {
    skip(options.length > 0 && process.platform !== 'linux', 'several workers need Linux');
  });

  it('has kept every event that was acknowledged, once', { timeout: 120_000 }, async () => {
    await server.serve(options);
    senders = startSenders();
    for (let i = 0; i < kills; i++) {
      const { acknowledged } = senders;
      await expect.poll(() => senders?.acknowledged, { timeout: 20_000 }).toBeGreaterThan(acknowledged);
      await sleep(Math.random() * 500);
      await kill(options);
    }
    const calls = await senders.stop();
    const all = Array.from({ length: calls }, (__, call) => purchases(call, CALL_EVENTS)).flat();
    await expect.poll(async () => server.features(), { timeout: 20_000 }).toEqual(featuresOf(all));
    const { child, finished } = server.running();
    child.kill('SIGTERM');
    expect((await finished).code).toBe(0);
    expect((await server.idsInLog()).toSorted()).toEqual(all.map(({ id }) => id).toSorted());
  });
});
