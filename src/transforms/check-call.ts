/** Checks the call of a function: its name, the number and the kinds of its arguments. */
import { closestName } from '../project/suggestion.ts';
import { ExpressionError } from './expression-error.ts';
import { functionsByName } from './functions.ts';
import type { FunctionSpec, Parameter } from './functions.ts';
import type { Syntax } from './syntax.ts';
import { quoted } from './syntax.ts';
import { formatType, isNumber } from './typed-expression.ts';
import type { Constant, ExpressionType, TypedExpression } from './typed-expression.ts';

type Call = Syntax & { kind: 'call' };

/** @throws ExpressionError */
export function checkCall(call: Call, check: (syntax: Syntax) => TypedExpression): TypedExpression {
  const spec = functionsByName.get(call.name);
  if (spec === undefined) {
    const guess = closestName(call.name, functionsByName.keys());
    throw new ExpressionError(
      `unknown function "${call.name}"`,
      guess === undefined
        ? `functions are ${[...functionsByName.keys()].join(', ')}`
        : `did you mean "${guess}"?`,
    );
  }
  requireCount(spec, call);
  const args: TypedExpression[] = [];
  const constants: Constant[] = [];
  call.args.forEach((syntax, i) => {
    const parameter = spec.parameters[Math.min(i, spec.parameters.length - 1)] as Parameter;
    if (parameter.startsWith('constant')) constants.push(constantArgument(spec, parameter, syntax));
    else args.push(evaluatedArgument(spec, parameter, syntax, check(syntax)));
  });
  const types = args.map((arg) => arg.type);
  const fault = spec.refuse?.(types, constants) ?? categoryFault(types[0], spec, constants[0]);
  if (fault !== undefined) throw new ExpressionError(`in ${quoted(call)}: ${fault}`, spec.signature);
  return { kind: 'call', spec, args, constants, type: spec.result(types, constants) };
}

function requireCount(spec: FunctionSpec, call: Call): void {
  const most = spec.variadic === true ? Infinity : spec.parameters.length;
  const least = spec.parameters.length - (spec.optional ?? 0);
  if (call.args.length >= least && call.args.length <= most) return;
  const wanted =
    most === Infinity ? `at least ${least}` : least === most ? String(least) : `${least} or ${most}`;
  throw new ExpressionError(
    `${call.name} takes ${wanted} ${wanted === '1' ? 'argument' : 'arguments'}, not ${call.args.length}`,
    spec.signature,
  );
}

function evaluatedArgument(
  spec: FunctionSpec,
  parameter: Parameter,
  syntax: Syntax,
  typed: TypedExpression,
): TypedExpression {
  if (accepts(parameter, typed.type)) return typed;
  const wanted = parameter === 'category' ? 'a string or an int' : `a ${parameter}`;
  throw new ExpressionError(
    `${spec.name} takes ${wanted}, and ${quoted(syntax)} is ${formatType(typed.type)}`,
    spec.signature,
  );
}

function accepts(parameter: Parameter, type: ExpressionType): boolean {
  if (parameter === 'any') return true;
  if (parameter === 'vector') return type.length !== undefined;
  if (type.length !== undefined) return false;
  if (parameter === 'number') return isNumber(type);
  if (parameter === 'category') return type.base === 'string' || type.base === 'int';
  return type.base === parameter;
}

function constantArgument(spec: FunctionSpec, parameter: Parameter, syntax: Syntax): Constant {
  const value = constantOf(syntax);
  if (value !== undefined && isConstant(parameter, value)) return value;
  const wanted: Partial<Record<Parameter, string>> = {
    'constant number': 'a number',
    'constant numbers': 'a list of numbers such as [0, 10]',
    'constant categories': 'a list of strings or of whole numbers such as ["CA", "TX"]',
    'constant list': 'a list of numbers or of strings',
    'constant scalar': 'a number or a string',
  };
  throw new ExpressionError(
    `${spec.name} wants ${wanted[parameter]}, written out, in the place of ${quoted(syntax)}`,
    spec.signature,
  );
}

function constantOf(syntax: Syntax): Constant | undefined {
  if (syntax.kind === 'number' || syntax.kind === 'string' || syntax.kind === 'bool') return syntax.value;
  if (syntax.kind !== 'list') return undefined;
  const values = syntax.elements.map(constantOf);
  if (values.some((value) => value === undefined || typeof value === 'object')) return undefined;
  return values as (number | string | boolean)[];
}

function isConstant(parameter: Parameter, value: Constant): boolean {
  if (parameter === 'constant number') return typeof value === 'number';
  if (parameter === 'constant scalar') return typeof value === 'number' || typeof value === 'string';
  if (typeof value !== 'object' || value.length === 0) return false;
  if (parameter === 'constant numbers') return value.every((each) => typeof each === 'number');
  if (value.every((each) => typeof each === 'string')) return true;
  return value.every((each) =>
    parameter === 'constant list' ? typeof each === 'number' : Number.isSafeInteger(each),
  );
}

/** Categories of another type than the argument would silently never match. */
function categoryFault(
  type: ExpressionType | undefined,
  spec: FunctionSpec,
  categories: Constant | undefined,
): string | undefined {
  if (spec.parameters[1] !== 'constant categories' || type === undefined || typeof categories !== 'object')
    return undefined;
  const areStrings = typeof categories[0] === 'string';
  if (areStrings === (type.base === 'string')) return undefined;
  return `the categories are ${areStrings ? 'strings' : 'ints'}, and the argument is ${formatType(type)}`;
}
