/**
 * The page that shows /openapi.json, and sends its examples. It is one file that asks nobody but this server: its style
 * and its script are in it, and its policy lets nothing else run. The files beside this one are what browsers get.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface DocsPage {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function readDocsPage(): DocsPage {
  const style = read('page.css');
  const script = ['elements.js', 'schema-view.js', 'page.js'].map(readModule).join('');
  const html = read('page.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`);
  return { html, headers: { ...headers, 'content-security-policy': policyFor(style, script) } };
}

const headers = {
  'cache-control': 'no-cache',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

function policyFor(style: string, script: string): string {
  const directives = [
    "default-src 'none'",
    "connect-src 'self'",
    'img-src data:',
    `style-src '${hashOf(style)}'`,
    `script-src '${hashOf(script)}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return directives.join('; ');
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** One script holds them all, so nothing is left to import. */
function readModule(name: string): string {
  return read(name)
    .replaceAll(/^import .*\n/gm, '')
    .replaceAll(/^export /gm, '');
}

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}
