/** Role-based access control: whether a list of rules lets a call through. */
import type { PolicyRule } from "../../../operator/rbac.ts";
import { KubeError, type Resource } from "../../../operator/kube/api.ts";
import type { Call } from "./faults.ts";

/** What the API server asks for, of the resource or of a subresource. */
const NEEDED: Readonly<Record<Call["verb"], readonly (readonly [verb: string, sub: string])[]>> = {
  get: [["get", ""]],
  list: [["list", ""]],
  watch: [["watch", ""]],
  create: [["create", ""]],
  update: [["update", ""]],
  // A server-side apply creates what is not there.
  apply: [
    ["patch", ""],
    ["create", ""],
  ],
  applyStatus: [["patch", "/status"]],
  patch: [["patch", ""]],
  delete: [["delete", ""]],
  evict: [["create", "/eviction"]],
  scale: [["patch", "/scale"]],
  logs: [["get", "/log"]],
  // Everyone may.
  discover: [],
};

/** Throws a "forbidden" as the API server words it. */
export function judge(rules: readonly PolicyRule[], verb: Call["verb"], resource: Resource): void {
  const { group, plural } = resource;
  for (const [needed, sub] of NEEDED[verb]) {
    const asked = `${plural}${sub}`;
    const permitted = rules.some(
      ({ apiGroups, resources, verbs }) =>
        apiGroups.includes(group) && resources.includes(asked) && verbs.includes(needed),
    );
    if (!permitted) {
      const text = `${asked} is forbidden: cannot ${needed} resource "${asked}" in API group "${group}"`;
      throw new KubeError("forbidden", text, { status: 403 });
    }
  }
}
