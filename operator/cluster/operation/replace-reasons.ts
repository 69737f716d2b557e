/** Why a member is replaced. Each is something that was seen, and each but the last two means that its data are lost. */
export type MemberReplacement =
  /** It is in the member list and its disk is empty. */
  | "DiskEmpty"
  /** What its disk holds is of a member that was removed. */
  | "DiskOfAnother"
  /** Its claim is being deleted. */
  | "ClaimDeleted"
  /** The node that its volume is bound to does not exist any more. */
  | "NodeGone"
  /** It names data that are damaged. */
  | "DiskCorrupt"
  /** Its history differs from that of the majority. */
  | "Diverged"
  /** It fails whatever was tried. */
  | "KeepsFailing"
  /** A person asked for it. */
  | "Asked";
