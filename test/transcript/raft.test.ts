import { setVerifying } from "../../src/base/assert.ts";
import { RaftTranscript } from "./raft.ts";
import { runTranscripts } from "./runner.ts";

setVerifying(true);

runTranscripts("Raft", new URL("data/raft/", import.meta.url), () => new RaftTranscript().execute);
