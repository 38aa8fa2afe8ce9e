/**
 * The client in Chromium, as it is published: modules that the browser loads itself, in a page that forbids `eval`. The
 * page and the server have one origin, as behind a reverse proxy.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { goodFlight, startDemoServer } from '../e2e/demo-server.ts';
import type { DemoServer } from '../e2e/demo-server.ts';
import { startReverseProxy } from './reverse-proxy.ts';
import type { ReverseProxy } from './reverse-proxy.ts';

const root = new URL('../..', import.meta.url).pathname;
/** Path in the page -> folder of the files. */
const folders: Readonly<Record<string, string>> = {
  '/millrace/': join(root, 'dist/client'),
  '/msgpackr/': join(root, 'node_modules/msgpackr'),
};
const chromiumPath = programOf('chromium', 'chromium-browser', 'google-chrome');

const html = `<!doctype html>
<script type="importmap" nonce="page">{
  "imports": { "millrace/client": "/millrace/index.js", "msgpackr": "/msgpackr/index.js" }
}</script>
<script type="module" nonce="page">
  import { createClient } from 'millrace/client';
  const row = ${JSON.stringify(goodFlight)};
  const departure = (id) => ({ type: 'departure', id, fields: { ...row, scheduled: new Date(), delay: 3 } });
  window.canEval = () => { try { return eval('true'); } catch { return false; } };
  window.mainFlow = async (transport) => {
    const client = createClient({ url: location.origin, transport });
    const { request_id: requestId, predictions } = await client.predict('flight-delay', { rows: [row, row] });
    const one = await Promise.all([1, 2, 3].map((distance) => client.predictOne('flight-delay', { ...row, distance })));
    const bad = await client.predict('flight-delay', { rows: [{}] }).catch((error) => error);
    const feedback = await client.feedback(requestId, { row: 1, label: true, id: 'arrival ' + transport });
    const ids = await client.events.send([departure('a ' + transport), departure('b ' + transport)]);
    await client.events.flush();
    const { results } = await client.features({
      features: ['outbound:flights_3h'],
      entities: { iata: [row.origin] },
    });
    const { eventsLeft } = await client.close();
    return {
      predictions: predictions.length,
      sharedRequest: new Set(one.map(({ request_id }) => request_id)).size === 1,
      code: bad.code,
      feedback,
      ids,
      flights: results[1].values[0],
      eventsLeft,
    };
  };
  window.openOutbox = () => {
    const storage = {
      load: () => sessionStorage.getItem('outbox'),
      save: (text) => sessionStorage.setItem('outbox', text),
    };
    window.client = createClient({ url: location.origin, events: { storage, retryMsMax: 50 } });
    return window.client;
  };
  window.sendOne = (id) => window.openOutbox().events.send(departure(id));
  window.isLoaded = true;
</script>`;

function programOf(...names: readonly string[]): string | undefined {
  const paths = (process.env['PATH'] ?? '').split(':');
  return names.flatMap((name) => paths.map((path) => join(path, name))).find((file) => existsSync(file));
}

/** @returns whether the request was for a file of the page */
function servePage({ url: path = '' }: IncomingMessage, res: ServerResponse): boolean {
  if (path === '/page') {
    const policy = "default-src 'self'; script-src 'self' 'nonce-page'";
    res.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': policy }).end(html);
    return true;
  }
  const prefix = Object.keys(folders).find((each) => path.startsWith(each));
  if (prefix === undefined) return false;
  const file = join(folders[prefix] as string, path.slice(prefix.length));
  res.writeHead(200, { 'content-type': 'text/javascript' }).end(readFileSync(file));
  return true;
}

describe('the client in a browser', () => {
  let demo: DemoServer;
  let proxy: ReverseProxy;
  let browser: Browser | undefined;
  let page: Page;

  beforeAll(async () => {
    if (chromiumPath === undefined) return;
    demo = await startDemoServer();
    proxy = await startReverseProxy(demo.server.port);
    proxy.intercept = servePage;
    // Root may not start it with its sandbox; it loads nothing but this page.
    browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
    page = await browser.newPage();
    await openPage();
  });

  afterAll(async () => {
    if (browser === undefined) return;
    await browser.close();
    await proxy.close();
    await demo.stop();
  });

  beforeEach(({ skip }) => {
    skip(chromiumPath === undefined, 'no Chromium on this machine');
  });

  async function openPage(): Promise<void> {
    await page.goto(`${proxy.url}/page`);
    await page.waitForFunction('window.isLoaded');
  }

  async function flightsOf(airport: string): Promise<unknown> {
    const answer = await fetch(`${demo.server.url}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features: ['outbound:flights_3h'], entities: { iata: [airport] } }),
    });
    return ((await answer.json()) as { results: { values: unknown[] }[] }).results[1]?.values[0];
  }

  it.each([
    ['http', 2],
    ['ws', 4],
  ])('predicts, joins rows, and sends feedback and events over %s', async (transport, flights) => {
    const result = await page.evaluate(`mainFlow('${transport}')`);
    expect(result).toEqual({
      predictions: 2,
      sharedRequest: true,
      code: 'INVALID_REQUEST',
      feedback: { status: 'accepted', id: `arrival ${transport}` },
      ids: [`a ${transport}`, `b ${transport}`],
      flights: expect.any(Number),
      eventsLeft: 0,
    });
    await expect.poll(async () => flightsOf(goodFlight.origin)).toBe(flights);
  });

  it('keeps events in the storage of the page until the server has them, also when the page is loaded anew', async () => {
    proxy.intercept = (req, res) => {
      if (req.url !== '/v1/events') return servePage(req, res);
      req.resume();
      res.writeHead(503).end();
      return true;
    };
    expect(await page.evaluate(`sendOne('kept')`)).toEqual(['kept']);
    const waiting = proxy.seen.length;
    await expect.poll(() => proxy.seen.length).toBeGreaterThan(waiting);
    await openPage();
    expect(await page.evaluate(`sessionStorage.getItem('outbox')`)).toContain('"id":"kept"');
    proxy.intercept = servePage;
    await page.evaluate(`openOutbox().events.flush()`);
    await expect.poll(async () => flightsOf(goodFlight.origin)).toBe(5);
    await page.evaluate(`client.close()`);
    expect(await page.evaluate(`sessionStorage.getItem('outbox')`)).toBe('[]');
  });

  it('does without eval, which the page forbids', async () => {
    expect(await page.evaluate(`new Promise((told) => setTimeout(() => told(canEval())))`)).toBe(false);
  });
});
