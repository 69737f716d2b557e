/** Of a cluster's spec: where pods go, when they change, what is repaired, who may reach them. */
import { boolean, choice, int32, list, object, opaque, string } from "./node.ts";
import type { ObjectNode, Rule } from "./node.ts";
import { annotations, duration, isDuration, labels, timeZone } from "./shared.ts";

const SPREAD = ["Required", "Preferred", "Ignored"];

export const scheduling: ObjectNode = object(
  "SchedulingSpec",
  "How the members are kept apart.",
  {
    hosts: choice(
      "No two members on a node. Required: rather none than a second; for where nodes outnumber members.",
      SPREAD,
      { value: "Preferred" },
    ),
    zones: choice("Members spread evenly over zones.", SPREAD, { value: "Preferred" }),
  },
  { value: {} },
);

function ownKeys(what: string, prefixes: readonly string[]): readonly Rule[] {
  const owned = prefixes.map((prefix) => `key.startsWith('${prefix}')`).join(" || ");
  return [
    {
      rule: `!self.exists(key, ${owned})`,
      message: `${what} that begin with ${prefixes.join(" or ")} are the operator's: use another prefix`,
    },
  ];
}

export const podTemplate: ObjectNode = object(
  "PodTemplateSpec",
  "Laid over the pods that the operator makes, and wins, except over names, ports, probes and volumes of the operator's.",
  {
    metadata: object("PodTemplateMetadata", "Labels and annotations to add.", {
      labels: {
        ...labels("Labels to add.", 64),
        rules: ownKeys("labels", ["quorate.io/", "app.kubernetes.io/"]),
      },
      annotations: {
        ...annotations("Annotations to add.", 64),
        rules: ownKeys("annotations", ["quorate.io/"]),
      },
    }),
    spec: opaque(
      "A partial PodSpec as Kubernetes defines it: resources, nodeSelector, tolerations, priorityClassName, sidecars and " +
        "so on. The member's container is named quorate.",
    ),
  },
);

const DAY = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]";

export const update: ObjectNode = object(
  "UpdateSpec",
  "How changes of version, flags and template reach the members: a pod at a time, the leader last.",
  {
    strategy: choice(
      "Manual: the operator restarts nothing for a change; a pod that is deleted comes back changed.",
      ["Automatic", "Manual"],
      { value: "Automatic" },
    ),
    windows: list(
      "When a roll may begin or go on with the next member; none: always.",
      string(
        'Days and a time of day: "Sat 02:00-05:00", "Mon-Fri 22:00-24:00", "* 03:00-04:00". One that ends before it begins ' +
          "ends on the next day.",
        {
          maxLength: 32,
          pattern: {
            regex: `^(\\*|${DAY}(-${DAY})?) ${CLOCK}-(${CLOCK}|24:00)$`,
            says: 'must be days and a time of day, such as "Sat 02:00-05:00", "Mon-Fri 22:00-24:00" or "* 03:00-04:00"',
          },
          rules: [
            {
              rule: "!self.matches('(..:..)-(..:..)$') || self.substring(self.size() - 5) != self.substring(self.size() - 11, self.size() - 6)",
              message:
                'must not end when it begins: move the end, or leave windows away to mean "always"',
            },
          ],
        },
      ),
      { maxItems: 21, keys: [] },
    ),
    timeZone: timeZone("Time zone of the windows, by its IANA name."),
  },
  { value: {} },
);

export const repair: ObjectNode = object(
  "RepairSpec",
  "What the operator does by itself about members that fail.",
  {
    mode: choice("Manual: it reports, and repairs nothing.", ["Automatic", "Manual"], {
      value: "Automatic",
    }),
    notReadyAfter: duration(
      "How long a member may be not ready before something is done about it: from 30s to 24h.",
      {
        value: "5m",
        rules: [
          {
            rule: `!${isDuration("self")} || (duration(self) >= duration('30s') && duration(self) <= duration('24h'))`,
            message: "must be from 30s to 24h: sooner, a restart would look like a loss",
          },
        ],
      },
    ),
    maxRecreates: int32("How often its pod is made anew before the member is replaced.", {
      value: 3,
      minimum: 0,
      maximum: 10,
    }),
    onDataLoss: choice(
      "About a member whose disk is lost, empty or corrupt while the others have a quorum. Replace: an empty one of the same " +
        "name joins in its place.",
      ["Replace", "Manual"],
      { value: "Replace" },
    ),
    onQuorumLoss: choice(
      "When a majority is lost nothing is done by itself: a person decides, with a QuorateTask recoverQuorum.",
      ["Manual"],
      { value: "Manual" },
    ),
  },
  { value: {} },
);

export const disruption: ObjectNode = object(
  "DisruptionSpec",
  "What drains of nodes may take away.",
  {
    podDisruptionBudget: choice(
      "Auto: a PodDisruptionBudget that keeps a quorum of voters; none with one replica.",
      ["Auto", "Disabled"],
      { value: "Auto" },
    ),
  },
  { value: {} },
);

export const clientService: ObjectNode = object(
  "ClientServiceSpec",
  "The Service <name>-client.",
  {
    type: choice("Type of the Service.", ["ClusterIP", "NodePort", "LoadBalancer"], {
      value: "ClusterIP",
    }),
    annotations: annotations("Annotations to add.", 32),
    trafficDistribution: choice("Which members the Service prefers; absent: all alike.", [
      "PreferClose",
      "PreferSameZone",
      "PreferSameNode",
    ]),
  },
  { value: {} },
);

export const monitoring: ObjectNode = object(
  "MonitoringSpec",
  "Objects of the Prometheus operator, made where its resources are served.",
  {
    podMonitor: choice("A PodMonitor for the members.", ["IfAvailable", "Disabled"], {
      value: "IfAvailable",
    }),
    rules: choice("A PrometheusRule with the alerts.", ["IfAvailable", "Disabled"], {
      value: "IfAvailable",
    }),
    labels: labels("Labels by which a Prometheus selects both.", 16),
  },
  { value: {} },
);

export const unsafe: ObjectNode = object(
  "UnsafeSpec",
  "What is refused otherwise, each by its name.",
  {
    evenReplicas: boolean(
      "An even number of replicas: it bears no more losses than one fewer, and needs more for a quorum.",
      { value: false },
    ),
    plaintext: boolean(
      "No TLS, neither for clients nor between members. May be changed while the cluster runs: a pod at a time, in two rolls.",
      { value: false },
    ),
    acceptPlaintext: boolean(
      "Beside TLS, clients without it are served as well, and asked for no certificate: while clients move from one to the other.",
      { value: false },
    ),
  },
  { value: {} },
);
