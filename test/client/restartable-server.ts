/** A server of the shop project in this process, which can be stopped and started again on its port. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { freePort } from '../e2e/tour.ts';
import { writeShopProject } from '../server/shop-project.ts';

export interface RestartableServer {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Purchases of a user that are in its features. */
  purchasesOf(user: number): Promise<number>;
  /** Stops it, and removes what it has kept. */
  end(): Promise<void>;
}

/** @param sections as in writeShopProject */
export async function startRestartable(sections: object = {}): Promise<RestartableServer> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-client-'));
  await writeShopProject(dir, sections);
  const project = await loadProject(dir);
  const open = async (port: number): Promise<Server> =>
    createServer(project, { dataDir: join(dir, 'data'), port, log: createLog('silent') });
  // A port that the system chose cannot be listened on again at once.
  let running: Server | undefined = await open(await freePort());
  const { port, url } = running;
  const stop = async (): Promise<void> => {
    await running?.close();
    running = undefined;
  };
  return {
    url,
    port,
    stop,
    async start() {
      running = await open(port);
    },
    async purchasesOf(user) {
      const answer = await fetch(`${url}/get-online-features`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close' },
        body: JSON.stringify({ features: ['activity:purchases_1h'], entities: { user_id: [user] } }),
      });
      const { results } = (await answer.json()) as { results: { values: (number | null)[] }[] };
      return results[1]?.values[0] ?? 0;
    },
    async end() {
      await stop();
      await rm(dir, { recursive: true });
    },
  };
}
