/**
 * The ratios of docs/performance.md, as a guard: with margins so wide that only a mistake in the hot path crosses them.
 * Compared is the CPU time that a server needs for an answer, in rounds that alternate between the servers. Unlike a
 * rate it hardly changes when the machine does other work at the same time.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { benchTransforms } from '../../bench/transforms.ts';
import { writeBenchProject } from '../../loadtest/bench-project.ts';
import { checkAnswers } from '../../loadtest/peers/check-answers.ts';
import { oneRow, oneRowOverWebSocket } from '../../loadtest/peers/measure.ts';
import type { Measure } from '../../loadtest/peers/measure.ts';
import { startPeer } from '../../loadtest/peers/peer-process.ts';
import type { Peer } from '../../loadtest/peers/peer-process.ts';
import { barePeer, fastifyPeer, millracePeer } from '../../loadtest/peers/peers.ts';

const ROUNDS = 3;
const times = { warmUpMs: 500, roundMs: 700 };

let dir: string;
/** Least CPU time of an answer over the rounds, in microseconds. */
const leastUs = new Map<string, number>();
const knownScores = new Map<string, readonly number[]>();

async function measure(name: string, peer: Peer, measures: readonly Measure[]): Promise<void> {
  const server = await startPeer(peer);
  try {
    // The bare server answers a constant.
    if (name !== 'bare') await checkAnswers(peer, server, knownScores, name === 'Millrace');
    for (const [i, each] of measures.entries()) {
      const { serverUs, perSecond } = await each(peer, server);
      // Where the system does not tell the CPU time, the time from answer to answer stands in for it.
      const answerUs = serverUs ?? 1e6 / perSecond;
      const key = `${name} ${i}`;
      leastUs.set(key, Math.min(answerUs, leastUs.get(key) ?? Infinity));
    }
  } finally {
    await server.stop();
  }
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-ratios-'));
  await writeBenchProject(dir, join(dir, 'data'));
  const overWebSocket = oneRowOverWebSocket('msgpack', times);
  for (let round = 0; round < ROUNDS; round++) {
    await measure('bare', barePeer(), [oneRow(times)]);
    await measure('Millrace', millracePeer(dir), [oneRow(times), overWebSocket]);
    await measure('Fastify', fastifyPeer(), [oneRow(times)]);
  }
}, 120_000);

afterAll(async () => rm(dir, { recursive: true, force: true }));

const us = (key: string): number => leastUs.get(key) ?? NaN;

it('one row costs at most 2.5 times what a bare server costs (usually 1.3)', () => {
  expect(us('Millrace 0') / us('bare 0')).toBeLessThan(2.5);
});

it('one row costs at most half of what it costs in Fastify (usually a quarter)', () => {
  expect(us('Millrace 0') / us('Fastify 0')).toBeLessThan(0.5);
});

it('MessagePack over WebSocket costs less than JSON over HTTP (usually half)', () => {
  expect(us('Millrace 1') / us('Millrace 0')).toBeLessThan(1);
});

it('compiled transforms are at least 10 times as fast as interpreted ones, and half as fast as hand-written', async () => {
  const ratios = (await benchTransforms()).flatMap(({ ratio }) => (ratio === undefined ? [] : [ratio]));
  const [toInterpreted = NaN, toHandWritten = NaN] = ratios;
  expect(toInterpreted).toBeGreaterThan(10);
  expect(toHandWritten).toBeGreaterThan(0.5);
});
