import { randomBytes } from "node:crypto";
import type { HostDependencies } from "./monitor.ts";
import { openProbeSocket } from "./probe_socket.ts";

/** The sockets and random numbers of this host; the timers do not keep the process alive. */
export function systemDependencies(): HostDependencies {
  return {
    openSocket: openProbeSocket,
    random: Math.random,
    randomOctets: (count) => randomBytes(count),
    every: (intervalMs, act) => {
      const timer = setInterval(act, intervalMs);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}
