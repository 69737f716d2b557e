import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "node:test";
import { MESSAGES } from "../../../src/api/gen/registry.ts";
import { decodeJson } from "../../../node/gateway/json-decode.ts";
import { encodeJson } from "../../../node/gateway/json-encode.ts";
import { JsonSplitter } from "../../../node/gateway/json-splitter.ts";
import { checkJson } from "../../../node/gateway/json-syntax.ts";
import { messageSpec, plain, records, type Fields } from "../api/oracle.ts";

function toText(name: string, record: Fields, escapeHtml = false): string {
  const spec = messageSpec(name);
  return Array.from(encodeJson(spec, spec.encode(record).slice(), escapeHtml)).join("");
}

describe("the gateway's JSON", () => {
  for (const name of Object.keys(MESSAGES)) {
    it(`brings every ${name} back`, () => {
      fc.assert(
        fc.property(records(name, 2), fc.boolean(), (record, escapeHtml) => {
          const text = toText(name, record, escapeHtml);
          assert.doesNotThrow(() => JSON.parse(text));
          assert.equal(checkJson(text), text.length);
          const back = decodeJson(messageSpec(name), text) as Fields;
          assert.deepEqual(plain(name, back), plain(name, record));
        }),
        { numRuns: 30, seed: 1 },
      );
    });
  }

  it("is judged as JSON.parse judges it, in any text that is nearly JSON", () => {
    const nearly = fc
      .tuple(
        fc.json(),
        fc.nat(),
        fc.constantFrom("", ",", "}", "]", '"', "\\", "1", "e", "\u0001", "é"),
      )
      .map(([text, at, inserted]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + inserted + text.slice(place + (at % 2));
      });
    fc.assert(
      fc.property(nearly, (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        let whole = false;
        try {
          whole = text.slice(checkJson(text)).trim() === "";
        } catch {
          // It is not.
        }
        assert.equal(whole, valid, text);
      }),
      { numRuns: 2_000, seed: 2 },
    );
  });

  it("finds the same values in a body however it is cut", () => {
    const bodies = fc.array(fc.object(), { maxLength: 5 });
    fc.assert(
      fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 7 })), (values, sizes) => {
        const texts = values.map((value) => JSON.stringify(value));
        const body = Buffer.from(texts.join("\n "));
        const splitter = new JsonSplitter(1_000_000);
        const found: string[] = [];
        const take = (last: boolean): void => {
          for (let next = splitter.next(last); next !== null; next = splitter.next(last))
            found.push(next);
        };
        for (let at = 0; at < body.length;) {
          const end = at + (sizes.next().value ?? 1);
          splitter.push(body.subarray(at, end));
          take(false);
          at = end;
        }
        splitter.finish();
        take(true);
        assert.deepEqual(
          found.map((text) => text.trim()),
          texts,
        );
      }),
      { numRuns: 200, seed: 3 },
    );
  });
});
