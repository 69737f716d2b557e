/** What a person asks of a cluster. */
import { boolean, choice, int32, list, map, object, opaque, quantity, string } from "./node.ts";
import type { ObjectNode } from "./node.ts";
import { tls } from "./cluster-tls.ts";
import { VERSION, dnsSubdomain, duration, localReference, restoreSource } from "./shared.ts";

const image: ObjectNode = object(
  "ImageSpec",
  "Where the image of the members comes from. The tag is the version.",
  {
    repository: string(
      "Repository without a tag; absent: the operator's own image. It relocates the image and nothing else.",
      {
        minLength: 1,
        maxLength: 512,
        pattern: "^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?$",
      },
    ),
    pullPolicy: choice("When the kubelet pulls.", ["IfNotPresent", "Always", "Never"], {
      value: "IfNotPresent",
    }),
    pullSecrets: list(
      "Secrets with which to pull.",
      localReference("A Secret of type kubernetes.io/dockerconfigjson."),
      {
        maxItems: 8,
        keys: ["name"],
      },
    ),
  },
  { value: {} },
);

const storage: ObjectNode = object(
  "StorageSpec",
  "The volume of each member.",
  {
    size: quantity(
      "Size of each volume. It can grow and never shrink; more than twice server.quotaBackend.",
      { required: true },
    ),
    storageClassName: dnsSubdomain(
      "StorageClass of the volumes; absent: the default one. Cannot be changed.",
    ),
    accessMode: choice(
      "ReadWriteOncePod keeps a second pod away from the volume; ReadWriteOnce is for drivers that do not know it. Cannot be changed.",
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
  { required: true },
);

const server: ObjectNode = object(
  "ServerSpec",
  "How the members run.",
  {
    quotaBackend: quantity(
      "Size of the database at which writes are refused (NOSPACE); absent: 40 % of storage.size.",
    ),
    autoCompaction: object(
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
          {
            value: "5m",
            maxLength: 32,
          },
        ),
      },
      { value: {} },
    ),
    heartbeatInterval: duration("Time between a leader's heartbeats.", { value: "100ms" }),
    electionTimeout: duration(
      "Time without a leader before an election; at least five heartbeats.",
      { value: "1s" },
    ),
    extraArgs: map(
      "Further flags of quorate, without the leading hyphens. Flags that the operator sets itself are refused.",
      string("Value of the flag.", { maxLength: 1024 }),
      { maxProperties: 32 },
    ),
  },
  { value: {} },
);

const scheduling: ObjectNode = object(
  "SchedulingSpec",
  "How the members are kept apart.",
  {
    hosts: choice(
      "No two members on a node: Required where there are more nodes than members, Preferred, or Ignored.",
      ["Required", "Preferred", "Ignored"],
      { value: "Preferred" },
    ),
    zones: choice(
      "Members spread evenly over zones: Required, Preferred, or Ignored.",
      ["Required", "Preferred", "Ignored"],
      { value: "Preferred" },
    ),
  },
  { value: {} },
);

const podTemplate: ObjectNode = object(
  "PodTemplateSpec",
  "Laid over the pods that the operator makes, and wins, except over names, ports, probes and volumes that are the operator's.",
  {
    metadata: object("PodTemplateMetadata", "Labels and annotations to add.", {
      labels: map(
        "Labels to add; the operator's own cannot be changed.",
        string("Value of the label.", { maxLength: 63 }),
        { maxProperties: 64 },
      ),
      annotations: map(
        "Annotations to add; quorate.io/ is the operator's.",
        string("Value of the annotation.", { maxLength: 4096 }),
        { maxProperties: 64 },
      ),
    }),
    spec: opaque(
      "A partial PodSpec, as Kubernetes defines it: resources, nodeSelector, tolerations, priorityClassName, sidecars …. The member's container is named quorate.",
    ),
  },
);

const update: ObjectNode = object(
  "UpdateSpec",
  "How changes of version, flags and template reach the members: one pod at a time, the leader last.",
  {
    strategy: choice(
      "Manual: the operator restarts nothing for a change; a pod that is deleted comes back changed.",
      ["Automatic", "Manual"],
      { value: "Automatic" },
    ),
    windows: list(
      "When a roll may begin or go on with the next member; none: always.",
      string(
        'A day or days and a time of day: "Sat 02:00-05:00", "Mon-Fri 22:00-24:00", "* 03:00-04:00".',
        {
          maxLength: 32,
          pattern:
            "^(\\*|(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))?) ([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        },
      ),
      { maxItems: 21, keys: [] },
    ),
    timeZone: timeZone("Time zone of the windows, by its IANA name."),
  },
  { value: {} },
);

const repair: ObjectNode = object(
  "RepairSpec",
  "What the operator does by itself about members that fail.",
  {
    mode: choice("Manual: it reports, and repairs nothing.", ["Automatic", "Manual"], {
      value: "Automatic",
    }),
    notReadyAfter: duration(
      "How long a member may be not ready before something is done about it.",
      { value: "5m" },
    ),
    maxRecreates: int32("How often its pod is made anew before the member is replaced.", {
      value: 3,
      minimum: 0,
      maximum: 10,
    }),
    onDataLoss: choice(
      "A member whose disk is lost, empty or corrupt, while the others have a quorum: Replace it with an empty one that joins anew, or leave it (Manual).",
      ["Replace", "Manual"],
      { value: "Replace" },
    ),
    onQuorumLoss: choice(
      "Nothing is done by itself when a majority is lost: a person decides, with a QuorateTask recoverQuorum.",
      ["Manual"],
      { value: "Manual" },
    ),
  },
  { value: {} },
);

const bootstrap: ObjectNode = object(
  "BootstrapSpec",
  "What a new cluster begins with. Read once, at creation, and cannot be changed; to restore a cluster that exists, use a QuorateTask.",
  {
    restoreFrom: restoreSource(
      "RestoreSource",
      "Begin with this snapshot instead of an empty store.",
      { required: true },
    ),
  },
);

const clientService: ObjectNode = object(
  "ClientServiceSpec",
  "The Service <name>-client.",
  {
    type: choice("Type of the Service.", ["ClusterIP", "NodePort", "LoadBalancer"], {
      value: "ClusterIP",
    }),
    annotations: map(
      "Annotations to add.",
      string("Value of the annotation.", { maxLength: 4096 }),
      { maxProperties: 32 },
    ),
    trafficDistribution: choice("Which members the Service prefers; absent: all alike.", [
      "PreferClose",
      "PreferSameZone",
      "PreferSameNode",
    ]),
  },
  { value: {} },
);

const monitoring: ObjectNode = object(
  "MonitoringSpec",
  "Objects of the Prometheus operator, made where its resources are served.",
  {
    podMonitor: choice("A PodMonitor for the members.", ["IfAvailable", "Disabled"], {
      value: "IfAvailable",
    }),
    rules: choice("A PrometheusRule with the alerts.", ["IfAvailable", "Disabled"], {
      value: "IfAvailable",
    }),
    labels: map(
      "Labels by which a Prometheus selects both.",
      string("Value of the label.", { maxLength: 63 }),
      { maxProperties: 16 },
    ),
  },
  { value: {} },
);

/** Of update windows and schedules. */
export function timeZone(doc: string): ReturnType<typeof string> {
  return string(doc, {
    value: "Etc/UTC",
    maxLength: 64,
    pattern: "^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
  });
}

export const CLUSTER_SPEC: ObjectNode = object("QuorateClusterSpec", "What the cluster shall be.", {
  replicas: int32("Members: odd, at most 7. 0 hibernates: pods go, volumes stay.", {
    value: 3,
    minimum: 0,
    maximum: 7,
  }),
  version: string(
    "Version of Quorate: major.minor.patch; absent: the operator's own when the cluster was made. Goes up a minor at a time.",
    {
      maxLength: 64,
      pattern: VERSION,
    },
  ),
  image,
  layoutRevision: string(
    "How the operator lays out pods; absent: the newest when the cluster was made. A new operator rolls nothing until this is raised.",
    {
      maxLength: 8,
      pattern: "^v[1-9][0-9]*$",
    },
  ),
  storage,
  server,
  tls,
  auth: object("AuthSpec", "Users and roles; absent: authentication stays as it is in the store.", {
    rootSecretRef: localReference(
      "A Secret whose key password is root's. It is set through the API, and again when it changes.",
      { required: true },
    ),
  }),
  scheduling,
  podTemplate,
  disruption: object(
    "DisruptionSpec",
    "How much is given up to drains of nodes.",
    {
      podDisruptionBudget: choice(
        "Auto: a PodDisruptionBudget that keeps a quorum of voters; none with one replica.",
        ["Auto", "Disabled"],
        { value: "Auto" },
      ),
    },
    { value: {} },
  ),
  update,
  repair,
  bootstrap,
  clientService,
  monitoring,
  networkPolicy: choice(
    "Enabled: only members and the operator reach the peer port.",
    ["Enabled", "Disabled"],
    { value: "Enabled" },
  ),
  unsafe: object(
    "UnsafeSpec",
    "Each by its name: what is refused otherwise.",
    {
      evenReplicas: boolean(
        "An even number of replicas: it bears no more losses than one fewer, and needs more for a quorum.",
        { value: false },
      ),
      plaintext: boolean("No TLS, neither for clients nor between members.", { value: false }),
    },
    { value: {} },
  ),
  paused: boolean("The operator changes nothing; the status goes on.", { value: false }),
});
