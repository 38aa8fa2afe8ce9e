/**
 * Random expressions, as text, over the scope of random-row.ts. There is one generator for each type, and one more
 * for values of the type that are never missing where a condition or a tensor wants such.
 */
import fc from 'fast-check';
import type { ElementType } from '../../src/transforms/slots.ts';
import { double, word } from './random-row.ts';

type Text = fc.Arbitrary<string>;

type Kind =
  | 'number'
  | 'float'
  | 'int'
  | 'sureInt'
  | 'word'
  | 'sureWord'
  | 'maybeFlag'
  | 'flag'
  | 'time'
  | 'floats'
  | 'wholes'
  | 'sureWholes'
  | 'vector'
  | 'pair';

/** The generator of a kind, for parts of another. */
type Of = (kind: Kind) => Text;

const comparisons = ['<', '<=', '>', '>=', '==', '!='];
const equalities = ['==', '!='];
const timeParts = ['minute', 'hour', 'day_of_week', 'day_of_month', 'month', 'year'];

const joined = (open: string, separator: string, close: string, parts: readonly Text[]): Text =>
  fc.tuple(...parts).map((texts) => `${open}${texts.join(separator)}${close}`);
const call = (name: string, ...args: Text[]): Text => joined(`${name}(`, ', ', ')', args);
const list = (...elements: Text[]): Text => joined('[', ', ', ']', elements);
const infix = (operator: string, left: Text, right: Text): Text =>
  joined('(', ` ${operator} `, ')', [left, right]);
const choice = (test: Text, yes: Text, no: Text): Text =>
  fc.tuple(test, yes, no).map(([a, b, c]) => `(${a} ? ${b} : ${c})`);
const element = (vector: Text, length: number): Text =>
  fc.tuple(vector, fc.nat(length - 1)).map(([text, index]) => `${text}[${index}]`);

const sure = (name: string): Text =>
  fc.constantFrom(`request.${name}`, `origin.view.sure_${name}`, `destination.view.sure_${name}`);
const any = (name: string): Text =>
  fc.oneof(
    sure(name),
    fc.constantFrom(`request.maybe_${name}`, `origin.view.${name}`, `destination.view.${name}`),
  );

const safeInteger = fc.oneof(fc.constantFrom(0, 7, -1), fc.maxSafeInteger());
const intText = safeInteger.map(String);
const floatText = double.map((value) => {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
});
/** Any character may stand in a string as it is, but for quotes and backslashes. */
const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
const wordText = word.map(quoted);
const threeWords = fc
  .uniqueArray(word, { minLength: 3, maxLength: 3 })
  .map((words) => `[${words.map(quoted).join(', ')}]`);
const threeInts = fc
  .uniqueArray(safeInteger, { minLength: 3, maxLength: 3, comparator: 'SameValueZero' })
  .map((integers) => `[${integers.join(', ')}]`);
const edges = fc
  .uniqueArray(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 5 })
  .map((numbers) => `[${numbers.toSorted((a, b) => a - b).join(', ')}]`);
const lowAndHigh = fc
  .tuple(fc.integer({ min: -100, max: 100 }), fc.integer({ min: 1, max: 100 }))
  .map(([low, width]) => `${low}, ${low + width}`);
const positive = fc.constantFrom('0.001', '1', '7', '24', '1e300');
const buckets = fc.constantFrom('1', '97', '4294967296');

const lookup = (of: Of, ...rest: Text[]): Text[] => [
  call('lookup', of('word'), threeWords, ...rest),
  call('lookup', of('int'), threeInts, ...rest),
];

function floatCalls(of: Of): Text[] {
  const x = of('number');
  const values = list(floatText, intText, floatText);
  return [
    ...['log', 'log1p', 'exp', 'sqrt', 'abs'].map((name) => call(name, x)),
    call('pow', x, x),
    call('min', x, x),
    call('max', x, x, x),
    call('clip', x, lowAndHigh),
    call('minmax', x, lowAndHigh),
    call('standardize', x, floatText, positive),
    ...lookup(of, values),
    ...lookup(of, values, floatText),
    call('seconds_between', of('time'), of('time')),
    call('days_between', of('time'), of('time')),
    call('dot', of('vector'), of('vector')),
    call('cosine', of('vector'), of('vector')),
    call('norm', of('vector')),
  ];
}

function numberTexts(of: Of): Partial<Record<Kind, Text>> {
  return {
    number: fc.oneof(of('float'), of('int')),
    float: branches(
      fc.oneof(any('single'), any('double'), floatText),
      ...['+', '-', '*', '/', '%'].map((operator) => infix(operator, of('number'), of('number'))),
      of('number').map((text) => `(-${text})`),
      infix('??', of('float'), of('number')),
      infix('??', of('int'), of('float')),
      choice(of('flag'), of('int'), of('float')),
      element(of('floats'), 3),
      element(of('pair'), 2),
      ...floatCalls(of),
    ),
    int: branches(
      fc.oneof(any('whole'), intText),
      ...either(of, 'int'),
      element(of('wholes'), 3),
      ...['sign', 'floor', 'ceil', 'round'].map((name) => call(name, of('number'))),
      call('bucketize', of('number'), edges),
      call('hash', of('word'), buckets),
      call('hash', of('int'), buckets),
      call('length', of('word')),
      ...timeParts.map((name) => call(name, of('time'))),
    ),
    sureInt: branches(
      fc.oneof(sure('whole'), intText),
      infix('??', of('int'), of('sureInt')),
      choice(of('flag'), of('sureInt'), of('sureInt')),
      element(of('sureWholes'), 3),
      call('hash', of('sureWord'), buckets),
      call('hash', of('sureInt'), buckets),
      call('length', of('sureWord')),
      ...timeParts.map((name) => call(name, fc.oneof(sure('time'), fc.constant('as_of')))),
    ),
  };
}

function wordTexts(of: Of): Partial<Record<Kind, Text>> {
  const values = list(wordText, wordText, wordText);
  return {
    word: branches(
      fc.oneof(any('word'), wordText),
      ...either(of, 'word'),
      call('lower', of('word')),
      ...lookup(of, values),
    ),
    sureWord: branches(
      fc.oneof(sure('word'), wordText),
      infix('??', of('word'), of('sureWord')),
      choice(of('flag'), of('sureWord'), of('sureWord')),
      call('lower', of('sureWord')),
      ...lookup(of, values, wordText),
    ),
  };
}

function flagTexts(of: Of): Partial<Record<Kind, Text>> {
  const compared = (operators: readonly string[], kind: Kind): Text[] =>
    operators.map((operator) => infix(operator, of(kind), of(kind)));
  const mayBeMissing: readonly Kind[] = ['number', 'int', 'word', 'maybeFlag', 'time', 'vector'];
  return {
    maybeFlag: branches(any('flag'), of('flag'), ...either(of, 'maybeFlag')),
    flag: branches(
      fc.oneof(sure('flag'), fc.constantFrom('true', 'false')),
      of('flag').map((text) => `(!${text})`),
      ...compared(['&&', '||'], 'flag'),
      ...compared(comparisons, 'number'),
      ...compared(comparisons, 'int'),
      ...compared(comparisons, 'time'),
      ...compared(equalities, 'word'),
      ...compared(equalities, 'maybeFlag'),
      infix('??', of('maybeFlag'), of('flag')),
      call('contains', of('word'), of('word')),
      ...mayBeMissing.map((kind) => call('missing', of(kind))),
    ),
    time: branches(fc.oneof(any('time'), fc.constant('as_of')), ...either(of, 'time')),
  };
}

function vectorTexts(of: Of): Partial<Record<Kind, Text>> {
  return {
    floats: branches(
      fc.oneof(any('floats'), fc.constantFrom('[1.5, -0, 2]', '[1.5, 0, 2]')),
      ...either(of, 'floats'),
      infix('??', of('floats'), of('wholes')),
      choice(of('flag'), of('wholes'), of('floats')),
    ),
    wholes: branches(fc.oneof(any('wholes'), of('sureWholes')), ...either(of, 'wholes')),
    sureWholes: branches(
      fc.oneof(sure('wholes'), fc.constantFrom('zeros(3)', '[-0, 2, 9007199254740991]')),
      infix('??', of('wholes'), of('sureWholes')),
      choice(of('flag'), of('sureWholes'), of('sureWholes')),
      call('onehot', of('word'), threeWords),
      call('onehot', of('int'), threeInts),
    ),
    vector: fc.oneof(of('floats'), of('wholes')),
    pair: call('cyclic', of('number'), positive),
  };
}

const depth = { maxDepth: 4, depthIdentifier: fc.createDepthIdentifier() };

function branches(leaf: Text, ...rest: Text[]): Text {
  return fc.oneof(depth, leaf, ...rest);
}

function either(of: Of, kind: Kind): Text[] {
  return [infix('??', of(kind), of(kind)), choice(of('flag'), of(kind), of(kind))];
}

const { number, sureInt, sureWord, maybeFlag, flag, sureWholes, vector, pair } = fc.letrec<
  Record<Kind, string>
>(
  (of) =>
    ({ ...numberTexts(of), ...wordTexts(of), ...flagTexts(of), ...vectorTexts(of) }) as Record<Kind, Text>,
);

/** Expressions that may fill a tensor of each type. */
export const randomExpression: Readonly<Record<ElementType, Text>> = {
  float32: fc.oneof(number, maybeFlag, vector, pair),
  float64: fc.oneof(number, maybeFlag, vector, pair),
  int64: fc.oneof(sureInt, flag, sureWholes),
  bool: flag,
  string: sureWord,
};
