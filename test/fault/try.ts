import { parseReading } from "../../host/reading/parse.ts";
import { judge } from "../../host/doctor/judge.ts";
import { formatReport } from "../../host/doctor/text.ts";
import { moved } from "./stage/counters.ts";
import { examine } from "./stage/examine.ts";
import { PORT, Stage } from "./stage/stage.ts";
import type { Scene } from "./scene.ts";
import * as a from "./scenes/socket.ts";
import * as b from "./scenes/udp.ts";
import * as c from "./scenes/input.ts";
import * as d from "./scenes/machine.ts";
import * as e from "./scenes/send.ts";
import * as f from "./scenes/proxy.ts";
import { proxyMeasure } from "../../proxy/metrics/proxy_measure.ts";
const all: Record<string, Scene> = { ...a, ...b, ...c, ...d, ...e, ...f } as never;
const names = process.argv.slice(2).filter((n) => n !== "-v");
const v = process.argv.includes("-v");
for (const [name, scene] of Object.entries(all)) {
  if (names.length && !names.includes(name)) continue;
  const stage = new Stage();
  try {
    await scene.play(stage);
    const c1 = await stage.proxy?.counters();
    const bundle = await examine(stage.host, scene.subject ?? { port: PORT }, 2000);
    const [x, y] = [parseReading(bundle.before!), parseReading(bundle.after)];
    const report = judge(bundle, c1 && proxyMeasure(c1, (await stage.proxy!.counters())));
    const bad: string[] = [];
    for (const [k, n] of Object.entries(scene.moves)) { const m = moved(k, x, y); if (m === undefined || m < n) bad.push(`${k}=${m}<${n}`); }
    for (const k of scene.still ?? []) { const m = moved(k, x, y); if (m !== 0) bad.push(`${k}=${m} not still`); }
    const f = report.findings.find((f) => f.verdict === scene.verdict);
    const ok = (scene.exitCode === 1 ? report.firstLosing : f?.handOff) === scene.handOff && f && report.exitCode === scene.exitCode && scene.remedy.test(f.remedy.join("\n"));
    console.log(ok && !bad.length ? "OK  " : "BAD ", name, Object.keys(scene.moves).map((k) => `${k}=${moved(k, x, y)}`).join(" "), bad.join(" "), "|", report.firstLosing, report.verdict, report.exitCode, report.findings.map((f) => `${f.handOff}:${f.verdict}(${f.severity}:${f.datagrams})`).join(","), report.doubts.join(";"));
    if (v) console.log(formatReport(report));
  } catch (error) { console.log("BAD ", name, error); } finally { await stage.end(); }
}
