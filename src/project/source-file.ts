/**
 * One project file as read: plain data, and the line of every path in it. YAML and JSON take the same way, because
 * JSON is YAML. The only importer of `yaml`.
 *
 * Files are bounded: bytes, nesting and values, where an alias counts each time it is used, so that a small file
 * cannot unfold into a large one. Keys that could reach an object's prototype are refused here, once for all.
 */
import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { Lexer, LineCounter, Parser, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Alias, ErrorCode, Node, Pair, YAMLError, YAMLMap, YAMLSeq } from 'yaml';
import type { Path } from './path.ts';
import { formatPath } from './path.ts';

/** Where a mistake can be: a file that was read, or one that should be there. */
export interface Place {
  /** As the user would type it. */
  readonly file: string;
  /** The part of the project that the file describes, `models.churn`; undefined for the project file itself. */
  readonly part: string | undefined;
  /** The line (1-based) of the key or list item at a path, or of the nearest one above it. */
  lineOf(path: Path): number;
}

export interface SourceFile extends Place {
  /** Objects, arrays, strings, numbers, booleans, nulls; integers beyond 2^53 are bigints. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Something that is wrong with a file before its meaning is looked at. */
export interface SourceProblem {
  readonly line: number;
  readonly path: Path;
  readonly message: string;
  readonly suggestion?: string;
}

export interface ReadSource {
  /** Undefined when the file as a whole cannot be used. */
  readonly source: SourceFile | undefined;
  readonly problems: readonly SourceProblem[];
}

const BYTES_MAX = 1024 * 1024;
const DEPTH_MAX = 64;
const VALUES_MAX = 100_000;
const TOO_DEEP = `the file is nested deeper than ${DEPTH_MAX} levels, or an alias holds itself`;
const TOO_MANY = `the file holds more than ${VALUES_MAX} values, each use of an alias counted`;
const prototypeKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
const KEY_LENGTH_MAX = 256;

const standardTags: ReadonlySet<string> = new Set(
  ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`),
);

/** Reads a file that exists. Never throws: what is wrong comes back as problems. */
export async function readSourceFile(file: string, part: string | undefined): Promise<ReadSource> {
  let bytes: Buffer;
  try {
    const found = await stat(file);
    // A pipe or a device has the size 0 and may never end.
    if (!found.isFile()) return unusable('this is not a regular file');
    const { size } = found;
    if (size > BYTES_MAX) return unusable(`the file is larger than 1 MiB (${size} bytes)`);
    bytes = await readFile(file);
  } catch (error) {
    return unusable(`the file cannot be read: ${(error as Error).message.replace(/,.*/s, '')}`);
  }
  if (!isUtf8(bytes)) return unusable('the file is not valid UTF-8');
  return parseSource(file, part, bytes.toString('utf8'));
}

/** Parses the text of a project file. */
export function parseSource(file: string, part: string | undefined, text: string): ReadSource {
  if (isNestedTooDeep(text)) return unusable(`the file is nested deeper than ${DEPTH_MAX} levels`);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter,
    prettyErrors: false,
    uniqueKeys: false, // checked in `unfold`, where the path is known
    intAsBigInt: true,
    merge: false,
    logLevel: 'error',
  });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) {
    const { line, col } = lineCounter.linePos(syntaxError.pos[0]);
    return { source: undefined, problems: [{ line, path: [], ...explainSyntax(syntaxError, col) }] };
  }
  if (document.directives?.yaml.version === '1.1')
    return unusable('%YAML 1.1 is not supported: remove that line');
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return unusable('the file is empty');
  if (!isMap(root)) return unusable('the file must be a mapping of keys to values');
  return unfold(file, part, root, lineCounter);
}

function unusable(message: string, line = 1): ReadSource {
  return { source: undefined, problems: [{ line, path: [], message }] };
}

/** The parser's own recursion has no limit, so the depth is measured first, with its iterative lower half. */
function isNestedTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    // A level takes up to three entries of the parser's stack.
    if (parser.stack.length > DEPTH_MAX * 3) return true;
  }
  return false;
}

/** Expressions and types meet YAML's own punctuation, so the usual cure is a pair of quotes. */
const quotesCures: Readonly<Partial<Record<ErrorCode, string>>> = {
  BLOCK_AS_IMPLICIT_KEY: 'text that holds ": " needs quotes',
  UNEXPECTED_TOKEN: 'text with quotes in it, or with [ or { in it inside { } or [ ], needs quotes around it',
  BAD_SCALAR_START: 'text that starts with such a character needs quotes',
};

function explainSyntax(error: YAMLError, column: number): Pick<SourceProblem, 'message' | 'suggestion'> {
  if (error.code === 'MULTIPLE_DOCS') return { message: 'the file holds more than one YAML document' };
  if (error.code === 'TAB_AS_INDENT') return { message: 'tabs cannot indent YAML: use spaces' };
  const suggestion = quotesCures[error.code];
  const message = `this is not valid YAML, at column ${column}: ${error.message.replace(/\.$/, '')}`;
  return suggestion === undefined ? { message } : { message, suggestion };
}

/** What one walk over the syntax tree collects. */
interface Unfolding {
  readonly problems: SourceProblem[];
  readonly lines: Map<string, number>;
  readonly anchors: Map<string, Node>;
  readonly lineAt: (node: Node) => number;
  values: number;
  /** Why the walk was given up. */
  excess: string | undefined;
}

/** Turns the syntax tree into plain data, collecting the line of each path and what is wrong on the way. */
function unfold(file: string, part: string | undefined, root: Node, lineCounter: LineCounter): ReadSource {
  const state: Unfolding = {
    problems: [],
    lines: new Map(),
    anchors: new Map(),
    lineAt: (node) => lineCounter.linePos(node.range?.[0] ?? 0).line,
    values: 0,
    excess: undefined,
  };
  const data = toValue(state, root, []);
  if (state.excess !== undefined) return unusable(state.excess);
  const { lines, problems } = state;
  if (data === undefined) return { source: undefined, problems };
  const lineOf = (path: Path): number => {
    for (let length = path.length; length > 0; length--) {
      const line = lines.get(formatPath(path.slice(0, length)));
      if (line !== undefined) return line;
    }
    return 1;
  };
  return { source: { file, part, data: data as Record<string, unknown>, lineOf }, problems };
}

/** The value of a node; undefined when it has a problem, so that it is left out. */
function toValue(state: Unfolding, node: Node | null, path: Path): unknown {
  if (path.length > DEPTH_MAX) state.excess = TOO_DEEP;
  if (++state.values > VALUES_MAX) state.excess = TOO_MANY;
  if (node === null || state.excess !== undefined) return null;
  if (isAlias(node)) return toAliased(state, node, path);
  if (node.tag !== undefined && !standardTags.has(node.tag)) {
    const message = `the tag ${node.tag} is not supported`;
    const suggestion = 'text that starts with "!" needs quotes';
    state.problems.push({ line: state.lineAt(node), path, message, suggestion });
    return undefined;
  }
  if ('anchor' in node && node.anchor !== undefined) state.anchors.set(node.anchor, node);
  if (isMap(node)) return toObject(state, node, path);
  if (isSeq(node)) return toArray(state, node, path);
  return isScalar(node) ? toScalar(node.value) : null;
}

function toAliased(state: Unfolding, alias: Alias, path: Path): unknown {
  const target = state.anchors.get(alias.source);
  if (target !== undefined) return toValue(state, target, path);
  const message = `the alias *${alias.source} has no anchor &${alias.source} before it`;
  state.problems.push({ line: state.lineAt(alias), path, message });
  return undefined;
}

function toArray(state: Unfolding, list: YAMLSeq, path: Path): unknown[] {
  return (list.items as Node[]).map((item, index) => {
    const itemPath = [...path, index];
    state.lines.set(formatPath(itemPath), state.lineAt(item));
    return toValue(state, item, itemPath);
  });
}

function toObject(state: Unfolding, map: YAMLMap, path: Path): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
    const name = keyText(key);
    const keyPath = [...path, name];
    const line = state.lineAt(key);
    const message = refuseKey(key, name, object);
    if (message !== undefined) {
      state.problems.push({ line, path: keyPath, message });
      continue;
    }
    state.lines.set(formatPath(keyPath), line);
    const content = toValue(state, value, keyPath);
    if (content !== undefined) object[name] = content;
  }
  return object;
}

/** `1: x` and `null: x` have the keys "1" and "null", as written. */
function keyText(key: Node): string {
  if (!isScalar(key)) return String(key).slice(0, 100);
  return typeof key.value === 'string' ? key.value : (key.source ?? '');
}

function refuseKey(key: Node, name: string, object: Readonly<Record<string, unknown>>): string | undefined {
  if (!isScalar(key)) return 'is a key that is not plain text';
  if (name.length > KEY_LENGTH_MAX) return `is a key of more than ${KEY_LENGTH_MAX} characters`;
  if (prototypeKeys.has(name)) return 'cannot be used as a name';
  return Object.hasOwn(object, name) ? 'is given twice' : undefined;
}

function toScalar(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
