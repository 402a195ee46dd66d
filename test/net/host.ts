import type { Peer } from "./peer.ts";
import { Place } from "./place.ts";
import { Program, type ProgramOptions } from "./program.ts";
import { type ProxyPlan, ProxyProcess } from "./proxy.ts";

export interface HostPlan {
  namespace: string;
  /** Reads the programs' HTTP endpoints from inside the namespace. */
  reader: Peer;
  /** Where places are made. */
  directory: string;
}

/** Where tests run programs and keep their manifests; `clear` ends and removes what a test has left. */
export class Host {
  readonly #plan: HostPlan;
  readonly #places: Place[] = [];
  readonly #programs: Program[] = [];

  constructor(plan: HostPlan) {
    this.#plan = plan;
  }

  place(text?: string): Place {
    const place = new Place(this.#plan.directory);
    this.#places.push(place);
    if (text !== undefined) place.write(text);
    return place;
  }

  /** Does not wait for anything. */
  launch(args: readonly string[], options: Partial<ProgramOptions> = {}): Program {
    const launched = new Program(args, { namespace: this.#plan.namespace, ...options });
    this.#programs.push(launched);
    return launched;
  }

  async start(place: Place, options: Partial<ProxyPlan> = {}): Promise<ProxyProcess> {
    const { namespace, reader } = this.#plan;
    const started = await ProxyProcess.start({ place, namespace, reader, ...options });
    this.#programs.push(started);
    return started;
  }

  async clear(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await Promise.all(this.#programs.splice(0).map((program) => program.stop(signal)));
    for (const place of this.#places.splice(0)) place.remove();
  }
}
