/** Events of crash tests, each made of its number alone, so that whoever knows how many there are knows all of them. */
import type { AcceptedEvent } from '../../src/events/event.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { airports, departure } from './flight-stream.ts';

const BATCH_EVENTS = 250;
const DUPLICATES = 0.02;
const START_MS = Date.UTC(2001, 2, 6);
/** A batch may come in some hundred batches later than its turn, and is not too late for the allowed hour. */
const SPACING_MS = 50;
const DISORDER_MS = 20 * 60_000;

export function crashEvents(events: number): AcceptedEvent[] {
  return Array.from({ length: events }, (_, n) => crashEvent(n));
}

export function batchCount(events: number): number {
  return Math.ceil(events / BATCH_EVENTS);
}

/** The events of a batch; some of what came before is sent again. */
export function batchOf(batch: number, events: number): AcceptedEvent[] {
  const random = seededRandom(-batch - 1);
  const first = batch * BATCH_EVENTS;
  const length = Math.min(BATCH_EVENTS, events - first);
  return Array.from({ length }, (_, i) => first + i).flatMap((n) =>
    random() < DUPLICATES ? [crashEvent(n), crashEvent(Math.floor(random() * n))] : [crashEvent(n)],
  );
}

function crashEvent(n: number): AcceptedEvent {
  const random = seededRandom(n);
  const pick = (): string => airports[Math.floor(random() * airports.length)] as string;
  const values = [pick(), pick(), random() < 0.1 ? null : Math.round(random() * 900 - 100) / 10];
  const timeMs = START_MS + n * SPACING_MS - Math.floor(random() * DISORDER_MS);
  return { id: `crash-${n}`, type: departure, timeMs, receivedMs: START_MS, values };
}
