/**
 * A project as the rest of the process sees it: validated, cross-referenced and frozen. `read-project.ts` makes it
 * from DIR/millrace.yaml and DIR/<model>/model.yaml; nothing else reads those files.
 */
import type { DataType } from './data-type.ts';
import type { Execution } from './execution.ts';
import type { ProjectSpec } from './project-schema.ts';
import type { Rollout, Unit } from './rollout.ts';
import type { SourceFile } from './source-file.ts';
import type { Value } from './value.ts';

/** A place in a project file, for messages: `models/millrace.yaml:12 endpoints.flight-delay.request.origin`. */
export interface Location {
  /** Path of the file as the user would type it: the project folder joined with the name inside it. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** Path inside the file: `inputs.features[2]`. */
  readonly path: string;
}

/** One mistake in a project file. */
export interface Mistake extends Location {
  /** One sentence: what is wrong. */
  readonly message: string;
  /** What to write instead, where there is a good guess: `did you mean "origin.delay_mean"?` */
  readonly suggestion?: string;
}

export interface JoinKey {
  readonly name: string;
  readonly type: 'string' | 'int64';
}

export interface Entity {
  readonly name: string;
  /** In the order of the project file, which is also the order inside an encoded entity key. None = there is one. */
  readonly keys: readonly JoinKey[];
}

export interface EventField {
  readonly name: string;
  readonly type: DataType;
  /** Position among the fields of its event type. */
  readonly index: number;
  /** An optional field that an event leaves out, or sends as null, is missing (null). */
  readonly optional: boolean;
}

/** What happens, as callers report it: the fields that an event of this type has. */
export interface EventType {
  readonly name: string;
  readonly fields: readonly EventField[];
  /** The field that says when it happened, never missing; undefined = the event says it beside its fields, else it is now. */
  readonly timeField: EventField | undefined;
}

/** Where the features of a view come from, if they are computed from events. */
export interface Stream {
  readonly event: EventType;
  /** One per join key of the view's entity, in its order: the event field that holds it. Missing = about nobody. */
  readonly keyFields: readonly EventField[];
  /** Only events for which this holds count. */
  readonly where: SourceExpression | undefined;
}

export const aggregateNames = [
  'count',
  'sum',
  'mean',
  'min',
  'max',
  'variance',
  'first',
  'last',
  'count_distinct',
  'top_k',
  'quantile',
] as const;
export type AggregateName = (typeof aggregateNames)[number];

/** How a feature is computed from the events of a window. */
export interface Aggregation {
  readonly name: AggregateName;
  /** What is aggregated; undefined = the events themselves (count). */
  readonly field: EventField | undefined;
  readonly where: SourceExpression | undefined;
  readonly windowMs: number;
  /** The n of first and last, the k of top_k; else 1. */
  readonly count: number;
  /** Which of `count` values this feature is: 1 = the earliest, the latest, the most frequent. */
  readonly rank: number;
  /** Of a quantile, 0 to 1. */
  readonly quantile: number | undefined;
}

export interface Feature {
  readonly name: string;
  readonly type: DataType;
  /** Position among the features of its view. */
  readonly index: number;
  /** Stands in for a value that is null, not found or outside the max age; undefined = stays missing. */
  readonly default: Exclude<Value, null> | undefined;
  /** Models read it; callers only with the scope `features:protected`, and logs have at most a hash of it. */
  readonly isProtected?: boolean;
  /** Undefined where the value is written as it is. */
  readonly aggregation?: Aggregation;
}

export interface FeatureView {
  readonly name: string;
  readonly entity: Entity;
  /** Max age of a row that is still served; undefined = forever. */
  readonly ttlMs: number | undefined;
  /** The column of loaded files and pushes that holds the event time. */
  readonly timestampField: string;
  /** What a row is that is not in memory while the store is away: missing, or an error. */
  readonly onUnavailable: 'default' | 'error';
  /** Undefined for a view whose rows are loaded or pushed. */
  readonly stream?: Stream;
  readonly features: readonly Feature[];
}

export interface RequestField {
  readonly name: string;
  readonly type: DataType;
  /** Position in the decoded request row. */
  readonly index: number;
  /** An optional field that a request leaves out, or sends as null, is missing (null) in transforms. */
  readonly optional: boolean;
}

/** An expression as written, with its place, so that later checks can point at it. */
export interface SourceExpression {
  readonly text: string;
  readonly location: Location;
}

/** How a request names one entity that a model needs; one entity may be bound twice (origin, destination). */
export interface EntityBinding {
  readonly name: string;
  readonly entity: Entity;
  /** One per join key of the entity, in the entity's order: the request field that holds it. */
  readonly keyFields: readonly string[];
  readonly location: Location;
}

export interface ModelInput {
  /** Name of the ONNX input. */
  readonly name: string;
  /** The expressions that fill it, in order. A vector expression fills as many slots as it has elements. */
  readonly expressions: readonly SourceExpression[];
  readonly location: Location;
}

export interface ModelOutput {
  /** Name of the field in the answer. */
  readonly field: string;
  /** Name of the ONNX output. */
  readonly tensor: string;
  /** One column of it, or undefined for all: a scalar if there is one column, else an array. */
  readonly column: number | undefined;
  readonly location: Location;
}

export interface ModelVersion {
  readonly model: string;
  /** Name of the version's folder: digits, `1`, `2`, `10`. */
  readonly version: string;
  /** Path of model.onnx. */
  readonly onnxPath: string;
  /** Whether a model.yaml says how rows fill its inputs; else it has no inputs here, and no endpoint may use it. */
  readonly isDescribed: boolean;
  readonly bindings: readonly EntityBinding[];
  readonly inputs: readonly ModelInput[];
  /** undefined = every output of the model, whole, under its own name. */
  readonly outputs: readonly ModelOutput[] | undefined;
  readonly batching: Batching;
  readonly execution: Execution;
  /** Worker threads, if it runs in some; undefined = as many as fit the machine. */
  readonly workers: number | undefined;
  /** Most rows that wait while the model is busy; more are answered with OVERLOADED. */
  readonly queueRowsMax: number;
  /** Time for the rows of a request to be run; undefined = only `limits.timeoutMs` holds. */
  readonly timeoutMs: number | undefined;
  /** Run the model once with neutral rows before the server says it is ready. */
  readonly warmup: boolean;
  /** The model.yaml that says most about this version (its own, else the model's). */
  readonly location: Location;
}

export interface Batching {
  /** Most rows of one run. */
  readonly rowsMax: number;
  /** How long an incomplete batch may wait for more rows; 0 = until the end of the event-loop turn. */
  readonly delayMsMax: number;
}

export interface Model {
  readonly name: string;
  /** By version; at least one. */
  readonly versions: ReadonlyMap<string, ModelVersion>;
}

export interface Variant {
  readonly name: string;
  /** The model version that answers. */
  readonly model: ModelVersion;
  /** Whether it follows the newest version. */
  readonly isLatest: boolean;
  readonly location: Location;
}

/** Which predictions of an endpoint are kept in the prediction log, and what of them. */
export interface PredictionLogSettings {
  /** Share of the requests, 0 to 1. */
  readonly sample: number;
  /** Share of those that are kept with the features that were read. */
  readonly featuresSample: number;
  /** Request fields that are kept as a keyed hash, in entity keys as well. */
  readonly hash: readonly string[];
  /** Request fields that are not kept, nor are entity keys that they are part of. */
  readonly leaveOut: readonly string[];
}

export interface Endpoint {
  readonly name: string;
  readonly request: readonly RequestField[];
  /** What is bucketed between variants; undefined = each request by itself, at random. */
  readonly unit: Unit | undefined;
  /** At least one; all of them are loaded, whatever part of the traffic they have. */
  readonly variants: readonly Variant[];
  /** As the project file starts it. */
  readonly rollout: Rollout;
  /** That section as it is written, for those who compare it with what was changed since. */
  readonly rolloutText: string;
  readonly log: PredictionLogSettings;
  readonly location: Location;
}

export interface Limits {
  readonly bodyBytesMax: number;
  /** Time for a body to arrive once its headers are there. */
  readonly bodyTimeoutMs: number;
  /** Most rows of one predict, push or get-online-features call. */
  readonly rowsMax: number;
  /** Time for an answer once the body is there. */
  readonly timeoutMs: number;
  /** Most requests that may wait for an answer at once; more are answered with OVERLOADED. */
  readonly inFlightMax: number;
  /** Time that SIGTERM leaves the requests in flight. */
  readonly drainTimeoutMs: number;
  /** Memory for feature rows that were read lately, about; 0 = none. */
  readonly memoryBytesMax: number;
  /** Most open WebSockets. */
  readonly wsSocketsMax: number;
  /** Most requests of one WebSocket, or of one message, that may wait for an answer at once. */
  readonly wsInFlightMax: number;
  /** Bytes of answers that a WebSocket may leave unread. */
  readonly wsBufferBytesMax: number;
  /** Time after which a WebSocket that answers no ping is closed. */
  readonly wsIdleTimeoutMs: number;
}

/** Rows that are kept in memory in front of a store behind a network. */
export interface CacheSettings {
  /** Most entity keys; 0 = none. */
  readonly entriesMax: number;
  /** Age after which a row is read again although no change of it was told. */
  readonly ttlMs: number;
  /** Age of the oldest row that is served while the store is away. */
  readonly staleMsMax: number;
  readonly readTimeoutMs: number;
}

/** How events are kept and applied. */
export interface StreamingSettings {
  /** Of the event log. Fixed when the log is made. */
  readonly partitions: number;
  /** How far an event may lie behind the latest one of its partition, of whatever type, and still be counted. */
  readonly allowedLatenessMs: number;
  /** Age after which an event may be dropped from the log. */
  readonly retentionMs: number;
  /** Size of the log, all partitions together, beyond which its oldest events are dropped. */
  readonly retentionBytesMax: number;
  /** Of dead letters, and of corrections. */
  readonly setAsideMax: number;
  /** How far the time of an event may lie ahead of the clock. */
  readonly futureMsMax: number;
  /** Most events of one call. */
  readonly eventsMax: number;
  /** Most bytes of one event. */
  readonly eventBytesMax: number;
}

/** How Feast wrote its rows. */
export interface FeastSettings {
  /** Whether the project file speaks of Feast: then the rows in Redis are Feast's, where nothing else is said. */
  readonly isDeclared: boolean;
  /** Name of the project in Feast. */
  readonly project: string;
  readonly entityKeyVersion: 2 | 3;
  /** Of join keys, by name, where they are not what their entity says. */
  readonly keyTypes: ReadonlyMap<string, 'int32'>;
}

export interface UnservedVersion {
  readonly model: string;
  /** Empty = all of the model. */
  readonly version: string;
  /** File, line and sentence. */
  readonly reason: string;
}

export interface Project {
  readonly name: string;
  /** The project folder. */
  readonly dir: string;
  readonly entities: ReadonlyMap<string, Entity>;
  readonly eventTypes: ReadonlyMap<string, EventType>;
  readonly featureViews: ReadonlyMap<string, FeatureView>;
  readonly models: ReadonlyMap<string, Model>;
  /** Versions that are left out for mistakes of their own, which no endpoint needs. */
  readonly unserved: readonly UnservedVersion[];
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly limits: Limits;
  readonly streaming: StreamingSettings;
  readonly cache: CacheSettings;
  readonly feast: FeastSettings;
  /** What it was read from, to read the models beside it again; undefined = from no file. */
  readonly file?: ProjectFile | undefined;
}

/** A project file as it was read, of sound shape. */
export interface ProjectFile {
  readonly spec: ProjectSpec;
  readonly source: SourceFile;
}
