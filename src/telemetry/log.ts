/** Structured logs: one JSON object a line. */
import { destination, pino } from 'pino';
import type { Logger } from 'pino';

export type Log = Logger;

export const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

export type LogLevel = (typeof logLevels)[number];

/**
 * Logs to standard output. Synchronously, which pino does only when it is asked to: so that the last line before a
 * kill is not lost, and the lines of several workers come in the order in which things happened.
 */
export function createLog(level: LogLevel): Log {
  const format = {
    name: 'millrace',
    level,
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: isoTime,
  };
  return pino(format, destination({ dest: 1, sync: true }));
}

/** The member of a line that says when. */
export function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}
