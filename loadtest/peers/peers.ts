/** The servers that are compared. All hold the same 32 features of 1,000 users in memory and serve the same network. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FEATURES, USERS } from '../shape.ts';
import type { Peer } from './peer-process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const fastApiDir = join(root, 'loadtest', 'peers', 'fastapi');
const modelPath = join(root, 'test', 'cases', 'models', 'mlp.onnx');

export function barePeer(): Peer {
  return typescriptPeer('bare uWebSockets.js', 'bare.ts');
}

export function fastifyPeer(): Peer {
  return typescriptPeer('Fastify', 'fastify.ts');
}

function typescriptPeer(name: string, file: string): Peer {
  const args = ['--import', 'tsx', join(root, 'loadtest', 'peers', file)];
  return { name, path: '/predict', command: process.execPath, args };
}

/** Millrace as built, with the project of bench-project.ts in `dir`. */
export function millracePeer(dir: string): Peer {
  const args = [join(root, 'dist', 'cli.js'), 'serve', '--project', dir, '--data', join(dir, 'data')];
  return {
    name: 'Millrace',
    path: '/v1/endpoints/m/predict',
    command: process.execPath,
    args: [...args, '--port', '0'],
  };
}

/** FastAPI, or a sentence that says what is missing and how to install it. */
export function fastApiPeer(): Peer | string {
  const python = process.env['MILLRACE_PEERS_PYTHON'] ?? join(fastApiDir, '.venv', 'bin', 'python');
  const imports = 'import fastapi, httptools, numpy, onnxruntime, uvicorn, uvloop';
  if (!existsSync(python) || spawnSync(python, ['-c', imports]).status !== 0) {
    return (
      `FastAPI is left out: ${python} does not have its packages. Install them with: python3 -m venv ` +
      'loadtest/peers/fastapi/.venv && loadtest/peers/fastapi/.venv/bin/pip install -r loadtest/peers/fastapi/requirements.txt'
    );
  }
  const args = [join(fastApiDir, 'service.py'), modelPath, String(USERS), String(FEATURES)];
  return { name: 'FastAPI', path: '/predict', command: python, args };
}
