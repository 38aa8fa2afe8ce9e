/**
 * What a Redis must be, looked at once, when a server or a command opens it: what would fail later is refused now with
 * its fix; what may lose or hide rows is warned of.
 */
import { MillraceError } from '../errors.ts';

export interface RedisFacts {
  /** The reply of INFO. */
  readonly info: string;
  /** Redis's clock less ours. */
  readonly clockAheadMs: number;
  /** Whether a cluster was asked for. */
  readonly isClusterAddress: boolean;
}

/** CLIENT TRACKING came with 6.0. */
const MAJOR_VERSION_MIN = 6;
const CLOCK_AHEAD_MS_MAX = 2000;

/**
 * @returns warnings, sentences
 * @throws MillraceError STARTUP_FAILED
 */
export function checkRedis({ info, clockAheadMs, isClusterAddress }: RedisFacts): string[] {
  const facts = factsIn(info);
  const version = facts.get('redis_version') ?? '0';
  if (Number.parseInt(version, 10) < MAJOR_VERSION_MIN)
    throw refusal(`it is version ${version}; caches are told of changes from version 6 on`);
  if (facts.get('cluster_enabled') === '1' && !isClusterAddress)
    throw refusal('it is a node of a cluster; write redis+cluster://host:port');
  return [...persistence(facts), ...memory(facts), ...clock(clockAheadMs), ...role(facts)];
}

/** The reply of INFO by name. */
export function factsIn(info: string): ReadonlyMap<string, string> {
  return new Map(
    info.split(/\r?\n/).flatMap((line): [string, string][] => {
      const at = line.indexOf(':');
      return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
}

function refusal(reason: string): MillraceError {
  return new MillraceError('STARTUP_FAILED', `Redis cannot be used: ${reason}.`);
}

function persistence(facts: ReadonlyMap<string, string>): string[] {
  if (facts.get('aof_enabled') !== '0') return [];
  return [
    'Redis does not keep an append-only file (appendonly no): what was written lately is lost when it crashes. Set appendonly yes.',
  ];
}

function memory(facts: ReadonlyMap<string, string>): string[] {
  const policy = facts.get('maxmemory_policy') ?? 'noeviction';
  if (policy === 'noeviction' || facts.get('maxmemory') === '0') return [];
  return [
    `Redis drops rows when its memory is full (maxmemory-policy ${policy}): they are then missing. Set noeviction.`,
  ];
}

function clock(aheadMs: number): string[] {
  if (Math.abs(aheadMs) <= CLOCK_AHEAD_MS_MAX) return [];
  const seconds = (Math.abs(aheadMs) / 1000).toFixed(1);
  return [
    `The clock of Redis is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this one: ages of rows differ between servers. Synchronise the clocks.`,
  ];
}

function role(facts: ReadonlyMap<string, string>): string[] {
  if (facts.get('role') !== 'slave' || facts.get('slave_read_only') === '0') return [];
  return ['Redis is a read-only replica: pushes will fail. Give the address of the master.'];
}
