/** Runs with every test file: no process outlives the file that started it. */
import { afterAll } from "vitest";
import { endAll } from "./programs.ts";

afterAll(endAll);
