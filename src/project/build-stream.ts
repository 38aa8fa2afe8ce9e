/** The stream of a feature view: which events its features are computed from, and whom each is about. */
import { formatDataType } from './data-type.ts';
import type { StreamSpec } from './event-schema.ts';
import { formatPath } from './path.ts';
import type { Path } from './path.ts';
import type { Entity, EventField, EventType, JoinKey, Stream } from './project.ts';
import type { Report } from './report.ts';
import { isIncomplete, locate } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';

/** Undefined when it has a mistake: without its event or a key, no feature can be computed. */
export function buildStream(
  spec: StreamSpec,
  viewPath: Path,
  entity: Entity,
  eventTypes: ReadonlyMap<string, EventType>,
  source: SourceFile,
  report: Report,
): Stream | undefined {
  const path = [...viewPath, 'stream'];
  const event = eventTypes.get(spec.event);
  if (event === undefined) {
    const part = formatPath(['events', spec.event]);
    if (isIncomplete(report.incomplete, part)) report.markIncomplete(formatPath(viewPath));
    else {
      const suggestion = suggestName(spec.event, eventTypes.keys(), 'events');
      report.add(source, [...path, 'event'], `there is no event "${spec.event}"`, suggestion);
    }
    return undefined;
  }
  checkKeyNames(spec, path, entity, source, report);
  const keyFields = entity.keys.flatMap((key) => {
    const name = spec.keys[key.name];
    return name === undefined ? [] : keyField(key, name, [...path, 'keys', key.name], event, source, report);
  });
  if (keyFields.length < entity.keys.length || report.isTouched(source, [...path, 'where'])) return undefined;
  const where =
    spec.where === undefined ? undefined : { text: spec.where, location: locate(source, [...path, 'where']) };
  return { event, keyFields, where };
}

/** A stream gives each join key of the entity, and nothing else. */
function checkKeyNames(
  { keys }: StreamSpec,
  path: Path,
  entity: Entity,
  source: SourceFile,
  report: Report,
): void {
  const known = entity.keys.map((key) => key.name);
  const unknown = Object.keys(keys).filter((key) => !known.includes(key));
  for (const key of unknown) {
    const message = `is not a join key of the entity ${entity.name}`;
    report.add(source, [...path, 'keys', key], message, suggestName(key, known, 'join keys'));
  }
  const missing = known.filter((key) => !Object.hasOwn(keys, key));
  // A misspelt key is one mistake, not two.
  if (unknown.length > 0 || missing.length === 0 || report.isTouched(source, [...path, 'keys'])) return;
  const suggestion = `write it like keys: { ${missing[0]}: FIELD }`;
  const message = `lacks the join key ${missing.join(', ')} of the entity ${entity.name}`;
  report.add(source, [...path, 'keys'], message, suggestion);
}

function keyField(
  key: JoinKey,
  name: string,
  path: Path,
  event: EventType,
  source: SourceFile,
  report: Report,
): EventField[] {
  const field = event.fields.find((candidate) => candidate.name === name);
  if (field === undefined) {
    reportUnknownField(name, path, event, source, report);
    return [];
  }
  if (formatDataType(field.type) === key.type) return [field];
  const types = `the join key ${key.name} is ${key.type}, and the field is ${formatDataType(field.type)}`;
  report.add(source, path, `names ${name}: ${types}`);
  return [];
}

/** A field that was left out for a mistake of its own is not called unknown. */
export function reportUnknownField(
  name: string,
  path: Path,
  event: EventType,
  source: SourceFile,
  report: Report,
): void {
  if (report.isTouched(source, ['events', event.name, 'fields', name])) {
    report.markIncomplete(formatPath(path.slice(0, 2)));
    return;
  }
  const fields = event.fields.map((field) => field.name);
  const message = `names "${name}", which is not a field of the event ${event.name}`;
  report.add(source, path, message, suggestName(name, fields, 'fields'));
}
