/** Who reaches whom while a cluster goes to TLS or away from it: every state, every step, against a twin that tries them all. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Occupant,
  type Scheme,
  type Transport,
  advertisedBy,
  clientScheme,
  commonScheme,
  dialsPeers,
  mayMove,
  maySwitch,
  nextTransportTurn,
  servesClients,
  servesPeers,
} from "../../../operator/cluster/transport.ts";

const ALL: readonly Transport[] = [
  "Plaintext",
  "MixedHttp",
  "MixedHttps",
  "PlaintextAccepted",
  "Tls",
];
const GOALS: readonly Transport[] = ["Plaintext", "PlaintextAccepted", "Tls"];
const SCHEMES: readonly Scheme[] = ["http", "https"];

/** Written down by hand, apart from the code: what the peer side of each listens to, and what it can dial. */
const LISTENS: Readonly<Record<Transport, string>> = {
  Plaintext: "http",
  MixedHttp: "http https",
  MixedHttps: "http https",
  PlaintextAccepted: "https",
  Tls: "https",
};
const DIALS: Readonly<Record<Transport, string>> = {
  Plaintext: "http",
  MixedHttp: "http https",
  MixedHttps: "http https",
  PlaintextAccepted: "http https",
  Tls: "http https",
};

function has(table: Readonly<Record<Transport, string>>, one: Transport, scheme: Scheme): boolean {
  return table[one].split(" ").includes(scheme);
}

function reaches(from: Transport, to: Transport, url: Scheme): boolean {
  return has(DIALS, from, url) && has(LISTENS, to, url);
}

interface Member {
  readonly runs: Transport;
  readonly url: Scheme;
}

function occupants(members: readonly Member[]): Occupant[] {
  return members.map(({ runs, url }, at) => ({ name: `kv-${at}`, runs, url }));
}

/** Both ways, all pairs. */
function isWhole(members: readonly Member[]): boolean {
  return members.every((from) =>
    members.every((to) => from === to || reaches(from.runs, to.runs, to.url)),
  );
}

/** Everything that may come about by restarts: each member as it runs, or as the template has it. */
function restarts(members: readonly Member[], template: Transport): Member[][] {
  const [first, ...rest] = members;
  if (first === undefined) return [[]];
  const tails = restarts(rest, template);
  return [first, { ...first, runs: template }].flatMap((one) =>
    tails.map((tail) => [one, ...tail]),
  );
}

function isWholeAlways(members: readonly Member[], template: Transport): boolean {
  return restarts(members, template).every(isWhole);
}

describe("what a member serves and dials", () => {
  for (const one of ALL)
    for (const scheme of SCHEMES)
      it(`is told of ${one} and ${scheme}`, () => {
        assert.equal(servesPeers(one, scheme), has(LISTENS, one, scheme));
        assert.equal(dialsPeers(one, scheme), has(DIALS, one, scheme));
      });

  it("never leaves out what it advertises", () => {
    for (const one of ALL) {
      assert.ok(servesClients(one, advertisedBy(one)), one);
      assert.ok(servesPeers(one, advertisedBy(one)), one);
    }
  });
});

describe("whether the template may change", () => {
  for (const runs of ALL)
    for (const next of ALL)
      for (const url of SCHEMES) {
        const members: readonly Member[] = [
          { runs, url },
          { runs, url },
          { runs, url },
        ];
        if (!isWhole(members)) continue;
        it(`is asked of all pairs: ${runs}, known by ${url}, beside ${next}`, () => {
          const joins = ALL.filter((one) => one === next || one === runs);
          const mayJoin = joins.every((one) => has(DIALS, one, advertisedBy(next)));
          assert.equal(
            maySwitch(next, occupants(members)),
            isWholeAlways(members, next) && mayJoin,
          );
        });
      }

  it("counts members whose pods are away: they come back by it", () => {
    const away: Occupant = { name: "kv-2", runs: null, url: "http" };
    const there = occupants([
      { runs: "MixedHttp", url: "https" },
      { runs: "MixedHttp", url: "https" },
    ]);
    assert.equal(maySwitch("Tls", [...there, away]), false);
    assert.equal(maySwitch("Tls", [...there, { ...away, url: "https" }]), true);
  });

  it("counts pods that are no members: they would be let in", () => {
    const idle: Occupant = { name: "kv-1", runs: "Plaintext", url: null };
    assert.equal(
      maySwitch("Tls", [...occupants([{ runs: "MixedHttp", url: "https" }]), idle]),
      false,
    );
  });
});

describe("whether a member may be known by another URL", () => {
  for (const runs of ALL)
    for (const other of ALL)
      for (const current of ALL)
        for (const scheme of SCHEMES) {
          const from: Scheme = scheme === "http" ? "https" : "http";
          const members: readonly Member[] = [
            { runs, url: from },
            { runs: other, url: from },
          ];
          if (!isWholeAlways(members, current)) continue;
          it(`is asked of all pairs: ${runs} beside ${other}, by ${current}, to ${scheme}`, () => {
            const [first] = occupants(members);
            assert.ok(first !== undefined);
            const moved = [{ runs, url: scheme }, ...members.slice(1)];
            assert.equal(
              mayMove(first, scheme, current, occupants(members)),
              isWholeAlways(moved, current),
            );
          });
        }
});

interface State {
  readonly members: readonly Member[];
  readonly template: Transport;
}

/** Everything that the operator, or a restart, does next. */
function nextStates({ members, template }: State, goal: Transport): State[] {
  const restarted = members.flatMap((member, at) =>
    member.runs === template
      ? []
      : [{ template, members: members.with(at, { ...member, runs: template }) }],
  );
  const turn = nextTransportTurn(template, goal, occupants(members));
  if (turn.kind === "switch") return [...restarted, { members, template: turn.to }];
  if (turn.kind !== "move") return restarted;
  const moved = members.flatMap((member, at) =>
    member.url === turn.scheme
      ? []
      : [{ template, members: members.with(at, { ...member, url: turn.scheme }) }],
  );
  return [...restarted, ...moved];
}

function keyOf({ members, template }: State): string {
  return `${template} ${members.map(({ runs, url }) => `${runs}/${url}`).join(" ")}`;
}

describe("every way from one to another, with people who change their minds at any step", () => {
  const whole = (transport: Transport): State => {
    const member = { runs: transport, url: advertisedBy(transport) };
    return { members: [member, member, member], template: transport };
  };

  it("parts no two members, whoever restarts and whenever", () => {
    const seen = new Map<string, State>();
    const open = GOALS.map(whole);
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      if (seen.has(keyOf(state))) continue;
      seen.set(keyOf(state), state);
      assert.ok(isWholeAlways(state.members, state.template), keyOf(state));
      for (const goal of GOALS) open.push(...nextStates(state, goal));
    }
    assert.ok(seen.size > 100, `${seen.size} states are too few`);
    for (const state of seen.values())
      for (const goal of GOALS) assert.ok(arrives(state, goal), `${keyOf(state)} to ${goal}`);
  });

  /** Steps and restarts, until there is nothing to do; that is the goal. */
  function arrives(from: State, goal: Transport): boolean {
    let state = from;
    for (let step = 0; step < 40; step++) {
      const [next] = nextStates(state, goal);
      if (next === undefined) {
        return (
          state.template === goal &&
          state.members.every(({ runs, url }) => runs === goal && url === advertisedBy(goal))
        );
      }
      state = next;
    }
    return false;
  }

  for (const [from, to, rolls] of [
    ["Plaintext", "Tls", 2],
    ["Plaintext", "PlaintextAccepted", 2],
    ["PlaintextAccepted", "Tls", 1],
    ["Tls", "PlaintextAccepted", 1],
    ["Tls", "Plaintext", 2],
    ["PlaintextAccepted", "Plaintext", 2],
  ] as const)
    it(`takes ${rolls} rolls from ${from} to ${to}`, () => {
      let state = whole(from);
      const templates = [state.template];
      for (
        let next = nextStates(state, to)[0];
        next !== undefined;
        [next] = nextStates(state, to)
      ) {
        state = next;
        if (templates.at(-1) !== state.template) templates.push(state.template);
      }
      assert.equal(templates.length - 1, rolls, templates.join(", "));
      assert.equal(state.template, to);
    });
});

describe("what a client uses", () => {
  it("is served by every member now, and by every one that restarts", () => {
    const steps: readonly (readonly [Transport, Transport])[] = [
      ["Plaintext", "MixedHttp"],
      ["MixedHttp", "Plaintext"],
      ["MixedHttp", "Tls"],
      ["MixedHttp", "PlaintextAccepted"],
      ["PlaintextAccepted", "Tls"],
      ["Tls", "PlaintextAccepted"],
      ["Tls", "MixedHttps"],
      ["PlaintextAccepted", "MixedHttps"],
      ["MixedHttps", "Tls"],
      ["MixedHttps", "Plaintext"],
      ["MixedHttp", "MixedHttp"],
    ];
    for (const [runs, template] of steps) {
      const one = clientScheme(runs, template);
      assert.ok(servesClients(runs, one) && servesClients(template, one), `${runs} ${template}`);
      for (const goal of GOALS) {
        const all = commonScheme(goal, template, [runs, template]);
        assert.ok(servesClients(runs, all) && servesClients(template, all), `${runs} ${template}`);
      }
    }
  });

  it("is what is wanted as soon as every member serves it", () => {
    assert.equal(commonScheme("Tls", "MixedHttp", ["Plaintext", "MixedHttp"]), "http");
    assert.equal(commonScheme("Tls", "MixedHttp", ["MixedHttp", "MixedHttp"]), "https");
    assert.equal(commonScheme("Plaintext", "MixedHttps", ["Tls", "MixedHttps"]), "https");
    assert.equal(commonScheme("Plaintext", "MixedHttps", ["MixedHttps"]), "http");
  });
});
