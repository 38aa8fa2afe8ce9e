/**
 * One Redis server: the connection that reads and writes, and beside it the feed of changes. Knows when the server is
 * away, and when changes may have been missed.
 *
 * - Away: there is no connection; or it did not answer FAILURES_MAX batches in a row, or a heartbeat, in time. From
 *   then on nothing is asked of it but a ping now and then, until one is answered in time. So a server that hangs costs
 *   a few callers their time limit, not every one.
 * - An epoch begins when the feed is open, at the very server that the data connection has reached, and ends when either
 *   of the two connections is lost: made anew, the data connection may lead to another server.
 */
import { isIP } from 'node:net';
import type { Pipeline, Redis } from 'ioredis';
import type { Counter } from '../telemetry/metrics.ts';
import { openChangeFeed, runIdIn } from './change-feed.ts';
import type { ChangeFeed, ServerOptions } from './change-feed.ts';
import { HashRead } from './hash-read.ts';
import { TimeoutError, within } from './within.ts';

export type RedisArgument = string | Buffer | number;
/** Name, then arguments. */
export type RedisCommand = readonly [string, ...RedisArgument[]];

export interface ShardEvents {
  /** Names of hashes; undefined = any may have changed, or the server is another one by now. */
  changed(names: readonly Buffer[] | undefined): void;
  /** After the first time. `why` is a sentence's rest. */
  log(what: 'away' | 'back' | 'feed lost' | 'feed open', why?: string): void;
  /** It has become away, and with each beat that it still is: in a cluster, another node may have its slots. */
  away(): void;
}

export interface ShardOptions {
  readonly prefixes: readonly Buffer[];
  readonly readTimeoutMs: number;
  /** Pipelines that were sent, by all shards. */
  readonly roundTrips: Counter;
}

const FAILURES_MAX = 3;
const BEAT_MS = 1000;
const PROBE_MS = 250;
const FEED_RETRY_MS_MAX = 1000;
/** How often the two connections may lead to different servers at the start, before that counts as a failure. */
const OTHER_SERVER_TRIES_MAX = 4;
/** Beats without an answer, also to what ioredis asks of a new connection, after which the connection is made anew: its other end may be gone without a word. */
const MISSED_BEATS_MAX = 4;

export class RedisShard {
  epoch = 0;
  /** Resolves when it is first told of changes; rejects if the first try to be told fails. */
  readonly ready: Promise<void>;
  private readonly settleReady: { resolve: () => void; reject: (error: unknown) => void };
  private epochs = 0;
  private client: Redis | undefined;
  private forgetClient: (() => void) | undefined;
  private feed: ChangeFeed | undefined;
  private feedTries = 0;
  private feedTimer: NodeJS.Timeout | undefined;
  private isFeedLossTold = false;
  private isTripped = false;
  private failures = 0;
  private missedBeats = 0;
  private beatTimer: NodeJS.Timeout | undefined;
  private isClosed = false;
  private readonly options: ShardOptions;
  private readonly events: ShardEvents;

  constructor(options: ShardOptions, events: ShardEvents) {
    this.options = options;
    this.events = events;
    let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
    this.ready = new Promise((resolve, reject) => (settle = { resolve, reject }));
    this.settleReady = settle as unknown as { resolve: () => void; reject: (error: unknown) => void };
    // Whoever waits hears it as well.
    this.ready.catch(() => undefined);
    this.beatLater();
  }

  get isAway(): boolean {
    return this.isTripped || this.client?.status !== 'ready';
  }

  /** Whether it is away although it is connected. */
  get isBreakerOpen(): boolean {
    return this.isTripped;
  }

  /** Takes the connection to use from now on; a cluster makes another one when it has lost one. */
  attach(client: Redis): void {
    if (client === this.client || this.isClosed) return;
    this.detach();
    this.client = client;
    const ready = (): void => this.connected(client);
    const close = (): void => this.endFeed();
    client.on('ready', ready).on('close', close);
    this.forgetClient = () => client.off('ready', ready).off('close', close);
    if (client.status === 'ready') ready();
  }

  /** @param client nothing is done if another one is used by now */
  detach(client: Redis | undefined = this.client): void {
    if (this.client !== client) return;
    this.forgetClient?.();
    this.forgetClient = undefined;
    this.client = undefined;
    this.endFeed();
  }

  /**
   * Runs commands in one round trip. A reply is an Error where Redis refused the command.
   * @throws Error if there is no answer in time
   */
  async run(commands: readonly (RedisCommand | HashRead<unknown>)[], timeoutMs: number): Promise<unknown[]> {
    const { client } = this;
    if (client === undefined || this.isAway) throw new Error('it is away');
    const pipeline = client.pipeline();
    for (const command of commands) {
      if (command instanceof HashRead) (pipeline as unknown as Pipeline).sendCommand(command);
      else pipeline.callBuffer(...(command as [string, ...RedisArgument[]]));
    }
    this.options.roundTrips.add(1);
    try {
      const results = (await within(timeoutMs, pipeline.exec())) ?? [];
      const replies = results.map(([error, reply]) => error ?? reply);
      const lost = replies.find((reply) => reply instanceof Error && reply.name !== 'ReplyError');
      if (lost !== undefined) throw lost as Error;
      this.failures = 0;
      return replies;
    } catch (error) {
      if (error instanceof TimeoutError && ++this.failures >= FAILURES_MAX) this.trip(error.message);
      throw error;
    }
  }

  /** Changes may have been missed. */
  interrupt(): void {
    if (this.epoch !== 0) this.epoch = ++this.epochs;
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.beatTimer);
    this.detach();
  }

  private connected(client: Redis): void {
    this.recover();
    this.endFeed();
    void this.openFeed(client);
  }

  private async openFeed(client: Redis): Promise<void> {
    const { stream } = client;
    const isWanted = (): boolean =>
      client === this.client &&
      client.status === 'ready' &&
      client.stream === stream &&
      this.feed === undefined;
    let feed: ChangeFeed | undefined;
    let isLost = false;
    const lost = (): void => {
      isLost = true;
      if (feed !== undefined && feed === this.feed) this.feedLost(client);
    };
    const changed = (names: readonly Buffer[] | undefined): void => {
      if (names === undefined) this.interrupt();
      this.events.changed(names);
    };
    try {
      const runId = await within(FEED_RETRY_MS_MAX, runIdOf(client));
      feed = await openChangeFeed(feedTarget(client), this.options.prefixes, { changed, lost });
      if (!isWanted()) return feed.close();
      if (isLost) throw new Error('the connection for them was lost at once');
      if (feed.runId !== runId) {
        feed.close();
        throw new OtherServerError();
      }
      this.feed = feed;
      this.feedTries = 0;
      this.epoch = ++this.epochs;
      this.settleReady.resolve();
      if (this.epochs === 1) return;
      if (this.isFeedLossTold) this.events.log('feed open');
      this.isFeedLossTold = false;
      this.events.changed(undefined);
    } catch (error) {
      const isOther = error instanceof OtherServerError;
      if (!isOther || this.feedTries >= OTHER_SERVER_TRIES_MAX) this.settleReady.reject(error);
      if (isWanted()) this.retryFeed(client, error as Error);
    }
  }

  private feedLost(client: Redis): void {
    this.endFeed();
    this.retryFeed(client);
  }

  private retryFeed(client: Redis, cause?: Error): void {
    if (client !== this.client || client.status !== 'ready') return;
    this.tellFeedLoss(cause?.message);
    clearTimeout(this.feedTimer);
    const delayMs = Math.min(10 * 2 ** this.feedTries++, FEED_RETRY_MS_MAX);
    this.feedTimer = setTimeout(() => {
      if (client !== this.client || client.status !== 'ready' || this.feed !== undefined) return;
      if (cause instanceof OtherServerError) client.disconnect(true);
      else void this.openFeed(client);
    }, delayMs);
  }

  /** Once, however often it is tried again. */
  private tellFeedLoss(why?: string): void {
    if (this.isFeedLossTold || this.isClosed) return;
    this.isFeedLossTold = true;
    this.events.log('feed lost', why);
  }

  private endFeed(): void {
    clearTimeout(this.feedTimer);
    if (this.feed !== undefined) this.tellFeedLoss();
    this.feed?.close();
    this.feed = undefined;
    this.epoch = 0;
  }

  private trip(why: string): void {
    if (this.isTripped || this.isClosed) return;
    this.isTripped = true;
    this.events.log('away', why);
    this.events.away();
    clearTimeout(this.beatTimer);
    this.beatLater();
  }

  private recover(): void {
    this.failures = 0;
    this.missedBeats = 0;
    if (!this.isTripped) return;
    this.isTripped = false;
    this.events.log('back');
  }

  private beatLater(): void {
    if (this.isClosed) return;
    this.beatTimer = setTimeout(() => void this.beat(), this.isTripped ? PROBE_MS : BEAT_MS);
    this.beatTimer.unref();
  }

  /** Both connections may hang without a word; then only the time without an answer tells. */
  private async beat(): Promise<void> {
    const { client, feed } = this;
    if (client?.status === 'ready') await this.askBoth(client, feed);
    else {
      this.events.away();
      if (client?.status === 'connect') this.missBeat(client);
    }
    clearTimeout(this.beatTimer);
    this.beatLater();
  }

  private async askBoth(client: Redis, feed: ChangeFeed | undefined): Promise<void> {
    const limitMs = this.isTripped ? this.options.readTimeoutMs : BEAT_MS;
    const [data, changes] = await Promise.allSettled([
      within(limitMs, client.ping()),
      within(limitMs, feed?.ping() ?? Promise.resolve()),
    ]);
    if (client !== this.client) return;
    if (data.status === 'fulfilled') this.recover();
    else {
      this.trip((data.reason as Error).message);
      this.missBeat(client);
    }
    if (feed !== undefined && feed === this.feed && changes.status === 'rejected') {
      feed.close();
      this.feedLost(client);
    }
  }

  private missBeat(client: Redis): void {
    if (++this.missedBeats % MISSED_BEATS_MAX === 0) client.disconnect(true);
  }
}

class OtherServerError extends Error {
  override readonly name = 'OtherServerError';

  constructor() {
    super('two connections to its address reached two different servers');
  }
}

async function runIdOf(client: Redis): Promise<string | undefined> {
  return runIdIn(await client.info('server'));
}

/** The very server that the data connection has reached: a name may lead elsewhere by now. */
function feedTarget(client: Redis): ServerOptions {
  const { path, username, password, tls, host, family, sentinels } = client.options;
  const { stream } = client;
  // With sentinels, the host is a default that means nothing.
  const isServerName = host !== undefined && isIP(host) === 0 && !sentinels;
  return {
    protocol: 2,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: isServerName ? { servername: host, ...tls } : tls }),
    ...(family === undefined ? {} : { family }),
    ...(path === undefined ? { host: stream.remoteAddress ?? '', port: stream.remotePort ?? 0 } : { path }),
  };
}
