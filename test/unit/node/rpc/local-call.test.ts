import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { KV } from "../../../../src/api/gen/methods.ts";
import {
  decodePutRequest,
  encodePutResponse,
  putRequest,
  putResponse,
} from "../../../../src/api/gen/kv.ts";
import { QuorateError } from "../../../../src/base/errors.ts";
import {
  Status,
  type Method,
  type ServerCall,
  type StreamReceiver,
} from "../../../../src/grpc/service.ts";
import { type Caller, LocalCalls } from "../../../../node/rpc/local-call.ts";

const CALLER: Caller = {
  header: (name) => (name === "token" ? "secret" : undefined),
  remoteAddress: "192.0.2.1:5",
  certificate: null,
};
const NEVER: AbortSignal = new AbortController().signal;

interface Counted {
  started: number;
  readonly ended: Status[];
  readonly errors: unknown[];
}

function calls(methods: Readonly<Record<string, Method>>): { local: LocalCalls; counted: Counted } {
  const counted: Counted = { started: 0, ended: [], errors: [] };
  const local = new LocalCalls({
    router: new Map(Object.entries(methods)),
    observer: {
      onStart: () => counted.started++,
      onEnd: (_method, _path, status) => counted.ended.push(status),
    },
    onError: (error) => counted.errors.push(error),
  });
  return { local, counted };
}

function unary(handle: (call: ServerCall, message: Uint8Array) => void): Method {
  return { kind: "unary", handle, onCancel: null };
}

/** Collects what a stream says. */
class Heard {
  readonly messages: string[] = [];
  end: { status: Status; text: string } | null = null;
  onMessage(message: Uint8Array): void {
    this.messages.push(Buffer.from(message).toString());
  }
  onEnd(status: Status, text: string): void {
    assert.equal(this.end, null, "a stream ends once");
    this.end = { status, text };
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("LocalCalls.unary", () => {
  it("gives the method the request, and the caller the reply", async () => {
    const { local, counted } = calls({
      [KV.put.path]: unary((call, message) => {
        const { key } = decodePutRequest(message);
        assert.equal(call.path, KV.put.path);
        call.reply(encodePutResponse(putResponse({ prevKv: null, header: null })));
        assert.equal(Buffer.from(key).toString(), "k");
      }),
    });
    const reply = await local.unary(CALLER, KV.put, putRequest({ key: bytes("k") }), NEVER);
    assert.deepEqual(reply, putResponse());
    assert.deepEqual([counted.started, counted.ended], [1, [Status.ok]]);
  });

  it("shows the method who is being served", async () => {
    const seen: (string | undefined)[] = [];
    const { local } = calls({
      "/a/b": unary((call) => {
        seen.push(call.header("token"), call.header("other"), call.remoteAddress);
        call.reply(new Uint8Array(0));
      }),
    });
    await local.unaryBytes(CALLER, "/a/b", new Uint8Array(0), NEVER);
    assert.deepEqual(seen, ["secret", undefined, "192.0.2.1:5"]);
  });

  it("keeps a reply whose bytes the method reuses", async () => {
    const buffer = Buffer.from("first");
    const { local } = calls({
      "/a/b": unary((call) => {
        call.reply(buffer);
        buffer.fill(0);
      }),
    });
    const reply = await local.unaryBytes(CALLER, "/a/b", new Uint8Array(0), NEVER);
    assert.equal(Buffer.from(reply).toString(), "first");
  });

  it("joins a reply that comes in parts", async () => {
    const parts = [bytes("one "), bytes("message")];
    const { local } = calls({
      "/a/b": unary((call) => call.replyParts(11, () => parts.shift() ?? null)),
    });
    const reply = await local.unaryBytes(CALLER, "/a/b", new Uint8Array(0), NEVER);
    assert.equal(Buffer.from(reply).toString(), "one message");
  });

  it("rejects with the code and the text that the method ended with", async () => {
    const { local } = calls({
      "/a/b": unary((call) => call.end(Status.outOfRange, "too far")),
    });
    await assert.rejects(
      local.unaryBytes(CALLER, "/a/b", new Uint8Array(0), NEVER),
      new QuorateError("outOfRange", "too far"),
    );
  });

  it("rejects a method that does not exist", async () => {
    const { local } = calls({});
    await assert.rejects(
      local.unaryBytes(CALLER, "/a/b", new Uint8Array(0), NEVER),
      new QuorateError("unimplemented", "unknown method"),
    );
  });

  it("hides and reports what a method throws", async () => {
    const { local, counted } = calls({
      "/a/b": unary(() => {
        throw new Error("private");
      }),
    });
    await assert.rejects(
      local.unaryBytes(CALLER, "/a/b", new Uint8Array(0), NEVER),
      new QuorateError("internal", "internal server error"),
    );
    assert.equal(counted.errors.length, 1);
  });

  it("tells the method once when the signal aborts, and hears nothing more of it", async () => {
    const abort = new AbortController();
    const cancels: ServerCall[] = [];
    const { local, counted } = calls({
      "/a/b": { kind: "unary", handle() {}, onCancel: (call) => cancels.push(call) },
    });
    const reply = local.unaryBytes(CALLER, "/a/b", new Uint8Array(0), abort.signal);
    abort.abort(new Error("gone"));
    await assert.rejects(reply, /gone/);
    assert.equal(cancels.length, 1);
    assert.equal(cancels[0]?.ended, true);
    cancels[0]?.reply(bytes("late"));
    assert.deepEqual(counted.ended, [Status.cancelled]);
  });
});

describe("LocalCalls.openStream", () => {
  /** A bidirectional method that is driven by the test. */
  function driven(): { method: Method; call: () => ServerCall; told: string[] } {
    let opened: ServerCall | null = null;
    const told: string[] = [];
    const receiver: StreamReceiver = {
      onMessage: (message) => told.push(Buffer.from(message).toString()),
      onHalfClose: () => told.push("half-closed"),
      onClose: () => told.push("closed"),
    };
    const method: Method = {
      kind: "bidiStream",
      open: (call) => {
        opened = call;
        return receiver;
      },
    };
    return { method, told, call: () => opened ?? assert.fail("not opened") };
  }

  it("carries messages both ways, and both ends", async () => {
    const service = driven();
    const { local } = calls({ "/a/b": service.method });
    const heard = new Heard();
    const stream = local.openStream(CALLER, "/a/b", heard);
    stream.write(bytes("ask"));
    service.call().send(bytes("answer"));
    stream.halfClose();
    service.call().end(Status.unavailable, "no leader");
    service.call().send(bytes("late"));
    stream.write(bytes("late"));
    assert.deepEqual(heard.messages, ["answer"]);
    assert.deepEqual(heard.end, { status: Status.unavailable, text: "no leader" });
    assert.deepEqual(service.told, ["ask", "half-closed"]);
    await Promise.resolve();
    assert.deepEqual(service.told, ["ask", "half-closed", "closed"]);
  });

  it("closes the method's half when canceled, and the listener hears nothing", async () => {
    const service = driven();
    const { local, counted } = calls({ "/a/b": service.method });
    const heard = new Heard();
    const stream = local.openStream(CALLER, "/a/b", heard);
    stream.cancel(Status.cancelled);
    stream.cancel(Status.cancelled);
    await Promise.resolve();
    assert.deepEqual([service.told, heard.end], [["closed"], null]);
    assert.deepEqual(counted.ended, [Status.cancelled]);
    assert.equal(service.call().ended, true);
  });

  it("holds what the listener has not taken, and says when half of it is gone", () => {
    const service = driven();
    const { local } = calls({ "/a/b": service.method });
    const stream = local.openStream(CALLER, "/a/b", new Heard());
    const call = service.call();
    let drained = 0;
    call.send(new Uint8Array(100));
    assert.equal(call.queuedBytes, 100);
    call.onDrained(100, () => drained++);
    stream.taken(49);
    assert.equal(drained, 0);
    stream.taken(1);
    assert.equal(drained, 1);
    stream.taken(50);
    assert.deepEqual([drained, call.queuedBytes], [1, 0]);
    call.onDrained(100, () => drained++);
    assert.equal(drained, 2, "at once where nothing waits");
  });

  it("ends at once where the method refuses to open, and still closes its receiver", async () => {
    const told: string[] = [];
    const { local } = calls({
      "/a/b": {
        kind: "serverStream",
        open: (call) => {
          call.end(Status.unavailable, "no");
          return { onMessage() {}, onHalfClose() {}, onClose: () => told.push("closed") };
        },
      },
    });
    const heard = new Heard();
    local.openStream(CALLER, "/a/b", heard);
    assert.deepEqual(heard.end, { status: Status.unavailable, text: "no" });
    await Promise.resolve();
    assert.deepEqual(told, ["closed"]);
  });
});
