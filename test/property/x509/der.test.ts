import assert from "node:assert/strict";
import { isIP } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { QuorateError } from "../../../src/base/errors.ts";
import { Authority } from "../../../src/x509/authority.ts";
import {
  element,
  integer,
  readAll,
  readOne,
  readTime,
  time,
  type DerElement,
} from "../../../src/x509/der.ts";
import { parseAddress } from "../../../src/x509/names.ts";
import { readRevocationList } from "../../../src/x509/revocation.ts";

const tag = fc.integer({ min: 0, max: 255 }).filter((value) => (value & 0x1f) !== 0x1f);

describe("DER", () => {
  it("elements read back as they were written, of any length", () => {
    const parts = fc.array(fc.tuple(tag, fc.uint8Array({ maxLength: 70_000, size: "max" })), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(parts, (wanted) => {
        const bytes = Buffer.concat(wanted.map(([type, content]) => element(type, content)));
        const found = readAll(bytes).map((each): [number, Uint8Array] => [
          each.tag,
          new Uint8Array(each.content),
        ]);
        assert.deepEqual(found, wanted);
      }),
      { numRuns: 60 },
    );
  });

  it("integers are the shortest two's complement", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 160n }), (value) => {
        const { content } = readOne(integer(value));
        assert.equal(BigInt(`0x${Buffer.from(content).toString("hex")}`), value);
        assert.ok((content[0] ?? 0) < 0x80, "not negative");
        assert.ok(
          content.length === 1 || content[0] !== 0 || (content[1] ?? 0) >= 0x80,
          "shortest",
        );
      }),
    );
  });

  it("times read back to the second", () => {
    const bounds = {
      min: new Date("1950-01-01"),
      max: new Date("9999-12-31"),
      noInvalidDate: true,
    };
    fc.assert(
      fc.property(fc.date(bounds), (at) => {
        const whole = Math.floor(at.getTime() / 1000) * 1000;
        assert.equal(readTime(readOne(time(at))).getTime(), whole);
      }),
    );
  });

  it("random bytes are read or refused, never anything else", () => {
    const walk = (bytes: Uint8Array, depth: number): void => {
      for (const each of readAll(bytes)) if (depth < 4) tryWalk(each, depth + 1);
    };
    const tryWalk = ({ content }: DerElement, depth: number): void => {
      try {
        walk(content, depth);
      } catch (error) {
        assert.ok(error instanceof QuorateError);
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) =>
        tryWalk({ tag: 0, content: bytes, whole: bytes }, 0),
      ),
    );
  });
});

describe("readRevocationList", () => {
  const day = 86_400_000;
  const from = new Date("2030-01-01");
  const authority = Authority.create("root", {
    notBefore: from,
    notAfter: new Date(from.getTime() + day),
  });
  const good = Buffer.from(
    authority.revoke([1n, 2n, 3n], 1n, from, new Date(from.getTime() + day)),
  );

  it("a list with a changed or missing byte is refused or read as a list", () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bad = Buffer.from(good);
        bad[at] = byte;
        try {
          readRevocationList(cut ? bad.subarray(0, at) : bad);
        } catch (error) {
          assert.ok(error instanceof QuorateError);
          assert.equal(error.code, "invalidArgument");
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("parseAddress", () => {
  it("takes what is an IP address and nothing else", () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.domain(),
      fc.string({ unit: fc.constantFrom("0", "1", "f", ":", "."), maxLength: 20 }),
    );
    fc.assert(
      fc.property(text, (name) => {
        const bytes = parseAddress(name);
        // A leading zero in a part of an IPv4 address is ambiguous: net.isIP refuses it.
        assert.equal(bytes?.length ?? 0, isIP(name) === 0 ? 0 : isIP(name) === 4 ? 4 : 16);
      }),
      { numRuns: 2000 },
    );
    assert.deepEqual(
      parseAddress("[fe80::1:ff]"),
      Buffer.from("fe8000000000000000000000000100ff", "hex"),
    );
    assert.deepEqual(
      parseAddress("::ffff:10.0.0.1"),
      Buffer.from("00000000000000000000ffff0a000001", "hex"),
    );
  });
});
