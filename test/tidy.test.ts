/** The rules of this repository that no linter knows. They look at every file that git would track. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCatalogue } from '../src/errors.ts';
import { lint, root } from './oxlint.ts';

const files = trackedFiles(root);
const code = files.filter((file) => /\.(ts|mjs|js|py|sh)$/.test(file));
const texts = files.filter((file) => /\.(ts|mjs|js|py|sh|md|json|ya?ml)$|(^|\/)[^.]+$/.test(file));
const tests = code.filter((file) => file.startsWith('test/'));
const pages = files.filter((file) => file.endsWith('.md'));

describe('names', () => {
  it('say what is inside', () => {
    const vague = /(^|[-_/])(utils?|helpers?|common|managers?|misc)([-_./]|$)|(^|\/)types\.ts$/i;
    expect(files.filter((file) => vague.test(file))).toEqual([]);
  });

  it('are kebab-case', () => {
    const typescript = files.filter((file) => file.endsWith('.ts'));
    expect(
      typescript.filter((file) => !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.(test|config|d))?\.ts$/.test(file)),
    ).toEqual([]);
  });
});

describe('code', () => {
  // This test cannot hold the words that it looks for.
  const words = (...parts: readonly [string, string][]): string =>
    parts.map(([start, end]) => start + end).join('|');

  it('leaves nothing for later', () => {
    // In quotes it is a name, such as that of an airport which does not exist.
    const later = new RegExp(`\\b(${words(['TO', 'DO'], ['FIX', 'ME'], ['XX', 'X'])})\\b(?!')`);
    expect(matches(without(texts, 'package-lock.json'), later)).toEqual([]);
  });

  it('silences no tool', () => {
    const tools = words(['eslint-', 'disable'], ['oxlint-', 'disable'], ['prettier-', 'ignore']);
    const comments = words(['@ts-', 'ignore'], ['@ts-', 'nocheck'], ['@ts-', 'expect-error']);
    const coverage = words(['v8 ', 'ignore'], ['istanbul ', 'ignore'], ['c8 ', 'ignore']);
    expect(matches(code, new RegExp(`${tools}|${comments}|${coverage}`))).toEqual([]);
  });

  it('imports by the straight path', () => {
    expect(matches(code, /(from|import\() ?'(\.\/\.\.|\.[^']*[^./]\/\.\.)\//)).toEqual([]);
  });

  it('speaks of nothing outside of the repository', () => {
    const foreign = words(
      ['(?<![\\w.])/wo', 'rk/'],
      ['shared/des', 'ign'],
      ['shared/fa', 'cts'],
      ['/tmp/br', 'ief'],
    );
    expect(matches(files, new RegExp(foreign))).toEqual([]);
  });
});

describe('tests', () => {
  it('all run', () => {
    const switches =
      /\b(it|test|describe|suite)(\.\w+)*\.(only|skip|todo|fails|skipIf|runIf)\b|\bx(it|describe)\(/;
    expect(matches(without(tests, 'test/lint-rules.test.ts', 'test/tidy.test.ts'), switches)).toEqual([]);
  });

  it('that cannot run on a machine say why, with `skip(condition, reason)` from the test context', () => {
    const silent = tests.filter((file) =>
      [...read(file).matchAll(/\bskip\(([^;]*)\);/g)].some(([, args = '']) => !/(['"`])\s*,?\s*$/.test(args)),
    );
    expect(silent).toEqual([]);
  });

  it('are functions of at most 70 lines', () => {
    const scratch = mkdtempSync(join(tmpdir(), 'millrace-tidy-'));
    const config = join(scratch, 'oxlintrc.json');
    const rules = { 'max-lines-per-function': ['error', { max: 70, IIFEs: true }] };
    writeFileSync(config, JSON.stringify({ plugins: [], categories: { correctness: 'off' }, rules }));
    const long = lint(root, ['test'], [`--config=${config}`]);
    rmSync(scratch, { recursive: true });
    // A group of tests is a function only in form.
    const groups = /\bdescribe\w*(\.each)?\(/;
    const places = long.filter(({ file, line }) => !groups.test(read(file).split('\n')[line - 1] ?? ''));
    expect(places.map(({ file, line }) => `${file}:${line}`)).toEqual([]);
  });
});

describe('the error catalogue', () => {
  it('is what docs/errors.md says', () => {
    const args = ['node_modules/tsx/dist/cli.mjs', 'scripts/write-error-docs.ts', '--check'];
    const { stderr, status } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('has no code that nothing throws', () => {
    const thrown = code
      .filter((file) => file.startsWith('src/') && file !== 'src/errors.ts')
      .map(read)
      .join('');
    expect(Object.keys(errorCatalogue).filter((name) => !thrown.includes(`'${name}'`))).toEqual([]);
  });
});

describe('the documents', () => {
  it('have no dead links', () => {
    const dead = pages.flatMap((page) =>
      links(page)
        .filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(page, link))
        .map((link) => `${page}: ${link}`),
    );
    expect(dead).toEqual([]);
  });

  it('name the test command that .ci/run runs', () => {
    expect(read('README.md').split('\n')).toContain('npm ci && npm test');
  });

  it('list every dependency with its pinned version in ARCHITECTURE.md', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    const rows = read('ARCHITECTURE.md')
      .split('\n')
      .filter((line) => line.startsWith('|'));
    const missing = Object.entries(dependencies).filter(([name, pinned]) => {
      const cells = rows.map((row) => row.split(/[|`\s]+/));
      return !cells.some((words) => words.includes(name) && words.includes(pinned));
    });
    expect(missing).toEqual([]);
  });
});

describe('package.json', () => {
  it('pins every version', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      'dependencies' | 'devDependencies',
      Record<string, string>
    >;
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^(npm:[\w.-]+@)?\d+\.\d+\.\d+$/.test(version),
    );
    expect(loose).toEqual([]);
  });
});

/** Every file below the folder except what .gitignore names. Git itself may not be on the machine. */
function trackedFiles(folder: string): string[] {
  const ignored = readFileSync(join(root, '.gitignore'), 'utf8').split('\n').filter(Boolean);
  const isIgnored = (name: string): boolean =>
    name === '.git' ||
    ignored.some((line) => (line.startsWith('*') ? name.endsWith(line.slice(1)) : line === `${name}/`));
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !isIgnored(name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? trackedFiles(path) : [relative(root, path)];
    });
}

/** A file that is missing is an error that names it. Bytes that are not text pass through. */
function read(file: string): string {
  return readFileSync(join(root, file), 'latin1');
}

function without(list: readonly string[], ...names: readonly string[]): string[] {
  return list.filter((file) => !names.includes(file));
}

/** `file:line: text` of each line that matches. */
function matches(list: readonly string[], pattern: RegExp): string[] {
  return list.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 100)}`] : [],
      ),
  );
}

function prose(page: string): string {
  return readFileSync(join(root, page), 'utf8')
    .replace(/^(```|~~~).*?^\1/gms, '')
    .replace(/`[^`\n]*`/g, 'code');
}

function links(page: string): string[] {
  const inline = [...prose(page).matchAll(/\]\(([^)\s]+)[^)]*\)/g)];
  const references = [...prose(page).matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)];
  return [...inline, ...references].map(([, link = '']) => link);
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = decodeURIComponent(link).split('#');
  const target = path === '' ? page : relative(root, join(root, dirname(page), path));
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || !target.endsWith('.md') || anchors(target).includes(anchor);
}

/** The anchors that GitHub gives to headings. */
function anchors(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8').replace(/^(```|~~~).*?^\1/gms, '');
  return [...text.matchAll(/^#+\s+(.+?)\s*$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}
