/** Projects, entities and views as the project reader makes them, written short. */
import type { DataType } from '../../src/project/data-type.ts';
import { parseDataType } from '../../src/project/data-type.ts';
import type { Entity, FeatureView, JoinKey, Project } from '../../src/project/project.ts';

export function entityOf(name: string, keys: Readonly<Record<string, JoinKey['type']>>): Entity {
  return { name, keys: Object.entries(keys).map(([keyName, type]) => ({ name: keyName, type })) };
}

export function viewOf(
  name: string,
  entity: Entity,
  features: Readonly<Record<string, string>>,
  options: { readonly ttlMs?: number } = {},
): FeatureView {
  return {
    name,
    entity,
    ttlMs: options.ttlMs,
    timestampField: 'event_timestamp',
    onUnavailable: 'default',
    features: Object.entries(features).map(([featureName, type], index) => ({
      name: featureName,
      type: dataType(type),
      index,
      default: undefined,
    })),
  };
}

export function projectOf(
  views: readonly FeatureView[],
  options: { readonly rowsMax?: number } = {},
): Project {
  return {
    name: 'sample',
    dir: 'sample',
    entities: new Map(views.map(({ entity }) => [entity.name, entity])),
    eventTypes: new Map(),
    featureViews: new Map(views.map((view) => [view.name, view])),
    models: new Map(),
    unserved: [],
    endpoints: new Map(),
    limits: {
      bodyBytesMax: 1_000_000,
      bodyTimeoutMs: 1000,
      rowsMax: options.rowsMax ?? 100,
      timeoutMs: 1000,
      inFlightMax: 100,
      drainTimeoutMs: 1000,
      memoryBytesMax: 1_000_000,
      wsSocketsMax: 10,
      wsInFlightMax: 10,
      wsBufferBytesMax: 1e6,
      wsIdleTimeoutMs: 60_000,
    },
    streaming: {
      partitions: 4,
      allowedLatenessMs: 3_600_000,
      retentionMs: 604_800_000,
      retentionBytesMax: 1e9,
      setAsideMax: 100_000,
      futureMsMax: 300_000,
      eventsMax: 1000,
      eventBytesMax: 65_536,
    },
    cache: { entriesMax: 1000, ttlMs: 60_000, staleMsMax: 600_000, readTimeoutMs: 250 },
    feast: { isDeclared: false, project: 'sample', entityKeyVersion: 3, keyTypes: new Map() },
  };
}

function dataType(text: string): DataType {
  const type = parseDataType(text);
  if (typeof type === 'string') throw new Error(type);
  return type;
}
