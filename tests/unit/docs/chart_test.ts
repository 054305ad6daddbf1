import assert from "node:assert/strict";
import { join } from "node:path";

const CHART = join(import.meta.dirname ?? "", "..", "..", "..", "deploy", "kubernetes", "helm");
const URLS = ["--set", "urls.mongodb=mongodb://db", "--set", "urls.cratedb=crate://db"];

async function helm(...args: readonly string[]): Promise<{ success: boolean; output: string }> {
  const { success, stdout, stderr } = await new Deno.Command("helm", { args: [...args] }).output();
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** The manifests of a release, by kind. */
async function manifests(release: string, ...values: readonly string[]): Promise<Map<string, string>> {
  const { success, output } = await helm("template", release, CHART, ...values);
  assert.ok(success, output);
  const texts = output.split(/^---$/m).filter((text) => text.includes("kind: "));
  return new Map(texts.map((text) => [/^kind: (.+)$/m.exec(text)?.[1] ?? "", text]));
}

const deployment = async (...values: readonly string[]): Promise<string> =>
  (await manifests("relay", ...values)).get("Deployment") ?? "";

const everything = (): Promise<Map<string, string>> =>
  manifests("relay", "--values", join(CHART, "ci", "everything-values.yaml"));

const checksum = (text: string): string => /checksum\/urls: (\w{64})/.exec(text)?.[1] ?? "";
const OTHER_FILE = ["--set", "config=version: 1"];

const ignore = !(await helm("version").then(({ success }) => success, () => false));
const chartTest = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: `chart: ${name}`, ignore, fn });

chartTest("helm lint has nothing to complain about", async () => {
  const { success, output } = await helm("lint", "--strict", CHART, ...URLS);
  assert.ok(success, output);
  assert.doesNotMatch(output, /WARNING|ERROR/);
});

chartTest("an empty URL is refused, and the message names the value", async () => {
  for (const name of ["mongodb", "cratedb"]) {
    const { success, output } = await helm("template", "relay", CHART, ...URLS, "--set", `urls.${name}=`);
    assert.ok(!success);
    assert.match(output, new RegExp(`urls.${name} is empty: set it, or name a Secret in existingSecret`));
  }
});

chartTest("two releases of a namespace share no name", async () => {
  const names = async (release: string): Promise<string[]> =>
    [...(await manifests(release, ...URLS)).values()].map((text) =>
      /^ {2}name: (.+)$/m.exec(text)?.[1] ?? ""
    );
  assert.deepEqual(new Set(await names("orders")), new Set(["orders"]));
  assert.deepEqual(new Set(await names("users")), new Set(["users"]));
});

chartTest(
  "another URL or another relay.yaml restarts the pods, another label of the chart does not",
  async () => {
    const text = await deployment(...URLS);
    const first = checksum(text);
    assert.equal(text, await deployment(...URLS, "--set", "networkPolicy.enabled=false"));
    assert.notEqual(text, await deployment(...URLS, ...OTHER_FILE));
    assert.equal(first, checksum(await deployment(...URLS, ...OTHER_FILE)));
    assert.notEqual(first, checksum(await deployment(...URLS, "--set", "urls.cratedb=crate://other")));
  },
);

chartTest("an existing Secret is used as it is", async () => {
  const all = await manifests("relay", "--set", "existingSecret=urls-of-orders");
  assert.ok(!all.has("Secret"));
  assert.match(all.get("Deployment") ?? "", /secretName: urls-of-orders/);
  assert.equal(checksum(all.get("Deployment") ?? ""), "");
});

chartTest("the pod reads the relay.yaml of the values", async () => {
  const all = await everything();
  assert.match(all.get("ConfigMap") ?? "", /^ {2}relay\.yaml: \|\n {4}version: 1\n[^]*^ {4}maxLag: 2m\n/m);
  const pod = all.get("Deployment") ?? "";
  assert.match(pod, /args: \["cdc-relay", "--config", "\/etc\/cdc-relay\/relay\.yaml", "--standby"\]/);
  assert.match(pod, /- \{ name: config, mountPath: \/etc\/cdc-relay, readOnly: true \}/);
  assert.match(pod, /- name: config\s+configMap: \{ name: relay \}/);
});

chartTest("with a standby, a pod that is alive is ready, so that a rollout ends", async () => {
  assert.match(await deployment(...URLS), /readinessProbe:\s+httpGet: \{ path: \/healthz,/);
  assert.match(
    await deployment(...URLS, "--set", "replicas=1"),
    /readinessProbe:\s+httpGet: \{ path: \/readyz,/,
  );
});

chartTest("variables, files, image secrets, service account and token reach the pod", async () => {
  const all = await everything();
  const pod = all.get("Deployment") ?? "";
  assert.match(pod, /serviceAccountName: relay\n/);
  assert.match(pod, /imagePullSecrets:\s+- name: registry-login/);
  assert.match(pod, /envFrom:\s+- secretRef:\s+name: aws-credentials/);
  assert.match(pod, /- name: CRATEDB_CA\s+value: "\/etc\/relay\/ca.pem"/);
  assert.match(pod, /fieldPath: spec.nodeName/);
  assert.match(pod, /- mountPath: \/etc\/relay\s+name: certificates/);
  assert.match(pod, /secret:\s+secretName: certificates/);
  assert.match(pod, /mountPath: \/var\/run\/secrets\/kubernetes.io\/serviceaccount/);
  assert.match(pod, /serviceAccountToken:\s+path: token\s+expirationSeconds: 3600\s+audience: "mongodb"/);
  assert.match(all.get("ServiceAccount") ?? "", /example.org\/role: relay/);
});

chartTest("Prometheus names the job as the alert rules do, whatever the release is called", async () => {
  assert.match((await everything()).get("ServiceMonitor") ?? "", /jobLabel: app.kubernetes.io\/name/);
  assert.match((await everything()).get("Service") ?? "", /app.kubernetes.io\/name: cdc-relay/);
});
