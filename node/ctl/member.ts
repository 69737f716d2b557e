/** member add, remove, update, promote, list. */
import type { Member, MemberListResponse } from "../../src/api/gen/cluster.ts";
import { Cluster } from "../../src/api/gen/methods.ts";
import type { ResponseHeader } from "../../src/api/gen/header.ts";
import { present } from "../../src/base/assert.ts";
import { type Context, type CtlCommand, headerFields, headerJson } from "./context.ts";
import { badArgs } from "./exit.ts";
import type { Flag } from "./flags.ts";
import { stringJson } from "./go-json.ts";
import { parseUint64, quote } from "./go-text.ts";
import { isSerializable } from "./kv-requests.ts";
import { drawTable } from "./table.ts";

const PEER_URLS: Flag = {
  name: "peer-urls",
  kind: "string",
  help: "where other members reach it, with commas between them",
};
const HEADER = ["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"];

/** `%16x`: padded with spaces. */
function wideHex(id: bigint): string {
  return id.toString(16).padStart(16);
}

function clusterOf(header: ResponseHeader | null): string {
  return wideHex(present(header, "an answer has a header").clusterId);
}

function memberArgument(ctl: Context): bigint {
  const [text] = ctl.args;
  if (text === undefined || ctl.args.length > 1) throw badArgs("member ID is not provided");
  try {
    return parseUint64(text, 16);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw badArgs(`bad member ID arg (${why}), expecting ID in Hex`);
  }
}

function peerUrls(ctl: Context): string[] {
  const text = ctl.flags.string("peer-urls");
  if (text === "") throw badArgs("member peer urls not provided");
  return text.split(",");
}

async function add(ctl: Context): Promise<void> {
  const [name, ...more] = ctl.args;
  if (name === undefined) throw badArgs("member name not provided");
  if (more.length > 0) {
    const urls = ctl.args.filter((arg) => /^http/i.test(arg));
    const hints = urls.map((url) => `, did you mean --peer-urls=${url}`).join("");
    throw badArgs(`too many arguments${hints}`);
  }
  const request = { peerUrls: peerUrls(ctl), isLearner: ctl.flags.bool("learner") };
  const client = await ctl.client();
  const answer = await client.call(Cluster.memberAdd, request, "write");
  const member = present(answer.member, "the answer names the member that was added");
  ctl.show({
    message: ["MemberAddResponse", answer],
    simple: () => {
      const how = member.isLearner ? " as learner " : " ";
      const told = `Member ${wideHex(member.id)} added${how}to cluster ${clusterOf(answer.header)}\n`;
      return `${told}\n${joining(name, member, answer.members, ctl.flags.string("peer-urls"))}`;
    },
  });
}

/** What the new member is to be started with. */
function joining(
  name: string,
  added: Member,
  members: readonly Member[],
  advertised: string,
): string {
  const cluster = members.flatMap((one) =>
    one.peerUrls.map((url) => `${one.id === added.id ? name : one.name}=${url}`),
  );
  return [
    `ETCD_NAME=${quote(name)}`,
    `ETCD_INITIAL_CLUSTER=${quote(cluster.join(","))}`,
    `ETCD_INITIAL_ADVERTISE_PEER_URLS=${quote(advertised)}`,
    'ETCD_INITIAL_CLUSTER_STATE="existing"\n',
  ].join("\n");
}

async function remove(ctl: Context): Promise<void> {
  const id = memberArgument(ctl);
  const answer = await (await ctl.client()).call(Cluster.memberRemove, { id }, "write");
  ctl.show({
    message: ["MemberRemoveResponse", answer],
    simple: () => `Member ${wideHex(id)} removed from cluster ${clusterOf(answer.header)}\n`,
  });
}

async function update(ctl: Context): Promise<void> {
  const id = memberArgument(ctl);
  const request = { id, peerUrls: peerUrls(ctl) };
  const answer = await (await ctl.client()).call(Cluster.memberUpdate, request, "write");
  ctl.show({
    message: ["MemberUpdateResponse", answer],
    simple: () => `Member ${wideHex(id)} updated in cluster ${clusterOf(answer.header)}\n`,
  });
}

async function promote(ctl: Context): Promise<void> {
  const id = memberArgument(ctl);
  const answer = await (await ctl.client()).call(Cluster.memberPromote, { id }, "write");
  ctl.show({
    message: ["MemberPromoteResponse", answer],
    simple: () => `Member ${wideHex(id)} promoted in cluster ${clusterOf(answer.header)}\n`,
  });
}

async function list(ctl: Context): Promise<void> {
  const linearizable = !isSerializable(ctl.flags);
  const kind = linearizable ? "read" : "local";
  const answer = await (await ctl.client()).call(Cluster.memberList, { linearizable }, kind);
  const rows = answer.members.map(tableRow);
  ctl.show({
    message: ["MemberListResponse", answer],
    simple: () => rows.map((row) => `${row.join(", ")}\n`).join(""),
    fields: () => listFields(answer, ctl.isHex),
    table: () => drawTable(HEADER, rows),
    ...(ctl.isHex ? { json: () => hexJson(answer) } : {}),
  });
}

function tableRow(member: Member): string[] {
  return [
    member.id.toString(16),
    member.name === "" ? "unstarted" : "started",
    member.name,
    member.peerUrls.join(","),
    member.clientUrls.join(","),
    String(member.isLearner),
  ];
}

function listFields(answer: MemberListResponse, isHex: boolean): string {
  const members = answer.members.map(({ id, name, peerUrls: peers, clientUrls, isLearner }) =>
    [
      `"ID" : ${id.toString(isHex ? 16 : 10)}`,
      `"Name" : ${quote(name)}`,
      ...peers.map((url) => `"PeerURL" : ${quote(url)}`),
      ...clientUrls.map((url) => `"ClientURL" : ${quote(url)}`),
      `"IsLearner" : ${isLearner}\n\n`,
    ].join("\n"),
  );
  return headerFields(answer.header, isHex) + members.join("");
}

/** Ids in hexadecimal, which makes them text; and no word of learners, as in etcdctl. */
function hexJson(answer: MemberListResponse): string {
  const hex = (json: string): string =>
    json.replace(/(_id":)(\d+)/g, (_, name: string, id: string) => {
      return `${name}"${BigInt(id).toString(16)}"`;
    });
  const urls = (list: readonly string[]): string =>
    list.length === 0 ? "null" : `[${list.map(stringJson).join(",")}]`;
  const members = answer.members.map(
    ({ id, name, peerUrls: peers, clientUrls }) =>
      `{"ID":"${id.toString(16)}","name":"${name}","peerURLs":${urls(peers)},"clientURLs":${urls(clientUrls)}}`,
  );
  const all = members.length === 0 ? "" : `,"members":[${members.join(",")}]`;
  return `{"header":{${hex(headerJson(answer.header))}}${all}}`;
}

export const MEMBER_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  add: {
    usage: "NAME --peer-urls=URLS",
    help: "announces a member",
    flags: [PEER_URLS, { name: "learner", kind: "bool", help: "as a learner, without a vote" }],
    run: add,
  },
  remove: { usage: "MEMBER", help: "removes a member", flags: [], run: remove },
  update: {
    usage: "MEMBER --peer-urls=URLS",
    help: "changes where a member is reached by others",
    flags: [PEER_URLS],
    run: update,
  },
  promote: { usage: "MEMBER", help: "gives a learner its vote", flags: [], run: promote },
  list: {
    usage: "",
    help: "lists the members",
    flags: [
      {
        name: "consistency",
        kind: "string",
        initial: "l",
        help: "l: linearizable; s: what the asked member knows",
      },
    ],
    run: list,
  },
};
