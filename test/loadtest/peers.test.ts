import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import type { P99, Reading } from '../../loadtest/peers/measure.ts';
import { oneRowOverWebSocket } from '../../loadtest/peers/measure.ts';
import type { PeerProcess } from '../../loadtest/peers/peer-process.ts';
import { ratioCells, summarize } from '../../loadtest/peers/summarize.ts';

const servers: WebSocketServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that answers every message with the same words. */
async function serverThatSays(words: string): Promise<PeerProcess> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  servers.push(server);
  server.on('connection', (socket) => socket.on('message', () => socket.send(words)));
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cpuMs: () => undefined,
    mainThreadMs: () => undefined,
    stop: async () => undefined,
  };
}

const peer = { name: 'a server', path: '/predict', command: '', args: [] };
const measure = oneRowOverWebSocket('json', { warmUpMs: 50, roundMs: 100 });

describe('the rate over WebSocket', () => {
  it('counts answers', async () => {
    const server = await serverThatSays('{"id":1,"predictions":[{"score":0.5}]}');
    expect((await measure(peer, server)).perSecond).toBeGreaterThan(100);
  });

  it('fails at an error, though it speaks of predictions', async () => {
    const server = await serverThatSays('{"id":1,"error":"no \\"predictions\\": today","code":"INTERNAL"}');
    await expect(measure(peer, server)).rejects.toThrow('not an answer: {"id":1,"error":"no');
  });
});

describe('a ratio', () => {
  const reading = (perSecond: number, loadShare: number): Reading => {
    return { perSecond, serverUs: 1e6 / perSecond, serverShare: 1, loadShare };
  };
  const p99 = (us: number, warnings: readonly string[] = []): P99 => {
    return { us, lagUs: 100, waitedShare: 0, warnings };
  };
  const lastCells = (loadShare: number, warnings: readonly string[]): (string | undefined)[] => {
    const cases = [
      { name: 'a', readings: [90, 80, 100].map((rate) => reading(rate, 0.5)) },
      { name: 'b', readings: [100, 100, 200].map((rate) => reading(rate, loadShare)) },
    ];
    const rounds = [1, 2, 3].map(() => ({ bare: p99(1000), millrace: p99(1400, warnings), rate: 50 }));
    const findings = summarize(cases, [{ of: 'a', to: 'b', target: 0.75 }], rounds);
    return ratioCells(findings).map((cells) => cells.at(-1));
  };

  it('is the median of the rounds, with the least and the greatest', () => {
    const cases = [
      { name: 'a', readings: [90, 80, 100].map((rate) => reading(rate, 0.5)) },
      { name: 'b', readings: [100, 100, 200].map((rate) => reading(rate, 0.5)) },
    ];
    const [finding] = summarize(cases, [{ of: 'a', to: 'b' }], []);
    expect(finding).toMatchObject({ what: 'a / b', median: 0.8, least: 0.5, greatest: 0.9 });
  });

  it('is told to reach its target or not', () => {
    expect(lastCells(0.5, [])).toEqual(['yes', 'yes']);
  });

  it('says nothing about its target where the load generator was the limit, or late', () => {
    expect(lastCells(1.04, ['sent late'])).toEqual(['the load is the limit', 'the load was late']);
  });
});
