/** Mistakes made on purpose in what operates a cluster, each of which some judge of the sweep must object to. */

export interface Mutant {
  readonly claim: string;
  /** What the histories are about in which it shows. */
  readonly theme: string;
  /** The seed to begin with. It shows in that history as things are; where it does not any more, in one of those that follow. */
  readonly first: number;
  /** File, what it says, and what it says instead. */
  readonly edits: readonly (readonly [string, string, string])[];
  /** Which judge has to find it. */
  readonly rule: RegExp;
}

export const MUTANTS: readonly Mutant[] = [
  {
    claim: "a roll takes the next pod down without a look at the others",
    theme: "members",
    first: 35,
    edits: [
      ["operator/cluster/operation/roll.ts", "if (isDown(next)) return null;", "return null;"],
    ],
    rule: /I9/,
  },
  {
    claim: "a roll that failed stays what pods are made of",
    theme: "builds",
    first: 2,
    edits: [
      [
        "operator/cluster/operation/failed-roll.ts",
        "if (count < quorumOf(size)) return null;",
        "if (count < size + 1) return null;",
      ],
    ],
    rule: /whose roll has failed|all are well in what works/,
  },
  {
    claim: "a disk goes before its member has left the list",
    theme: "members",
    first: 7,
    edits: [
      [
        "operator/cluster/operation/replace-member.ts",
        "return remove(view, operation, place, place.member.id);",
        "return { kind: 'deleteClaim', name: `data-${place.name}`, uid: operation.claimUid ?? '', vacated: null };",
      ],
    ],
    rule: /I5/,
  },
  {
    claim: "a list that cannot be read is an empty list",
    theme: "members",
    first: 59,
    edits: [
      [
        "operator/cluster/observe.ts",
        "attempt(admin.members()),",
        "attempt(admin.members()).then((read) => (read.known ? read : known([]))),",
      ],
      [
        "operator/cluster/act.ts",
        "const members = await admin.members();",
        "const members = await admin.members().catch(() => []);",
      ],
    ],
    rule: /./,
  },
  {
    claim: "a seed that lost its disk gets another ticket",
    theme: "members",
    first: 19,
    edits: [
      [
        "operator/cluster/operation/bootstrap.ts",
        "if (operation.nonce !== null) return planSeed(view, operation, seed);",
        "if (operation.nonce !== null && seed.boot?.phase !== 'AwaitingTicket') return planSeed(view, operation, seed);",
      ],
    ],
    rule: /I6/,
  },
  {
    claim: "a journal is written over whatever another operator wrote",
    theme: "members",
    first: 5,
    edits: [
      [
        "operator/cluster/act.ts",
        "object.metadata.resourceVersion = journal.resourceVersion;",
        "object.metadata.resourceVersion = (await kube.get(CONFIG_MAP, refTo(facts, object.metadata.name)))?.metadata.resourceVersion ?? '';",
      ],
    ],
    rule: /./,
  },
  {
    claim: "a restore that was killed, and may have replaced the data, is given up",
    theme: "restore",
    first: 11,
    edits: [
      [
        "operator/cluster/operation/restore.ts",
        "(operation.inPlace ? restore.harmless : restore.lasting)",
        "operation.inPlace",
      ],
    ],
    rule: /./,
  },
  {
    claim: "the members stop for a snapshot that nobody has read through",
    theme: "restore",
    first: 16,
    edits: [
      [
        "operator/cluster/operation/restore.ts",
        "return planCheck(view, operation);",
        "return stop(view, operation);",
      ],
    ],
    rule: /stopped for nothing/,
  },
  {
    claim: "a paused cluster is worked on",
    theme: "pause",
    first: 23,
    edits: [["operator/cluster/plan.ts", "facts.cluster.spec.paused === true", "facts.now === 0"]],
    rule: /pause/,
  },
  {
    claim: "a new authority signs before everybody trusts it",
    theme: "certificates",
    first: 5,
    edits: [
      ["operator/cluster/operation/authority.ts", "trusted.includes(print),", 'print !== "",'],
      ["operator/cluster/certificates.ts", "trusted.length === 0 ||", "trusted.length >= 0 ||"],
    ],
    rule: /TLS/,
  },
  {
    claim: "a password is forgotten before the next one is set",
    theme: "passwords",
    first: 19,
    edits: [
      [
        "operator/cluster/operation/auth.ts",
        "passwords: [...given.noted, given.password] }",
        "passwords: [given.password] }",
      ],
    ],
    rule: /convergence/,
  },
  {
    claim: "members restart with TLS alone while others know them by URLs without it",
    theme: "transport",
    first: 106,
    edits: [
      [
        "operator/cluster/transport.ts",
        "urls.every((url) => servesPeers(next, url) && dialsPeers(next, url)) &&",
        "urls.every((url) => servesPeers(next, url) || dialsPeers(next, url)) &&",
      ],
    ],
    rule: /transport: kv-\d does not reach kv-\d/,
  },
  {
    claim: "a member becomes known by a URL with TLS while others have no certificates",
    theme: "transport",
    first: 14,
    edits: [
      [
        "operator/cluster/transport.ts",
        "return others.every((other) => mayMove(other, scheme, current, occupants))",
        "return others.every(() => true)",
      ],
      [
        "operator/cluster/operation/move-peers.ts",
        "if (occupant === undefined || !mayMove(occupant, scheme, transport, occupants))",
        "if (occupant === undefined || (!mayMove(occupant, scheme, transport, occupants) && scheme === undefined))",
      ],
    ],
    rule: /transport: kv-\d does not reach kv-\d/,
  },
  {
    claim: "the operator speaks to members as the spec has them, not as they run",
    theme: "transport",
    first: 2,
    edits: [
      [
        "operator/cluster/access.ts",
        'const scheme = hasCertificates(runs) ? "https" : "http";',
        "const scheme = specOf(cluster).unsafe.plaintext ? 'http' : 'https';",
      ],
    ],
    rule: /convergence/,
  },
  {
    claim: "a backup goes, and what it stored stays",
    theme: "backups",
    first: 1,
    edits: [
      [
        "operator/backup/removal-plan.ts",
        "if (isAbandoned || wasNeverBegun || !facts.hasClaim) return release();",
        "if (isAbandoned || !wasNeverBegun) return release();",
      ],
    ],
    rule: /files belong to nobody/,
  },
  {
    claim: "a member is replaced because an alarm names it",
    theme: "corruption",
    first: 10,
    edits: [
      [
        "operator/cluster/operation/corruption.ts",
        "members.find((place) => !largest.includes(place))",
        "members.find(({ member }) => member?.id === corruptAlarms(view)[0]?.memberId)",
      ],
    ],
    rule: /I2|its history differs/,
  },
  {
    claim: "CORRUPT is ended before the members were compared",
    theme: "corruption",
    first: 10,
    edits: [
      [
        "operator/cluster/operation/corruption.ts",
        'return proceed(view, operation, { step: "Compare", revision });',
        "return { kind: 'disarm', alarm: corruptAlarms(view)[0] };",
      ],
    ],
    rule: /convergence.*its history differs/,
  },
  {
    claim: "an alarm waits for an operation that waits for it",
    theme: "corruption",
    first: 68,
    edits: [["operator/cluster/plan.ts", "?? planYielding(view, operation, next);", ";"]],
    rule: /convergence/,
  },
  {
    claim: "NOSPACE is ended while a database is full",
    theme: "volumes",
    first: 44,
    edits: [
      ["operator/cluster/operation/space.ts", "if (fullest(view) < FULL) return {", "return {"],
    ],
    rule: /space: NOSPACE was ended/,
  },
  {
    claim: "a member leaves while an alarm is raised",
    theme: "volumes",
    first: 66,
    edits: [
      ["operator/cluster/operation/remove-member.ts", "if (alarm !== undefined)", "if (false)"],
    ],
    rule: /I9: \S+ was removed while the alarm/,
  },
  {
    claim: "a roll goes on under NOSPACE",
    theme: "volumes",
    first: 8,
    edits: [["operator/cluster/operation/roll.ts", "if (!isClear)", "if (false)"]],
    rule: /I9: the pod \S+ was deleted while the alarm/,
  },
  {
    claim: "members are defragmented without a look at the others",
    theme: "volumes",
    first: 25,
    edits: [["operator/cluster/operation/space.ts", "if (absent !== undefined) {", "if (false) {"]],
    rule: /I9: the defragmentation/,
  },
  {
    claim: "a roll takes a pod down while a backup reads",
    theme: "backups",
    first: 88,
    edits: [["operator/cluster/operation/roll.ts", "if (isBackupReading(facts))", "if (false)"]],
    rule: /I9: the pod \S+ was deleted while the backup/,
  },
  {
    claim: "a given certificate is shown before everybody trusts its authority",
    theme: "issuers",
    first: 15,
    edits: [["operator/cluster/certificates.ts", "held !== null && !isKnown ? held :", ""]],
    rule: /TLS/,
  },
  {
    claim: "who is silent is taken for one that trusts everybody",
    theme: "issuers",
    first: 8,
    edits: [
      [
        "operator/cluster/certificates.ts",
        "if (isAnySilent(facts)) return false;\n  const prints",
        "const prints",
      ],
    ],
    rule: /TLS/,
  },
  {
    claim: "a renewed certificate of somebody else's is not taken over",
    theme: "issuers",
    first: 1,
    edits: [
      [
        "operator/cluster/certificates.ts",
        "held !== null && !isKnown ? held : readPair(given)",
        "held ?? readPair(given)",
      ],
    ],
    rule: /convergence.*does not show/,
  },
  {
    claim: "what is restored keeps the password of its time",
    theme: "named logins",
    first: 70,
    edits: [
      [
        "operator/cluster/operation/restore.ts",
        "clusterId, boot, rootPassword: null",
        "clusterId, boot",
      ],
    ],
    rule: /convergence.*root has/,
  },
  {
    claim: "the operator logs in with nothing but what it noted",
    theme: "logins",
    first: 2,
    edits: [
      [
        "operator/cluster/operation/auth.ts",
        'const all = [...notedPasswords(secrets, cluster), given ?? ""];',
        "const all = given === null ? [] : notedPasswords(secrets, cluster);",
      ],
    ],
    rule: /convergence/,
  },
  {
    claim: "a version is followed while somebody is two behind",
    theme: "versions",
    first: 14,
    edits: [
      ["operator/cluster/adoption.ts", "generation, before, spread)", "generation, before, null)"],
    ],
    rule: /versions: /,
  },
  {
    claim: "a cluster goes down a minor version without a word",
    theme: "versions",
    first: 37,
    edits: [
      ["operator/cluster/adoption.ts", "minor < oldMinor && to !== downgradeTo", "to === ''"],
    ],
    rule: /versions: .* nobody said so/,
  },
  {
    claim: "a restore wipes the disk that it was put on, too",
    theme: "restore",
    first: 7,
    edits: [
      [
        "operator/cluster/operation/tasks.ts",
        "name === seed || claim === null ? [] : [claim.metadata.uid",
        "claim === null ? [] : [claim.metadata.uid",
      ],
    ],
    rule: /only copy/,
  },
  {
    claim: "what waits for a quorum that is lost keeps its recovery waiting",
    theme: "quorum",
    first: 17,
    edits: [
      [
        "operator/cluster/plan.ts",
        "planGivingUp(view, operation, next) ??",
        "(false ? planGivingUp(view, operation, next) : null) ??",
      ],
    ],
    rule: /convergence/,
  },
];
