import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface RunOptions {
  readonly file?: string | undefined;
  readonly stateDir?: string | undefined;
  readonly healthSocket?: string | undefined;
}

/** A manifest file and a state directory of their own. */
export class Place {
  readonly directory: string;
  readonly file: string;

  /** `parent`: the directory of a lab, so that what a killed test leaves goes with the lab. */
  constructor(parent: string) {
    this.directory = mkdtempSync(join(parent, "quicproxy-net-"));
    this.file = join(this.directory, "edge.yaml");
  }

  /** By rename, as editors and ConfigMaps do: no reader sees half a file. */
  write(text: string): void {
    const draft = join(this.directory, "draft");
    writeFileSync(draft, text);
    renameSync(draft, this.file);
  }

  /** Arguments of `quicproxy` that run what stands here. */
  runArguments({ file, stateDir, healthSocket }: RunOptions = {}): string[] {
    const health = healthSocket === undefined ? [] : ["--health-socket", healthSocket];
    return ["run", "-f", file ?? this.file, "--state-dir", stateDir ?? join(this.directory, "state"), ...health];
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
