/** Structured logs: one JSON object a line. */
import { pino } from 'pino';
import type { Logger } from 'pino';

export type Log = Logger;

export const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

export type LogLevel = (typeof logLevels)[number];

/** Logs to standard output, synchronously, so that the last line before an exit is not lost. */
export function createLog(level: LogLevel): Log {
  return pino({
    name: 'millrace',
    level,
    formatters: { level: (label) => ({ level: label }) },
    timestamp: isoTime,
  });
}

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}
