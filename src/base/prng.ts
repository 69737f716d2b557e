/**
 * A seeded generator: the same seed gives the same numbers on every machine. xoshiro128** 1.1 of Blackman and Vigna
 * ("Scrambled Linear Pseudorandom Number Generators", 2021): four 32-bit words, period 2^128 - 1. Not for secrets.
 */
import { assert } from "./assert.ts";
import type { Random } from "./ports.ts";

/** One step of splitmix32: spreads a small or regular seed over all bits. */
function mix(word: number): number {
  let z = (word + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** FNV-1a over the UTF-16 units: names are short and few. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

export class Prng implements Random {
  readonly #low: number;
  readonly #high: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** `seed` is a safe integer, zero or more. Equal seeds give equal numbers. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed) && seed >= 0, "a seed is a safe integer, zero or more");
    this.#low = seed >>> 0;
    this.#high = Math.floor(seed / 0x1_0000_0000);
    this.#a = mix(this.#low);
    this.#b = mix(this.#a ^ this.#high);
    this.#c = mix(this.#b);
    // The one forbidden state is all zeros.
    this.#d = mix(this.#c) | 1;
  }

  /**
   * A generator of its own for one purpose. It depends on the seed and the name alone, not on what was drawn before: a draw
   * more in one part of a program moves no other part.
   */
  fork(name: string): Prng {
    const hash = hashName(name);
    const low = mix(this.#low ^ hash);
    const high = mix(mix(this.#high + 1) ^ low ^ mix(hash)) & 0x1f_ffff;
    return new Prng(high * 0x1_0000_0000 + low);
  }

  /** The next 32 bits, as an unsigned number. */
  bits(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  /** Uniform in [0, 1), 53 bits. */
  next(): number {
    const high = this.bits() >>> 5;
    const low = this.bits() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /** Uniform integer in [from, end); the bias is below 2^-53 times the width. */
  between(from: number, end: number): number {
    assert(from < end, "an interval to draw from is not empty");
    return from + Math.floor(this.next() * (end - from));
  }

  /** True with this probability; 0 never, 1 always. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
