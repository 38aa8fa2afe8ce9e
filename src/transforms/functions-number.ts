/** Functions of numbers. A missing argument gives a missing result, and so does one without a real-number answer. */
import type { FunctionSpec } from './functions.ts';
import { numberText } from './number-text.ts';
import type { Constant, ExpressionType } from './typed-expression.ts';

const maybeFloat: ExpressionType = { base: 'float', length: undefined, nullable: true };
const maybeInt: ExpressionType = { base: 'int', length: undefined, nullable: true };

type Unary = (x: number) => number;

function unary(
  name: string,
  summary: string,
  examples: FunctionSpec['examples'],
  evaluate: Unary,
  emit: (x: string) => string,
): FunctionSpec {
  return {
    name,
    signature: `${name}(x)`,
    summary,
    examples,
    parameters: ['number'],
    result: () => maybeFloat,
    evaluate,
    emit: ([x]) => emit(x as string),
  };
}

/** An integer as a result: missing when it is not finite, or beyond 2^53 where floats skip integers. */
function integer(value: number): number {
  return Number.isSafeInteger(value) ? value + 0 : Number.NaN;
}

/** Halves go away from zero, as in SQL; `Math.round` alone takes -2.5 to -2. */
function roundHalfAway(x: number): number {
  return x < 0 ? -Math.round(-x) : Math.round(x);
}

function rounding(
  name: string,
  summary: string,
  examples: FunctionSpec['examples'],
  round: Unary,
): FunctionSpec {
  return {
    name,
    signature: `${name}(x)`,
    summary: `${summary} The result is an int; it is missing if x is missing, infinite or beyond 2^53.`,
    examples,
    parameters: ['number'],
    result: () => maybeInt,
    evaluate: (x: number) => integer(round(x)),
  };
}

function power(x: number, y: number): number {
  // JavaScript's own answer to anything to the power of 0 is 1, also for NaN.
  if (Number.isNaN(x) || (x === 0 && y < 0)) return Number.NaN;
  return Math.pow(x, y);
}

const numberAt = (constants: readonly Constant[], index: number): number => constants[index] as number;

export const numberFunctions: readonly FunctionSpec[] = [
  unary(
    'log',
    'Natural logarithm. Missing unless x > 0.',
    [
      ['log(1)', 0],
      ['log(0)', null],
      ['log(-1)', null],
    ],
    (x) => (x > 0 ? Math.log(x) : Number.NaN),
    (x) => `(${x} > 0 ? Math.log(${x}) : NaN)`,
  ),
  unary(
    'log1p',
    'Logarithm of 1 + x, exact for small x. Missing unless x > -1.',
    [
      ['log1p(0)', 0],
      ['log1p(-1)', null],
    ],
    (x) => (x > -1 ? Math.log1p(x) : Number.NaN),
    (x) => `(${x} > -1 ? Math.log1p(${x}) : NaN)`,
  ),
  unary('exp', 'e to the power of x.', [['exp(0)', 1]], Math.exp, (x) => `Math.exp(${x})`),
  unary(
    'sqrt',
    'Square root. Missing if x < 0.',
    [
      ['sqrt(9)', 3],
      ['sqrt(-1)', null],
    ],
    Math.sqrt,
    (x) => `Math.sqrt(${x})`,
  ),
  unary('abs', 'Absolute value.', [['abs(-2.5)', 2.5]], Math.abs, (x) => `Math.abs(${x})`),
  {
    name: 'pow',
    signature: 'pow(x, y)',
    summary: 'x to the power of y. Missing if there is no real answer: pow(0, -1), pow(-8, 0.5).',
    examples: [
      ['pow(2, 10)', 1024],
      ['pow(0, -1)', null],
      ['pow(-8, 0.5)', null],
    ],
    parameters: ['number', 'number'],
    result: () => maybeFloat,
    evaluate: power,
  },
  rounding(
    'sign',
    '-1, 0 or 1.',
    [
      ['sign(-3.5)', -1],
      ['sign(0)', 0],
    ],
    Math.sign,
  ),
  rounding('floor', 'The next integer below.', [['floor(-1.5)', -2]], Math.floor),
  rounding('ceil', 'The next integer above.', [['ceil(1.2)', 2]], Math.ceil),
  rounding(
    'round',
    'The nearest integer; halves go away from zero.',
    [
      ['round(2.5)', 3],
      ['round(-2.5)', -3],
      ['round(1e300)', null],
    ],
    roundHalfAway,
  ),
  {
    name: 'min',
    signature: 'min(x, y, …)',
    summary: 'The smallest. Missing if any is missing.',
    examples: [['min(3, 1, 2)', 1]],
    parameters: ['number', 'number'],
    variadic: true,
    result: () => maybeFloat,
    evaluate: (...values: readonly number[]) => Math.min(...values),
    emit: (args) => `Math.min(${args.join(', ')})`,
  },
  {
    name: 'max',
    signature: 'max(x, y, …)',
    summary: 'The largest. Missing if any is missing.',
    examples: [['max(3, 1, 2)', 3]],
    parameters: ['number', 'number'],
    variadic: true,
    result: () => maybeFloat,
    evaluate: (...values: readonly number[]) => Math.max(...values),
    emit: (args) => `Math.max(${args.join(', ')})`,
  },
  {
    name: 'clip',
    signature: 'clip(x, low, high)',
    summary: 'x, but not below low and not above high.',
    examples: [
      ['clip(12, 0, 10)', 10],
      ['clip(-1, 0, 10)', 0],
    ],
    parameters: ['number', 'constant number', 'constant number'],
    result: () => maybeFloat,
    refuse: (_, constants) =>
      numberAt(constants, 0) > numberAt(constants, 1) ? 'low must not be above high' : undefined,
    evaluate: (x: number, low: number, high: number) => Math.min(Math.max(x, low), high),
    emit: ([x], constants) =>
      `Math.min(Math.max(${x}, ${numberText(numberAt(constants, 0))}), ${numberText(numberAt(constants, 1))})`,
  },
  {
    name: 'standardize',
    signature: 'standardize(x, mean, deviation)',
    summary: '(x - mean) / deviation.',
    examples: [['standardize(12, 10, 4)', 0.5]],
    parameters: ['number', 'constant number', 'constant number'],
    result: () => maybeFloat,
    refuse: (_, constants) => (numberAt(constants, 1) > 0 ? undefined : 'the deviation must be above 0'),
    evaluate: (x: number, mean: number, deviation: number) => (x - mean) / deviation,
    emit: ([x], constants) =>
      `((${x} - ${numberText(numberAt(constants, 0))}) / ${numberText(numberAt(constants, 1))})`,
  },
  {
    name: 'minmax',
    signature: 'minmax(x, low, high)',
    summary: '(x - low) / (high - low): 0 at low, 1 at high. Values outside are not clipped.',
    examples: [['minmax(15, 10, 20)', 0.5]],
    parameters: ['number', 'constant number', 'constant number'],
    result: () => maybeFloat,
    refuse: (_, constants) =>
      numberAt(constants, 0) < numberAt(constants, 1) ? undefined : 'low must be below high',
    evaluate: (x: number, low: number, high: number) => (x - low) / (high - low),
    emit: ([x], constants) => {
      const [low, high] = [numberAt(constants, 0), numberAt(constants, 1)];
      return `((${x} - ${numberText(low)}) / ${numberText(high - low)})`;
    },
  },
  {
    name: 'bucketize',
    signature: 'bucketize(x, [edges])',
    summary:
      'How many of the rising edges are at or below x: 0 below the first, the number of edges from the last on. ' +
      'The result is an int; it is missing if x is missing.',
    examples: [
      ['bucketize(5, [0, 5, 10])', 2],
      ['bucketize(-1, [0, 5, 10])', 0],
      ['bucketize(99, [0, 5, 10])', 3],
    ],
    parameters: ['number', 'constant numbers'],
    result: () => maybeInt,
    refuse: (_, constants) => {
      const edges = constants[0] as readonly number[];
      const rising = edges.every((edge, i) => i === 0 || edge > (edges[i - 1] as number));
      return rising ? undefined : 'edges must rise';
    },
    evaluate: (x: number, edges: readonly number[]) => {
      if (Number.isNaN(x)) return Number.NaN;
      let low = 0;
      let high = edges.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (x >= (edges[middle] as number)) low = middle + 1;
        else high = middle;
      }
      return low;
    },
  },
  {
    name: 'cyclic',
    signature: 'cyclic(x, period)',
    summary:
      'Two slots, the sine and the cosine of 2 π x / period: the end of a period is next to its start. ' +
      'Missing in both if x is missing.',
    examples: [
      ['cyclic(0, 24)', [0, 1]],
      ['cyclic(6, 24)', [1, Math.cos(Math.PI / 2)]],
    ],
    parameters: ['number', 'constant number'],
    result: () => ({ base: 'float', length: 2, nullable: false }),
    refuse: (_, constants) => (numberAt(constants, 0) > 0 ? undefined : 'the period must be above 0'),
    evaluate: (x: number, period: number) => {
      const angle = (2 * Math.PI * x) / period;
      return [Math.sin(angle), Math.cos(angle)];
    },
    emit: ([x], constants) => {
      const angle = `(${2 * Math.PI} * ${x}) / ${numberText(numberAt(constants, 0))}`;
      return [`Math.sin(${angle})`, `Math.cos(${angle})`];
    },
  },
];
