/** A plain gRPC client that shows a token. */
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import type { MethodSpec } from "../../../../src/api/method.ts";
import { metadataOf } from "./auth-member.ts";

export class TokenClient {
  readonly #client: Client;
  /** Shown with every call; null: none. */
  token: string | null = null;

  constructor(endpoint: string) {
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": 100,
    });
  }

  /** Rejects with grpc-js's ServiceError. */
  ask<Request, Response>(
    method: MethodSpec<Request, Response>,
    request: Request,
    timeoutMs = 10_000,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<Request, Response>(
        method.path,
        (message) => Buffer.from(method.encodeRequest(message)),
        (bytes) => method.decodeResponse(bytes),
        request,
        metadataOf(this.token),
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error === null && response !== undefined) resolve(response);
          else reject(error ?? new Error("no response"));
        },
      );
    });
  }

  /** What the call was refused with; throws if it was not. */
  async refusal<Request, Response>(
    method: MethodSpec<Request, Response>,
    request: Request,
  ): Promise<string> {
    try {
      await this.ask(method, request);
    } catch (error) {
      return (error as ServiceError).details;
    }
    throw new Error(`${method.path} was not refused`);
  }

  close(): void {
    this.#client.close();
  }
}
