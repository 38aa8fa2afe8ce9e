/**
 * Which event times are taken. A row from far ahead could never be replaced by a true one. Clocks differ a little;
 * units that were mixed up differ a lot.
 */
const AHEAD_MS_MAX = 86_400_000;

/** Why an event time is refused, as the rest of a sentence; undefined if it is taken. */
export function refuseEventTime(eventTimeMs: number, nowMs: number): string | undefined {
  return eventTimeMs - nowMs > AHEAD_MS_MAX ? 'is more than a day ahead of the clock' : undefined;
}
