/**
 * What is used of node:http. An import of it reads all its exports, one of which loads all of undici at that moment: 13 MiB and
 * 30 ms of every start, for a client that a server has no use for.
 */
import type * as Http from "node:http";

const http: typeof Http = process.getBuiltinModule("node:http");

export const createHttpServer: typeof Http.createServer = http.createServer;
/** The methods that Node's parser knows. */
export const HTTP_METHODS: readonly string[] = http.METHODS;
/** The reason phrase of each status. */
export const HTTP_STATUS_CODES: Readonly<Record<number, string | undefined>> = http.STATUS_CODES;
