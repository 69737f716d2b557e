/** What clients use now, and what they have to do while a cluster goes to TLS or away from it. Pure. */
import type { Observation } from "../api/conditions.ts";
import { CLIENT_PORT, clusterNames } from "./names.ts";
import { turnOf } from "./operation/transport-turn.ts";
import {
  type Scheme,
  type Transport,
  advertisedBy,
  commonScheme,
  servesClients,
  servesPeers,
  wantedTransport,
} from "./transport.ts";
import type { View } from "./view.ts";

function running({ places }: View): readonly Transport[] {
  return places.flatMap(({ transport }) => transport ?? []);
}

/** By which clients reach every member that runs now, and every one that restarts. */
export function endpointOf(view: View): string {
  const { transport } = view.journal.latched;
  return endpointBy(view, commonScheme(wantedTransport(view.spec), transport, running(view)));
}

function endpointBy({ facts }: View, scheme: Scheme): string {
  const { name, namespace = "" } = facts.cluster.metadata;
  return `${scheme}://${clusterNames(name).clientService}.${namespace}.svc:${CLIENT_PORT}`;
}

/** TLSReady of a cluster that is without TLS, on its way, or open to those without it; null: it has TLS alone. */
export function tellTransport(view: View): Observation<"TLSReady"> | null {
  const { transport: current } = view.journal.latched;
  const wanted = wantedTransport(view.spec);
  const all = [current, ...running(view)];
  const isThere = all.every((one) => one === wanted) && turnOf(view).kind === "none";
  const told = (reason: string, message: string): Observation<"TLSReady"> => ({
    type: "TLSReady",
    status: all.every((one) => servesClients(one, "https")) ? "True" : "False",
    reason,
    message,
  });
  if (!isThere) return told(...onTheWay(view, wanted));
  if (wanted === "Tls") return null;
  const plain = endpointBy(view, "http");
  const secure = endpointBy(view, "https");
  return wanted === "Plaintext"
    ? told("Plaintext", `unsafe.plaintext: there is no TLS, clients use ${plain}`)
    : told(
        "PlaintextAccepted",
        `clients without TLS are served as well: move them to ${secure}, then remove unsafe.acceptPlaintext`,
      );
}

/** Reason and message. */
function onTheWay(view: View, wanted: Transport): [string, string] {
  const { transport: current } = view.journal.latched;
  const [plain, secure] = [endpointBy(view, "http"), endpointBy(view, "https")];
  const now = endpointOf(view);
  const isThere = now.startsWith(`${advertisedBy(wanted)}:`);
  if (wanted === "Plaintext")
    return [
      "TurningTLSOff",
      isThere
        ? `${stageOf(view)}; clients move to ${plain} now: those with TLS are refused after the last restarts`
        : `${stageOf(view)}; clients go on with ${now}`,
    ];
  // Nobody is without TLS: only who is served beside it changes.
  if ([current, ...running(view)].every((one) => !servesPeers(one, "http")))
    return wanted === "Tls"
      ? ["RefusingPlaintext", `${stageOf(view)}; clients use ${secure}`]
      : ["AcceptingPlaintext", `${stageOf(view)}; clients go on with ${now} until then`];
  const after =
    wanted === "Tls"
      ? `those without TLS are refused after the last restarts; unsafe.acceptPlaintext serves them for as long as they need`
      : `those without TLS are served until unsafe.acceptPlaintext is removed`;
  return [
    "TurningTLSOn",
    isThere
      ? `${stageOf(view)}; clients move to ${secure} now: ${after}`
      : `${stageOf(view)}; clients go on with ${now}`,
  ];
}

function stageOf(view: View): string {
  const { transport } = view.journal.latched;
  const behind = view.places.filter((place) => (place.transport ?? transport) !== transport);
  if (behind.length > 0)
    return `members restart, one at a time: ${behind.map(({ name }) => name).join(", ")} to come`;
  switch (turnOf(view).kind) {
    case "switch":
      return transport === "Plaintext"
        ? "certificates are being made"
        : "every member is ready for its next restart";
    case "move":
      return "every member serves with TLS and without; they become known to each other by other URLs";
    default:
      return "every member is as it shall be";
  }
}
