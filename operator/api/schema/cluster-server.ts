/** Of a cluster's spec: what runs, on what disk, and what a new cluster begins with. */
import { OWNED_FLAGS } from "../owned-flags.ts";
import { choice, list, map, object, quantity, string } from "./node.ts";
import type { ObjectNode, Rule } from "./node.ts";
import {
  celString,
  dnsSubdomain,
  duration,
  isDuration,
  localReference,
  restoreSource,
  unchanged,
} from "./shared.ts";

/** In a rule: the quantity that an int-or-string holds. */
export function asQuantity(expression: string): string {
  return `quantity(string(${expression}))`;
}

export function isQuantity(expression: string): string {
  return `isQuantity(string(${expression}))`;
}

function sizeRules(atLeast: string, why: string): readonly Rule[] {
  return [
    {
      rule: isQuantity("self"),
      message: 'must be a quantity, such as "8Gi": a number and Ki, Mi, Gi or Ti',
    },
    {
      rule: `!${isQuantity("self")} || ${asQuantity("self")}.compareTo(quantity('${atLeast}')) >= 0`,
      message: `must be at least ${atLeast}: ${why}`,
    },
  ];
}

export const image: ObjectNode = object(
  "ImageSpec",
  "Where the image of the members comes from. Its tag is the version.",
  {
    repository: string(
      "Repository without a tag; absent: the operator's own. It relocates the image and nothing else.",
      {
        minLength: 1,
        maxLength: 512,
        pattern: {
          regex: "^([a-z0-9.-]+(:[0-9]+)?/)?[a-z0-9._-]+(/[a-z0-9._-]+)*$",
          says: 'must be a repository without a tag or digest, such as "ghcr.io/quorate/quorate": the tag is spec.version',
        },
      },
    ),
    pullPolicy: choice("When the kubelet pulls.", ["IfNotPresent", "Always", "Never"], {
      value: "IfNotPresent",
    }),
    pullSecrets: list(
      "Secrets with which to pull.",
      { ...localReference("A Secret of type kubernetes.io/dockerconfigjson.") },
      { maxItems: 8, keys: ["name"] },
    ),
  },
  { value: {} },
);

export const storage: ObjectNode = object(
  "StorageSpec",
  "The volume of each member.",
  {
    size: quantity(
      "Size of each volume, more than twice server.quotaBackend. It can grow and never shrink.",
      {
        required: true,
        rules: sizeRules("256Mi", "with less a member has no room for its log and its snapshots"),
      },
    ),
    storageClassName: dnsSubdomain(
      "StorageClass of the volumes; absent: the default one. Cannot be changed.",
    ),
    accessMode: choice(
      "ReadWriteOncePod keeps a second pod away from the volume; ReadWriteOnce is for drivers that do not know it. " +
        "Cannot be changed.",
      ["ReadWriteOncePod", "ReadWriteOnce"],
      { value: "ReadWriteOncePod" },
    ),
    retention: object(
      "RetentionSpec",
      "What becomes of volumes that no member needs any more.",
      {
        onScaleIn: choice("Of a member that was removed.", ["Delete", "Retain"], {
          value: "Delete",
        }),
        onDelete: choice("Of all members, when the cluster is deleted.", ["Retain", "Delete"], {
          value: "Retain",
        }),
      },
      { value: {} },
    ),
  },
  {
    required: true,
    rules: [
      {
        rule:
          `!${isQuantity("self.size")} || !${isQuantity("oldSelf.size")} || ` +
          `${asQuantity("self.size")}.compareTo(${asQuantity("oldSelf.size")}) >= 0`,
        message:
          "storage.size can grow and never shrink: set it to what it was or more; for smaller volumes restore a backup into a new cluster",
        fieldPath: ".size",
      },
      {
        rule: unchanged("storageClassName"),
        message:
          "storage.storageClassName cannot be changed: volumes keep their class; restore a backup into a new cluster of the other class",
        fieldPath: ".storageClassName",
      },
      {
        rule: unchanged("accessMode"),
        message:
          "storage.accessMode cannot be changed: volumes keep their mode; restore a backup into a new cluster",
        fieldPath: ".accessMode",
      },
    ],
  },
);

const autoCompaction: ObjectNode = object(
  "AutoCompactionSpec",
  "How much history is kept.",
  {
    mode: choice(
      "Whether retention is a time or a number of revisions.",
      ["Periodic", "Revision"],
      { value: "Periodic" },
    ),
    retention: string(
      'With Periodic a duration such as "5m", with Revision a number such as "10000"; "0" keeps everything.',
      { value: "5m", minLength: 1, maxLength: 32 },
    ),
  },
  {
    value: {},
    rules: [
      {
        rule: `self.mode != 'Periodic' || self.retention == '0' || ${isDuration("self.retention")}`,
        message:
          'retention must be a duration such as "5m" where mode is Periodic: give it a unit, or set mode to Revision',
        fieldPath: ".retention",
      },
      {
        rule: "self.mode != 'Revision' || self.retention.matches('^(0|[1-9][0-9]{0,17})$')",
        message:
          'retention must be a number of revisions such as "10000" where mode is Revision: set one, or set mode to Periodic',
        fieldPath: ".retention",
      },
    ],
  },
);

const extraArgs: ReturnType<typeof map> = map(
  "Further flags of quorate, without the leading hyphens. Those that the operator sets itself are refused.",
  string("Value of the flag.", { maxLength: 1024 }),
  {
    maxProperties: 32,
    rules: [
      {
        rule: "self.all(flag, flag.matches('^[a-z][a-z0-9-]{0,63}$'))",
        message: 'names of flags are written without leading hyphens, such as "snapshot-count"',
      },
      {
        rule: `!self.exists(flag, flag in [${OWNED_FLAGS.map(celString).join(",")}])`,
        message:
          "the operator owns names, addresses, membership, TLS, quota, compaction, timing and data directories: remove these flags and " +
          "use the fields of the spec",
      },
    ],
  },
);

const MILLISECONDS = "getMilliseconds()";

export const server: ObjectNode = object(
  "ServerSpec",
  "How the members run.",
  {
    quotaBackend: quantity(
      "Size of the database at which writes are refused (NOSPACE); absent: 40 % of storage.size.",
      { rules: sizeRules("16Mi", "with less a cluster is full before it is used") },
    ),
    autoCompaction,
    heartbeatInterval: duration("Time between a leader's heartbeats.", { value: "100ms" }),
    electionTimeout: duration(
      "Time without a leader before an election: at least five heartbeats, at most 50s.",
      { value: "1s" },
    ),
    extraArgs,
  },
  {
    value: {},
    rules: [
      {
        rule:
          `!${isDuration("self.heartbeatInterval")} || !${isDuration("self.electionTimeout")} || ` +
          `duration(self.electionTimeout).${MILLISECONDS} >= 5 * duration(self.heartbeatInterval).${MILLISECONDS}`,
        message:
          "electionTimeout must be at least five times heartbeatInterval: raise it, or lower heartbeatInterval",
        fieldPath: ".electionTimeout",
      },
      {
        rule: `!${isDuration("self.electionTimeout")} || duration(self.electionTimeout) <= duration('50s')`,
        message: "electionTimeout must be at most 50s: lower it",
        fieldPath: ".electionTimeout",
      },
      {
        rule: `!${isDuration("self.heartbeatInterval")} || duration(self.heartbeatInterval) >= duration('10ms')`,
        message: "heartbeatInterval must be at least 10ms: raise it",
        fieldPath: ".heartbeatInterval",
      },
    ],
  },
);

export const bootstrap: ObjectNode = object(
  "BootstrapSpec",
  "What a new cluster begins with. Read at its creation alone, and cannot be changed; to restore a cluster that exists, " +
    "use a QuorateTask.",
  {
    restoreFrom: restoreSource("Begin with this snapshot instead of an empty store.", {
      required: true,
    }),
  },
);
