/** Event types, put together from a checked project file. */
import { formatDataType } from './data-type.ts';
import { formatPath } from './path.ts';
import type { EventField, EventType } from './project.ts';
import type { ProjectSpec } from './project-schema.ts';
import type { Report } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';

/** What the server writes into its prediction log; a tool that shows both logs must be able to tell them apart. */
const reservedEvents: ReadonlySet<string> = new Set(['prediction', 'feedback', 'exposure']);

/** An event type keeps the fields that are sound; without the field that it takes its time from it is left out. */
export function buildEventTypes(
  spec: ProjectSpec,
  source: SourceFile,
  report: Report,
): Map<string, EventType> {
  const types = new Map<string, EventType>();
  for (const [name, { time, fields: fieldSpecs }] of Object.entries(spec.events)) {
    const path = ['events', name];
    if (reservedEvents.has(name)) {
      report.add(source, path, 'is the name of events that the server makes itself', 'choose another name');
      continue;
    }
    const fields = Object.entries(fieldSpecs).map(([field, { type, optional }], index): EventField => ({
      name: field,
      type,
      index,
      optional,
    }));
    const timeField = fields.find((field) => field.name === time);
    const mistake = time === undefined ? undefined : timeMistake(time, timeField, fields);
    if (mistake === undefined) types.set(name, { name, fields, timeField });
    else if (report.isTouched(source, [...path, 'fields', time ?? '']))
      report.markIncomplete(formatPath(path));
    else report.add(source, [...path, 'time'], mistake.message, mistake.suggestion);
  }
  return types;
}

function timeMistake(
  name: string,
  field: EventField | undefined,
  fields: readonly EventField[],
): { readonly message: string; readonly suggestion?: string } | undefined {
  if (field === undefined) {
    const timestamps = fields.filter(({ type }) => type.scalar === 'timestamp');
    const names = timestamps.map((timestamp) => timestamp.name);
    const suggestion = suggestName(name, names, 'timestamp fields');
    return { message: `names "${name}", which is not a field of the event`, suggestion };
  }
  if (field.type.scalar !== 'timestamp')
    return { message: `names ${name}, which is ${formatDataType(field.type)}: the time is a timestamp` };
  if (!field.optional) return undefined;
  return { message: `names ${name}, which is optional: without it nothing says when the event happened` };
}
