/** `millrace types`: the project as TypeScript, so that a program that asks for what is not there does not compile. */
import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { MillraceError } from '../errors.ts';
import { readProjectAnswers } from '../serving/answer-shapes.ts';
import { projectDeclaration } from './project-types/declaration.ts';
import { addProjectOption } from './store-options.ts';
import { writeWhole } from './whole-file.ts';

interface TypesOptions {
  readonly project: string;
  readonly out?: string;
  readonly check?: true;
}

export function typesCommand(): Command {
  const command = new Command('types').description(
    'Write the endpoints, events and feature views of a project as TypeScript types, for the client.',
  );
  return addProjectOption(command)
    .option('--out <file>', 'the file to write, such as millrace.d.ts; default: standard output')
    .option('--check', 'write nothing, and exit with 1 if the file is not what would be written')
    .action(writeTypes);
}

async function writeTypes({ project: dir, out, check }: TypesOptions): Promise<void> {
  if (check === true && out === undefined) throw new InvalidArgumentError('--check needs --out FILE.');
  const text = projectDeclaration(await readProjectAnswers(dir));
  if (out === undefined) process.stdout.write(text);
  else if (check === true) await compare(out, text, dir);
  else await writeWhole(out, writeFailure, async (file) => file.writeFile(text));
}

async function compare(out: string, text: string, dir: string): Promise<void> {
  const written = await readFile(out, 'utf8').catch((cause: unknown) => {
    throw new MillraceError('EXPORT_FAILED', `${out} cannot be read (${String(cause)})`, { cause });
  });
  // Git may have changed the ends of lines.
  if (written.replaceAll('\r\n', '\n') === text) return;
  process.stderr.write(
    `${out} is not what the project says: run millrace types --project ${dir} --out ${out}\n`,
  );
  process.exitCode = 1;
}

function writeFailure(sentence: string, cause: unknown): MillraceError {
  return new MillraceError('EXPORT_FAILED', sentence, { cause });
}
