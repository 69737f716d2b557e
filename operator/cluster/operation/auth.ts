/** Root's password comes from a Secret, and is set again when that changes: through the API, never at a start. Pure. */
import type { Action } from "../action.ts";
import { textOf } from "../certificates.ts";
import { revised } from "../journal.ts";
import type { View } from "../view.ts";

export function planAuth(view: View): Action | null {
  const { auth } = view.spec;
  if (auth === undefined || view.memberList === null) return null;
  const secret = view.facts.secrets.get(auth.rootSecretRef.name);
  const password = textOf(secret, "password");
  if (secret === undefined || password === null || password === "") return null;
  const mark = `${secret.metadata.uid ?? ""}/${secret.metadata.resourceVersion ?? ""}`;
  if (mark === view.journal.rootPassword) return null;
  return { kind: "secureRoot", afterwards: revised(view.journal, { rootPassword: mark }) };
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
