/** Tells the cluster this member's name and client URLs, once, through the log. */
import { encodeMemberAttributes } from "../src/api/gen/command.ts";
import { CommandField } from "../src/machine/command.ts";
import { NO_MEMBER } from "../src/raft/types.ts";
import { proposeOwn } from "./rpc/answer.ts";
import type { Host } from "./rpc/host.ts";

const RETRY_MS = 1_000;

export class Publisher {
  readonly #host: Host;
  #published = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** When there is a leader. Tries again where it came to nothing. */
  async publish(): Promise<void> {
    if (this.#published) return;
    this.#published = true;
    const { config, identity, machine } = this.#host;
    const { memberId: id } = identity;
    const { name, advertiseClientUrls: clientUrls } = config;
    const known = machine.members.get(id);
    if (known?.name === name && known.clientUrls.join() === clientUrls.join()) return;
    try {
      const body = Buffer.from(encodeMemberAttributes({ id, name, clientUrls }));
      await proposeOwn(this.#host, CommandField.memberAttributes, body);
    } catch {
      this.#published = false; // with the next leader
      if (this.#host.leader() !== NO_MEMBER)
        setTimeout(() => void this.publish(), RETRY_MS).unref();
    }
  }
}
