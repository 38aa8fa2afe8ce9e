import type { AccessLogOptions } from '../telemetry/access-log.ts';
import type { LogLevel } from '../telemetry/log.ts';
import type { StoreOptions } from './store-options.ts';

/** Options of `millrace serve` that each of its processes needs. */
export interface ServeOptions extends StoreOptions {
  readonly host: string;
  readonly port: number;
  readonly logLevel: LogLevel;
  /** Part of the requests that the access log has a line for; undefined = there is none. */
  readonly accessLog?: number;
  /** Milliseconds; 0 = never. */
  readonly watch: number;
}

export interface ServeGroupOptions extends ServeOptions {
  readonly workers: number;
  readonly startTimeout: number;
}

export function accessLogOf({ accessLog }: ServeOptions): AccessLogOptions | undefined {
  return accessLog === undefined ? undefined : { share: accessLog };
}
