/** Functions of categories: strings and exact integers, compared for equality only. */
import type { FunctionSpec } from './functions.ts';
import type { Constant } from './typed-expression.ts';

type Category = string | number | bigint | null;

/** Above this, a loop over the categories is shorter than a line for each. */
const UNROLLED_MAX = 32;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a, 32 bits, over UTF-16 code units: http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

function isMissing(category: Category): boolean {
  return category === null || Number.isNaN(category);
}

function categoryText(category: string | number): string {
  return typeof category === 'string' ? JSON.stringify(category) : String(category);
}

function lookupFault(keys: readonly unknown[], values: readonly unknown[]): string | undefined {
  if (keys.length !== values.length) return `there are ${keys.length} keys and ${values.length} values`;
  if (new Set(keys).size !== keys.length) return 'a key stands twice';
  return new Set(values.map((value) => typeof value)).size > 1
    ? 'values must be all numbers or all strings'
    : undefined;
}

export const categoryFunctions: readonly FunctionSpec[] = [
  {
    name: 'onehot',
    signature: 'onehot(x, [categories])',
    summary:
      'As many slots as there are categories: 1 in the place of x, else 0. A category that is not listed, and a ' +
      'missing one, gives 0 in all.',
    examples: [
      ['onehot("TX", ["CA", "TX", "NY"])', [0, 1, 0]],
      ['onehot("??", ["CA", "TX", "NY"])', [0, 0, 0]],
      ['onehot("", ["", "TX"])', [1, 0]],
    ],
    parameters: ['category', 'constant categories'],
    result: (_, [categories]) => ({
      base: 'int',
      length: (categories as readonly unknown[]).length,
      nullable: false,
    }),
    refuse: (_, [categories]) =>
      new Set(categories as readonly unknown[]).size < (categories as readonly unknown[]).length
        ? 'a category stands twice'
        : undefined,
    evaluate: (x: Category, categories: readonly Category[]) =>
      categories.map((each) => (each === x ? 1 : 0)),
    emit: ([x], [categories]) => {
      const all = categories as readonly (string | number)[];
      if (all.length > UNROLLED_MAX) return undefined;
      return all.map((each) => `(${x} === ${categoryText(each)} ? 1 : 0)`);
    },
  },
  {
    name: 'hash',
    signature: 'hash(x, buckets)',
    summary:
      'A bucket from 0 to buckets - 1, always the same for the same x: FNV-1a (32 bits, over UTF-16 code units) of ' +
      'the string, or of the digits of the int, modulo buckets. Missing if x is missing.',
    examples: [
      ['hash("a", 1000)', 0xe40c292c % 1000],
      ['hash("", 1000)', 0x811c9dc5 % 1000],
      ['hash(12, 1000) == hash("12", 1000)', true],
    ],
    parameters: ['category', 'constant number'],
    result: ([x]) => ({ base: 'int', length: undefined, nullable: x?.nullable ?? true }),
    refuse: (_, [buckets]) =>
      Number.isInteger(buckets) && (buckets as number) >= 1 && (buckets as number) <= 2 ** 32
        ? undefined
        : 'buckets must be a whole number from 1 to 2^32',
    evaluate: (x: Category, buckets: number) => (isMissing(x) ? Number.NaN : fnv1a(String(x)) % buckets),
  },
  {
    name: 'lookup',
    signature: 'lookup(x, [keys], [values], default)',
    summary:
      'The value in the place of the key that equals x; the default if there is none, or x is missing. Without a ' +
      'default the result is then missing.',
    examples: [
      ['lookup("TX", ["CA", "TX"], [1.5, 2.5], 0)', 2.5],
      ['lookup("NY", ["CA", "TX"], [1.5, 2.5], 0)', 0],
      ['lookup("NY", ["CA", "TX"], [1.5, 2.5])', null],
      ['lookup(7, [7], ["seven"], "other")', 'seven'],
    ],
    parameters: ['category', 'constant categories', 'constant list', 'constant scalar'],
    optional: 1,
    result: (_, [, values, fallback]) => {
      const isText = typeof (values as readonly unknown[])[0] === 'string';
      return { base: isText ? 'string' : 'float', length: undefined, nullable: fallback === undefined };
    },
    refuse: (_, [keys, values, fallback]) => {
      const fault = lookupFault(keys as readonly unknown[], values as readonly unknown[]);
      if (fault !== undefined || fallback === undefined) return fault;
      const isLike = typeof fallback === typeof (values as readonly unknown[])[0];
      return isLike ? undefined : 'the default must be of the type of the values';
    },
    evaluate: (
      x: Category,
      keys: readonly Category[],
      values: readonly (string | number)[],
      fallback?: string | number,
    ) => {
      const none = typeof values[0] === 'string' ? null : Number.NaN;
      return values[keys.indexOf(x)] ?? fallback ?? none;
    },
  },
  {
    name: 'missing',
    signature: 'missing(x)',
    summary: 'Whether x is missing. For models that want to know that a value was not there.',
    examples: [
      ['missing(log(-1))', true],
      ['missing("")', false],
      ['missing(1) ? 1 : 0', 0],
    ],
    parameters: ['any'],
    result: () => ({ base: 'bool', length: undefined, nullable: false }),
    evaluate: (x: Category | Constant) => isMissing(x as Category),
    emit: ([x]) => `(${x} === null || ${x} !== ${x})`,
  },
];
