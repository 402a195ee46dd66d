import type { Scene } from "../scene.ts";
import * as input from "./input.ts";
import * as machine from "./machine.ts";
import * as proxy from "./proxy.ts";
import * as send from "./send.ts";
import * as socket from "./socket.ts";
import * as udp from "./udp.ts";

/** Every fault of the matrix. */
export const SCENES: readonly Scene[] = [input, udp, socket, machine, proxy, send].flatMap((file) =>
  Object.values(file).filter((value): value is Scene => typeof value === "object" && "fault" in value),
);
