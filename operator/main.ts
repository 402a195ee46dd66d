#!/usr/bin/env node
import { endOnSignals } from "../crds/end_signals.ts";

endOnSignals();
await import("./command.ts");
