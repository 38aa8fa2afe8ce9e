import { describe, expect, test } from 'vitest';
import { parseSource } from '../../src/project/source-file.ts';
import { mistakesIn, soundFiles } from './project-folder.ts';

function parse(text: string): ReturnType<typeof parseSource> {
  return parseSource('f.yaml', undefined, text);
}

/** The problems of a text as `line: path message`. */
function problemsIn(text: string): string[] {
  return parse(text).problems.map(({ line, path, message }) => `${line}: ${path.join('.')} ${message}`);
}

describe('a file that cannot be used', () => {
  test.each<[string, string, string]>([
    ['is empty', '', '1:  the file is empty'],
    ['holds only a comment', '# nothing\n', '1:  the file is empty'],
    ['holds only null', 'null\n', '1:  the file is empty'],
    ['is a list', '- a\n- b\n', '1:  the file must be a mapping of keys to values'],
    ['is one word', 'millrace', '1:  the file must be a mapping of keys to values'],
    ['is indented with tabs', 'a:\n\tb: 1\n', '2:  tabs cannot indent YAML: use spaces'],
    ['holds two documents', 'a: 1\n---\nb: 2\n', '2:  the file holds more than one YAML document'],
    ['asks for YAML 1.1', '%YAML 1.1\n---\na: yes\n', '1:  %YAML 1.1 is not supported: remove that line'],
    ['has a custom tag at the top', '!shop\na: 1\n', '2:  the tag !shop is not supported'],
  ])('that %s has one problem', (_, text, problem) => {
    expect(problemsIn(text)).toEqual([problem]);
    expect(parse(text).source).toBeUndefined();
  });

  test('that breaks off has the line where YAML noticed', () => {
    expect(problemsIn('a: 1\nb: [1, 2\nc: 3\n')).toEqual([
      expect.stringMatching(/^3:  this is not valid YAML, at/),
    ]);
    expect(problemsIn('{"a": 1,\n "b" 2}')).toEqual([
      expect.stringMatching(/^2:  this is not valid YAML, at/),
    ]);
  });

  test('gets a hint about quotes where expressions and types meet the punctuation of YAML', () => {
    const hint = (text: string): string | undefined => parse(text).problems[0]?.suggestion;
    expect(hint('a: { embedding: float32[64] }')).toMatch(/with \[ or \{ in it inside \{ \}.*needs quotes/);
    expect(hint('a: x ? y : z')).toBe('text that holds ": " needs quotes');
    expect(hint('a: @x')).toMatch(/needs quotes/);
    expect(hint('a:\n  - !user.is_new\n')).toBe('text that starts with "!" needs quotes');
  });
});

describe('a hostile file', () => {
  test('cannot unfold into a large one through aliases', () => {
    const levels = Array.from({ length: 9 }, (_, i) => {
      const items = i === 0 ? 'x' : Array.from({ length: 9 }, () => `*a${i - 1}`).join(', ');
      return `a${i}: &a${i} [${items}]`;
    });
    const startMs = performance.now();
    expect(problemsIn(levels.join('\n'))).toEqual([expect.stringMatching(/more than 100000 values/)]);
    expect(performance.now() - startMs).toBeLessThan(5000);
  });

  test('cannot refer to itself', () => {
    expect(problemsIn('a: &a\n  b: *a\n')).toEqual([expect.stringMatching(/an alias holds itself/)]);
    expect(problemsIn('a: &a [1, *a]\n')).toEqual([expect.stringMatching(/an alias holds itself/)]);
  });

  test.each([
    ['lists', '['],
    ['mappings', '{"a":'],
    ['block lists', '- '],
    ['complex keys', '? '],
  ])('cannot exhaust the stack with nested %s', (_, opening) => {
    expect(problemsIn(opening.repeat(100_000))).toEqual(['1:  the file is nested deeper than 64 levels']);
  });

  test('cannot name what every object has', () => {
    const text = 'a:\n  __proto__: { x: 1 }\n  constructor: 2\n  "prototype": 3\n  b: 4\n';
    expect(problemsIn(text)).toEqual([
      '2: a.__proto__ cannot be used as a name',
      '3: a.constructor cannot be used as a name',
      '4: a.prototype cannot be used as a name',
    ]);
    const data = parse(text).source?.data['a'] as object;
    expect(Object.keys(data)).toEqual(['b']);
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
  });

  test('of more than 1 MiB is not parsed', async () => {
    const text = `project: shop # ${'x'.repeat(1024 * 1024)}`;
    expect(await mistakesIn({ ...soundFiles, 'millrace.yaml': text })).toEqual([
      expect.stringMatching(/^millrace\.yaml:1 {2}the file is larger than 1 MiB/),
    ]);
  });

  test('of broken UTF-8 is not parsed', async () => {
    const bytes = new Uint8Array([0x70, 0x3a, 0x20, 0xff, 0xfe]);
    expect(await mistakesIn({ ...soundFiles, 'millrace.yaml': bytes })).toEqual([
      'millrace.yaml:1  the file is not valid UTF-8',
    ]);
  });
});

describe('a file with a problem inside', () => {
  test('names each key that is given twice, and keeps the first', () => {
    const text = 'a: 1\nb: { c: 1, c: 2 }\na: 3\n"a": 4\n';
    expect(problemsIn(text)).toEqual(['2: b.c is given twice', '3: a is given twice', '4: a is given twice']);
    expect(parse(text).source?.data).toEqual({ a: 1, b: { c: 1 } });
  });

  test('leaves out values with tags, aliases without anchors and keys that are no text', () => {
    const text = 'a: !!binary aGk=\nb: *nowhere\n? [x]\n: 1\nc: 1\n';
    expect(problemsIn(text)).toEqual([
      '1: a the tag tag:yaml.org,2002:binary is not supported',
      '2: b the alias *nowhere has no anchor &nowhere before it',
      '3: ["x"] is a key that is not plain text',
    ]);
    expect(parse(text).source?.data).toEqual({ c: 1 });
  });
});

describe('a sound file', () => {
  test('gives YAML and JSON the same data', () => {
    const yaml = "a: 1\nb: [x, 1.5, true, null, ~]\nc:\n  d: '2001-03-09'\n  é: 2001-03-09\n";
    const json =
      '{\n\t"a": 1,\n\t"b": ["x", 1.5, true, null, null],\n\t"c": {"d": "2001-03-09", "\\u00e9": "2001-03-09"}\n}';
    expect(parse(yaml).problems).toEqual([]);
    expect(parse(json).source?.data).toEqual(parse(yaml).source?.data);
    expect(parse(json).source?.data).toEqual(JSON.parse(json));
  });

  test('keeps the digits of large integers', () => {
    const data = parse('a: 9007199254740993\nb: 9007199254740991\nc: -1\n').source?.data;
    expect(data).toEqual({ a: 9007199254740993n, b: 9007199254740991, c: -1 });
  });

  test('takes keys as they are written', () => {
    expect(parse('1: a\nnull: b\ntrue: c\n0x1F: d\n').source?.data).toEqual({
      1: 'a',
      null: 'b',
      true: 'c',
      '0x1F': 'd',
    });
  });

  test('repeats what an alias stands for', () => {
    expect(parse('a: &x { b: [1] }\nc: *x\n').source?.data).toEqual({ a: { b: [1] }, c: { b: [1] } });
  });

  test('knows the line of each key and item, and of the nearest one above what is missing', () => {
    const source = parse('\ufeffa: 1\r\n# note\r\nb:\r\n  - x\r\n  - y: 1\r\n    z: 2\r\n').source;
    expect(source?.lineOf(['a'])).toBe(1);
    expect(source?.lineOf(['b'])).toBe(3);
    expect(source?.lineOf(['b', 0])).toBe(4);
    expect(source?.lineOf(['b', 1, 'z'])).toBe(6);
    expect(source?.lineOf(['b', 1, 'missing', 'deeper'])).toBe(5);
    expect(source?.lineOf(['missing'])).toBe(1);
  });
});
