/** The files in deploy/: nothing in them names what is not there. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { run } from 'dockerfilelint';
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service } from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { serveCommand } from '../../src/cli/serve.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const reference = read('docs/reference.md');
const healthPaths = [...read('src/server/health-routes.ts').matchAll(/health\('([^']+)'/g)].map(
  ([, path]) => path,
);

/** Arguments of `millrace`: the options of serve that they name, with their values, have to be. */
function checkServe(args: readonly string[]): void {
  const [name, ...rest] = args;
  expect(name).toBe('serve');
  const command = serveCommand().exitOverride();
  const { unknown, operands } = command.parseOptions([...rest]);
  expect([unknown, operands]).toEqual([[], []]);
}

describe('the Dockerfile', () => {
  const text = read('deploy/Dockerfile');
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  const argumentsOf = (instruction: string): string[][] =>
    lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.split(/\s+/).slice(1));

  it('has nothing that a linter finds, but for an option that it cannot read', () => {
    const found = run('deploy', text).map(
      ({ rule, line }) => `${rule}: ${text.split('\n')[line - 1]?.split('=')[0]}`,
    );
    // It takes --start-period for --start.
    expect(found).toEqual(['invalid_format: HEALTHCHECK --interval']);
  });

  it('copies files that are there and that the context of the build holds', () => {
    const kept = read('deploy/Dockerfile.dockerignore').split('\n');
    const sources = argumentsOf('COPY')
      .filter(([first]) => first?.startsWith('--') === false)
      .flatMap((args) => args.slice(0, -1));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      expect(existsSync(new URL(source, root)), source).toBe(true);
      expect(kept).toContain(`!${source}`);
    }
  });

  it('starts what the package has, with options that it has, as a user that is not root', () => {
    const [entry, command] = ['ENTRYPOINT', 'CMD'].map(
      (name) =>
        JSON.parse(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length) ?? '') as string[],
    );
    expect(entry).toEqual(['node', '/app/dist/cli.js']);
    checkServe(command ?? []);
    expect(argumentsOf('USER')).toEqual([['node']]);
    expect(argumentsOf('STOPSIGNAL')).toEqual([['SIGTERM']]);
    expect(argumentsOf('EXPOSE')).toEqual([[command?.at(-1)]]);
  });

  it('asks for readiness where the server tells it', () => {
    const check = lines.find((line) => line.startsWith('HEALTHCHECK')) ?? '';
    expect(healthPaths).toContain(/8080(\/[\w/]+)/.exec(check)?.[1]);
  });
});

describe('the systemd unit', () => {
  const text = read('deploy/millrace.service');
  const settings = new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const at = line.indexOf('=');
      return at < 0 || line.startsWith('#') ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );

  it('starts the server with options that it has', () => {
    const [, , ...args] = (settings.get('ExecStart') ?? '').split(' ');
    checkServe(args);
    expect(settings.get('ExecReload')).toBe('/bin/kill -HUP $MAINPID');
    expect(args).toContain(`/var/lib/${settings.get('StateDirectory')}`);
  });

  it('is what systemd takes, and leaves the server few rights', ({ skip }) => {
    skip(spawnSync('systemd-analyze', ['--version']).status !== 0, 'no systemd-analyze on this machine');
    const file = new URL('deploy/millrace.service', root).pathname;
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    expect(verified.stderr.split('\n').filter((line) => line.includes('millrace.service'))).toEqual([]);
    const args = ['security', '--offline=true', '--threshold=25', '--no-pager', file];
    expect(spawnSync('systemd-analyze', args, { encoding: 'utf8' }).status).toBe(0);
  });
});

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: Record<string, unknown>;
}

const kinds = { Deployment, StatefulSet, Service, PodDisruptionBudget, HorizontalPodAutoscaler };

interface Container {
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly securityContext: object;
  readonly [probe: string]: unknown;
}

interface PodSpec {
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly name: string }[];
  readonly securityContext: object;
}

const manifests = ['millrace.yaml', 'stateful-set.yaml'].flatMap((file) =>
  parseAllDocuments(read(`deploy/kubernetes/${file}`)).map((document): [string, Manifest] => {
    for (const error of document.errors) throw error;
    const manifest = document.toJS() as Manifest;
    return [`${manifest.kind} of ${file}`, manifest];
  }),
);
const pods = manifests.flatMap(([name, { spec }]): [string, PodSpec][] => {
  const template = spec['template'] as { readonly spec: PodSpec } | undefined;
  return template === undefined ? [] : [[name, template.spec]];
});

/** The value, which notes what is read of it. What a schema does not know is never read. */
function noting(value: unknown, path: string, seen: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const found = (target as Record<string | symbol, unknown>)[key];
      if (typeof key !== 'string' || !Object.hasOwn(target, key)) return found;
      seen.add(`${path}.${key}`);
      return noting(found, `${path}.${key}`, seen);
    },
  });
}

function pathsOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [
    `${path}.${key}`,
    ...pathsOf(each, `${path}.${key}`),
  ]);
}

/** Names that no schema knows. Below `labels` and the like every name is one. */
function unknownNames(manifest: Manifest): string[] {
  const seen = new Set<string>();
  const Kind = kinds[manifest.kind as keyof typeof kinds] as new () => { validate(): void };
  // What its constructor is given it would read, and copy.
  Object.assign(new Kind(), noting(manifest, '', seen)).validate();
  return pathsOf(manifest, '').filter((path) => !seen.has(path) && !/[lL]abels|annotations/.test(path));
}

describe('the manifests of Kubernetes', () => {
  it.each(manifests)('hold to the schema: %s', (_name, manifest) => {
    expect(unknownNames(manifest)).toEqual([]);
  });

  it('would not pass with a name that is misspelt', () => {
    const [, manifest] = manifests[0] as [string, Manifest];
    expect(unknownNames({ ...manifest, spec: { ...manifest.spec, replica: 3 } })).toEqual(['.spec.replica']);
    expect(() => unknownNames({ ...manifest, spec: { ...manifest.spec, replicas: 'three' } })).toThrow(
      'replicas',
    );
  });

  it.each(pods)(
    'start the server with options, ports, paths and volumes that are there: %s',
    (_name, pod) => {
      const [container] = pod.containers;
      checkServe(container.args);
      const port = container.args[container.args.indexOf('--port') + 1];
      expect(container.ports.map(({ containerPort }) => String(containerPort))).toEqual([port]);
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
        const { httpGet } = container[probe] as { httpGet: { path: string; port: string } };
        expect(healthPaths).toContain(httpGet.path);
        expect(container.ports.map(({ name }) => name)).toContain(httpGet.port);
      }
      const mounts = container.volumeMounts.map(({ mountPath }) => mountPath);
      for (const option of ['--project', '--data'])
        expect(mounts).toContain(container.args[container.args.indexOf(option) + 1]);
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true });
      expect(container.securityContext).toMatchObject({
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
      });
    },
  );

  it('scale by a metric that the adapter makes of one that the server has', () => {
    const { rules } = parse(read('deploy/kubernetes/prometheus-adapter.yaml')) as {
      rules: { custom: [{ seriesQuery: string; name: { as: string }; metricsQuery: string }] };
    };
    const [rule] = rules.custom;
    expect(read('deploy/kubernetes/millrace.yaml')).toContain(rule.name.as);
    const series = [rule.seriesQuery, rule.metricsQuery].join(' ').match(/millrace_\w+/g) ?? [];
    for (const name of series) expect(reference).toContain(`\`${name.replace(/_(sum|count)$/, '')}\``);
  });
});

it('all files of deploy/ are spoken of in the documents', () => {
  const operations = read('docs/operations.md');
  const files = readdirSync(new URL('deploy/', root), { recursive: true, encoding: 'utf8' });
  const unnamed = files.filter((file) => /[\w-]+\.\w+$|Dockerfile$/.test(file) && !operations.includes(file));
  expect(unnamed).toEqual([]);
});
