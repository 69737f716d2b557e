import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Passwords } from "../../../../node/passwords.ts";

const passwords = new Passwords(4);
after(() => passwords.close());

describe("Passwords", () => {
  it("a hash is of the kind that etcd writes, another each time, and fits its password alone", async () => {
    const [one, other] = await Promise.all([passwords.hash("secret"), passwords.hash("secret")]);
    assert.match(one, /^\$2a\$04\$[./A-Za-z0-9]{53}$/);
    assert.notEqual(one, other);
    assert.equal(await passwords.matches("secret", one), true);
    assert.equal(await passwords.matches("Secret", one), false);
    assert.equal(await passwords.matches("", one), false);
  });

  it("judges hashes that others made", async () => {
    // A vector of jBCrypt, for the password "abc".
    const known = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
    assert.equal(await passwords.matches("abc", known), true);
    assert.equal(await passwords.matches("abd", known), false);
    assert.equal(await passwords.matches("abc", "no hash"), false);
    assert.equal(await passwords.matches("abc", ""), false);
  });

  it("without a hash nothing fits, and it takes no less time to say so", async () => {
    const slow = new Passwords(9);
    const hash = await slow.hash("secret");
    const time = async (given: string | null): Promise<number> => {
      const began = performance.now();
      assert.equal(await slow.matches("wrong", given), false);
      return performance.now() - began;
    };
    await time(hash);
    const times: number[] = [];
    for (let at = 0; at < 5; at++) times.push((await time(null)) / (await time(hash)));
    slow.close();
    const median = times.toSorted((a, b) => a - b)[2] ?? 0;
    assert.ok(median > 0.4 && median < 2.5, `${median} times as long`);
  });

  it("the loop turns meanwhile", async () => {
    const slow = new Passwords(10);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await slow.hash("secret");
    clearInterval(timer);
    slow.close();
    assert.ok(turns >= 5, `${turns} turns`);
  });

  it("who waits when it is closed is told so, and too many are refused", async () => {
    const closing = new Passwords(10);
    const waiting = Array.from({ length: 1_100 }, () =>
      closing.hash("x").then(
        () => "done",
        (error: Error) => error.message,
      ),
    );
    await Promise.resolve();
    closing.close();
    const told = await Promise.all(waiting);
    const count = (text: string): number => told.filter((each) => each === text).length;
    assert.equal(count("etcdserver: too many requests"), 98);
    assert.equal(count("etcdserver: server stopped"), 1_002);
  });
});
