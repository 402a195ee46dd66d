import { mapping, size, text, validations } from "./fields.ts";
import { CPU_PATTERN } from "./quantities.ts";

/* Processor time and memory of a container, as Kubernetes names them, narrowed to what can be compared. */

const CPU = 'CPUs from 1m to 9999 in quotes or with the suffix m, such as 500m, "2" or "1.5"';

/** An amount of processor time. */
export function cpu() {
  return text(CPU_PATTERN, 12, CPU);
}

/** An amount of memory for a container. */
export function memory() {
  return size("1Mi", "1024Gi");
}

const REQUESTS = "requests at most the limits";

const amounts = mapping({
  cpu: cpu().optional().describe("Processor time: 500m is half a CPU."),
  memory: memory().optional().describe("Memory, 1Mi to 1024Gi."),
});

export const resourcesShape = mapping({
  requests: amounts.optional().describe("What the scheduler sets aside on a node."),
  limits: amounts
    .optional()
    .describe("The most that it gets: above it processor time waits, and memory ends the container."),
}).meta(
  validations(
    ...["cpu", "memory"].map((name) => ({
      rule:
        `!has(self.requests) || !has(self.limits) || !has(self.requests.${name}) || !has(self.limits.${name}) || ` +
        `quantity(self.requests.${name}).compareTo(quantity(self.limits.${name})) <= 0`,
      message: `${name}: ${REQUESTS}`,
    })),
  ),
);
