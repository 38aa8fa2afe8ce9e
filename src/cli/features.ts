/** `millrace features get` and `put`: rows of the online store, as the server would read and write them. */
import { Command, InvalidArgumentError } from 'commander';
import { MillraceError } from '../errors.ts';
import { decodePush, getOnlineFeatures } from '../features/feast.ts';
import { feastText } from '../features/feast-text.ts';
import type { FeastResponse } from '../features/feast.ts';
import type { OnlineStore } from '../features/online-store.ts';
import type { Entity, FeatureView, Project } from '../project/project.ts';
import { loadProject } from '../project/read-project.ts';
import { suggestName } from '../project/suggestion.ts';
import type { Value } from '../project/value.ts';
import { addStoreOptions, failingOnUnavailable, openCommandStore } from './store-options.ts';
import type { StoreOptions } from './store-options.ts';
import { formatTable } from './table.ts';
import type { Cell } from './table.ts';

export function featuresCommand(): Command {
  return new Command('features')
    .description('Read and write rows of the online store.')
    .addCommand(getCommand())
    .addCommand(putCommand());
}

function getCommand(): Command {
  const command = new Command('get')
    .description(
      "Print an entity's features, with their status and age; not those that are computed from events, which a server has.",
    )
    .argument(
      '[key...]',
      'the join key; of an entity with several: name=value,name=value; of one without any: nothing',
    );
  return addStoreOptions(command)
    .requiredOption('--entity <name>', 'the entity that the keys name')
    .option('--view <name>', 'only this feature view (repeatable)', collect)
    .option('--json', "print the answer of Feast's call instead of a table")
    .action(get);
}

function putCommand(): Command {
  const command = new Command('put')
    .description('Write one row: every join key and feature of the view.')
    .argument(
      '<name=value...>',
      'join keys and features; a number, true, null or [1,2] as in JSON, text as it is',
    );
  return addStoreOptions(command)
    .requiredOption('--view <name>', 'the feature view to write')
    .option('--event-time <time>', 'when the row became true: ISO 8601 (default: now)')
    .option('--json', 'print the outcome as JSON')
    .action(put);
}

interface GetOptions extends StoreOptions {
  readonly entity: string;
  readonly view?: readonly string[];
  readonly json?: true;
}

async function get(keys: readonly string[], options: GetOptions): Promise<void> {
  const project = failingOnUnavailable(await loadProject(options.project));
  const entity = named(options.entity, project.entities, 'entity', 'entities');
  const views = storedViews(entity, viewsOf(project, entity, options.view), options.view !== undefined);
  const columns = joinKeyColumns(entity, keys);
  const query = {
    features: views.flatMap((view) => view.features.map(({ name }) => `${view.name}:${name}`)),
    entities: columns,
    full_feature_names: true,
  };
  const place = (path: string): string => {
    const [, name = path, row] = /^entities\.(\w+)\[(\d+)\]$/.exec(path) ?? [];
    return row === undefined || keys.length === 1 ? name : `${name} of ${keys[Number(row)]}`;
  };
  const answer = await inOwnWords(`The key does not fit the entity "${entity.name}":`, place, async () =>
    withStore(project, options, async (store) => getOnlineFeatures(project, store, query, Date.now(), true)),
  );
  if (options.json === true) process.stdout.write(`${feastText(answer)}\n`);
  else {
    const shown = entity.keys.length === 0 ? [''] : keys;
    shown.forEach((key, row) => process.stdout.write(entityTable(key, row, entity, views, answer)));
  }
}

interface PutOptions extends StoreOptions {
  readonly view: string;
  readonly eventTime?: string;
  readonly json?: true;
}

async function put(pairs: readonly string[], options: PutOptions): Promise<void> {
  const project = await loadProject(options.project);
  const view = named(options.view, project.featureViews, 'feature view', 'feature views');
  const df: Record<string, unknown[]> = {};
  for (const pair of pairs) {
    const [name, text] = splitPair(pair);
    if (Object.hasOwn(df, name)) throw new InvalidArgumentError(`"${name}" stands twice.`);
    df[name] = [typedValue(view, name, text)];
  }
  if (options.eventTime !== undefined) df[view.timestampField] = [options.eventTime];
  const place = (path: string): string => {
    const name = /^df\.(\w+)/.exec(path)?.[1] ?? path;
    return options.eventTime !== undefined && name === view.timestampField ? '--event-time' : name;
  };
  const writes = await inOwnWords(`The row does not fit the feature view "${view.name}":`, place, async () =>
    decodePush(project, { push_source_name: view.name, df }, Date.now()),
  );
  const outcomes = await withStore(project, options, async (store) => store.write(writes));
  const outcome = outcomes[0] ?? 'written';
  if (options.json === true) process.stdout.write(`${JSON.stringify({ view: view.name, outcome })}\n`);
  else if (outcome === 'written') process.stdout.write(`${view.name}: written\n`);
  else process.stdout.write(`${view.name}: not written, the stored row has a later event time\n`);
}

/**
 * Does work of the HTTP calls; what it refuses is told in words of the command line.
 * @param place a path in the body of the call -> what was typed
 */
async function inOwnWords<T>(
  sentence: string,
  place: (path: string) => string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const { code, details, retryAfterMs } = error;
    if (code === 'STORE_FAILED' && retryAfterMs !== undefined) throw unreadable(error);
    if (details === undefined) throw error;
    const lines = details.map(({ path, message }) => `  ${place(path)}: ${message}`);
    throw new MillraceError(code, [sentence, ...lines].join('\n'), { details, cause: error });
  }
}

function unreadable(cause: MillraceError): MillraceError {
  const sentence =
    'Redis could not be read: it did not answer in time, or refused; ACL LOG in redis-cli shows what a user may not do.';
  return new MillraceError('STORE_FAILED', sentence, { cause });
}

async function withStore<T>(
  project: Project,
  options: StoreOptions,
  use: (store: OnlineStore) => Promise<T>,
): Promise<T> {
  const store = await openCommandStore(project, options);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

function collect(name: string, names: readonly string[] = []): string[] {
  return [...names, name];
}

function named<T>(name: string, all: ReadonlyMap<string, T>, kind: string, plural: string): T {
  const found = all.get(name);
  if (found !== undefined) return found;
  const hint = suggestName(name, all.keys(), plural);
  throw new MillraceError('UNKNOWN_FEATURE', `There is no ${kind} "${name}"; ${hint}`);
}

function viewsOf(project: Project, entity: Entity, names: readonly string[] | undefined): FeatureView[] {
  const ofEntity = new Map([...project.featureViews].filter(([, view]) => view.entity === entity));
  if (names === undefined) return [...ofEntity.values()];
  return names.map((name) => named(name, ofEntity, `feature view of ${entity.name}`, 'feature views'));
}

/**
 * Without those that are computed from events, which only a server reads: shown here as not found, they would look as if
 * no event had come.
 * @throws MillraceError UNKNOWN_FEATURE if they were asked for by name, or none is left
 */
function storedViews(entity: Entity, views: readonly FeatureView[], isNamed: boolean): FeatureView[] {
  const stored = views.filter(({ stream }) => stream === undefined);
  if (stored.length === views.length) return stored;
  const names = views.flatMap(({ name, stream }) => (stream === undefined ? [] : [name]));
  const many = names.length > 1;
  const sentence = `${names.join(', ')} of ${entity.name} ${many ? 'are' : 'is'} computed from events, and only a server reads ${many ? 'them' : 'it'}: ask POST /get-online-features.`;
  if (isNamed || stored.length === 0) throw new MillraceError('UNKNOWN_FEATURE', sentence);
  process.stderr.write(`Left out: ${sentence}\n`);
  return stored;
}

function joinKeyColumns(entity: Entity, keys: readonly string[]): Record<string, string[]> {
  const names = entity.keys.map(({ name }) => name);
  if (names.length > 0 && keys.length === 0) throw new InvalidArgumentError('Name at least one entity.');
  if (names.length === 0 && keys.length > 0)
    throw new InvalidArgumentError(`${entity.name} has no join keys: name no entity.`);
  const columns: Record<string, string[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (const key of keys) {
    const [only = ''] = names;
    const values =
      names.length === 1
        ? new Map([[only, key.startsWith(`${only}=`) ? key.slice(only.length + 1) : key]])
        : new Map(key.split(',').map(splitPair));
    for (const name of names) {
      const value = values.get(name);
      if (value === undefined || values.size !== names.length) {
        const form = names.map((each) => `${each}=…`).join(',');
        throw new InvalidArgumentError(`"${key}" does not name an entity; write ${form}`);
      }
      columns[name]?.push(value);
    }
  }
  return columns;
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new InvalidArgumentError(`"${pair}" is not name=value.`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** A command line has only text: what is not text in the view is read as JSON. */
function typedValue(view: FeatureView, name: string, text: string): unknown {
  const feature = view.features.find((each) => each.name === name);
  if (feature === undefined) return text;
  if (text === 'null') return null;
  const { scalar, length } = feature.type;
  const isText =
    scalar === 'string' || scalar === 'timestamp' || (scalar === 'int64' && length === undefined);
  if (isText) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function entityTable(
  key: string,
  row: number,
  entity: Entity,
  views: readonly FeatureView[],
  { results }: FeastResponse,
): string {
  const lines: Cell[][] = [['view', 'feature', 'value', 'status', 'event time', 'age']];
  let column = entity.keys.length;
  for (const view of views) {
    for (const { name } of view.features) {
      const result = results[column++];
      const status = result?.statuses[row] ?? '';
      const time = status === 'NOT_FOUND' ? '' : (result?.event_timestamps[row] ?? '');
      const value = status === 'PRESENT' ? valueText(result?.values[row] ?? null) : '';
      lines.push([view.name, name, value, status, time, time === '' ? '' : ageText(Date.parse(time))]);
    }
  }
  return `${`${entity.name} ${key}`.trimEnd()}\n${formatTable(lines, '  ')}`;
}

function valueText(value: Value): string {
  if (!Array.isArray(value)) return String(value);
  const shown = value.slice(0, 4).join(', ');
  return value.length > 4 ? `[${shown}, … ${value.length}]` : `[${shown}]`;
}

const units: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
];

function ageText(timeMs: number): string {
  const ageMs = Math.max(0, Date.now() - timeMs);
  const unit = units.find(([, ms]) => ageMs >= 2 * ms);
  return unit === undefined ? `${Math.floor(ageMs / 1000)} s` : `${Math.floor(ageMs / unit[1])} ${unit[0]}`;
}
