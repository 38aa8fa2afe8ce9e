/**
 * Feedback on what this process has answered lately, as it comes into the prediction log, whichever process takes it in.
 * For guardrails and bandits, which judge while traffic flows; reports read the whole log.
 *
 * Each process follows the feedback on its own answers, so all of them together see each once. What was answered before a
 * restart is not known any more: fewer samples, and none of them wrong. What was answered before the project was served
 * anew is: what is waited for belongs to the process, and is told once, whoever of its followers reads it.
 */
import { setImmediate } from 'node:timers/promises';
import type { EventLog } from '../events/event-log.ts';
import { feedbackType } from '../events/prediction-events.ts';
import { feedbackFields } from '../project/rollout.ts';
import type { FeedbackField } from '../project/rollout.ts';
import type { Value } from '../project/value.ts';

export type OnFeedback = (field: FeedbackField, value: number) => void;

interface Expected {
  readonly onFeedback: OnFeedback;
  /** A bit for each field that was told. */
  told: number;
}

export interface FeedbackFollower {
  /** An answer whose feedback is wanted. */
  expect(requestId: string, onFeedback: OnFeedback): void;
  /**
   * Reads what has come since the last time.
   * @throws MillraceError STORE_FAILED
   */
  poll(): Promise<void>;
}

/** What a process waits for. Its followers share that, and how far the prediction log has been read. */
export interface AwaitedFeedback {
  /** @param log the prediction log of the process, which may have been opened anew since the last time */
  follow(log: EventLog): FeedbackFollower;
}

/** Answers that are waited for; with more, the oldest are forgotten. */
const EXPECTED_MAX = 500_000;
const READ_LIMITS = { recordsMax: 1000, bytesMax: 4 * 1024 * 1024 };

export function createAwaitedFeedback(): AwaitedFeedback {
  let younger = new Map<string, Expected>();
  let older = new Map<string, Expected>();
  /** By partition; undefined before the first answer that is waited for. */
  let offsets: Promise<number[]> | undefined;
  let last: Promise<void> = Promise.resolve();

  function tell(values: readonly Value[]): void {
    const requestId = values[0] as string;
    const expected = younger.get(requestId) ?? older.get(requestId);
    if (expected === undefined) return;
    for (const field of feedbackFields) {
      const index = feedbackIndex[field];
      const value = numberOf(values[index]);
      // One value a request: its rows, and what is told again, are no samples of their own.
      if (value === undefined || (expected.told & (1 << index)) !== 0) continue;
      expected.told |= 1 << index;
      expected.onFeedback(field, value);
    }
  }

  /** All of it: with a limit for one time, more than that a second would put judgements off for ever longer. */
  async function readTo(log: EventLog, from: number[], partition: number, end: number): Promise<void> {
    for (let offset = from[partition] ?? end; offset < end;) {
      const read = await log.read(partition, offset, READ_LIMITS);
      for (const { event } of read.records) if (event?.type.name === feedbackType.name) tell(event.values);
      // Nothing is left of what was there: it was dropped meanwhile.
      if (read.nextOffset === offset) return;
      from[partition] = offset = read.nextOffset;
      // A read takes the event loop; requests go between two of them.
      await setImmediate();
    }
  }

  async function readNew(log: EventLog): Promise<void> {
    if (offsets === undefined) return;
    const from = await offsets.catch((error: unknown) => {
      offsets = undefined;
      throw error;
    });
    // Up to here and no further: what comes meanwhile is for the next time.
    for (const [partition, end] of (await endsOf(log)).entries()) await readTo(log, from, partition, end);
  }

  return {
    follow: (log) => ({
      expect(requestId, onFeedback) {
        offsets ??= endsOf(log);
        if (younger.size >= EXPECTED_MAX / 2) {
          older = younger;
          younger = new Map();
        }
        younger.set(requestId, { onFeedback, told: 0 });
      },
      async poll() {
        // One after the other: two that read at once would move the same offsets.
        const read = last.then(async () => readNew(log));
        last = read.catch(() => undefined);
        return read;
      },
    }),
  };
}

async function endsOf(log: EventLog): Promise<number[]> {
  return (await log.sizes()).map(({ nextOffset }) => nextOffset);
}

const feedbackIndex: Readonly<Record<FeedbackField, number>> = {
  label: fieldIndex('label'),
  reward: fieldIndex('reward'),
  click: fieldIndex('click'),
};

function fieldIndex(name: FeedbackField): number {
  return feedbackType.fields.findIndex((field) => field.name === name);
}

/** A label is JSON: a text in it is no number, and is left to reports. */
function numberOf(value: Value | undefined): number | undefined {
  const told = typeof value === 'string' ? (JSON.parse(value) as unknown) : value;
  if (typeof told === 'boolean') return told ? 1 : 0;
  return typeof told === 'number' ? told : undefined;
}
