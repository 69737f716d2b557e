/** The certificates that members have mounted: each takes over what the Secrets hold in its own time. */
import { X509Certificate } from "node:crypto";
import type { BootReport, TlsInUse } from "../../../src/api/boot.ts";
import type { AdminAccess } from "../../../operator/admin.ts";
import { SECRET } from "../../../operator/api/resources.ts";
import type { Secret } from "../../../operator/cluster/objects.ts";
import type { FakeApi } from "../fake-api.ts";

interface Mounted {
  readonly at: number;
  readonly client: Files | null;
  readonly peer: Files | null;
}

interface Files {
  readonly certificate: X509Certificate;
  readonly authorities: readonly X509Certificate[];
}

/** What a member reports that has no certificates. */
export const NO_TLS: BootReport["tls"] = { client: null, peer: null };

/** How long after a change a volume shows it, at least, and how much later each further member. */
const LATE_MS = 5_000;

export class MountedTls {
  readonly #api: FakeApi;
  readonly #namespace: string;
  readonly #cluster: string;
  readonly #mounted = new Map<string, Mounted>();
  /** By PEM: what was read once. */
  readonly #parsed = new Map<string, X509Certificate>();
  /** Whether one certificate signed another, by both fingerprints. */
  readonly #signed = new Map<string, boolean>();

  constructor(api: FakeApi, namespace: string, cluster: string) {
    this.#api = api;
    this.#namespace = namespace;
    this.#cluster = cluster;
  }

  /** For a pod that starts. False: a Secret is not there, and so it cannot. */
  mount(pod: string, now: number): boolean {
    const [client, peer] = [this.#read("server"), this.#read("peer")];
    if (client === null || peer === null) return false;
    this.#mounted.set(pod, { at: now, client, peer });
    return true;
  }

  /** What this pod uses at `now`, in milliseconds of virtual time. */
  report(pod: string, now: number): BootReport["tls"] {
    const ordinal = Number(pod.replace(/^.*-/, ""));
    const before = this.#mounted.get(pod);
    if (before === undefined || now - before.at >= LATE_MS * (ordinal + 1))
      this.#mounted.set(pod, {
        at: now,
        // A volume whose Secret is gone shows what it held.
        client: this.#read("server") ?? before?.client ?? null,
        peer: this.#read("peer") ?? before?.peer ?? null,
      });
    const files = this.#mounted.get(pod);
    return { client: inUse(files?.client), peer: inUse(files?.peer) };
  }

  /** The pod is gone, or begins anew: its volume is mounted as it is then. */
  forget(pod: string): void {
    this.#mounted.delete(pod);
  }

  /** Why the pod and a client that has this would not talk; null: they would. */
  refusal(pod: string, own: NonNullable<AdminAccess["tls"]>): string | null {
    const client = this.#mounted.get(pod)?.client;
    if (client == null) return null;
    const trusted = this.#authoritiesOf(own.ca);
    if (!this.#isSigned(client.certificate, trusted))
      return `${pod} shows an unknown authority's leaf`;
    const shown = this.#parse(own.cert);
    return this.#isSigned(shown, client.authorities)
      ? null
      : `${pod} does not know who signed the client`;
  }

  /** Pairs of pods, of those that count, of which the first would refuse the second's certificate, on either side. */
  strangers(counts: (pod: string) => boolean = () => true): string[] {
    const found: string[] = [];
    const all = [...this.#mounted].filter(([pod]) => counts(pod));
    for (const [one, { client, peer }] of all)
      for (const [other, shown] of all) {
        if (!this.#trusts(client, shown.client))
          found.push(`${one} refuses ${other} as a client does`);
        if (!this.#trusts(peer, shown.peer)) found.push(`${one} refuses ${other} as a peer`);
      }
    return found;
  }

  #read(side: "server" | "peer"): Files | null {
    const ref = { namespace: this.#namespace, name: `${this.#cluster}-${side}-tls` };
    const { data } = (this.#api.store.get(SECRET, ref) ?? {}) as Partial<Secret>;
    const [certificate, bundle] = ["tls.crt", "ca.crt"].map((key) =>
      Buffer.from(data?.[key] ?? "", "base64").toString(),
    );
    if (certificate === undefined || certificate === "" || bundle === undefined) return null;
    return {
      certificate: this.#parse(certificate),
      authorities: this.#authoritiesOf(bundle),
    };
  }

  #authoritiesOf(bundle: string): X509Certificate[] {
    const blocks = bundle.split(/(?<=-----END CERTIFICATE-----\n)/).filter((text) => text !== "");
    return blocks.map((block) => this.#parse(block));
  }

  #parse(pem: string): X509Certificate {
    const parsed = this.#parsed.get(pem) ?? new X509Certificate(pem);
    this.#parsed.set(pem, parsed);
    return parsed;
  }

  #trusts(judge: Files | null, shown: Files | null): boolean {
    if (judge === null || shown === null) return judge === shown;
    return this.#isSigned(shown.certificate, judge.authorities);
  }

  #isSigned(leaf: X509Certificate, authorities: readonly X509Certificate[]): boolean {
    return authorities.some((authority) => this.#hasSigned(authority, leaf));
  }

  #hasSigned(authority: X509Certificate, certificate: X509Certificate): boolean {
    const key = `${authority.fingerprint256} ${certificate.fingerprint256}`;
    const has = this.#signed.get(key) ?? certificate.verify(authority.publicKey);
    this.#signed.set(key, has);
    return has;
  }
}

function inUse(files: Files | null | undefined): TlsInUse | null {
  if (files == null) return null;
  const print = ({ fingerprint256 }: X509Certificate): string =>
    fingerprint256.replaceAll(":", "").toLowerCase();
  return { certificate: print(files.certificate), authorities: files.authorities.map(print) };
}
