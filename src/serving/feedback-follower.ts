/**
 * Feedback on what this process has answered lately, as it comes into the prediction log, whichever process takes it in.
 * For guardrails and bandits, which judge while traffic flows; reports read the whole log.
 *
 * Each process follows the feedback on its own answers, so all of them together see each once. What was answered before a
 * restart is not known any more: fewer samples, and none of them wrong.
 */
import type { EventLog } from '../events/event-log.ts';
import { feedbackType } from '../events/prediction-events.ts';
import { feedbackFields } from '../project/rollout.ts';
import type { FeedbackField } from '../project/rollout.ts';
import type { Value } from '../project/value.ts';

export type OnFeedback = (field: FeedbackField, value: number) => void;

interface Expected {
  readonly onFeedback: OnFeedback;
  readonly told: Set<FeedbackField>;
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

/** Answers that are waited for; with more, the oldest are forgotten. */
const EXPECTED_MAX = 500_000;
const READS_MAX = 20;
const READ_LIMITS = { recordsMax: 1000, bytesMax: 4 * 1024 * 1024 };

export function createFeedbackFollower(log: EventLog): FeedbackFollower {
  let younger = new Map<string, Expected>();
  let older = new Map<string, Expected>();
  /** By partition; undefined before the first answer that is waited for. */
  let offsets: Promise<number[]> | undefined;

  async function ends(): Promise<number[]> {
    return (await log.sizes()).map(({ nextOffset }) => nextOffset);
  }

  function tell(values: readonly Value[]): void {
    const requestId = values[0] as string;
    const expected = younger.get(requestId) ?? older.get(requestId);
    if (expected === undefined) return;
    for (const field of feedbackFields) {
      const value = numberOf(values[feedbackIndex[field]]);
      if (value === undefined || expected.told.has(field)) continue;
      // One value a request: its rows, and what is told again, are no samples of their own.
      expected.told.add(field);
      expected.onFeedback(field, value);
    }
  }

  /** To the end of the partition, or as far as one poll may go. */
  async function follow(partition: number, from: number[]): Promise<void> {
    for (let reads = 0; reads < READS_MAX; reads++) {
      const offset = from[partition] as number;
      const read = await log.read(partition, offset, READ_LIMITS);
      for (const { event } of read.records) if (event?.type.name === feedbackType.name) tell(event.values);
      from[partition] = read.nextOffset;
      if (read.nextOffset === offset) return;
    }
  }

  return {
    expect(requestId, onFeedback) {
      offsets ??= ends();
      if (younger.size >= EXPECTED_MAX / 2) {
        older = younger;
        younger = new Map();
      }
      younger.set(requestId, { onFeedback, told: new Set() });
    },
    async poll() {
      if (offsets === undefined) return;
      const from = await offsets.catch((error: unknown) => {
        offsets = undefined;
        throw error;
      });
      for (const partition of from.keys()) await follow(partition, from);
    },
  };
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
