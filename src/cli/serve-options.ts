/** What `millrace serve` and each of its processes are told, and what a server is told of it. */
import { resolve } from 'node:path';
import type { Access } from '../access/access.ts';
import { MillraceError } from '../errors.ts';
import type { ServerOptions } from '../server/server-options.ts';
import type { TlsFiles } from '../server/tls-files.ts';
import type { Log, LogLevel } from '../telemetry/log.ts';
import { keysFileOf } from './access-options.ts';
import type { AccessOptions } from './access-options.ts';
import { forceKey, storePlace } from './store-options.ts';
import type { StoreOptions } from './store-options.ts';

/** Options of `millrace serve` that each of its processes needs. */
export interface ServeOptions extends StoreOptions, AccessOptions {
  readonly host: string;
  readonly port: number;
  readonly logLevel: LogLevel;
  /** Part of the requests that the access log has a line for; undefined = there is none. */
  readonly accessLog?: number;
  /** Undefined = no gRPC. */
  readonly grpcPort?: number;
  /** Milliseconds; 0 = never. */
  readonly watch: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly corsOrigin?: readonly string[];
}

export interface ServeGroupOptions extends ServeOptions {
  readonly workers: number;
  readonly startTimeout: number;
}

/** @throws MillraceError STARTUP_FAILED for options that do not go together */
export function serverOptions(options: ServeOptions, access: Access, log: Log): ServerOptions {
  const { host, port, grpcPort, insecure = false, auditLog: auditFile, watch, corsOrigin = [] } = options;
  return {
    ...storePlace(options),
    host,
    port,
    access,
    keysFile: resolve(keysFileOf(options)),
    insecure,
    auditFile,
    tls: tlsFiles(options),
    corsOrigins: corsOrigin,
    forceKey: forceKey(),
    watchModelsMs: watch,
    accessLog: options.accessLog === undefined ? undefined : { share: options.accessLog },
    grpc: grpcPort === undefined ? undefined : { port: grpcPort },
    log,
  };
}

function tlsFiles({ tlsCert: certFile, tlsKey: keyFile }: ServeOptions): TlsFiles | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
  throw new MillraceError('STARTUP_FAILED', 'TLS needs both --tls-cert and --tls-key.');
}
