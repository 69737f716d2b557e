/**
 * Root's password comes from a Secret, and is set again when that changes: through the API, never at a start. Where certificates
 * do not name the operator it needs the one before to set the next. So a Secret of its own holds what the password may be: the
 * next is noted there before it is set, and the ones before are forgotten after it was. Pure.
 */
import type { DefaultedClusterSpec } from "../../api/gen/types.ts";
import type { Action } from "../action.ts";
import { textOf } from "../certificates.ts";
import type { Facts } from "../facts.ts";
import { revised } from "../journal.ts";
import { clusterNames } from "../names.ts";
import type { Secret } from "../objects.ts";
import type { View } from "../view.ts";

/** In the operator's own Secret: a list, as JSON. */
export const PASSWORDS_KEY = "passwords";

/**
 * Whatever goes on: it may be what the members asked for just now, and the Secret may not hold it for long. After a restore
 * it was nowhere else.
 */
export function planNote(view: View): Action | null {
  const given = givenPassword(view);
  if (given === null || given.noted.includes(given.password)) return null;
  return { kind: "notePasswords", passwords: [...given.noted, given.password] };
}

export function planAuth(view: View): Action | null {
  const given = givenPassword(view);
  if (given === null) return null;
  const { secret, password, noted } = given;
  const mark = `${secret.metadata.uid ?? ""}/${secret.metadata.resourceVersion ?? ""}`;
  if (mark !== view.journal.rootPassword)
    return { kind: "secureRoot", afterwards: revised(view.journal, { rootPassword: mark }) };
  return noted.length === 1 ? null : { kind: "notePasswords", passwords: [password] };
}

interface Given {
  readonly secret: Secret;
  readonly password: string;
  readonly noted: readonly string[];
}

/** What the Secret has, while members answer; null: nothing. */
function givenPassword({ spec: { auth }, memberList, facts }: View): Given | null {
  if (auth === undefined || memberList === null) return null;
  const { secrets, cluster } = facts;
  const secret = secrets.get(auth.rootSecretRef.name);
  const password = textOf(secret, "password");
  if (secret === undefined || password === null || password === "") return null;
  return { secret, password, noted: notedPasswords(secrets, cluster.metadata.name) };
}

/** What root's password may be, the likeliest first: what was noted, and what a person has put into the Secret. */
export function rootPasswords(
  secrets: Facts["secrets"],
  cluster: string,
  spec: DefaultedClusterSpec | undefined,
): readonly string[] {
  const name = spec?.auth?.rootSecretRef.name;
  const given = name === undefined ? null : textOf(secrets.get(name), "password");
  const all = [...notedPasswords(secrets, cluster), given ?? ""];
  return [...new Set(all)].filter((password) => password !== "");
}

function notedPasswords(secrets: ReadonlyMap<string, Secret>, cluster: string): readonly string[] {
  const text = textOf(secrets.get(clusterNames(cluster).operatorAuth), PASSWORDS_KEY);
  try {
    return parsePasswords(text ?? "[]");
  } catch {
    return [];
  }
}

/** What stands below `PASSWORDS_KEY`; throws a SyntaxError where it is no JSON. */
export function parsePasswords(text: string): readonly string[] {
  const noted: unknown = JSON.parse(text);
  return Array.isArray(noted) ? noted.filter((each) => typeof each === "string") : [];
}

/** What keeps authentication from being turned on; null: nothing. */
export function refusedAuth(view: View): string | null {
  const name = view.spec.auth?.rootSecretRef.name;
  if (name === undefined) return null;
  const password = textOf(view.facts.secrets.get(name), "password");
  return password === null || password === ""
    ? `the Secret ${name} has no key password: authentication stays as it is`
    : null;
}
