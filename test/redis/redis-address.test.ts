import { describe, expect, it } from 'vitest';
import { parseRedisAddress } from '../../src/redis/redis-address.ts';

describe('the address of a Redis', () => {
  it.each([
    ['redis://host', { kind: 'server', hosts: [{ host: 'host', port: 6379 }], db: 0, label: 'redis://host' }],
    ['redis://:p%40ss@host:1/3', { password: 'p@ss', username: undefined, db: 3, label: 'redis://host:1/3' }],
    ['rediss://u:p@[::1]:7000', { username: 'u', tls: {}, hosts: [{ host: '::1', port: 7000 }] }],
    ['redis+unix:///run/redis.sock', { kind: 'socket', path: '/run/redis.sock', hosts: [] }],
    [
      'redis+cluster://a:1,b',
      {
        kind: 'cluster',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 6379 },
        ],
      },
    ],
    [
      'redis+sentinel://:w@a/m?sentinel_user=s&sentinel_password=x%26+y',
      { password: 'w', sentinel: { username: 's', password: 'x&+y' }, label: 'redis+sentinel://a/m' },
    ],
    [
      'rediss+sentinel://p:w@a,b:2/mymaster/4',
      {
        kind: 'sentinel',
        masterName: 'mymaster',
        db: 4,
        tls: {},
        hosts: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 2 },
        ],
      },
    ],
  ])('is read: %s', (text, expected) => {
    expect(parseRedisAddress(text)).toMatchObject(expected);
  });

  it.each([
    ['localhost:6379', 'it is not a Redis address'],
    ['redis://a,b', 'write redis+cluster:// or redis+sentinel://'],
    ['redis://host:0', '"host:0" is not host:port'],
    ['redis://host/x', '"/x" is not a database number'],
    ['redis+cluster://host/1', 'a cluster has database 0 only'],
    ['redis+sentinel://host', 'it names no master'],
    ['redis://host?ca=a.pem', 'the option "ca" needs TLS; write rediss'],
    ['rediss://host?insecure=1', 'it has an unknown option "insecure"'],
    ['rediss://host?ca=/no/such/file', 'the file /no/such/file cannot be read'],
    ['redis://host?sentinel_password=x', 'the option "sentinel_password" is for sentinels'],
    ['redis://u:%@host', 'its user or password is not percent-encoded'],
  ])('is refused with the reason: %s', (text, reason) => {
    expect(() => parseRedisAddress(text)).toThrow(reason);
  });

  it('never shows the password in a message', () => {
    expect(() => parseRedisAddress('redis://u:s3cret@a,b')).toThrow(/^(?!.*s3cret)/);
  });

  it.each([
    'redis://:AAAA/BBBB@127.0.0.1',
    'redis://me:1234/BBBB@127.0.0.1',
    'redis://me:1234?BBBB@127.0.0.1',
    'redis://:AAAA@BBBB@127.0.0.1',
    'redis+sentinel://:AAAA/BBBB@h/name',
  ])('is refused without a part of the password where that is not encoded: %s', (text) => {
    expect(() => parseRedisAddress(text)).toThrow(
      'its user or password is not percent-encoded; write % as %25, @ as %40, / as %2F, ? as %3F.',
    );
  });
});
