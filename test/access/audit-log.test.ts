import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createAuditLog } from '../../src/access/audit-log.ts';
import type { AuditEntry, AuditLog } from '../../src/access/audit-log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { Metrics } from '../../src/telemetry/metrics.ts';
import { root } from '../oxlint.ts';
import { readableLog, scratchFolder, setClock } from './scratch.ts';
import type { SetClock } from './scratch.ts';

interface Auditing {
  readonly audit: AuditLog;
  readonly file: string;
  readonly metrics: Metrics;
  readonly lines: string[];
  readonly clock: SetClock;
}

async function auditing(fileBytesMax?: number, name = 'audit.ndjson'): Promise<Auditing> {
  const file = join(await scratchFolder(), name);
  const metrics = createMetrics();
  onTestFinished(() => metrics.close());
  const { log, lines } = readableLog();
  const clock = setClock();
  const audit = createAuditLog({
    file,
    clock,
    log,
    metrics,
    ...(fileBytesMax !== undefined && { fileBytesMax }),
  });
  onTestFinished(async () => audit.close());
  return { audit, file, metrics, lines, clock };
}

const push: AuditEntry = {
  requestId: 'r-1',
  principal: { id: '0123456789abcdef', name: 'shop' },
  action: 'push',
  target: 'weather',
  status: 200,
  details: { rows: 3 },
};

async function linesOf(file: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(file, 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function counted(metrics: Metrics, to: string): Promise<number> {
  const text = await metrics.render();
  return Number(new RegExp(`millrace_audit_lines_total\\{to="${to}"\\} (\\d+)`).exec(text)?.[1]);
}

/** One batch on the disk. */
async function written({ audit, metrics }: Auditing, entry: AuditEntry): Promise<void> {
  const before = await counted(metrics, 'written');
  audit.record(entry);
  await vi.waitFor(async () => expect(await counted(metrics, 'written')).toBe(before + 1));
}

describe('the audit log', () => {
  it('says who did what, when, and what came of it', async () => {
    const { audit, file } = await auditing();
    audit.record(push);
    audit.record({
      requestId: 'r-2',
      principal: undefined,
      action: 'reload',
      status: 422,
      code: 'INVALID_PROJECT',
    });
    await audit.close();
    expect(await linesOf(file)).toEqual([
      {
        time: '2026-06-01T00:00:00.000Z',
        request_id: 'r-1',
        principal: { id: '0123456789abcdef', name: 'shop' },
        action: 'push',
        target: 'weather',
        status: 200,
        details: { rows: 3 },
      },
      {
        time: '2026-06-01T00:00:00.000Z',
        request_id: 'r-2',
        principal: null,
        action: 'reload',
        status: 422,
        code: 'INVALID_PROJECT',
      },
    ]);
  });

  it('can be read by its owner only', async () => {
    const { audit, file } = await auditing();
    audit.record(push);
    await audit.close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('keeps a line a line, whatever a caller is called', async () => {
    const { audit, file } = await auditing();
    audit.record({ ...push, principal: { id: 'jwt:x', name: 'x\n{"action":"forged"}\r\u2028' } });
    await audit.close();
    expect(await linesOf(file)).toHaveLength(1);
  });

  it('is written without being closed', async () => {
    const parts = await auditing();
    await written(parts, push);
    expect(await linesOf(parts.file)).toHaveLength(1);
  });

  it('goes on where an earlier server stopped', async () => {
    const { audit, file } = await auditing();
    await writeFile(file, '{"action":"earlier"}\n');
    audit.record(push);
    await audit.close();
    expect((await linesOf(file)).map(({ action }) => action)).toEqual(['earlier', 'push']);
  });

  it('keeps whole lines when several processes append', async () => {
    const { file } = await auditing();
    const args = ['--import', 'tsx', join(root, 'test/access/audit-writer.ts'), file, '200'];
    await Promise.all([1, 2].map(async () => promisify(execFile)(process.execPath, args, { cwd: root })));
    const lines = await linesOf(file);
    expect(lines).toHaveLength(400);
    expect(new Set(lines.map((line) => line['request_id'])).size).toBe(400);
  });

  it('puts a file that has grown aside, and keeps five of them', async () => {
    const parts = await auditing(1);
    await writeFile(join(parts.file, '..', 'audit.notes.ndjson'), 'mine');
    for (let i = 0; i < 8; i++) {
      parts.clock.timeMs += 1000;
      await written(parts, { ...push, requestId: `r-${i}` });
    }
    const names = (await readdir(join(parts.file, '..'))).sort();
    expect(names.map((name) => name.replace(String(process.pid), 'PID'))).toEqual([
      ...[4, 5, 6, 7, 8].map((second) => `audit.2026-06-01T00-00-0${second}-000Z.PID.ndjson`),
      'audit.ndjson',
      'audit.notes.ndjson',
    ]);
    expect(await linesOf(parts.file)).toMatchObject([{ request_id: 'r-7' }]);
  });

  it('follows the name when another process has put the file aside', async () => {
    const parts = await auditing();
    await written(parts, { ...push, requestId: 'r-1' });
    await rm(parts.file);
    await written(parts, { ...push, requestId: 'r-2' });
    expect(await linesOf(parts.file)).toMatchObject([{ request_id: 'r-2' }]);
  });

  it('keeps lines while the file cannot be written, says so once, and writes them later', async () => {
    const { audit, file, lines, metrics } = await auditing();
    await mkdir(file);
    audit.record(push);
    await vi.waitFor(() => expect(lines).toHaveLength(1));
    audit.record({ ...push, requestId: 'r-2' });
    await rm(file, { recursive: true });
    await vi.waitFor(async () => expect(await counted(metrics, 'written')).toBe(2));
    expect((await linesOf(file)).map((line) => line['request_id'])).toEqual(['r-1', 'r-2']);
    expect(lines).toEqual(['error: the audit log cannot be written; its lines are kept for now']);
  });

  it('counts what it has no room for, and what it could not write to the end', async () => {
    const { audit, file, lines, metrics } = await auditing();
    await mkdir(file);
    const long = { ...push, target: 'x'.repeat(1_000_000) };
    for (let i = 0; i < 6; i++) audit.record(long);
    expect(await counted(metrics, 'lost')).toBe(2);
    await audit.close();
    expect(await counted(metrics, 'lost')).toBe(6);
    expect(lines.at(-1)).toBe('error: lines of the audit log were lost');
  });
});
