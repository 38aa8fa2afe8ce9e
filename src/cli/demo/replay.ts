/**
 * Replays flights against a running server as they happened: each held-out flight is predicted as of its time, and only
 * then its own event is sent. So the features of a flight are made of those before it, as they would have been, and never
 * of itself. Behind it goes feedback: what came of each prediction, by its request id. What a variant is worth is
 * computed from the predictions whose outcome the server has taken.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { MillraceError } from '../../errors.ts';
import { auc } from '../../stats/auc.ts';
import { quantileOfSorted } from '../../stats/quantile.ts';
import type { Caller } from './caller.ts';
import { isLate } from './flights.ts';
import type { Flight } from './flights.ts';

export interface VariantResult {
  readonly variant: string;
  readonly model: string;
  /** Predictions whose outcome is known. */
  readonly outcomes: number;
  readonly auc: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface ReplayOptions {
  readonly endpoint: string;
  /** 0 = as fast as the server answers. */
  readonly flightsPerSecond: number;
  /** Told now and then. */
  readonly onProgress: (count: number, results: readonly VariantResult[]) => void | Promise<void>;
  readonly isStopped: () => boolean;
}

interface Prediction {
  readonly request_id: string;
  readonly variant: string;
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly { readonly delayed: number }[];
}

interface EventsAnswer {
  readonly events: readonly { readonly status: string }[];
}

interface FeedbackAnswer {
  readonly feedback: readonly { readonly status: string }[];
}

/** A prediction whose outcome the server has not been told yet. */
interface Untold {
  readonly scores: VariantScores;
  readonly flight: Flight;
  readonly requestId: string;
  readonly score: number;
}

const EVENTS_PER_CALL = 500;
const FEEDBACK_PER_CALL = 50;
const PROGRESS_FLIGHTS = 100;
const MINUTE_MS = 60_000;

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
    const { events } = (await caller.post('/v1/events', some.map(departure))) as EventsAnswer;
    if (events.some(({ status }) => status === 'duplicate')) throw seenBefore();
    onProgress(from + some.length);
  }
}

export async function replay(
  caller: Caller,
  flights: readonly Flight[],
  options: ReplayOptions,
): Promise<VariantResult[]> {
  const variants = new Map<string, VariantScores>();
  const results = (): VariantResult[] =>
    [...variants.values()].map((scores) => scores.result()).sort((a, b) => a.model.localeCompare(b.model));
  const untold: Untold[] = [];
  const startedMs = performance.now();
  for (const [i, flight] of flights.entries()) {
    if (options.isStopped()) break;
    untold.push(await ask(caller, options.endpoint, flight, variants));
    await caller.post('/v1/events', departure(flight));
    if (untold.length >= FEEDBACK_PER_CALL) await tellOutcomes(caller, untold.splice(0));
    const count = i + 1;
    if (count % PROGRESS_FLIGHTS === 0) await options.onProgress(count, results());
    await keepPace(startedMs, count, options.flightsPerSecond);
  }
  if (!options.isStopped()) await tellOutcomes(caller, untold);
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

async function ask(
  caller: Caller,
  endpoint: string,
  flight: Flight,
  variants: Map<string, VariantScores>,
): Promise<Untold> {
  const sentMs = performance.now();
  const body = { as_of: flight.fields.scheduled, rows: [flight.fields] };
  const answer = (await caller.post(`/v1/endpoints/${endpoint}/predict`, body)) as Prediction;
  const latencyMs = performance.now() - sentMs;
  const { variant, model, version } = answer;
  const scores = variants.get(variant) ?? new VariantScores(variant, `${model}@${version}`);
  variants.set(variant, scores);
  scores.latenciesMs.push(latencyMs);
  return {
    scores,
    flight,
    requestId: answer.request_id,
    score: answer.predictions[0]?.delayed ?? Number.NaN,
  };
}

async function tellOutcomes(caller: Caller, untold: readonly Untold[]): Promise<void> {
  const outcomes = untold.map(({ requestId, flight }) => {
    const { fields, delayMinutes } = flight;
    const time = new Date(Date.parse(fields.scheduled) + delayMinutes * MINUTE_MS).toISOString();
    return { request_id: requestId, row: 0, label: isLate(flight), time, id: fields.flight_id };
  });
  if (outcomes.length === 0) return;
  const { feedback } = (await caller.post('/v1/feedback', outcomes)) as FeedbackAnswer;
  untold.forEach(({ scores, score, flight }, i) => {
    if (feedback[i]?.status === 'accepted') scores.join(score, isLate(flight));
  });
}

async function keepPace(startedMs: number, count: number, perSecond: number): Promise<void> {
  if (perSecond === 0) return;
  const aheadMs = startedMs + (count / perSecond) * 1000 - performance.now();
  if (aheadMs > 0) await pause(aheadMs);
}

/** What a variant said of the flights that it got, and what became of them. */
class VariantScores {
  readonly latenciesMs: number[] = [];
  private readonly variant: string;
  private readonly model: string;
  private readonly scores: number[] = [];
  private readonly outcomes: boolean[] = [];

  constructor(variant: string, model: string) {
    this.variant = variant;
    this.model = model;
  }

  join(score: number, outcome: boolean): void {
    this.scores.push(score);
    this.outcomes.push(outcome);
  }

  result(): VariantResult {
    const sorted = this.latenciesMs.toSorted((a, b) => a - b);
    return {
      variant: this.variant,
      model: this.model,
      outcomes: this.outcomes.length,
      auc: auc(this.scores, this.outcomes),
      p50Ms: quantileOfSorted(sorted, 0.5),
      p99Ms: quantileOfSorted(sorted, 0.99),
    };
  }
}
