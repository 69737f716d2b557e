/** What a member needs to know its users by: tokens, passwords, and the streams that rest on them. */
import type { Auth } from "../src/auth/auth.ts";
import { openTokens, type AuthConfig, type TokenScheme } from "./auth-token.ts";
import { Passwords } from "./passwords.ts";
import { Sessions } from "./rpc/sessions.ts";

export class Logins {
  readonly scheme: TokenScheme;
  readonly passwords: Passwords;
  readonly sessions: Sessions = new Sessions();

  /** Throws QuorateError "configuration" where a key of `--auth-token` cannot be used. */
  constructor(config: AuthConfig) {
    this.scheme = openTokens(config.authToken);
    this.passwords = new Passwords(config.bcryptCost);
  }

  /** About once a second: what nobody may use any more is forgotten. */
  tick(auth: Auth, nowMs: number): void {
    if (this.scheme.kind === "simple") auth.tokens.expire(nowMs, this.scheme.ttlMs);
  }
}
