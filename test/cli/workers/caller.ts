/** Calls a server again and again over one connection, or over a fresh one each time, as a client under load does. */
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** One HTTP call; without an agent over a connection of its own. */
export async function ask(url: string, body?: unknown, agent?: Agent): Promise<Answer> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        agent: agent ?? false,
        method: payload === undefined ? 'GET' : 'POST',
        headers: payload === undefined ? {} : { 'content-type': 'application/json' },
      },
      (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (chunk: string) => (text += chunk));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, text }));
        res.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(payload);
  });
}

/** The process that answered: request ids begin with a prefix of its own. */
export function processOf({ text }: Answer): string {
  return (JSON.parse(text) as { request_id: string }).request_id.slice(0, 8);
}

function oneConnection(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 1 });
}

/** Opens connections until each of the processes has one; gives the connection of each. */
export async function connectToEach(url: string, count: number): Promise<Map<string, Agent>> {
  const found = new Map<string, Agent>();
  while (found.size < count) {
    const agent = oneConnection();
    const name = processOf(await ask(`${url}/no-such-call`, undefined, agent));
    if (found.has(name)) agent.destroy();
    else found.set(name, agent);
  }
  return found;
}

export interface CallerResult {
  /** Answers with 200 by the process that gave them. */
  readonly answers: ReadonlyMap<string, number>;
  readonly failures: readonly string[];
}

export interface Caller {
  readonly answerCount: number;
  /** The process of the last answer. */
  readonly lastProcess: string | undefined;
  readonly failureCount: number;
  stop(): Promise<CallerResult>;
}

/** A server that is called without any pause leaves no time for processes that start beside it. */
const PAUSE_MS = 5;

/** Calls again and again until it is stopped. */
export function startCaller(url: string, body: unknown, keepsAlive: boolean): Caller {
  const agent = keepsAlive ? oneConnection() : undefined;
  const answers = new Map<string, number>();
  const failures: string[] = [];
  let [isStopped, answerCount] = [false, 0];
  let lastProcess: string | undefined;
  const callOnce = async (): Promise<void> => {
    try {
      const answer = await ask(url, body, agent);
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      lastProcess = processOf(answer);
      answers.set(lastProcess, (answers.get(lastProcess) ?? 0) + 1);
      answerCount++;
    } catch (error) {
      failures.push(String(error));
    }
  };
  const run = async (): Promise<void> => {
    while (!isStopped) {
      await callOnce();
      await pause(PAUSE_MS);
    }
  };
  const running = run();
  return {
    get answerCount() {
      return answerCount;
    },
    get lastProcess() {
      return lastProcess;
    },
    get failureCount() {
      return failures.length;
    },
    async stop() {
      isStopped = true;
      await running;
      agent?.destroy();
      return { answers, failures };
    },
  };
}
