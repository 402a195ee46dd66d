import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Peer } from "../../net/peer.ts";
import { Place } from "../../net/place.ts";
import { type ManifestOptions, manifest, ProxyProcess } from "../../net/proxy.ts";
import { PORT, type Stage } from "./stage.ts";

/** `quicproxy run` on the host of a stage, with one worker; ends with the stage. */
export async function startProxy(
  stage: Stage,
  options: ManifestOptions,
  until: "ready" | "healthy" = "ready",
): Promise<ProxyProcess> {
  const reader = new Peer(stage.host);
  stage.later(() => reader.stop());
  const place = new Place(stage.directory);
  place.write(
    manifest({
      listeners: [{ port: PORT }],
      ...options,
      dataPlane: { workers: { min: 1, max: 1 }, ...options.dataPlane },
    }),
  );
  const proxy = await ProxyProcess.start({ place, namespace: stage.host, reader, until });
  stage.later(() => proxy.stop());
  stage.proxy = proxy;
  return proxy;
}

/** The thread of a process that has this name. */
export function threadNamed(pid: number, name: string): number {
  const threads = readdirSync(`/proc/${pid}/task`).map(Number);
  const found = threads.find((thread) => readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").trim() === name);
  if (found === undefined) throw new Error(`process ${pid} has no thread ${name}`);
  return found;
}

/** One thread stands still until the stage ends. */
export async function holdThread(stage: Stage, thread: number): Promise<void> {
  const script = join(import.meta.dirname, "../../net/hold_thread.py");
  const holder: ChildProcess = spawn("/usr/bin/python3", [script, String(thread)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const closed = once(holder, "close");
  stage.later(async () => {
    holder.stdin!.end();
    await closed;
  });
  await once(holder.stdout!, "data");
}
