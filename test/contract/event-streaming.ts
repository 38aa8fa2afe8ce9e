/** What features from events must do, whatever events and tiles are kept in. Each driver runs this suite. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AcceptedEvent } from '../../src/events/event.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import type { EventStreaming } from '../../src/streaming/event-streaming.ts';
import { expectRows, expectedRows } from '../streaming/expected-rows.ts';
import { flightEvent, flightProject, flightViews, writeOf } from '../streaming/flight-stream.ts';

/** One place in which events of the project of flight-stream.ts are kept. */
export interface StreamingPlace {
  /** An instance of its own, as another process would open it. */
  open(): Promise<EventStreaming>;
  /** Closes what is open, and removes the place. */
  remove(): Promise<void>;
}

export function describeEventStreaming(name: string, createPlace: () => Promise<StreamingPlace>): void {
  describe(`events in ${name}`, () => {
    let place: StreamingPlace;
    beforeEach(async () => {
      place = await createPlace();
    });
    afterEach(async () => place.remove());

    it('are in the rows once each, whoever applies them, and after a new start', async () => {
      const appliers = [await place.open(), await place.open(), await place.open()];
      const random = seededRandom(7);
      const events = Array.from({ length: 1500 }, (_, n) => flightEvent(random, n));
      for (let from = 0; from < events.length; from += 100) {
        const some = events.slice(from, from + 100);
        // Some are sent twice.
        const again = events.slice(Math.max(0, from - 3), from);
        const { log, routing } = appliers[(from / 100) % 3] as EventStreaming;
        const outcomes = await log.append([...again, ...some].map((event) => writeOf(event, routing)));
        expect(outcomes.filter((outcome) => outcome === 'duplicate')).toHaveLength(again.length);
      }
      for (const streaming of appliers) await streaming.settle();
      const expected = expectedRows(events);
      for (const streaming of appliers) await expectRows(streaming, expected);
      await expectRows(await place.open(), expected);
      expect(await (appliers[0] as EventStreaming).deadLetters.count()).toBe(0);
      expect(await (appliers[0] as EventStreaming).corrections.count()).toBe(0);
    });

    it('that come too late are set aside and counted, and those that come in time correct the rows', async () => {
      const streaming = await place.open();
      const random = seededRandom(8);
      const events = Array.from({ length: 500 }, (_, n) => flightEvent(random, n));
      const { log, routing } = streaming;
      await log.append(events.map((event) => writeOf(event, routing)));
      await streaming.settle();
      const lastMs = Math.max(...events.map(({ timeMs }) => timeMs));
      const [first] = events as [AcceptedEvent];
      const { allowedLatenessMs } = flightProject.streaming;
      const inTime = { ...first, id: 'in time', timeMs: lastMs - allowedLatenessMs / 2 };
      const late = { ...first, id: 'late', timeMs: lastMs - 3 * allowedLatenessMs };
      await log.append([inTime, late].map((event) => writeOf(event, routing)));
      await streaming.settle();
      await expectRows(streaming, expectedRows([...events, inTime]));
      const setAside = await streaming.corrections.list(0, 10);
      expect(setAside.map(({ event }) => event?.id)).toEqual(routing.partitionsOf(late).map(() => 'late'));
      expect(setAside[0]?.reason).toContain('streaming.allowed_lateness');
    });

    it('are in the rows of every process at once where they came in, and soon in those of the others', async () => {
      const [here, there] = [await place.open(), await place.open()];
      const random = seededRandom(9);
      const startMs = Date.UTC(2001, 2, 6);
      const jfk = [{ view: flightViews.byOrigin, key: 'JFK' }];
      for (let n = 0; n < 30; n++) {
        const event = { ...flightEvent(random, n), timeMs: startMs + n, values: ['JFK', 'LAX', n] };
        const count = async ({ source }: EventStreaming): Promise<unknown> =>
          (await source.read(jfk, event.timeMs, false))[0]?.[2];
        // Each has its row in memory before the event comes.
        expect([await count(here), await count(there)]).toEqual(n === 0 ? [undefined, undefined] : [n, n]);
        await (n % 2 === 0 ? here : there).log.append([writeOf(event, here.routing)]);
        for (const each of [here, there])
          await vi.waitFor(async () => expect(await count(each)).toBe(n + 1), { interval: 1, timeout: 5000 });
      }
    });
  });
}
