/** Limits and the settings of stores, from a checked project file. */
import type { CacheSettings, Entity, FeastSettings, Limits, StreamingSettings } from './project.ts';
import type { ProjectSpec } from './project-schema.ts';
import type { Report } from './report.ts';
import type { CacheSpec, LimitsSpec, StreamingSpec } from './settings-schema.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';

export function buildLimits(spec: LimitsSpec): Limits {
  return {
    bodyBytesMax: spec.body_bytes_max,
    bodyTimeoutMs: spec.body_timeout,
    rowsMax: spec.rows_max,
    timeoutMs: spec.timeout,
    inFlightMax: spec.in_flight_max,
    drainTimeoutMs: spec.drain_timeout,
    memoryBytesMax: spec.memory_bytes_max,
    wsSocketsMax: spec.ws_sockets_max,
    wsInFlightMax: spec.ws_in_flight_max,
    wsBufferBytesMax: spec.ws_buffer_bytes_max,
    wsIdleTimeoutMs: spec.ws_idle_timeout,
  };
}

export function buildStreaming(spec: StreamingSpec): StreamingSettings {
  return {
    partitions: spec.partitions,
    allowedLatenessMs: spec.allowed_lateness,
    retentionMs: spec.retention,
    retentionBytesMax: spec.retention_bytes_max,
    setAsideMax: spec.set_aside_max,
    futureMsMax: spec.future_max,
    eventsMax: spec.events_max,
    eventBytesMax: spec.event_bytes_max,
  };
}

export function buildCache(spec: CacheSpec): CacheSettings {
  return {
    entriesMax: spec.entries_max,
    ttlMs: spec.ttl,
    staleMsMax: spec.stale_max,
    readTimeoutMs: spec.read_timeout,
  };
}

export function buildFeast(
  { project, feast }: ProjectSpec,
  entities: ReadonlyMap<string, Entity>,
  source: SourceFile,
  report: Report,
): FeastSettings {
  const keyTypes = new Map(Object.entries(feast?.key_types ?? {}));
  const joinKeys = [...entities.values()].flatMap(({ keys }) => keys);
  for (const name of keyTypes.keys()) {
    const path = ['feast', 'key_types', name];
    const joinKey = joinKeys.find((key) => key.name === name);
    if (joinKey === undefined) {
      const names = joinKeys.map((key) => key.name);
      report.add(source, path, `there is no join key "${name}"`, suggestName(name, names, 'join keys'));
    } else if (joinKey.type !== 'int64')
      report.add(source, path, `"${name}" is a string in its entity; make it int64 there`);
  }
  return {
    isDeclared: feast !== undefined,
    project: feast?.project ?? project,
    entityKeyVersion: feast?.entity_key_version ?? 3,
    keyTypes,
  };
}
