/** Functions of vectors. An int beyond 2^53 among the elements is rounded to a float. */
import type { FunctionSpec } from './functions.ts';
import type { ExpressionType } from './typed-expression.ts';

type Vector = readonly (number | bigint)[] | null;

const ZEROS_MAX = 65_536;
const maybeFloat: ExpressionType = { base: 'float', length: undefined, nullable: true };

function dot(a: Vector, b: Vector): number {
  if (a === null || b === null) return Number.NaN;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Number(a[i]) * Number(b[i]);
  return sum;
}

/** Missing for a vector of zeros, which has no direction, and for one so short that its squares are zeros. */
function cosine(a: Vector, b: Vector): number {
  const lengths = Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b));
  return lengths === 0 ? Number.NaN : dot(a, b) / lengths;
}

function sameLength(args: readonly ExpressionType[]): string | undefined {
  const [a, b] = args;
  if (a?.length === b?.length) return undefined;
  return `the vectors have ${a?.length} and ${b?.length} elements`;
}

export const vectorFunctions: readonly FunctionSpec[] = [
  {
    name: 'dot',
    signature: 'dot(a, b)',
    summary: 'The scalar product of two vectors of one length. Missing if either is missing.',
    examples: [['dot([1, 2, 3], [4, 5, 6])', 32]],
    parameters: ['vector', 'vector'],
    result: () => maybeFloat,
    refuse: sameLength,
    evaluate: dot,
  },
  {
    name: 'cosine',
    signature: 'cosine(a, b)',
    summary:
      'The cosine of the angle between two vectors of one length. Missing if either is missing, or all zeros.',
    examples: [
      ['cosine([1, 0], [1, 0])', 1],
      ['cosine([1, 0], [0, 2])', 0],
      ['cosine([1, 0], [0, 0])', null],
    ],
    parameters: ['vector', 'vector'],
    result: () => maybeFloat,
    refuse: sameLength,
    evaluate: cosine,
  },
  {
    name: 'norm',
    signature: 'norm(a)',
    summary: 'The Euclidean length of a vector. Missing if it is missing.',
    examples: [['norm([3, 4])', 5]],
    parameters: ['vector'],
    result: () => maybeFloat,
    evaluate: (a: Vector) => Math.sqrt(dot(a, a)),
  },
  {
    name: 'zeros',
    signature: 'zeros(n)',
    summary: 'A vector of n zeros: what a missing embedding may be replaced with.',
    examples: [['zeros(3)', [0, 0, 0]]],
    parameters: ['constant number'],
    result: (_, [n]) => ({ base: 'int', length: n as number, nullable: false }),
    refuse: (_, [n]) =>
      Number.isInteger(n) && (n as number) >= 1 && (n as number) <= ZEROS_MAX
        ? undefined
        : `n must be a whole number from 1 to ${ZEROS_MAX}`,
    evaluate: (n: number) => new Array<number>(n).fill(0),
  },
];
