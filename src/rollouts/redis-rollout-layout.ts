/**
 * How rollouts lie in Redis. What belongs to one endpoint has its name as the hash tag, so that in a cluster it is on one
 * server, and one script can change it in one step. What units were given lies wherever its own name falls.
 *
 *   mr:<project>:rollout:{<endpoint>}               hash: `version`, and `record`, JSON
 *   mr:<project>:rollout_audit:{<endpoint>}         stream: `e` = a line of the audit log, JSON. It is never shortened: a
 *                                                   change takes its record and a few hundred bytes more.
 *   mr:<project>:rollout_samples:{<endpoint>}       hash: process -> its samples, JSON; `` -> the version that they are of
 *   mr:<project>:rollout_sample_times:{<endpoint>}  sorted set: process, by when it put samples last
 *   mr:<project>:rollout_sticky:<name>              text, by sticky-name.ts: `<when it expires> <variant>`
 */
import { redisScript } from '../redis/redis-commands.ts';
import type { Assignment } from './sticky-queue.ts';

export interface RolloutNames {
  /** What the names of all records begin with. */
  readonly recordPrefix: string;
  record(endpoint: string): string;
  audit(endpoint: string): string;
  samples(endpoint: string): string;
  sampleTimes(endpoint: string): string;
  /** @param name as `stickyName` gives it */
  sticky(name: string): string;
  /** Undefined if it is not the name of a record. */
  endpointOf(record: string): string | undefined;
}

export function rolloutNames(project: string): RolloutNames {
  const recordPrefix = `mr:${project}:rollout:`;
  const tagged = (what: string, endpoint: string): string => `mr:${project}:${what}:{${endpoint}}`;
  return {
    recordPrefix,
    record: (endpoint) => tagged('rollout', endpoint),
    audit: (endpoint) => tagged('rollout_audit', endpoint),
    samples: (endpoint) => tagged('rollout_samples', endpoint),
    sampleTimes: (endpoint) => tagged('rollout_sample_times', endpoint),
    sticky: (name) => `mr:${project}:rollout_sticky:${name}`,
    endpointOf: (record) => /^\{(.+)\}$/.exec(record.slice(recordPrefix.length))?.[1],
  };
}

/**
 * KEYS: the record, the audit log. ARGV: the version that is expected, the next one, the record, the line of the log.
 * Returns 1, or 0 if there is another version.
 *
 * What a script has done is not undone when it fails: so all that may be refused, for want of a right or for what somebody
 * else has left under a name, comes before the record. What then fails has changed nothing.
 */
export const changeScript = redisScript(`
local at = redis.call('HGET', KEYS[1], 'version') or '0'
if at ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', at)
redis.call('XADD', KEYS[2], '*', 'e', ARGV[4])
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3])
return 1
`);

/**
 * KEYS: the samples, their times. ARGV: their version, the process, the samples, the time, how many processes are kept,
 * and for how long.
 * Returns 1, or 0 if those of a newer version are there.
 */
export const samplesScript = redisScript(`
local at = redis.call('HGET', KEYS[1], '')
if at and tonumber(at) > tonumber(ARGV[1]) then return 0 end
if at ~= ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
redis.call('HSET', KEYS[1], '', ARGV[1], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[2])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if over > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], over)
  for i = 1, #oldest, 2 do redis.call('HDEL', KEYS[1], oldest[i]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return 1
`);

/**
 * KEYS: what a unit was given. ARGV: now, what it is given, and for how long.
 * Returns what it was given first, as far as that has not expired. Not SET with NX: servers ask for the time that is in the
 * text, by their own clocks; that of Redis, which only sees to it that nothing stays for ever, may be another.
 */
export const stickyScript = redisScript(`
local before = redis.call('GET', KEYS[1])
if before then
  local expires = tonumber(string.match(before, '^(%S+) '))
  if expires and expires > tonumber(ARGV[1]) then return before end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ARGV[2]
`);

export function stickyText({ variant, expiresMs }: Assignment): string {
  return `${expiresMs} ${variant}`;
}

/** Undefined for what somebody else has put there. */
export function readStickyText(text: string): Assignment | undefined {
  const space = text.indexOf(' ');
  const expiresMs = Number(text.slice(0, space));
  if (space < 1 || !Number.isFinite(expiresMs)) return undefined;
  return { variant: text.slice(space + 1), expiresMs };
}
