import { describe, expect, it } from 'vitest';
import { compileTransforms } from '../../src/transforms/compile.ts';
import { ExpressionError, UnknownNameError } from '../../src/transforms/expression-error.ts';
import { formatType } from '../../src/transforms/typed-expression.ts';
import { typed, valueOf } from './both-engines.ts';

function refusal(text: string): ExpressionError {
  try {
    typed(text);
  } catch (error) {
    if (error instanceof ExpressionError) return error;
    throw error;
  }
  throw new Error(`"${text}" was not refused`);
}

describe('types', () => {
  it.each([
    ['1', 'int'],
    ['1.5', 'float'],
    ['"a"', 'string'],
    ['true', 'bool'],
    ['[1, 2]', 'int[2]'],
    ['[1, 2.5, -1]', 'float[3]'],
    ['as_of', 'timestamp'],
    ['request.x', 'float that may be missing'],
    ['request.small', 'float that may be missing'],
    ['request.must_x', 'float'],
    ['request.must_n', 'int'],
    ['request.v', 'float[3] that may be missing'],
    ['request.must_ids', 'int[2]'],
    ['origin.profile.state', 'string that may be missing'],
    ['origin.profile.gates', 'int'],
    ['origin.profile.opened', 'timestamp that may be missing'],
    ['origin.profile.embedding', 'float[3] that may be missing'],
    ['origin.profile.shape', 'float[2]'],
    ['request.v[0]', 'float that may be missing'],
    ['request.must_ids[1]', 'int'],
    ['request.ids[1]', 'int that may be missing'],
    ['request.must_x + 1', 'float that may be missing'],
    ['1 + 1', 'float that may be missing'],
    ['-request.must_n', 'float that may be missing'],
    ['request.n ?? 0', 'int'],
    ['request.n ?? 0.0', 'float'],
    ['request.n ?? request.m', 'int that may be missing'],
    ['request.x ?? request.y ?? 0', 'float'],
    ['request.v ?? zeros(3)', 'float[3]'],
    ['request.ids ?? zeros(2)', 'int[2]'],
    ['request.must_b ? 1 : 2', 'int'],
    ['request.must_b ? 1 : request.n', 'int that may be missing'],
    ['request.must_b ? 1 : 2.5', 'float'],
    ['request.must_b ? "a" : request.s', 'string that may be missing'],
    ['request.s == "a"', 'bool'],
    ['request.time < as_of', 'bool'],
    ['!request.must_b', 'bool'],
    ['missing(request.v)', 'bool'],
    ['floor(request.must_x)', 'int that may be missing'],
    ['onehot(request.s, ["a", "b", "c"])', 'int[3]'],
    ['hash(request.must_s, 10)', 'int'],
    ['hash(request.s, 10)', 'int that may be missing'],
    ['hour(as_of)', 'int'],
    ['hour(request.time)', 'int that may be missing'],
    ['cyclic(request.x, 24)', 'float[2]'],
    ['lookup(request.s, ["a"], [1], 0)', 'float'],
    ['lookup(request.s, ["a"], [1])', 'float that may be missing'],
    ['lookup(request.s, ["a"], ["b"], "c")', 'string'],
    ['length(request.must_s)', 'int'],
    ['lower(request.s)', 'string that may be missing'],
  ])('%s is %s', (text, type) => {
    expect(formatType(typed(text).type)).toBe(type);
  });
});

describe('names', () => {
  it.each([
    ['1 + request.distnce', 'unknown request field "request.distnce"', 5],
    ['orign.profile.state', 'unknown name "orign.profile.state"', 1],
    ['log(origin.profle.latitude)', 'unknown feature view "origin.profle"', 5],
    ['log(origin.profile.lattitude)', 'unknown feature "origin.profile.lattitude"', 5],
    ['request', 'unknown request field "request"', 1],
    ['request.x.y', 'unknown request field "request.x.y"', 1],
    ['x', 'unknown name "x"', 1],
  ])('%s is an unknown name', (text, message, character) => {
    const error = refusal(text);
    expect(error).toBeInstanceOf(UnknownNameError);
    expect(error.message).toBe(`${message} (at character ${character})`);
  });

  it('suggests the nearest name, else lists what there is', () => {
    expect(refusal('request.must_y').suggestion).toBe('did you mean "request.must_x"?');
    expect(refusal('orign.profile.state').suggestion).toBe('did you mean "origin"?');
    expect(refusal('origin.profle.state').suggestion).toBe('did you mean "origin.profile"?');
    expect(refusal('origin.profile.lattitude').suggestion).toBe('did you mean "origin.profile.latitude"?');
    expect(refusal('origin.weather.wind').suggestion).toBe('views are profile, delays');
    expect(refusal('elevation').suggestion).toBe('names are request, as_of, origin, destination');
    expect(refusal('1 + log1(2)')).toMatchObject({
      message: 'unknown function "log1" (at character 5)',
      suggestion: 'did you mean "log"?',
    });
  });

  it.each(['origin', 'origin.profile', 'origin.profile.state.length'])('%s is not a feature', (text) => {
    expect(refusal(text).message).toBe(
      `a feature is named by binding, view and feature, not "${text}" (at character 1)`,
    );
  });

  it.each([
    '__proto__',
    'constructor',
    'toString',
    'this',
    'arguments',
    'globalThis',
    'process.env.PATH',
    'tensors',
    'rows',
    'v0',
    'Math',
    'NaN',
    'Infinity',
    'undefined',
    'as_of.x',
    'request.__proto__',
    'request.constructor',
    'request.constructor.constructor',
    'origin.__proto__.x',
    'origin.constructor.name',
    'origin.profile.__proto__',
    'origin.profile.constructor',
    'origin.profile.length',
    'constructor(1)',
    'toString()',
    'hasOwnProperty("a")',
    '__proto__(1)',
    'eval("1")',
    'Function("return 1")',
    'require("fs")',
    'import("fs")',
    'request.x.constructor("return process")()',
    '"a".constructor("b")',
    '[1].map(log)',
    '(1).constructor',
  ])('%s means nothing', (text) => {
    expect(refusal(text).message).not.toBe('');
  });
});

describe('strings in expressions', () => {
  const awkward = [
    '"',
    "'",
    '`',
    '${1}',
    '*/',
    '//',
    '</script>',
    '\\',
    '\n',
    '\r\n',
    '\u2028\u2029',
    '\u0000',
    '"; throw 1; "',
    '"]); process.exit(); ([" ',
    '✈',
  ];
  const quotedText = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

  it.each(awkward)('%j is only ever a value', (text) => {
    const literal = quotedText(text);
    expect(valueOf(literal)).toBe(text);
    expect(valueOf(`request.s == ${literal}`, { request: { s: text } })).toBe(true);
    expect(valueOf(`onehot(request.s, ["x", ${literal}])`, { request: { s: text } })).toEqual([0, 1]);
    expect(valueOf(`lookup(request.s, [${literal}], [${literal}], "")`, { request: { s: text } })).toBe(text);
    expect(valueOf(`contains(request.s, ${literal})`, { request: { s: `a${text}b` } })).toBe(true);
  });
});

describe('type errors', () => {
  it.each([
    ['1 + "a"', '+ takes numbers, and "a" is string', undefined, 1],
    ['request.s + "a"', '+ takes numbers, and request.s is string that may be missing', undefined, 1],
    ['2 * (1 < 2)', '* takes numbers, and 1 < 2 is bool', 'write 1 < 2 ? 1 : 0', 1],
    ['1 - as_of', '- takes numbers, and as_of is timestamp', 'use seconds_between, days_between, hour …', 1],
    [
      '1 + (2 / request.must_ids)',
      '/ takes numbers, and request.must_ids is int[2]',
      'use dot, norm, or one element such as v[0]',
      5,
    ],
    ['1 + -"a"', '- takes numbers, and "a" is string', undefined, 5],
    ['"a" < "b"', 'strings have no order; compare them with == or !=', undefined, 1],
    ['true < false', 'bools have no order; compare them with == or !=', undefined, 1],
    [
      'request.s == 1',
      'request.s (string that may be missing) cannot be compared with 1 (int)',
      undefined,
      1,
    ],
    ['as_of > 0', 'as_of (timestamp) cannot be compared with 0 (int)', undefined, 1],
    ['[1] == [1]', '[1] (int[1]) cannot be compared with [1] (int[1])', undefined, 1],
    ['1 < 2 < 3', '1 < 2 (bool) cannot be compared with 3 (int)', undefined, 1],
    ['1 && true', 'the left side of && must be a bool, and 1 is int', undefined, 1],
    [
      'true || request.b',
      'the right side of || must not be missing, and request.b may be',
      'write (request.b ?? false)',
      1,
    ],
    [
      '1 + (!request.b ? 1 : 0)',
      'the operand of ! must not be missing, and request.b may be',
      'write (request.b ?? false)',
      6,
    ],
    [
      'request.b ? 1 : 0',
      'the condition before ? must not be missing, and request.b may be',
      'write (request.b ?? false)',
      1,
    ],
    [
      'request.x ? 1 : 0',
      'the condition before ? must be a bool, and request.x is float that may be missing',
      undefined,
      1,
    ],
    ['true ? 1 : "a"', 'the two branches of ?: must be of one type: 1 is int, "a" is string', undefined, 1],
    [
      'request.s ?? 0',
      'the two sides of ?? must be of one type: request.s is string that may be missing, 0 is int',
      undefined,
      1,
    ],
    [
      'request.v ?? zeros(2)',
      'the two sides of ?? must be of one type: request.v is float[3] that may be missing, zeros(2) is int[2]',
      undefined,
      1,
    ],
    [
      'request.v ?? 0',
      'the two sides of ?? must be of one type: request.v is float[3] that may be missing, 0 is int',
      undefined,
      1,
    ],
    ['request.v[3]', 'request.v[3] is outside the vector, which has [0] to [2]', undefined, 1],
    ['request.must_x[0]', 'request.must_x is float; only a vector has elements', undefined, 1],
    ['["a", "b"]', 'a vector is written with numbers only, not "a"', undefined, 1],
    ['[request.x]', 'a vector is written with numbers only, not request.x', undefined, 1],
    ['[[1]]', 'a vector is written with numbers only, not [1]', undefined, 1],
    ['[]', 'a vector needs at least one number', undefined, 1],
    ['log("a")', 'log takes a number, and "a" is string', 'log(x)', 1],
    ['1 + log()', 'log takes 1 argument, not 0', 'log(x)', 5],
    ['pow(1, 2, 3)', 'pow takes 2 arguments, not 3', 'pow(x, y)', 1],
    ['min(1)', 'min takes at least 2 arguments, not 1', 'min(x, y, …)', 1],
    ['lookup("a", ["a"])', 'lookup takes 3 or 4 arguments, not 2', 'lookup(x, [keys], [values], default)', 1],
    ['hour(5)', 'hour takes a timestamp, and 5 is int', 'hour(t)', 1],
    ['norm(5)', 'norm takes a vector, and 5 is int', 'norm(a)', 1],
    ['length(5)', 'length takes a string, and 5 is int', 'length(s)', 1],
    ['hash(1.5, 10)', 'hash takes a string or an int, and 1.5 is float', 'hash(x, buckets)', 1],
    [
      'clip(1, request.x, 3)',
      'clip wants a number, written out, in the place of request.x',
      'clip(x, low, high)',
      1,
    ],
    [
      'onehot("a", "a")',
      'onehot wants a list of strings or of whole numbers such as ["CA", "TX"], written out, in the place of "a"',
      'onehot(x, [categories])',
      1,
    ],
    [
      'onehot("a", ["a", 1])',
      'onehot wants a list of strings or of whole numbers such as ["CA", "TX"], written out, in the place of ["a", 1]',
      'onehot(x, [categories])',
      1,
    ],
    [
      'onehot(1, [1.5])',
      'onehot wants a list of strings or of whole numbers such as ["CA", "TX"], written out, in the place of [1.5]',
      'onehot(x, [categories])',
      1,
    ],
    [
      'bucketize(1, [])',
      'bucketize wants a list of numbers such as [0, 10], written out, in the place of []',
      'bucketize(x, [edges])',
      1,
    ],
  ])('%s', (text, message, suggestion, character) => {
    const error = refusal(text);
    expect(error.message).toBe(`${message} (at character ${character})`);
    expect(error.suggestion).toBe(suggestion);
  });

  it.each([
    ['clip(1, 3, 2)', 'low must not be above high'],
    ['minmax(1, 2, 2)', 'low must be below high'],
    ['standardize(1, 2, 0)', 'the deviation must be above 0'],
    ['cyclic(1, 0)', 'the period must be above 0'],
    ['bucketize(1, [0, 0])', 'edges must rise'],
    ['hash("a", 0)', 'buckets must be a whole number from 1 to 2^32'],
    ['hash("a", 1.5)', 'buckets must be a whole number from 1 to 2^32'],
    ['hash("a", 4294967297)', 'buckets must be a whole number from 1 to 2^32'],
    ['zeros(0)', 'n must be a whole number from 1 to 65536'],
    ['zeros(65537)', 'n must be a whole number from 1 to 65536'],
    ['onehot("a", ["b", "b"])', 'a category stands twice'],
    ['onehot("a", [1, 2])', 'the categories are ints, and the argument is string'],
    ['onehot(request.n, ["1"])', 'the categories are strings, and the argument is int that may be missing'],
    ['lookup("a", ["a", "a"], [1, 2])', 'a key stands twice'],
    ['lookup("a", ["a"], [1, 2])', 'there are 1 keys and 2 values'],
    ['lookup("a", ["a"], [1], "x")', 'the default must be of the type of the values'],
    ['dot([1, 2], [1, 2, 3])', 'the vectors have 2 and 3 elements'],
    ['cosine([1], [1, 2])', 'the vectors have 1 and 2 elements'],
  ])('%s: %s', (text, fault) => {
    expect(refusal(`1 + (${text})`).message).toBe(`in ${text}: ${fault} (at character 5)`);
  });

  it('cuts a long quotation', () => {
    const { message } = refusal(`"${'a'.repeat(5000)}" + 1`);
    expect(message.length).toBeLessThan(150);
    expect(message).toMatch(/^\+ takes numbers, and "a+… is string \(at character 1\)$/);
  });
});

describe('the generated text', () => {
  it('holds no name of the project, only places', () => {
    const expressions = [typed('origin.profile.latitude + request.must_x + destination.delays.mean')];
    const { source, reads } = compileTransforms([{ elementType: 'float32', expressions }]);
    expect(source).not.toMatch(/origin|profile|latitude|must_x|destination|delays|mean/);
    expect(reads.map(({ binding, view }) => `${binding}.${view.name}`)).toEqual([
      'origin.profile',
      'destination.delays',
    ]);
  });
});
