import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { generate } from "../../../src/api/generate/generate.ts";
import { camel, camelUpper } from "../../../src/api/generate/model.ts";
import { parseProto } from "../../../src/api/generate/parse.ts";
import { buildSchema } from "../../../src/api/generate/schema.ts";

const api = join(import.meta.dirname, "../../../src/api");

describe("generate", () => {
  it("src/api/gen is what the definitions say; if not, `npm run generate`", () => {
    const wanted = generate(join(api, "proto"));
    assert.deepEqual(readdirSync(join(api, "gen")).toSorted(), [...wanted.keys()].toSorted());
    for (const [name, text] of wanted) {
      assert.equal(readFileSync(join(api, "gen", name), "utf8"), text, name);
    }
  });

  it("property names are camelCase whatever the definition's style", () => {
    const names = ["range_end", "peerURLs", "ID", "TTL", "grantedTTL", "memberID", "dbSizeInUse"];
    assert.deepEqual(names.map(camel), [
      "rangeEnd",
      "peerUrls",
      "id",
      "ttl",
      "grantedTtl",
      "memberId",
      "dbSizeInUse",
    ]);
    assert.equal(camelUpper("NOT_EQUAL"), "notEqual");
  });
});

describe("parseProto", () => {
  it("names file and line of what it does not know", () => {
    const source = 'syntax = "proto3";\npackage p;\nmessage M {\n  optional bool a = 1;\n}\n';
    assert.throws(() => parseProto("m.proto", source), /m\.proto:4: unexpected "a", expected "="/);
  });

  it("keeps fields in ascending order, oneofs among them", () => {
    const source = "message M { bool c = 3; oneof o { bool a = 1; } bool b = 2; }";
    const [type] = parseProto("m.proto", source).types;
    assert.ok(type?.kind === "message");
    assert.deepEqual(
      type.fields.map(({ name, oneof }) => [name, oneof]),
      [
        ["a", "o"],
        ["b", null],
        ["c", null],
      ],
    );
  });
});

describe("buildSchema", () => {
  const build = (body: string): unknown => buildSchema([parseProto("m.proto", body)]);

  it("refuses a field number used twice, out of range, or on a type nobody defined", () => {
    assert.throws(() => build("message M { bool a = 1; bool b = 1; }"), /used twice/);
    assert.throws(() => build("message M { bool a = 0; }"), /bad field number/);
    assert.throws(() => build("message M { N a = 1; }"), /unknown type N/);
    assert.throws(() => build("message M {} message M {}"), /defined twice/);
  });

  it("refuses an id that is not a 64-bit integer", () => {
    assert.throws(() => build("message M { string a = 1 [(id) = true]; }"), /only a 64-bit/);
  });
});
