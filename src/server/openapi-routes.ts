/** `/openapi.json`, made anew when what is served has changed, and `/docs`, which shows it. */
import { createHash } from 'node:crypto';
import { jsonText } from '../project/json-text.ts';
import { rolloutJsonSchema } from '../project/rollout-json-schema.ts';
import type { Serving } from '../serving/serving.ts';
import { readDocsPage } from './docs-page/docs-page.ts';
import type { Exchange } from './exchange.ts';
import { servingOf } from './route-context.ts';
import type { RouteContext } from './route-context.ts';
import type { Route } from './route.ts';
import { openApiDocument } from './openapi/openapi-document.ts';

interface Kept {
  readonly serving: Serving;
  readonly isOpen: boolean;
  /** Of the rollouts, which examples name. */
  readonly versions: string;
  readonly body: Buffer;
  readonly etag: string;
}

/** @param table all routes of the server, these among them */
export function openApiRoutes(context: RouteContext, table: () => readonly Route[]): readonly Route[] {
  const documentOf = createDocuments(context, table);
  const page = readDocsPage();
  return [
    {
      method: 'get',
      path: '/openapi.json',
      name: 'openapi',
      scopes: 'any key',
      body: 'none',
      headers: ['if-none-match'],
      handle: (exchange, _body, { headers }) =>
        answerDocument(exchange, documentOf(), headers['if-none-match'] ?? ''),
    },
    {
      method: 'get',
      path: '/docs',
      name: 'docs',
      scopes: 'anyone',
      body: 'none',
      handle: (exchange) => exchange.send(200, 'text/html; charset=utf-8', page.html, page.headers),
    },
  ];
}

function answerDocument(exchange: Exchange, { body, etag }: Kept, known: string): void {
  const headers = { etag, 'cache-control': 'private, no-cache' };
  const isKnown = known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
  if (isKnown) exchange.send(304, 'application/json', '', headers);
  else exchange.send(200, 'application/json', body, headers);
}

/** Made when it is asked for. What takes longest, and never changes, is made at the start: 80 ms the first time (Node 20). */
function createDocuments(context: RouteContext, table: () => readonly Route[]): () => Kept {
  const rolloutSchema = rolloutJsonSchema();
  let kept: Kept | undefined;
  return () => {
    const serving = servingOf(context);
    const { isOpen } = context.access;
    const rolloutVersion = (endpoint: string): number => serving.control.inEffect(endpoint).record.version;
    const versions = [...serving.endpoints.keys()].map(rolloutVersion).join();
    const isSame = kept?.serving === serving && kept.isOpen === isOpen && kept.versions === versions;
    if (kept !== undefined && isSame) return kept;
    const { project, answers, models } = serving;
    const { version } = context;
    const subject = { project, answers, models, version, isOpen, rolloutVersion };
    const body = Buffer.from(jsonText(openApiDocument(table(), subject, rolloutSchema)));
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    kept = { serving, isOpen, versions, body, etag };
    return kept;
  };
}
