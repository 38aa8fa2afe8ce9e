/** A project with streaming views of flights by origin, by destination and overall, and random events for it. */
import type { AcceptedEvent } from '../../src/events/event.ts';
import type { EventWrite } from '../../src/events/event-log.ts';
import type { FeatureView, Project } from '../../src/project/project.ts';
import type { Value } from '../../src/project/value.ts';
import type { StreamRouting } from '../../src/streaming/stream-routing.ts';
import { entityOf, projectOf } from '../features/sample-project.ts';
import { eventOf, streamingView } from './sample-view.ts';
import type { FeatureGiven } from './sample-view.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export const departure = {
  ...eventOf({ origin: 'string', destination: 'string', delay: 'float64?' }),
  name: 'departure',
};
const airport = entityOf('airport', { iata: 'string' });
const overall = entityOf('overall', {});
const features: readonly FeatureGiven[] = [
  { name: 'count', windowMs: 30 * MINUTE_MS },
  { name: 'count', windowMs: 3 * HOUR_MS },
  { name: 'mean', field: 'delay', windowMs: 3 * HOUR_MS },
  { name: 'sum', field: 'delay', windowMs: 24 * HOUR_MS },
  { name: 'count', where: 'delay > 15', windowMs: 24 * HOUR_MS },
  { name: 'max', field: 'delay', windowMs: 24 * HOUR_MS },
  { name: 'last', field: 'destination', windowMs: 3 * HOUR_MS },
];

function viewBy(name: string, entity: FeatureView['entity'], keys: readonly string[]): FeatureView {
  const view = streamingView(departure, features);
  const keyFields = keys
    .map((key) => departure.fields.find((field) => field.name === key))
    .filter((f) => f !== undefined);
  return { ...view, name, entity, stream: { event: departure, keyFields, where: undefined } };
}

export const flightViews = {
  byOrigin: viewBy('by_origin', airport, ['origin']),
  byDestination: viewBy('by_destination', airport, ['destination']),
  overall: viewBy('overall', overall, []),
};

export const flightProject: Project = {
  ...projectOf(Object.values(flightViews)),
  eventTypes: new Map([['departure', departure]]),
};

export const airports = ['JFK', 'LAX', 'ORD', 'ATL', 'DFW', 'SEA', 'BOS', 'MIA'];
const START_MS = Date.UTC(2001, 2, 6);

/** The n-th flight of a seed, always the same: some seconds after the one before, and up to 20 minutes out of order. */
export function flightEvent(random: () => number, n: number): AcceptedEvent {
  const pick = (): string => airports[Math.floor(random() * airports.length)] as string;
  const values: Value[] = [pick(), pick(), random() < 0.1 ? null : Math.round(random() * 900 - 100) / 10];
  const timeMs = START_MS + n * 20_000 - Math.floor(random() * 20 * MINUTE_MS);
  return { id: `flight-${n}`, type: departure, timeMs, receivedMs: START_MS, values };
}

export function writeOf(event: AcceptedEvent, routing: StreamRouting): EventWrite {
  return { event, partitions: routing.partitionsOf(event) };
}
