/** The members. Changes of membership are writes: one whose answer was lost may have been made. */
import type { Member } from "../api/gen/cluster.ts";
import { Cluster as ClusterService } from "../api/gen/methods.ts";
import { ClientError } from "./error.ts";
import type { Calls, MemberCallOptions } from "./calls.ts";
import type { CallOptions } from "./time.ts";

export type { Member };

export class Cluster {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** `serializable`: as the asked member knows them, which needs no majority. */
  async list(
    options: MemberCallOptions & { readonly serializable?: boolean | undefined } = {},
  ): Promise<readonly Member[]> {
    const linearizable = options.serializable !== true;
    const kind = linearizable ? "read" : "local";
    const request = { linearizable };
    return (await this.#calls.unary(ClusterService.memberList, request, kind, options)).members;
  }

  /** Announces a member; answers it with the id it got. */
  async add(
    peerUrls: readonly string[],
    options: CallOptions & { readonly learner?: boolean | undefined } = {},
  ): Promise<Member> {
    const request = { peerUrls, isLearner: options.learner ?? false };
    const answer = await this.#calls.unary(ClusterService.memberAdd, request, "write", options);
    if (answer.member === null)
      throw new ClientError("internal", "the answer to the addition of a member names none");
    return answer.member;
  }

  /** All of these answer the members afterwards. */
  async remove(id: bigint, options: CallOptions = {}): Promise<readonly Member[]> {
    const answer = await this.#calls.unary(ClusterService.memberRemove, { id }, "write", options);
    return answer.members;
  }

  async update(
    id: bigint,
    peerUrls: readonly string[],
    options: CallOptions = {},
  ): Promise<readonly Member[]> {
    const request = { id, peerUrls };
    const answer = await this.#calls.unary(ClusterService.memberUpdate, request, "write", options);
    return answer.members;
  }

  /** Makes a learner a voter; fails with "learnerNotReady" until it has caught up. */
  async promote(id: bigint, options: CallOptions = {}): Promise<readonly Member[]> {
    const answer = await this.#calls.unary(ClusterService.memberPromote, { id }, "write", options);
    return answer.members;
  }
}
