/** What more than one of the resources is made of. */
import { type ListNode, type ObjectNode, type StringNode } from "./node.ts";
import { choice, int64, list, object, string, time } from "./node.ts";

/** RFC 1123, as names of objects must be. */
const DNS_LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const DNS_SUBDOMAIN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/** A duration as Go writes it: "100ms", "1m30s". */
export const DURATION: string = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$";

/** Version of Quorate: major.minor.patch, and what may follow a hyphen. */
export const VERSION: string =
  "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?$";

type StringOptions = Partial<Omit<StringNode, "kind" | "doc">>;

export function dnsLabel(doc: string, options: StringOptions = {}): StringNode {
  return string(doc, { pattern: DNS_LABEL, maxLength: 63, minLength: 1, ...options });
}

export function dnsSubdomain(doc: string, options: StringOptions = {}): StringNode {
  return string(doc, { pattern: DNS_SUBDOMAIN, maxLength: 253, minLength: 1, ...options });
}

export function duration(doc: string, options: StringOptions = {}): StringNode {
  return string(doc, { pattern: DURATION, maxLength: 32, ...options });
}

/** Names an object of the same namespace. */
export function localReference(
  doc: string,
  options: { readonly required?: true } = {},
): ObjectNode {
  return object(
    "LocalReference",
    doc,
    { name: dnsSubdomain("Name of the object, in the same namespace.", { required: true }) },
    options,
  );
}

/** A folder inside of a bucket or a volume: no way out of it. */
export function folder(doc: string): StringNode {
  return string(doc, {
    maxLength: 512,
    pattern: "^[A-Za-z0-9!_.*'()-][A-Za-z0-9!_.*'()/-]*$",
    rules: [
      {
        rule: "!self.split('/').exists(part, part == '..' || part == '.')",
        message: 'must not hold "." or ".." as a part: write the path out',
      },
    ],
  });
}

/** A claim of the same namespace, and a folder on it. */
export function claimDestination(doc: string): ObjectNode {
  return object("ClaimLocation", doc, {
    claimName: dnsSubdomain("Name of the PersistentVolumeClaim, in the same namespace.", {
      required: true,
    }),
    subPath: folder("Folder on the volume; absent: its root."),
  });
}

/** Where to restore from: one of three. */
export function restoreSource(
  name: string,
  doc: string,
  options: { readonly required?: true } = {},
): ObjectNode {
  return object(
    name,
    doc,
    {
      backupRef: localReference("A QuorateBackup that is complete."),
      store: object(
        "StoredSnapshot",
        "A snapshot in a store, made by whatever: a backup whose object is gone, or etcd's own.",
        {
          storeRef: localReference("The QuorateBackupStore that holds it.", { required: true }),
          key: string("Key of the snapshot in the bucket.", {
            required: true,
            minLength: 1,
            maxLength: 1024,
          }),
          sha256: checksum(
            "SHA-256 of the stored file; absent: the snapshot's own hash alone is checked.",
          ),
        },
      ),
      pvc: object("ClaimedSnapshot", "A snapshot on a claim of the same namespace.", {
        claimName: dnsSubdomain("Name of the PersistentVolumeClaim.", { required: true }),
        path: string("Path of the snapshot on the volume.", {
          required: true,
          minLength: 1,
          maxLength: 1024,
        }),
        sha256: checksum("SHA-256 of the file; absent: the snapshot's own hash alone is checked."),
      }),
    },
    {
      ...options,
      rules: [
        {
          rule: "[has(self.backupRef), has(self.store), has(self.pvc)].filter(given, given).size() == 1",
          message:
            "exactly one of backupRef, store and pvc must be set: name one source and remove the others",
        },
      ],
    },
  );
}

function checksum(doc: string): StringNode {
  return string(doc, { pattern: "^[0-9a-f]{64}$", maxLength: 64 });
}

/** The standard list, as Kubernetes' own kinds have it. */
export function conditions(doc: string): ListNode {
  const condition = object("Condition", "One observation about the object.", {
    type: string("What is observed.", { required: true, minLength: 1, maxLength: 316 }),
    status: choice("Whether it is so.", ["True", "False", "Unknown"], { required: true }),
    observedGeneration: int64("Generation of the spec that the observation is about.", {
      minimum: 0,
    }),
    lastTransitionTime: time("When the status last changed.", { required: true }),
    reason: string("Why, in one word for programs.", {
      required: true,
      minLength: 1,
      maxLength: 1024,
      pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    }),
    message: string("Why, in a sentence for people, with what to do about it.", {
      required: true,
      maxLength: 32768,
    }),
  });
  return list(doc, condition, { maxItems: 32, keys: ["type"] });
}

/** Of every status: what the reader compares with metadata.generation. */
export function observedGeneration(): ReturnType<typeof int64> {
  return int64("Generation of the spec that this status is about.", { minimum: 0 });
}
