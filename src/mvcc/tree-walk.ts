/** Going over the leaves of a key interval, in order; and joining leaves that emptied. */
import type { Key } from "../base/bytes.ts";
import { type Inner, Leaf, LEAF_MAX, type Node } from "./tree-node.ts";

/** The `end` of an interval without one. */
export const OPEN_END: Key = "" as Key;

/** Sees the slots [from, end) of a leaf; false stops the walk. Must not change the tree. */
export type LeafVisitor = (leaf: Leaf, from: number, end: number) => boolean;

/** Visits the slots of [from, end) below `node`. False if the visitor stopped it. */
export function visitNode(node: Node, from: Key, end: Key, visitor: LeafVisitor): boolean {
  if (node instanceof Leaf) {
    const first = from === "" ? 0 : node.lowerBound(from);
    const last = end === OPEN_END ? node.count : node.lowerBound(end);
    return first >= last || visitor(node, first, last);
  }
  const first = from === "" ? 0 : node.childFor(from);
  const last = end === OPEN_END ? node.children.length - 1 : node.childFor(end);
  for (let at = first; at <= last; at++) {
    const below = node.children[at] as Node;
    const low = at === first ? from : ("" as Key);
    const high = at === last ? end : OPEN_END;
    if (!visitNode(below, low, high, visitor)) return false;
  }
  return true;
}

/** Moves the leaf after `at` into the one at `at` if both then fill three quarters at most. */
export function maybeMerge(parent: Inner, at: number): boolean {
  const left = parent.children[at];
  const right = parent.children[at + 1];
  if (!(left instanceof Leaf) || !(right instanceof Leaf)) return false;
  if (left.count + right.count > (LEAF_MAX >> 2) * 3) return false;
  right.moveTail(0, left);
  parent.removeChild(at + 1);
  parent.lives[at] = left.live;
  return true;
}
