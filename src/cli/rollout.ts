/** `millrace rollout`: how the traffic of a running server is split, and how that is changed. */
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { text as textOf } from 'node:stream/consumers';
import { Command, InvalidArgumentError, Option } from 'commander';
import { MillraceError } from '../errors.ts';
import { isRecord } from '../project/json-record.ts';
import { parseSource } from '../project/source-file.ts';
import { defaultHost, defaultPort } from '../server/server-options.ts';
import { addKeyOption } from './access-options.ts';
import { countArgument } from './count-argument.ts';
import type { RolloutAnswer } from './rollout-answer.ts';
import { createRolloutClient } from './rollout-client.ts';
import { auditText, overviewText, statusText } from './rollout-text.ts';

interface ReadOptions {
  readonly url: string;
  readonly key?: string;
  readonly json?: true;
}

interface ChangeOptions extends ReadOptions {
  readonly by: string;
  readonly reason: string;
  readonly ifVersion?: number;
}

interface SetOptions extends ChangeOptions {
  readonly file?: string;
  readonly serve?: string;
}

const AUDIT_COUNT = 20;

const actions: readonly (readonly [name: string, description: string])[] = [
  ['promote', 'Give the candidate of a canary all of the traffic, now.'],
  ['step', 'Take the next step of a canary, without waiting for the judge.'],
  ['rollback', 'Give everybody the variant that `serve` names, now.'],
  ['pause', 'Keep the share of a canary as it is. Its guardrails still roll it back.'],
  ['resume', 'Go on with a canary that is paused.'],
];

export function rolloutCommand(): Command {
  const command = new Command('rollout').description(
    'How the traffic of a running server is split between variants, and how to change it.',
  );
  command.addCommand(statusCommand()).addCommand(setCommand());
  for (const [name, description] of actions) command.addCommand(actionCommand(name, description));
  return command.addCommand(auditCommand());
}

function addUrl(command: Command): Command {
  return addKeyOption(command)
    .addOption(
      new Option('--url <url>', 'the address of the server')
        .env('MILLRACE_URL')
        .argParser(parseUrl)
        .default(`http://${defaultHost}:${defaultPort}`),
    )
    .option('--json', 'print what the server answers');
}

function parseUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError(`Write an address like http://${defaultHost}:${defaultPort}.`);
}

function addNote(command: Command): Command {
  return addUrl(command)
    .addOption(
      new Option('--by <name>', 'who changes it, for the audit log').default(
        userInfo().username,
        'the name of the user',
      ),
    )
    .option('--reason <text>', 'why, for the audit log', '')
    .option(
      '--if-version <number>',
      'change only this version, and nothing that came after it',
      countArgument,
    );
}

function statusCommand(): Command {
  return addUrl(new Command('status'))
    .description('What is in effect: of all endpoints, or of one with all that was seen of its variants.')
    .argument('[endpoint]')
    .action(async (endpoint: string | undefined, { url, key, json }: ReadOptions) => {
      const client = createRolloutClient(url, key);
      if (endpoint === undefined) {
        const rollouts = await client.list();
        return print(rollouts, json, overviewText(rollouts));
      }
      printStatus(await client.read(endpoint), json);
    });
}

function setCommand(): Command {
  return addNote(new Command('set'))
    .description('Replace the rollout of an endpoint by a section as in the project file.')
    .argument('<endpoint>')
    .option(
      '--file <path>',
      'YAML or JSON: a section `rollout`, or a project file that has one for the endpoint; - for standard input',
    )
    .option(
      '--serve <variant>',
      'everybody gets this variant, and no experiment or canary runs; shadows stay',
    )
    .action(async (endpoint: string, options: SetOptions) => {
      const client = createRolloutClient(options.url, options.key);
      const before = await client.read(endpoint);
      const rollout = await sectionOf(endpoint, options, before);
      const version = options.ifVersion ?? before.version;
      const { by, reason } = options;
      printStatus(await client.put(endpoint, { version, rollout, by, reason }), options.json);
    });
}

function actionCommand(name: string, description: string): Command {
  return addNote(new Command(name))
    .description(description)
    .argument('<endpoint>')
    .action(async (endpoint: string, options: ChangeOptions) => {
      const { url, key, json, by, reason, ifVersion: version } = options;
      const client = createRolloutClient(url, key);
      printStatus(await client.act(endpoint, name, { by, reason, ...(version && { version }) }), json);
    });
}

function auditCommand(): Command {
  return addUrl(new Command('audit'))
    .description('Who changed the rollout of an endpoint, when and why; latest first.')
    .argument('<endpoint>')
    .option('--count <number>', 'how many changes', countArgument, AUDIT_COUNT)
    .action(async (endpoint: string, options: ReadOptions & { readonly count: number }) => {
      const { url, key, json, count } = options;
      const audit = await createRolloutClient(url, key).audit(endpoint, count);
      print(audit, json, auditText(audit));
    });
}

/** @throws MillraceError INVALID_ROLLOUT */
async function sectionOf(
  endpoint: string,
  { file, serve }: SetOptions,
  before: RolloutAnswer,
): Promise<unknown> {
  if (serve !== undefined && file === undefined) return { serve, shadow: shadowsWithout(serve, before) };
  if (file === undefined || serve !== undefined)
    throw new MillraceError('INVALID_ROLLOUT', 'Give either --file or --serve.');
  const reading = file === '-' ? textOf(process.stdin) : readFile(file, 'utf8');
  const text = await reading.catch((cause: unknown) => {
    throw new MillraceError('INVALID_ROLLOUT', `${file} cannot be read.`, { cause });
  });
  const { source, problems } = parseSource(file, undefined, text);
  const [problem] = problems;
  if (source === undefined || problem !== undefined)
    throw new MillraceError('INVALID_ROLLOUT', `${file}:${problem?.line ?? 1} ${problem?.message ?? ''}`);
  return sectionIn(source.data, endpoint) ?? source.data;
}

/** A section may stand under `rollout:`, or in a whole project file. */
function sectionIn(data: Readonly<Record<string, unknown>>, endpoint: string): unknown {
  const { rollout, endpoints } = data;
  if (!isRecord(endpoints)) return Object.keys(data).length === 1 ? rollout : undefined;
  const of = endpoints[endpoint];
  return isRecord(of) ? (of['rollout'] ?? {}) : undefined;
}

/** Shadows stay, but for the one that answers from now on. */
function shadowsWithout(serve: string, { rollout }: RolloutAnswer): unknown[] {
  const shadows =
    isRecord(rollout) && Array.isArray(rollout['shadow']) ? (rollout['shadow'] as unknown[]) : [];
  return shadows.filter((shadow) => (isRecord(shadow) ? shadow['variant'] : shadow) !== serve);
}

function printStatus(status: RolloutAnswer, json: true | undefined): void {
  print(status, json, statusText(status));
}

function print(answer: unknown, json: true | undefined, text: string): void {
  process.stdout.write(json === true ? `${JSON.stringify(answer)}\n` : text);
}
