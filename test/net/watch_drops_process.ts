import { liveWatchSystem } from "../../host/reading/live/system.ts";
import { DropWatch } from "../../host/reading/live/watch_drops.ts";

/*
 * A process of its own that watches drops: <inode of a network namespace> <port>
 * <events a second that are a storm>. Says `ready`, watches until its input ends
 * or the watch has ended by itself, and prints what it has seen as JSON.
 */

const [namespace, port, stormEventsPerSecond] = process.argv.slice(2).map(Number);
const watch = new DropWatch(
  { namespace: namespace!, ports: [port!], stormEventsPerSecond: stormEventsPerSecond! },
  liveWatchSystem(),
);
console.log("ready");
process.stdin.resume().on("end", () => console.log(JSON.stringify(watch.end())));
