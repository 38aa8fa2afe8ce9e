/** The syntax tree of an expression, as the parser gives it: names are not looked up yet, types not known. */

/** A form, and where in the text it begins, counted from 0. */
export type Syntax = SyntaxForm & { readonly at: number };

export type SyntaxForm =
  | { readonly kind: 'number'; readonly value: number; readonly isInteger: boolean }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bool'; readonly value: boolean }
  /** A dotted name: `request.distance`, `origin.outbound.delay_mean_3h`, `as_of`. */
  | { readonly kind: 'name'; readonly path: readonly string[] }
  | { readonly kind: 'list'; readonly elements: readonly Syntax[] }
  | { readonly kind: 'element'; readonly of: Syntax; readonly index: number }
  | { readonly kind: 'unary'; readonly operator: '-' | '!'; readonly operand: Syntax }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Syntax;
      readonly right: Syntax;
    }
  | { readonly kind: 'conditional'; readonly test: Syntax; readonly yes: Syntax; readonly no: Syntax }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Syntax[] };

export const arithmeticOperators = ['+', '-', '*', '/', '%'] as const;
export const comparisonOperators = ['<', '<=', '>', '>=', '==', '!='] as const;
export const logicOperators = ['&&', '||'] as const;

export type ArithmeticOperator = (typeof arithmeticOperators)[number];
export type ComparisonOperator = (typeof comparisonOperators)[number];
export type LogicOperator = (typeof logicOperators)[number];
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | LogicOperator | '??';

export const binaryOperators: ReadonlySet<string> = new Set<string>([
  ...arithmeticOperators,
  ...comparisonOperators,
  ...logicOperators,
  '??',
]);

const QUOTE_LENGTH_MAX = 80;

/** The expression as text again, for messages; a long one is cut. */
export function quoted(syntax: Syntax): string {
  const text = syntaxText(syntax);
  return text.length > QUOTE_LENGTH_MAX ? `${text.slice(0, QUOTE_LENGTH_MAX)}…` : text;
}

function syntaxText(syntax: Syntax): string {
  switch (syntax.kind) {
    case 'number':
    case 'bool':
      return String(syntax.value);
    case 'string':
      return JSON.stringify(syntax.value);
    case 'name':
      return syntax.path.join('.');
    case 'list':
      return `[${syntax.elements.map(syntaxText).join(', ')}]`;
    case 'element':
      return `${syntaxText(syntax.of)}[${syntax.index}]`;
    case 'unary':
      return `${syntax.operator}${operandText(syntax.operand)}`;
    case 'binary':
      return `${operandText(syntax.left)} ${syntax.operator} ${operandText(syntax.right)}`;
    case 'conditional':
      return `${operandText(syntax.test)} ? ${operandText(syntax.yes)} : ${operandText(syntax.no)}`;
    case 'call':
      return `${syntax.name}(${syntax.args.map(syntaxText).join(', ')})`;
  }
}

function operandText(syntax: Syntax): string {
  const text = syntaxText(syntax);
  return syntax.kind === 'binary' || syntax.kind === 'conditional' ? `(${text})` : text;
}
