/** Event types as the project reader makes them, written short, and events of them. */
import { parseDataType } from '../../src/project/data-type.ts';
import type { EventField, EventType } from '../../src/project/project.ts';
import type { Value } from '../../src/project/value.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';

/** @param fields name -> type; a name that ends in `?` is optional */
export function eventTypeOf(
  name: string,
  fields: Readonly<Record<string, string>>,
  timeField?: string,
): EventType {
  const list = Object.entries(fields).map(([fieldName, text], index): EventField => {
    const type = parseDataType(text);
    if (typeof type === 'string') throw new Error(type);
    return { name: fieldName.replace('?', ''), type, index, optional: fieldName.endsWith('?') };
  });
  return { name, fields: list, timeField: list.find((field) => field.name === timeField) };
}

export const departure: EventType = eventTypeOf(
  'departure',
  { origin: 'string', 'delay?': 'float64', seats: 'int64', scheduled: 'timestamp' },
  'scheduled',
);
export const click: EventType = eventTypeOf('click', { page: 'string', 'taste?': 'float32[2]' });

export function clickEvent(id: string, page = 'home', receivedMs = 1000): AcceptedEvent {
  return eventOf(click, id, [page, null], receivedMs);
}

export function eventOf(
  type: EventType,
  id: string,
  values: readonly Value[],
  receivedMs = 1000,
): AcceptedEvent {
  return { id, type, timeMs: receivedMs, receivedMs, values };
}
