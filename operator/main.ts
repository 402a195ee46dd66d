#!/usr/bin/env -S node --disable-sigusr1
import { closeInspector } from "../process/inspector.ts";
import { endOnSignals, holdSignals } from "../process/signals.ts";

// Before anything large is imported: that takes longer than all else at the start.
closeInspector((message) => console.error(`quicproxy-operator: ${message}`));
if (process.argv[2] === "check") endOnSignals();
else holdSignals();
await import("./command.ts");
