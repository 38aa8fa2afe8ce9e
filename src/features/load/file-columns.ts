/** Which column of a file holds which part of a row: join keys, event time, features. */
import type { FeatureView } from '../../project/project.ts';
import { closestName, suggestName } from '../../project/suggestion.ts';
import type { FeatureFile } from './feature-file.ts';
import { loadFailure } from './load-failure.ts';

export interface FileColumns {
  /** Columns of the file: the join keys in the entity's order, the event time if the file has it, the features. */
  readonly wanted: readonly string[];
  /** Columns of the file that nothing is taken from. */
  readonly ignored: readonly string[];
}

interface Target {
  readonly name: string;
  /** As it is called in sentences. */
  readonly role: string;
  /** The option that names another column for it. */
  readonly option: (column: string) => string;
}

const LISTED_MAX = 20;

/**
 * @param renamed by the name of a join key, the timestamp field or a feature: the column that holds it
 * @param hasEventTime false when all rows get one time from elsewhere
 * @throws MillraceError LOAD_FAILED: columns are missing or there twice, or `renamed` has a name that is not in the view
 */
export function resolveColumns(
  path: string,
  { columns }: FeatureFile,
  view: FeatureView,
  renamed: ReadonlyMap<string, string>,
  hasEventTime: boolean,
): FileColumns {
  const targets = targetsOf(view, hasEventTime);
  checkRenamed(view, targets, renamed);
  const wanted = targets.map(({ name }) => renamed.get(name) ?? name);
  const missing = targets.filter((_, index) => !columns.includes(wanted[index] as string));
  if (missing.length > 0) throw missingColumns(path, columns, missing, renamed);
  const twice = wanted.find((name) => columns.indexOf(name) !== columns.lastIndexOf(name));
  if (twice !== undefined)
    throw loadFailure(`${path} has two columns "${twice}": rename one of them in the file`);
  return { wanted, ignored: columns.filter((name) => !wanted.includes(name)) };
}

function targetsOf(view: FeatureView, hasEventTime: boolean): Target[] {
  const keys = view.entity.keys.map(({ name }): Target => {
    return { name, role: 'join key', option: (column) => `--key ${name}=${column}` };
  });
  const features = view.features.map(({ name }): Target => {
    return { name, role: 'feature', option: (column) => `--column ${name}=${column}` };
  });
  const time: Target = {
    name: view.timestampField,
    role: 'event time',
    option: (column) => `--event-time ${column}`,
  };
  return [...keys, ...(hasEventTime ? [time] : []), ...features];
}

function checkRenamed(
  view: FeatureView,
  targets: readonly Target[],
  renamed: ReadonlyMap<string, string>,
): void {
  const names = targets.map(({ name }) => name);
  const unknown = [...renamed.keys()].find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const suggestion = suggestName(unknown, names, 'its columns');
  throw loadFailure(`feature view "${view.name}" has no join key or feature "${unknown}"; ${suggestion}`);
}

function missingColumns(
  path: string,
  columns: readonly string[],
  missing: readonly Target[],
  renamed: ReadonlyMap<string, string>,
): Error {
  const looked = ({ name }: Target): string => renamed.get(name) ?? name;
  const guesses = missing.flatMap((target) => {
    const guess = closestName(looked(target), columns);
    return guess === undefined ? [] : [target.option(guess)];
  });
  const options = guesses.length > 0 ? guesses : missing.slice(0, 1).map(({ option }) => option('COLUMN'));
  const orNow = missing.some(({ role }) => role === 'event time') ? ', or --event-time-value now' : '';
  const lacks = list(missing.map((target) => `"${looked(target)}" (${target.role})`));
  return loadFailure(
    `${path} has no column ${lacks}; its columns are ${list(columns)}. Use options such as ${options.join(' ')}${orNow}`,
  );
}

function list(names: readonly string[]): string {
  return names.slice(0, LISTED_MAX).join(', ') + (names.length > LISTED_MAX ? ', …' : '');
}
