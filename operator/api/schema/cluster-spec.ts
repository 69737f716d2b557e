/** What a person asks of a cluster. */
import { boolean, choice, int32, object, string } from "./node.ts";
import type { ObjectNode, Rule } from "./node.ts";
import {
  clientService,
  disruption,
  monitoring,
  podTemplate,
  repair,
  scheduling,
  unsafe,
  update,
} from "./cluster-policy.ts";
import { asQuantity, bootstrap, image, isQuantity, server, storage } from "./cluster-server.ts";
import { tls } from "./cluster-tls.ts";
import { QUORATE_VERSION, localReference, unchanged } from "./shared.ts";

const QUOTA = "self.server.quotaBackend";

/** About more than one field, or about coming and going. */
const RULES: readonly Rule[] = [
  {
    rule: "self.replicas == 0 || self.replicas % 2 == 1 || self.unsafe.evenReplicas",
    message:
      "replicas must be odd (1, 3, 5 or 7), or 0 to hibernate: an even number bears no more losses than one fewer. " +
      "Use an odd number, or set unsafe.evenReplicas",
    fieldPath: ".replicas",
  },
  {
    rule:
      `!has(${QUOTA}) || !${isQuantity(QUOTA)} || !${isQuantity("self.storage.size")} || ` +
      `${asQuantity("self.storage.size")}.compareTo(${asQuantity(QUOTA)}.add(${asQuantity(QUOTA)})) > 0`,
    message:
      "storage.size must be more than twice server.quotaBackend, since a database is copied beside itself: raise storage.size, or " +
      "lower server.quotaBackend",
    fieldPath: ".storage.size",
  },
  {
    rule: "!self.unsafe.plaintext || !has(self.tls)",
    message: "tls and unsafe.plaintext exclude each other: remove one of them",
    fieldPath: ".tls",
  },
  {
    rule: "!self.unsafe.plaintext || !self.unsafe.acceptPlaintext",
    message:
      "unsafe.acceptPlaintext is for a cluster with TLS, and unsafe.plaintext has none: remove one of them",
    fieldPath: ".unsafe.acceptPlaintext",
  },
  {
    rule: unchanged("bootstrap"),
    message:
      "bootstrap is read when the cluster is created, and cannot be added, changed or removed: to restore a cluster that exists, " +
      "create a QuorateTask with restore",
    fieldPath: ".bootstrap",
  },
];

export const CLUSTER_SPEC: ObjectNode = object(
  "QuorateClusterSpec",
  "What the cluster shall be.",
  {
    replicas: int32(
      "Members: odd, at most 7. 0 hibernates: pods go, volumes stay, and a later number wakes the cluster.",
      { value: 3, minimum: 0, maximum: 7 },
    ),
    version: string(
      "Version of Quorate; absent: the operator's own when the cluster was made. It goes up a minor version at a time.",
      { maxLength: 64, pattern: QUORATE_VERSION },
    ),
    image,
    layoutRevision: string(
      "How the operator lays out pods; absent: the newest when the cluster was made. A new operator restarts nothing until " +
        "this is raised.",
      {
        maxLength: 8,
        pattern: {
          regex: "^v[1-9][0-9]*$",
          says: 'must be a layout that the operator knows, such as "v1"',
        },
      },
    ),
    storage,
    server,
    tls,
    auth: object(
      "AuthSpec",
      "Users and roles; absent: authentication stays as it is in the store.",
      {
        rootSecretRef: localReference(
          "A Secret whose key password is root's. It is set through the API, and again when it changes.",
          { required: true },
        ),
      },
    ),
    scheduling,
    podTemplate,
    disruption,
    update,
    repair,
    bootstrap,
    clientService,
    monitoring,
    networkPolicy: choice(
      "Enabled: a NetworkPolicy lets only members and the operator reach the peer port.",
      ["Enabled", "Disabled"],
      { value: "Enabled" },
    ),
    unsafe,
    paused: boolean("The operator changes nothing; the status goes on.", { value: false }),
  },
  { required: true, rules: RULES },
);
