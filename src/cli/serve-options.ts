import type { LogLevel } from '../telemetry/log.ts';

/** Options of `millrace serve` that each of its processes needs. */
export interface ServeOptions {
  readonly project: string;
  readonly data?: string;
  readonly host: string;
  readonly port: number;
  readonly logLevel: LogLevel;
}

export interface ServeGroupOptions extends ServeOptions {
  readonly workers: number;
  readonly startTimeout: number;
}
