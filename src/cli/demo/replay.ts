/**
 * Replays flights against a running server as they happened: each held-out flight is predicted by all endpoints, as of
 * its time, and only then its own event is sent. So the features of a flight are made of those before it, as they would
 * have been, and never of itself.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { MillraceError } from '../../errors.ts';
import { auc } from '../../stats/auc.ts';
import { quantileOfSorted } from '../../stats/quantile.ts';
import type { Caller } from './caller.ts';
import { isLate } from './flights.ts';
import type { Flight } from './flights.ts';

export interface EndpointResult {
  readonly endpoint: string;
  readonly model: string;
  readonly auc: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface ReplayOptions {
  readonly endpoints: readonly string[];
  /** 0 = as fast as the server answers. */
  readonly flightsPerSecond: number;
  /** Told now and then. */
  readonly onProgress: (count: number, results: readonly EndpointResult[]) => void;
  readonly isStopped: () => boolean;
}

interface Prediction {
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly { readonly delayed: number }[];
}

interface Outcomes {
  readonly events: readonly { readonly status: string }[];
}

const EVENTS_PER_CALL = 500;
const PROGRESS_FLIGHTS = 200;

/**
 * Flights that are long over, as events.
 * @throws MillraceError STARTUP_FAILED if they have been sent before: what followed them is known as well then
 */
export async function sendPast(
  caller: Caller,
  flights: readonly Flight[],
  onProgress: (count: number) => void,
  isStopped: () => boolean,
): Promise<void> {
  for (let from = 0; from < flights.length && !isStopped(); from += EVENTS_PER_CALL) {
    const some = flights.slice(from, from + EVENTS_PER_CALL);
    const { events } = (await caller.post('/v1/events', some.map(departure))) as Outcomes;
    if (events.some(({ status }) => status === 'duplicate')) throw seenBefore();
    onProgress(from + some.length);
  }
}

export async function replay(
  caller: Caller,
  flights: readonly Flight[],
  options: ReplayOptions,
): Promise<EndpointResult[]> {
  const scorers = options.endpoints.map((endpoint) => new Scorer(endpoint));
  const results = (): EndpointResult[] => scorers.map((scorer) => scorer.result());
  const startedMs = performance.now();
  for (const [i, flight] of flights.entries()) {
    if (options.isStopped()) break;
    await Promise.all(scorers.map(async (scorer) => scorer.ask(caller, flight)));
    await caller.post('/v1/events', departure(flight));
    const count = i + 1;
    if (count % PROGRESS_FLIGHTS === 0) options.onProgress(count, results());
    await keepPace(startedMs, count, options.flightsPerSecond);
  }
  return results();
}

function seenBefore(): MillraceError {
  const sentence =
    'The data folder has the events of an earlier demo, which would tell the future. Name an empty one with --data, or none.';
  return new MillraceError('STARTUP_FAILED', sentence);
}

function departure({ fields, delayMinutes }: Flight): object {
  return { type: 'departure', id: fields.flight_id, fields: { ...fields, delay: delayMinutes } };
}

async function keepPace(startedMs: number, count: number, perSecond: number): Promise<void> {
  if (perSecond === 0) return;
  const aheadMs = startedMs + (count / perSecond) * 1000 - performance.now();
  if (aheadMs > 0) await pause(aheadMs);
}

/** What an endpoint said of each flight, and what became of it. */
class Scorer {
  private readonly endpoint: string;
  private model = '';
  private readonly scores: number[] = [];
  private readonly outcomes: boolean[] = [];
  private readonly latenciesMs: number[] = [];

  constructor(endpoint: string) {
    this.endpoint = endpoint;
  }

  async ask(caller: Caller, flight: Flight): Promise<void> {
    const sentMs = performance.now();
    const body = { as_of: flight.fields.scheduled, rows: [flight.fields] };
    const answer = (await caller.post(`/v1/endpoints/${this.endpoint}/predict`, body)) as Prediction;
    this.latenciesMs.push(performance.now() - sentMs);
    this.scores.push(answer.predictions[0]?.delayed ?? Number.NaN);
    this.outcomes.push(isLate(flight));
    this.model = `${answer.model}@${answer.version}`;
  }

  result(): EndpointResult {
    const sorted = this.latenciesMs.toSorted((a, b) => a - b);
    return {
      endpoint: this.endpoint,
      model: this.model,
      auc: auc(this.scores, this.outcomes),
      p50Ms: quantileOfSorted(sorted, 0.5),
      p99Ms: quantileOfSorted(sorted, 0.99),
    };
  }
}
