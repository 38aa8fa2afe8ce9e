/** Runs the linter as `npm run check` does, and gives its findings as data. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root: string = fileURLToPath(new URL('..', import.meta.url));

export interface Finding {
  /** `src/features/a.ts`, relative to the folder that was linted. */
  readonly file: string;
  readonly line: number;
  /** As in the configuration: `no-console`, `typescript/no-explicit-any`. */
  readonly rule: string;
  readonly message: string;
}

interface OxlintReport {
  readonly number_of_files: number;
  readonly diagnostics: readonly {
    readonly message: string;
    readonly code?: string;
    readonly filename: string;
    readonly labels: readonly { readonly span: { readonly line: number } }[];
  }[];
}

/**
 * @param folder where the configuration is and to which `paths` are relative
 * @throws Error when the linter did not run, or ran on no file: silence would look like success
 */
export function lint(folder: string, paths: readonly string[], options: readonly string[] = []): Finding[] {
  const program = `${root}node_modules/oxlint/bin/oxlint`;
  const run = spawnSync(process.execPath, [program, '--format=json', ...options, ...paths], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
  });
  if (!run.stdout.startsWith('{')) throw new Error(`oxlint did not run: ${run.stdout}${run.stderr}`);
  const report = JSON.parse(run.stdout) as OxlintReport;
  if (report.number_of_files === 0) throw new Error(`oxlint found no files in ${paths.join(', ')}`);
  return report.diagnostics.map(({ message, code = 'unnamed', filename, labels }) => ({
    file: filename,
    line: labels[0]?.span.line ?? 0,
    rule: code
      .replace(/^eslint\(/, '')
      .replace('(', '/')
      .replace(/\)$/, ''),
    message,
  }));
}
