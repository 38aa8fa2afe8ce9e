import type { LogLevel } from '../telemetry/log.ts';
import type { StoreOptions } from './store-options.ts';

/** Options of `millrace serve` that each of its processes needs. */
export interface ServeOptions extends StoreOptions {
  readonly host: string;
  readonly port: number;
  readonly logLevel: LogLevel;
  /** Undefined = no gRPC. */
  readonly grpcPort: number | undefined;
  /** Milliseconds; 0 = never. */
  readonly watch: number;
}

export interface ServeGroupOptions extends ServeOptions {
  readonly workers: number;
  readonly startTimeout: number;
}
