/**
 * The callers of a soak. Each prediction is compared with what its version must answer; each event is sent, under its own
 * id, until it is acknowledged. A call that fails is counted by what it failed with: which of these may happen is for the
 * one who knows what was broken at that time.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { numberedAnswer } from '../server/numbered-project.ts';

export interface Tally {
  predictions: number;
  events: number;
  pushes: number;
  /** Answers that were given and are not what they must be. */
  readonly wrong: string[];
  /** By server and reason, of calls that were not answered with success. */
  readonly failures: Map<string, number>;
  /** Events that were acknowledged, by user. */
  readonly acknowledged: Map<number, number>;
  /** Levels that were acknowledged, by user. */
  readonly levels: Map<number, number>;
}

export interface Target {
  readonly name: string;
  readonly url: string;
}

export interface SoakLoad {
  readonly tally: Tally;
  /** Waits until every event that was begun is acknowledged. */
  stop(): Promise<void>;
}

const USERS = 20;
const EVENT_BATCH = 10;
const CALL_TIMEOUT_MS = 20_000;
const PAUSE_MS = 20;
const RETRY_MS = 100;
const JSON_TYPE = { 'content-type': 'application/json' };
const ENDPOINTS = ['pinned', 'newest', 'split'];

export function createTally(): Tally {
  return {
    predictions: 0,
    events: 0,
    pushes: 0,
    wrong: [],
    failures: new Map(),
    acknowledged: new Map(),
    levels: new Map(),
  };
}

/** @param run tells the events of this load from those of another */
export function startSoakLoad(targets: readonly Target[], tally: Tally, run: string): SoakLoad {
  let isStopped = false;
  const loop = async (once: (turn: number) => Promise<void>): Promise<void> => {
    for (let turn = 0; !isStopped; turn++) {
      await once(turn);
      await wait(PAUSE_MS);
    }
  };
  const loops = targets.flatMap((target, t) => [
    ...ENDPOINTS.map(async (endpoint) => loop(async (turn) => predict(target, endpoint, turn, tally))),
    loop(async (turn) => infer(target, turn, tally)),
    loop(async (turn) => sendEvents(target, `${run}-${t}-${turn}`, turn, tally)),
    // One pusher for each user, so that what was pushed last is known.
    loop(async (turn) => push(target, t + targets.length * (turn % (USERS / targets.length)), tally)),
  ]);
  return {
    tally,
    async stop() {
      isStopped = true;
      await Promise.all(loops);
    },
  };
}

interface Predicted {
  readonly version: string;
  readonly predictions: readonly { readonly y: number }[];
}

async function predict(target: Target, endpoint: string, turn: number, tally: Tally): Promise<void> {
  const [a, b] = [turn % 50, (turn * 7) % 50];
  const rows = [
    { a, user_id: turn % USERS },
    { a: b, user_id: turn % USERS },
  ];
  const answer = await post<Predicted>(target, `/v1/endpoints/${endpoint}/predict`, { rows }, tally);
  if (answer === undefined) return;
  const counts = tally;
  counts.predictions++;
  const own = numberedAnswer(Number(answer.version));
  const found = answer.predictions.map(({ y }) => y);
  if (found.length !== 2 || found[0] !== own + a || found[1] !== own + b)
    tally.wrong.push(`${target.name} ${endpoint}: ${JSON.stringify(rows)} -> ${JSON.stringify(answer)}`);
}

interface Inferred {
  readonly id: string;
  readonly model_version: string;
  readonly outputs: readonly { readonly data: readonly number[] }[];
}

/** Tensors, which share the runs of the predictions of the same version. */
async function infer(target: Target, turn: number, tally: Tally): Promise<void> {
  const data = [turn % 100, (turn + 1) % 100, (turn + 2) % 100];
  const id = `i${turn}`;
  const inputs = [{ name: 'x', shape: [3, 1], datatype: 'FP32', data }];
  const answer = await post<Inferred>(target, '/v2/models/m/versions/1/infer', { id, inputs }, tally);
  if (answer === undefined) return;
  const counts = tally;
  counts.predictions++;
  const found = answer.outputs[0]?.data ?? [];
  const isRight = answer.id === id && found.length === 3 && found.every((y, i) => y === (data[i] ?? 0) + 1);
  if (!isRight)
    tally.wrong.push(`${target.name} infer: ${JSON.stringify(data)} -> ${JSON.stringify(answer)}`);
}

/** Sent again until it is acknowledged: the server knows the events by their ids. */
async function sendEvents(target: Target, name: string, turn: number, tally: Tally): Promise<void> {
  const user = turn % USERS;
  const events = Array.from({ length: EVENT_BATCH }, (_, i) => ({
    type: 'purchase',
    id: `${name}-${i}`,
    fields: { user_id: user, price: i },
  }));
  for (;;) {
    const answer = await post<{ events: { status: string }[] }>(target, '/v1/events', events, tally);
    if (answer !== undefined) {
      const lost = answer.events.filter(({ status }) => status === 'rejected').length;
      if (lost > 0) tally.wrong.push(`${target.name} events: ${JSON.stringify(answer)}`);
      const counts = tally;
      counts.events += EVENT_BATCH;
      tally.acknowledged.set(user, (tally.acknowledged.get(user) ?? 0) + EVENT_BATCH);
      return;
    }
    await wait(RETRY_MS);
  }
}

async function push(target: Target, user: number, tally: Tally): Promise<void> {
  const level = Date.now();
  const df = { user_id: [user], level: [level], event_timestamp: [new Date(level).toISOString()] };
  const answer = await post(target, '/push', { push_source_name: 'profile', to: 'online', df }, tally);
  if (answer === undefined) return;
  const counts = tally;
  counts.pushes++;
  tally.levels.set(user, level);
}

/** The answer of a call that succeeded; else undefined, and what it failed with is counted. */
export async function post<T>(
  target: Target,
  path: string,
  body: unknown,
  tally: Tally,
): Promise<T | undefined> {
  try {
    const response = await fetch(target.url + path, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const text = await response.text();
    const parsed = (text === '' ? {} : JSON.parse(text)) as T & { code?: string };
    if (response.ok) return parsed;
    count(tally, `${target.name} ${response.status} ${parsed.code ?? ''}`);
  } catch (error) {
    const { cause, name } = error as Error & { cause?: { code?: string } };
    count(tally, `${target.name} ${cause?.code ?? name}`);
  }
  return undefined;
}

function count({ failures }: Tally, reason: string): void {
  failures.set(reason, (failures.get(reason) ?? 0) + 1);
}
