import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Inflights } from "../../../src/raft/inflights.ts";
import { planChange, votersChanged } from "../../../src/raft/membership.ts";
import { majority, majorityReached, voteResult } from "../../../src/raft/quorum.ts";
import type { Membership } from "../../../src/raft/types.ts";
import { id, index } from "../../unit/raft/member.ts";

describe("majorityReached", () => {
  it("is the greatest value that a majority has reached", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 9 }), (values) => {
        const naive = values
          .filter((value) => values.filter((other) => other >= value).length > values.length / 2)
          .reduce((most, value) => Math.max(most, value), 0);
        assert.equal(majorityReached([...values]), naive);
      }),
    );
  });
});

describe("voteResult", () => {
  it("is decided exactly when the silent voters cannot change it", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("yes", "no", "silent"), { maxLength: 9 }), (votes) => {
        const count = (what: string): number => votes.filter((vote) => vote === what).length;
        const [yes, no, silent] = [count("yes"), count("no"), count("silent")];
        const atBest = yes + silent >= majority(votes.length);
        const atWorst = yes >= majority(votes.length);
        const expected = atWorst ? "won" : atBest ? "pending" : "lost";
        assert.equal(voteResult(votes.length, yes, no), expected);
      }),
    );
  });
});

describe("Inflights", () => {
  it("is a bounded queue of (index, bytes)", () => {
    const command = fc.oneof(
      fc.record({ add: fc.nat(20) }),
      fc.record({ release: fc.nat(60) }),
      fc.constant("clear" as const),
    );
    fc.assert(
      fc.property(fc.array(command), fc.integer({ min: 1, max: 9 }), (commands, countMax) => {
        const real = new Inflights(countMax, 50);
        let naive: { at: number; bytes: number }[] = [];
        let last = 0;
        for (const one of commands) {
          const bytes = naive.reduce((sum, each) => sum + each.bytes, 0);
          assert.equal(real.count, naive.length);
          assert.equal(real.bytes, bytes);
          assert.equal(real.full, naive.length === countMax || bytes >= 50);
          if (one === "clear") {
            real.clear();
            naive = [];
          } else if ("release" in one) {
            real.release(index(one.release));
            naive = naive.filter((each) => each.at > one.release);
          } else if (!real.full) {
            last++;
            real.add(index(last), one.add);
            naive.push({ at: last, bytes: one.add });
          }
        }
      }),
    );
  });
});

describe("planChange", () => {
  it("leaves any two memberships one change apart with a voter in common in every two quorums", () => {
    const change = fc.record({
      kind: fc.constantFrom("addVoter" as const, "addLearner" as const, "remove" as const),
      id: fc.integer({ min: 1, max: 7 }).map(id),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        let membership: Membership = { voters: [id(1)], learners: [] };
        for (const one of changes) {
          const outcome = planChange(membership, one);
          if (outcome.kind !== "changed") continue;
          const after = outcome.membership;
          assert.ok(votersChanged(membership, after) <= 1);
          const all = new Set([...membership.voters, ...after.voters]).size;
          const quorums = majority(membership.voters.length) + majority(after.voters.length);
          assert.ok(quorums > all || after.voters.length === 0);
          assert.ok(after.voters.length > 0);
          assert.ok(after.voters.every((each) => !after.learners.includes(each)));
          membership = after;
        }
      }),
    );
  });
});
