/** role …. */
import type { AuthRoleGetResponse } from "../../src/api/gen/auth-service.ts";
import { type Permission, PermissionType } from "../../src/api/gen/auth.ts";
import { Auth } from "../../src/api/gen/methods.ts";
import { toWireRange, type WireRange } from "../../src/client/bytes.ts";
import { type Context, type CtlCommand, headerFields, type Shown } from "./context.ts";
import { badArgs } from "./exit.ts";
import type { Flag } from "./flags.ts";
import { quote } from "./go-text.ts";
import { bytesOf, latin } from "./kv-text.ts";

const RANGE_FLAGS: readonly Flag[] = [
  { name: "prefix", kind: "bool", help: "all keys that begin with the key" },
  { name: "from-key", kind: "bool", help: "all keys from the key on" },
];
const TYPE_NAMES = ["READ", "WRITE", "READWRITE"];
const ROOT = "root";

function argument(ctl: Context, complaint: string): string {
  const [text] = ctl.args;
  if (text === undefined || ctl.args.length > 1) throw badArgs(complaint);
  return text;
}

async function add(ctl: Context): Promise<void> {
  const name = argument(ctl, "role add command requires role name as its argument");
  const answer = await (await ctl.client()).call(Auth.roleAdd, { name }, "write");
  ctl.show({
    message: ["AuthRoleAddResponse", answer],
    simple: () => `Role ${name} created\n`,
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

async function remove(ctl: Context): Promise<void> {
  const role = argument(ctl, "role delete command requires role name as its argument");
  const answer = await (await ctl.client()).call(Auth.roleDelete, { role }, "write");
  ctl.show({
    message: ["AuthRoleDeleteResponse", answer],
    simple: () => `Role ${role} deleted\n`,
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

async function get(ctl: Context): Promise<void> {
  const role = argument(ctl, "role get command requires role name as its argument");
  const answer = await (await ctl.client()).call(Auth.roleGet, { role }, "read");
  ctl.show(roleText(role, answer, ctl.isHex));
}

async function list(ctl: Context): Promise<void> {
  if (ctl.args.length > 0) throw badArgs("role list command requires no arguments");
  const answer = await (await ctl.client()).call(Auth.roleList, {}, "read");
  ctl.show({
    message: ["AuthRoleListResponse", answer],
    simple: () => answer.roles.map((role) => `${role}\n`).join(""),
    fields: () => {
      const roles = answer.roles.map((role) => ` ${quote(role)}`).join("");
      return `${headerFields(answer.header, ctl.isHex)}"Roles" :${roles}\n`;
    },
  });
}

/** A role with what it permits. */
export function roleText(role: string, answer: AuthRoleGetResponse, isHex: boolean): Shown {
  return {
    message: ["AuthRoleGetResponse", answer],
    simple: () => bytesOf(simpleRole(role, answer.perm)),
    fields: () =>
      headerFields(answer.header, isHex) +
      answer.perm
        .map(
          ({ permType, key, rangeEnd }) =>
            `"PermType" :  ${TYPE_NAMES[permType] ?? permType}\n"Key" : ${quote(key)}\n"RangeEnd" : ${quote(rangeEnd)}\n`,
        )
        .join(""),
  };
}

function simpleRole(role: string, permissions: readonly Permission[]): string {
  const begin = latin(`Role ${role}\n`);
  if (role === ROOT && permissions.length === 0)
    return `${begin}KV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\n`;
  const granted = (type: number): string =>
    permissions
      .filter(({ permType }) => permType === type || permType === PermissionType.readwrite)
      .map((permission) => `\t${rangeText(permission)}\n`)
      .join("");
  const [read, write] = [granted(PermissionType.read), granted(PermissionType.write)];
  return `${begin}KV Read:\n${read}KV Write:\n${write}`;
}

function rangeText({ key, rangeEnd }: Permission): string {
  const [from, end] = [key, rangeEnd].map((bytes) => Buffer.from(bytes).toString("latin1"));
  if (rangeEnd.length === 0) return from ?? "";
  const range = end === "\0" ? `[${from}, <open ended>` : `[${from}, ${end})`;
  const isPrefix =
    key.length > 0 && Buffer.from(toWireRange({ prefix: key }).rangeEnd).equals(rangeEnd);
  return isPrefix ? `${range} (prefix ${from})` : range;
}

/** The key and end of a permission, from the arguments that begin with the key. */
function permissionRange(ctl: Context, args: readonly string[]): WireRange {
  const [key = "", end] = args;
  const [isPrefix, isFrom] = [ctl.flags.bool("prefix"), ctl.flags.bool("from-key")];
  if (isPrefix && isFrom && (key === "" || end === undefined))
    throw badArgs("--from-key and --prefix flags are mutually exclusive");
  if (key !== "" && end !== undefined) {
    if (isPrefix) throw badArgs("unexpected endkey argument with --prefix flag");
    if (isFrom) throw badArgs("unexpected endkey argument with --from-key flag");
  }
  if (isPrefix) return toWireRange({ prefix: key });
  if (isFrom) return toWireRange({ from: key });
  if (key === "") return { key: new Uint8Array(1), rangeEnd: new Uint8Array(0) };
  return { key: Buffer.from(key), rangeEnd: Buffer.from(end ?? "") };
}

async function grant(ctl: Context): Promise<void> {
  const [name, type, ...range] = ctl.args;
  if (name === undefined || type === undefined || range.length === 0) {
    throw badArgs(
      "role grant command requires role name, permission type, and key [endkey] as its argument",
    );
  }
  const permType = TYPE_NAMES.indexOf(type.toUpperCase());
  if (permType < 0) throw badArgs(`invalid permission type: ${type}`);
  const request = { name, perm: { permType, ...permissionRange(ctl, range) } };
  const answer = await (await ctl.client()).call(Auth.roleGrantPermission, request, "write");
  ctl.show({
    message: ["AuthRoleGrantPermissionResponse", answer],
    simple: () => `Role ${name} updated\n`,
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

async function revoke(ctl: Context): Promise<void> {
  const [role, key, ...more] = ctl.args;
  if (role === undefined || key === undefined) {
    throw badArgs(
      "role revoke-permission command requires role name and key [endkey] as its argument",
    );
  }
  const range = permissionRange(ctl, [key, ...more]);
  const answer = await (
    await ctl.client()
  ).call(Auth.roleRevokePermission, { role, ...range }, "write");
  ctl.show({
    message: ["AuthRoleRevokePermissionResponse", answer],
    simple: () => bytesOf(revokedText(role, key, range)),
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

function revokedText(role: string, key: string, { rangeEnd }: WireRange): string {
  const from = latin(`${key}`);
  const whose = latin(` is revoked from role ${role}\n`);
  const end = Buffer.from(rangeEnd).toString("latin1");
  if (end === "") return `Permission of key ${from}${whose}`;
  if (end === "\0") return `Permission of range [${from}, <open ended>${whose}`;
  return `Permission of range [${from}, ${end})${whose}`;
}

export const ROLE_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  add: { usage: "ROLE", help: "adds a role", flags: [], run: add },
  delete: { usage: "ROLE", help: "deletes a role", flags: [], run: remove },
  get: { usage: "ROLE", help: "tells what a role permits", flags: [], run: get },
  list: { usage: "", help: "lists the roles", flags: [], run: list },
  "grant-permission": {
    usage: "ROLE read|write|readwrite KEY [END]",
    help: "lets a role's users at keys",
    flags: RANGE_FLAGS,
    run: grant,
  },
  "revoke-permission": {
    usage: "ROLE KEY [END]",
    help: "no longer does",
    flags: RANGE_FLAGS,
    run: revoke,
  },
};
