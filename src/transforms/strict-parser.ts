/**
 * jsep, made stricter: every node knows where it begins and whether parentheses surround it, nesting is limited before
 * it can exhaust the stack, and what jsep is lenient about (two expressions in a row, missing or trailing commas) is
 * an error. The only importer of jsep.
 */
import jsep from 'jsep';
import { ExpressionError } from './expression-error.ts';

/** A node of jsep's tree. `at` is undefined on a node that begins where its first part does. */
export type Parsed = jsep.Expression & { at?: number; inParentheses?: boolean };

/** Levels of parentheses, brackets and unary operators count, and so do levels of the tree. */
export const NESTING_MAX = 500;

/** What jsep's class looks like; its type declarations leave it out. */
interface JsepParser {
  readonly expr: string;
  readonly index: number;
  readonly code: number;
  parse(): Parsed;
  gobbleSpaces(): void;
  gobbleExpressions(untilCode?: number): Parsed[];
  gobbleExpression(): Parsed | undefined;
  gobbleToken(): Parsed | undefined;
  gobbleGroup(): Parsed | undefined;
  gobbleArguments(terminator: number): (Parsed | null)[];
}

const { Jsep } = jsep as unknown as { readonly Jsep: new (text: string) => JsepParser };

/** @throws ExpressionError */
export function parseStrictly(text: string): Parsed {
  if (text.trim() === '') throw new ExpressionError('the expression is empty');
  try {
    return new StrictParser(text).parse();
  } catch (error) {
    if (error instanceof ExpressionError) throw error;
    const { index, description } = error as { readonly index?: number; readonly description?: string };
    if (index === undefined || description === undefined) throw error;
    throw new ExpressionError(plainWords(description, index >= text.length), undefined, index);
  }
}

/** jsep's own description as the end of a sentence. */
function plainWords(description: string, isAtEnd: boolean): string {
  const words = description.charAt(0).toLowerCase() + description.slice(1);
  const reason = words.replace('unaryOp argument', 'operand').trim();
  return isAtEnd ? `the expression ends too early: ${reason}` : reason;
}

export function tooDeep(): ExpressionError {
  return new ExpressionError(`an expression is nested at most ${NESTING_MAX} levels deep`);
}

class StrictParser extends Jsep {
  private depth = 0;

  override gobbleToken(): Parsed | undefined {
    this.gobbleSpaces();
    const at = this.index;
    const node = this.nested(() => super.gobbleToken());
    // A name and the chain of members, indexes and calls after it begin at the same place.
    let part = node || undefined;
    while (part !== undefined) {
      part.at = at;
      part = (part['object'] ?? part['callee']) as Parsed | undefined;
    }
    return node;
  }

  override gobbleExpression(): Parsed | undefined {
    return this.nested(() => super.gobbleExpression());
  }

  override gobbleGroup(): Parsed | undefined {
    const node = super.gobbleGroup();
    if (node) node.inParentheses = true;
    return node;
  }

  /** One expression, where jsep would take several. */
  override gobbleExpressions(untilCode?: number): Parsed[] {
    const node = this.gobbleExpression();
    this.gobbleSpaces();
    if (node && (this.index >= this.expr.length || this.code === untilCode)) return [node];
    throw unexpected(this.expr, this.index);
  }

  override gobbleArguments(terminator: number): (Parsed | null)[] {
    const args = super.gobbleArguments(terminator);
    for (const arg of args.slice(1)) {
      // An empty place between two commas is for the caller to refuse.
      if (arg === null) continue;
      const begin = positionOf(arg);
      if (!this.expr.slice(0, begin).trimEnd().endsWith(',')) throw unexpected(this.expr, begin);
    }
    const close = this.expr.slice(0, this.index - 1).trimEnd();
    if (close.endsWith(',')) throw unexpected(this.expr, close.length - 1);
    return args;
  }

  private nested<T>(step: () => T): T {
    if (++this.depth > NESTING_MAX) throw tooDeep();
    const result = step();
    this.depth--;
    return result;
  }
}

/** Where a node begins in the text. */
export function positionOf(node: Parsed): number {
  let first = node;
  while (first.at === undefined) first = (first['left'] ?? first['test']) as Parsed;
  return first.at;
}

function unexpected(text: string, index: number): ExpressionError {
  if (index >= text.length) return new ExpressionError('the expression ends too early', undefined, index);
  const character = String.fromCodePoint(text.codePointAt(index) ?? 0);
  const hints: Readonly<Record<string, string>> = {
    '=': 'compare with ==',
    ';': 'list two expressions as two entries',
    ',': 'list two expressions as two entries',
    '"': 'put an operator or a comma before it',
    '`': 'write strings in "quotes"',
  };
  const hint = Object.hasOwn(hints, character) ? hints[character] : undefined;
  return new ExpressionError(`${JSON.stringify(character)} is not expected here`, hint, index);
}
