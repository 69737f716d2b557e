import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";

import { BucketTotals, openRecord, toRecordValue } from "../../../src/backend/record.ts";

describe("openRecord", () => {
  it("accepts the CRC-32 of key and payload, whatever their lengths", () => {
    for (let keyBytes = 1; keyBytes <= 70; keyBytes++) {
      const recordKey = Buffer.from(Array.from({ length: keyBytes }, (_, at) => (at * 37) & 0xff));
      for (const payloadBytes of [0, 1, 3, 4, 255]) {
        const payload = Buffer.alloc(payloadBytes, keyBytes);
        const value = Buffer.alloc(payloadBytes + 4);
        payload.copy(value);
        value.writeUInt32LE(crc32(Buffer.concat([recordKey, payload])), payloadBytes);
        assert.deepEqual(Buffer.from(openRecord(recordKey, value)), payload);
        assert.deepEqual(toRecordValue(recordKey, payload), value);
      }
    }
  });

  it("refuses every single flipped bit of key, payload and CRC, and values shorter than a CRC", () => {
    const recordKey = Buffer.from("\u0001key", "latin1");
    const value = toRecordValue(recordKey, Buffer.from("payload"));
    const whole = Buffer.concat([recordKey, value]);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const key = damaged.subarray(0, recordKey.length);
      assert.throws(() => openRecord(key, damaged.subarray(recordKey.length)), {
        code: "corruption",
      });
    }
    assert.throws(() => openRecord(recordKey, value.subarray(0, 3)), { code: "corruption" });
  });
});

describe("BucketTotals", () => {
  it("counts a record the same way whether its payload is asked for or not", () => {
    const recordKey = Buffer.from("\u0001key", "latin1");
    const value = toRecordValue(recordKey, Buffer.from("payload"));
    const [asked, counted] = [new BucketTotals(), new BucketTotals()];
    assert.equal(Buffer.from(asked.addStored(recordKey, value)).toString(), "payload");
    counted.countStored(recordKey, value);
    assert.ok(asked.equals(counted));
    assert.equal(counted.count, 1);
  });
});
