/** A process that records many writes, for a test with several. */
import { createAuditLog } from '../../src/access/audit-log.ts';
import { systemClock } from '../../src/clock.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

const [file = '', count = ''] = process.argv.slice(2);

const metrics = createMetrics();
const audit = createAuditLog({ file, clock: systemClock, log: createLog('silent'), metrics });
for (let i = 0; i < Number(count); i++) {
  audit.record({ requestId: `${process.pid}-${i}`, principal: undefined, action: 'push', status: 200 });
  // Many small batches, so that those of two processes meet.
  if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 110));
}
await audit.close();
metrics.close();
