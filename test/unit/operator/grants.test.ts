import { describe, expect, it } from "vitest";
import { projectGrant } from "../../../operator/watch/grants.ts";
import type { ObservedGrant } from "../../../operator/world.ts";
import {
  decisionOf,
  FakeWorld,
  node,
  plannedBackends,
  planOf,
  proxy,
  quicProxyClass,
  service,
  slice,
} from "./worlds.ts";

const SPEC = { backends: { service: { name: "server", namespace: "infra", port: 443 } } };
const FROM = { group: "quicproxy.io", kind: "QuicProxy", namespace: "media" };
const TO = { group: "", kind: "Service", name: undefined };

const grant = (changes: Partial<ObservedGrant> = {}): ObservedGrant => {
  return { namespace: "infra", from: [FROM], to: [TO], ...changes };
};

function world(grants: ObservedGrant[] | undefined, hasService = true): FakeWorld {
  return new FakeWorld({
    nodes: [node("node-1", {}, { podCidrs: ["10.1.0.0/16"] })],
    classes: [quicProxyClass()],
    proxies: [proxy("edge", SPEC)],
    services: hasService ? [service({ namespace: "infra" })] : [],
    slices: [slice(["10.1.0.1"], { namespace: "infra" })],
    grants,
  });
}

const refusalOf = (of: FakeWorld): string => {
  const { refusal } = decisionOf(of);
  return refusal === undefined ? "accepted" : `${refusal.reason}: ${refusal.message}`;
};

describe("a Service of another namespace", () => {
  it.each([
    ["all Services there", grant()],
    [
      "this one by name",
      grant({
        to: [
          { ...TO, name: "other" },
          { ...TO, name: "server" },
        ],
      }),
    ],
    ["others from there, too", grant({ from: [{ ...FROM, namespace: "b" }, FROM] })],
  ])("is used where a ReferenceGrant there is for %s", (_, given) => {
    expect(refusalOf(world([given]))).toBe("accepted");
    expect(plannedBackends(planOf(world([given])))).toEqual(["10.1.0.1 1"]);
  });

  it.each([
    ["nobody", undefined],
    ["another Service", grant({ to: [{ ...TO, name: "other" }] })],
    ["another kind of thing", grant({ to: [{ group: "", kind: "Secret", name: undefined }] })],
    ["Services of another group", grant({ to: [{ ...TO, group: "example.com" }] })],
    ["another namespace", grant({ from: [{ ...FROM, namespace: "b" }] })],
    ["another kind", grant({ from: [{ ...FROM, kind: "HTTPRoute" }] })],
    ["the kind of another group", grant({ from: [{ ...FROM, group: "example.com" }] })],
    ["its own namespace, from there", grant({ namespace: "media" })],
    ["two halves in two grants", grant({ to: [] }), grant({ from: [] })],
  ])("is refused where the grants are for %s", (_, ...given) => {
    const grants = given.filter((each): each is ObservedGrant => typeof each === "object");
    expect(refusalOf(world(grants))).toMatch(
      /^RefNotPermitted: .*no ReferenceGrant in infra lets QuicProxies of media/,
    );
    expect(refusalOf(world(grants))).toContain(
      'from: [{group: quicproxy.io, kind: QuicProxy, namespace: media}] and to: [{group: "", kind: Service, name: server}]',
    );
  });

  // Kong/kubernetes-ingress-controller #2816: without the CRD nothing was reconciled any more.
  it("is refused, and nothing else, where there is no such kind", () => {
    expect(refusalOf(world(undefined))).toMatch(/^RefNotPermitted: .*its CRD is not installed/);
  });

  // nginx/nginx-gateway-fabric #477: a refusal must not tell whether there is such a Service.
  it("is refused in the same words whether it is there or not", () => {
    expect(refusalOf(world([], false))).toBe(refusalOf(world([])));
    expect(refusalOf(world([grant()], false))).toMatch(/^ServiceNotFound: there is no Service infra\/server/);
  });

  // Kong/kubernetes-ingress-controller #3289, kumahq/kuma #18075: a grant that was deleted went on granting.
  it("is left at once when the grant goes, and used again when it comes back", () => {
    const before = world([grant()]);
    const after = before.applied(planOf(before));
    after.parts.grants = [];
    expect(refusalOf(after)).toMatch(/^RefNotPermitted/);
    expect(plannedBackends(planOf(after))).toEqual([]);
    const steady = after.applied(planOf(after));
    steady.parts.grants = [grant()];
    expect(refusalOf(steady)).toBe("accepted");
    expect(plannedBackends(planOf(steady))).toEqual(["10.1.0.1 1"]);
  });

  it("may have pods of its own namespace, and none of the QuicProxy's", () => {
    const hand = ["10.1.0.1", "10.1.0.9"].map((address) => {
      return { address, isPod: address === "10.1.0.1", ready: true, serving: true, terminating: false };
    });
    const of = world([grant()]);
    of.parts.slices = [slice([], { namespace: "infra", endpoints: hand }), slice(["10.1.0.9"])];
    expect(plannedBackends(planOf(of))).toEqual(["10.1.0.1 1"]);
  });
});

describe("a ReferenceGrant", () => {
  const raw = {
    metadata: { name: "g", namespace: "infra" },
    spec: { from: [FROM], to: [{ group: "", kind: "Service" }] },
  };

  it("is read as the API server has it, also without names", () => {
    expect(projectGrant(raw)).toEqual(grant());
  });

  it("that is being deleted is none, and one without anything grants nothing", () => {
    const metadata = { ...raw.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" };
    expect(projectGrant({ ...raw, metadata })).toBeUndefined();
    expect(projectGrant({ metadata: raw.metadata })).toEqual({ namespace: "infra", from: [], to: [] });
  });
});
