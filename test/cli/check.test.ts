import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoDir } from '../e2e/demo-server.ts';
import { modelPath } from '../inference/model-case.ts';
import { sharedProcess } from './shared-process.ts';

const run = sharedProcess();
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-check-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

async function demoWith(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const dir = join(scratch, name);
  await cp(demoDir, dir, { recursive: true, filter: (path) => !/train|\.millrace/.test(path) });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  return dir;
}

describe('millrace check', () => {
  it('prints a summary of a sound project and exits with 0', async () => {
    const { code, stdout, stderr } = await run(['check', '--project', demoDir]);
    expect([code, stderr]).toEqual([0, '']);
    for (const part of [
      'airport       iata: string',
      'departure  scheduled  ',
      'delay: float64',
      'outbound',
      'flight-delay@2',
      'float32     40',
    ]) {
      expect(stdout).toContain(part);
    }
  });

  it('lists models that no endpoint uses, and files that are not served', async () => {
    const dir = await demoWith('tensors', {});
    await cp(modelPath('identity_float32.onnx'), join(dir, 'echo.onnx'));
    await mkdir(join(dir, 'lost'));
    await cp(modelPath('identity_float32.onnx'), join(dir, 'lost/lost.onnx'));
    const { code, stdout, stderr } = await run(['check', '--project', dir]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^models without an endpoint, which serve tensors$/m);
    expect(stdout).toMatch(/^ {2}echo@1 +x: float32\[\?, 2\] +y: float32\[\?, 2\]$/m);
    const warning = `${dir}/lost/lost.onnx is not served: move it to ${dir}/lost/1/model.onnx`;
    expect(stdout).toContain(`\nwarning: ${warning}\n`);
    const asJson = await run(['check', '--project', dir, '--json']);
    const tensor = { type: 'float32', shape: [-1, 2] };
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      tensor_models: [
        {
          model: 'echo',
          version: '1',
          inputs: [{ name: 'x', ...tensor }],
          outputs: [{ name: 'y', ...tensor }],
        },
      ],
      warnings: [warning],
    });
  });

  it('tells of files that are not served beside mistakes, too', async () => {
    const dir = await demoWith('lost-beside', { 'flight-delay/8/model.yaml': 'inputs: 1' });
    await cp(modelPath('identity_float32.onnx'), join(dir, 'my model.onnx'));
    const { code, stdout, stderr } = await run(['check', '--project', dir]);
    expect([code, stdout]).toEqual([1, '']);
    const warning = `${dir}/my model.onnx is not served: move it to ${dir}/my_model.onnx`;
    expect(stderr).toMatch(/^\d mistakes?:\n/);
    expect(stderr.endsWith(`\nwarning: ${warning}\n`)).toBe(true);
  });

  it('prints the same as JSON', async () => {
    const { code, stdout } = await run(['check', '--project', demoDir, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      project: 'flights',
      events: ['departure'],
      models: ['flight-delay@1', 'flight-delay@2', 'flight-delay@3'],
      mistakes: [],
    });
  });

  it('reports mistakes of the project file, of expressions and of models together', async () => {
    const dir = await demoWith('mistakes', {
      'flight-delay/1/model.yaml': [
        'entities: {}',
        'inputs:',
        '  features:',
        '    - hour(request.schedulde)',
        '    - request.origin',
        '    - lg(request.distance)',
        '  extra: [request.distance]',
      ].join('\n'),
      'flight-delay/model.yaml': [
        'entities:',
        '  origin: { entity: airport, keys: { iata: request.origin } }',
        'inputs:',
        '  features:',
        '    - origin.outbound.delay_mean_3hh',
        '    - origin.outbond.flights_3h',
        'outputs: { delayed: "probabilities[7]" }',
      ].join('\n'),
    });
    const { code, stderr } = await run(['check', '--project', dir]);
    expect(code).toBe(1);
    for (const part of [
      'flight-delay/1/model.yaml:4  inputs.features[0]  unknown request field "request.schedulde"',
      'did you mean "request.scheduled"?',
      'flight-delay/1/model.yaml:5  inputs.features[1]  request.origin is string; the input is float32',
      'did you mean "log"?',
      'the model has no input "extra"',
      'flight-delay/model.yaml:5  inputs.features[0]',
      'did you mean "origin.outbound.delay_mean_3h"?',
      'flight-delay/model.yaml:6  inputs.features[1]',
      'there is no [7]',
    ]) {
      expect(stderr).toContain(part);
    }
  });

  it.each([
    ['a bad max age', 'entity: airport', 'entity: airport\n    ttl: 30', 'ttl'],
    ['a bad type', 'name: string', 'name: strng', 'features.name'],
    ['a bad unit', 'unit: flight_id', 'unit: flightid', 'unit'],
  ])('reports a wrong expression beside %s elsewhere', async (_, from, to, path) => {
    const projectText = await readFile(join(demoDir, 'millrace.yaml'), 'utf8');
    const modelText = await readFile(join(demoDir, 'flight-delay/model.yaml'), 'utf8');
    const dir = await demoWith(`beside-${path}`, {
      'millrace.yaml': projectText.replace(from, to),
      'flight-delay/model.yaml': modelText.replace('request.distance', 'request.distnce'),
    });
    const { code, stdout, stderr } = await run(['check', '--project', dir]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`.${path}  `);
    expect(stderr).toContain('unknown request field "request.distnce"');
  });

  it('does not call a feature unknown that was left out for a mistake of its own', async () => {
    const projectText = await readFile(join(demoDir, 'millrace.yaml'), 'utf8');
    const dir = await demoWith('left-out', {
      'millrace.yaml': projectText.replace('latitude: float64', 'latitude: flaot64'),
    });
    const { stderr } = await run(['check', '--project', dir]);
    expect(stderr).toMatch(/^1 mistake:/);
    expect(stderr).toContain('flaot64');
  });

  it('checks versions that no endpoint uses, as far as that goes without a request', async () => {
    const dir = await demoWith('unserved', {
      'flight-delay/7/model.yaml':
        'entities: {}\ninputs:\n  features: [request.anything, "nosuch(1)", "1 +"]\n  wrong_name: ["1"]\n',
    });
    await cp(join(demoDir, 'flight-delay/1/model.onnx'), join(dir, 'flight-delay/7/model.onnx'));
    const { code, stderr } = await run(['check', '--project', dir]);
    expect(code).toBe(1);
    for (const part of [
      'unknown function "nosuch"',
      'inputs.features[2]',
      'the model has no input "wrong_name"',
    ]) {
      expect(stderr).toContain(part);
    }
    expect(stderr).not.toContain('request.anything');
  });

  it('runs the models, and finds one that does not keep to the batch', async () => {
    const dir = join(scratch, 'ignores');
    await mkdir(join(dir, 'm', '1'), { recursive: true });
    await cp(
      new URL('../cases/models/ignores_batch.onnx', import.meta.url),
      join(dir, 'm', '1', 'model.onnx'),
    );
    await writeFile(
      join(dir, 'millrace.yaml'),
      'project: p\nendpoints: { m: { request: { a: float64 }, variants: { v: { model: m@1 } } } }\n',
    );
    await writeFile(join(dir, 'm', 'model.yaml'), 'inputs: { x: [request.a, request.a] }\n');
    const { code, stderr } = await run(['check', '--project', dir]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/m\/model\.yaml:1 .*batch/);
  });
});
