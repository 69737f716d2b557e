/** A table of objects and of what the API server must say about each. */
import assert from "node:assert/strict";
import type { Resource } from "../../../../operator/kube/api.ts";
import type { Json, JsonObject } from "../../../../operator/api/schema/node.ts";
import type { ApiServer } from "./server.ts";

/** Paths such as `server.extraArgs` to what is there; `undefined` takes it away. */
export type Edits = Readonly<Record<string, Json | undefined>>;

export interface Case {
  readonly claim: string;
  readonly resource: Resource;
  readonly spec: JsonObject;
  /** The spec before, if the case is a change. */
  readonly before?: JsonObject;
  readonly name?: string;
  /** What is refused: the path that is named, and a part of what is said about it. Absent: it is accepted. */
  readonly refused?: { readonly field: string; readonly says: string };
}

/** A copy of `base` with the edits made, in their order. */
export function edit(base: JsonObject, edits: Edits): JsonObject {
  return Object.entries(edits).reduce((spec, [path, value]) => put(spec, path, value), base);
}

function put(object: JsonObject, path: string, value: Json | undefined): JsonObject {
  const dot = path.indexOf(".");
  const key = dot < 0 ? path : path.slice(0, dot);
  const { [key]: old, ...rest } = object;
  if (dot >= 0) {
    const inner = typeof old === "object" && old !== null && !Array.isArray(old) ? old : {};
    return { ...rest, [key]: put(inner as JsonObject, path.slice(dot + 1), value) };
  }
  return value === undefined ? rest : { ...rest, [key]: value };
}

export async function check(server: ApiServer, judged: Case): Promise<void> {
  const { resource, spec, before, name, refused } = judged;
  const verdict =
    before === undefined
      ? await server.judge(resource, spec, name)
      : await server.judgeChange(resource, before, spec);
  if (refused === undefined) {
    assert.ok(verdict.accepted, `refused: ${verdict.message}`);
    return;
  }
  assert.ok(!verdict.accepted, `accepted: ${JSON.stringify(spec)}`);
  const about = verdict.causes.filter(({ field }) => field === refused.field);
  assert.ok(
    about.some(({ message }) => message.includes(refused.says)),
    `nothing about ${refused.field} says "${refused.says}": ${verdict.message}`,
  );
  assert.doesNotMatch(
    verdict.message,
    /evaluating rule|no such (key|overload)/,
    "every rule could be asked",
  );
}
