/**
 * The functions of the language: what each takes and gives, how it is evaluated, how it is compiled where inline text
 * is faster than a call, and what the reference page says. The page is written from these tables.
 */
import type { Constant, Evaluated, ExpressionType } from './typed-expression.ts';
import { categoryFunctions } from './functions-category.ts';
import { numberFunctions } from './functions-number.ts';
import { textFunctions } from './functions-text.ts';
import { timeFunctions } from './functions-time.ts';
import { vectorFunctions } from './functions-vector.ts';

/**
 * What an argument must be. The first six are evaluated per row: a `number` arrives as a float (an int beyond 2^53 is
 * rounded), a `category` is a string or an exact int, `any` is anything. The `constant …` ones are written in the
 * expression.
 */
export type Parameter =
  | 'number'
  | 'category'
  | 'string'
  | 'timestamp'
  | 'vector'
  | 'any'
  | 'constant number'
  | 'constant numbers'
  | 'constant categories'
  | 'constant list'
  | 'constant scalar';

export interface FunctionSpec {
  readonly name: string;
  /** `clip(x, low, high)` */
  readonly signature: string;
  /** Sentences for the reference page, the missing values among them. */
  readonly summary: string;
  /** Expressions without names, and what they give; a missing result is null. */
  readonly examples: readonly (readonly [expression: string, result: unknown])[];
  readonly parameters: readonly Parameter[];
  /** The last parameter may be given any number of times, at least once. */
  readonly variadic?: true;
  /** How many of the last parameters may be left out. */
  readonly optional?: number;
  result(args: readonly ExpressionType[], constants: readonly Constant[]): ExpressionType;
  /** What is wrong with arguments of the right kinds, as the end of a sentence: `edges must rise`. */
  refuse?(args: readonly ExpressionType[], constants: readonly Constant[]): string | undefined;
  /** The value; arguments that are evaluated first, then the constants. A missing argument arrives as NaN or null. */
  readonly evaluate: (...values: readonly never[]) => Evaluated;
  /**
   * The same as JavaScript text, where that beats a call of `evaluate`. Arguments are names or literals, safe to
   * repeat. A vector is given as the texts of its elements.
   */
  emit?(args: readonly string[], constants: readonly Constant[]): string | readonly string[] | undefined;
}

export interface FunctionGroup {
  readonly title: string;
  readonly functions: readonly FunctionSpec[];
}

export const functionGroups: readonly FunctionGroup[] = [
  { title: 'Numbers', functions: numberFunctions },
  { title: 'Categories', functions: categoryFunctions },
  { title: 'Time', functions: timeFunctions },
  { title: 'Text', functions: textFunctions },
  { title: 'Vectors', functions: vectorFunctions },
];

export const functionsByName: ReadonlyMap<string, FunctionSpec> = new Map(
  functionGroups.flatMap(({ functions }) => functions.map((spec) => [spec.name, spec] as const)),
);
