/**
 * The file that a worker thread runs (model-thread.ts starts it): one session, one run at a time. It must be plain
 * JavaScript when it runs, so it is always the compiled one.
 */
import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { markIdle } from './exit-guard.ts';
import { openSession } from './session.ts';
import type { ModelSession } from './session.ts';
import { toPlainError, transferables } from './worker-message.ts';
import type { WorkerReply, WorkerRequest, WorkerSettings } from './worker-message.ts';

/** Busy is set by the other side before it asks; it is free again before the reply. */
async function serve(port: MessagePort, settings: WorkerSettings): Promise<void> {
  const busy = new Int32Array(settings.busy);
  const reply = (message: WorkerReply, handedOver: readonly ArrayBuffer[] = []): void => {
    markIdle(busy);
    port.postMessage(message, handedOver);
  };
  if (settings.isBackground) giveWay();
  let session: ModelSession;
  try {
    session = await openSession(settings.path);
  } catch (error) {
    return reply({ kind: 'refused', error: toPlainError(error) });
  }
  const close = async (): Promise<void> => {
    await session.release();
    markIdle(busy);
    port.close();
  };
  port.on('message', (request: WorkerRequest) => {
    void (request.kind === 'run' ? answer(session, request, reply) : close());
  });
  const { inputs, outputs, refusedOutputs } = session;
  reply({ kind: 'opened', inputs, outputs, refusedOutputs });
}

/** On Linux a thread has a priority of its own, under its own number; ONNX Runtime runs the model on this thread. */
function giveWay(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_LOW);
  } catch {
    // Elsewhere the system decides alone.
  }
}

async function answer(
  session: ModelSession,
  { inputs, fetch }: Extract<WorkerRequest, { kind: 'run' }>,
  reply: (message: WorkerReply, handedOver: readonly ArrayBuffer[]) => void,
): Promise<void> {
  const spent = inputs.map(({ data }) => data);
  try {
    const results = await session.run(inputs, fetch);
    // Tensors of the runtime are objects with methods, which cannot be sent.
    const outputs = results.map(({ data, dims }) => ({ data, dims }));
    reply(
      { kind: 'answered', outputs, spent },
      transferables([...spent, ...outputs.map(({ data }) => data)]),
    );
  } catch (error) {
    reply({ kind: 'failed', error: toPlainError(error), spent }, transferables(spent));
  }
}

if (parentPort === null) throw new Error('session-worker.js runs in a worker thread only');
await serve(parentPort, workerData as WorkerSettings);
