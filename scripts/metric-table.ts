/**
 * The metrics of Millrace, as a table of Markdown: name, type, labels and help as the calls in src/ have them. It reads
 * the text of the sources, so it knows the forms in which they write such calls; what it cannot read is an error.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { markdownTable } from './markdown-table.ts';

interface Metric {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

interface Source {
  readonly file: string;
  readonly text: string;
}

/** Of those whose calls do not show them. test/reference.test.ts compares all with what servers have. */
const hiddenLabels: Readonly<Record<string, readonly string[]>> = {
  millrace_canary_harm: ['endpoint', 'guardrail', 'measure'],
  millrace_event_loop_delay_seconds: ['quantile'],
  millrace_events_total: ['outcome'],
  millrace_feedback_total: ['outcome'],
  millrace_queue_rows: ['model', 'version'],
  millrace_reloads_total: ['outcome'],
  millrace_shadow_difference: ['endpoint', 'variant', 'measure'],
  millrace_shadow_disagreement: ['endpoint', 'variant', 'measure'],
  millrace_shadow_latency_difference_seconds: ['endpoint', 'variant', 'measure'],
  millrace_shadow_relative_difference: ['endpoint', 'variant', 'measure'],
  millrace_workers: ['state'],
};

const source = new URL('../src/', import.meta.url);
const LITERAL = `'((?:[^'\\\\]|\\\\.)*)'`;

export function metricTable(): string {
  const rows = readMetrics().map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  return markdownTable(['metric', 'type', 'labels', ''], rows);
}

function readMetrics(): Metric[] {
  const sources = readSources();
  const found = new Map<string, Metric>();
  for (const metric of sources.flatMap((each) => [...calls(each), ...families(each), ...redisGauges(each)])) {
    const known = found.get(metric.name);
    const labels = [...new Set([...(known?.labels ?? []), ...metric.labels])];
    found.set(metric.name, { ...metric, labels: hiddenLabels[metric.name] ?? labels });
  }
  const named = new Set(
    sources.flatMap(({ text }) =>
      [...text.matchAll(/'(millrace_[a-z0-9_]+)'/g)].map(([, name = '']) => name),
    ),
  );
  const unread = [...named].filter((name) => !found.has(name));
  if (unread.length > 0)
    throw new Error(`scripts/metric-table.ts cannot read how src/ makes ${unread.join(', ')}`);
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The load test reads metrics of a server; it has none. */
function readSources(): Source[] {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' });
  return files
    .filter(
      (file) => file.endsWith('.ts') && !file.startsWith('loadtest/') && !file.startsWith('cli/loadtest'),
    )
    .map((file) => ({ file, text: readFileSync(new URL(file, source), 'utf8') }));
}

/** `counter('millrace_x', 'Help.', { a, b })`, and the like; the help may be a constant of the file. */
function calls({ text, file }: Source): Metric[] {
  const pattern = new RegExp(
    `\\b(counter|gauge|histogram|describe|register)\\(\\s*(?:registry,\\s*)?'(millrace_\\w+)',\\s*(?:${LITERAL}|(\\w+))`,
    'g',
  );
  return [...text.matchAll(pattern)].map((match) => {
    const [, kind = '', name = '', literal, constant = ''] = match;
    const call = balanced(text, match.index + kind.length);
    return {
      name,
      type: kind === 'describe' || kind === 'register' ? 'gauge' : kind,
      labels: labelsIn(call, text.slice(0, match.index)),
      help: plain(literal ?? constantOf(constant, text, file)),
    };
  });
}

/** `{ name: 'millrace_x', help: 'Help.', type: 'gauge' }` */
function families({ text }: Source): Metric[] {
  const pattern = new RegExp(`name: '(millrace_\\w+)',\\s*help: ${LITERAL}(?:,\\s*type: '(\\w+)')?`, 'g');
  return [...text.matchAll(pattern)].map(([, name = '', help = '', type = 'counter']) => {
    return { name, type, labels: [], help: plain(help) };
  });
}

/** Each connection to Redis has the same four, under names of its own. */
function redisGauges({ text }: Source): Metric[] {
  const groups = [
    ...text.matchAll(
      /purpose: '([^']+)',\s*roundTrips: '(\w+)',\s*shards: '(\w+)',\s*breakerOpen: '(\w+)',\s*coherent: '(\w+)'/g,
    ),
  ];
  return groups.flatMap(([, purpose = '', roundTrips = '', shards = '', breakerOpen = '', coherent = '']) => [
    {
      name: roundTrips,
      type: 'counter',
      labels: [],
      help: `Pipelines that were sent to Redis for ${purpose}.`,
    },
    {
      name: shards,
      type: 'gauge',
      labels: ['state'],
      help: `Redis servers, by whether they answer; the connection for ${purpose}.`,
    },
    {
      name: breakerOpen,
      type: 'gauge',
      labels: [],
      help: `Redis servers that hang and are not asked for ${purpose}.`,
    },
    {
      name: coherent,
      type: 'gauge',
      labels: [],
      help: `Redis servers whose changes of ${purpose} are told.`,
    },
  ]);
}

/** From a bracket to its partner. */
function balanced(text: string, from: number): string {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '(') depth++;
    if (text[at] === ')' && --depth === 0) return text.slice(from, at + 1);
  }
  throw new Error(`a bracket is not closed: ${text.slice(from, from + 80)}`);
}

/** The keys of `{ a, b: 1 }` where labels stand, with those of the objects that are spread or named there. */
function labelsIn(call: string, before: string): string[] {
  const objects = [
    ...call.matchAll(/labels: (\{[^}]*\})/g),
    ...call.matchAll(/,\s*(\{[^}]*\}),?\s*\)$/g),
  ].map(([, object = '']) => object);
  const names = [...call.matchAll(/,\s*(labels|named),?\s*\)$/g)].map(([, name = '']) => `{ ...${name} }`);
  return [...new Set([...objects, ...names].flatMap((object) => keysOf(object, before)))];
}

function keysOf(object: string, before: string): string[] {
  const keys = object.replace(/^\{|\}$/g, '').split(',');
  return keys.flatMap((key) => {
    const text = key.trim();
    if (!text.startsWith('...')) return /^\w+/.exec(text)?.[0] ?? [];
    const own = new RegExp(`const ${text.slice(3)} = (\\{[^}]*\\})`, 'g');
    const last = [...before.matchAll(own)].at(-1)?.[1];
    return last === undefined ? [] : keysOf(last, before);
  });
}

function constantOf(name: string, text: string, file: string): string {
  const found = new RegExp(`const ${name} =\\s*${LITERAL}`).exec(text)?.[1];
  if (found !== undefined) return found;
  throw new Error(`src/${file}: the help of a metric is ${name}, which is no constant of the file`);
}

function plain(literal: string): string {
  return literal.replaceAll("\\'", "'");
}
