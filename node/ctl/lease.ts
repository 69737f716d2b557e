/** lease grant, revoke, timetolive, list, keep-alive. */
import { Lease } from "../../src/api/gen/methods.ts";
import type { LeaseKeepAliveResponse } from "../../src/api/gen/lease.ts";
import { encodeResponseHeader } from "../../src/api/gen/header.ts";
import { present } from "../../src/base/assert.ts";
import { type Context, type CtlCommand, headerFields, headerJson } from "./context.ts";
import { badArgs, CtlError, Exit, messageOf } from "./exit.ts";
import { bytesJson, stringJson } from "./go-json.ts";
import { hex16, parseInt64, quote } from "./go-text.ts";
import { leaseOf } from "./kv-requests.ts";
import { bytesOf, latin } from "./kv-text.ts";

const NO_FLAGS = { flags: [] } as const;

/** `"ID" : …` in the format fields. */
function idField(id: bigint, isHex: boolean): string {
  return `"ID" : ${isHex ? hex16(id) : id}\n`;
}

function idArgument(ctl: Context, complaint: string): bigint {
  const [text] = ctl.args;
  if (text === undefined || ctl.args.length > 1) throw badArgs(complaint);
  return leaseOf(text, "bad lease ID arg");
}

/** etcd's library prints these answers with the header's fields among theirs, and as protobuf the header alone. */
function headed(
  header: LeaseKeepAliveResponse["header"],
  own: string,
): {
  json: () => string;
  protobuf: () => Uint8Array;
} {
  return {
    json: () => `{${headerJson(header)},${own}}`,
    protobuf: () => encodeResponseHeader(present(header, "an answer has a header")),
  };
}

async function grant(ctl: Context): Promise<void> {
  const [text] = ctl.args;
  if (text === undefined || ctl.args.length > 1)
    throw badArgs("lease grant command needs TTL argument");
  let ttl: number;
  try {
    ttl = Number(parseInt64(text, 10));
  } catch (thrown) {
    throw badArgs(`bad TTL (${messageOf(thrown)})`);
  }
  const client = await ctl.client();
  const answer = await client
    .call(Lease.leaseGrant, { ttl, id: 0n }, "write")
    .catch((thrown: unknown) => {
      throw new CtlError(Exit.error, `failed to grant lease (${messageOf(thrown)})`);
    });
  const { header, id, error } = answer;
  ctl.show({
    simple: () => `lease ${hex16(id)} granted with TTL(${answer.ttl}s)\n`,
    fields: () =>
      `${headerFields(header, ctl.isHex)}${idField(id, ctl.isHex)}"TTL" : ${answer.ttl}\n`,
    ...headed(header, `"ID":${id},"TTL":${answer.ttl},"Error":${stringJson(error)}`),
  });
}

async function revoke(ctl: Context): Promise<void> {
  const id = idArgument(ctl, "lease revoke command needs 1 argument");
  const client = await ctl.client();
  const answer = await client.call(Lease.leaseRevoke, { id }, "write").catch((thrown: unknown) => {
    throw new CtlError(Exit.error, `failed to revoke lease (${messageOf(thrown)})`);
  });
  ctl.show({
    message: ["LeaseRevokeResponse", answer],
    simple: () => `lease ${hex16(id)} revoked\n`,
    fields: () => headerFields(answer.header, ctl.isHex),
  });
}

async function timeToLive(ctl: Context): Promise<void> {
  const id = idArgument(ctl, "lease timetolive command needs lease ID as argument");
  const wantsKeys = ctl.flags.bool("keys");
  const client = await ctl.client();
  const request = { id, keys: wantsKeys };
  const answer = await connectionErrors(client.call(Lease.leaseTimeToLive, request, "read"));
  const { header, ttl, grantedTtl, keys } = answer;
  const keysJson = keys.length === 0 ? "null" : `[${keys.map(bytesJson).join(",")}]`;
  ctl.show({
    simple: () => {
      if (grantedTtl === 0 && ttl === -1) return `lease ${hex16(answer.id)} already expired\n`;
      const texts = keys.map((key) => Buffer.from(key).toString("latin1")).join(" ");
      const attached = wantsKeys ? `, attached keys([${texts}])` : "";
      return bytesOf(
        latin(`lease ${hex16(answer.id)} granted with TTL(${grantedTtl}s), remaining(${ttl}s)`) +
          `${attached}\n`,
      );
    },
    fields: () => {
      const lines = keys.map((key) => `"Key" : ${quote(key)}\n`).join("");
      const times = `"TTL" : ${ttl}\n"GrantedTTL" : ${grantedTtl}\n`;
      return `${headerFields(header, ctl.isHex)}${idField(answer.id, ctl.isHex)}${times}${lines}`;
    },
    ...headed(
      header,
      `"id":${answer.id},"ttl":${ttl},"granted-ttl":${grantedTtl},"keys":${keysJson}`,
    ),
  });
}

async function list(ctl: Context): Promise<void> {
  const client = await ctl.client();
  const { header, leases } = await connectionErrors(client.call(Lease.leaseLeases, {}, "read"));
  ctl.show({
    simple: () =>
      `found ${leases.length} leases\n${leases.map(({ id }) => `${hex16(id)}\n`).join("")}`,
    fields: () =>
      headerFields(header, ctl.isHex) + leases.map(({ id }) => idField(id, ctl.isHex)).join(""),
    ...headed(header, `"leases":[${leases.map(({ id }) => `{"id":${id}}`).join(",")}]`),
  });
}

async function keepAlive(ctl: Context): Promise<void> {
  const id = idArgument(ctl, "lease keep-alive command needs lease ID as argument");
  const client = await ctl.client();
  const show = (answer: LeaseKeepAliveResponse): void => showRenewal(ctl, answer);
  if (ctl.flags.bool("once")) {
    show(await connectionErrors(client.leases.renew(id)));
    return;
  }
  for (;;) {
    const answer = await client.leases.renew(id, ctl.unlimited).catch((thrown: unknown) => {
      if (ctl.io.signal.aborted) return null;
      if (messageOf(thrown) === "etcdserver: requested lease not found") return null;
      throw new CtlError(Exit.badConnection, messageOf(thrown));
    });
    if (answer === null) break;
    show(answer);
    await sleep((answer.ttl * 1000) / 3, ctl.io.signal);
  }
  if (ctl.format === "simple" && !ctl.io.signal.aborted)
    ctl.print(`lease ${hex16(id)} expired or revoked.\n`);
}

function showRenewal(ctl: Context, { header, id, ttl }: LeaseKeepAliveResponse): void {
  ctl.show({
    simple: () => `lease ${hex16(id)} keepalived with TTL(${ttl})\n`,
    fields: () => `${headerFields(header, ctl.isHex)}${idField(id, ctl.isHex)}"TTL" : ${ttl}\n`,
    ...headed(header, `"ID":${id},"TTL":${ttl}`),
  });
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

async function connectionErrors<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    throw new CtlError(Exit.badConnection, messageOf(thrown));
  }
}

export const LEASE_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  grant: { usage: "TTL", help: "grants a lease of so many seconds", ...NO_FLAGS, run: grant },
  revoke: { usage: "LEASE", help: "ends a lease, and its keys", ...NO_FLAGS, run: revoke },
  timetolive: {
    usage: "LEASE",
    help: "tells how long a lease has left",
    flags: [{ name: "keys", kind: "bool", help: "and which keys hang on it" }],
    run: timeToLive,
  },
  list: { usage: "", help: "lists all leases", ...NO_FLAGS, run: list },
  "keep-alive": {
    usage: "LEASE",
    help: "renews a lease until it ends or the command does",
    flags: [{ name: "once", kind: "bool", help: "renew it once" }],
    run: keepAlive,
  },
};
