/** Functions of strings. */
import type { FunctionSpec } from './functions.ts';

function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

export const textFunctions: readonly FunctionSpec[] = [
  {
    name: 'length',
    signature: 'length(s)',
    summary: 'Number of characters (Unicode code points) of a string. An int; missing if s is missing.',
    examples: [
      ['length("Zürich")', 6],
      ['length("✈🛬")', 2],
      ['length("")', 0],
    ],
    parameters: ['string'],
    result: ([s]) => ({ base: 'int', length: undefined, nullable: s?.nullable ?? true }),
    evaluate: (s: string | null) => (s === null ? Number.NaN : countCharacters(s)),
  },
  {
    name: 'lower',
    signature: 'lower(s)',
    summary: 'The string in lower case, the same in every locale. Missing if s is missing.',
    examples: [['lower("JFK")', 'jfk']],
    parameters: ['string'],
    result: ([s]) => ({ base: 'string', length: undefined, nullable: s?.nullable ?? true }),
    evaluate: (s: string | null) => (s === null ? null : s.toLowerCase()),
  },
  {
    name: 'contains',
    signature: 'contains(s, part)',
    summary: 'Whether the string holds the part. False if either is missing.',
    examples: [
      ['contains("New York", "York")', true],
      ['contains("New York", "")', true],
    ],
    parameters: ['string', 'string'],
    result: () => ({ base: 'bool', length: undefined, nullable: false }),
    evaluate: (s: string | null, part: string | null) => s !== null && part !== null && s.includes(part),
  },
];
