/** What more than one of the resources is made of. */
import type { IntegerNode, ListNode, ObjectNode, Pattern, Rule, StringNode } from "./node.ts";
import { choice, int64, list, map, object, string, time } from "./node.ts";

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

export const DURATION: Pattern = {
  regex: "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
  says: 'must be a duration with its units, such as "100ms", "5m" or "1h30m"',
};

export const QUORATE_VERSION: Pattern = {
  regex:
    "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?$",
  says: 'must be major.minor.patch without a leading v, such as "1.4.2": it is a version, not a tag',
};

const SHA256: Pattern = {
  regex: "^[0-9a-f]{64}$",
  says: "must be a SHA-256 in lowercase hexadecimal: 64 digits, as sha256sum prints it",
};

/** Names of the zone database; whether there is such a zone is seen only when it is used. */
const TIME_ZONE: Pattern = {
  regex: "^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
  says: 'must be the IANA name of a time zone, such as "Etc/UTC" or "Europe/Berlin"',
};

type StringOptions = Partial<Omit<StringNode, "kind" | "doc">>;

export function dnsLabel(doc: string, options: StringOptions = {}): StringNode {
  const pattern = {
    regex: `^${LABEL}$`,
    says: "must be a name of lowercase letters, digits and hyphens that begins and ends with a letter or digit",
  };
  return string(doc, { pattern, maxLength: 63, minLength: 1, ...options });
}

export function dnsSubdomain(doc: string, options: StringOptions = {}): StringNode {
  const pattern = {
    regex: `^${LABEL}(\\.${LABEL})*$`,
    says: "must be a name of lowercase letters, digits, hyphens and dots that begins and ends with a letter or digit",
  };
  return string(doc, { pattern, maxLength: 253, minLength: 1, ...options });
}

/** @param rules about the duration as a whole; they are asked only of what is one. */
export function duration(
  doc: string,
  options: { readonly value: string; readonly rules?: readonly Rule[] },
): StringNode {
  return string(doc, { pattern: DURATION, maxLength: 32, ...options });
}

/** In a rule: whether the string `expression` is a duration, so that what follows can take it for one. */
export function isDuration(expression: string): string {
  return `${expression}.matches(${celString(DURATION.regex)})`;
}

/** A string literal of CEL. */
export function celString(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** In a rule: that exactly one of the fields of `self` is there. */
export function exactlyOne(fields: readonly string[]): string {
  return `[${fields.map((field) => `has(self.${field})`).join(", ")}].filter(given, given).size() == 1`;
}

/** In a rule on the parent: that an optional field is as it was. Rules on the field itself miss its coming and going. */
export function unchanged(field: string): string {
  return (
    `has(self.${field}) == has(oldSelf.${field}) && ` +
    `(!has(self.${field}) || self.${field} == oldSelf.${field})`
  );
}

export function timeZone(doc: string): StringNode {
  return string(doc, { value: "Etc/UTC", maxLength: 64, pattern: TIME_ZONE });
}

/** Names an object of the same namespace. */
export function localReference(
  doc: string,
  options: { readonly required?: true } = {},
): ObjectNode {
  const name = dnsSubdomain("Name of the object, in the same namespace.", { required: true });
  return object("LocalReference", doc, { name }, { atomic: true, ...options });
}

/** A folder inside of a bucket or a volume: no way out of it. */
export function folder(doc: string): StringNode {
  return string(doc, {
    minLength: 1,
    maxLength: 512,
    pattern: {
      regex: "^[A-Za-z0-9!_.*()-][A-Za-z0-9!_.*()/-]*$",
      says: "must be a path without a leading slash, of letters, digits and !_.*()-",
    },
    rules: [
      {
        rule: "!self.split('/').exists(part, part == '..' || part == '.')",
        message: 'must not have "." or ".." as a part: write the path out',
      },
    ],
  });
}

export function labels(doc: string, maxProperties: number): ReturnType<typeof map> {
  return map(doc, string("Value of the label.", { maxLength: 63 }), { maxProperties });
}

export function annotations(doc: string, maxProperties: number): ReturnType<typeof map> {
  return map(doc, string("Value of the annotation.", { maxLength: 4096 }), { maxProperties });
}

/** Where to restore from: one of three. */
export function restoreSource(doc: string, options: { readonly required?: true } = {}): ObjectNode {
  const sha256 = string(
    "SHA-256 of the stored file; absent: the snapshot's own hash alone is checked.",
    { pattern: SHA256, maxLength: 64 },
  );
  const store = object(
    "StoredSnapshot",
    "A snapshot in a store: of a backup whose object is gone, or etcd's own.",
    {
      storeRef: localReference("The QuorateBackupStore that holds it.", { required: true }),
      key: string("Key of the snapshot in the bucket.", {
        required: true,
        minLength: 1,
        maxLength: 1024,
      }),
      sha256,
    },
  );
  const pvc = object("ClaimedSnapshot", "A snapshot on a claim of the same namespace.", {
    claimName: dnsSubdomain("Name of the PersistentVolumeClaim.", { required: true }),
    path: { ...folder("Path of the snapshot on the volume."), required: true },
    sha256,
  });
  const message =
    "exactly one of backupRef, store and pvc must be set: name one snapshot and remove the others";
  return object(
    "RestoreSource",
    doc,
    { backupRef: localReference("A QuorateBackup that is complete."), store, pvc },
    { ...options, rules: [{ rule: exactlyOne(["backupRef", "store", "pvc"]), message }] },
  );
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
    }),
    message: string("Why, in a sentence for people, with what to do about it.", {
      required: true,
      maxLength: 32768,
    }),
  });
  return list(doc, condition, { maxItems: 32, keys: ["type"] });
}

/** Of every status: what the reader compares with metadata.generation. */
export function observedGeneration(): IntegerNode {
  return int64("Generation of the spec that this status is about.", { minimum: 0 });
}

/** On the object: its name has room for what is derived from it. The API server's own limit is 253. */
export function nameRule(maxLength: number, why: string): Rule {
  return {
    rule: `self.metadata.name.size() <= ${maxLength} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')`,
    message:
      `metadata.name must have at most ${maxLength} lowercase letters, digits and hyphens, and begin with a letter: ` +
      `${why}. Choose a shorter name`,
  };
}
