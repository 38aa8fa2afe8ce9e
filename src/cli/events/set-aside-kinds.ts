/** The two logs of what was set aside, in the words of the command line. */
import type { EventLogs, SetAsideLog } from '../../events/set-aside-log.ts';

export interface SetAsideKind {
  readonly command: string;
  readonly description: string;
  readonly logOf: (logs: EventLogs) => SetAsideLog;
  readonly one: string;
  readonly many: string;
  /** Said where there are none. */
  readonly none: string;
  /** Said after a retry. */
  readonly afterRetry: string;
}

export const setAsideKinds: readonly SetAsideKind[] = [
  {
    command: 'dead-letters',
    description: 'Events that could not be applied to the features.',
    logOf: ({ deadLetters }) => deadLetters,
    one: 'dead letter',
    many: 'dead letters',
    none: 'No dead letters: every event that was applied is in the features, or came too late.',
    afterRetry: 'A server applies them. What fails again comes back with a new number.',
  },
  {
    command: 'corrections',
    description: 'Events that came later than streaming.allowed_lateness, and are in no feature.',
    logOf: ({ corrections }) => corrections,
    one: 'correction',
    many: 'corrections',
    none: 'No corrections: no event came too late.',
    afterRetry:
      'A server applies them. What is still later than its streaming.allowed_lateness comes back with a new number.',
  },
];

/** `1 dead letter`, `1,200 dead letters` */
export function countOfKind(count: number, { one, many }: SetAsideKind): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}
