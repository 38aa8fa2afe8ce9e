/** What all stores of events have in common for a command. */
import { MillraceError } from '../../errors.ts';
import type { EventLogs } from '../../events/set-aside-log.ts';

export async function closing(logs: EventLogs, use: (logs: EventLogs) => Promise<void>): Promise<void> {
  try {
    await use(logs);
  } finally {
    await logs.log.close();
  }
}

export function noEvents(place: string): MillraceError {
  const sentence = `There are no events in ${place} yet: a server of a project with events makes their log.`;
  return new MillraceError('STORE_FAILED', sentence);
}
