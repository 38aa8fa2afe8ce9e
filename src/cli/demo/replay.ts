/** Sends held-out flights to a running server over HTTP, and judges the answers: AUC and latency as a caller sees them. */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { MillraceError } from '../../errors.ts';
import { auc } from '../../stats/auc.ts';
import { quantileOfSorted } from '../../stats/quantile.ts';

/** A flight that no model was trained on. */
export interface HeldOutFlight {
  readonly row: {
    readonly flight_id: string;
    readonly scheduled: string;
    readonly origin: string;
    readonly destination: string;
    readonly distance: number;
  };
  /** More than 15 minutes late. */
  readonly isLate: boolean;
}

export interface ReplayResult {
  readonly endpoint: string;
  readonly model: string;
  readonly requests: number;
  readonly auc: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Prediction {
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly { readonly delayed: number }[];
}

const LATE_MINUTES = 15;
const CONNECTIONS = 8;

export async function readHeldOutFlights(path: string): Promise<HeldOutFlight[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new MillraceError('LOAD_FAILED', `The demo's flights are missing: ${path} cannot be read.`, {
      cause,
    });
  });
  const [, ...lines] = text.trim().split('\n');
  return lines.map((line) => {
    const [flightId = '', scheduled = '', origin = '', destination = '', distance, delay] = line.split(',');
    return {
      row: { flight_id: flightId, scheduled, origin, destination, distance: Number(distance) },
      isLate: Number(delay) > LATE_MINUTES,
    };
  });
}

/** One request a flight, a few at a time. `as_of` is the time of the flight, as if it were asked then. */
export async function replay(
  url: string,
  endpoint: string,
  flights: readonly HeldOutFlight[],
  onAnswer: (count: number) => void,
  isStopped: () => boolean,
): Promise<ReplayResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const scores: number[] = new Array<number>(flights.length);
  const latenciesMs: number[] = [];
  let model = '';
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let i = next++; i < flights.length && !isStopped(); i = next++) {
      const { row } = flights[i] as HeldOutFlight;
      const sentMs = performance.now();
      const answer = await predict(agent, `${url}/v1/endpoints/${endpoint}/predict`, {
        as_of: row.scheduled,
        rows: [row],
      });
      latenciesMs.push(performance.now() - sentMs);
      scores[i] = answer.predictions[0]?.delayed ?? Number.NaN;
      model = `${answer.model}@${answer.version}`;
      onAnswer(latenciesMs.length);
    }
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, caller));
  const seconds = (performance.now() - startedMs) / 1000;
  agent.destroy();
  latenciesMs.sort((a, b) => a - b);
  return {
    endpoint,
    model,
    requests: flights.length,
    auc: auc(
      scores,
      flights.map(({ isLate }) => isLate),
    ),
    requestsPerSecond: flights.length / seconds,
    p50Ms: quantileOfSorted(latenciesMs, 0.5),
    p99Ms: quantileOfSorted(latenciesMs, 0.99),
  };
}

async function predict(agent: Agent, url: string, body: unknown): Promise<Prediction> {
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const sent = request(url, { method: 'POST', agent, headers }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('error', reject);
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('end', () => {
        const answer = Buffer.concat(chunks).toString();
        if (reply.statusCode === 200) resolve(JSON.parse(answer) as Prediction);
        else
          reject(
            new MillraceError('INTERNAL', `the demo's request was answered ${reply.statusCode}: ${answer}`),
          );
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}
