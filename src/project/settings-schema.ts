/** The sections of millrace.yaml that set bounds and ways of working: limits, streaming, cache, feast. */
import { z } from 'zod';
import { parseByteSize } from './byte-size.ts';
import { duration, identifier, parsed } from './schema-values.ts';

export interface LimitsSpec {
  readonly body_bytes_max: number;
  readonly body_timeout: number;
  readonly rows_max: number;
  readonly timeout: number;
  readonly in_flight_max: number;
  readonly drain_timeout: number;
  readonly memory_bytes_max: number;
  readonly ws_sockets_max: number;
  readonly ws_in_flight_max: number;
  readonly ws_buffer_bytes_max: number;
  readonly ws_idle_timeout: number;
}

export interface StreamingSpec {
  readonly partitions: number;
  readonly allowed_lateness: number;
  readonly retention: number;
  readonly retention_bytes_max: number;
  readonly set_aside_max: number;
  readonly future_max: number;
  readonly events_max: number;
  readonly event_bytes_max: number;
}

export interface CacheSpec {
  readonly entries_max: number;
  readonly ttl: number;
  readonly stale_max: number;
  readonly read_timeout: number;
}

export interface FeastSpec {
  readonly project?: string | undefined;
  readonly entity_key_version: 2 | 3;
  readonly key_types: Readonly<Record<string, 'int32'>>;
}

export const LIMIT_TIMEOUT_MS_MAX: number = 86_400_000;
const BODY_BYTES_MAX = 1024 ** 3;
const MEMORY_BYTES_MAX = 1024 ** 4;
const PARTITIONS_MAX = 256;
const RETENTION_BYTES_MIN = 1024 ** 2;
const RETENTION_BYTES_MAX = 1024 ** 5;
const EVENT_BYTES_MAX = 1024 ** 2;
// What uWebSockets.js takes.
const WS_IDLE_MS_MIN = 8000;
const WS_IDLE_MS_MAX = 960_000;

const timeout = duration.refine((durationMs) => durationMs <= LIMIT_TIMEOUT_MS_MAX, {
  error: 'must be at most 1d',
});

const byteSize = z.union([z.int(), parsed(parseByteSize).meta({ pattern: '^[0-9]+([bB]|[kKmMgG][bB])$' })]);
const bodySize = byteSize.pipe(z.int().min(1).max(BODY_BYTES_MAX));
const memorySize = byteSize.pipe(z.int().min(0).max(MEMORY_BYTES_MAX));

export const limits: z.ZodType<LimitsSpec, object> = z.strictObject({
  body_bytes_max: bodySize.prefault('1mb').describe('The largest body: bytes, or 512kb, 1mb.'),
  body_timeout: timeout.prefault('10s').describe('Time for a body to arrive once its headers are there.'),
  rows_max: z.int().min(1).max(100_000).default(1000).describe('The most rows of one call.'),
  timeout: timeout.prefault('1s').describe('Time for an answer once the body is there.'),
  in_flight_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('The most requests that wait for an answer at once; more get OVERLOADED.'),
  drain_timeout: timeout.prefault('10s').describe('Time that SIGTERM leaves the requests in flight.'),
  memory_bytes_max: memorySize
    .prefault('256mb')
    .describe('Memory for feature rows that were read lately, about: bytes, or 512mb; 0 = none.'),
  ws_sockets_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1000)
    .describe('The most open WebSockets; more are refused with OVERLOADED.'),
  ws_in_flight_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1000)
    .describe('The most requests of one WebSocket, or of one message, that wait for an answer at once.'),
  ws_buffer_bytes_max: bodySize
    .prefault('4mb')
    .describe('Answers that a WebSocket may leave unread: bytes, or 4mb. With more it is closed (4008).'),
  ws_idle_timeout: duration
    .refine((ms) => ms >= WS_IDLE_MS_MIN && ms <= WS_IDLE_MS_MAX, { error: 'must be from 8s to 16m' })
    .prefault('60s')
    .describe('Time after which a WebSocket that answers no ping is closed.'),
});

export const streaming: z.ZodType<StreamingSpec, object> = z.strictObject({
  partitions: z
    .int()
    .min(1)
    .max(PARTITIONS_MAX)
    .default(8)
    .describe('Parts of the event log, by entity key. Fixed once events are there.'),
  allowed_lateness: duration
    .prefault('1h')
    .describe('How far an event may lie behind the latest one and still be counted.'),
  retention: duration.prefault('7d').describe('How long events are kept in the log.'),
  retention_bytes_max: byteSize
    .pipe(z.int().min(RETENTION_BYTES_MIN).max(RETENTION_BYTES_MAX))
    .prefault('10gb')
    .describe('The size of the event log beyond which its oldest events are dropped: bytes, or 10gb.'),
  set_aside_max: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(100_000)
    .describe(
      'The most dead letters, and the most corrections, that are kept; beyond, the oldest are dropped.',
    ),
  future_max: timeout
    .prefault('5m')
    .describe('How far the time of an event may lie ahead of the clock; later ones are rejected.'),
  events_max: z.int().min(1).max(100_000).default(10_000).describe('The most events of one call.'),
  event_bytes_max: byteSize
    .pipe(z.int().min(1).max(EVENT_BYTES_MAX))
    .prefault('64kb')
    .describe('The largest event: bytes, or 64kb.'),
});

export const cache: z.ZodType<CacheSpec, object> = z.strictObject({
  entries_max: z
    .int()
    .min(0)
    .max(16_000_000)
    .default(500_000)
    .describe('The most entity keys whose rows are kept; limits.memory_bytes_max holds too. 0 = none.'),
  ttl: timeout
    .prefault('60s')
    .describe(
      'Age after which a row is read again although no change of it was told; it is served meanwhile.',
    ),
  stale_max: duration.prefault('10m').describe('The oldest row that is served while Redis is away.'),
  read_timeout: timeout
    .prefault('250ms')
    .describe('Time for Redis to answer a read; then what is known already is used.'),
});

export const feast: z.ZodType<FeastSpec, object> = z.strictObject({
  project: z.string().min(1).optional().describe('The name of the project in Feast; default: this one.'),
  entity_key_version: z
    .literal([2, 3], { error: 'must be 2 or 3' })
    .default(3)
    .describe('entity_key_serialization_version of feature_store.yaml.'),
  key_types: z
    .record(identifier, z.literal('int32', { error: 'must be int32; other join keys are not named here' }))
    .default({})
    .describe(
      'Join keys that are Int32 in Feast, by name; others are String or Int64, as their entity says.',
    ),
});
