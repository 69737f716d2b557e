/**
 * Flags of a member that the operator sets, or that would undo what it relies on: `server.extraArgs` may not name them. The
 * rule in the schema is made from this list.
 */
export const OWNED_FLAGS: readonly string[] = [
  // Identity, addresses, membership.
  "name",
  "boot-dir",
  "data-dir",
  "wal-dir",
  "listen-client-urls",
  "listen-client-http-urls",
  "listen-peer-urls",
  "listen-metrics-urls",
  "initial-advertise-peer-urls",
  "initial-cluster",
  "initial-cluster-state",
  "initial-cluster-token",
  "advertise-client-urls",
  "force-new-cluster",
  "strict-reconfig-check",
  "max-learners",
  // What the spec has fields for.
  "heartbeat-interval",
  "election-timeout",
  "quota-backend-bytes",
  "auto-compaction-mode",
  "auto-compaction-retention",
  // TLS: files that the operator mounts, and who may come in.
  "cert-file",
  "key-file",
  "client-cert-file",
  "client-key-file",
  "trusted-ca-file",
  "client-cert-auth",
  "client-cert-allowed-cn",
  "client-cert-allowed-hostname",
  "client-allow-plaintext",
  "auto-tls",
  "peer-cert-file",
  "peer-key-file",
  "peer-client-cert-file",
  "peer-client-key-file",
  "peer-trusted-ca-file",
  "peer-client-cert-auth",
  "peer-cert-allowed-cn",
  "peer-cert-allowed-hostname",
  "peer-skip-client-san-verification",
  "peer-auto-tls",
  "peer-allow-plaintext",
  // With a file, neither flags nor environment are read; without fsync, a power cut loses what was acknowledged.
  "config-file",
  "unsafe-no-fsync",
];
