/** Rollouts over HTTP: who gets which variant, and how that is changed while the server runs. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Server } from '../../src/server/server.ts';
import { startRolloutServer } from '../rollouts/rollout-server.ts';
import type { RolloutServer } from '../rollouts/rollout-server.ts';
import { openSocket } from '../server/socket-client.ts';
import { call } from './demo-server.ts';

const PATH = '/v1/endpoints/m/rollout';
let running: RolloutServer | undefined;

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function start(...args: Parameters<typeof startRolloutServer>): Promise<Server> {
  running = await startRolloutServer(...args);
  return running.server;
}

async function ask(
  server: Server,
  user: string | undefined,
  headers: Record<string, string> = {},
): Promise<string> {
  const body = JSON.stringify({ rows: [{ a: 1, ...(user !== undefined && { user }) }] });
  const { json } = await call(server, '/v1/endpoints/m/predict', { body, headers });
  return String(json['variant'] ?? json['code']);
}

async function change(server: Server, method: string, path: string, body: object): ReturnType<typeof call> {
  return call(server, `${PATH}${path}`, { method, body: JSON.stringify(body) });
}

async function versionOf(server: Server): Promise<number> {
  return (await call(server, PATH)).json['version'] as number;
}

async function put(server: Server, rollout: object, version?: number): ReturnType<typeof call> {
  const of = version ?? (await versionOf(server));
  return change(server, 'PUT', '', { version: of, rollout, by: 'ann', reason: 'test' });
}

const users = Array.from({ length: 200 }, (_, i) => `u${i}`);

async function counts(server: Server): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const user of users) {
    const variant = await ask(server, user);
    found[variant] = (found[variant] ?? 0) + 1;
  }
  return found;
}

const variants = ['plain', 'plus', 'failing'];
const half = { experiment: { weights: { plain: 50, plus: 50 } } };
const canary = { canary: { candidate: 'plus', steps: [20, 50], interval: '1h' } };

describe('an endpoint with several variants', () => {
  it('answers with the first, until a rollout says otherwise', async () => {
    const server = await start({ variants });
    expect(await counts(server)).toEqual({ plain: 200 });
    expect((await call(server, PATH)).json).toMatchObject({
      version: 1,
      phase: 'running',
      origin: 'file',
      policy: 'fixed',
      shares_percent: { plain: 100 },
    });
  });

  it('gives each unit one variant, in every process', async () => {
    const server = await start({ variants, rollout: half });
    const first = await counts(server);
    expect(first['plain']).toBeGreaterThan(75);
    expect(first['plus']).toBeGreaterThan(75);
    const other = await (running as RolloutServer).another();
    for (const user of users.slice(0, 50)) expect(await ask(other, user)).toBe(await ask(server, user));
  });

  it('takes the unit from a header or a cookie', async () => {
    const server = await start({ variants, rollout: half, unit: { cookie: 'sid' } });
    const of = async (cookie: string): Promise<string> => ask(server, undefined, { cookie });
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const variant = await of(`a=1; sid="s${i}"; b=2`);
      expect(await of(`sid=s${i}`)).toBe(variant);
      seen.add(variant);
    }
    expect([...seen].sort((a, b) => a.localeCompare(b))).toEqual(['plain', 'plus']);
  });

  it('takes part only where the condition holds', async () => {
    const experiment = { ...half.experiment, when: 'request.a > 5' };
    const server = await start({ variants, rollout: { serve: 'failing', experiment } });
    expect(await ask(server, 'u1')).toBe('failing');
    const body = JSON.stringify({ rows: [{ a: 6, user: 'u1' }] });
    const { json } = await call(server, '/v1/endpoints/m/predict', { body });
    expect(['plain', 'plus']).toContain(json['variant']);
  });

  it('keeps what a unit was given first, when it is sticky', async () => {
    const sticky = (plain: number): object => ({
      experiment: { weights: { plain, plus: 100 - plain }, sticky: '30d' },
    });
    const server = await start({ variants, rollout: sticky(90) });
    const before = new Map<string, string>();
    for (const user of users) before.set(user, await ask(server, user));
    await put(server, sticky(10));
    for (const user of users) expect(await ask(server, user)).toBe(before.get(user));
    await running?.restart();
    for (const user of users)
      expect(await ask((running as RolloutServer).server, user)).toBe(before.get(user));
  });
});

describe('a variant that a tester asks for', () => {
  it('is given with the key of the server, and for the endpoint that is named', async () => {
    const server = await start({ variants, rollout: half }, { forceKey: 'secret' });
    const force = async (variant: string, key?: string): Promise<string> =>
      ask(server, 'u1', {
        'x-millrace-variant': variant,
        ...(key !== undefined && { 'x-millrace-force-key': key }),
      });
    expect(await force('m=failing', 'secret')).toBe('failing');
    expect(await force('x=failing, m=plus', 'secret')).toBe('plus');
    expect(['plain', 'plus']).toContain(await force('x=failing', 'secret'));
    expect(await force('m=gone', 'secret')).toBe('UNKNOWN_VARIANT');
    expect(await force('m=plus', 'wrong')).toBe('FORCING_REFUSED');
    expect(await force('m=plus')).toBe('FORCING_REFUSED');
  });

  it('is refused by a server without a key', async () => {
    const server = await start({ variants });
    const headers = { 'x-millrace-variant': 'm=plus', 'x-millrace-force-key': '' };
    expect(await ask(server, 'u1', headers)).toBe('FORCING_REFUSED');
  });
});

describe('a change while the server runs', () => {
  it('holds from the next request on, in every process, and after a restart', async () => {
    const server = await start({ variants });
    const other = await (running as RolloutServer).another();
    expect((await put(server, { serve: 'plus' })).status).toBe(200);
    expect(await ask(server, 'u1')).toBe('plus');
    expect(await ask(other, 'u1')).toBe('plus');
    await running?.restart();
    expect(await ask((running as RolloutServer).server, 'u1')).toBe('plus');
  });

  it('is not undone by a restart, not even with another section in the project file', async () => {
    const server = await start({ variants });
    await put(server, { serve: 'plus' });
    await running?.restart({ serve: 'failing' });
    const again = (running as RolloutServer).server;
    expect(await ask(again, 'u1')).toBe('plus');
    expect((await call(again, PATH)).json).toMatchObject({ origin: 'api', differs_from_file: true });
  });

  it('of the project file is adopted while nobody has changed anything', async () => {
    await start({ variants });
    await running?.restart({ serve: 'plus' });
    const again = (running as RolloutServer).server;
    expect(await ask(again, 'u1')).toBe('plus');
    expect(await versionOf(again)).toBe(2);
  });

  it('of an old version is refused, and changes nothing', async () => {
    const server = await start({ variants });
    const version = await versionOf(server);
    await put(server, { serve: 'plus' });
    const late = await put(server, { serve: 'failing' }, version);
    expect([late.status, late.json['code']]).toEqual([409, 'ROLLOUT_CONFLICT']);
    expect(await ask(server, 'u1')).toBe('plus');
  });

  it('one of many at once wins', async () => {
    const server = await start({ variants });
    const other = await (running as RolloutServer).another();
    const version = await versionOf(server);
    const all = await Promise.all(
      users.slice(0, 20).map(async (_, i) => put(i % 2 === 0 ? server : other, { serve: 'plus' }, version)),
    );
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(all.filter(({ json }) => json['code'] === 'ROLLOUT_CONFLICT')).toHaveLength(19);
    expect(await versionOf(server)).toBe(version + 1);
  });

  it.each<[string, object, string]>([
    ['a variant that is not there', { serve: 'gone' }, 'serve'],
    ['weights that do not sum', { experiment: { weights: { plain: 50, plus: 49 } } }, 'experiment.weights'],
    [
      'a guardrail on an unknown metric',
      { canary: { candidate: 'plus', guardrails: [{ metric: 'cpu' }] } },
      'canary.guardrails[0].metric',
    ],
    ['an unknown key', { canry: {} }, 'canry'],
    [
      'a condition with an unknown field',
      { experiment: { weights: { plain: 50, plus: 50 }, when: 'request.b > 1' } },
      'experiment.when',
    ],
    ['no object', [], 'rollout'],
  ])('with %s is refused by name, and changes nothing', async (_name, rollout, path) => {
    const server = await start({ variants, rollout: half });
    const before = (await call(server, PATH)).text;
    const { status, json } = await put(server, rollout);
    expect([status, json['code']]).toEqual([422, 'INVALID_ROLLOUT']);
    expect((json['details'] as { path: string }[]).map((detail) => detail.path)).toContain(path);
    expect((await call(server, PATH)).text).toBe(before);
  });

  it('that takes a part of a layer which another experiment has is refused', async () => {
    const layered = (from: number, to: number): object => ({
      experiment: { ...half.experiment, name: `from-${from}`, layer: { name: 'l', range: [from, to] } },
    });
    const server = await start({ variants, rollout: {}, others: { n: layered(0, 50) } });
    const refused = await put(server, layered(40, 100));
    expect([refused.status, refused.json['code']]).toEqual([422, 'INVALID_ROLLOUT']);
    expect((await put(server, layered(50, 100))).status).toBe(200);
  });

  it('needs a version, known fields and a body', async () => {
    const server = await start({ variants });
    const codeOf = async (body: object): Promise<unknown> =>
      (await change(server, 'PUT', '', body)).json['code'];
    expect(await codeOf({ rollout: {} })).toBe('INVALID_REQUEST');
    expect(await codeOf({ version: 1 })).toBe('INVALID_REQUEST');
    expect(await codeOf({ version: 1, rollout: {}, who: 'me' })).toBe('INVALID_REQUEST');
    const missing = await call(server, '/v1/endpoints/gone/rollout');
    expect([missing.status, missing.json['code']]).toEqual([404, 'UNKNOWN_ENDPOINT']);
    const wrong = await call(server, PATH, { method: 'DELETE' });
    expect(wrong.json['code']).toBe('METHOD_NOT_ALLOWED');
  });
});

describe('a canary', () => {
  it('is paused, resumed, taken a step on, promoted and rolled back, with an audit log of all that', async () => {
    const server = await start({ variants, rollout: canary });
    const act = async (action: string): Promise<unknown> => {
      const { json } = await change(server, 'POST', `/${action}`, { by: 'bob', reason: `to ${action}` });
      return json['code'] ?? json['phase'];
    };
    expect((await counts(server))['plus']).toBeLessThan(70);
    expect(await act('pause')).toBe('paused');
    expect(await act('pause')).toBe('NO_CANARY');
    expect(await act('resume')).toBe('running');
    expect(await act('step')).toBe('running');
    expect((await counts(server))['plus']).toBeGreaterThan(70);
    expect(await act('promote')).toBe('promoted');
    expect(await counts(server)).toEqual({ plus: 200 });
    expect(await act('promote')).toBe('NO_CANARY');
    expect(await act('rollback')).toBe('rolled_back');
    expect(await counts(server)).toEqual({ plain: 200 });
    expect(await act('rollback')).toBe('NO_CANARY');
    const { json } = await call(server, `${PATH}/audit?count=10`);
    const entries = json['entries'] as { action: string; by: string; version: number }[];
    expect(entries.map(({ action }) => action)).toEqual([
      'rollback',
      'promote',
      'step',
      'resume',
      'pause',
      'start',
    ]);
    expect(entries.map(({ version }) => version)).toEqual([6, 5, 4, 3, 2, 1]);
    expect(entries[0]).toMatchObject({ by: 'bob', reason: 'to rollback', phase: 'rolled_back' });
    expect(entries.at(-1)).toMatchObject({ by: 'project file' });
  });

  it('is not there to be promoted where there is an experiment, or nothing', async () => {
    const server = await start({ variants, rollout: half });
    const { status, json } = await change(server, 'POST', '/promote', {});
    expect([status, json['code']]).toEqual([409, 'NO_CANARY']);
    await put(server, {});
    expect((await change(server, 'POST', '/rollback', {})).json['code']).toBe('NO_CANARY');
  });

  it('that fails is rolled back by itself, and that is all callers see of it', async () => {
    const rollout = {
      canary: { candidate: 'failing', steps: [50], interval: '1h', guardrails: [{ metric: 'error_rate' }] },
    };
    const server = await start({ variants, rollout });
    const body = (user: string): string => JSON.stringify({ rows: [{ a: 0, user }] });
    for (let round = 0; ; round++) {
      await Promise.all(
        users.map(async (user) =>
          call(server, '/v1/endpoints/m/predict', { body: body(`${user}-${round}`) }),
        ),
      );
      if ((await call(server, PATH)).json['phase'] === 'rolled_back') break;
    }
    expect(await counts(server)).toEqual({ plain: 200 });
    const { json } = await call(server, `${PATH}/audit`);
    const [entry] = json['entries'] as { by: string; action: string; verdict: object; reason: string }[];
    expect(entry).toMatchObject({ by: 'judge', action: 'rollback', verdict: { verdict: 'fail' } });
    expect(entry?.reason).toContain('error rate');
  });

  it('that is as good takes its steps by itself', async () => {
    const rollout = {
      canary: {
        candidate: 'plus',
        steps: [50, 100],
        interval: '1s',
        samples_min: 100,
        guardrails: [{ metric: 'error_rate', increase_max: 20 }],
      },
    };
    const server = await start({ variants, rollout });
    for (let round = 0; ; round++) {
      await Promise.all(users.map(async (user) => ask(server, `${user}-${round}`)));
      if ((await call(server, PATH)).json['phase'] === 'promoted') break;
    }
    expect(await counts(server)).toEqual({ plus: 200 });
  });
});

describe('shadows', () => {
  it('predict the same requests, and are compared with what was answered', async () => {
    const server = await start({
      variants: ['plain', 'plus', 'far', 'failing'],
      rollout: { shadow: ['plus', 'far', 'failing'] },
    });
    const rows = Array.from({ length: 5 }, (_, i) => ({ a: i / 5, user: 'u' }));
    for (;;) {
      const body = JSON.stringify({ rows });
      expect((await call(server, '/v1/endpoints/m/predict', { body })).json['variant']).toBe('plain');
      const { shadows } = (await call(server, PATH)).json as {
        shadows?: Record<string, Record<string, number>>;
      };
      const seen = ['plus', 'far', 'failing'].map((name) => shadows?.[name] ?? {});
      const isSeen = seen.every((each) => (each['requests'] ?? 0) + (each['errors'] ?? 0) >= 20);
      if (!isSeen) continue;
      expect(shadows?.['plus']).toMatchObject({ rank_correlation: 1, errors: 0 });
      const difference = shadows?.['plus']?.['absolute_difference'] as unknown as { max: number };
      expect(difference.max).toBeCloseTo(1, 6);
      expect(shadows?.['plus']?.['flip_share']).toBeCloseTo(0.6);
      expect(shadows?.['far']?.['flip_share']).toBeCloseTo(0.4);
      expect(shadows?.['failing']?.['errors']).toBeGreaterThan(0);
      break;
    }
    const { text } = await call(server, '/metrics');
    expect(text).toMatch(
      /millrace_shadow_requests_total\{endpoint="m",variant="plus",outcome="compared"\} \d+/,
    );
    expect(text).toMatch(
      /millrace_shadow_difference\{endpoint="m",variant="plus",measure="0.5"\} (0\.9999|1)/,
    );
  });
});

describe('over WebSocket', () => {
  it('the headers of its opening say who asks', async () => {
    const server = await start({ variants, rollout: half, unit: { header: 'x-session' } }, { forceKey: 'k' });
    const headers = { 'x-millrace-variant': 'm=failing', 'x-millrace-force-key': 'k' };
    const socket = await openSocket(server, { headers });
    socket.send(JSON.stringify({ id: 1, endpoint: 'm', rows: [{ a: 1 }] }));
    const [answer] = await socket.received(1);
    expect(answer).toMatchObject({ id: 1, variant: 'failing' });
    socket.socket.close();
  });
});
