/** Intervals of keys, and which of them hold a key: a treap ordered by start, each node with the greatest end below it. */
import type { Key } from "../base/bytes.ts";

interface Node<T> {
  readonly from: Key;
  /** Exclusive; null: no end. */
  readonly end: Key | null;
  readonly item: T;
  readonly priority: number;
  left: Node<T> | null;
  right: Node<T> | null;
  /** Greatest end of the subtree; null: no end. */
  endMax: Key | null;
}

/** One item for each interval [from, end). Lookup costs O(log n + hits) where intervals nest little. */
export class IntervalTree<T> {
  #root: Node<T> | null = null;
  #seed = 0x2545f491;
  size = 0;

  find(from: Key, end: Key | null): T | undefined {
    let node = this.#root;
    while (node !== null) {
      const order = compare(from, end, node);
      if (order === 0) return node.item;
      node = order < 0 ? node.left : node.right;
    }
    return undefined;
  }

  /** The interval must not be there yet. */
  insert(from: Key, end: Key | null, item: T): void {
    const priority = this.#random();
    const node = { from, end, item, priority, left: null, right: null, endMax: end };
    this.#root = insertInto(this.#root, node);
    this.size++;
  }

  /** The interval must be there. */
  remove(from: Key, end: Key | null): void {
    this.#root = removeFrom(this.#root, from, end);
    this.size--;
  }

  /** Adds the items of all intervals that hold `key` to `into`. */
  collect(key: Key, into: T[]): void {
    collectFrom(this.#root, key, into);
  }

  /** Balance needs luck, not secrecy: the same calls give the same tree. */
  #random(): number {
    this.#seed ^= this.#seed << 13;
    this.#seed ^= this.#seed >>> 17;
    this.#seed ^= this.#seed << 5;
    return this.#seed;
  }
}

function collectFrom<T>(node: Node<T> | null, key: Key, into: T[]): void {
  for (let at = node; at !== null; at = at.right) {
    if (at.endMax !== null && key >= at.endMax) return;
    collectFrom(at.left, key, into);
    if (key < at.from) return;
    if (at.end === null || key < at.end) into.push(at.item);
  }
}

function compare<T>(from: Key, end: Key | null, node: Node<T>): number {
  if (from !== node.from) return from < node.from ? -1 : 1;
  if (end === node.end) return 0;
  if (end === null) return 1;
  return node.end === null || end < node.end ? -1 : 1;
}

function later(a: Key | null, b: Key | null): Key | null {
  return a === null || b === null ? null : a > b ? a : b;
}

function settle<T>(node: Node<T>): Node<T> {
  let end = node.end;
  if (node.left !== null) end = later(end, node.left.endMax);
  if (node.right !== null) end = later(end, node.right.endMax);
  node.endMax = end;
  return node;
}

function insertInto<T>(node: Node<T> | null, added: Node<T>): Node<T> {
  if (node === null) return added;
  if (compare(added.from, added.end, node) < 0) {
    node.left = insertInto(node.left, added);
    return node.left.priority > node.priority ? rotateRight(node, node.left) : settle(node);
  }
  node.right = insertInto(node.right, added);
  return node.right.priority > node.priority ? rotateLeft(node, node.right) : settle(node);
}

function removeFrom<T>(node: Node<T> | null, from: Key, end: Key | null): Node<T> | null {
  if (node === null) return null;
  const order = compare(from, end, node);
  if (order === 0) return merge(node.left, node.right);
  if (order < 0) node.left = removeFrom(node.left, from, end);
  else node.right = removeFrom(node.right, from, end);
  return settle(node);
}

/** All of `left` is before all of `right`. */
function merge<T>(left: Node<T> | null, right: Node<T> | null): Node<T> | null {
  if (left === null) return right;
  if (right === null) return left;
  if (left.priority > right.priority) {
    left.right = merge(left.right, right);
    return settle(left);
  }
  right.left = merge(left, right.left);
  return settle(right);
}

function rotateRight<T>(node: Node<T>, left: Node<T>): Node<T> {
  node.left = left.right;
  left.right = settle(node);
  return settle(left);
}

function rotateLeft<T>(node: Node<T>, right: Node<T>): Node<T> {
  node.right = right.left;
  right.left = settle(node);
  return settle(right);
}
