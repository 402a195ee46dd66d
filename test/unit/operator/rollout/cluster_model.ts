import type { RolloutNode, Target } from "../../../../operator/rollout/assess.ts";
import type { RolloutRecord } from "../../../../operator/rollout/record.ts";
import {
  nextStep,
  type RolloutAction,
  type RolloutLimits,
  type RolloutStep,
} from "../../../../operator/rollout/step.ts";
import type { ObservedPod } from "../../../../operator/world.ts";
import { FRESH, pod } from "../worlds.ts";

interface ModelNode {
  readonly name: string;
  alive: boolean;
  pod: ObservedPod | undefined;
  /** Since when its pod has been starting or ending. */
  sinceMs: number;
  record: RolloutRecord | undefined;
  drain: boolean;
}

const START_MS = 3000;
const END_MS = 2000;

/** DaemonSet controller, kubelets and an operator without a memory, whose requests may be lost. */
export class ClusterModel {
  readonly nodes: ModelNode[];
  readonly limits: RolloutLimits;
  nowMs = FRESH.nowMs;
  /** What the operator's clock is off by. */
  clockOffMs = 0;
  template = "good-0";
  accountAtMs = 0;
  /** Nodes that are without a ready proxy because the operator took it. */
  readonly takenDown = new Set<string>();
  /** How many ready proxies were taken for each template. */
  readonly takenFor = new Map<string, number>();
  #pods = 0;

  constructor(count: number, limits: RolloutLimits) {
    this.limits = limits;
    this.nodes = Array.from({ length: count }, (_, index) => {
      const name = `node-${index}`;
      return { name, alive: true, pod: undefined, sinceMs: 0, record: undefined, drain: false };
    });
    for (const node of this.nodes) this.#make(node);
    for (let second = 0; second < 20; second++) this.tick();
  }

  get target(): Target {
    return { template: this.template, account: { uid: `sa-${this.accountAtMs}`, createdAtMs: this.accountAtMs } };
  }

  tick(): void {
    this.nowMs += 1000;
    for (const node of this.nodes) {
      this.#control(node);
      if (node.alive) this.#kubelet(node);
      if (node.pod?.ready === true || !node.alive) this.takenDown.delete(node.name);
    }
  }

  /** `keeps`: whether a request comes through. */
  operate(keeps: () => boolean): RolloutStep {
    const step = nextStep({
      target: this.target,
      nodes: this.nodes.map((node) => this.#seen(node)),
      limits: this.limits,
      expectsReady: true,
      nowMs: this.nowMs + this.clockOffMs,
      busy: () => undefined,
    });
    for (const action of step.actions) this.#act(action, keeps);
    return step;
  }

  remove(node: ModelNode): void {
    if (node.pod === undefined || node.pod.terminating) return;
    node.pod = { ...node.pod, terminating: true, ready: false };
    node.sinceMs = this.nowMs;
  }

  crash(node: ModelNode): void {
    if (node.pod === undefined) return;
    node.pod = { ...node.pod, ready: false, started: false, restarts: node.pod.restarts + 1, changedAtMs: this.nowMs };
    node.sinceMs = this.nowMs;
  }

  #act(action: RolloutAction, keeps: () => boolean): void {
    const node = this.nodes.find(({ name }) => name === action.node.nodeName)!;
    if (!keeps()) return;
    if (action.kind === "undrain") {
      node.drain = false;
      return;
    }
    node.record = action.record;
    if (action.kind === "drain") {
      node.drain = true;
      this.#take(node);
      return;
    }
    if (!keeps() || node.pod?.uid !== action.node.pod?.uid) return;
    if (node.pod?.ready === true) this.#take(node);
    this.remove(node);
  }

  #take(node: ModelNode): void {
    this.takenDown.add(node.name);
    this.takenFor.set(this.template, (this.takenFor.get(this.template) ?? 0) + 1);
  }

  #seen(node: ModelNode): RolloutNode {
    const status = { ready: node.pod?.ready === true, appliedGeneration: 7 };
    return { ...node, nodeName: node.name, objectName: `edge.${node.name}`, status, generation: 7 };
  }

  #control(node: ModelNode): void {
    if (node.pod === undefined && node.alive) this.#make(node);
  }

  #make(node: ModelNode): void {
    node.pod = pod(node.name, {
      ...{ uid: `uid-${this.#pods++}`, template: this.template, ready: false, started: false },
      ...{ createdAtMs: this.nowMs, changedAtMs: 0 },
    });
    node.sinceMs = this.nowMs;
  }

  #kubelet(node: ModelNode): void {
    const { pod: present, sinceMs } = node;
    if (present === undefined) return;
    if (present.terminating) {
      if (this.nowMs - sinceMs >= END_MS) node.pod = undefined;
      return;
    }
    const ready = this.nowMs - sinceMs >= START_MS && !present.template!.startsWith("bad") && !node.drain;
    if (this.nowMs - sinceMs < START_MS) return;
    const changedAtMs = present.ready === ready && present.started ? present.changedAtMs : this.nowMs;
    node.pod = { ...present, started: true, ready, changedAtMs };
  }

  /** What is not as it should be, once all is over. */
  leftovers(): string[] {
    return this.nodes.flatMap((node) => {
      const isDone = node.pod?.template === this.template && node.pod.ready && !node.drain;
      const isOwn = (node.pod?.createdAtMs ?? 0) >= this.accountAtMs;
      return isDone && isOwn ? [] : [`${node.name} ${node.pod?.template} ready ${node.pod?.ready} drain ${node.drain}`];
    });
  }
}
