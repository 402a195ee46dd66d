import { ApiClient } from "../../../kube/client.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";
import type { Resource } from "../../../kube/resources.ts";
import type { ApiRequest, SendRequest } from "../../../kube/transport.ts";
import type { ObservedWorld } from "../../../operator/apply.ts";
import { projectKey, projectProxy } from "../../../operator/watch/project.ts";
import { FakeWorld } from "./worlds.ts";

type Stored = KubernetesObject & Record<string, unknown>;

/** An API server that answers every write with what was written, or with what `change` makes of it. */
export class EchoApi {
  /** `METHOD name` of each request. */
  readonly writes: string[] = [];
  readonly bodies: Stored[] = [];
  change: (object: Stored) => Stored = (object) => object;
  /** Status of an answer, in place of success. */
  refuse: (write: string, object: Stored | undefined) => number | undefined = () => undefined;
  /** What a GET answers. */
  stored: Stored | undefined;
  #version = 100;

  readonly send: SendRequest = async (request: ApiRequest) => {
    const object = request.body === undefined ? undefined : (JSON.parse(request.body) as Stored);
    const path = request.path.split("?")[0]!;
    const write = `${request.method} ${object?.metadata?.name ?? path.split("/").at(-1)}`;
    this.writes.push(write);
    if (object !== undefined) this.bodies.push(object);
    const status = this.refuse(write, object);
    if (status !== undefined) return answer(status, { message: "refused", reason: "Refused" });
    if (request.method === "GET") return answer(200, this.stored);
    const resourceVersion = String(++this.#version);
    return answer(200, object && this.change({ ...object, metadata: { ...object.metadata, resourceVersion } }));
  };

  client(): ApiClient {
    return new ApiClient(this.send);
  }
}

function answer(status: number, body: unknown) {
  const buffers = [Buffer.from(JSON.stringify(body ?? {}))];
  const stream = {
    destroy: () => {},
    [Symbol.asyncIterator]: async function* () {
      yield* buffers;
    },
  };
  return { status, headers: {}, body: stream };
}

/** A world that takes what is assumed, as caches do. */
export class AssumingWorld extends FakeWorld implements ObservedWorld {
  version = 0;

  assume(resource: Resource, object: KubernetesObject): void {
    this.version++;
    if (resource.kind === "QuicProxyKey") this.parts.keys.push(projectKey(object)!);
    else if (resource.kind === "QuicProxy") this.#assumeProxy(object);
    else {
      const plan = { stages: [[{ resource, object }]], surplus: [], labels: [], finalizer: false };
      Object.assign(this.parts, this.applied(plan).parts);
    }
  }

  /** Of what was applied alone, which is the status or the finalizers. */
  #assumeProxy(object: KubernetesObject): void {
    const { status, finalizers } = projectProxy(object);
    const part = "finalizers" in object.metadata ? { finalizers } : { status };
    this.parts.proxies = this.parts.proxies.map((each) =>
      each.name === object.metadata.name ? { ...each, ...part } : each,
    );
  }
}
