/**
 * To TLS, and away from it, while the cluster serves. Here is only decided what the members' template says, and when their peer
 * URLs change; pods follow the template by a roll like any other. Pure.
 */
import { SECRET } from "../../api/resources.ts";
import { type Action, stalled, wait } from "../action.ts";
import { isOwned } from "../drift.ts";
import { isBackupReading } from "../facts.ts";
import { missingCertificate } from "../given.ts";
import { latchedTransport } from "../journal.ts";
import { clusterNames } from "../names.ts";
import { begin, write } from "../step.ts";
import { type Turn, nextTransportTurn, wantedTransport } from "../transport.ts";
import { type View, isWithTls, occupantsOf, updateRevision } from "../view.ts";

export function turnOf(view: View): Turn {
  const { transport } = view.journal.latched;
  return nextTransportTurn(transport, wantedTransport(view.spec), occupantsOf(view));
}

/**
 * Asked before the gate: on its way back a cluster may have a member that does not start with TLS, and waits for nothing else. A
 * template that is changed takes nobody down.
 */
export function planTransport(view: View): Action | null {
  const { facts, journal } = view;
  const turn = turnOf(view);
  // A roll that failed is not to be begun anew for it.
  if (turn.kind === "none" || turn.kind === "roll" || journal.failed !== null) return null;
  if (view.memberList === null || updateRevision(view) === null) return null;
  if (isBackupReading(facts))
    return wait("AwaitBackup", "a backup reads from a member, at the URL that it has");
  if (turn.kind === "switch") {
    if (journal.latched.transport === "Plaintext" && missingCertificate(view) !== null) return null;
    return write(view, { latched: latchedTransport(journal.latched, turn.to) });
  }
  const absent = view.places.filter(({ member, participates }) => member !== null && !participates);
  // One alone may be away for the very URL that is to be changed.
  const [first] = absent;
  if (absent.length > 1 || (first !== undefined && first.peerUrl.startsWith(`${turn.scheme}:`)))
    return null;
  return begin(view, {
    type: "MovePeers",
    step: "ChooseMember",
    scheme: turn.scheme,
    current: null,
    seenAt: null,
  });
}

/** Asked last of all: nothing else is to be done, and the cluster is still between the two. */
export function planTransportWait(view: View): Action | null {
  const turn = turnOf(view);
  const { transport: current } = view.journal.latched;
  const missing =
    turn.kind === "switch" && current === "Plaintext" ? missingCertificate(view) : null;
  if (missing !== null) return stalled("AwaitCertificate", missing);
  const isBehind = view.places.some(({ transport }) => (transport ?? current) !== current);
  if ((turn.kind === "none" && !isBehind) || view.journal.failed !== null) return null;
  return wait(
    "AwaitRestarts",
    "the members have to restart before they can go on to TLS, or away from it: update.strategy is Manual",
    30_000,
  );
}

/** Once nobody has TLS any more, what was for it goes: the members' Secrets first, the authority last. */
export function planLeftCertificates(view: View): Action | null {
  const { facts, journal } = view;
  if (isWithTls(view)) return null;
  const { tls, ...spec } = view.spec;
  if (tls !== undefined) return write(view, { adopted: { ...journal.adopted, spec } });
  const called = clusterNames(facts.cluster.metadata.name);
  const { serverTls, peerTls, clientTls, operatorTls, authority } = called;
  for (const name of [serverTls, peerTls, clientTls, operatorTls, authority]) {
    const secret = facts.secrets.get(name);
    if (secret === undefined || !isOwned(secret, facts.cluster)) continue;
    return { kind: "deleteOwned", resource: SECRET, name, uid: secret.metadata.uid ?? "" };
  }
  return null;
}
