/**
 * Nanoseconds a message, one process, median of several rounds: `node test/bench/codec.ts`.
 * Targets: Put decode, RangeResponse of one stored version, and the Command envelope below 150 ns each.
 */
import { decodeCommand } from "../../src/api/gen/command.ts";
import {
  compare,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  putRequest,
  rangeRequest,
  requestOp,
  txnRequest,
} from "../../src/api/gen/kv.ts";
import { encodeKeyValue, keyValue } from "../../src/api/gen/mvcc.ts";
import { decodePeerMessages, encodePeerMessages, peerMessages } from "../../src/api/gen/peer.ts";
import {
  encodeCommandRaw,
  encodeEventRaw,
  encodePutResponseRaw,
  encodeRangeResponseRaw,
  encodeWatchEventsRaw,
  HeaderIds,
  PUT_TAG,
} from "../../src/api/hot.ts";

const ROUNDS = 9;
const PER_ROUND = 200_000;

const key = Buffer.from("key-of-16-bytes!");
const value = Buffer.alloc(256, 0x76);
const put = putRequest({ key, value });
const putBytes = copy(encodePutRequest(put));
const rangeBytes = copy(encodeRangeRequest(rangeRequest({ key })));
const txn = txnRequest({
  compare: [compare({ target: 2, key, targetUnion: { kind: "modRevision", value: 12_345 } })],
  success: [requestOp({ request: { kind: "requestPut", value: put } })],
});
const txnBytes = copy(encodeTxnRequest(txn));
const kv = copy(
  encodeKeyValue(keyValue({ key, value, createRevision: 1e6, modRevision: 2e6, version: 3 })),
);
const event = encodeEventRaw(0, kv, null);
const events = Array.from({ length: 10 }, () => event);
const kvs = [kv];
const ids = new HeaderIds(0xfedc_ba98_7654_3210n, 0x8e9e_05c5_2164_694dn);
const header = { ids, revision: 2_000_000, raftTerm: 7 };
const commandBytes = copy(encodeCommandRaw(0x1234_5678_9abc_def0n, null, PUT_TAG, putBytes));
const entries = Array.from({ length: 20 }, (_, at) => ({
  term: 7,
  index: 1_000_000 + at,
  kind: 0,
  data: commandBytes,
}));
const append = { previousIndex: 999_999, previousTerm: 7, entries, commit: 999_000, quiet: false };
const batch = peerMessages({ messages: [{ term: 7, kind: { kind: "append", value: append } }] });
const batchBytes = copy(encodePeerMessages(batch));

/** As from a socket: a Buffer. */
function copy(bytes: Uint8Array): Uint8Array {
  return Buffer.from(bytes);
}

const cases: Readonly<Record<string, () => { readonly length?: number }>> = {
  "PutRequest encode": () => encodePutRequest(put),
  "PutRequest decode": () => decodePutRequest(putBytes).key,
  "RangeRequest decode": () => decodeRangeRequest(rangeBytes).key,
  "TxnRequest encode, 1 compare + 1 put": () => encodeTxnRequest(txn),
  "TxnRequest decode, 1 compare + 1 put": () => decodeTxnRequest(txnBytes).success,
  "RangeResponse encode, 1 raw kv": () => encodeRangeResponseRaw(header, kvs, false, 1),
  "PutResponse encode": () => encodePutResponseRaw(header, null),
  "WatchResponse encode, 10 raw events": () => encodeWatchEventsRaw(header, 5, events, false),
  "Command encode, raw put": () =>
    encodeCommandRaw(0x1234_5678_9abc_def0n, null, PUT_TAG, putBytes),
  "Command decode, put": () => decodeCommand(commandBytes).user,
  "PeerMessages encode, append of 20": () => encodePeerMessages(batch),
  "PeerMessages decode, append of 20": () => decodePeerMessages(batchBytes).messages,
};

let sink = 0;
for (const [name, run] of Object.entries(cases)) {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const count = name.includes("20") ? PER_ROUND / 20 : PER_ROUND;
    const before = process.hrtime.bigint();
    for (let at = 0; at < count; at++) sink += run().length ?? 0;
    rounds.push(Number(process.hrtime.bigint() - before) / count);
  }
  const median = rounds.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0;
  console.log(`${name.padEnd(40)} ${median.toFixed(0).padStart(6)} ns`);
}
console.log(`(${sink % 10})`);
