/** How members are kept apart, as Kubernetes has it. Pure. */
import type { DefaultedSchedulingSpec } from "../../api/gen/types.ts";
import { selectorOf } from "../names.ts";

const HOST = "kubernetes.io/hostname";
const ZONE = "topology.kubernetes.io/zone";

export function schedulingOf(cluster: string, { hosts, zones }: DefaultedSchedulingSpec): object {
  const labelSelector = { matchLabels: selectorOf(cluster) };
  const term = { topologyKey: HOST, labelSelector };
  const apart =
    hosts === "Required"
      ? { requiredDuringSchedulingIgnoredDuringExecution: [term] }
      : {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term }],
        };
  const spread = {
    maxSkew: 1,
    topologyKey: ZONE,
    whenUnsatisfiable: zones === "Required" ? "DoNotSchedule" : "ScheduleAnyway",
    labelSelector,
  };
  return {
    ...(hosts === "Ignored" ? {} : { affinity: { podAntiAffinity: apart } }),
    ...(zones === "Ignored" ? {} : { topologySpreadConstraints: [spread] }),
  };
}
