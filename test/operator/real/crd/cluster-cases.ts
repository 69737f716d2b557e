/** QuorateCluster: what is accepted and what is refused when one is made. */
import { OWNED_FLAGS } from "../../../../operator/api/owned-flags.ts";
import { QUORATE_CLUSTER } from "../../../../operator/api/resources.ts";
import { Table } from "./bases.ts";
import type { Case } from "./case.ts";

export function clusterCases(): readonly Case[] {
  const table = new Table(QUORATE_CLUSTER);
  names(table);
  replicas(table);
  versions(table);
  sizes(table);
  server(table);
  flags(table);
  tls(table);
  templates(table);
  windows(table);
  repair(table);
  bootstrap(table);
  return table.cases;
}

function names(table: Table): void {
  table.acceptName("a");
  table.acceptName("kv-2");
  table.acceptName("a".repeat(40));
  table.refuseName("a".repeat(41), "<nil>", "Choose a shorter name");
  table.refuseName("1kv", "<nil>", "metadata.name must have at most 40");
  table.refuseName("kv.data", "<nil>", "metadata.name must have at most 40");
}

function replicas(table: Table): void {
  table.accept("replicas come by default", { replicas: undefined });
  for (const count of [0, 1, 3, 5, 7])
    table.accept(`${count} replicas are accepted`, { replicas: count });
  for (const count of [2, 4, 6]) {
    const says = "Use an odd number, or set unsafe.evenReplicas";
    table.refuse(`${count} replicas are refused`, { replicas: count }, "spec.replicas", says);
    const edits = { replicas: count, "unsafe.evenReplicas": true };
    table.accept(`${count} replicas are accepted with unsafe.evenReplicas`, edits);
  }
  const tooMany = "should be less than or equal to 7";
  for (const count of [8, 9])
    table.refuse(`${count} replicas are refused`, { replicas: count }, "spec.replicas", tooMany);
  const eight = { replicas: 8, "unsafe.evenReplicas": true };
  table.refuse("8 replicas are refused by whatever name", eight, "spec.replicas", tooMany);
  const negative = "should be greater than or equal to 0";
  table.refuse("-1 replicas are refused", { replicas: -1 }, "spec.replicas", negative);
}

function versions(table: Table): void {
  for (const version of ["0.1.0", "1.4.2", "10.20.30", "1.0.0-rc.1", "1.0.0-alpha-2.x"])
    table.accept(`version ${version} is accepted`, { version });
  const wrong = ["v1.4.2", "1.4", "1", "latest", "1.4.2.1", "01.4.2", "1.4.2-", "1.4.2+meta", ""];
  for (const version of wrong) {
    const says = 'such as "1.4.2"';
    table.refuse(`version "${version}" is refused`, { version }, "spec.version", says);
  }
  table.accept("layoutRevision v1 is accepted", { layoutRevision: "v1" });
  for (const layoutRevision of ["1", "v0", "latest"]) {
    const says = 'such as "v1"';
    const claim = `layoutRevision ${layoutRevision} is refused`;
    table.refuse(claim, { layoutRevision }, "spec.layoutRevision", says);
  }
  for (const repository of ["quorate", "ghcr.io/quorate/quorate", "localhost:5000/a/b_c"])
    table.accept(`repository ${repository} is accepted`, { "image.repository": repository });
  for (const repository of ["ghcr.io/quorate/quorate:1.4.2", "a/b@sha256:00", "Q", "a/"]) {
    const says = "must be a repository without a tag or digest";
    const edits = { "image.repository": repository };
    table.refuse(`repository ${repository} is refused`, edits, "spec.image.repository", says);
  }
}

function sizes(table: Table): void {
  for (const size of ["8Gi", "256Mi", "1.5Ti", "10G", 1_073_741_824, "1e9"])
    table.accept(`size ${size} is accepted`, { "storage.size": size });
  for (const size of ["8GB", "big", "", "8 Gi"])
    table.refuse(
      `size "${size}" is refused`,
      { "storage.size": size },
      "spec.storage.size",
      '"8Gi"',
    );
  for (const size of ["255Mi", "0", "-8Gi", "-", 1])
    table.refuse(
      `size ${size} is refused`,
      { "storage.size": size },
      "spec.storage.size",
      "must be at least 256Mi",
    );
  table.refuse("no size is refused", { storage: {} }, "spec.storage.size", "Required value");
  table.refuse("no storage is refused", { storage: undefined }, "spec.storage", "Required value");

  const quota = (quotaBackend: string | number, size = "8Gi"): Record<string, string | number> => ({
    "server.quotaBackend": quotaBackend,
    "storage.size": size,
  });
  for (const less of ["16Mi", "3Gi", "4095Mi", 4_294_967_295])
    table.accept(`a quota of ${less} is accepted on 8Gi`, quota(less));
  for (const more of ["4Gi", "8Gi", 4_294_967_296])
    table.refuse(
      `a quota of ${more} is refused on 8Gi`,
      quota(more),
      "spec.storage.size",
      "must be more than twice server.quotaBackend",
    );
  const field = "spec.server.quotaBackend";
  table.refuse("a quota of 15Mi is refused", quota("15Mi"), field, "must be at least 16Mi");
  table.refuse("a quota of 4GB is refused", quota("4GB"), field, '"8Gi"');
}

function server(table: Table): void {
  for (const [heartbeat, election] of [
    ["100ms", "500ms"],
    ["10ms", "50s"],
    ["1s", "5s"],
    ["1.5s", "1m"],
  ] as const) {
    const edits = { "server.heartbeatInterval": heartbeat, "server.electionTimeout": election };
    if (election === "1m")
      table.refuse(
        "an election timeout of 1m is refused",
        edits,
        "spec.server.electionTimeout",
        "at most 50s",
      );
    else table.accept(`heartbeats of ${heartbeat} and elections of ${election}`, edits);
  }
  table.refuse(
    "an election timeout below five heartbeats is refused",
    { "server.heartbeatInterval": "100ms", "server.electionTimeout": "499ms" },
    "spec.server.electionTimeout",
    "at least five times heartbeatInterval: raise it",
  );
  table.refuse(
    "heartbeats of 9ms are refused",
    { "server.heartbeatInterval": "9ms" },
    "spec.server.heartbeatInterval",
    "at least 10ms",
  );
  for (const name of ["heartbeatInterval", "electionTimeout"])
    for (const text of ["100", "0.1", "100 ms", "-1s", "1d", "ms", ""])
      table.refuse(
        `${name} "${text}" is refused`,
        { [`server.${name}`]: text },
        `spec.server.${name}`,
        "must be a duration with its units",
      );
  const compaction = (mode: string, retention?: string): Record<string, string | undefined> => ({
    "server.autoCompaction.mode": mode,
    "server.autoCompaction.retention": retention,
  });
  for (const text of ["0", "5m", "1h30m", "500ms"])
    table.accept(`periodic compaction of ${text}`, compaction("Periodic", text));
  for (const text of ["5", "1d", "", "m"])
    table.refuse(
      `periodic compaction of "${text}" is refused`,
      compaction("Periodic", text),
      "spec.server.autoCompaction.retention",
      text === "" ? "at least 1 char" : "give it a unit, or set mode to Revision",
    );
  for (const text of ["0", "10000"])
    table.accept(`compaction after ${text} revisions`, compaction("Revision", text));
  for (const text of ["5m", "-1", "1e3", undefined])
    table.refuse(
      `compaction after ${text ?? "the default of"} revisions is refused`,
      compaction("Revision", text),
      "spec.server.autoCompaction.retention",
      "must be a number of revisions",
    );
}

function flags(table: Table): void {
  const field = "spec.server.extraArgs";
  for (const flag of ["snapshot-catchup-entries", "max-txn-ops", "log-level", "auth-token", "cors"])
    table.accept(`the flag ${flag} is free`, { "server.extraArgs": { [flag]: "1" } });
  for (const flag of OWNED_FLAGS)
    table.refuse(
      `the flag ${flag} is the operator's`,
      { "server.extraArgs": { "max-txn-ops": "1", [flag]: "1" } },
      field,
      "remove these flags and use the fields of the spec",
    );
  for (const flag of ["--log-level", "-v", "Log-Level", "log level", "log=level", "a".repeat(65)])
    table.refuse(
      `"${flag}" is no flag`,
      { "server.extraArgs": { [flag]: "1" } },
      field,
      "without leading hyphens",
    );
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`flag-${at}`, "1"]));
  table.refuse("33 flags are refused", { "server.extraArgs": many }, field, "at most 32");
}

function tls(table: Table): void {
  const certManager = { issuerRef: { name: "ca" } };
  const issuers = { operatorCA: {}, certManager, secretRef: { name: "mine" } };
  for (const side of ["client", "peer"]) {
    for (const [name, issuer] of Object.entries(issuers))
      table.accept(`${side} certificates by ${name}`, {
        [`tls.${side}.issuer`]: { [name]: issuer },
      });
    const field = `spec.tls.${side}.issuer`;
    const says = "keep one issuer and remove the others";
    table.refuse(`no issuer at all for ${side}`, { [field.slice(5)]: {} }, field, says);
    table.refuse(`three issuers for ${side}`, { [field.slice(5)]: issuers }, field, says);
    const two = { operatorCA: {}, secretRef: { name: "mine" } };
    table.refuse(`two issuers for ${side}`, { [field.slice(5)]: two }, field, says);
    const nameless = { [`tls.${side}.issuer`]: { certManager: { issuerRef: {} } } };
    const at = `${field}.certManager.issuerRef.name`;
    table.refuse(`a nameless issuer for ${side}`, nameless, at, "Required value");
  }
  table.accept("TLS that says nothing", { tls: {} });
  for (const overlap of ["0s", "90s", "24h", "720h"])
    table.accept(`an overlap of ${overlap}`, { "tls.authorityOverlap": overlap });
  const overlaps = { "721h": "must be at most 720h", "1d": "must be a duration", "": "duration" };
  for (const [overlap, says] of Object.entries(overlaps))
    table.refuse(
      `an overlap of "${overlap}"`,
      { "tls.authorityOverlap": overlap },
      "spec.tls.authorityOverlap",
      says,
    );
  table.accept("plaintext", { "unsafe.plaintext": true });
  table.refuse(
    "plaintext beside TLS is refused",
    { "unsafe.plaintext": true, "tls.client.mode": "Server" },
    "spec.tls",
    "remove one of them",
  );
  table.accept("clients without TLS beside TLS", { "unsafe.acceptPlaintext": true });
  table.accept("clients without TLS beside an issuer", {
    "unsafe.acceptPlaintext": true,
    "tls.client.mode": "Server",
  });
  table.refuse(
    "clients without TLS beside no TLS",
    { "unsafe.plaintext": true, "unsafe.acceptPlaintext": true },
    "spec.unsafe.acceptPlaintext",
    "remove one of them",
  );
  for (const name of ["kv.example.com", "*.kv.example.com", "10.0.0.7", "::1", "localhost"])
    table.accept(`certificates for ${name}`, { "tls.client.extraNames": [name] });
  for (const name of ["https://kv", "kv example", "kv.", "a.*.b", "kv:2379/"])
    table.refuse(
      `no certificates for ${name}`,
      { "tls.client.extraNames": [name] },
      "spec.tls.client.extraNames[0]",
      "must be a DNS name or an IP address",
    );
  table.refuse(
    "one name twice is refused",
    { "tls.client.extraNames": ["a", "a"] },
    "spec.tls.client.extraNames[1]",
    "Duplicate value",
  );
}

function templates(table: Table): void {
  const spec = { containers: [{ name: "quorate", resources: { limits: { memory: "1Gi" } } }] };
  table.accept("a partial PodSpec", { "podTemplate.spec": spec });
  table.accept("labels of one's own", { "podTemplate.metadata.labels": { team: "a" } });
  for (const key of ["quorate.io/role", "app.kubernetes.io/name"])
    table.refuse(
      `the label ${key} is the operator's`,
      { "podTemplate.metadata.labels": { [key]: "x" } },
      "spec.podTemplate.metadata.labels",
      "use another prefix",
    );
  table.refuse(
    "the annotation quorate.io/boot is the operator's",
    { "podTemplate.metadata.annotations": { "quorate.io/boot": "x" } },
    "spec.podTemplate.metadata.annotations",
    "use another prefix",
  );
  table.refuse(
    "a long label is refused",
    { "podTemplate.metadata.labels": { team: "x".repeat(64) } },
    "spec.podTemplate.metadata.labels.team",
    "may not be more than 63",
  );
}

function windows(table: Table): void {
  for (const window of [
    "Sat 02:00-05:00",
    "Mon-Fri 22:00-24:00",
    "* 03:00-04:00",
    "Fri 22:00-02:00",
  ])
    table.accept(`the window ${window}`, { "update.windows": [window] });
  for (const window of [
    "Sat",
    "02:00-05:00",
    "Sa 02:00-05:00",
    "Sat 2:00-5:00",
    "Sat 02:00-25:00",
    "sat 02:00-05:00",
    "Sat 02:60-05:00",
  ])
    table.refuse(
      `"${window}" is no window`,
      { "update.windows": [window] },
      "spec.update.windows[0]",
      '"Mon-Fri 22:00-24:00"',
    );
  table.refuse(
    "a window of no length is refused",
    { "update.windows": ["Sat 02:00-02:00"] },
    "spec.update.windows[0]",
    "move the end",
  );
  for (const zone of [
    "Etc/UTC",
    "UTC",
    "Europe/Berlin",
    "America/Argentina/Buenos_Aires",
    "Etc/GMT+3",
  ])
    table.accept(`the time zone ${zone}`, { "update.timeZone": zone });
  for (const zone of ["", "utc", "Europe/", "+01:00", "Europe Berlin"])
    table.refuse(
      `"${zone}" is no time zone`,
      { "update.timeZone": zone },
      "spec.update.timeZone",
      '"Europe/Berlin"',
    );
}

function repair(table: Table): void {
  for (const text of ["30s", "24h", "1h30m"])
    table.accept(`repair after ${text}`, { "repair.notReadyAfter": text });
  for (const text of ["29s", "25h"])
    table.refuse(
      `repair after ${text} is refused`,
      { "repair.notReadyAfter": text },
      "spec.repair.notReadyAfter",
      "must be from 30s to 24h",
    );
  table.refuse(
    "no automatic answer to the loss of a quorum",
    { "repair.onQuorumLoss": "Automatic" },
    "spec.repair.onQuorumLoss",
    'supported values: "Manual"',
  );
}

function bootstrap(table: Table): void {
  const from = "bootstrap.restoreFrom";
  const sha256 = "0".repeat(64);
  table.accept("from a backup", { [from]: { backupRef: { name: "b" } } });
  const stored = { storeRef: { name: "s3" }, key: "kv/snapshot.db", sha256 };
  table.accept("from a store", { [from]: { store: stored } });
  const claimed = { claimName: "c", path: "kv/snapshot.db" };
  table.accept("from a claim", { [from]: { pvc: claimed } });
  const says = "name one snapshot and remove the others";
  table.refuse("from nowhere", { [from]: {} }, `spec.${from}`, says);
  const both = { backupRef: { name: "b" }, pvc: claimed };
  table.refuse("from two snapshots", { [from]: both }, `spec.${from}`, says);
  table.refuse("an empty bootstrap", { bootstrap: {} }, `spec.${from}`, "Required value");
  table.refuse(
    "a checksum that is none",
    { [from]: { store: { ...stored, sha256: "abc" } } },
    `spec.${from}.store.sha256`,
    "64 digits",
  );
  for (const path of ["../other", "a/../../b", "./a"])
    table.refuse(
      `out of the volume by ${path}`,
      { [from]: { pvc: { ...claimed, path } } },
      `spec.${from}.pvc.path`,
      "write the path out",
    );
  table.refuse(
    "an absolute path",
    { [from]: { pvc: { ...claimed, path: "/etc/passwd" } } },
    `spec.${from}.pvc.path`,
    "without a leading slash",
  );
}
