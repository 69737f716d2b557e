/**
 * Simple tokens: 16 random letters, a dot, and the index of the log entry that made them known. Every member learns them
 * from the log, and keeps them in memory alone.
 *
 * What the log carries is a digest of the letters: neither it nor a copy of it lets anybody in.
 */
import { hash, randomInt } from "node:crypto";

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const PREFIX_LETTERS = 16;
const TOKEN = /^([a-zA-Z]{16})\.(\d{1,15})$/;

/** The letters of a new token: 91 bits from the system's generator of secrets. */
export function newTokenPrefix(): string {
  return Array.from({ length: PREFIX_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}

/** What stands for the letters wherever they must not be read. */
export function digestOf(prefix: string): string {
  return hash("sha256", prefix, "base64url");
}

export interface TokenParts {
  readonly prefix: string;
  /** Of the entry that granted it: a member that has not applied so far cannot judge it. */
  readonly index: number;
}

/** Null if it is no token of this kind. */
export function parseToken(token: string): TokenParts | null {
  const parts = TOKEN.exec(token);
  const [, prefix, index] = parts ?? [];
  if (prefix === undefined || index === undefined) return null;
  return { prefix, index: Number(index) };
}

interface Granted {
  readonly user: string;
  readonly index: number;
  /** Of the last use, monotonic milliseconds. */
  usedMs: number;
}

export class SimpleTokens {
  /** By digest, those unused for longest first. */
  readonly #byDigest = new Map<string, Granted>();

  get size(): number {
    return this.#byDigest.size;
  }

  /** What the entry at `index` makes known. */
  grant(digest: string, user: string, index: number, nowMs: number): void {
    this.#byDigest.set(digest, { user, index, usedMs: nowMs });
  }

  /** Whose token it is; null if it is nobody's, or was not used for `ttlMs`. To ask is to use it. */
  use({ prefix, index }: TokenParts, nowMs: number, ttlMs: number): string | null {
    this.expire(nowMs, ttlMs);
    const digest = digestOf(prefix);
    const granted = this.#byDigest.get(digest);
    if (granted === undefined || granted.index !== index) return null;
    granted.usedMs = nowMs;
    this.#byDigest.delete(digest);
    this.#byDigest.set(digest, granted);
    return granted.user;
  }

  forgetUser(user: string): void {
    for (const [digest, granted] of this.#byDigest) {
      if (granted.user === user) this.#byDigest.delete(digest);
    }
  }

  clear(): void {
    this.#byDigest.clear();
  }

  /** Takes the tokens of others whose user passes. */
  inherit(others: SimpleTokens, passes: (user: string) => boolean): void {
    for (const [digest, granted] of others.#byDigest) {
      if (passes(granted.user)) this.#byDigest.set(digest, granted);
    }
  }

  /** Forgets those whose time is over: now and then, since most members never see the tokens that others are shown. */
  expire(nowMs: number, ttlMs: number): void {
    for (const [digest, granted] of this.#byDigest) {
      if (granted.usedMs + ttlMs > nowMs) return;
      this.#byDigest.delete(digest);
    }
  }
}
