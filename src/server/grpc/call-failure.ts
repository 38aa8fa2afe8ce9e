/** Errors as gRPC tells them: a status, the sentence, and in the metadata the code of the catalogue. */
import { Metadata, status } from '@grpc/grpc-js';
import type { StatusObject } from '@grpc/grpc-js';
import type { MillraceError } from '../../errors.ts';
import { retryAfterMsOf } from '../error-reply.ts';

const statusOf: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  408: status.DEADLINE_EXCEEDED,
  409: status.FAILED_PRECONDITION,
  413: status.RESOURCE_EXHAUSTED,
  415: status.INVALID_ARGUMENT,
  422: status.INVALID_ARGUMENT,
  429: status.RESOURCE_EXHAUSTED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

/** As it is sent. Clients give up a call whose trailers take more than some KB. */
const SENTENCE_BYTES_MAX = 4096;

/** @param traceparent of its span; undefined = none is recorded */
export function callFailure(
  error: MillraceError,
  requestId: string,
  traceparent: string | undefined,
): StatusObject {
  const metadata = new Metadata();
  if (traceparent !== undefined) metadata.set('traceparent', traceparent);
  metadata.set('millrace-code', error.code);
  metadata.set('millrace-request-id', requestId);
  const retryAfterMs = retryAfterMsOf(error);
  if (retryAfterMs !== undefined) metadata.set('retry-after-ms', String(retryAfterMs));
  return { code: statusOf[error.status] ?? status.INTERNAL, details: sentenceOf(error.message), metadata };
}

/** It is sent as a URI, which has no halves of letters, as a cut name may have. */
function sentenceOf(message: string): string {
  let sentence = message.slice(0, SENTENCE_BYTES_MAX).toWellFormed();
  while (encodeURI(sentence).length > SENTENCE_BYTES_MAX)
    sentence = `${sentence.slice(0, Math.floor(sentence.length * 0.75))}…`.toWellFormed();
  return sentence;
}
