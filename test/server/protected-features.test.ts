/** Protected features: what callers, traces and logs have of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predictionJson } from '../../src/cli/predictions/prediction-json.ts';
import { predictionsOf, readJoinedIn } from '../events/read-joined.ts';
import { call } from '../e2e/demo-server.ts';
import type { Reply } from '../e2e/demo-server.ts';
import { scopes } from '../../src/access/scope.ts';
import { bearer, startKeyedShop } from './keyed-shop.ts';
import type { KeyedShop } from './keyed-shop.ts';
import { openSocket } from './socket-client.ts';

/** A value that stands in no other place. */
const AGE = 42_871.5;

let shop: KeyedShop;
let all: string;
let plain: string;
beforeAll(async () => {
  shop = await startKeyedShop();
  all = await shop.key({ scopes });
  plain = await shop.key({ scopes: scopes.filter((scope) => scope !== 'features:protected') });
  const df = { user_id: [1], age: [AGE], city: ['Ulm'] };
  await post('/push', plain, { push_source_name: 'profile', df });
});
afterAll(async () => shop.stop());

async function post(path: string, key: string, body: unknown): Promise<Reply> {
  return call(shop.server, path, { body: JSON.stringify(body), headers: bearer(key) });
}

const features = async (key: string, ...names: string[]): Promise<Reply> =>
  post('/get-online-features', key, { features: names, entities: { user_id: [1] } });

const traced = { rows: [{ user_id: 1, a: 7 }], trace: true };
const predict = async (key: string): Promise<Reply> => post('/v1/endpoints/m/predict', key, traced);

interface Traced {
  readonly inputs_left_out?: string;
  readonly rows: readonly { readonly features: Record<string, unknown>; readonly inputs: object }[];
}

describe('a protected feature', () => {
  it('is read with the scope, and by a key without it not', async () => {
    expect((await features(all, 'profile:age', 'profile:city')).text).toContain(String(AGE));
    const refused = await features(plain, 'profile:city', 'profile:age');
    expect([refused.status, refused.json['code'], refused.json['error']]).toEqual([
      403,
      'FORBIDDEN',
      'The feature profile:age is protected: reading takes the scope "features:protected".',
    ]);
    expect((await features(plain, 'profile:city')).text).toContain('Ulm');
  });

  it('is read by models for everybody', async () => {
    expect((await predict(plain)).json['predictions']).toEqual([{ y: [7, AGE] }]);
  });

  it('stands in a trace for who has the scope, and is masked for others, with what is made of it', async () => {
    const [seen, masked] = [await predict(all), await predict(plain)].map(
      ({ json }) => json['trace'] as Traced,
    );
    const city = { value: 'Ulm', status: 'PRESENT' };
    expect(seen?.rows[0]?.features['u.profile']).toMatchObject({ values: { age: { value: AGE }, city } });
    expect(seen?.rows[0]?.inputs).toEqual({ x: [7, AGE] });
    expect(masked?.rows[0]?.features['u.profile']).toMatchObject({
      values: { age: { value: 'protected', status: 'PRESENT' }, city },
    });
    expect(masked?.rows[0]?.inputs).toEqual({});
    expect(masked?.inputs_left_out).toBe('the model reads protected features');
    expect(seen?.inputs_left_out).toBeUndefined();
    expect(JSON.stringify(masked)).not.toContain(String(AGE));
  });

  it('is masked over WebSocket, too', async () => {
    const message = JSON.stringify({ id: 1, endpoint: 'm', ...traced });
    const traces = await Promise.all(
      [all, plain].map(async (key) => {
        const client = await openSocket(shop.server, { headers: bearer(key) });
        client.send(message);
        const [reply] = await client.received(1);
        client.socket.terminate();
        return JSON.stringify((reply as unknown as { trace: unknown }).trace);
      }),
    );
    expect(traces.map((text) => text.includes(String(AGE)))).toEqual([true, false]);
  });

  it('stands in no log: that of predictions has a hash of it, the same each time', async () => {
    const own = await startKeyedShop();
    const key = await own.key({ scopes });
    const body = { push_source_name: 'profile', df: { user_id: [1], age: [AGE], city: ['Ulm'] } };
    await call(own.server, '/push', { body: JSON.stringify(body), headers: bearer(key) });
    for (let i = 0; i < 2; i++)
      await call(own.server, '/v1/endpoints/m/predict', {
        body: JSON.stringify(traced),
        headers: bearer(key),
      });
    const bad = JSON.stringify({ ...body, df: { ...body.df, age: [String(AGE)] } });
    const refused = await call(own.server, '/push', { body: bad, headers: bearer(key) });
    expect([refused.status, refused.text.includes(String(AGE))]).toEqual([400, false]);
    await own.server.close();
    const logged = predictionsOf(await readJoinedIn(own.dataDir)).map(predictionJson);
    const valuesOf = (prediction: unknown): Record<string, unknown> =>
      (prediction as { rows: { features: Record<string, { values: Record<string, unknown> }> }[] }).rows[0]
        ?.features['u.profile']?.values ?? {};
    expect(logged).toHaveLength(2);
    const [first, second] = logged.map(valuesOf);
    expect(first).toEqual({ age: expect.stringMatching(/^[\w-]{22}$/), city: 'Ulm' });
    expect(second).toEqual(first);
    const told = JSON.stringify([
      await own.audited(),
      own.log.lines,
      logged.map((line) => ({ ...line, rows: valuesOf(line) })),
    ]);
    expect(told).not.toContain(String(AGE));
    await own.stop();
  });
});
