/** Keys and values as the commands print them. Values are bytes: the text is built of latin1, one character a byte. */
import type {
  DeleteRangeResponse,
  PutResponse,
  RangeResponse,
  ResponseOp,
  TxnResponse,
} from "../../src/api/gen/kv.ts";
import type { KeyValue } from "../../src/api/gen/mvcc.ts";
import { headerFields } from "./context.ts";
import { hex16, quote } from "./go-text.ts";

export interface KvStyle {
  readonly isHex: boolean;
  readonly isValueOnly: boolean;
}

function raw(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** Text of such bytes, to be put among them. */
export function latin(text: string): string {
  return raw(Buffer.from(text));
}

/** The bytes of a text that was built of bytes. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function hexText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

export function simpleRow(row: KeyValue, style: KvStyle): string {
  const text = style.isHex ? hexText : raw;
  const key = style.isValueOnly ? "" : `${text(row.key)}\n`;
  return `${key}${text(row.value)}\n`;
}

function simpleRows(rows: readonly KeyValue[], style: KvStyle): string {
  return rows.map((row) => simpleRow(row, style)).join("");
}

export function simpleRange(answer: RangeResponse, style: KvStyle): string {
  return simpleRows(answer.kvs, style);
}

export function simplePut(answer: PutResponse, style: KvStyle): string {
  return `OK\n${answer.prevKv === null ? "" : simpleRow(answer.prevKv, style)}`;
}

export function simpleDelete(answer: DeleteRangeResponse, style: KvStyle): string {
  return `${answer.deleted}\n${simpleRows(answer.prevKvs, style)}`;
}

export function simpleTxn(answer: TxnResponse, style: KvStyle): string {
  const parts = answer.responses.map((one) => `\n${simpleOp(one, style)}`);
  return `${answer.succeeded ? "SUCCESS" : "FAILURE"}\n${parts.join("")}`;
}

function simpleOp({ response }: ResponseOp, style: KvStyle): string {
  switch (response?.kind) {
    case "responseRange":
      return simpleRange(response.value, style);
    case "responsePut":
      return simplePut(response.value, style);
    case "responseDeleteRange":
      return simpleDelete(response.value, style);
    case "responseTxn":
      return simpleTxn(response.value, style);
    default:
      return "";
  }
}

export function fieldsRow(prefix: string, row: KeyValue, isHex: boolean): string {
  const lines = [
    `"${prefix}Key" : ${quote(row.key)}`,
    `"${prefix}CreateRevision" : ${row.createRevision}`,
    `"${prefix}ModRevision" : ${row.modRevision}`,
    `"${prefix}Version" : ${row.version}`,
    `"${prefix}Value" : ${quote(row.value)}`,
    `"${prefix}Lease" : ${isHex ? hex16(row.lease) : row.lease}`,
  ];
  return `${lines.join("\n")}\n`;
}

function nestedHeader(header: RangeResponse["header"], isHex: boolean): string {
  return header === null ? "" : headerFields(header, isHex);
}

export function fieldsRange(answer: RangeResponse, isHex: boolean): string {
  const rows = answer.kvs.map((row) => fieldsRow("", row, isHex)).join("");
  return `${nestedHeader(answer.header, isHex)}${rows}"More" : ${answer.more}\n"Count" : ${answer.count}\n`;
}

export function fieldsPut(answer: PutResponse, isHex: boolean): string {
  const previous = answer.prevKv === null ? "" : fieldsRow("Prev", answer.prevKv, isHex);
  return `${nestedHeader(answer.header, isHex)}${previous}`;
}

export function fieldsDelete(answer: DeleteRangeResponse, isHex: boolean): string {
  const rows = answer.prevKvs.map((row) => fieldsRow("Prev", row, isHex)).join("");
  return `${nestedHeader(answer.header, isHex)}"Deleted" : ${answer.deleted}\n${rows}`;
}

export function fieldsTxn(answer: TxnResponse, isHex: boolean): string {
  const parts = answer.responses.map((one) => fieldsOp(one, isHex));
  return `${nestedHeader(answer.header, isHex)}"Succeeded" : ${answer.succeeded}\n${parts.join("")}`;
}

function fieldsOp({ response }: ResponseOp, isHex: boolean): string {
  switch (response?.kind) {
    case "responseRange":
      return fieldsRange(response.value, isHex);
    case "responsePut":
      return fieldsPut(response.value, isHex);
    case "responseDeleteRange":
      return fieldsDelete(response.value, isHex);
    case "responseTxn":
      return fieldsTxn(response.value, isHex);
    default:
      return "";
  }
}
