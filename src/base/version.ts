/** Quorate's own version: that of the package, which a test compares. */
export const QUORATE_VERSION = "0.1.0";
