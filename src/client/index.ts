/** The public API of the client, for browsers and for Node. */
export { createClient } from './create-client.ts';
export { MillraceClientError } from './client-error.ts';
export type { ClientCode, ErrorPlace } from './client-error.ts';
export type {
  CallOptions,
  Client,
  ClientEvents,
  ClientOptions,
  CloseResult,
  FeatureAnswer,
  FeatureQuery,
  Feedback,
  FeedbackOutcome,
  InferAnswer,
  InferInput,
  InferOptions,
  InferRequest,
  PredictOneOptions,
  PredictRequest,
  PushOptions,
} from './client.ts';
export type { OutboxOptions, RejectedEvent } from './event-outbox.ts';
export type { OutboxStorage } from './outbox-storage.ts';
export type {
  AnyProject,
  EndpointName,
  EventOf,
  PredictAnswer,
  PredictOneAnswer,
  ProjectShape,
  RequestFields,
  RowOf,
} from './project-shape.ts';
