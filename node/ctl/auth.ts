/** auth enable, disable and status; user …. */
import type { AuthUserGetResponse } from "../../src/api/gen/auth-service.ts";
import { Auth } from "../../src/api/gen/methods.ts";
import { ClientError } from "../../src/client/client.ts";
import { type Context, type CtlCommand, headerFields } from "./context.ts";
import { badArgs } from "./exit.ts";
import type { Flag } from "./flags.ts";
import { roleText } from "./role.ts";

function noArguments(ctl: Context, complaint: string): void {
  if (ctl.args.length > 0) throw badArgs(complaint);
}

async function enable(ctl: Context): Promise<void> {
  noArguments(ctl, "auth enable command does not accept any arguments");
  const { auth } = await ctl.client();
  try {
    await auth.enable();
  } catch (thrown) {
    if (!(thrown instanceof ClientError && thrown.is("rootRoleNotExist"))) throw thrown;
    await auth.addRole("root");
    await auth.grantRole("root", "root");
    await auth.enable();
  }
  ctl.print("Authentication Enabled\n");
}

async function disable(ctl: Context): Promise<void> {
  noArguments(ctl, "auth disable command does not accept any arguments");
  await (await ctl.client()).auth.disable();
  ctl.print("Authentication Disabled\n");
}

async function status(ctl: Context): Promise<void> {
  noArguments(ctl, "auth status command does not accept any arguments");
  const answer = await (await ctl.client()).call(Auth.authStatus, {}, "read");
  ctl.show({
    message: ["AuthStatusResponse", answer],
    simple: () =>
      `Authentication Status: ${answer.enabled}\nAuthRevision: ${answer.authRevision}\n`,
  });
}

const INTERACTIVE: Flag = {
  name: "interactive",
  kind: "bool",
  initial: "true",
  help: "false: read the password from standard input without asking",
};

/** Asked for twice, as what is typed is not shown. */
async function newPassword(ctl: Context, user: string): Promise<string> {
  if (!ctl.flags.bool("interactive")) return await ctl.input.word();
  const first = await ctl.input.password(`Password of ${user}: `);
  if (first === "") throw badArgs("empty password");
  const prompt = `Type password of ${user} again for confirmation: `;
  const second = await ctl.input.password(prompt);
  if (first !== second) throw badArgs("given passwords are different");
  return first;
}

/** The one argument of a command. */
function argument(ctl: Context, complaint: string): string {
  const [text] = ctl.args;
  if (text === undefined || ctl.args.length > 1) throw badArgs(complaint);
  return text;
}

async function userAdd(ctl: Context): Promise<void> {
  const given = argument(ctl, "user add command requires user name as its argument");
  const noPassword = ctl.flags.bool("no-password");
  const fromFlag = ctl.flags.string("new-user-password");
  const colon = given.indexOf(":");
  let name = given;
  let password = "";
  if (!noPassword) {
    if (fromFlag !== "") password = fromFlag;
    else if (colon < 0) password = await newPassword(ctl, given);
    else {
      [name, password] = [given.slice(0, colon), given.slice(colon + 1)];
      if (name === "") throw badArgs("empty user name is not allowed");
    }
  }
  const request = { name, password, options: { noPassword }, hashedPassword: "" };
  const answer = await (await ctl.client()).call(Auth.userAdd, request, "write");
  ctl.show({
    message: ["AuthUserAddResponse", answer],
    simple: () => `User ${name} created\n`,
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

async function userDelete(ctl: Context): Promise<void> {
  const name = argument(ctl, "user delete command requires user name as its argument");
  const answer = await (await ctl.client()).call(Auth.userDelete, { name }, "write");
  ctl.show({
    message: ["AuthUserDeleteResponse", answer],
    simple: () => `User ${name} deleted\n`,
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

async function userGet(ctl: Context): Promise<void> {
  const name = argument(ctl, "user get command requires user name as its argument");
  const client = await ctl.client();
  const answer: AuthUserGetResponse = await client.call(Auth.userGet, { name }, "read");
  if (!ctl.flags.bool("detail")) {
    ctl.show({
      message: ["AuthUserGetResponse", answer],
      simple: () => `User: ${name}\nRoles:${answer.roles.map((role) => ` ${role}`).join("")}\n`,
    });
    return;
  }
  ctl.print(`User: ${name}\n`);
  for (const role of answer.roles) {
    const found = await client.call(Auth.roleGet, { role }, "read");
    ctl.print("\n");
    ctl.show(roleText(role, found, ctl.isHex));
  }
}

async function userList(ctl: Context): Promise<void> {
  noArguments(ctl, "user list command requires no arguments");
  const answer = await (await ctl.client()).call(Auth.userList, {}, "read");
  ctl.show({
    message: ["AuthUserListResponse", answer],
    simple: () => answer.users.map((name) => `${name}\n`).join(""),
  });
}

async function userPassword(ctl: Context): Promise<void> {
  const name = argument(ctl, "user passwd command requires user name as its argument");
  const password = await newPassword(ctl, name);
  const request = { name, password, hashedPassword: "" };
  const answer = await (await ctl.client()).call(Auth.userChangePassword, request, "write");
  ctl.show({
    message: ["AuthUserChangePasswordResponse", answer],
    simple: () => "Password updated\n",
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

function userAndRole(ctl: Context, complaint: string): [user: string, role: string] {
  const [user, role] = ctl.args;
  if (user === undefined || role === undefined || ctl.args.length > 2) throw badArgs(complaint);
  return [user, role];
}

async function grantRole(ctl: Context): Promise<void> {
  const complaint = "user grant command requires user name and role name as its argument";
  const [user, role] = userAndRole(ctl, complaint);
  const answer = await (await ctl.client()).call(Auth.userGrantRole, { user, role }, "write");
  ctl.show({
    message: ["AuthUserGrantRoleResponse", answer],
    simple: () => `Role ${role} is granted to user ${user}\n`,
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

async function revokeRole(ctl: Context): Promise<void> {
  const complaint = "user revoke-role requires user name and role name as its argument";
  const [name, role] = userAndRole(ctl, complaint);
  const answer = await (await ctl.client()).call(Auth.userRevokeRole, { name, role }, "write");
  ctl.show({
    message: ["AuthUserRevokeRoleResponse", answer],
    simple: () => `Role ${role} is revoked from user ${name}\n`,
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

export const AUTH_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  enable: { usage: "", help: "asks for names and passwords from now on", flags: [], run: enable },
  disable: { usage: "", help: "no longer does", flags: [], run: disable },
  status: { usage: "", help: "tells whether it does", flags: [], run: status },
};

export const USER_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  add: {
    usage: "NAME[:PASSWORD]",
    help: "adds a user",
    flags: [
      INTERACTIVE,
      { name: "new-user-password", kind: "string", help: "the password" },
      { name: "no-password", kind: "bool", help: "known by a certificate alone" },
    ],
    run: userAdd,
  },
  delete: { usage: "NAME", help: "deletes a user", flags: [], run: userDelete },
  get: {
    usage: "NAME",
    help: "tells a user's roles",
    flags: [{ name: "detail", kind: "bool", help: "and what they permit" }],
    run: userGet,
  },
  list: { usage: "", help: "lists the users", flags: [], run: userList },
  passwd: {
    usage: "NAME",
    help: "changes a user's password",
    flags: [INTERACTIVE],
    run: userPassword,
  },
  "grant-role": { usage: "NAME ROLE", help: "gives a user a role", flags: [], run: grantRole },
  "revoke-role": { usage: "NAME ROLE", help: "takes it away", flags: [], run: revokeRole },
};
