/** The public API, for programs that embed the server. */
export { MillraceError, errorCatalogue } from './errors.ts';
export type { ErrorCode, ErrorDetail, ErrorKind } from './errors.ts';
export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export { formatMistake, loadProject, readProject } from './project/read-project.ts';
export type { ReadProject } from './project/read-project.ts';
export type {
  Endpoint,
  Entity,
  Feature,
  FeatureView,
  Limits,
  Mistake,
  Model,
  ModelVersion,
  Project,
  RequestField,
  Variant,
} from './project/project.ts';
export { openAccess } from './access/open-access.ts';
export type { AccessOptions, KeysOptions, OpenAccess } from './access/open-access.ts';
export type { Access, Principal } from './access/access.ts';
export type { JwtOptions } from './access/jwt.ts';
export type { Scope } from './access/scope.ts';
export { createServer } from './server/server.ts';
export type { CloseOptions, Server } from './server/server.ts';
export type { ServerOptions } from './server/server-options.ts';
export type { PortSharing } from './server/listen.ts';
export { createLog } from './telemetry/log.ts';
export type { Log, LogLevel } from './telemetry/log.ts';
