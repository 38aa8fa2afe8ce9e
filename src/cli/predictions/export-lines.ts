/**
 * The prediction log as lines of JSON. In memory are the feedback of one partition, a few blocks of the log and the
 * lines that are not written yet; reading waits for what is written.
 */
import { MillraceError } from '../../errors.ts';
import type { EventLog } from '../../events/event-log.ts';
import { joinPredictions } from '../../events/joined-predictions.ts';
import type { JoinedPrediction } from '../../events/joined-predictions.ts';
import { predictionJson } from './prediction-json.ts';

export interface PredictionFilter {
  /** Undefined = all. */
  readonly endpoint: string | undefined;
  readonly fromMs: number;
  /** Not itself. */
  readonly toMs: number;
  readonly limit: number;
  /** Only those for which some came. */
  readonly withFeedback: boolean;
}

/** @returns false if nobody reads any more */
export type WriteText = (text: string) => Promise<boolean>;

export interface Exported {
  readonly predictions: number;
  /** How many of them have some. */
  readonly withFeedback: number;
  /** Of the whole log, whatever is asked for: feedback without its prediction, or its row. */
  readonly unmatched: number;
  readonly unreadable: number;
  /** Of the first record that cannot be read. */
  readonly problem: string;
  /** The log was read to its end, or to the limit, or to where the reader closed. */
  readonly end: 'all' | 'limit' | 'closed';
}

const TEXT_CHARS = 256 * 1024;

/** @throws MillraceError STORE_FAILED, and what `write` throws */
export async function writeLines(
  log: EventLog,
  filter: PredictionFilter,
  write: WriteText,
  onProgress: (done: number, total: number, predictions: number) => void = () => {},
): Promise<Exported> {
  const counts = { predictions: 0, withFeedback: 0, unmatched: 0, unreadable: 0, problem: '' };
  let text = '';
  const onRead = (done: number, total: number): void => onProgress(done, total, counts.predictions);
  for await (const record of joinPredictions(log, onRead)) {
    if (record.kind === 'unmatched') counts.unmatched++;
    if (record.kind === 'unreadable' && counts.unreadable++ === 0) counts.problem = record.problem;
    if (record.kind !== 'prediction' || !isWanted(record, filter)) continue;
    counts.predictions++;
    if (record.feedback.length > 0) counts.withFeedback++;
    text += `${JSON.stringify(predictionJson(record))}\n`;
    const isLast = counts.predictions === filter.limit;
    if (text.length < TEXT_CHARS && !isLast) continue;
    if (!(await write(text))) return { ...counts, end: 'closed' };
    text = '';
    if (isLast) return { ...counts, end: 'limit' };
  }
  if (text !== '' && !(await write(text))) return { ...counts, end: 'closed' };
  return { ...counts, end: 'all' };
}

function isWanted(
  { endpoint, timeMs, feedback }: JoinedPrediction,
  { fromMs, toMs, ...filter }: PredictionFilter,
): boolean {
  if (filter.endpoint !== undefined && endpoint !== filter.endpoint) return false;
  if (timeMs < fromMs || timeMs >= toMs) return false;
  return !filter.withFeedback || feedback.length > 0;
}

export function writeFailure(sentence: string, cause: unknown): MillraceError {
  return new MillraceError('EXPORT_FAILED', sentence, { cause });
}
