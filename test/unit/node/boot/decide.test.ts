/** Every row of what a member may do, by its file and its disk. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { BootFence, BootTicket } from "../../../../src/api/boot.ts";
import type { MemberId } from "../../../../src/raft/types.ts";
import { type BootDisk, decideBoot } from "../../../../node/boot/decide.ts";
import type { Identity } from "../../../../node/data-dir.ts";

const EMPTY: BootDisk = { identity: null, removed: false, foreign: null };
const OWN: Identity = {
  clusterId: 0xabn,
  memberId: 0xf1n as MemberId,
  incarnation: 1n,
  fenceIncarnation: 2,
  usedNonce: "used",
};

function disk(own: Partial<Identity> = {}): BootDisk {
  return { ...EMPTY, identity: { ...OWN, ...own } };
}

function ticket(mode: BootTicket["mode"], more: Partial<BootTicket> = {}): BootTicket {
  return { mode, nonce: "new", incarnation: 2, clusterId: null, initialCluster: "", ...more };
}

function fence(more: Partial<BootFence> = {}): BootFence {
  return { incarnation: 2, clusterId: "ab", memberId: "f1", ...more };
}

interface Row {
  readonly claim: string;
  readonly ticket?: BootTicket;
  readonly fence?: BootFence;
  readonly disk: BootDisk;
  /** The kind, and what the reason says. */
  readonly so: string;
  readonly reason?: RegExp;
}

const ON_EMPTY: readonly Row[] = [
  { claim: "no ticket", disk: EMPTY, so: "await", reason: /there is no ticket/ },
  { claim: "a fence alone", fence: fence(), disk: EMPTY, so: "await", reason: /no ticket/ },
  { claim: "bootstrap", ticket: ticket("bootstrap"), disk: EMPTY, so: "bootstrap" },
  { claim: "join", ticket: ticket("join"), disk: EMPTY, so: "join" },
  {
    claim: "join, with the fence of the cluster",
    ticket: ticket("join", { clusterId: "ab" }),
    fence: fence({ memberId: null }),
    disk: EMPTY,
    so: "join",
  },
  {
    claim: "bootstrap of a cluster that is known",
    ticket: ticket("bootstrap", { clusterId: "ab" }),
    disk: EMPTY,
    so: "await",
    reason: /cluster ab has begun already/,
  },
  {
    claim: "bootstrap beside a fence that knows the cluster",
    ticket: ticket("bootstrap"),
    fence: fence(),
    disk: EMPTY,
    so: "await",
    reason: /cluster ab has begun already/,
  },
  {
    claim: "bootstrap beside a fence that knows none",
    ticket: ticket("bootstrap"),
    fence: fence({ clusterId: null, memberId: null }),
    disk: EMPTY,
    so: "bootstrap",
  },
  {
    claim: "a ticket below the fence",
    ticket: ticket("join", { incarnation: 1 }),
    fence: fence(),
    disk: EMPTY,
    so: "await",
    reason: /of incarnation 1, the cluster of 2/,
  },
  { claim: "forceNew", ticket: ticket("forceNew"), disk: EMPTY, so: "await", reason: /for data/ },
  {
    claim: "a disk that holds something else",
    ticket: ticket("bootstrap"),
    disk: { ...EMPTY, foreign: "x is not ours" },
    so: "await",
    reason: /x is not ours/,
  },
  {
    claim: "a tombstone alone",
    ticket: ticket("bootstrap"),
    disk: { ...EMPTY, removed: true },
    so: "fenced",
    reason: /removed/,
  },
];

const ON_DATA: readonly Row[] = [
  { claim: "nothing", disk: disk(), so: "start" },
  { claim: "its own fence", fence: fence(), disk: disk(), so: "start" },
  {
    claim: "a fence that knows no ids",
    fence: fence({ clusterId: null, memberId: null }),
    disk: disk(),
    so: "start",
  },
  { claim: "bootstrap", ticket: ticket("bootstrap"), disk: disk(), so: "start" },
  { claim: "join", ticket: ticket("join"), disk: disk(), so: "start" },
  {
    claim: "a higher fence",
    fence: fence({ incarnation: 3, clusterId: null, memberId: null }),
    disk: disk(),
    so: "fenced",
    reason: /of incarnation 2, the cluster of 3/,
  },
  {
    claim: "a higher fence beside join",
    ticket: ticket("join"),
    fence: fence({ incarnation: 3 }),
    disk: disk(),
    so: "fenced",
  },
  {
    claim: "a lower fence, whatever it names",
    fence: fence({ incarnation: 1, clusterId: "1", memberId: "1" }),
    disk: disk(),
    so: "start",
  },
  {
    claim: "another cluster",
    fence: fence({ clusterId: "ac" }),
    disk: disk(),
    so: "fenced",
    reason: /of cluster ab, not of ac/,
  },
  {
    claim: "an id with zeros before it",
    fence: fence({ clusterId: "00ab" }),
    disk: disk(),
    so: "start",
  },
  {
    claim: "another member",
    fence: fence({ memberId: "f2" }),
    disk: disk(),
    so: "fenced",
    reason: /is member f1, whose place member f2 has taken/,
  },
  {
    claim: "an unused ticket of a higher incarnation",
    ticket: ticket("join", { incarnation: 3 }),
    disk: disk(),
    so: "fenced",
  },
  {
    claim: "an unused ticket of another cluster",
    ticket: ticket("join", { clusterId: "ac" }),
    disk: disk(),
    so: "fenced",
  },
  {
    claim: "the ticket that it used, of a cluster that it had no id of then",
    ticket: ticket("join", { nonce: "used", clusterId: "ac" }),
    disk: disk(),
    so: "start",
  },
  { claim: "a tombstone", fence: fence(), disk: { ...disk(), removed: true }, so: "fenced" },
  {
    claim: "a tombstone and forceNew",
    ticket: ticket("forceNew", { incarnation: 3 }),
    disk: { ...disk(), removed: true },
    so: "fenced",
  },
];

const FORCED: readonly Row[] = [
  {
    claim: "forceNew with a new nonce upwards",
    ticket: ticket("forceNew", { incarnation: 3 }),
    disk: disk(),
    so: "forceNew",
  },
  {
    claim: "forceNew beside the raised fence of the cluster before",
    ticket: ticket("forceNew", { incarnation: 3, clusterId: "ab" }),
    fence: fence({ incarnation: 3 }),
    disk: disk(),
    so: "forceNew",
  },
  {
    claim: "forceNew of another cluster",
    ticket: ticket("forceNew", { incarnation: 3, clusterId: "ac" }),
    disk: disk(),
    so: "fenced",
    reason: /not of ac/,
  },
  {
    claim: "forceNew for another member's disk",
    ticket: ticket("forceNew", { incarnation: 3 }),
    fence: fence({ incarnation: 3, memberId: "f2" }),
    disk: disk(),
    so: "fenced",
    reason: /member f2 has taken/,
  },
  {
    claim: "forceNew of a recovery that another one has overtaken",
    ticket: ticket("forceNew", { incarnation: 3 }),
    fence: fence({ incarnation: 4 }),
    disk: disk(),
    so: "fenced",
    reason: /the cluster of 4/,
  },
  {
    claim: "forceNew that was used, beside the fence that still names the cluster before",
    ticket: ticket("forceNew", { nonce: "used", clusterId: "aa" }),
    fence: fence({ clusterId: "aa" }),
    disk: disk(),
    so: "start",
  },
  {
    claim: "forceNew that was used, and a fence that rose again",
    ticket: ticket("forceNew", { nonce: "used", clusterId: "aa" }),
    fence: fence({ incarnation: 3, clusterId: "aa" }),
    disk: disk(),
    so: "fenced",
  },
  {
    claim: "forceNew of a recovery before the last one, which comes late",
    ticket: ticket("forceNew", { nonce: "long ago", incarnation: 2 }),
    disk: disk(),
    so: "start",
  },
  {
    claim: "forceNew of a lower incarnation beside the fence of that time",
    ticket: ticket("forceNew", { nonce: "long ago", incarnation: 1, clusterId: "1" }),
    fence: fence({ incarnation: 1, clusterId: "1" }),
    disk: disk(),
    so: "start",
  },
];

describe("what a member may do", () => {
  for (const [where, rows] of [
    ["an empty disk", ON_EMPTY],
    ["data", ON_DATA],
    ["data that were or are to be forced", FORCED],
  ] as const) {
    for (const row of rows) {
      it(`with ${where} and ${row.claim}: ${row.so}`, () => {
        const file = { ticket: row.ticket ?? null, fence: row.fence ?? null };
        const decision = decideBoot(file, row.disk);
        assert.equal(
          decision.kind,
          row.so,
          JSON.stringify(decision, (_, value: unknown) => {
            return typeof value === "bigint" ? value.toString(16) : value;
          }),
        );
        if (row.reason === undefined) return;
        assert.match("reason" in decision ? decision.reason : "", row.reason);
      });
    }
  }
});
