#!/usr/bin/env -S node --disable-sigusr1
import { setFlagsFromString } from "node:v8";
import { closeInspector } from "../process/inspector.ts";
import { endOnSignals, holdSignals } from "../process/signals.ts";

// Most of what is read is looked at once. V8 would let three times of what is in use pile up before it looks for waste.
setFlagsFromString("--optimize-for-size");
// Before anything large is imported: that takes longer than all else at the start.
closeInspector((message) => console.error(`quicproxy-operator: ${message}`));
if (process.argv[2] === "check") endOnSignals();
else holdSignals();
await import("./command.ts");
