#!/usr/bin/env -S node --disable-sigusr1
import { closeInspector } from "../../process/inspector.ts";
import { endOnSignals, holdSignals } from "../../process/signals.ts";

// Before anything large is imported: that takes longer than all else at the start.
closeInspector((message) => console.error(`quicproxy: ${message}`));
if (process.argv[2] === "run") holdSignals();
else endOnSignals();
await import("./commands.ts");
