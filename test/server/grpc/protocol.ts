/** A client of the Open Inference Protocol, from the published specification's messages and numbers, not from ours. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata, credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { Client, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const text = `syntax = "proto3"; package inference;
service GRPCInferenceService {
  rpc ServerLive(ServerLiveRequest) returns (ServerLiveResponse) {}
  rpc ServerReady(ServerReadyRequest) returns (ServerReadyResponse) {}
  rpc ModelReady(ModelReadyRequest) returns (ModelReadyResponse) {}
  rpc ServerMetadata(ServerMetadataRequest) returns (ServerMetadataResponse) {}
  rpc ModelMetadata(ModelMetadataRequest) returns (ModelMetadataResponse) {}
  rpc ModelInfer(ModelInferRequest) returns (ModelInferResponse) {}
  rpc RepositoryIndex(RepositoryIndexRequest) returns (RepositoryIndexResponse) {}
  rpc RepositoryModelLoad(RepositoryModelLoadRequest) returns (RepositoryModelLoadResponse) {}
  rpc RepositoryModelUnload(RepositoryModelUnloadRequest) returns (RepositoryModelUnloadResponse) {}
}
message ServerLiveRequest {} message ServerLiveResponse { bool live = 1; }
message ServerReadyRequest {} message ServerReadyResponse { bool ready = 1; }
message ModelReadyRequest { string name = 1; string version = 2; } message ModelReadyResponse { bool ready = 1; }
message ServerMetadataRequest {}
message ServerMetadataResponse { string name = 1; string version = 2; repeated string extensions = 3; }
message ModelMetadataRequest { string name = 1; string version = 2; }
message ModelMetadataResponse {
  message TensorMetadata { string name = 1; string datatype = 2; repeated int64 shape = 3; }
  string name = 1; repeated string versions = 2; string platform = 3;
  repeated TensorMetadata inputs = 4; repeated TensorMetadata outputs = 5;
}
message InferParameter { oneof parameter_choice { bool bool_param = 1; int64 int64_param = 2; string string_param = 3; } }
message InferTensorContents {
  repeated bool bool_contents = 1; repeated int32 int_contents = 2; repeated int64 int64_contents = 3;
  repeated uint32 uint_contents = 4; repeated uint64 uint64_contents = 5; repeated float fp32_contents = 6;
  repeated double fp64_contents = 7; repeated bytes bytes_contents = 8;
}
message ModelInferRequest {
  message InferInputTensor {
    string name = 1; string datatype = 2; repeated int64 shape = 3; map<string, InferParameter> parameters = 4;
    InferTensorContents contents = 5;
  }
  message InferRequestedOutputTensor { string name = 1; map<string, InferParameter> parameters = 2; }
  string model_name = 1; string model_version = 2; string id = 3; map<string, InferParameter> parameters = 4;
  repeated InferInputTensor inputs = 5; repeated InferRequestedOutputTensor outputs = 6;
  repeated bytes raw_input_contents = 7;
}
message ModelInferResponse {
  message InferOutputTensor {
    string name = 1; string datatype = 2; repeated int64 shape = 3; map<string, InferParameter> parameters = 4;
    InferTensorContents contents = 5;
  }
  string model_name = 1; string model_version = 2; string id = 3; map<string, InferParameter> parameters = 4;
  repeated InferOutputTensor outputs = 5; repeated bytes raw_output_contents = 6;
}
message ModelRepositoryParameter { oneof parameter_choice { bool bool_param = 1; int64 int64_param = 2; string string_param = 3; } }
message RepositoryIndexRequest { string repository_name = 1; bool ready = 2; }
message RepositoryIndexResponse {
  message ModelIndex { string name = 1; string version = 2; string state = 3; string reason = 4; }
  repeated ModelIndex models = 1;
}
message RepositoryModelLoadRequest { string repository_name = 1; string model_name = 2; map<string, ModelRepositoryParameter> parameters = 3; }
message RepositoryModelLoadResponse {}
message RepositoryModelUnloadRequest { string repository_name = 1; string model_name = 2; map<string, ModelRepositoryParameter> parameters = 3; }
message RepositoryModelUnloadResponse {}
`;

export interface ProtocolClient {
  /** @throws ServiceError */
  call<Response = Record<string, unknown>>(
    method: string,
    request?: object,
    options?: { readonly metadata?: Readonly<Record<string, string>>; readonly deadlineMs?: number },
  ): Promise<Response>;
  close(): void;
}

type Method = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (error: ServiceError | null, response: unknown) => void,
) => void;

/**
 * @param dir for a file
 * @param ca whose certificates are trusted; undefined = without TLS
 */
export function protocolClient(dir: string, port: number, ca?: Buffer): ProtocolClient {
  const file = join(dir, 'protocol.proto');
  writeFileSync(file, text);
  const loaded = loadPackageDefinition(loadSync(file, { keepCase: true, longs: String }));
  const { GRPCInferenceService: Service } = loaded['inference'] as unknown as Record<
    string,
    new (address: string, credentials: unknown, options: object) => Client
  >;
  if (Service === undefined) throw new Error('the protocol has no service');
  const client = new Service(
    `127.0.0.1:${port}`,
    ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca),
    {
      // A connection of its own.
      'grpc.use_local_subchannel_pool': 1,
    },
  );
  return {
    call: async (method, request = {}, { metadata = {}, deadlineMs } = {}) => {
      const sent = new Metadata();
      for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      return new Promise((resolve, reject) => {
        const ask = (client as unknown as Record<string, Method>)[method];
        ask?.call(client, request, sent, options, (error, response) => {
          if (error === null) resolve(response as never);
          else reject(error);
        });
      });
    },
    close: () => client.close(),
  };
}

/** A message as it stands in a call. */
export function framed(message: Buffer, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isCompressed ? 1 : 0, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
