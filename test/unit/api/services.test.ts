import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KV, METHODS, Watch } from "../../../src/api/gen/methods.ts";
import { decodePutRequest, encodePutRequest } from "../../../src/api/gen/kv.ts";
import { METHOD_BY_PATH, METHOD_BY_REST } from "../../../src/api/services.ts";

/** Methods of each service, as etcd's clients call them. */
const SERVICES: Readonly<Record<string, string>> = {
  "etcdserverpb.KV": "Range Put DeleteRange Txn Compact RangeStream",
  "etcdserverpb.Watch": "Watch",
  "etcdserverpb.Lease": "LeaseGrant LeaseRevoke LeaseKeepAlive LeaseTimeToLive LeaseLeases",
  "etcdserverpb.Cluster": "MemberAdd MemberRemove MemberUpdate MemberList MemberPromote",
  "etcdserverpb.Maintenance": "Alarm Status Defragment Hash HashKV Snapshot MoveLeader Downgrade",
  "etcdserverpb.Auth":
    "AuthEnable AuthDisable AuthStatus Authenticate UserAdd UserGet UserList UserDelete " +
    "UserChangePassword UserGrantRole UserRevokeRole RoleAdd RoleGet RoleList RoleDelete " +
    "RoleGrantPermission RoleRevokePermission",
  "v3lockpb.Lock": "Lock Unlock",
  "v3electionpb.Election": "Campaign Proclaim Leader Observe Resign",
  "grpc.health.v1.Health": "Check Watch",
  "grpc.reflection.v1.ServerReflection": "ServerReflectionInfo",
};

describe("METHODS", () => {
  it("has every method of every public service, and streams where etcd streams", () => {
    const paths = METHODS.filter(({ service }) => service !== "quorate.Peer").map(
      ({ path }) => path,
    );
    const wanted = Object.entries(SERVICES).flatMap(([service, names]) =>
      names.split(" ").map((name) => `/${service}/${name}`),
    );
    assert.deepEqual(paths.toSorted(), wanted.toSorted());
    const streams = METHODS.filter(
      ({ kind, service }) => kind !== "unary" && service !== "quorate.Peer",
    );
    assert.deepEqual(streams.map(({ path, kind }) => `${path} ${kind}`).toSorted(), [
      "/etcdserverpb.KV/RangeStream serverStream",
      "/etcdserverpb.Lease/LeaseKeepAlive bidiStream",
      "/etcdserverpb.Maintenance/Snapshot serverStream",
      "/etcdserverpb.Watch/Watch bidiStream",
      "/grpc.health.v1.Health/Watch serverStream",
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo bidiStream",
      "/v3electionpb.Election/Observe serverStream",
    ]);
  });

  it("methods are found by path and by each REST path, the older lease paths among them", () => {
    assert.equal(METHOD_BY_PATH.get("/etcdserverpb.KV/Put")?.name, "Put");
    assert.equal(METHOD_BY_REST.get("/v3/kv/put")?.path, KV.put.path);
    assert.equal(METHOD_BY_REST.get("/v3/maintenance/transfer-leadership")?.name, "MoveLeader");
    for (const name of ["revoke", "timetolive", "leases"]) {
      const method = METHOD_BY_REST.get(`/v3/lease/${name}`);
      assert.ok(method !== undefined);
      assert.equal(METHOD_BY_REST.get(`/v3/kv/lease/${name}`), method);
    }
    const rest = METHODS.filter(({ service }) => /^(etcdserverpb|v3)/.test(service));
    assert.deepEqual(
      rest.filter((method) => method.rest.length === 0).map(({ name }) => name),
      ["RangeStream"],
    );
  });

  it("a method's codecs are those of its messages", () => {
    assert.equal(KV.put.encodeRequest, encodePutRequest);
    assert.equal(KV.put.decodeRequest, decodePutRequest);
    assert.equal(Watch.watch.responseType, "WatchResponse");
  });
});
