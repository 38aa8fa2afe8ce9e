/** Calls of the demo's own server, over HTTP as anybody's. */
import { Agent, request } from 'node:http';
import { MillraceError } from '../../errors.ts';

export interface Caller {
  /** @throws MillraceError INTERNAL for an answer that is none */
  post(path: string, body: unknown): Promise<unknown>;
  close(): void;
}

export function createCaller(url: string): Caller {
  const agent = new Agent({ keepAlive: true });
  return {
    async post(path, body) {
      const text = JSON.stringify(body);
      return new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
        const sent = request(url + path, { method: 'POST', agent, headers }, (reply) => {
          const chunks: Buffer[] = [];
          reply.on('error', reject);
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.on('end', () => {
            const answer = Buffer.concat(chunks).toString();
            const { statusCode = 0 } = reply;
            if (statusCode >= 200 && statusCode < 300) resolve(JSON.parse(answer));
            else reject(refused(path, statusCode, answer));
          });
        });
        sent.on('error', reject);
        sent.end(text);
      });
    },
    close: () => agent.destroy(),
  };
}

function refused(path: string, status: number, answer: string): MillraceError {
  return new MillraceError('INTERNAL', `the demo's call of ${path} was answered ${status}: ${answer}`);
}
