/** The commands of the command line with their options, as tables of Markdown: what `--help` says. */
import { readFileSync, readdirSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { markdownTable } from './markdown-table.ts';

const source = new URL('../src/', import.meta.url);

/** Read from the environment by something that is no option. */
const variables: Readonly<Record<string, string>> = {
  MILLRACE_FORCE_KEY:
    'who sends it in `x-millrace-force-key` may choose a variant, see [rollouts](rollouts.md); `serve`',
  MILLRACE_API_KEY: 'the key that commands that call a server send it; without one they send none',
};

export async function commandTables(): Promise<string> {
  const commands = await allCommands();
  const all = commands.flatMap((command) => withSubcommands(command, `millrace ${command.name()}`));
  return [...all.map(([name, command]) => describeCommand(name, command)), variableTable(all)].join('\n\n');
}

/** In the order of the help, as src/cli.ts has them. */
async function allCommands(): Promise<Command[]> {
  const text = readFileSync(new URL('cli.ts', source), 'utf8');
  const found = [
    ...text.matchAll(/^ {2}'?[\w-]+'?: async \(\) => \(await import\('\.\/(.+)'\)\)\.(\w+)\(\)/gm),
  ];
  return Promise.all(
    found.map(async ([, file = '', create = '']) => {
      const module = (await import(new URL(file, source).href)) as Record<string, () => Command>;
      return (module[create] as () => Command)();
    }),
  );
}

function withSubcommands(command: Command, name: string): (readonly [string, Command])[] {
  const own = command.commands.flatMap((each) => withSubcommands(each, `${name} ${each.name()}`));
  return [[name, command], ...own];
}

function describeCommand(name: string, command: Command): string {
  const args = command.registeredArguments.map((argument) => {
    const text = argument.variadic ? `${argument.name()}...` : argument.name();
    return argument.required ? ` <${text}>` : ` [${text}]`;
  });
  const options = command.options.filter(({ hidden }) => !hidden).map(optionRow);
  return [
    `### ${name}`,
    command.description(),
    ...(args.length === 0 ? [] : [`\`${name}${args.join('')}\``]),
    ...(options.length === 0 ? [] : [markdownTable(['option', 'default', ''], options)]),
  ].join('\n\n');
}

function optionRow(option: Option): string[] {
  const { flags, description, defaultValueDescription, argChoices, envVar, mandatory } = option;
  const choices = argChoices === undefined ? '' : ` (${argChoices.join(', ')})`;
  const variable = envVar === undefined ? '' : ` (or \`${envVar}\` in the environment)`;
  const preset = defaultValueDescription ?? presetText(option.defaultValue);
  const standard = mandatory ? 'has to be given' : preset;
  return [`\`${flags}\``, standard, `${description}${choices}${variable}`];
}

function presetText(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function variableTable(commands: readonly (readonly [string, Command])[]): string {
  const rows = new Map<string, string>();
  for (const [name, { options }] of commands) {
    for (const { envVar, long } of options) {
      if (envVar === undefined) continue;
      const known = rows.get(envVar);
      rows.set(
        envVar,
        known === undefined ? `stands in for \`${long}\` of \`${name}\`` : `${known}, \`${name}\``,
      );
    }
  }
  for (const variable of readVariables()) {
    if (rows.has(variable)) continue;
    const meaning = variables[variable];
    if (meaning === undefined)
      throw new Error(`scripts/command-tables.ts does not say what ${variable} is for`);
    rows.set(variable, meaning);
  }
  const sorted = [...rows]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => [`\`${name}\``, text]);
  return `## Environment\n\n${markdownTable(['variable', ''], sorted)}`;
}

function readVariables(): Set<string> {
  const files = readdirSync(new URL('cli/', source), { recursive: true, encoding: 'utf8' });
  const texts = files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(new URL(`cli/${file}`, source), 'utf8'));
  const named = texts.flatMap((text) => [...text.matchAll(/process\.env(?:\[')?\.?([A-Z][A-Z_]+)/g)]);
  return new Set(named.map(([, name = '']) => name));
}
