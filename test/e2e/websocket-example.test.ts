/** The example of docs/websocket.md, run as a reader would run it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startDemoServer } from './demo-server.ts';
import type { DemoServer } from './demo-server.ts';

const root = new URL('../..', import.meta.url).pathname;
const runFile = promisify(execFile);
let demo: DemoServer;

beforeAll(async () => {
  demo = await startDemoServer();
});

afterAll(async () => {
  await demo.stop();
});

it('answers the example of the page in both encodings', async () => {
  const page = await readFile(`${root}docs/websocket.md`, 'utf8');
  const example = /```js\n(.*?)```/s.exec(page)?.[1] ?? '';
  const program = example.replace('localhost:8080', `${demo.server.host}:${demo.server.port}`);
  const { stdout } = await runFile(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: root,
  });
  const lines = stdout.trim().split('\n').toSorted();
  expect(lines).toEqual([
    expect.stringMatching(/^1 \[ \{ delayed: 0\.\d+ \} \]$/),
    "2 [ { status: 'accepted', id: 'AA-1' } ]",
  ]);
});

it('documents every limit of WebSockets', async () => {
  const page = await readFile(`${root}docs/websocket.md`, 'utf8');
  const schema = await readFile(`${root}schema/millrace.schema.json`, 'utf8');
  const keys = [...schema.matchAll(/"(ws_\w+)": \{/g)].map(([, key]) => key);
  expect(keys.length).toBe(4);
  expect(keys.filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
});
