import { describe, expect, it } from 'vitest';
import type { Value } from '../../src/project/value.ts';
import { functionGroups, functionsByName } from '../../src/transforms/functions.ts';
import { exampleAsOfMs } from '../../src/transforms/functions-time.ts';
import { slotsOf, typed, valueOf } from './both-engines.ts';
import type { Result } from './both-engines.ts';

type Request = Readonly<Record<string, Value>>;
type Case = readonly [expression: string, request: Request, result: Result];

const BIG = 9007199254740993n;
const given = (request: Request): { request: Request } => ({ request });

function expectCase([text, request, result]: Case): void {
  expect(valueOf(text, given(request))).toEqual(result);
}

describe('arithmetic', () => {
  it.each<Case>([
    ['request.x + request.y', { x: 0.1, y: 0.2 }, 0.1 + 0.2],
    ['request.x - request.y', { x: 1, y: 2 }, -1],
    ['request.x * request.y', { x: 3, y: -2 }, -6],
    ['request.x / request.y', { x: 1, y: 4 }, 0.25],
    ['request.x % request.y', { x: 7, y: 3 }, 1],
    ['request.x % request.y', { x: -7, y: 3 }, -1],
    ['request.x % request.y', { x: 7.5, y: -2 }, 1.5],
    ['-request.x', { x: 2 }, -2],
    ['request.n / request.m', { n: 1, m: 2 }, 0.5],
    ['1 / 3', {}, 1 / 3],
    ['request.must_b ? request.x / 2 : 0', { must_b: true, x: 3 }, 1.5],
  ])('%s of %o is %o', (...each) => expectCase(each));

  it.each<Case>([
    ['request.x / request.y', { x: 1, y: 0 }, null],
    ['request.x / request.y', { x: -1, y: -0 }, null],
    ['request.x / request.y', { x: 0, y: 0 }, null],
    ['request.x / 0', { x: 1 }, null],
    ['request.x / -0', { x: 1 }, null],
    ['request.x % request.y', { x: 1, y: 0 }, null],
    ['1 / (request.x - 1)', { x: 1 }, null],
  ])('%s of %o has no answer, so it is missing', (...each) => expectCase(each));

  it.each(['+', '-', '*', '/', '%'])('%s of something missing is missing', (operator) => {
    expectCase([`request.x ${operator} request.y`, { x: 1 }, null]);
    expectCase([`request.x ${operator} request.y`, { y: 1 }, null]);
    expectCase([`request.n ${operator} request.m`, { n: 1 }, null]);
    expectCase([`0 ${operator} request.y`, {}, null]);
  });

  it('overflows to infinity, which is not missing', () => {
    expectCase(['request.x * 10', { x: 1e308 }, Infinity]);
    expectCase(['-request.x * 10', { x: 1e308 }, -Infinity]);
    expectCase(['missing(request.x * 10)', { x: 1e308 }, false]);
    expectCase(['request.x * 10 - request.x * 10', { x: 1e308 }, null]);
  });

  it('rounds ints beyond 2^53 to floats', () => {
    expectCase(['request.n + 0', { n: BIG }, 9007199254740992]);
    expectCase(['-request.n', { n: BIG }, -9007199254740992]);
    expectCase(['abs(request.n)', { n: BIG }, 9007199254740992]);
  });
});

describe('comparison', () => {
  it.each<Case>([
    ['request.x < request.y', { x: 1, y: 2 }, true],
    ['request.x <= request.y', { x: 2, y: 2 }, true],
    ['request.x > request.y', { x: 1, y: 2 }, false],
    ['request.x >= request.y', { x: 2, y: 2 }, true],
    ['request.x == request.y', { x: 0, y: -0 }, true],
    ['request.x != request.y', { x: 1, y: 2 }, true],
    ['request.n == request.x', { n: 1, x: 1 }, true],
    ['request.s == request.t', { s: 'a', t: 'a' }, true],
    ['request.s != request.t', { s: 'a', t: 'A' }, true],
    ['request.b == true', { b: true }, true],
    ['request.b != true', { b: false }, true],
    ['request.time < request.until', { time: 1, until: 2 }, true],
    ['request.time == request.until', { time: 1, until: 1 }, true],
  ])('%s of %o is %o', (...each) => expectCase(each));

  it('is exact for ints beyond 2^53', () => {
    expectCase(['request.n == request.m', { n: BIG, m: BIG }, true]);
    expectCase(['request.n == request.m', { n: BIG, m: BIG + 1n }, false]);
    expectCase(['request.n != request.m', { n: BIG, m: BIG + 1n }, true]);
    expectCase(['request.n < request.m', { n: BIG, m: BIG + 1n }, true]);
    expectCase(['request.n > request.m', { n: BIG, m: 1 }, true]);
    expectCase(['request.n == request.x', { n: BIG, x: 9007199254740992 }, false]);
    expectCase(['request.n == request.x', { n: 2n ** 60n, x: 2 ** 60 }, true]);
    expectCase(['request.n != request.x', { n: 2n ** 60n, x: 2 ** 60 }, false]);
  });

  it.each(['<', '<=', '>', '>=', '==', '!='])('%s with something missing is false', (operator) => {
    for (const [a, b, value] of [
      ['x', 'y', 1],
      ['n', 'm', 1],
      ['n', 'm', BIG],
      ['n', 'y', BIG],
      ['time', 'until', 1],
    ] as const) {
      expectCase([`request.${a} ${operator} request.${b}`, {}, false]);
      expectCase([`request.${a} ${operator} request.${b}`, { [a]: value }, false]);
      if (b !== 'y') expectCase([`request.${a} ${operator} request.${b}`, { [b]: value }, false]);
    }
  });

  it.each(['==', '!='])('%s of strings and bools with something missing is false', (operator) => {
    for (const [a, b, value] of [
      ['s', 't', 'a'],
      ['b', 'must_b', true],
    ] as const) {
      expectCase([`request.${a} ${operator} request.${b}`, { [b]: value, must_b: true }, false]);
      expectCase([`request.${b} ${operator} request.${a}`, { [b]: value, must_b: true }, false]);
    }
    expectCase([`request.s ${operator} request.t`, {}, false]);
    expectCase([`request.b ${operator} request.b`, {}, false]);
  });
});

describe('logic', () => {
  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('of %s and %s', (must_b, b) => {
    expectCase(['request.must_b && (request.b ?? false)', { must_b, b }, must_b && b]);
    expectCase(['request.must_b || (request.b ?? false)', { must_b, b }, must_b || b]);
    expectCase(['!request.must_b', { must_b }, !must_b]);
    expectCase(['request.must_b ? (request.b ?? false) : true', { must_b, b }, must_b ? b : true]);
  });
});

describe('?? and ?:', () => {
  it.each<Case>([
    ['request.x ?? 5', {}, 5],
    ['request.x ?? 5', { x: 0 }, 0],
    ['request.x ?? request.y', {}, null],
    ['request.x ?? request.y ?? 2', {}, 2],
    ['log(request.x) ?? -1', { x: 0 }, -1],
    ['request.s ?? "none"', { s: '' }, ''],
    ['request.s ?? "none"', {}, 'none'],
    ['request.b ?? true', { b: false }, false],
    ['request.b ?? true', {}, true],
    ['missing(request.time ?? as_of)', {}, false],
    ['request.n ?? 0', { n: BIG }, BIG],
    ['request.n ?? 0.5', { n: BIG }, 9007199254740992],
    ['request.v ?? zeros(3)', {}, [0, 0, 0]],
    ['request.v ?? zeros(3)', { v: [1, 2, 3] }, [1, 2, 3]],
    ['request.v ?? request.w', {}, [null, null, null]],
    ['request.v ?? request.w', { w: [1, 2, 3] }, [1, 2, 3]],
    ['request.ids ?? [7, -0]', {}, [7, 0]],
    ['request.ids ?? [0.5, 1]', { ids: [BIG, 1] }, [9007199254740992, 1]],
    ['(request.ids ?? [0.5, 1])[0]', { ids: [BIG, 1] }, 9007199254740992],
    ['(request.ids ?? [0.5, 1])[0] == 9007199254740991.0 + 1', { ids: [BIG, 1] }, true],
    ['request.must_b ? request.n : request.m', { must_b: true, n: BIG }, Number(BIG)],
    ['request.must_b ? request.must_n : 1', { must_b: true, must_n: BIG }, BIG],
    ['request.must_b ? request.must_n : 1.5', { must_b: true, must_n: BIG }, 9007199254740992],
    ['request.must_b ? request.x : 1', { must_b: true }, null],
    ['request.must_b ? request.v : request.w', { must_b: false, w: [1, 2, 3] }, [1, 2, 3]],
    ['request.must_b ? request.v : [4, 5, 6]', { must_b: true }, [null, null, null]],
    ['request.must_b ? cyclic(0, 24) : [4, 5]', { must_b: true }, [0, 1]],
    ['request.must_b ? onehot(request.s, ["a", "b"]) : [4, 5]', { must_b: true, s: 'b' }, [0, 1]],
    ['request.v[1]', { v: [1, 2, 3] }, 2],
    ['request.v[1]', {}, null],
    ['request.must_ids[0]', { must_ids: [BIG, 1] }, BIG],
    ['onehot(request.s, ["a", "b"])[1]', { s: 'b' }, 1],
  ])('%s of %o is %o', (...each) => expectCase(each));
});

describe('features', () => {
  it('are read from the row of their binding', () => {
    const rows = { 'origin.profile': [99, 'CA', 1.5, null, 4, true, 1000, [1, 2, 3], [5, 6]] };
    const value = (text: string): Result => valueOf(text, { rows, asOfMs: 3000 });
    expect(value('origin.profile.state ?? ""')).toBe('CA');
    expect(value('origin.profile.latitude')).toBe(1.5);
    expect(value('origin.profile.owner')).toBe(4);
    expect(value('origin.profile.hub')).toBe(true);
    expect(value('seconds_between(origin.profile.opened, as_of)')).toBe(2);
    expect(value('origin.profile.embedding')).toEqual([1, 2, 3]);
    expect(value('origin.profile.shape')).toEqual([5, 6]);
    expect(value('destination.profile.latitude')).toBeNull();
  });

  it('take their declared default when the row or the value is missing', () => {
    expect(valueOf('origin.profile.gates')).toBe(7);
    expect(valueOf('origin.profile.gates', { rows: { 'origin.profile': [0, null, null, 0] } })).toBe(0);
    expect(valueOf('origin.profile.owner')).toBe(BIG);
    expect(valueOf('origin.profile.shape')).toEqual([0.5, -0.5]);
    expect(valueOf('missing(origin.profile.gates)')).toBe(false);
    expect(valueOf('missing(origin.profile.latitude)')).toBe(true);
  });
});

describe('numbers', () => {
  it.each<Case>([
    ['log(request.x)', { x: 2 }, Math.log(2)],
    ['log(request.x)', { x: -0 }, null],
    ['log1p(request.x)', { x: 1e-12 }, Math.log1p(1e-12)],
    ['log1p(request.x)', { x: -1.5 }, null],
    ['exp(request.x)', { x: 1000 }, Infinity],
    ['exp(request.x)', { x: -1000 }, 0],
    ['sqrt(request.x)', { x: 2 }, Math.SQRT2],
    ['pow(request.x, request.y)', { x: -8, y: 3 }, -512],
    ['pow(request.x, request.y)', { x: 0, y: 0 }, 1],
    ['pow(request.x, request.y)', { x: 0, y: -2 }, null],
    ['pow(request.x, request.y)', { x: -0, y: -1 }, null],
    ['pow(request.x, request.y)', { x: -1, y: 0.5 }, null],
    ['pow(request.x, request.y)', { y: 0 }, null],
    ['pow(request.x, request.y)', { x: 10, y: 400 }, Infinity],
    ['abs(request.x)', { x: -0 }, 0],
    ['sign(request.x)', { x: -1e-300 }, -1],
    ['floor(request.x)', { x: -0.5 }, -1],
    ['ceil(request.x)', { x: -0.5 }, 0],
    ['round(request.x)', { x: 0.5 }, 1],
    ['round(request.x)', { x: -0.5 }, -1],
    ['round(request.x)', { x: 0.49999999999999994 }, 0],
    ['round(request.x)', { x: -0.2 }, 0],
    ['round(request.n)', { n: BIG }, null],
    ['round(request.x)', { x: 9007199254740991 }, 9007199254740991],
    ['round(request.x * 10)', { x: 1e308 }, null],
    ['min(request.x, request.y, 2)', { x: 3, y: -1 }, -1],
    ['max(request.x, request.y, 2)', { x: 3, y: -1 }, 3],
    ['min(request.x, request.y)', { x: 3 }, null],
    ['max(request.x, 1)', {}, null],
    ['clip(request.x, -1, 1)', { x: -5 }, -1],
    ['clip(request.x, -1, 1)', { x: 0.5 }, 0.5],
    ['clip(request.x, 2, 2)', { x: 0.5 }, 2],
    ['standardize(request.x, -1, 4)', { x: 1 }, 0.5],
    ['minmax(request.x, -1, 3)', { x: 7 }, 2],
    ['bucketize(request.x, [0, 10])', { x: 0 }, 1],
    ['bucketize(request.x, [0, 10])', { x: -0.001 }, 0],
    ['bucketize(request.x, [0, 10])', { x: 10 }, 2],
    ['bucketize(request.x * 10, [0, 10])', { x: 1e308 }, 2],
    ['cyclic(request.x, 24)', { x: 6 }, [1, Math.cos(Math.PI / 2)]],
  ])('%s of %o is %o', (...each) => expectCase(each));

  it.each(
    [
      'log(X)',
      'log1p(X)',
      'exp(X)',
      'sqrt(X)',
      'abs(X)',
      'sign(X)',
      'floor(X)',
      'ceil(X)',
      'round(X)',
    ].concat(
      ['pow(X, 2)', 'pow(2, X)', 'min(X, 1)', 'max(1, X)', 'clip(X, 0, 1)', 'standardize(X, 0, 1)'],
      ['minmax(X, 0, 1)', 'bucketize(X, [0])'],
    ),
  )('%s of something missing is missing', (text) => {
    for (const name of ['x', 'n', 'small']) {
      expect(valueOf(text.replace('X', `request.${name}`))).toBeNull();
      expect(valueOf(`missing(${text.replace('X', `request.${name}`)})`)).toBe(true);
    }
  });
});

describe('categories', () => {
  it.each<Case>([
    ['onehot(request.s, ["a", "b"])', { s: 'b' }, [0, 1]],
    ['onehot(request.s, ["a", "b"])', { s: 'c' }, [0, 0]],
    ['onehot(request.s, ["a", "b"])', {}, [0, 0]],
    ['onehot(request.n, [0, 1, -2])', { n: -2 }, [0, 0, 1]],
    ['onehot(request.n, [0, 1])', {}, [0, 0]],
    ['onehot(request.n, [-0, 1])', { n: 0 }, [1, 0]],
    ['onehot(request.n, [9007199254740991])', { n: BIG }, [0]],
    ['onehot(hour(as_of), [0, 1])', {}, [1, 0]],
    ['hash(request.s, 1000)', {}, null],
    ['hash(request.n, 1000)', {}, null],
    ['hash(request.must_n, 4294967296) == hash("9007199254740993", 4294967296)', { must_n: BIG }, true],
    ['hash(request.must_s, 1)', { must_s: 'anything' }, 0],
    ['lookup(request.s, ["a"], [1], 0)', {}, 0],
    ['lookup(request.s, ["a", "b"], [1, -0.5], 0)', { s: 'b' }, -0.5],
    ['lookup(request.n, [1, 2], ["x", "y"], "z")', { n: 2 }, 'y'],
    ['lookup(request.n, [1, 2], ["x", "y"], "z")', { n: BIG }, 'z'],
    ['lookup(request.s, ["a"], [""], "z")', { s: 'a' }, ''],
    ['missing(lookup(request.s, ["a"], ["b"]))', { s: 'c' }, true],
    ['missing(request.s)', { s: '' }, false],
    ['missing(request.s)', {}, true],
    ['missing(request.b)', { b: false }, false],
    ['missing(request.b)', {}, true],
    ['missing(request.n)', { n: BIG }, false],
    ['missing(request.n)', {}, true],
    ['missing(request.time)', {}, true],
    ['missing(request.v)', {}, true],
    ['missing(request.v)', { v: [0, 0, 0] }, false],
    ['missing(as_of)', {}, false],
  ])('%s of %o is %o', (...each) => expectCase(each));

  // From the reference tables of FNV-1a, 32 bits; beyond ASCII it goes by UTF-16 code units.
  it.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['b', 0xe70c2de5],
    ['foobar', 0xbf9cf968],
  ])('hash of %j is FNV-1a', (s, hash) => {
    expect(valueOf('hash(request.must_s, 4294967296)', given({ must_s: s }))).toBe(hash);
    expect(valueOf('hash(request.must_s, 1000)', given({ must_s: s }))).toBe(hash % 1000);
  });

  it('onehot of many categories is the same as of few', () => {
    const categories = Array.from({ length: 100 }, (_, i) => `"c${i}"`).join(', ');
    const slots = slotsOf(`onehot(request.s, [${categories}])`, 'float32', given({ s: 'c57' }));
    expect(slots).toEqual(Array.from({ length: 100 }, (_, i) => (i === 57 ? 1 : 0)));
    expect(slotsOf(`onehot(request.s, [${categories}])`, 'int64')).toEqual(new Array(100).fill(0n));
  });
});

describe('times', () => {
  const at = (iso: string): Request => ({ time: Date.parse(iso) });

  it.each<Case>([
    ['hour(request.time)', at('1969-12-31T23:59:59.999Z'), 23],
    ['minute(request.time)', at('1969-12-31T23:59:59.999Z'), 59],
    ['day_of_week(request.time)', at('1969-12-31T23:59:59.999Z'), 3],
    ['day_of_week(request.time)', at('2024-02-25T00:00:00Z'), 0],
    ['day_of_week(request.time)', at('2024-03-02T23:59:59Z'), 6],
    ['day_of_month(request.time)', at('2024-02-29T12:00:00Z'), 29],
    ['month(request.time)', at('2023-12-31T23:59:59Z'), 12],
    ['year(request.time)', at('-000001-01-01T00:00:00Z'), -1],
    ['year(request.time)', { time: 8.64e15 }, 275760],
    ['year(request.time)', { time: -8.64e15 }, -271821],
    ['seconds_between(request.time, request.until)', { time: 1000, until: 2500 }, 1.5],
    ['seconds_between(request.until, request.time)', { time: 1000, until: 2500 }, -1.5],
    ['days_between(request.time, request.until)', { time: 0, until: 43_200_000 }, 0.5],
    ['seconds_between(request.time, request.until)', { until: 1 }, null],
    ['days_between(request.time, as_of)', {}, null],
  ])('%s of %o is %o', (...each) => expectCase(each));

  it.each(['minute', 'hour', 'day_of_week', 'day_of_month', 'month', 'year'])(
    '%s of nothing is missing',
    (name) => {
      expect(valueOf(`${name}(request.time)`)).toBeNull();
    },
  );
});

describe('text', () => {
  it.each<Case>([
    ['length(request.s)', { s: 'e\u0301✈🛬' }, 4],
    ['length(request.s)', {}, null],
    ['lower(request.s) == "straße i\u0307"', { s: 'STRAßE \u0130' }, true],
    ['missing(lower(request.s))', {}, true],
    ['contains(request.s, request.t)', { s: 'abc', t: 'bc' }, true],
    ['contains(request.s, request.t)', { s: 'abc', t: 'BC' }, false],
    ['contains(request.s, "a")', {}, false],
    ['contains("a", request.t)', {}, false],
  ])('%s of %o is %o', (...each) => expectCase(each));
});

describe('vectors', () => {
  it.each<Case>([
    ['dot(request.v, request.w)', { v: [1, 2, 3], w: [4, 5, 6] }, 32],
    ['dot(request.v, request.w)', { v: [1, 2, 3] }, null],
    ['dot(request.v, [1, 0.5, 0])', { v: [1, 2, 3] }, 2],
    ['dot(request.must_ids, [1, 0])', { must_ids: [BIG, 1] }, 9007199254740992],
    ['cosine(request.v, request.v)', { v: [3, 0, 4] }, 1],
    ['cosine(request.v, request.w)', { v: [1, 0, 0], w: [0, 0, 0] }, null],
    ['cosine(request.v, request.w)', { v: [1e-200, 0, 0], w: [1e200, 0, 0] }, null],
    ['cosine(request.v, request.w)', {}, null],
    ['norm(request.v)', { v: [2, 3, 6] }, 7],
    ['norm(request.v)', {}, null],
    ['norm(cyclic(request.x, 24))', { x: 0 }, 1],
    ['norm(cyclic(request.x, 24))', {}, null],
  ])('%s of %o is %o', (...each) => expectCase(each));
});

describe('the table of functions', () => {
  it('has every name once', () => {
    const names = functionGroups.flatMap(({ functions }) => functions.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
    expect(functionsByName.size).toBe(names.length);
  });

  it.each(functionGroups.flatMap(({ functions }) => functions.flatMap(({ examples }) => examples)))(
    'has a true example: %s is %o',
    (text, result) => {
      const { type } = typed(text);
      const shown = type.base === 'string' && type.nullable ? `${text} ?? ""` : text;
      expect(valueOf(shown, { asOfMs: exampleAsOfMs })).toEqual(result);
    },
  );

  it.each([...functionsByName.values()])('describes $name with its signature and an example', (spec) => {
    expect(spec.signature.startsWith(`${spec.name}(`)).toBe(true);
    expect(spec.summary).toMatch(/\.$/);
    expect(spec.examples.length).toBeGreaterThan(0);
  });
});
