/** A custom kind of the tests' own, for the fake and as a CustomResourceDefinition for a real API server. */
import type { Resource } from "../../operator/kube/api.ts";
import { type Kind, customKind } from "./fake/kinds.ts";

export const WIDGETS: Resource = {
  group: "test.quorate.io",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};

export const WIDGET_KIND: Kind = customKind(WIDGETS, {
  "spec.named": { keys: ["name"] },
  "status.conditions": { keys: ["type"] },
});

const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

function mergedBy(key: string): object {
  return {
    type: "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": [key],
    items: { ...open, required: [key], properties: { [key]: { type: "string" } } },
  };
}

export const WIDGET_DEFINITION: object = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.test.quorate.io" },
  spec: {
    group: "test.quorate.io",
    scope: "Namespaced",
    names: { kind: "Widget", plural: "widgets", singular: "widget", listKind: "WidgetList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                ...open,
                properties: {
                  replicas: { type: "integer" },
                  parts: { type: "array", items: { type: "string" } },
                  named: mergedBy("name"),
                },
              },
              status: { ...open, properties: { conditions: mergedBy("type") } },
            },
          },
        },
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
        },
      },
    ],
  },
};
