/** What each method of the client port is asked in the matrix, and who is to be served. */
import { permission } from "../../../../src/api/gen/auth.ts";
import * as auth from "../../../../src/api/gen/auth-service.ts";
import * as cluster from "../../../../src/api/gen/cluster.ts";
import * as election from "../../../../src/api/gen/election.ts";
import { encodeHealthCheckRequest } from "../../../../src/api/gen/health.ts";
import * as kv from "../../../../src/api/gen/kv.ts";
import * as lease from "../../../../src/api/gen/lease.ts";
import * as lock from "../../../../src/api/gen/lock.ts";
import * as maintenance from "../../../../src/api/gen/maintenance.ts";
import * as watch from "../../../../src/api/gen/watch.ts";

/**
 * Who is served: `anybody`; `user`, every known one; `right`, whose role has the keys; `root` alone; `nobody`: the release
 * does not have the method.
 */
export type Served = "anybody" | "user" | "right" | "root" | "nobody";

export interface Row {
  readonly path: string;
  /** Distinguishes rows of one method. */
  readonly about: string;
  readonly request: Uint8Array;
  readonly served: Served;
  /** What who is served may be told instead of an answer: the request asks for something that is not there. */
  readonly complaint?: RegExp;
  /** Who is served leaves less than there was. */
  readonly destroys: boolean;
}

const DESTRUCTIVE = /Delete|Revoke$|Disable|Lock$|Unlock|Election|deleting/;

/** A lease on whose keys the user "rita" has all permissions. */
export const LEASE = 7001n;
const KEY = Buffer.from("right/key");
const END = Buffer.from("right/kez");
const LEASED = Buffer.from("right/leased");
const LOCK = Buffer.from("right/lock");
const POLL = Buffer.from("right/poll");

function row(path: string, served: Served, request: Uint8Array, complaint?: RegExp): Row {
  const [name = "", about = ""] = path.split(" ", 2);
  const full = name.includes(".") ? `/${name}` : `/etcdserverpb.${name}`;
  // Encoders share one buffer.
  const fixed = { path: full, about, request: Buffer.from(request), served };
  const destroys = DESTRUCTIVE.test(path);
  return complaint === undefined ? { ...fixed, destroys } : { ...fixed, destroys, complaint };
}

const put = (more: Partial<kv.PutRequest>): kv.RequestOp =>
  kv.requestOp({ request: { kind: "requestPut", value: kv.putRequest({ key: KEY, ...more }) } });
const nested = kv.txnRequest({
  success: [
    kv.requestOp({
      request: {
        kind: "requestTxn",
        value: kv.txnRequest({
          failure: [
            kv.requestOp({
              request: { kind: "requestTxn", value: kv.txnRequest({ success: [put({})] }) },
            }),
          ],
        }),
      },
    }),
  ],
});
const compared = kv.txnRequest({ compare: [kv.compare({ key: KEY })] });
const readOnly = kv.txnRequest({
  failure: [
    kv.requestOp({ request: { kind: "requestRange", value: kv.rangeRequest({ key: KEY }) } }),
  ],
});
const deleting = kv.txnRequest({
  failure: [
    kv.requestOp({
      request: { kind: "requestDeleteRange", value: kv.deleteRangeRequest({ key: KEY }) },
    }),
  ],
});

const KEY_ROWS: readonly Row[] = [
  row("KV/Range", "right", kv.encodeRangeRequest(kv.rangeRequest({ key: KEY, rangeEnd: END }))),
  row(
    "KV/Range serializable",
    "right",
    kv.encodeRangeRequest(kv.rangeRequest({ key: KEY, serializable: true })),
  ),
  row(
    "KV/Range everything",
    "root",
    kv.encodeRangeRequest(
      kv.rangeRequest({ key: Buffer.from([0]), rangeEnd: Buffer.from([0]), countOnly: true }),
    ),
  ),
  row("KV/RangeStream", "right", kv.encodeRangeRequest(kv.rangeRequest({ key: KEY }))),
  row("KV/Put", "right", kv.encodePutRequest(kv.putRequest({ key: KEY, prevKv: true }))),
  row("KV/Put leased", "right", kv.encodePutRequest(kv.putRequest({ key: LEASED, lease: LEASE }))),
  row("KV/DeleteRange", "right", kv.encodeDeleteRangeRequest(kv.deleteRangeRequest({ key: KEY }))),
  row("KV/Txn compare", "right", kv.encodeTxnRequest(compared)),
  row("KV/Txn read-only", "right", kv.encodeTxnRequest(readOnly)),
  row("KV/Txn deleting", "right", kv.encodeTxnRequest(deleting)),
  row("KV/Txn nested", "right", kv.encodeTxnRequest(nested)),
  row(
    "KV/Compact",
    "root",
    kv.encodeCompactionRequest(kv.compactionRequest({ revision: 1 })),
    /compacted/,
  ),
  row(
    "Watch/Watch",
    "right",
    watch.encodeWatchRequest(
      watch.watchRequest({
        requestUnion: { kind: "createRequest", value: watch.watchCreateRequest({ key: KEY }) },
      }),
    ),
  ),
  row(
    "Lease/LeaseGrant",
    "user",
    lease.encodeLeaseGrantRequest(lease.leaseGrantRequest({ ttl: 60 })),
  ),
  row("Lease/LeaseRevoke", "right", lease.encodeLeaseRevokeRequest({ id: LEASE })),
  row("Lease/LeaseKeepAlive", "right", lease.encodeLeaseKeepAliveRequest({ id: LEASE })),
  row(
    "Lease/LeaseTimeToLive keys",
    "right",
    lease.encodeLeaseTimeToLiveRequest({ id: LEASE, keys: true }),
  ),
  row(
    "Lease/LeaseTimeToLive",
    "user",
    lease.encodeLeaseTimeToLiveRequest({ id: LEASE, keys: false }),
  ),
  row("Lease/LeaseLeases", "user", lease.encodeLeaseLeasesRequest({})),
];

const CLUSTER_ROWS: readonly Row[] = [
  row(
    "Cluster/MemberAdd",
    "root",
    cluster.encodeMemberAddRequest({ peerUrls: ["no URL"], isLearner: false }),
    /URLs are invalid/,
  ),
  row(
    "Cluster/MemberRemove",
    "root",
    cluster.encodeMemberRemoveRequest({ id: 99n }),
    /not found|unhealthy|not enough/,
  ),
  row(
    "Cluster/MemberUpdate",
    "root",
    cluster.encodeMemberUpdateRequest({ id: 99n, peerUrls: ["http://127.0.0.1:1"] }),
    /not found/,
  ),
  row(
    "Cluster/MemberPromote",
    "root",
    cluster.encodeMemberPromoteRequest({ id: 99n }),
    /not found/,
  ),
  row("Cluster/MemberList", "user", cluster.encodeMemberListRequest({ linearizable: true })),
];

const alarm = (action: number): Uint8Array =>
  maintenance.encodeAlarmRequest(maintenance.alarmRequest({ action, alarm: 1, memberId: 99n }));

const MAINTENANCE_ROWS: readonly Row[] = [
  row("Maintenance/Alarm get", "user", alarm(0)),
  row("Maintenance/Alarm deactivate", "root", alarm(2)),
  row("Maintenance/Status", "user", maintenance.encodeStatusRequest({})),
  row("Maintenance/Defragment", "root", maintenance.encodeDefragmentRequest({})),
  row("Maintenance/Hash", "root", maintenance.encodeHashRequest({})),
  row("Maintenance/HashKV", "root", maintenance.encodeHashKVRequest({ revision: 0 })),
  row("Maintenance/Snapshot", "root", maintenance.encodeSnapshotRequest({})),
  row(
    "Maintenance/MoveLeader",
    "root",
    maintenance.encodeMoveLeaderRequest({ targetId: 99n }),
    /bad leader transferee/,
  ),
  row(
    "Maintenance/Downgrade",
    "root",
    maintenance.encodeDowngradeRequest({ action: 0, version: "none" }),
    /wrong downgrade target version format/,
  ),
];

const granted = auth.authRoleGrantPermissionRequest({
  name: "nobody's",
  perm: permission({ key: KEY }),
});
const NO_ROLE = /role name not found/;
const NO_USER = /user name not found/;

const AUTH_ROWS: readonly Row[] = [
  row("Auth/AuthEnable", "root", auth.encodeAuthEnableRequest({})),
  row("Auth/AuthDisable", "root", auth.encodeAuthDisableRequest({})),
  row("Auth/AuthStatus", "root", auth.encodeAuthStatusRequest({})),
  row(
    "Auth/Authenticate",
    "anybody",
    auth.encodeAuthenticateRequest({ name: "rita", password: "rita" }),
  ),
  row(
    "Auth/UserAdd",
    "root",
    auth.encodeAuthUserAddRequest(auth.authUserAddRequest({ name: "rita", password: "x" })),
    /already exists/,
  ),
  row("Auth/UserGet another", "root", auth.encodeAuthUserGetRequest({ name: "root" })),
  row("Auth/UserGet oneself", "right", auth.encodeAuthUserGetRequest({ name: "rita" })),
  row("Auth/UserList", "root", auth.encodeAuthUserListRequest({})),
  row("Auth/UserDelete", "root", auth.encodeAuthUserDeleteRequest({ name: "nobody" }), NO_USER),
  row(
    "Auth/UserChangePassword",
    "root",
    auth.encodeAuthUserChangePasswordRequest(
      auth.authUserChangePasswordRequest({ name: "nobody", password: "x" }),
    ),
    NO_USER,
  ),
  row(
    "Auth/UserGrantRole",
    "root",
    auth.encodeAuthUserGrantRoleRequest({ user: "rita", role: "nobody's" }),
    NO_ROLE,
  ),
  row(
    "Auth/UserRevokeRole",
    "root",
    auth.encodeAuthUserRevokeRoleRequest({ name: "rita", role: "nobody's" }),
    /role is not granted/,
  ),
  row("Auth/RoleAdd", "root", auth.encodeAuthRoleAddRequest({ name: "rita" }), /already exists/),
  row("Auth/RoleGet another", "root", auth.encodeAuthRoleGetRequest({ role: "none" }), NO_ROLE),
  row("Auth/RoleGet own", "right", auth.encodeAuthRoleGetRequest({ role: "rita" })),
  row("Auth/RoleList", "root", auth.encodeAuthRoleListRequest({})),
  row("Auth/RoleDelete", "root", auth.encodeAuthRoleDeleteRequest({ role: "nobody's" }), NO_ROLE),
  row(
    "Auth/RoleGrantPermission",
    "root",
    auth.encodeAuthRoleGrantPermissionRequest(granted),
    NO_ROLE,
  ),
  row(
    "Auth/RoleRevokePermission",
    "root",
    auth.encodeAuthRoleRevokePermissionRequest({ role: "none", key: KEY, rangeEnd: END }),
    NO_ROLE,
  ),
];

const leader: election.LeaderKey = {
  name: POLL,
  key: Buffer.from("right/poll/1"),
  rev: 1,
  lease: LEASE,
};

const COMPOSED_ROWS: readonly Row[] = [
  row("v3lockpb.Lock/Lock", "right", lock.encodeLockRequest({ name: LOCK, lease: LEASE })),
  row("v3lockpb.Lock/Unlock", "right", lock.encodeUnlockRequest({ key: LOCK })),
  row(
    "v3electionpb.Election/Campaign",
    "right",
    election.encodeCampaignRequest({ name: POLL, lease: LEASE, value: KEY }),
  ),
  row(
    "v3electionpb.Election/Proclaim",
    "right",
    election.encodeProclaimRequest({ leader, value: KEY }),
    /election: not leader/,
  ),
  row("v3electionpb.Election/Leader", "right", election.encodeLeaderRequest({ name: POLL })),
  row("v3electionpb.Election/Observe", "right", election.encodeLeaderRequest({ name: POLL })),
  row("v3electionpb.Election/Resign", "right", election.encodeResignRequest({ leader })),
];

const health = encodeHealthCheckRequest({ service: "" });

export const ROWS: readonly Row[] = [
  ...KEY_ROWS,
  ...CLUSTER_ROWS,
  ...MAINTENANCE_ROWS,
  ...AUTH_ROWS,
  ...COMPOSED_ROWS,
  row("grpc.health.v1.Health/Check", "anybody", health),
  row("grpc.health.v1.Health/Watch", "anybody", health),
  row("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "anybody", Buffer.from([58, 0])),
];
