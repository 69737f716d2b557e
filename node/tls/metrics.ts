/** What is measured of TLS. */
import { exposeLabelled, type Exposition, type Sample } from "../exposition.ts";
import type { Credentials } from "./credentials.ts";
import type { MemberTls } from "./open.ts";

export function exposeTls(exposition: Exposition, { client, peer }: MemberTls): void {
  const both = [client, peer];
  exposeLabelled(
    exposition,
    "gauge",
    "quorate_tls_certificate_expiry_seconds",
    "Seconds until the certificate ends, by the flag that names it; below 0 it has.",
    () => both.flatMap((side) => expiries(side, Date.now())),
  );
  exposeLabelled(
    exposition,
    "gauge",
    "quorate_tls_plaintext_connections",
    "Open connections without TLS to URLs with TLS, as --client-allow-plaintext and --peer-allow-plaintext let in.",
    () => both.map((each): Sample => [{ side: each.settings.side }, each.plaintext.open]),
  );
  const counter = (name: string, help: string, read: (of: Credentials) => number): void =>
    exposeLabelled(exposition, "counter", name, help, () =>
      both.map((each): Sample => [{ side: each.settings.side }, read(each)]),
    );
  counter(
    "quorate_tls_rejected_connections_total",
    "Handshakes that failed and clients whose certificate was refused.",
    (of) => of.refusals,
  );
  counter(
    "quorate_tls_plaintext_accepted_total",
    "Connections without TLS to URLs with TLS that were let in.",
    (of) => of.plaintext.accepted,
  );
  counter(
    "quorate_tls_reloads_total",
    "Times that changed files were taken over.",
    (of) => of.reloads,
  );
  counter(
    "quorate_tls_reload_failures_total",
    "Times that changed files were not, since they are wrong.",
    (of) => of.failures,
  );
}

function expiries({ material }: Credentials, nowMs: number): Sample[] {
  return material.held.map(({ use, notAfter }) => [{ use }, (notAfter.getTime() - nowMs) / 1000]);
}
