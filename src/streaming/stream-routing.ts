/**
 * Which entities an event is about, and so which partitions of the log it belongs to. All events of an entity are in one
 * partition, where they are applied in order. An event whose streams name entities of several partitions is in each of
 * them, and counts in each only for the entities of that partition.
 */
import type { AcceptedEvent } from '../events/event.ts';
import { partitionOf } from '../events/partition.ts';
import { encodeEntityKey } from '../features/entity-key.ts';
import type { EntityKey } from '../features/online-store.ts';
import type { EventType, FeatureView, Stream } from '../project/project.ts';
import type { Scalar, Value } from '../project/value.ts';
import type { TiledEntity } from './tile-store.ts';

export interface RoutedEvent {
  readonly type: EventType;
  readonly values: readonly Value[];
}

export interface StreamRouting {
  partitionOf(view: FeatureView, key: EntityKey): number;
  /** The entities of one partition that the event is about; one whose key is missing in the event is left out. */
  entitiesOf(event: RoutedEvent, partition: number): TiledEntity[];
  /** The distinct partitions of its entities; of an event that is about none, one by its id. */
  partitionsOf(event: AcceptedEvent): number[];
}

interface StreamedView {
  readonly view: FeatureView;
  readonly stream: Stream;
}

export function createStreamRouting(views: Iterable<FeatureView>, partitionCount: number): StreamRouting {
  const streamedBy = new Map<string, StreamedView[]>();
  for (const view of views) {
    if (view.stream === undefined) continue;
    const { name } = view.stream.event;
    streamedBy.set(name, [...(streamedBy.get(name) ?? []), { view, stream: view.stream }]);
  }
  const partitionOfEntity = (view: FeatureView, key: EntityKey): number =>
    partitionOf([view.entity.name, key], partitionCount);
  const allOf = ({ type, values }: RoutedEvent): TiledEntity[] =>
    (streamedBy.get(type.name) ?? []).flatMap((streamed) => {
      const key = keyOf(streamed, values);
      const { view } = streamed;
      return key === undefined ? [] : { view, key, partition: partitionOfEntity(view, key) };
    });
  return {
    partitionOf: partitionOfEntity,
    entitiesOf: (event, partition) => allOf(event).filter((entity) => entity.partition === partition),
    partitionsOf(event) {
      const partitions = new Set(allOf(event).map(({ partition }) => partition));
      return partitions.size > 0 ? [...partitions] : [partitionOf([event.id], partitionCount)];
    },
  };
}

function keyOf({ view, stream }: StreamedView, values: readonly Value[]): EntityKey | undefined {
  const parts: Scalar[] = [];
  for (const { index } of stream.keyFields) {
    const value = values[index] ?? null;
    if (value === null) return undefined;
    parts.push(value as Scalar);
  }
  return encodeEntityKey(view.entity, parts);
}
