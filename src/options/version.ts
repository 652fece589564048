/** The version of everything in this package; a test keeps it the same as package.json's. */
export const VERSION = "0.1.0";

/** When that version was begun, for the man pages. */
export const DATE = "2026-11-22";
