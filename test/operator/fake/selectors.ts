/** Label and field selectors, in the words of a query. */
import type { KubeObject, ListOptions } from "../../../operator/kube/api.ts";

type Labels = Readonly<Record<string, string>>;
type Matcher = (object: KubeObject) => boolean;

export function matcherOf({ namespace, labelSelector, fieldSelector }: ListOptions): Matcher {
  const labels = (labelSelector ?? "") === "" ? [] : splitTerms(labelSelector ?? "").map(labelTerm);
  const fields =
    (fieldSelector ?? "") === "" ? [] : (fieldSelector ?? "").split(",").map(fieldTerm);
  return (object) => {
    const { metadata } = object;
    if (namespace !== null && metadata.namespace !== namespace) return false;
    const own = metadata.labels ?? {};
    return labels.every((holds) => holds(own)) && fields.every((holds) => holds(object));
  };
}

/** Whether `labels` are chosen by a LabelSelector of an object. */
export function selects(
  selector: { matchLabels?: Labels; matchExpressions?: readonly Expression[] } | undefined,
  labels: Labels,
): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([name, value]) => labels[name] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === "Exists") return value !== undefined;
      if (operator === "DoesNotExist") return value === undefined;
      const among = value !== undefined && values.includes(value);
      return operator === "In" ? among : !among;
    })
  );
}

export interface Expression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}

/** At commas outside parentheses. */
function splitTerms(text: string): string[] {
  return text.split(/,(?![^(]*\))/).map((term) => term.trim());
}

function labelTerm(term: string): (labels: Labels) => boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return (labels) => {
      const value = labels[key];
      const among = value !== undefined && values.includes(value);
      return operator === "in" ? among : !among;
    };
  }
  const unequal = /^([^!=]+)!=(.*)$/.exec(term);
  if (unequal !== null) {
    const [, key = "", value = ""] = unequal;
    return (labels) => labels[key.trim()] !== value.trim();
  }
  const equal = /^([^=]+)==?(.*)$/.exec(term);
  if (equal !== null) {
    const [, key = "", value = ""] = equal;
    return (labels) => labels[key.trim()] === value.trim();
  }
  if (term.startsWith("!")) return (labels) => labels[term.slice(1)] === undefined;
  return (labels) => labels[term] !== undefined;
}

function fieldTerm(term: string): Matcher {
  const [, path = "", operator, value = ""] = /^([^!=]+)(!?=)=?(.*)$/.exec(term) ?? [];
  return (object) => {
    const found = path
      .split(".")
      .reduce<unknown>(
        (node, name) => (node as Record<string, unknown> | undefined)?.[name],
        object,
      );
    const text = typeof found === "string" || typeof found === "number" ? String(found) : "";
    return (text === value) === (operator === "=");
  };
}
