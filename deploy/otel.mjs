/**
 * Registers the SDK of OpenTelemetry before the server is loaded, and sends its spans over OTLP/HTTP:
 *
 *   npm install @opentelemetry/sdk-trace-node@2 @opentelemetry/exporter-trace-otlp-http@0.223
 *   export OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 OTEL_SERVICE_NAME=millrace
 *   NODE_OPTIONS="--import ./otel.mjs" millrace serve
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';

// Of the calls that are part of no trace yet, this share begins one. OTEL_TRACES_SAMPLER_ARG sets it; every span costs.
const share = Number(process.env['OTEL_TRACES_SAMPLER_ARG'] ?? 0.01);

const provider = new NodeTracerProvider({
  sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});

// Also registers the propagator of `traceparent` and `tracestate`.
provider.register();

// The server ends by itself when it has drained; what is left is sent then. A worker is ended before: it may lose the
// spans of its last five seconds.
process.once('beforeExit', () => void provider.shutdown());
