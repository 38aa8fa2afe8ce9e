/** The page of /docs in Chromium, as the server sends it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call } from '../e2e/demo-server.ts';
import { startDocumentedServer } from './openapi/documented-server.ts';
import type { DocumentedServer } from './openapi/documented-server.ts';

const chromiumPath = programOf('chromium', 'chromium-browser', 'google-chrome');
const predict = '#post-v1-endpoints-flight-delay-predict';

function programOf(...names: readonly string[]): string | undefined {
  const paths = (process.env['PATH'] ?? '').split(':');
  return names.flatMap((name) => paths.map((path) => join(path, name))).find((file) => existsSync(file));
}

let documented: DocumentedServer;
beforeAll(async () => {
  documented = await startDocumentedServer();
});
afterAll(async () => documented.stop());

it('is given to anybody, and holds nothing of the project', async () => {
  const page = await call(documented.server, '/docs');
  expect(page.status).toBe(200);
  expect(page.headers['content-type']).toContain('text/html');
  for (const name of [documented.project.name, ...documented.project.endpoints.keys()])
    expect(page.text).not.toContain(name);
  expect(page.text).not.toMatch(/^(import|export) |innerHTML|https?:/m);
});

it('lets nothing run or be asked that is not its own', async () => {
  const { headers } = await call(documented.server, '/docs');
  const policy = String(headers['content-security-policy']);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("connect-src 'self'");
  expect(policy).not.toContain('unsafe');
});

describe('in a browser', () => {
  let browser: Browser | undefined;
  let page: Page;
  const asked: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    if (chromiumPath === undefined) return;
    // Root may not start it with its sandbox; it loads nothing but this page.
    browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
    page = await browser.newPage();
    page.on('request', (request: Request) => asked.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // The browser tells of each answer that is an error; the first, without a key, is meant to be one.
      if (message.type() === 'error' && !message.text().includes('401')) complaints.push(message.text());
    });
    await page.goto(`${documented.server.url}/docs`);
  });
  afterAll(async () => browser?.close());
  beforeEach(({ skip }) => {
    skip(chromiumPath === undefined, 'no Chromium on this machine');
  });

  it('asks for a key where the server wants one, and then lists every operation', async () => {
    await page.locator('#key').waitFor();
    expect(await page.locator('#status').innerText()).toContain('needs a key');
    await page.fill('#key', documented.key);
    await page.click('#key-form button[type=submit]');
    await page.locator(predict).waitFor();
    const document = await documented.document();
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    const shown: string[] = await page
      .locator('.operation')
      .evaluateAll((elements) => elements.map(({ id }) => id));
    expect(shown.toSorted()).toEqual(ids.toSorted());
  });

  it('sends an example and shows the answer', async () => {
    await page.click(`${predict} > summary`);
    await page.click(`${predict} button`);
    const answer = page.locator(`${predict} .answer`);
    await answer.locator('.answer-head').waitFor();
    expect(await answer.innerText()).toContain('200');
    expect(await answer.innerText()).toContain('"delayed"');
  });

  it('shows parameters, what bodies may be, answers and codes of errors', async () => {
    const text = await page.locator(predict).innerText();
    for (const part of ['x-millrace-variant', 'flight_id', 'delayed', 'TOO_MANY_ROWS', 'Scope: predict'])
      expect(text).toContain(part);
    await page.click('nav a[href="#get-v1-endpoints-endpoint-rollout-audit"]');
    const audit = page.locator('#get-v1-endpoints-endpoint-rollout-audit');
    await audit.locator('button').click();
    await audit.locator('.answer-head').waitFor();
    expect(await audit.locator('.answer').innerText()).toContain('"entries"');
  });

  it('finds operations by their words', async () => {
    await page.fill('#filter', 'METRICS');
    const shown = page.locator('.operation:visible');
    expect(await shown.evaluateAll((elements) => elements.map(({ id }) => id))).toEqual(['get-metrics']);
    await page.fill('#filter', '');
  });

  it('shows what it is told as text, whatever it looks like', async () => {
    const body = `${predict} textarea`;
    await page.fill(body, '{"<img src=x onerror=alert(1)>": 1}');
    await page.click(`${predict} button`);
    const answer = page.locator(`${predict} .answer`);
    await answer.locator('.bad').waitFor();
    expect(await answer.innerText()).toContain('<img src=x onerror=alert(1)>');
    expect(await answer.locator('img').count()).toBe(0);
  });

  it('fits a phone', async () => {
    await page.setViewportSize({ width: 400, height: 800 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(400);
  });

  it('forgets the key when it is asked to', async () => {
    await page.click('#forget');
    await page.reload();
    await page.locator('#status', { hasText: 'needs a key' }).waitFor();
    expect(await page.locator('.operation').count()).toBe(0);
  });

  it('has asked nobody but the server, and broken nothing', () => {
    expect(asked.length).toBeGreaterThan(3);
    expect(asked.filter((url) => !url.startsWith(`${documented.server.url}/`) && url !== 'data:,')).toEqual(
      [],
    );
    // The request that was made to fail.
    expect(complaints.filter((text) => !text.includes('400'))).toEqual([]);
  });
});
