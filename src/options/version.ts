/** The version of everything in this package; a test keeps it the same as package.json's. */
export const VERSION = "0.1.0";
