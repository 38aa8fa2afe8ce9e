/** What the processes of a server hold, as the system tells it (Linux). */
import { readFileSync, readdirSync } from 'node:fs';

export interface Usage {
  readonly residentBytes: number;
  readonly descriptors: number;
}

const PAGE_BYTES = 4096;

export function usageOf(pid: number): Usage {
  const [, residentPages = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  return {
    residentBytes: Number(residentPages) * PAGE_BYTES,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
