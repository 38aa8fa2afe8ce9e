/** What the options of `millrace replay` name: looked up in the project, typed, and joined; every mistake names its option. */
import { MillraceError } from '../../errors.ts';
import type { Endpoint, EventField, EventType, ModelVersion, Project } from '../../project/project.ts';
import { parseModelReference } from '../../project/model-reference.ts';
import { invalidProject } from '../../project/report.ts';
import { suggestName } from '../../project/suggestion.ts';
import type { TrainingInputs } from '../../serving/training-rows.ts';
import { AS_OF_COLUMN, LABEL_COLUMN } from '../../serving/training-table.ts';
import { compileTilePlan } from '../../streaming/tile-plan.ts';
import type { TilePlan } from '../../streaming/tile-plan.ts';
import { checkCondition, checkExpression } from '../../transforms/check.ts';
import { compileCondition, compileEventNumber } from '../../transforms/compile.ts';
import type { EventCondition, EventNumber } from '../../transforms/compile.ts';
import { ExpressionError } from '../../transforms/expression-error.ts';
import { parseExpression } from '../../transforms/parse.ts';
import type { TypedExpression } from '../../transforms/typed-expression.ts';
import { formatType, isNumber } from '../../transforms/typed-expression.ts';

/** @param reference `flight-delay@3`; undefined = the version that answers */
export function findVersion({ models }: Project, endpoint: Endpoint, reference?: string): ModelVersion {
  const [variant] = endpoint.variants;
  if (reference === undefined) {
    if (variant === undefined) throw new Error(`endpoint ${endpoint.name} has no variant`);
    return variant.model;
  }
  const parsed = parseModelReference(reference);
  if (typeof parsed === 'string') throw failure(`--model: ${parsed}`);
  const version = models.get(parsed.model)?.versions.get(parsed.version);
  if (version?.isDescribed === true) return version;
  if (version !== undefined)
    throw failure(`--model: ${reference} has no model.yaml, which says how rows fill its inputs`);
  const known = [...models.values()].flatMap(({ name, versions }) =>
    [...versions.keys()].map((each) => `${name}@${each}`),
  );
  throw failure(`--model: there is no "${reference}"; ${suggestName(reference, known, 'model versions')}`);
}

/** @param name undefined = the only one that there is */
export function findEventType({ eventTypes }: Project, name: string | undefined): EventType {
  const [only, ...others] = eventTypes.values();
  if (only === undefined) throw failure('the project has no events: name their fields under `events`');
  if (name === undefined) {
    if (others.length === 0) return only;
    throw failure(`say --event TYPE for the events in the file: ${[...eventTypes.keys()].join(', ')}`);
  }
  const type = eventTypes.get(name);
  if (type !== undefined) return type;
  throw failure(`--event: there is no event "${name}"; ${suggestName(name, eventTypes.keys(), 'events')}`);
}

export function findFields(
  type: EventType,
  names: readonly string[],
  columns: readonly string[],
): EventField[] {
  return names.map((name, i) => {
    if ([AS_OF_COLUMN, LABEL_COLUMN, ...columns, ...names.slice(0, i)].includes(name))
      throw failure(`--keep ${name}: the table has a column of this name already`);
    const field = type.fields.find((each) => each.name === name);
    if (field !== undefined) return field;
    const known = type.fields.map((each) => each.name);
    throw failure(
      `--keep: "${type.name}" events have no field "${name}"; ${suggestName(name, known, 'fields')}`,
    );
  });
}

/** A number or a bool; anything else is no label. */
export function compileLabel(type: EventType, text: string): EventNumber {
  const typed = typedOn(type, '--label', text, checkExpression);
  const { base, length } = typed.type;
  if (length === undefined && (base === 'bool' || isNumber(typed.type))) return compileEventNumber(typed);
  throw failure(`--label: ${text} is ${formatType(typed.type)}; a label is a bool or a number`);
}

export function compileWhere(type: EventType, text: string | undefined): EventCondition | undefined {
  return text === undefined ? undefined : compileCondition(typedOn(type, '--where', text, checkCondition));
}

function typedOn(
  type: EventType,
  option: string,
  text: string,
  check: typeof checkExpression,
): TypedExpression {
  try {
    return check(parseExpression(text), { event: new Map(type.fields.map((field) => [field.name, field])) });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const { message, suggestion } = error;
    throw failure(`${option}: ${message}${suggestion === undefined ? '' : `; ${suggestion}`}`, error);
  }
}

/** The plans of the streaming views among the inputs' views, all of which the file must be able to fill. */
export function tilePlans({ streaming }: Project, type: EventType, { views }: TrainingInputs): TilePlan[] {
  const streamed = views.filter((view) => view.stream !== undefined);
  const foreign = streamed.find((view) => view.stream?.event !== type);
  if (foreign !== undefined)
    throw failure(
      `the model reads the view "${foreign.name}", which is computed from "${foreign.stream?.event.name}" events, and the file holds "${type.name}" events`,
    );
  const compiled = streamed.map((view) => compileTilePlan(view, streaming.allowedLatenessMs));
  const mistakes = compiled.flatMap((each) => each.mistakes);
  if (mistakes.length > 0) throw invalidProject(mistakes);
  return compiled.flatMap(({ plan }) => plan ?? []);
}

export function failure(sentence: string, cause?: unknown): MillraceError {
  return new MillraceError('REPLAY_FAILED', sentence, { cause });
}
