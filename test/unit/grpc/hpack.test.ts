import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeFields, HpackDecoder } from "../../../src/grpc/hpack.ts";
import { DynamicTable } from "../../../src/grpc/hpack-table.ts";
import { decodeHuffman, encodeHuffman } from "../../../src/grpc/huffman.ts";

function decode(decoder: HpackDecoder, hex: string): [string, string][] {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  decoder.decode(bytes, 0, bytes.length);
  return decoder.names.slice(0, decoder.count).map((name, at) => [name, decoder.values[at] ?? ""]);
}

const FIRST: [string, string][] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const SECOND: [string, string][] = [...FIRST, ["cache-control", "no-cache"]];
const THIRD: [string, string][] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];

describe("HpackDecoder", () => {
  it("reads the single fields of RFC 7541 C.2", () => {
    assert.deepEqual(
      decode(
        new HpackDecoder(9999),
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      ),
      [["custom-key", "custom-header"]],
    );
    assert.deepEqual(decode(new HpackDecoder(9999), "040c 2f73 616d 706c 652f 7061 7468"), [
      [":path", "/sample/path"],
    ]);
    assert.deepEqual(decode(new HpackDecoder(9999), "1008 7061 7373 776f 7264 0673 6563 7265 74"), [
      ["password", "secret"],
    ]);
    assert.deepEqual(decode(new HpackDecoder(9999), "82"), [[":method", "GET"]]);
  });

  it("reads the request sequences of RFC 7541 C.3, plain, and C.4, Huffman", () => {
    const plain = new HpackDecoder(9999);
    assert.deepEqual(decode(plain, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"), FIRST);
    assert.deepEqual(decode(plain, "8286 84be 5808 6e6f 2d63 6163 6865"), SECOND);
    assert.deepEqual(
      decode(plain, "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"),
      THIRD,
    );
    const coded = new HpackDecoder(9999);
    assert.deepEqual(decode(coded, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), FIRST);
    assert.deepEqual(decode(coded, "8286 84be 5886 a8eb 1064 9cbf"), SECOND);
    assert.deepEqual(
      decode(coded, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"),
      THIRD,
    );
  });

  it("evicts as RFC 7541 C.6 does, in a table of 256 bytes", () => {
    const decoder = new HpackDecoder(9999);
    decode(
      decoder,
      "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    );
    assert.deepEqual(decode(decoder, "4883 640e ffc1 c0bf"), [
      [":status", "307"],
      ["cache-control", "private"],
      ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ["location", "https://www.example.com"],
    ]);
    // :status 302, the oldest, was evicted for 307: four entries are left.
    assert.throws(() => decode(decoder, "c2"), { code: 9 });
  });

  it("counts but does not store fields past the limit on the list", () => {
    const decoder = new HpackDecoder(100);
    assert.equal(decode(decoder, "828282").length, 2);
    assert.equal(decoder.listBytes, 3 * 42);
  });

  it("refuses index 0, indexes past the table, sizes too large or late, and what ends early", () => {
    for (const hex of [
      "80",
      "be",
      "ff00",
      "3fe2 1f",
      "8220",
      "40",
      "4001",
      "400161",
      "7fffffffff",
      "0001",
      "ff8080808001",
    ]) {
      assert.throws(
        () => decode(new HpackDecoder(9999), hex),
        { name: "ConnectionError", code: 9 },
        hex,
      );
    }
  });
});

describe("DynamicTable", () => {
  it("is emptied by an entry larger than itself", () => {
    const table = new DynamicTable();
    table.insert("a", "b");
    table.insert("big", "x".repeat(4096));
    assert.equal(table.count, 0);
    assert.equal(table.bytes, 0);
  });

  it("keeps the newest of more entries than it has slots", () => {
    const table = new DynamicTable();
    for (let at = 0; at < 500; at++) table.insert("", "");
    table.insert("n", "v");
    assert.equal(table.count, 127);
    assert.equal(table.name(0), "n");
    table.resize(0);
    assert.equal(table.count, 0);
  });
});

describe("Huffman", () => {
  it("refuses padding of zeros, of eight bits and more, and EOS", () => {
    assert.equal(decodeHuffman(encodeHuffman("a"), 0, 1), "a");
    for (const bytes of [[0x18], [0x1f, 0xff], [0xff, 0xff, 0xff, 0xff]]) {
      assert.throws(() => decodeHuffman(Buffer.from(bytes), 0, bytes.length), { code: 9 });
    }
  });
});

describe("encodeFields", () => {
  it("writes literals of any length that a decoder reads back, and leaves its table alone", () => {
    const fields: [string, string][] = [
      [":status", "200"],
      ["grpc-message", "x".repeat(500)],
      ["y".repeat(127), ""],
    ];
    const decoder = new HpackDecoder(9999);
    assert.deepEqual(decode(decoder, encodeFields(fields).toString("hex")), fields);
    assert.throws(() => decode(decoder, "be"));
  });
});
