/** Several test members and the messages between them. */
import assert from "node:assert/strict";
import type { Message } from "../../../src/raft/message.ts";
import { Member, id } from "./member.ts";
import type { MemberOptions } from "./member.ts";

export class Cluster {
  readonly members: Map<number, Member> = new Map();
  /** Pairs "from>to" whose messages are lost. */
  readonly cut: Set<string> = new Set();

  constructor(voters: number, options: MemberOptions = {}, learners = 0) {
    const numbers = Array.from({ length: voters + learners }, (_, at) => at + 1);
    const membership = {
      voters: numbers.slice(0, voters).map(id),
      learners: numbers.slice(voters).map(id),
    };
    for (const number of numbers) {
      this.members.set(number, new Member(id(number), { membership, ...options }));
    }
  }

  at(number: number): Member {
    const member = this.members.get(number);
    assert.ok(member !== undefined, `there is a member ${number}`);
    return member;
  }

  /** Nothing passes between `number` and the others. */
  isolate(number: number): void {
    for (const other of this.members.keys()) {
      this.cut.add(`${number}>${other}`);
      this.cut.add(`${other}>${number}`);
    }
  }

  heal(): void {
    this.cut.clear();
  }

  /** Takes what left the members, less what is lost. */
  collect(): Message[] {
    const messages: Message[] = [];
    for (const member of this.members.values()) {
      for (const message of member.outbox.splice(0)) {
        if (!this.cut.has(`${message.from}>${message.to}`)) messages.push(message);
      }
    }
    return messages;
  }

  deliver(messages: readonly Message[]): void {
    for (const message of messages) this.members.get(Number(message.to))?.receive(message);
  }

  /** Runs until nobody has anything to do. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      for (const member of this.members.values()) member.settle();
      const messages = this.collect();
      if (messages.length === 0) return;
      this.deliver(messages);
    }
    assert.fail("a cluster comes to rest");
  }

  elect(number: number): void {
    this.at(number).raft.step({ kind: "campaign" });
    this.settle();
    assert.equal(this.at(number).status.role, "leader");
  }

  tick(count = 1): void {
    for (let at = 0; at < count; at++) {
      for (const member of this.members.values()) member.tick();
      this.settle();
    }
  }
}
