/** What a server can be told when it is made. */
import type { Access } from '../access/access.ts';
import type { Clock } from '../clock.ts';
import type { RedisOptions } from '../features/redis/redis-options.ts';
import type { AccessLogOptions } from '../telemetry/access-log.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Change } from './lifecycle.ts';
import type { PortSharing } from './listen.ts';
import type { TlsFiles } from './tls-files.ts';

export interface ServerOptions {
  /** Folder of the embedded store; made if it is not there. */
  readonly dataDir: string;
  /** Where rows are kept instead, with a cache of them in this process. */
  readonly redis?: RedisOptions | undefined;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 8080; 0 = any free port. */
  readonly port?: number;
  /** Default: structured logs on standard output from level info. */
  readonly log?: Log;
  readonly clock?: Clock;
  /**
   * Default alone. `first` and `join` are for a server that is one of several processes: it then listens only when it
   * is ready, because the system gives it a part of the connections from that moment on.
   */
  readonly sharing?: PortSharing;
  /** Who sends it in `x-millrace-force-key` may choose a variant with `x-millrace-variant`; default: nobody may. */
  readonly forceKey?: string | undefined;
  /** Who may do what; default: everybody may do everything. Stays open: it is its owner's. */
  readonly access?: Access | undefined;
  /** Where `access` looks for keys: named to whoever wonders why there are none. */
  readonly keysFile?: string | undefined;
  /**
   * Lets a server without keys listen on an address that other machines reach, and be called by any name: they may do
   * everything.
   */
  readonly insecure?: boolean;
  /** Default: without TLS. */
  readonly tls?: TlsFiles | undefined;
  /** Origins whose pages may call, like `https://shop.example`; default none. */
  readonly corsOrigins?: readonly string[];
  /** Where calls that change something are written down; default: `audit.ndjson` in the data folder. */
  readonly auditFile?: string | undefined;
  /** How often the model folders are looked at for what has changed; default 0 = never. */
  readonly watchModelsMs?: number;
  /** Models that are not loaded until a call asks for it. */
  readonly unloadedModels?: Iterable<string>;
  /**
   * Makes a change that a call asks for in all processes of the server, this one included (by `Server.change`); default: in
   * this one.
   */
  readonly changeAll?: (change: Change) => Promise<void>;
  /** Default: no access log. It has a line for a share of the requests, and for all that are refused or fail. */
  readonly accessLog?: AccessLogOptions | undefined;
  /** Default: metrics of this server and process. */
  readonly metrics?: Metrics;
  /** Serves the Open Inference Protocol over gRPC as well; default: not. */
  readonly grpc?: GrpcOptions | undefined;
}

/** On the address of HTTP, with its certificate. */
export interface GrpcOptions {
  /** 0 = any free one; undefined = somebody else accepts connections, see `Server.takeGrpcConnection`. */
  readonly port?: number | undefined;
}

export const defaultHost = '127.0.0.1';
export const defaultPort = 8080;
export const PORT_MAX = 65_535;

/** A program's mistakes, which LMDB and the operating system would report in words of their own. */
export function checkOptions({ dataDir, host, port }: Partial<ServerOptions> = {}): void {
  if (typeof dataDir !== 'string' || dataDir === '')
    throw new TypeError('options.dataDir must name a folder');
  if (host === '') throw new TypeError('options.host must be an address, such as 127.0.0.1');
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= PORT_MAX)) {
    throw new TypeError(`options.port must be a whole number from 0 to ${PORT_MAX}, not ${port}`);
  }
}
